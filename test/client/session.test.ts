import { getEventListeners, once } from 'node:events';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import type { Endpoint } from '../../src/client/post.ts';
import { pause } from '../../src/client/post.ts';
import type { Connection, Listener } from '../../src/client/wire.ts';
import { textIn } from '../../src/client/wire.ts';
import type { JsonObject } from '../../src/protocol/definitions.ts';
import { serve } from '../support/by-hand.ts';

const ends: (() => PromiseLike<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** One request, as the server has got it. */
interface Seen {
  readonly verb: string;
  readonly headers: IncomingHttpHeaders;
  readonly message: JsonObject;
}
type Answer = (response: ServerResponse, seen: Seen) => unknown;

const events = (response: ServerResponse, text = '') => {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  response.write(text);
  return response;
};
const result = (id: unknown, value: JsonObject = { content: [] }) => JSON.stringify({ jsonrpc: '2.0', id, result: value });
const status = (code: number) => (response: ServerResponse) => response.writeHead(code).end();

const keyOf = ({ verb, headers, message }: Seen) => textIn(message['method']) ?? [verb, headers['last-event-id'] ?? []].flat().join(' ');

/**
 * A session with a server whose answers stand in the test, by method; the streams of GET by `GET`, or `GET 7` behind event 7. An answer of several
 * functions gives one after the other.
 */
async function open(answers: Record<string, Answer | Answer[]>, more: Partial<Endpoint> = {}) {
  const seen: Seen[] = [];
  const told: string[] = [];
  const server = await serve(async (request, response) => {
    const message = request.method === 'POST' ? ((await json(request)) as JsonObject) : {};
    const one = { verb: request.method ?? '', headers: request.headers, message };
    seen.push(one);
    const key = keyOf(one);
    const answer = answers[key];
    const next = Array.isArray(answer) ? answer.shift() : answer;
    if (next !== undefined) next(response, one);
    else if (key === 'initialize') {
      const head = { 'content-type': 'application/json', 'mcp-session-id': 's' };
      response.writeHead(200, head).end(result(message['id'], { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} }));
    } else response.writeHead(request.method === 'GET' ? 405 : 202).end();
  });
  ends.push(() => server[Symbol.asyncDispose]());
  const listener: Listener = {
    answer: async () => ({}),
    notified: method => told.push(method),
    streamChanged: state => told.push(state),
    lost: () => told.push('lost'),
  };
  const endpoint = { url: server.url, fetch, headers: {}, clientInfo: { name: 'test', version: '1' }, capabilities: {}, ...more };
  const connection = await connect(endpoint, '2025-11-25', listener);
  ends.push(() => connection.close());
  const keys = () => seen.map(keyOf);
  return { connection, seen, told, keys };
}

const call = (connection: Connection, signal?: AbortSignal) => connection.request('tools/call', { name: 'x' }, { signal });
const brokenText = 'The connection broke before the answer came. The call may have taken effect.';

describe('the answer to a call of a session', () => {
  it('is resumed behind its last event when its connection is cut', async () => {
    let id: unknown;
    const { connection, told } = await open({
      'tools/call': (response, { message }) => {
        id = message['id'];
        const text = 'id: 7\nretry: 1\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n';
        events(response, text);
        setImmediate(() => response.destroy());
      },
      'GET 7': response => events(response, `id: 8\ndata: ${result(id)}\n\n`).end(),
    });
    expect(await call(connection)).toEqual({ content: [] });
    expect(told).toContain('notifications/message');
  });

  it('is resumed again after a refusal that passes, a lost connection and a stream without events', async () => {
    let id: unknown;
    const { connection, keys } = await open({
      'tools/call': (response, { message }) => {
        id = message['id'];
        events(response, 'id: 7\nretry: 1\ndata:\n\n').end();
      },
      'GET 7': [
        status(503),
        response => response.destroy(),
        response => events(response).end(),
        response => events(response, `data: ${result(id)}\n\n`).end(),
      ],
    });
    expect(await call(connection)).toEqual({ content: [] });
    expect(keys().filter(key => key === 'GET 7')).toHaveLength(4);
  });

  it('fails after ten streams in a row that bring nothing', async () => {
    const { connection, keys } = await open({
      'tools/call': response => events(response, 'id: 7\nretry: 1\ndata:\n\n').end(),
      'GET 7': response => events(response).end(),
    });
    await expect(call(connection)).rejects.toMatchObject({ name: 'RequestError', message: brokenText });
    expect(keys().filter(key => key === 'GET 7')).toHaveLength(10);
  });

  it.each<[string, Answer]>([
    ['a stream without ids that ends too early', response => events(response, 'data:\n\n').end()],
    [
      'a JSON body that is cut off',
      response => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }).write('{"jsonrpc"');
        setImmediate(() => response.destroy());
      },
    ],
  ])('fails and is not asked for again: %s', async (_, answer) => {
    const { connection, keys } = await open({ 'tools/call': answer });
    await expect(call(connection)).rejects.toMatchObject({ name: 'RequestError', message: brokenText });
    expect(keys().filter(key => key === 'tools/call')).toHaveLength(1);
  });

  it('is given up at once when the caller cancels during the pause before a resumption', async () => {
    const { connection, keys } = await open({
      'tools/call': response => events(response, 'id: 7\nretry: 600000\ndata:\n\n').end(),
    });
    const abort = new AbortController();
    const called = call(connection, abort.signal);
    const failed = expect(called).rejects.toThrow('enough');
    await expect.poll(() => getEventListeners(abort.signal, 'abort').length).toBeGreaterThan(0);
    abort.abort(new Error('enough'));
    await failed;
    await expect.poll(keys).toContain('notifications/cancelled');
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  });

  it('gives the reason of a signal that has aborted, not an error of the network', async () => {
    const { connection } = await open({ 'tools/call': () => undefined });
    await expect(call(connection, AbortSignal.timeout(1))).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('is one call, also if a server without tasks was asked for a task', async () => {
    const { connection, keys } = await open({
      'tools/call': (response, { message }) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(result(message['id'], { content: [], isError: false })),
    });
    expect(await connection.request('tools/call', { name: 'x' }, { asTask: true })).toEqual({ content: [], isError: false });
    expect(keys().filter(key => key === 'tools/call')).toHaveLength(1);
  });

  it('has the challenge of a server that wants a token', async () => {
    const { connection } = await open({
      'tools/call': response => response.writeHead(401, { 'www-authenticate': 'Bearer scope="a"' }).end(),
    });
    await expect(call(connection)).rejects.toMatchObject({ status: 401, challenge: 'Bearer scope="a"' });
  });
});

describe('the requests of a session', () => {
  it('keep the `_meta` of the caller beside the progress token', async () => {
    const { connection, seen } = await open({
      'tools/call': (response, { message }) => response.writeHead(200, { 'content-type': 'application/json' }).end(result(message['id'])),
    });
    await connection.request('tools/call', { name: 'x', _meta: { 'a/b': 1 } }, { onProgress: () => undefined });
    expect(seen.at(-1)?.message).toMatchObject({ params: { _meta: { 'a/b': 1, progressToken: expect.any(Number) } } });
  });

  it('have each header once, whatever its case, and go through `fetch` as a plain function', async () => {
    // A browser's `fetch` refuses to be a method of another object.
    const plain = function (this: unknown, ...args: Parameters<typeof fetch>) {
      if (this !== undefined) throw new TypeError('Illegal invocation');
      return fetch(...args);
    };
    const { seen } = await open({}, { fetch: plain, headers: { accept: 'text/html', 'x-user': 'ada' } });
    expect(seen[0]?.headers).toMatchObject({ accept: 'application/json, text/event-stream', 'x-user': 'ada' });
  });
});

describe('a session that the server does not know any more', () => {
  it('is told of once and is not ended by a DELETE', async () => {
    const { connection, told, keys } = await open({ 'tools/call': status(404), GET: response => events(response) });
    const failures = await Promise.allSettled([call(connection), call(connection)]);
    expect(failures.map(one => one.status === 'rejected' && (one.reason as { status: number }).status)).toEqual([404, 404]);
    await expect.poll(() => told.at(-1)).toBe('off');
    expect(told.filter(what => what === 'lost')).toHaveLength(1);
    await connection.close();
    expect(keys()).not.toContain('DELETE');
  });

  it('is noticed by its stream', async () => {
    const { told } = await open({ GET: response => events(response, 'retry: 1\nid: 3\ndata:\n\n').end(), 'GET 3': status(404) });
    await expect.poll(() => told).toEqual(['connecting', 'open', 'waiting', 'connecting', 'lost', 'off']);
  });
});

describe('the stream of a session', () => {
  it('is opened again behind its last event, also after a restart of the server that answered 503', async () => {
    let ended = Promise.resolve<unknown>(undefined);
    const { connection, told } = await open({
      GET: response => events(response, 'retry: 1\nid: 3\ndata:\n\n').end(),
      'GET 3': [
        status(503),
        response => {
          ended = once(events(response, 'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'), 'close');
        },
      ],
    });
    await expect.poll(() => told).toContain('notifications/tools/list_changed');
    await connection.close();
    await ended;
    expect(told.at(-1)).toBe('off');
  });

  it.each<[string, Answer]>([
    ['refused', status(405)],
    ['no stream of events', response => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello</p>')],
  ])('is off if it is %s', async (_, answer) => {
    const { told } = await open({ GET: answer });
    expect(told).toEqual(['connecting', 'off']);
  });

  it('does not hold the connection up if its first attempt breaks', async () => {
    const { told } = await open({ GET: response => response.destroy() });
    expect(told).toEqual(['connecting', 'waiting']);
  });
});

describe('a pause', () => {
  it('leaves no listener at its signal', async () => {
    const { signal } = new AbortController();
    await pause(1, signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends when its signal aborts, and at once if that has happened before', async () => {
    const abort = new AbortController();
    const paused = pause(600_000, abort.signal);
    abort.abort();
    await paused;
    await pause(600_000, abort.signal);
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  });
});
