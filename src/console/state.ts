import { useEffect, useState } from 'preact/hooks';
import { connect } from '../client/connect.ts';
import type {
  Connection,
  Prompt,
  RequestOptions,
  Resource,
  ResourceTemplate,
  RevisionId,
  ServerQuestion,
  StreamState,
  Tool,
} from '../client/wire.ts';
import { Declined, isObject, objectsIn, RequestError, revisions, textIn } from '../client/wire.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import { forgetKept } from './kept.ts';

/** Events and calls that the page keeps. */
const maxKept = 500;
/** Pages of a list that are read. */
const maxPages = 50;

/** A message that the server has sent on its own, or the end of a stream. */
export interface ReceivedEvent {
  readonly number: number;
  readonly at: Date;
  readonly method: string;
  readonly params: JsonObject;
}

/** A request that this page has sent. */
export interface SentRequest {
  readonly number: number;
  readonly at: Date;
  readonly method: string;
  /** The tool, prompt or resource. */
  readonly name: string | undefined;
  readonly ms: number;
  readonly outcome: 'ok' | 'error' | 'cancelled';
  readonly error: string | undefined;
}

/** A question of the server that waits for the user. */
export interface OpenQuestion {
  readonly number: number;
  readonly question: ServerQuestion;
  readonly settle: (answer: JsonObject | Declined) => void;
}

/** A list of the server; `undefined` while it is being read. */
export interface Listed<T> {
  readonly items: readonly T[] | undefined;
  readonly error: string | undefined;
}

interface Values {
  readonly revision: RevisionId;
  readonly token: string | undefined;
  readonly status: 'connecting' | 'ready' | 'failed';
  readonly error: RequestError | undefined;
  readonly connection: Connection | undefined;
  readonly tools: Listed<Tool>;
  readonly resources: Listed<Resource>;
  readonly templates: Listed<ResourceTemplate>;
  readonly prompts: Listed<Prompt>;
  readonly events: readonly ReceivedEvent[];
  readonly requests: readonly SentRequest[];
  readonly questions: readonly OpenQuestion[];
  readonly stream: StreamState;
  readonly streamProblem: string | undefined;
  readonly subscribed: readonly string[];
  readonly logLevel: string | undefined;
}

/** The client, as servers are told. */
const clientInfo = { name: 'koa-mcp console', version: '1' };
/** What the user can be asked. */
const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const nothing: Listed<never> = { items: undefined, error: undefined };
const endpointUrl = location.origin + location.pathname;
const storageKey = `koa-mcp console ${location.pathname}`;

const base = endpointUrl.replace(/\/+$/u, '');

/** The address of the endpoint. */
export const url: string = endpointUrl;
/** What operators can list here: `sessions`, and `calls` if they are recorded. */
export const operatorLists: readonly string[] = (document.documentElement.dataset['operators'] ?? '').split(' ');

/** What the page knows, and what it can do with the server. Views read `values` and are drawn again after each change. */
export class ConsoleState {
  values: Values;
  readonly #listeners = new Set<() => void>();
  #lastNumber = 0;
  #attempt = 0;

  constructor() {
    const stored = readStored();
    this.values = {
      revision: stored.revision,
      token: stored.token,
      status: 'connecting',
      error: undefined,
      connection: undefined,
      tools: nothing,
      resources: nothing,
      templates: nothing,
      prompts: nothing,
      events: [],
      requests: [],
      questions: [],
      stream: 'off',
      streamProblem: undefined,
      subscribed: [],
      logLevel: undefined,
    };
  }

  /** Calls `listener` after each change. Returns the end of it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #set(values: Partial<Values>): void {
    this.values = { ...this.values, ...values };
    for (const listener of this.#listeners) listener();
  }

  /** Connects anew, with another revision or token if they are given. `token: ''` signs out. */
  async connect({ revision = this.values.revision, token }: { revision?: RevisionId; token?: string } = {}): Promise<void> {
    const own = token === undefined ? this.values.token : token === '' ? undefined : token;
    void this.values.connection?.close();
    this.#attempt += 1;
    const attempt = this.#attempt;
    for (const { settle } of this.values.questions) settle(new Declined('The user has left'));
    store({ revision, token: own });
    forgetKept();
    this.#set({
      revision,
      token: own,
      status: 'connecting',
      error: undefined,
      connection: undefined,
      tools: nothing,
      resources: nothing,
      templates: nothing,
      prompts: nothing,
      stream: 'off',
      streamProblem: undefined,
      subscribed: [],
      logLevel: undefined,
    });
    const isCurrent = () => attempt === this.#attempt;
    try {
      const endpoint = { url, fetch: fetch.bind(globalThis), headers: authorization(own), clientInfo, capabilities };
      const connection = await connect(endpoint, revision, {
        answer: (question, signal) => this.#ask(question, signal),
        notified: (method, params) => {
          if (isCurrent()) this.#notified(method, params);
        },
        streamChanged: (stream, streamProblem) => {
          if (isCurrent()) this.#set({ stream, streamProblem });
        },
        lost: () => {
          if (isCurrent())
            this.#fail(new RequestError('The session has ended on the server. Connect again for a new one.', { status: 404 }));
        },
      });
      if (!isCurrent()) return await connection.close();
      this.#set({ connection, status: 'ready' });
      document.title = `${textIn(connection.server.info['title']) ?? textIn(connection.server.info['name']) ?? 'MCP'} · console`;
      await this.loadLists();
    } catch (error) {
      if (isCurrent()) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#set({ status: 'failed', error: error instanceof RequestError ? error : new RequestError(messageOf(error)) });
  }

  /** Reads all lists that the server has. */
  async loadLists(): Promise<void> {
    const { capabilities = {} } = this.values.connection?.server ?? {};
    const read = async (key: 'tools' | 'resources' | 'templates' | 'prompts', method: string, member: string) => {
      const has = (key === 'templates' ? 'resources' : key) in capabilities;
      const listed = has ? await this.#list(method, member) : { items: [], error: undefined };
      this.#set({ [key]: listed });
    };
    await Promise.all([
      read('tools', 'tools/list', 'tools'),
      read('resources', 'resources/list', 'resources'),
      read('templates', 'resources/templates/list', 'resourceTemplates'),
      read('prompts', 'prompts/list', 'prompts'),
    ]);
  }

  async #list(method: string, member: string): Promise<Listed<never>> {
    const items: JsonObject[] = [];
    try {
      let cursor: string | undefined;
      for (let page = 0; page < maxPages; page += 1) {
        const result = await this.request(method, cursor === undefined ? {} : { cursor });
        items.push(...objectsIn(result[member]));
        cursor = textIn(result['nextCursor']);
        if (cursor === undefined) break;
      }
      return { items: items as never[], error: undefined };
    } catch (error) {
      return { items: [], error: messageOf(error) };
    }
  }

  /** A list for operators: `sessions?take=50`. @throws {RequestError} */
  async fetchList(path: string): Promise<JsonObject> {
    const headers = { Accept: 'application/json', ...authorization(this.values.token) };
    const response = await fetch(`${base}/${path}`, { headers });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok && isObject(body)) return body;
    throw new RequestError(`The list was refused with status ${response.status}.`, { status: response.status });
  }

  /** Ends a session as an operator. @throws {RequestError} */
  async endSession(id: string): Promise<void> {
    const headers = authorization(this.values.token);
    const response = await fetch(`${base}/sessions/${encodeURIComponent(id)}`, { method: 'DELETE', headers });
    if (!response.ok) throw new RequestError(`The session was not ended: status ${response.status}.`, { status: response.status });
  }

  /** Sends a request, and notes how long it took. @throws {RequestError} */
  async request(method: string, params: JsonObject = {}, options: RequestOptions = {}): Promise<JsonObject> {
    const { connection } = this.values;
    if (connection === undefined) throw new RequestError('There is no connection. Connect first.');
    const at = new Date();
    const start = performance.now();
    const note = (outcome: SentRequest['outcome'], error?: string) => {
      const name = textIn(params['name']) ?? textIn(params['uri']);
      const sent = { number: this.#number(), at, method, name, ms: performance.now() - start, outcome, error };
      this.#set({ requests: [sent, ...this.values.requests].slice(0, maxKept) });
    };
    try {
      const result = await connection.request(method, params, options);
      const isError = result['isError'] === true;
      note(isError ? 'error' : 'ok', isError ? textIn(objectsIn(result['content'])[0]?.['text']) : undefined);
      return result;
    } catch (error) {
      note(isAbort(error) ? 'cancelled' : 'error', isAbort(error) ? undefined : messageOf(error));
      if (error instanceof RequestError && error.status === 401) this.#fail(error);
      throw error;
    }
  }

  async setLogLevel(level: string | undefined): Promise<void> {
    await this.values.connection?.setLogLevel(level);
    this.#set({ logLevel: level });
  }

  async subscribe(uri: string): Promise<void> {
    await this.values.connection?.subscribe(uri);
    this.#set({ subscribed: [...this.values.subscribed, uri] });
  }

  async unsubscribe(uri: string): Promise<void> {
    await this.values.connection?.unsubscribe(uri);
    this.#set({ subscribed: this.values.subscribed.filter(each => each !== uri) });
  }

  clearEvents(): void {
    this.#set({ events: [] });
  }

  #notified(method: string, params: JsonObject): void {
    const event = { number: this.#number(), at: new Date(), method, params };
    this.#set({ events: [event, ...this.values.events].slice(0, maxKept) });
    if (/^notifications\/(?:tools|resources|prompts)\/list_changed$/u.test(method)) void this.loadLists();
  }

  #ask(question: ServerQuestion, signal: AbortSignal): Promise<JsonObject> {
    // The page works in no folder.
    if (question.method === 'roots/list') return Promise.resolve({ roots: [] });
    if (question.method !== 'elicitation/create' && question.method !== 'sampling/createMessage') {
      return Promise.reject(new RequestError(`The console does not know ${question.method}.`));
    }
    return new Promise((resolve, reject) => {
      const number = this.#number();
      const remove = () => this.#set({ questions: this.values.questions.filter(each => each.number !== number) });
      const settle = (answer: JsonObject | Declined) => {
        remove();
        if (answer instanceof Declined) reject(answer);
        else resolve(answer);
      };
      signal.addEventListener('abort', () => settle(new Declined('The question was withdrawn')));
      this.#set({ questions: [...this.values.questions, { number, question, settle }] });
    });
  }

  #number(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }
}

/** The one state of the page. */
export const state: ConsoleState = new ConsoleState();

/** What the page knows. The component is drawn again after each change. */
export function useConsole(): Values {
  const [, redraw] = useState({});
  useEffect(() => state.listen(() => redraw({})), []);
  return state.values;
}

/** The text of an error for the user. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The header of an access token. Without one, the browser's cookies say who is calling, or nobody. */
function authorization(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** Whether an error is that of a request that the user has cancelled. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** The token lives as long as the tab. */
function readStored(): { revision: RevisionId; token: string | undefined } {
  let stored: unknown;
  try {
    stored = JSON.parse(sessionStorage.getItem(storageKey) ?? '{}');
  } catch {
    stored = {};
  }
  const { revision, token } = isObject(stored) ? stored : {};
  return { revision: revisions.find(each => each === revision) ?? revisions[0], token: textIn(token) };
}

function store(values: { revision: RevisionId; token: string | undefined }): void {
  try {
    sessionStorage.setItem(storageKey, JSON.stringify(values));
  } catch {
    // A browser may forbid it; then the token is gone after a reload.
  }
}
