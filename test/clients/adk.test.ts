import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmptyDatabase } from '../support/database.ts';
import { emptyDatabase } from '../support/database.ts';
import type { AppProcess } from '../support/example.ts';
import { startApp, startExample } from '../support/example.ts';
import type { Adk, GeminiSchema, Tool, Toolset } from './adk.ts';
import { loadAdk } from './adk.ts';
import { headersOf, toToolResult } from './client.ts';

let adk: Adk;
beforeAll(async () => {
  adk = await loadAdk();
}, 300_000);

function toolset({ origin }: AppProcess, token?: string): Toolset {
  const headers = headersOf(token === undefined ? {} : { token });
  return new adk.MCPToolset({
    type: 'StreamableHTTPConnectionParams',
    url: `${origin}/mcp`,
    transportOptions: { requestInit: { headers } },
  });
}

async function call(tools: Toolset, name: string, args: object = {}, abortSignal?: AbortSignal) {
  const tool = (await tools.getTools()).find(each => each.name === name) as Tool;
  return toToolResult(await tool.runAsync({ args, toolContext: abortSignal ? { abortSignal } : {} }));
}

/** Every type in a schema, `undefined` where it has none. */
function typesOf({ type, properties = {}, items, anyOf = [] }: GeminiSchema): (string | undefined)[] {
  const inner = [...Object.values(properties), ...anyOf, ...(items ? [items] : [])].flatMap(typesOf);
  return anyOf.length > 0 ? inner : [type, ...inner];
}

describe('the MCP toolset of @google/adk with the example', () => {
  let place: EmptyDatabase;
  let example: AppProcess;
  beforeAll(async () => {
    place = await emptyDatabase('sqlite');
    example = await startExample({ DATABASE_URL: place.url });
  });
  afterAll(async () => {
    await example[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  it('lists the tools, with schemas it can convert for Gemini', async () => {
    const tools = await toolset(example, 'demo-ada').getTools();
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['get_client', 'booking_findMany', 'booking_create']));
    for (const tool of tools) {
      const { name, parameters = {}, response = { type: 'OBJECT' } } = tool._getDeclaration();
      expect([name, parameters.type, response.type]).toEqual([tool.name, 'OBJECT', 'OBJECT']);
      expect([name, typesOf(parameters).filter(type => type === undefined || type === 'TYPE_UNSPECIFIED')]).toEqual([name, []]);
    }
  });

  it('calls tools as the user whose token it sends', async () => {
    const ada = toolset(example, 'demo-ada');
    expect((await call(ada, 'get_client', { email: 'ada@example.com' })).structured).toMatchObject({ email: 'ada@example.com' });
    expect((await call(toolset(example, 'demo-grace'), 'booking_count')).structured).toEqual({ count: 7 });
    const { structured } = await call(ada, 'booking_create', { data: { startsAt: '2027-06-01T18:00:00Z', people: 3 } });
    expect(structured).toMatchObject({ clientId: 1, people: 3 });
    const where = { id: (structured as { id: number }).id };
    expect((await call(ada, 'booking_update', { where, data: { people: 4 } })).structured).toMatchObject({ ...where, people: 4 });
    expect(await call(toolset(example), 'booking_update', { where, data: { people: 5 } })).toMatchObject({
      isError: true,
      text: 'Guests may only read; sign in with a bearer token',
    });
  });

  it('lists resources by name, and reads them', async () => {
    const ada = toolset(example, 'demo-ada');
    expect(await ada.listResources()).toContain('clients');
    const [clients, ...others] = await ada.readResource('clients');
    expect([clients?.uri, JSON.parse(clients?.text ?? '').length, others]).toEqual(['reservations://clients', 200, []]);
  });

  it('goes on after kill -9 and a new start', async () => {
    const ada = toolset(example, 'demo-ada');
    const notes = randomUUID();
    await call(ada, 'booking_create', { data: { startsAt: '2027-06-01T18:00:00Z', notes } });
    const [tool] = (await ada.getTools()).filter(({ name }) => name === 'booking_findMany');
    const { port } = example;
    await example.stop('SIGKILL');
    example = await startExample({ DATABASE_URL: place.url, PORT: String(port) });
    const { structured } = toToolResult((await tool?.runAsync({ args: { where: { notes } }, toolContext: {} })) ?? {});
    expect(structured).toMatchObject({ rows: [{ notes }] });
  });
});

describe('the MCP toolset of @google/adk', () => {
  let app: AppProcess;
  beforeAll(async () => {
    app = await startApp(new URL('app.ts', import.meta.url));
  });
  afterAll(() => app[Symbol.asyncDispose]());

  it('gives a call up without a word to the server, and goes on', async () => {
    const [key, abort, tools] = [randomUUID(), new AbortController(), toolset(app)];
    const rejected = expect(call(tools, 'wait', { key }, abort.signal)).rejects.toThrow('aborted');
    await fetch(`${app.origin}/began/${key}`);
    abort.abort();
    await rejected;
    expect((await call(tools, 'count', { to: 1 })).text).toBe('1');
  });

  it.each(['form', 'page', 'sample', 'roots'])('has no answer to a question, so the tool %s says what is missing', async name => {
    const result = await call(toolset(app), name, name === 'form' ? { message: 'Who comes?' } : {});
    expect(result).toMatchObject({ isError: true, text: expect.stringMatching(/^This needs a client with the capability /u) });
  });

  it('speaks 2025-11-25 under the name of its own', async () => {
    expect((await call(toolset(app), 'client')).structured).toEqual({ name: 'MCPClient', revision: '2025-11-25' });
  });
});
