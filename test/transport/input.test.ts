import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { able, accept, done, options, questions, sampled, textOf } from './input-app.ts';

let server: TestServer;
let client: ModernClient;
beforeAll(async () => {
  server = await start(options);
  client = new ModernClient(server.url, { capabilities: able });
});
afterAll(() => server[Symbol.asyncDispose]());

const greet = (more: object = {}, args: object = {}, by: ModernClient = client) =>
  by.result('tools/call', { name: 'greet', arguments: args, ...more });

describe('a question', () => {
  it('ends the call with what is asked and a state that says nothing', async () => {
    const result = await greet();
    expect(result).toEqual({
      resultType: 'input_required',
      inputRequests: {
        elicitation_create_1: {
          method: 'elicitation/create',
          params: {
            mode: 'form',
            message: 'Your name?',
            requestedSchema: { type: 'object', properties: { name: { type: 'string', minLength: 1 } }, required: ['name'] },
          },
        },
      },
      requestState: expect.stringMatching(/^[\w-]{43}$/),
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'test', version: '0.0.0' } },
    });
  });

  it('is answered by the same request again, with the answer and the state', async () => {
    const { requestState } = questions(await greet());
    const result = await greet({ requestState, inputResponses: { elicitation_create_1: accept({ name: 'Ada' }) } });
    expect(textOf(result)).toBe('Hello Ada');
  });

  it.each(['decline', 'cancel'])('may be answered %s, and the handler decides', async action => {
    const { requestState } = questions(await greet());
    expect(textOf(await greet({ requestState, inputResponses: { elicitation_create_1: { action } } }))).toBe(`You said ${action}`);
  });

  it('may be answered before it was asked, without a state', async () => {
    expect(textOf(await greet({ inputResponses: { elicitation_create_1: accept({ name: 'Ada' }) } }))).toBe('Hello Ada');
  });

  it('lets nothing run that comes after it before the answer is there', async () => {
    done.length = 0;
    const { requestState } = questions(await greet());
    expect(done).toEqual(['before']);
    await greet({ requestState, inputResponses: { elicitation_create_1: accept({ name: 'Ada' }) } });
    expect(done).toEqual(['before', 'before', 'after']);
  });

  it.each<[string, unknown]>([
    ['a wrong key', { other: accept({ name: 'Ada' }) }],
    ['no answers', {}],
    ['answers that are a number', 5],
    ['answers that are null', null],
    ['answers that are a list', [accept({ name: 'Ada' })]],
    ['an answer that is a number', { elicitation_create_1: 5 }],
    ['an answer that is null', { elicitation_create_1: null }],
    ['an answer that is a list', { elicitation_create_1: [] }],
    ['an answer without action', { elicitation_create_1: { content: { name: 'Ada' } } }],
    ['an unknown action', { elicitation_create_1: { action: 'yes', content: { name: 'Ada' } } }],
    ['acceptance without content', { elicitation_create_1: { action: 'accept' } }],
    ['content of another type', { elicitation_create_1: accept({ name: 5 }) }],
    ['content that breaks the schema', { elicitation_create_1: accept({ name: '' }) }],
    ['content that is no object', { elicitation_create_1: { action: 'accept', content: 'Ada' } }],
    ['an answer wrapped as by a draft', { elicitation_create_1: { method: 'elicitation/create', result: accept({ name: 'Ada' }) } }],
    ['an inherited key', { toString: accept({ name: 'Ada' }), constructor: {} }],
  ])('is asked again after %s, and can be answered then', async (_, inputResponses) => {
    done.length = 0;
    const first = questions(await greet());
    const again = questions(await greet({ requestState: first.requestState, inputResponses }));
    expect(again.keys).toEqual(['elicitation_create_1']);
    expect(again.requestState).not.toBe(first.requestState);
    expect(done).toEqual(['before', 'before']);
    const result = await greet({ requestState: again.requestState, inputResponses: { elicitation_create_1: accept({ name: 'Ada' }) } });
    expect(textOf(result)).toBe('Hello Ada');
  });

  it('does not mind answers to what nobody asked', async () => {
    const { requestState } = questions(await greet());
    const inputResponses = { elicitation_create_1: accept({ name: 'Ada' }), elicitation_create_2: 5, extra: accept({}), __proto__x: null };
    expect(textOf(await greet({ requestState, inputResponses }))).toBe('Hello Ada');
  });

  it('that nobody waits for does not hold the call up', async () => {
    expect(textOf(await client.call('careless'))).toBe('done anyway');
  });

  it('is not asked of a client that cannot answer it: -32021 and 400', async () => {
    const error = await client.error('tools/call', { name: 'greet' }, { capabilities: { sampling: {} } });
    expect(error).toMatchObject({ status: 400, code: -32021, data: { requiredCapabilities: { elicitation: { form: {} } } } });
  });

  it('keeps to the capabilities of each request: a retry that lacks them is refused', async () => {
    const { requestState } = questions(await client.call('interview'));
    const retry = { name: 'interview', requestState, inputResponses: { elicitation_create_1: accept({ name: 'Ada' }) } };
    expect(await client.error('tools/call', retry, { capabilities: {} })).toMatchObject({ status: 400, code: -32021 });
  });
});

describe('several questions', () => {
  it('come one round each where one waits for the other; earlier answers are kept', async () => {
    done.length = 0;
    const steps: [string, object][] = [
      ['elicitation_create_1', accept({ name: 'Ada' })],
      ['elicitation_create_2', accept({ age: 36 })],
      ['sampling_createMessage_1', sampled],
      ['roots_list_1', { roots: [{ uri: 'file:///a' }] }],
    ];
    let result = await client.call('interview');
    for (const [key, answer] of steps) {
      const { keys, requestState } = questions(result);
      expect(keys).toEqual([key]);
      result = await client.result('tools/call', { name: 'interview', requestState, inputResponses: { [key]: answer } });
    }
    expect(JSON.parse(textOf(result))).toEqual({
      name: accept({ name: 'Ada' }),
      age: accept({ age: 36 }),
      thought: 'm',
      roots: [{ uri: 'file:///a' }],
    });
    expect(done).toEqual(['name', 'name', 'age', 'name', 'age', 'thought', 'name', 'age', 'thought']);
  });

  it('come in one round where they are asked at once, in the order of asking, with the keys given', async () => {
    const { keys, requests, requestState } = questions(await client.call('survey'));
    expect(keys).toEqual(['name', 'age', 'sampling_createMessage_1', 'where']);
    expect(Object.values(requests).map(({ method }) => method)).toEqual([
      'elicitation/create',
      'elicitation/create',
      'sampling/createMessage',
      'roots/list',
    ]);
    const inputResponses = {
      where: { roots: [] },
      sampling_createMessage_1: sampled,
      age: accept({ age: 1 }),
      name: accept({ name: 'Ada' }),
    };
    const result = await client.result('tools/call', { name: 'survey', requestState, inputResponses });
    expect(JSON.parse(textOf(result))).toEqual({ name: accept({ name: 'Ada' }), age: accept({ age: 1 }), thought: 'm', roots: [] });
  });

  it('of one round may be answered in parts: only the rest is asked again', async () => {
    const first = questions(await client.call('survey'));
    const some = { age: accept({ age: 1 }), name: { action: 'odd' } };
    const second = questions(await client.result('tools/call', { name: 'survey', requestState: first.requestState, inputResponses: some }));
    expect(second.keys).toEqual(['name', 'sampling_createMessage_1', 'where']);
    const rest = { name: accept({ name: 'Ada' }), sampling_createMessage_1: sampled, where: { roots: [] } };
    const result = await client.result('tools/call', { name: 'survey', requestState: second.requestState, inputResponses: rest });
    expect(JSON.parse(textOf(result)).age).toEqual(accept({ age: 1 }));
  });

  it('of the same kind are told apart by their order', async () => {
    const { keys, requestState } = questions(await client.call('twice'));
    const inputResponses = { elicitation_create_2: accept({ age: 2 }), elicitation_create_1: accept({ age: 1 }) };
    const result = await client.result('tools/call', { name: 'twice', requestState, inputResponses });
    expect([keys, JSON.parse(textOf(result)).answers]).toEqual([
      ['elicitation_create_1', 'elicitation_create_2'],
      [accept({ age: 1 }), accept({ age: 2 })],
    ]);
  });
});

describe('prompts and resources', () => {
  it('ask, too', async () => {
    const { requestState } = questions(await client.result('prompts/get', { name: 'letter' }));
    const inputResponses = { elicitation_create_1: accept({ name: 'Ada' }) };
    const { messages } = await client.result('prompts/get', { name: 'letter', requestState, inputResponses });
    expect(messages[0].content.text).toBe('Write to Ada');
  });

  it('carry cache hints only when they are complete, and for this caller only', async () => {
    const asked = await client.result('resources/read', { uri: 'test://secret/5' });
    expect(['ttlMs' in asked, 'cacheScope' in asked]).toEqual([false, false]);
    const { requestState } = questions(asked);
    const read = await client.result('resources/read', {
      uri: 'test://secret/5',
      requestState,
      inputResponses: { elicitation_create_1: { action: 'cancel' } },
    });
    // The resource is declared with other hints.
    expect(read).toMatchObject({ ttlMs: 0, cacheScope: 'private', contents: [{ text: '5: cancel' }] });
  });

  it.each<[string, Record<string, unknown>]>([
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'test://secret/{id}' }, argument: { name: 'id', value: '' } }],
    ['tools/list', {}],
  ])('are the only ones besides tools: %s never ends with a question', async (method, params) => {
    const meta = { 'io.modelcontextprotocol/clientInfo': { name: 'asks first', version: '1' } };
    expect(await client.error(method, params, { meta })).toMatchObject({ status: 200, code: -32603 });
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual([expect.stringContaining(`${method} cannot ask`)]);
  });

  it('and conditions of tools may ask before the tool runs', async () => {
    const meta = { 'io.modelcontextprotocol/clientInfo': { name: 'asks first', version: '1' } };
    const { requestState } = questions(await client.call('guarded', {}, { meta }));
    const inputResponses = { elicitation_create_1: accept({ name: 'Ada' }) };
    expect(textOf(await client.result('tools/call', { name: 'guarded', arguments: {}, requestState, inputResponses }, { meta }))).toBe(
      'enabled',
    );
  });
});
