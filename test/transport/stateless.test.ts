import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { ModernClient, modernRequest } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { open, post } from '../support/wire.ts';

const version = 'io.modelcontextprotocol/protocolVersion';
const capabilities = 'io.modelcontextprotocol/clientCapabilities';
const info = 'io.modelcontextprotocol/clientInfo';

let server: TestServer;
let client: ModernClient;
beforeAll(async () => {
  server = await start({
    tools: {
      echo: { description: 'Echo', inputSchema: z.object({ text: z.string().default('') }), handler: ({ text }: { text: string }) => text },
      sample: {
        description: 'Asks the model',
        handler: async (_: unknown, { mcp }: HandlerContext) => mcp.sample({ messages: [], maxTokens: 1 }),
      },
      noisy: {
        description: 'Says something, then asks the model',
        handler: async (_: unknown, { mcp }: HandlerContext) => {
          mcp.progress(1);
          return mcp.sample({ messages: [], maxTokens: 1 });
        },
      },
      crash: {
        description: 'Crashes',
        handler: () => {
          throw new Error('secret');
        },
      },
    },
    resources: { 'a resource': { uri: 'test://a', handler: () => 'a' } },
  });
  client = new ModernClient(server.url);
});
afterAll(() => server[Symbol.asyncDispose]());

/** Status, code and id of the answer to a request that this changes. */
const answerTo = async (method: string, params: Record<string, unknown>, options: object, id = 101) => {
  const { status, response, headers } = await client.request(method, params, { id, ...options });
  expect(headers.get('content-type')).toMatch(/^application\/json/);
  return [status, response.error?.code ?? 'result', response.id];
};

describe('the ladder of checks, each rung before the next', () => {
  // Every row fails at its own rung and, where it can, at later ones, too.
  const unknown = { revision: 'v999.0.0' };
  it.each<[string, string, Record<string, unknown>, object, number, number | 'result']>([
    ['no _meta', 'unheard/of', {}, { meta: { [version]: undefined, [capabilities]: undefined, [info]: undefined } }, 400, -32602],
    ['no protocolVersion', 'server/discover', {}, { meta: { [version]: undefined } }, 400, -32602],
    ['a protocolVersion that is no string', 'server/discover', {}, { meta: { [version]: 20260728 } }, 400, -32602],
    ['no clientCapabilities', 'server/discover', {}, { meta: { [capabilities]: undefined } }, 400, -32602],
    ['clientCapabilities that are no object', 'server/discover', {}, { meta: { [capabilities]: [] } }, 400, -32602],
    [
      'no envelope, before its headers',
      'tools/call',
      { name: 'echo' },
      { meta: { [version]: undefined }, headers: { 'mcp-method': 'x' } },
      400,
      -32602,
    ],
    ['a bad logLevel', 'tools/list', {}, { logLevel: 'loud' }, 400, -32602],
    ['no version header', 'tools/list', {}, { headers: { 'mcp-protocol-version': undefined } }, 400, -32020],
    ['another version header', 'tools/list', {}, { headers: { 'mcp-protocol-version': '2025-11-25' } }, 400, -32020],
    [
      'a version header that is ours, for a body that is not',
      'tools/list',
      {},
      { ...unknown, headers: { 'mcp-protocol-version': '2026-07-28' } },
      400,
      -32020,
    ],
    ['an unknown version', 'unheard/of', {}, { ...unknown, headers: { 'mcp-method': 'x' } }, 400, -32022],
    ['a version of the other era', 'tools/list', {}, { revision: '2025-11-25' }, 400, -32022],
    ['no Mcp-Method', 'unheard/of', {}, { headers: { 'mcp-method': undefined } }, 400, -32020],
    ['another Mcp-Method', 'tools/list', {}, { headers: { 'mcp-method': 'prompts/list' } }, 400, -32020],
    ['an Mcp-Method of other case', 'tools/list', {}, { headers: { 'mcp-method': 'TOOLS/LIST' } }, 400, -32020],
    ['no Mcp-Name', 'tools/call', { name: 'nobody' }, { headers: { 'mcp-name': undefined } }, 400, -32020],
    ['another Mcp-Name', 'tools/call', { name: 'echo' }, { headers: { 'mcp-name': 'crash' } }, 400, -32020],
    ['no Mcp-Name for a URI', 'resources/read', { uri: 'test://a' }, { headers: { 'mcp-name': undefined } }, 400, -32020],
    [
      'another Mcp-Name for a prompt, before prompts are found missing',
      'prompts/get',
      { name: 'p' },
      { headers: { 'mcp-name': 'q' } },
      400,
      -32020,
    ],
    ['an unknown method', 'unheard/of', {}, {}, 404, -32601],
    ['a method of a feature that is not offered', 'prompts/list', {}, {}, 404, -32601],
    ['an unknown method with params of another', 'ping', { requestState: 'x'.repeat(43), inputResponses: 5 }, {}, 404, -32601],
    ['a capability that is missing', 'tools/call', { name: 'sample' }, {}, 400, -32021],
    ['an unknown tool', 'tools/call', { name: 'nobody' }, {}, 200, -32602],
    ['a resource that is not there', 'resources/read', { uri: 'test://b' }, {}, 200, -32602],
    ['a bad cursor', 'tools/list', { cursor: 'x' }, {}, 200, -32602],
    ['no tool name', 'tools/call', {}, {}, 200, -32602],
    ['no filter to listen with', 'subscriptions/listen', {}, {}, 200, -32602],
    ['nothing wrong', 'tools/call', { name: 'echo' }, {}, 200, 'result'],
    ['a crash, which the model is told of', 'tools/call', { name: 'crash' }, {}, 200, 'result'],
  ])('%s', async (_, method, params, options, status, code) => {
    expect(await answerTo(method, params, options)).toEqual([status, code, 101]);
    server.errors.length = 0;
  });

  it.each([
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'tasks/result',
    'tasks/list',
    'tasks/get',
  ])('%s is gone: 404 and -32601', async method => {
    expect(await answerTo(method, {}, {})).toEqual([404, -32601, 101]);
  });

  it('an unsupported version is told the supported ones, which are those of the discovery', async () => {
    const { data } = await client.error('tools/list', {}, { revision: 'v999.0.0' });
    const { supportedVersions } = await client.result('server/discover');
    expect(data).toEqual({ supported: supportedVersions, requested: 'v999.0.0' });
    expect(supportedVersions).toEqual(['2026-07-28']);
  });

  it('a missing capability is named as an object', async () => {
    expect((await client.error('tools/call', { name: 'sample' })).data).toEqual({ requiredCapabilities: { sampling: {} } });
  });

  it('a missing capability found after the stream has begun rides on the stream', async () => {
    const { status, messages } = await client.request('tools/call', { name: 'noisy' }, { progressToken: 1 });
    expect([status, messages.map(({ method, error }) => method ?? error?.code)]).toEqual([200, ['notifications/progress', -32021]]);
  });

  it('a resource that is not there is named, and -32002 is gone', async () => {
    expect(await client.error('resources/read', { uri: 'test://b' })).toMatchObject({ code: -32602, data: { uri: 'test://b' } });
  });

  it('a request without clientInfo is served', async () => {
    expect((await client.result('server/discover', {}, { meta: { [info]: undefined } })).resultType).toBe('complete');
  });
});

describe('what is no request', () => {
  const headers = modernRequest('tools/list').headers;
  it.each<[string, unknown, number, number]>([
    ['an array of one', [modernRequest('tools/list').body], 400, -32600],
    [
      'an array with one stateless message among others',
      [{ jsonrpc: '2.0', id: 1, method: 'ping' }, modernRequest('tools/list').body],
      400,
      -32600,
    ],
    ['an empty array', [], 400, -32600],
    ['a response', { jsonrpc: '2.0', id: 1, result: {} }, 400, -32600],
    ['an error response', { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'm' } }, 400, -32600],
    ['an id that is null', { jsonrpc: '2.0', id: null, method: 'tools/list' }, 400, -32600],
    ['params that are an array', { jsonrpc: '2.0', id: 1, method: 'tools/list', params: [] }, 400, -32600],
    ['another jsonrpc', { ...modernRequest('tools/list').body, jsonrpc: '1.0' }, 400, -32600],
    ['no JSON', '{"jsonrpc":', 400, -32700],
  ])('%s is refused', async (_, body, status, code) => {
    const { status: answered, response } = await post(server.url, body, { headers });
    expect([answered, response.error?.code, 'id' in response]).toEqual([status, code, false]);
  });

  it('an array with a stateless message is refused without a version header, too', async () => {
    const { status, response } = await post(server.url, [modernRequest('tools/list').body]);
    expect([status, response.error?.code]).toEqual([400, -32600]);
  });

  it('an array with a stateless message is refused even in a session that has batches', async () => {
    const session = await open(server.url, { revision: '2025-03-26' });
    const { status, messages } = await session.send([{ jsonrpc: '2.0', id: 1, method: 'ping' }, modernRequest('tools/list').body]);
    expect([status, messages.map(({ error }) => error?.code)]).toEqual([400, [-32600]]);
  });

  it.each(['notifications/cancelled', 'notifications/initialized', 'tools/call'])(
    'a notification %s is answered 202, whatever its headers',
    async method => {
      const notification = {
        jsonrpc: '2.0',
        method,
        params: { requestId: 1, name: 'crash', _meta: modernRequest('x').body.params?.['_meta'] },
      };
      for (const sent of [{}, headers, { 'mcp-method': 'other' }]) {
        const { status, text } = await post(server.url, notification, { headers: sent });
        expect([status, text]).toEqual([202, '']);
      }
    },
  );

  it.each([
    ['text/plain', 415],
    ['application/jsonp', 415],
    ['application/json; charset=utf-8', 200],
  ])('Content-Type %s is answered %i', async (type, status) => {
    const { body, headers: own } = modernRequest('tools/list');
    expect((await post(server.url, body, { headers: { ...own, 'content-type': type } })).status).toBe(status);
  });

  it('a foreign Origin is refused before anything is read', async () => {
    const { body, headers: own } = modernRequest('tools/list');
    expect((await post(server.url, body, { headers: { ...own, origin: 'https://evil.example.com' } })).status).toBe(403);
  });
});

describe('a result', () => {
  it('of server/discover has what the revision wants and nothing of its drafts', async () => {
    const { headers, response } = await client.request('server/discover');
    expect(response.result).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
      },
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'test', version: '0.0.0' } },
    });
    expect(headers.has('mcp-session-id')).toBe(false);
  });

  it.each<[string, Record<string, unknown>, boolean]>([
    ['server/discover', {}, true],
    ['tools/list', {}, true],
    ['tools/call', { name: 'echo' }, false],
    ['resources/list', {}, true],
    ['resources/templates/list', {}, true],
    ['resources/read', { uri: 'test://a' }, true],
  ])('of %s says its kind and its server, and how long it holds', async (method, params, isCacheable) => {
    const result = await client.result(method, params);
    expect(result).toMatchObject({ resultType: 'complete', _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'test' } } });
    expect('ttlMs' in result).toBe(isCacheable);
  });

  it('is the same for the same request, whoever asks on whatever connection', async () => {
    const [first, ...others] = await Promise.all([1, 2, 3].map(id => new ModernClient(server.url).result('tools/list', {}, { id })));
    for (const other of others) expect(other).toEqual(first);
  });

  it('belongs to its own request where a hundred have the same id', async () => {
    const texts = Array.from({ length: 100 }, (_, index) => `t${index}`);
    const results = await Promise.all(texts.map(text => client.call('echo', { text }, { id: 1 })));
    expect(results.map(({ content }) => content[0].text)).toEqual(texts);
  });
});

describe('headers', () => {
  /** Sends headers exactly as they are given, also twice. */
  const sendRaw = (headers: Record<string, string | string[]>) =>
    new Promise<[number | undefined, number | undefined]>((resolve, reject) => {
      const { body } = modernRequest('tools/list');
      const request = httpRequest(server.url, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers } }, response => {
        let text = '';
        response.setEncoding('utf8').on('data', chunk => {
          text += chunk;
        });
        response.on('end', () => resolve([response.statusCode, (JSON.parse(text) as { error?: { code: number } }).error?.code]));
      });
      request.on('error', reject).end(JSON.stringify(body));
    });

  it.each([
    ['MCP-Protocol-Version', 'Mcp-Method'],
    ['mcp-protocol-version', 'mcp-method'],
    ['MCP-PROTOCOL-VERSION', 'MCP-METHOD'],
  ])('have names in any case: %s, %s', async (versionHeader, methodHeader) => {
    expect(await sendRaw({ [versionHeader]: '2026-07-28', [methodHeader]: 'tools/list' })).toEqual([200, undefined]);
  });

  it('are trimmed', async () => {
    expect(await sendRaw({ 'MCP-Protocol-Version': ' 2026-07-28\t', 'Mcp-Method': '  tools/list ' })).toEqual([200, undefined]);
  });

  it.each(['MCP-Protocol-Version', 'Mcp-Method'])('stand once: %s twice is a mismatch', async name => {
    const headers = { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/list' };
    const value = headers[name as keyof typeof headers];
    expect(await sendRaw({ ...headers, [name]: [value, value] })).toEqual([400, -32020]);
  });

  it('may name what the method does not need', async () => {
    expect((await client.request('tools/list', {}, { headers: { 'mcp-name': 'whatever' } })).status).toBe(200);
  });

  it('are encoded where the name needs it', async () => {
    const encoded = `=?base64?${Buffer.from('echo').toString('base64')}?=`;
    expect((await client.request('tools/call', { name: 'echo' }, { headers: { 'mcp-name': encoded } })).status).toBe(200);
    expect((await client.error('resources/read', { uri: 'test://größe' })).code).toBe(-32602);
  });

  it.each(['=?base64?ZWNobw?=', '=?base64?ZW!!Nobw==?=', '=?BASE64?ZWNobw==?=', '=?base64?ZWNobw=='])(
    'that only look encoded do not name it: %s',
    async value => {
      expect(await client.error('tools/call', { name: 'echo' }, { headers: { 'mcp-name': value } })).toMatchObject({
        status: 400,
        code: -32020,
      });
    },
  );
});
