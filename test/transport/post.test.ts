import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import { open, post } from '../support/wire.ts';

const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'wire', version: '1' } },
};
const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };

let server: TestServer;
let session: WireSession;
beforeAll(async () => {
  server = await start({
    version: '1.2.3',
    instructions: 'Be kind.',
    limits: { maxBodyBytes: 10_000, maxBodyValues: 1000 },
    tools: { echo: { description: 'Echoes', inputSchema: z.object({ text: z.string() }), handler: ({ text }: { text: string }) => text } },
  });
  session = await open(server.url);
});
afterAll(() => server[Symbol.asyncDispose]());

describe('initialize', () => {
  it('answers the revision, what is served and who serves, and names the session', () => {
    expect(session.id).toMatch(/^[\x21-\x7e]{43,}$/u);
    expect(session.initialized.result).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: { tools: { listChanged: true }, logging: {} },
      serverInfo: { name: 'test', version: '1.2.3' },
      instructions: 'Be kind.',
    });
  });

  it('gives every session an id of its own', async () => {
    expect((await open(server.url)).id).not.toBe(session.id);
  });

  it.each([
    ['protocolVersion', { capabilities: {}, clientInfo: initialize.params.clientInfo }],
    ['capabilities', { protocolVersion: '2025-11-25', clientInfo: initialize.params.clientInfo }],
    ['clientInfo', { protocolVersion: '2025-11-25', capabilities: {} }],
    ['clientInfo', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x' } }],
  ])('names %s when it is missing, and opens no session', async (member, params) => {
    const { status, headers, response } = await post(server.url, { ...initialize, params });
    expect([status, headers.get('mcp-session-id'), response.error?.code]).toEqual([200, null, -32602]);
    expect(response.error?.message).toContain(member);
    expect(response.id).toBe(0);
  });

  it('is refused with 400 in a live session', async () => {
    const { status, messages } = await session.send(initialize);
    expect([status, messages[0]?.error?.code]).toEqual([400, -32600]);
  });

  it('opens a session for a client that still sends the id of a lost one', async () => {
    const { status, headers } = await post(server.url, initialize, { headers: { 'mcp-session-id': `mcp_${'A'.repeat(43)}` } });
    expect([status, headers.get('mcp-session-id')]).toEqual([200, expect.stringMatching(/^mcp_/u)]);
  });

  it('is refused with 400 in a batch', async () => {
    expect((await post(server.url, [initialize])).status).toBe(400);
  });

  it('is answered on a stream where the client reads nothing else', async () => {
    const { headers, response } = await post(server.url, initialize, { headers: { accept: 'text/event-stream' } });
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(response.result.protocolVersion).toBe('2025-11-25');
  });

  it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])('negotiates %s as asked', async revision => {
    expect((await open(server.url, { revision })).initialized.result.protocolVersion).toBe(revision);
  });

  it('counter-offers the newest revision with a handshake', async () => {
    expect((await open(server.url, { revision: '2031-01-01' })).initialized.result.protocolVersion).toBe('2025-11-25');
  });
});

describe('a POST that cannot be served', () => {
  const bodies: [string, unknown, number, number][] = [
    ['not JSON', '{"jsonrpc":', 400, -32700],
    ['an empty body', '', 400, -32700],
    ['a JSON string', '"ping"', 400, -32600],
    ['a JSON number', '7', 400, -32600],
    ['null', 'null', 400, -32600],
    ['no JSON-RPC', { hello: 'world' }, 400, -32600],
    ['a null id', { ...ping, id: null }, 400, -32600],
    ['array params', { ...ping, params: [] }, 400, -32600],
    ['an empty batch', [], 400, -32600],
    ['a batch in a revision without', [ping], 400, -32600],
    ['a body over the limit', { ...ping, params: { fill: 'x'.repeat(10_001) } }, 413, -32600],
    [
      'a body nested too deeply',
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(100)}${']'.repeat(100)}}}`,
      400,
      -32600,
    ],
    ['a member __proto__ of a notification', '{"jsonrpc":"2.0","method":"ping","params":{"__proto__":{"x":1}}}', 400, -32602],
    ['a member __proto__ in a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping","params":{"__proto__":{"x":1}}}]', 400, -32602],
  ];
  it.each(bodies)('%s gets its status and code, and the session goes on', async (_, body, status, code) => {
    const answer = await session.send(body);
    expect([answer.status, answer.messages[0]?.error?.code]).toEqual([status, code]);
    expect(answer.messages[0]?.id).toBeUndefined();
    expect(await session.result('ping')).toEqual({});
  });

  it.each(['{"text":"a","__proto__":{"x":1}}', '{"text":{"__proto__":null}}', '{"\\u005f_proto__":[]}'])(
    'with a member __proto__ in %s is refused in answer to its request, and no prototype changes',
    async args => {
      const { status, messages } = await session.send(
        `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":${args}}}`,
      );
      const error = { code: -32602, message: 'Invalid params: unknown member `__proto__`; leave it out' };
      expect([status, messages]).toEqual([200, [{ jsonrpc: '2.0', id: 7, error }]]);
      expect(Reflect.get({}, 'x')).toBeUndefined();
    },
  );

  const compressors = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync } as const;
  it.each(Object.entries(compressors))(
    'with a body that is not what Content-Encoding %s says is answered 400 and -32700',
    async (encoding, compress) => {
      const whole = compress(JSON.stringify(ping));
      const send = async (body: Buffer) => {
        const headers = {
          ...session.headers,
          'content-type': 'application/json',
          accept: 'application/json',
          'content-encoding': encoding,
        };
        const response = await fetch(server.url, { method: 'POST', headers, body: new Uint8Array(body) });
        return [response.status, await response.json()];
      };
      const message = 'Parse error: the body cannot be decompressed as its Content-Encoding says';
      const refused = [400, { jsonrpc: '2.0', error: { code: -32700, message } }];
      for (const body of [Buffer.from(JSON.stringify(ping)), whole.subarray(0, -5), Buffer.alloc(1000, 0xff), Buffer.alloc(0)]) {
        expect(await send(body)).toEqual(refused);
      }
      expect(await send(whole)).toEqual([200, { jsonrpc: '2.0', id: 1, result: {} }]);
      expect(await send(compress('{"jsonrpc":'))).toEqual([
        400,
        { jsonrpc: '2.0', error: { code: -32700, message: 'Parse error: the body is not JSON' } },
      ]);
      expect((await send(compress('0'.repeat(100_000))))[0]).toBe(413);
    },
  );

  describe.each(['with a length', 'in chunks', 'compressed'])('sent %s', way => {
    const send = async (text: string): Promise<[number, unknown]> => {
      const body = Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":${text}}}`);
      const headers = { ...session.headers, 'content-type': 'application/json', accept: 'application/json' };
      const sent =
        way === 'in chunks'
          ? { body: ReadableStream.from([body]) as ReadableStream, duplex: 'half' as const, headers }
          : way === 'compressed'
            ? { body: new Uint8Array(gzipSync(body)), headers: { ...headers, 'content-encoding': 'gzip' } }
            : { body: new Uint8Array(body), headers };
      const response = await fetch(server.url, { method: 'POST', ...sent });
      return [response.status, ((await response.json()) as { error?: { message: string } }).error?.message];
    };
    const list = (count: number, item: string) => `{"a":[${Array.from({ length: count }, () => item).join(',')}]}`;
    const tooMany = [413, 'The body has more than 1000 values (limits.maxBodyValues); send it in parts'];

    it.each(['1', '[]', '{}', '"b"', '{"c":1}'])('with more values than `maxBodyValues`, each %s, is answered 413', async item => {
      expect(await send(list(1000, item))).toEqual(tooMany);
    });

    it.each([
      ['commas and brackets within texts', JSON.stringify({ a: ',[{'.repeat(1500) })],
      ['quotes within texts', JSON.stringify({ a: '",'.repeat(2500) })],
      ['backslashes at the end of texts', JSON.stringify({ a: '\\', b: ','.repeat(1500) })],
      ['many values, yet not too many', list(900, '1')],
    ])('with %s is served', async (_, text) => {
      expect(await send(text)).toEqual([200, undefined]);
    });

    it('with a text that does not end is answered 400', async () => {
      expect(await send(`{"a":"${','.repeat(2000)}\\"`)).toEqual([400, 'Parse error: the body is not JSON']);
    });

    it('with a text after an escaped backslash counts what follows the text', async () => {
      expect(await send(`{"a":"\\\\","b":${list(1000, '1')}}`)).toEqual(tooMany);
    });
  });

  it('with a Content-Encoding and no body is answered 400', async () => {
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    const lines = [
      'POST /mcp HTTP/1.1',
      `host: 127.0.0.1:${port}`,
      'content-type: application/json',
      'content-encoding: br',
      'connection: close',
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 400 .*Parse error: the body is empty/su);
  });

  it.each([
    ['is too large', 413, {}, Buffer.alloc(3e6, ' ')],
    ['is not gzip', 400, { 'content-encoding': 'gzip' }, Buffer.alloc(3e6, ' ')],
    ['is too large once inflated', 413, { 'content-encoding': 'gzip' }, gzipSync(randomBytes(3e6))],
    ['is of another media type', 415, { 'content-type': 'text/plain' }, Buffer.alloc(3e6, ' ')],
  ])('with a long body that %s leaves the connection fit for the next request', async (_, status, headers, body) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = async (sent: Buffer, more: object = {}): Promise<[number | undefined, boolean]> => {
      const sending = request(server.url, {
        method: 'POST',
        agent,
        headers: { ...session.headers, 'content-type': 'application/json', ...more },
      });
      sending.end(sent);
      const [response] = (await once(sending, 'response')) as [IncomingMessage];
      await once(response.resume(), 'end');
      return [response.statusCode, sending.reusedSocket];
    };
    expect(await send(body, headers)).toEqual([status, false]);
    expect(await send(Buffer.from(JSON.stringify(ping)))).toEqual([200, true]);
    agent.destroy();
  });

  it.each([['text/plain'], ['application/json-seq'], ['multipart/form-data; boundary=x'], ['text/html; application/json']])(
    'is answered 415 for Content-Type %s',
    async type => {
      const { status, messages } = await session.send(ping, { headers: { 'content-type': type } });
      expect([status, messages[0]?.error?.message]).toEqual([415, expect.stringContaining('application/json')]);
    },
  );

  it.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;charset=UTF-8'])(
    'takes Content-Type %s',
    async type => {
      expect((await session.send(ping, { headers: { 'content-type': type } })).status).toBe(200);
    },
  );

  it.each(['text/html', 'image/png, text/*;q=0', 'application/xml'])('is answered 406 for Accept %s', async accept => {
    const { status, messages } = await session.send(ping, { headers: { accept } });
    expect([status, messages[0]?.error?.message]).toEqual([406, expect.stringContaining('text/event-stream')]);
  });

  it.each(['*/*', 'application/json', 'text/event-stream', 'application/*;q=0.5', 'text/event-stream, application/json'])(
    'is served for Accept %s',
    async accept => {
      const { status, response } = await session.send(ping, { headers: { accept } });
      expect([status, response.result]).toEqual([200, {}]);
    },
  );

  it('is answered 400 without a session id, saying what to do', async () => {
    const { status, messages } = await post(server.url, ping);
    expect([status, messages[0]?.error]).toEqual([400, { code: -32600, message: expect.stringContaining('initialize') }]);
  });

  it.each([['mcp_unknown'], [`mcp_${'A'.repeat(43)}`], ['__proto__'], ['x'.repeat(5000)], ["' OR 1=1 --"]])(
    'is answered 404 for the unknown session %s',
    async id => {
      const { status, messages } = await post(server.url, ping, { headers: { 'mcp-session-id': id } });
      expect([status, messages[0]?.error?.message]).toEqual([404, expect.stringContaining('initialize')]);
    },
  );

  it.each(['1999-01-01', 'latest', '2026-07-28x'])('is answered 400 for MCP-Protocol-Version %s, naming those supported', async version => {
    const { status, messages } = await session.send(ping, { headers: { 'mcp-protocol-version': version } });
    expect([status, messages[0]?.error?.message]).toEqual([400, expect.stringContaining('2025-11-25')]);
  });

  it('serves another supported MCP-Protocol-Version than the negotiated one', async () => {
    expect((await session.send(ping, { headers: { 'mcp-protocol-version': '2025-06-18' } })).status).toBe(200);
  });
});

describe('a POST of what is not a request', () => {
  it.each([
    ['a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }],
    ['an unknown notification', { jsonrpc: '2.0', method: 'notifications/unheard-of', params: { a: 1 } }],
    ['a request method without id', { jsonrpc: '2.0', method: 'tools/call', params: { name: 'echo' } }],
    ['a malformed cancellation', { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: {} } }],
    ['a response nobody waits for', { jsonrpc: '2.0', id: 99, result: {} }],
    ['an error response without id', { jsonrpc: '2.0', error: { code: -1, message: 'no' } }],
  ])('%s is answered 202 without a body', async (_, message) => {
    const { status, text } = await session.send(message);
    expect([status, text]).toEqual([202, '']);
  });
});

describe('a request', () => {
  it.each([0, '0', '', 'a"b', 1.7e12, -1])('has its id %j echoed with its type', async id => {
    expect((await session.send({ ...ping, id })).response.id).toBe(id);
  });

  it('of an unknown method is answered 200 and -32601', async () => {
    const { status, response } = await session.request('unheard/of');
    expect([status, response.error?.code]).toEqual([200, -32601]);
  });

  it.each(['constructor', '__proto__', 'toString', 'notifications/initialized'])('of the method %s is answered -32601', async method => {
    expect((await session.error(method)).code).toBe(-32601);
  });

  it.each(['prompts/list', 'resources/read'])('of %s, which is not offered, is answered -32601', async method => {
    expect((await session.error(method, { uri: 'x:y' })).code).toBe(-32601);
  });

  it('of a newer revision only is answered -32601', async () => {
    expect((await session.error('server/discover')).code).toBe(-32601);
  });

  it('is served fifty times at once, whatever the ids', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => session.send({ ...ping, id: index % 7 })));
    expect(answers.every(({ response }) => response.result !== undefined)).toBe(true);
  });
});

describe('other HTTP methods', () => {
  it.each(['PUT', 'PATCH'])('%s is answered 405 with Allow', async method => {
    const response = await fetch(server.url, { method, body: '{}' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, GET, DELETE']);
  });
});
