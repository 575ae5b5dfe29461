import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { tasksExtension } from '../src/protocol/revisions.ts';
import { everything } from './matrix/app.ts';
import type { Peer } from './matrix/peer.ts';
import { connect } from './matrix/peer.ts';
import { describeRevisions } from './matrix/revisions.ts';
import type { Json } from './security/world.ts';
import type { TestServer } from './support/server.ts';
import { start } from './support/server.ts';
import { open } from './support/wire.ts';

describeRevisions('the lines of calls', row => {
  const lines: Json[] = [];
  const { options, happened } = everything();
  const tools = { ...options.tools, work: { description: 'A task', task: 'required' as const, handler: () => 'done' } };
  let server: TestServer;
  let peer: Peer;
  beforeAll(async () => {
    const log = (line: string) => void lines.push(JSON.parse(line));
    server = await start({ ...options, cache: {}, tools, principal: () => 'ada', log, logCalls: true, node: 'here' });
    const tasks = row.tasks?.decides === 'server' ? { extensions: { [tasksExtension]: {} } } : {};
    peer = await connect(server.url, row, { elicitation: {}, ...tasks });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(() => void lines.splice(0));

  const calls = () => lines.filter(({ event }) => event === 'mcp.call');

  it('say who called what, how it ended and how long it took, and nothing of the arguments', async () => {
    await peer.request('tools/call', { name: 'echo', arguments: { text: 'secret words' } });
    expect(calls()).toEqual([
      {
        event: 'mcp.call',
        method: 'tools/call',
        name: 'echo',
        outcome: 'ok',
        ...(row.era === 'legacy' && { sessionId: expect.stringMatching(/^mcp_[\w-]{8}$/u) }),
        principal: 'ada',
        clientName: row.era === 'legacy' ? 'wire' : 'modern',
        revision: row.id,
        ms: expect.any(Number),
        node: 'here',
        at: expect.stringMatching(/^\d{4}-.*Z$/u),
      },
    ]);
  });

  it('have the code of an error, and the reference of one that the client must not see', async () => {
    for (const name of ['refuse', 'crash', 'coded', 'no-such-tool']) await peer.request('tools/call', { name, arguments: {} });
    const [{ ref } = { ref: '' }] = server.errors.splice(0) as (Error & { ref: string })[];
    expect(calls().map(({ name, outcome, code, ref: found }) => [name, outcome, code, found])).toEqual([
      ['refuse', 'tool_error', undefined, undefined],
      ['crash', 'tool_error', undefined, ref],
      ['coded', 'error', 4711, undefined],
      [undefined, 'error', -32602, undefined],
    ]);
  });

  it('have a call that was cancelled, once', async () => {
    const started = new Promise(resolve => happened.once('started', resolve));
    const { done, cancel } = peer.begin('wait', 91);
    await started;
    await cancel();
    await done;
    await expect.poll(() => calls().filter(({ name }) => name === 'wait')).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it.runIf(row.tasks)('have a call that became a task, and the run of the task', async () => {
    await peer.request('tools/call', { name: 'work', arguments: {}, ...(row.tasks?.decides === 'client' && { task: {} }) });
    await expect.poll(calls).toHaveLength(2);
    expect(new Set(calls().map(({ name, outcome, task }) => `${name} ${outcome} ${task}`))).toEqual(
      new Set(['work task undefined', 'work ok true']),
    );
  });
});

it('gives no lines of calls unless they are asked for, and needs a log to give them to', async () => {
  const lines: string[] = [];
  await using server = await start({ ...everything().options, log: line => lines.push(line) });
  await (await open(server.url)).call('echo');
  expect(lines.join()).not.toContain('mcp.call');
  await expect(start({ logCalls: true })).rejects.toThrow('logCalls: needs `log`');
});

it('reports what the log throws, and answers the call', async () => {
  const errors: unknown[] = [];
  const log = () => {
    throw new Error('the disk is full');
  };
  await using server = await start({ ...everything().options, log, logCalls: true, onError: error => errors.push(error) });
  expect((await (await open(server.url)).call('echo')).isError).toBeUndefined();
  expect(errors).toContainEqual(new Error('the disk is full'));
});
