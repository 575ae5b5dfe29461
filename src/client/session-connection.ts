import type { JsonObject } from '../protocol/definitions.ts';
import type { Channel, Receiver } from './channel.ts';
import type { Endpoint } from './post.ts';
import { pause } from './post.ts';
import type { Connection, Listener, RequestOptions, Server } from './wire.ts';
import { Declined, isObject, pollMs, progressIn, RequestError, taskIn, textIn } from './wire.ts';

/**
 * Opens a session: `initialize`, then `notifications/initialized`.
 *
 * @throws {RequestError} The server refuses, or wants a revision that the client does not speak.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle
 */
export async function openSession(
  channel: Channel,
  { clientInfo, capabilities: given }: Endpoint,
  { revision, listener }: { readonly revision: string; readonly listener: Listener },
): Promise<Connection> {
  // The modes of elicitation came with 2025-11-25.
  const isOlder = revision < '2025-11-25' && given['elicitation'] !== undefined;
  const capabilities = isOlder ? { ...given, elicitation: {} } : given;
  const session = new SessionConnection(channel, listener);
  try {
    await session.initialize({ protocolVersion: revision, capabilities, clientInfo });
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}

/** The revisions with sessions. */
const spoken: readonly unknown[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

class SessionConnection implements Connection, Receiver {
  readonly #channel: Channel;
  readonly #listener: Listener;
  readonly #progress = new Map<unknown, NonNullable<RequestOptions['onProgress']>>();
  readonly #asked = new Map<unknown, AbortController>();
  #lastId = 0;
  #server: Server = { revision: '', info: {}, instructions: undefined, capabilities: {}, supportedVersions: [], sessionId: undefined };

  constructor(channel: Channel, listener: Listener) {
    this.#channel = channel;
    this.#listener = listener;
  }

  get server(): Server {
    return this.#server;
  }

  async initialize(params: JsonObject): Promise<void> {
    const request = { jsonrpc: '2.0', id: this.#nextId(), method: 'initialize', params };
    const { protocolVersion, serverInfo, instructions, capabilities } = await this.#channel.initialize(request, this);
    if (!spoken.includes(protocolVersion)) {
      throw new RequestError(`The server speaks revision ${String(protocolVersion)}, which this client does not.`);
    }
    this.#server = {
      ...this.#server,
      revision: String(protocolVersion),
      info: isObject(serverInfo) ? serverInfo : {},
      instructions: textIn(instructions),
      capabilities: isObject(capabilities) ? capabilities : {},
      sessionId: this.#channel.sessionId,
    };
    await this.#channel.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  }

  async request(method: string, params: JsonObject = {}, options: RequestOptions = {}): Promise<JsonObject> {
    if (options.asTask !== true) return this.#exchange(method, params, options);
    const result = await this.#exchange(method, { ...params, task: {} }, options);
    // A server without tasks has made a plain call.
    return isObject(result['task']) ? this.#follow(result['task'], options) : result;
  }

  /** Waits for the result of a task, and meanwhile looks at its status. */
  async #follow(task: JsonObject, { signal, onTask }: RequestOptions): Promise<JsonObject> {
    const taskId = textIn(task['taskId']) ?? '';
    const ended = new AbortController();
    const cancel = () => void this.#exchange('tasks/cancel', { taskId }, {}).catch(() => undefined);
    signal?.addEventListener('abort', cancel);
    const watch = async (): Promise<void> => {
      for (let state = task; !ended.signal.aborted; state = await this.#exchange('tasks/get', { taskId }, {})) {
        onTask?.(taskIn(state));
        const { pollInterval } = state;
        await pause(typeof pollInterval === 'number' ? pollInterval : pollMs, ended.signal);
      }
    };
    void watch().catch(() => undefined);
    try {
      return await this.#exchange('tasks/result', { taskId }, {});
    } finally {
      ended.abort();
      signal?.removeEventListener('abort', cancel);
      signal?.throwIfAborted();
    }
  }

  async #exchange(method: string, params: JsonObject, { signal, onProgress }: RequestOptions): Promise<JsonObject> {
    const id = this.#nextId();
    const { _meta } = params;
    const all = onProgress === undefined ? params : { ...params, _meta: { ...(isObject(_meta) && _meta), progressToken: id } };
    if (onProgress !== undefined) this.#progress.set(id, onProgress);
    const cancel = () => this.#notify('notifications/cancelled', { requestId: id, reason: 'The user has cancelled' });
    signal?.addEventListener('abort', cancel);
    try {
      return await this.#channel.exchange({ jsonrpc: '2.0', id, method, params: all }, signal);
    } finally {
      this.#progress.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #notify(method: string, params: JsonObject): void {
    void this.#channel.send({ jsonrpc: '2.0', method, params }).catch(() => undefined);
  }

  take({ id, method, params }: JsonObject): void {
    if (typeof method !== 'string') return;
    const members = isObject(params) ? params : {};
    if (id !== undefined) return void this.#answer(id, method, members);
    if (method === 'notifications/cancelled') this.#asked.get(members['requestId'])?.abort();
    if (method === 'notifications/progress') this.#progress.get(members['progressToken'])?.(progressIn(members));
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
    if (!asked.signal.aborted) await this.#channel.send(reply).catch(() => undefined);
  }

  streamChanged(...[state, why]: Parameters<Listener['streamChanged']>): void {
    this.#listener.streamChanged(state, why);
  }

  lost(): void {
    this.#forgetQuestions();
    this.#listener.lost();
  }

  /** Nobody waits for the answers to the server's questions any more. */
  #forgetQuestions(): void {
    for (const asked of this.#asked.values()) asked.abort();
  }

  listen(): Promise<void> {
    return this.#channel.listen();
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

  async close(): Promise<void> {
    this.#forgetQuestions();
    await this.#channel.close();
  }
}
