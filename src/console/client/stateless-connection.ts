import type { JsonObject } from '../../protocol/definitions.ts';
import { mirroredHeaders } from './headers.ts';
import type { Endpoint } from './post.ts';
import { clientInfo, pause, post, readResponse, statusError } from './post.ts';
import type { Connection, Listener, RequestOptions, RevisionId, Server } from './wire.ts';
import { isAbort, isObject, RequestError, tasksExtension, textIn, toTaskState } from './wire.ts';

const prefix = 'io.modelcontextprotocol/';
/** Milliseconds between two looks at a task, if the server names none. */
const pollMs = 1000;
/** A server that asks on and on would keep the page busy for ever. */
const maxRounds = 50;

/**
 * Connects without a session: `server/discover`, then `subscriptions/listen`.
 *
 * @throws {RequestError} The server refuses.
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic
 */
export async function connectStateless(endpoint: Endpoint, revision: RevisionId, listener: Listener): Promise<Connection> {
  const connection = new StatelessConnection(endpoint, revision, listener);
  await connection.discover();
  connection.listen();
  return connection;
}

class StatelessConnection implements Connection {
  readonly #endpoint: Endpoint;
  readonly #listener: Listener;
  readonly #closed = new AbortController();
  readonly #progress = new Map<unknown, NonNullable<RequestOptions['onProgress']>>();
  readonly #subscribed = new Set<string>();
  #listening: AbortController | undefined;
  #logLevel: string | undefined;
  #lastId = 0;
  #server: Server;

  constructor(endpoint: Endpoint, revision: RevisionId, listener: Listener) {
    this.#endpoint = endpoint;
    this.#listener = listener;
    this.#server = { revision, info: {}, instructions: undefined, capabilities: {}, supportedVersions: [], sessionId: undefined };
  }

  get server(): Server {
    return this.#server;
  }

  async discover(): Promise<void> {
    const result = await this.request('server/discover');
    const { supportedVersions, capabilities, instructions, _meta } = result;
    const info = isObject(_meta) ? _meta[`${prefix}serverInfo`] : undefined;
    this.#server = {
      ...this.#server,
      info: isObject(info) ? info : {},
      instructions: textIn(instructions),
      capabilities: isObject(capabilities) ? capabilities : {},
      supportedVersions: Array.isArray(supportedVersions) ? supportedVersions.map(String) : [],
    };
  }

  async request(method: string, params: JsonObject = {}, options: RequestOptions = {}): Promise<JsonObject> {
    let retry: JsonObject = {};
    for (let round = 0; round < maxRounds; round += 1) {
      const result = await this.#exchange(method, { ...params, ...retry }, options);
      if (result['resultType'] === 'task') return this.#follow(result, options);
      if (result['resultType'] !== 'input_required') return result;
      const inputResponses = await this.#answers(result['inputRequests'], options.signal);
      const { requestState } = result;
      retry = { inputResponses, ...(requestState !== undefined && { requestState }) };
    }
    throw new RequestError(`The server has asked ${maxRounds} times, and still has no result.`);
  }

  /** The user's answers, by the keys of the questions. */
  async #answers(requests: unknown, signal: AbortSignal | undefined): Promise<JsonObject> {
    const answers: JsonObject = {};
    for (const [key, question] of Object.entries(isObject(requests) ? requests : {})) {
      if (!isObject(question)) continue;
      const params = isObject(question['params']) ? question['params'] : {};
      const asked = { method: textIn(question['method']) ?? '', params };
      answers[key] = await this.#listener.answer(asked, signal ?? this.#closed.signal);
      signal?.throwIfAborted();
    }
    return answers;
  }

  /** Looks at a task until it has ended, and answers what it asks. */
  async #follow(created: JsonObject, { signal, onTask }: RequestOptions): Promise<JsonObject> {
    const taskId = textIn(created['taskId']) ?? '';
    const cancel = () => void this.#exchange('tasks/cancel', { taskId }, {}).catch(() => undefined);
    signal?.addEventListener('abort', cancel);
    try {
      for (let task = created; ; task = await this.#exchange('tasks/get', { taskId }, {})) {
        signal?.throwIfAborted();
        onTask?.(toTaskState(task));
        const { status, result, error, pollIntervalMs, inputRequests } = task;
        if (status === 'completed' && isObject(result)) return result;
        if (status === 'cancelled') throw new RequestError('The task was cancelled.');
        if (status === 'failed') throw failure(error);
        if (isObject(inputRequests) && Object.keys(inputRequests).length > 0) {
          const inputResponses = await this.#answers(inputRequests, signal);
          await this.#exchange('tasks/update', { taskId, inputResponses }, {});
        } else await pause(typeof pollIntervalMs === 'number' ? pollIntervalMs : pollMs, signal ?? this.#closed.signal);
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  async #exchange(method: string, params: JsonObject, { signal, onProgress, inputSchema }: RequestOptions): Promise<JsonObject> {
    const id = this.#nextId();
    if (onProgress !== undefined) this.#progress.set(id, onProgress);
    const aborted = signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]);
    try {
      const response = await this.#send(id, method, { params, signal: aborted, inputSchema, progressToken: onProgress && id });
      const answer = await readResponse(response, id, each => this.#take(each));
      if ('result' in answer) return answer.result;
    } finally {
      this.#progress.delete(id);
    }
    throw new RequestError('The connection broke before the answer came. The call may have taken effect.');
  }

  #send(
    id: number,
    method: string,
    sent: { params: JsonObject; signal: AbortSignal; inputSchema?: RequestOptions['inputSchema']; progressToken?: number | undefined },
  ): Promise<Response> {
    const { revision, capabilities } = this.#server;
    const hasTasks = isObject(capabilities['extensions']) && isObject(capabilities['extensions'][tasksExtension]);
    const _meta = {
      [`${prefix}protocolVersion`]: revision,
      [`${prefix}clientInfo`]: clientInfo,
      [`${prefix}clientCapabilities`]: {
        elicitation: { form: {}, url: {} },
        sampling: {},
        roots: {},
        ...(hasTasks && { extensions: { [tasksExtension]: {} } }),
      },
      ...(this.#logLevel !== undefined && { [`${prefix}logLevel`]: this.#logLevel }),
      ...(sent.progressToken !== undefined && { progressToken: sent.progressToken }),
    };
    const message = { jsonrpc: '2.0', id, method, params: { ...sent.params, _meta } };
    const headers = { 'MCP-Protocol-Version': revision, ...mirroredHeaders(method, sent.params, sent.inputSchema) };
    return post(this.#endpoint, message, { headers, signal: sent.signal });
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #take({ method, params }: JsonObject): void {
    if (typeof method !== 'string') return;
    const members = isObject(params) ? params : {};
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

  /** Opens the stream of notifications, in place of an earlier one. */
  listen(): void {
    this.#listening?.abort();
    const listening = new AbortController();
    this.#listening = listening;
    void this.#keepListening(AbortSignal.any([listening.signal, this.#closed.signal]));
  }

  async #keepListening(signal: AbortSignal): Promise<void> {
    const notifications = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      ...(this.#subscribed.size > 0 && { resourceSubscriptions: [...this.#subscribed] }),
    };
    while (!signal.aborted) {
      this.#listener.streamChanged('connecting');
      try {
        const id = this.#nextId();
        const response = await this.#send(id, 'subscriptions/listen', { params: { notifications }, signal });
        if (!response.ok) return this.#listener.streamChanged('off', statusError(response).message);
        this.#listener.streamChanged('open');
        await readResponse(response, id, each => this.#take(each));
      } catch (error) {
        if (isAbort(error) || signal.aborted) return;
        if (error instanceof RequestError && error.code !== 0) return this.#listener.streamChanged('off', error.message);
      }
      this.#listener.streamChanged('waiting');
      await pause(1000, signal);
    }
  }

  async setLogLevel(level: string | undefined): Promise<void> {
    this.#logLevel = level;
  }

  async subscribe(uri: string): Promise<void> {
    this.#subscribed.add(uri);
    this.listen();
  }

  async unsubscribe(uri: string): Promise<void> {
    this.#subscribed.delete(uri);
    this.listen();
  }

  close(): void {
    this.#closed.abort();
  }
}

function failure(error: unknown): RequestError {
  const { code, message, data } = isObject(error) ? error : {};
  return new RequestError(textIn(message) ?? 'The task has failed.', { code: typeof code === 'number' ? code : 0, data });
}
