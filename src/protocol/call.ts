import type { z } from 'zod';
import { InsufficientScope, McpError } from '../errors.ts';
import type { Elicited, InputRequest } from './client-requests.ts';
import { assertCapability, canElicit, formRequest, pageRequest, rootsRequest, sampleRequest } from './client-requests.ts';
import type {
  AuditEntry,
  CallContext,
  CallToolResult,
  Definition,
  ElicitForm,
  ElicitResult,
  ElicitUrl,
  ExplainedError,
  Implementation,
  JsonObject,
  LogLevel,
  McpContext,
  Root,
  SampleParams,
  SampleResult,
  Sight,
} from './definitions.ts';
import { hasScopes, logLevels } from './definitions.ts';
import type { JsonSchema } from './json-schema.ts';
import type { RequestId } from './jsonrpc.ts';
import { isRequestId, notificationText } from './jsonrpc.ts';
import type { Observe, Observed, ObservedEnd } from './observed.ts';
import { note } from './observed.ts';
import type { Registry } from './registry.ts';
import type { Revision } from './revisions.ts';

/** Takes the messages that a call sends before its response. The transport has one per request. */
export interface MessageSink {
  /** Sends one JSON-RPC message, given as JSON text. @returns `false` if there is no way to the client. */
  send(message: string): boolean;
  /** Whether nothing was sent yet, so that an HTTP status can still refuse the request. @default false */
  readonly isSilent?: boolean;
  /** Sends bytes without a message if nothing was sent yet, so that a proxy does not give up. Absent if the client needs none. */
  keepAlive?(): void;
  /** Closes the connection but not the stream; the client reconnects after `retryMs`. Absent if the client cannot reconnect. */
  disconnect?(retryMs: number): void;
}

/** Asks the client on behalf of a call: by a request of the server, or by ending the call with `input_required`. */
export interface Asker {
  ask<T>(request: InputRequest<T>, call: Call): Promise<T>;
  /** The answers that the client has sent with the request, by key. @default none */
  readonly answers?: JsonObject;
  /**
   * Asks, whatever the client has answered before: the call ends, and begins anew when the client has answered. Absent if calls do not begin anew.
   *
   * @returns What ends the call: the questions, or an error if the user has refused one of them.
   */
  askAgain?(requests: readonly InputRequest<Elicited>[], call: Call): Error;
}

/** What the protocol may change in the session of a call. */
export interface SessionPort {
  readonly id: string;
  /** The ids of pages that the user is sent to. They tell, in every process, whose session they are of. */
  readonly elicitations: { newId(): string; isId(id: string): boolean };
  setLogLevel(level: LogLevel): Promise<void>;
  /** @param sight What the caller got of a live resource when it subscribed. */
  subscribe(uri: string, sight: Sight | undefined): Promise<void>;
  unsubscribe(uri: string): Promise<void>;
}

/** One-use tokens for calls of clients that cannot ask their user. */
export interface Confirmations {
  /** Milliseconds that a token is good for. */
  readonly keptMs: number;
  /** Makes a token for what a caller is about to do. */
  give(principal: string | null, subject: JsonObject): Promise<string>;
  /** Uses up a token. `false` if it is unknown, used, expired, another caller's or for something else. */
  take(token: string, principal: string | null, subject: JsonObject): Promise<boolean>;
}

/** A request that may be recorded. */
export interface AuditedRequest {
  readonly method: 'tools/call' | 'resources/read' | 'prompts/get' | 'completion/complete';
  /** The tool, prompt or template, or the URI of the resource. */
  readonly name: string;
  /** Gives the arguments without the values of hidden columns. */
  readonly arguments: () => JsonObject;
  readonly isRead: boolean;
  /** Whether the tool adds the row itself, in the transaction of its write. @default false */
  readonly recordsWrites?: boolean | undefined;
}

/** How a recorded call ended, and what its client was told of an error. */
export interface AuditedEnd {
  readonly outcome: 'ok' | 'error' | 'unconfirmed' | 'input_required' | 'cancelled';
  readonly error?: string | undefined;
}

/** The entry of a call that runs. */
export interface OpenAuditEntry extends AuditEntry {
  /** Adds or completes the row. @throws {McpError} 503 It must be added and cannot be, and the call has changed nothing. */
  readonly finish: (end: AuditedEnd) => Promise<void>;
}

/** The log of calls. */
export interface Audit {
  /**
   * Begins the entry of a call; `undefined` if such calls are not recorded.
   *
   * @throws {McpError} 503 The row must be added before the call runs, and cannot be.
   */
  begin(mcp: McpContext, request: AuditedRequest): Promise<OpenAuditEntry | undefined>;
}

/** What the methods of tasks need of a task's row, without what may be long. */
export interface ListedTaskState {
  readonly id: string;
  readonly tool: string;
  readonly status: 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';
  readonly statusMessage: string | null;
  readonly isError: boolean;
  readonly createdAt: Date;
  readonly lastUpdatedAt: Date;
  readonly expiresAt: Date;
}

/** What the methods of tasks need of a task's row. */
export interface TaskState extends ListedTaskState {
  /** JSON text of `TaskQuestions`. */
  readonly questions: string;
  /** JSON text of a `CallToolResult`, or of the error of a failed task. */
  readonly result: string | null;
}

/** A task to start. */
export interface NewTask {
  readonly tool: string;
  /** Milliseconds that the client wants it kept. @default `limits.taskMs` */
  readonly ttlMs: number | undefined;
  /** Does the work, as the call of the task. */
  readonly run: (call: Call) => Promise<CallToolResult>;
}

/** The tasks of an endpoint, in all processes. Those of other principals are unknown. */
export interface Tasks {
  /**
   * Starts a task. Resolves once any process can find it.
   *
   * @throws {McpError} -32600 The caller has `limits.maxTasks` tasks that run; 503 the process is closing.
   */
  start(call: Call, task: NewTask): Promise<TaskState>;
  find(principal: string | null, id: string): Promise<TaskState | undefined>;
  /** Returns tasks, newest first. */
  list(principal: string | null, take: number, after?: { readonly createdAt: Date; readonly id: string }): Promise<ListedTaskState[]>;
  /** Answers open questions of a task. Keys of others are ignored. */
  answer(id: string, answers: JsonObject): Promise<void>;
  /** Cancels a task that has not ended. Returns whether this call did. */
  cancel(id: string): Promise<boolean>;
  /** Waits until a task has ended. Meanwhile asks the caller's client what the task's handler asks. `undefined`: the task is gone. */
  ended(call: Call, id: string): Promise<TaskState | undefined>;
}

/** Limits of a call. */
export interface CallLimits {
  /** Milliseconds a handler may run. */
  readonly handlerMs: number;
  /** Bytes of a result's JSON. */
  readonly maxResultBytes: number;
  /** Items in one page of a list. */
  readonly pageSize: number;
  /** Resources of templates in `resources/list`. */
  readonly maxInstances: number;
  /** Characters of a resource's URI. */
  readonly maxUriCharacters: number;
  /** URIs of one `subscriptions/listen`. */
  readonly maxSubscriptions: number;
}

/** What all calls of one endpoint share. */
export interface Server {
  readonly registry: Registry;
  readonly limits: CallLimits;
  /** Recognises errors of the database that a client can act on; `undefined` for any other error. */
  readonly explainError: (error: unknown) => ExplainedError | undefined;
  readonly confirmations: Confirmations;
  /** `undefined` if no calls are recorded. */
  readonly audit: Audit | undefined;
  /** Watches all messages; `undefined` if nobody does. */
  readonly observe: Observe | undefined;
  readonly tasks: Tasks;
}

/** The task of a call. */
export interface CallTask {
  readonly id: string;
  /** Takes what the handler reports of its progress, in words. */
  readonly progress: (text: string) => void;
}

/** What the transport gives a call. */
export interface CallInit {
  readonly server: Server;
  readonly revision: Revision;
  readonly id: RequestId;
  readonly meta: JsonObject | undefined;
  readonly session: SessionPort | undefined;
  readonly principal: string | undefined;
  readonly scopes: readonly string[] | undefined;
  readonly client: McpContext['client'];
  /** Log messages below this level are not sent; `undefined` sends none at all. */
  readonly logLevel: LogLevel | undefined;
  readonly sink: MessageSink;
  readonly asker: Asker;
  /** The task that the call is of. @default none */
  readonly task?: CallTask | undefined;
  /** The message of the call, as observers see it. @default nobody observes it */
  readonly observed?: Observed | undefined;
  /** Builds the handler's context: the host's Koa context with `mcp`. */
  readonly createContext: (mcp: McpContext) => CallContext;
  /** Reports an error whose text the client must not see. @returns A reference that the client may quote. */
  readonly report: (error: unknown, ctx: CallContext) => string;
}

/** Ends a call from outside its handler. */
export class CallEnded extends Error {}

/** Ends a call without an answer: its client cancelled it, or its session ended. */
export class Cancelled extends CallEnded {
  override readonly name = 'Cancelled';
}

/** Milliseconds that a handler has to come to its end after its call was suspended. */
const unwindMs = 5000;

/** Ends the call of a task whose work goes on elsewhere. */
export class Deferred extends CallEnded {
  override readonly name = 'Deferred';
}

/** One request being served. It is its own `ctx.mcp`. */
export class Call implements McpContext {
  readonly server: Server;
  readonly id: RequestId;
  readonly session: SessionPort | undefined;
  readonly principal: string | undefined;
  readonly scopes: readonly string[] | undefined;
  readonly client: { readonly info: Implementation | undefined; readonly capabilities: JsonObject };
  /** The row of the revision table; `revision` is its id. */
  readonly revisionRow: Revision;
  readonly ctx: CallContext;
  readonly #init: CallInit;
  #progress = Number.NEGATIVE_INFINITY;
  #abort: AbortController | undefined;
  #reject: ((reason: Error) => void) | undefined;
  #suspended: CallEnded | undefined;
  #finished = false;
  #waiting = 0;
  #waitingSince = 0;
  #waited = 0;

  constructor(init: CallInit) {
    this.#init = init;
    this.server = init.server;
    this.id = init.id;
    this.session = init.session;
    this.principal = init.principal;
    this.scopes = init.scopes;
    this.client = init.client;
    this.revisionRow = init.revision;
    this.ctx = init.createContext(this);
  }

  get revision(): string {
    return this.revisionRow.id;
  }

  get sessionId(): string | undefined {
    return this.session?.id;
  }

  get task(): { readonly id: string } | undefined {
    const { task } = this.#init;
    return task && { id: task.id };
  }

  /** The message of the call, as observers see it; `undefined` if nobody does. */
  get observed(): Observed | undefined {
    return this.#init.observed;
  }

  /** The answers that the client has sent with the request, by key. */
  get answers(): JsonObject {
    return this.#init.asker.answers ?? {};
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  get aborted(): boolean {
    return this.#abort?.signal.aborted ?? false;
  }

  progress(progress: number, total?: number, message?: string): void {
    const progressToken = this.#init.meta?.['progressToken'];
    const { task } = this.#init;
    if (task === undefined && !isRequestId(progressToken)) return;
    // JSON has no number that is not finite.
    if (this.#finished || !Number.isFinite(progress) || progress <= this.#progress) return;
    this.#progress = progress;
    if (task !== undefined) {
      task.progress(message ?? (total === undefined ? `${progress}` : `${progress} of ${total}`));
      return;
    }
    const params: JsonObject = { progressToken, progress };
    if (total !== undefined && Number.isFinite(total)) params['total'] = total;
    if (message !== undefined && this.revisionRow.progressMessage) params['message'] = message;
    this.notify('notifications/progress', params);
  }

  async defer(handOver: (taskId: string) => unknown): Promise<void> {
    const { task } = this.#init;
    if (task === undefined)
      throw new Error("ctx.mcp.defer: this call is no task; set `task: 'required'`, or do the work here if `ctx.mcp.task` is undefined");
    await handOver(task.id);
    this.#reject?.(new Deferred('The task goes on elsewhere'));
  }

  log(level: LogLevel, data: unknown, logger?: string): void {
    const { logLevel } = this.#init;
    if (logLevel === undefined || logLevels.indexOf(level) < logLevels.indexOf(logLevel)) return;
    this.notify('notifications/message', { level, ...(logger !== undefined && { logger }), data: data ?? null });
  }

  elicit<S extends z.ZodType>(form: ElicitForm<S>): Promise<ElicitResult<z.output<S>>>;
  elicit(form: ElicitForm<JsonSchema>): Promise<ElicitResult>;
  elicit(page: ElicitUrl): Promise<{ action: 'accept' | 'decline' | 'cancel' }>;
  elicit(asked: ElicitForm<z.ZodType | JsonSchema> | ElicitUrl): Promise<Elicited> {
    return this.#question(() => ('mode' in asked ? this.pageRequest(asked) : formRequest(asked, this.revisionRow)));
  }

  newElicitationId(): string {
    return this.#elicitations?.newId() ?? crypto.randomUUID();
  }

  /**
   * The request that asks the user to open a page.
   *
   * @throws {TypeError} The app gave an id that `elicitationComplete` could not find the client of.
   */
  pageRequest(page: Omit<ElicitUrl, 'mode'>): InputRequest<Elicited> {
    const { elicitationId = this.newElicitationId() } = page;
    if (this.#elicitations?.isId(elicitationId) === false)
      throw new TypeError('elicitationId: must come from ctx.mcp.newElicitationId() of this session');
    return pageRequest(page, this.revisionRow, elicitationId);
  }

  /** Says what a call needs that cannot be served until its user has visited some pages. @returns What ends the call. */
  requirePages(pages: readonly InputRequest<Elicited>[], error: McpError): Error {
    for (const page of pages) assertCapability(page, this.client.capabilities, this.revisionRow);
    if (this.revisionRow.elicitationId)
      return new McpError('UrlElicitationRequired', error.message, {
        data: { elicitations: pages.map(({ params }) => params) },
        cause: error,
      });
    const { asker } = this.#init;
    return asker.askAgain?.(pages, this) ?? new Error('A task cannot be called again; ask with elicit()', { cause: error });
  }

  /** The ids of pages in the call's session, if its client gets such ids. */
  get #elicitations(): SessionPort['elicitations'] | undefined {
    return this.revisionRow.elicitationId ? this.session?.elicitations : undefined;
  }

  sample(params: SampleParams): Promise<SampleResult> {
    return this.#question(() => sampleRequest(params));
  }

  roots({ key }: { key?: string } = {}): Promise<Root[]> {
    return this.#question(() => rootsRequest(key));
  }

  #question<T>(request: () => InputRequest<T>): Promise<T> {
    const question = (async () => this.ask(request()))();
    // When the call ends, all questions of its handler fail. The handler may await only the first of them.
    question.catch(() => undefined);
    return question;
  }

  closeStream({ retryMs = 1000 }: { retryMs?: number } = {}): void {
    if (!this.#finished && this.revisionRow.priming) this.#init.sink.disconnect?.(retryMs);
  }

  /** Whether the client can show a form to its user. */
  get canElicit(): boolean {
    return canElicit(this.client.capabilities, this.revisionRow);
  }

  /** Milliseconds spent waiting for the client. They do not count as time of the handler. */
  get waitedMs(): number {
    return this.#waited + (this.#waiting === 0 ? 0 : Date.now() - this.#waitingSince);
  }

  /** Whether this caller may see and use a tool, resource, resource template or prompt. */
  async mayUse({ enabled, scopes }: Definition): Promise<boolean> {
    if (scopes !== undefined && !this.#hasOneOf(scopes)) return false;
    return enabled === undefined || this.race(enabled(this.ctx));
  }

  /**
   * The same for one that the caller names.
   *
   * @throws {InsufficientScope} Only scopes are missing, so the client can ask its user for them.
   */
  async admits({ enabled, scopes }: Definition): Promise<boolean> {
    if (enabled !== undefined && !(await this.race(enabled(this.ctx)))) return false;
    if (scopes !== undefined && !this.#hasOneOf(scopes)) throw new InsufficientScope(scopes[0] ?? []);
    return true;
  }

  #hasOneOf(sets: readonly (readonly string[])[]): boolean {
    return sets.some(needed => hasScopes(this.scopes, needed));
  }

  /** Sends a notification that belongs to this request. */
  notify(method: string, params: JsonObject): void {
    if (!this.#finished) this.send(notificationText(method, params));
  }

  /** Sends one JSON-RPC message, given as JSON text, where this call's messages go. @returns `false` if there is no way to the client. */
  send(message: string): boolean {
    return this.#init.sink.send(message);
  }

  /** Shows the client, and proxies on the way to it, that the call still runs. */
  keepAlive(): void {
    if (!this.#finished) this.#init.sink.keepAlive?.();
  }

  /** Reports an error whose text the client must not see. @returns A reference that the client may quote. */
  report(error: unknown): string {
    const ref = this.#init.report(error, this.ctx);
    this.note({ ref });
    return ref;
  }

  /** Tells the observers how the call ends. */
  note(end: Partial<ObservedEnd>): void {
    note(this.#init.observed, end);
  }

  /** Gives up the call: aborts the handler's signal and rejects `race()`. @param reason `Cancelled`, or the error for the client. */
  abort(reason: Error): void {
    if (this.#finished || this.aborted) return;
    this.#abort ??= new AbortController();
    this.#abort.abort(reason);
    this.#reject?.(reason);
  }

  /**
   * Gives up the call like `abort()`, but lets its handler come to its end first, so that nothing that the handler has opened stays open. What the
   * handler returns or throws then is not sent.
   */
  suspend(reason: CallEnded): void {
    if (this.#finished || this.aborted) return;
    this.#suspended = reason;
    this.#abort ??= new AbortController();
    this.#abort.abort(reason);
    setTimeout(() => this.#reject?.(reason), unwindMs).unref();
  }

  /** Waits for a handler, but not longer than until `abort()`. */
  race<T>(handler: T | PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      Promise.resolve(handler).then(
        value => (this.#suspended === undefined ? resolve(value) : reject(this.#suspended)),
        (error: Error) => reject(this.#suspended ?? error),
      );
      this.#abort?.signal.throwIfAborted();
    });
  }

  /** Makes another call of the same caller, which can be given up by itself. */
  with(changes: Partial<Pick<CallInit, 'sink' | 'asker' | 'task' | 'observed'>>): Call {
    return new Call({ ...this.#init, ...changes });
  }

  /**
   * Asks the client. The handler's methods do; tasks pass questions on.
   *
   * @throws {ToolError} or {McpError} -32021 The client does not have the capability.
   */
  async ask<T>(request: InputRequest<T>): Promise<T> {
    assertCapability(request, this.client.capabilities, this.revisionRow);
    this.#abort?.signal.throwIfAborted();
    return this.waitForClient(() => this.#init.asker.ask(request, this));
  }

  /** Waits for something that depends on the client. The time does not count as time of the handler. */
  async waitForClient<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting === 0) this.#waitingSince = Date.now();
    this.#waiting += 1;
    try {
      return await work();
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#waited += Date.now() - this.#waitingSince;
    }
  }

  /** Drops all later messages of this call: none may follow its response. */
  finish(): void {
    this.#finished = true;
    // It holds the handler's result, and the call lives until the client has read the answer.
    this.#reject = undefined;
  }
}
