import type { JsonObject } from '../../protocol/definitions.ts';
import { readEvents } from './event-stream.ts';
import type { Endpoint, Interrupted } from './post.ts';
import { clientInfo, headersOf, parse, pause, post, readResponse, statusError } from './post.ts';
import type { Connection, Listener, RequestOptions, RevisionId, Server } from './wire.ts';
import { Declined, isAbort, isObject, RequestError, textIn, toTaskState } from './wire.ts';

/** Milliseconds between two looks at a task, if the server names none. */
const pollMs = 1000;

/**
 * Opens a session: `initialize`, then `notifications/initialized`, then the session's stream.
 *
 * @throws {RequestError} The server refuses.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
 */
export async function openSession(endpoint: Endpoint, revision: RevisionId, listener: Listener): Promise<Connection> {
  const hasModes = revision === '2025-11-25';
  const capabilities = { elicitation: hasModes ? { form: {}, url: {} } : {}, sampling: {}, roots: {} };
  const params = { protocolVersion: revision, capabilities, clientInfo };
  const response = await post(endpoint, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, { headers: {} });
  const sessionId = response.headers.get('mcp-session-id') ?? undefined;
  const answer = await readResponse(response, 0, () => undefined);
  if (!('result' in answer)) throw new RequestError('The server ended its answer too early.');
  const { result } = answer;
  const session = new SessionConnection({
    endpoint,
    listener,
    server: {
      revision: textIn(result['protocolVersion']) ?? revision,
      info: isObject(result['serverInfo']) ? result['serverInfo'] : {},
      instructions: textIn(result['instructions']),
      capabilities: isObject(result['capabilities']) ? result['capabilities'] : {},
      supportedVersions: [],
      sessionId,
    },
  });
  await session.notify('notifications/initialized');
  void session.listen();
  return session;
}

interface SessionOptions {
  readonly endpoint: Endpoint;
  readonly listener: Listener;
  readonly server: Server;
}

class SessionConnection implements Connection {
  readonly server: Server;
  readonly #endpoint: Endpoint;
  readonly #listener: Listener;
  readonly #closed = new AbortController();
  readonly #progress = new Map<unknown, NonNullable<RequestOptions['onProgress']>>();
  readonly #asked = new Map<unknown, AbortController>();
  #lastId = 0;

  constructor({ endpoint, listener, server }: SessionOptions) {
    this.#endpoint = endpoint;
    this.#listener = listener;
    this.server = server;
  }

  async request(method: string, params: JsonObject = {}, options: RequestOptions = {}): Promise<JsonObject> {
    if (options.asTask !== true) return this.#exchange(method, params, options);
    const { task } = await this.#exchange(method, { ...params, task: {} }, options);
    return isObject(task) ? this.#follow(task, options) : this.#exchange(method, params, options);
  }

  /** Waits for the result of a task, and meanwhile looks at its status. */
  async #follow(task: JsonObject, { signal, onTask }: RequestOptions): Promise<JsonObject> {
    const taskId = textIn(task['taskId']) ?? '';
    const ended = new AbortController();
    const cancel = () => void this.#exchange('tasks/cancel', { taskId }, {}).catch(() => undefined);
    signal?.addEventListener('abort', cancel);
    const watch = async (state: JsonObject): Promise<void> => {
      onTask?.(toTaskState(state));
      const { pollInterval } = state;
      await pause(typeof pollInterval === 'number' ? pollInterval : pollMs, ended.signal);
      if (!ended.signal.aborted) await watch(await this.#exchange('tasks/get', { taskId }, {}));
    };
    void watch(task).catch(() => undefined);
    try {
      return await this.#exchange('tasks/result', { taskId }, {});
    } finally {
      ended.abort();
      signal?.removeEventListener('abort', cancel);
      if (signal?.aborted) signal.throwIfAborted();
    }
  }

  async #exchange(method: string, params: JsonObject, { signal, onProgress }: RequestOptions): Promise<JsonObject> {
    this.#lastId += 1;
    const id = this.#lastId;
    const all = onProgress === undefined ? params : { ...params, _meta: { progressToken: id } };
    if (onProgress !== undefined) this.#progress.set(id, onProgress);
    const cancel = () => void this.notify('notifications/cancelled', { requestId: id, reason: 'The user has cancelled' });
    signal?.addEventListener('abort', cancel);
    const aborted = signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]);
    try {
      const message = { jsonrpc: '2.0', id, method, params: all };
      const response = await post(this.#endpoint, message, { headers: this.#headers(), signal: aborted });
      if (response.status === 404) this.#lose();
      let answer = await readResponse(response, id, each => this.#take(each));
      while (!('result' in answer)) answer = await this.#resume(answer, id, aborted);
      return answer.result;
    } finally {
      this.#progress.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Takes the rest of a call's stream that the server has closed, as `ctx.mcp.closeStream()` does. */
  async #resume({ lastEventId, retryMs }: Interrupted, id: number, signal: AbortSignal) {
    if (lastEventId === undefined) throw new RequestError('The connection broke before the answer came. The call may have taken effect.');
    await pause(retryMs, signal);
    signal.throwIfAborted();
    const headers = headersOf(this.#endpoint, { ...this.#headers(), Accept: 'text/event-stream', 'Last-Event-ID': lastEventId });
    const response = await fetch(this.#endpoint.url, { headers, signal });
    if (!response.ok) throw statusError(response);
    return readResponse(response, id, each => this.#take(each));
  }

  async notify(method: string, params: JsonObject = {}): Promise<void> {
    await post(this.#endpoint, { jsonrpc: '2.0', method, params }, { headers: this.#headers() }).catch(() => undefined);
  }

  /** Keeps the session's stream open, also after it has broken. */
  async listen(): Promise<void> {
    const { signal } = this.#closed;
    let lastEventId: string | undefined;
    let retryMs = 1000;
    while (!signal.aborted) {
      this.#listener.streamChanged('connecting');
      try {
        const resumed: Record<string, string> = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
        const headers = headersOf(this.#endpoint, { ...this.#headers(), Accept: 'text/event-stream', ...resumed });
        const response = await fetch(this.#endpoint.url, { headers, signal });
        if (!response.ok || response.body === null) {
          if (response.status === 404) this.#lose();
          return this.#listener.streamChanged('off', statusError(response).message);
        }
        this.#listener.streamChanged('open');
        for await (const event of readEvents(response.body)) {
          lastEventId = event.id ?? lastEventId;
          retryMs = event.retryMs ?? retryMs;
          const message = parse(event.data);
          if (message !== undefined) this.#take(message);
        }
      } catch (error) {
        if (isAbort(error)) break;
      }
      if (signal.aborted) break;
      this.#listener.streamChanged('waiting');
      await pause(retryMs, signal);
    }
    this.#listener.streamChanged('off');
  }

  #take({ id, method, params }: JsonObject): void {
    if (typeof method !== 'string') return;
    const members = isObject(params) ? params : {};
    if (id !== undefined) return void this.#answer(id, method, members);
    if (method === 'notifications/cancelled') this.#asked.get(members['requestId'])?.abort();
    if (method === 'notifications/progress') {
      const { progress, total, message, progressToken } = members;
      this.#progress.get(progressToken)?.({
        progress: Number(progress),
        ...(typeof total === 'number' && { total }),
        ...(typeof message === 'string' && { message }),
      });
    }
    this.#listener.notified(method, members);
  }

  async #answer(id: unknown, method: string, params: JsonObject): Promise<void> {
    const asked = new AbortController();
    this.#asked.set(id, asked);
    let reply: JsonObject;
    try {
      const result = method === 'ping' ? {} : await this.#listener.answer({ method, params }, asked.signal);
      reply = { jsonrpc: '2.0', id, result };
    } catch (error) {
      const code = error instanceof Declined ? -1 : -32601;
      reply = { jsonrpc: '2.0', id, error: { code, message: error instanceof Error ? error.message : String(error) } };
    }
    this.#asked.delete(id);
    if (!asked.signal.aborted) await post(this.#endpoint, reply, { headers: this.#headers() }).catch(() => undefined);
  }

  /** The server knows the session no more, so nobody needs to end it. */
  #lose(): void {
    this.#closed.abort();
    this.#listener.lost();
  }

  async setLogLevel(level: string | undefined): Promise<void> {
    if (level !== undefined) await this.request('logging/setLevel', { level });
  }

  async subscribe(uri: string): Promise<void> {
    await this.request('resources/subscribe', { uri });
  }

  async unsubscribe(uri: string): Promise<void> {
    await this.request('resources/unsubscribe', { uri });
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    const headers = headersOf(this.#endpoint, this.#headers());
    // The page may be closing.
    void fetch(this.#endpoint.url, { method: 'DELETE', headers, keepalive: true }).catch(() => undefined);
  }

  #headers(): Record<string, string> {
    const { sessionId, revision } = this.server;
    return { 'MCP-Protocol-Version': revision, ...(sessionId !== undefined && { 'Mcp-Session-Id': sessionId }) };
  }
}
