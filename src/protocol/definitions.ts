import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { JsonSchema } from './json-schema.ts';

/** Any JSON object. */
export type JsonObject = Record<string, unknown>;

/** Whether `value` is an object and no array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 6749 §3.3: a scope is visible ASCII without `"` and `\`. */
const scopeSyntax = /^[\x21\x23-\x5B\x5D-\x7E]+$/u;

/** Whether a value of the app is a list of scopes. */
export function isScopes(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(scope => typeof scope === 'string' && scopeSyntax.test(scope));
}

/** A list of scopes in words, for the app's mistakes. */
export const scopesInWords = 'an array of scopes, texts without blanks, such as bookings:write';

/** Whether a caller has all of some scopes. @param scopes `undefined` is a caller without a token, who has none. */
export function hasScopes(scopes: readonly string[] | undefined, needed: readonly string[]): boolean {
  return needed.every(scope => scopes?.includes(scope));
}

/** SHA-256 in hex of a JSON value. Equal values have equal digests: the members of objects have no order. */
export function jsonDigest(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sortMembers(value)))
    .digest('hex');
}

/**
 * JSON text that every database stores. PostgreSQL refuses NUL and half surrogate pairs; U+FFFD replaces them.
 *
 * @param text As `JSON.stringify` gives it.
 */
export function storableJson(text: string): string {
  // JSON.stringify escapes exactly these; `\\` is matched to step over an escaped backslash before a literal "u0000".
  return text.replace(/\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g, code => (code === '\\\\' ? code : '\\ufffd'));
}

function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers);
  if (!isObject(value)) return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, member]) => [name, sortMembers(member)]));
}

/** The name and version that a client or server gives of itself. */
export interface Implementation {
  name: string;
  version: string;
  title?: string;
  [key: string]: unknown;
}

/** An icon, by its URL. */
export interface Icon {
  src: string;
  mimeType?: string;
  sizes?: string[];
  theme?: 'light' | 'dark';
}

/** Hints about a resource or content block. */
export interface Annotations {
  audience?: ('user' | 'assistant')[];
  /** 0 to 1. */
  priority?: number;
  /** ISO 8601. */
  lastModified?: string;
}

/**
 * How long, and for whom, clients and proxies may keep a result. Clients of 2026-07-28 get the hints.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching
 */
export interface CacheHints {
  /** Milliseconds that the result counts as fresh, unless a notification says that it has changed. @default 0: it is read anew each time */
  readonly ttlMs?: number;
  /** `'public'`: the result is the same for every caller, and a proxy may give it to any. @default 'private' */
  readonly cacheScope?: 'public' | 'private';
}

const longestTtlMs = 2_147_483_647;

/** @throws {TypeError} A value of the app is no `CacheHints`. The message begins with `path`, the option. */
export function assertCacheHints(path: string, value: unknown): asserts value is CacheHints {
  if (!isObject(value)) throw new TypeError(`${path}: must be { ttlMs, cacheScope }`);
  const unknown = Object.keys(value).find(key => key !== 'ttlMs' && key !== 'cacheScope');
  if (unknown !== undefined) throw new TypeError(`${path}.${unknown}: no such option (ttlMs, cacheScope)`);
  const { ttlMs = 0, cacheScope = 'private' } = value;
  if (!(Number.isInteger(ttlMs) && Number(ttlMs) >= 0 && Number(ttlMs) <= longestTtlMs))
    throw new TypeError(`${path}.ttlMs: ${String(ttlMs)} must be an integer from 0 to ${longestTtlMs}`);
  if (cacheScope !== 'public' && cacheScope !== 'private') throw new TypeError(`${path}.cacheScope: must be 'public' or 'private'`);
}

/** Hints about what a tool does; a client must not rely on them. */
export interface ToolAnnotations {
  title?: string;
  readOnlyHint?: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
}

interface ContentMembers {
  annotations?: Annotations;
  _meta?: JsonObject;
}
/** Text. */
export interface TextContent extends ContentMembers {
  type: 'text';
  text: string;
}
/** An image, base64. */
export interface ImageContent extends ContentMembers {
  type: 'image';
  data: string;
  mimeType: string;
}
/** Sound, base64. */
export interface AudioContent extends ContentMembers {
  type: 'audio';
  data: string;
  mimeType: string;
}
/** A resource that the client may read. */
export interface ResourceLink extends ContentMembers {
  type: 'resource_link';
  uri: string;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
  size?: number;
  icons?: Icon[];
}
/** A resource with its contents. */
export interface EmbeddedResource extends ContentMembers {
  type: 'resource';
  resource: ResourceContents;
}
/** One content block of a tool result or prompt message. */
export type ContentBlock = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource;

/** Contents of a resource: `text` or `blob`. */
export interface ResourceContents {
  uri: string;
  mimeType?: string;
  text?: string;
  /** base64 */
  blob?: string;
  _meta?: JsonObject;
}

/** The result of `tools/call`. */
export interface CallToolResult {
  content: ContentBlock[];
  structuredContent?: unknown;
  /** Resources that the result is about. They are sent as `resource_link` content, and left out for revisions before 2025-06-18, which lack it. */
  links?: readonly ResourceLink[];
  isError?: boolean;
  _meta?: JsonObject;
}

/** The result of `resources/read`. */
export interface ReadResourceResult {
  contents: ResourceContents[];
  _meta?: JsonObject;
}

/** One message of a prompt. */
export interface PromptMessage {
  role: 'user' | 'assistant';
  content: ContentBlock;
}
/** The result of `prompts/get`. */
export interface GetPromptResult {
  description?: string;
  messages: PromptMessage[];
  _meta?: JsonObject;
}

/** Values that complete an argument. */
export interface Completion {
  /** At most 100 are sent. */
  values: string[];
  total?: number;
  hasMore?: boolean;
}

/** A form that the client shows to its user. */
export interface ElicitForm<S> {
  message: string;
  /** A flat object of primitives: a zod object or a JSON Schema. Never ask for secrets with a form. */
  requestedSchema: S;
  /** Identifies the question when the handler runs again, if it asks several of one kind. @default the question's number */
  key?: string;
}

/** A page that the client's user is asked to open. */
export interface ElicitUrl {
  mode: 'url';
  message: string;
  /** `https:`; no secrets or personal data in it, and the page must check that its visitor is the caller. */
  url: string;
  /** From `newElicitationId()`, for `elicitationComplete`. Clients before 2025-11-25 and since 2026-07-28 do not get it. @default a new one */
  elicitationId?: string;
  key?: string;
}

/** What the user did. `content` has passed the schema. */
export type ElicitResult<T = JsonObject> = { action: 'accept'; content: T } | { action: 'decline' } | { action: 'cancel' };

/** One message for the client's model. */
export interface SamplingMessage {
  role: 'user' | 'assistant';
  content: ContentBlock | JsonObject | (ContentBlock | JsonObject)[];
}
/** `params` of `sampling/createMessage`, plus `key`. */
export interface SampleParams {
  messages: SamplingMessage[];
  maxTokens: number;
  systemPrompt?: string;
  temperature?: number;
  stopSequences?: string[];
  modelPreferences?: JsonObject;
  metadata?: JsonObject;
  tools?: JsonObject[];
  toolChoice?: JsonObject;
  /** As for `ElicitForm`. */
  key?: string;
}
/** What the client's model said. */
export interface SampleResult {
  role: 'user' | 'assistant';
  content: ContentBlock;
  model: string;
  stopReason?: string;
  [member: string]: unknown;
}
/** A folder or file that the client works in. */
export interface Root {
  /** `file://` */
  uri: string;
  name?: string;
}

/** RFC 5424 severities, least severe first. */
export const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;
/** Severity of a log message. */
export type LogLevel = (typeof logLevels)[number];

/** Whether `value` is one of `logLevels`. */
export function isLogLevel(value: unknown): value is LogLevel {
  return logLevels.some(level => level === value);
}

/** `ctx.mcp`: the MCP side of the call that a handler serves. */
export interface McpContext {
  /** Aborts when the client cancels, its session ends, or the handler's time is up. */
  readonly signal: AbortSignal;
  /** The revision of this call, e.g. `"2025-11-25"`. */
  readonly revision: string;
  /** The id of the session; `undefined` in revisions without sessions. */
  readonly sessionId: string | undefined;
  /** What the client says of itself; never a proof of identity. */
  readonly client: { readonly info: Implementation | undefined; readonly capabilities: JsonObject };
  /** The caller, as the host's option `principal` names it; `undefined` for a guest. */
  readonly principal: string | undefined;
  /** What the caller's access token allows; `undefined` without the option `auth`. */
  readonly scopes: readonly string[] | undefined;
  /** The task that the handler runs in; `undefined` in a plain call. */
  readonly task: { readonly id: string } | undefined;
  /**
   * Reports progress, if the client asked for it; otherwise does nothing. In a task, `message` becomes the task's `statusMessage`, at most once a
   * second; without one, the numbers do.
   *
   * @param progress A finite number that grows with each report; any other report is dropped. A `total` that is not finite is left out.
   */
  progress(progress: number, total?: number, message?: string): void;
  /**
   * Hands the work of a task over, for instance to a job queue. The task stays open, whatever the handler returns or throws afterwards, until
   * `tasks.complete()` or `tasks.fail()` of the middleware ends it in any process, its client cancels it, or its time is over. It does not depend on
   * this process any more.
   *
   * `return ctx.mcp.defer(taskId => queue.add('clean', { floor, taskId }))`
   *
   * @param handOver Gets the id of the task. If it throws, the task is not handed over.
   * @throws If the call is no task; nothing is handed over then.
   */
  defer(handOver: (taskId: string) => unknown): Promise<void>;
  /**
   * Closes the connection of this call's stream, not the call. The client reconnects for the rest, so a long call need not hold a connection.
   * Does nothing unless the client speaks 2025-11-25.
   *
   * @param options.retryMs Milliseconds that the client waits before it reconnects. @default 1000
   * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
   */
  closeStream(options?: { retryMs?: number }): void;
  /** Sends a log message to the client, if the client's log level includes it. `data` is any JSON. In a task it does nothing. */
  log(level: LogLevel, data: unknown, logger?: string): void;
  /**
   * Asks the user. Declining and cancelling are values, not errors.
   *
   * In 2026-07-28 the server sends no requests: the handler runs again from its start when the answer has arrived. What it does before it asks
   * must be safe to repeat. `signal` aborts and the question rejects, so that `finally` blocks run; open transactions after the question. In a task
   * the handler does not run again: it waits, in all revisions.
   *
   * @throws If the client does not have the capability; nothing is sent then.
   */
  elicit<S extends z.ZodType>(form: ElicitForm<S>): Promise<ElicitResult<z.output<S>>>;
  elicit(form: ElicitForm<JsonSchema>): Promise<ElicitResult>;
  elicit(page: ElicitUrl): Promise<{ action: 'accept' | 'decline' | 'cancel' }>;
  /**
   * Makes the id of a page that the user is about to be sent to, so that the app can keep it and put it into the page's URL. When the user is done
   * there, `elicitationComplete(id)` of the middleware tells the client.
   */
  newElicitationId(): string;
  /** Asks the client's model. @throws as `elicit`, and if the user refuses. */
  sample(params: SampleParams): Promise<SampleResult>;
  /** Asks which folders the client works in. They are advice, not access control. `key` as for `ElicitForm`. @throws as `elicit` */
  roots(options?: { key?: string }): Promise<Root[]>;
}

/**
 * The context that every handler, row policy and completion of a call gets: the host's Koa context, with `ctx.mcp`.
 * The protocol knows only this part of it; `HandlerContext` has all members.
 */
export interface CallContext {
  readonly mcp: McpContext;
}

/** The members that every definition of a tool, resource, resource template or prompt has. */
export interface Definition {
  readonly title?: string;
  readonly description?: string;
  readonly icons?: readonly Icon[];
  readonly _meta?: JsonObject;
  /**
   * Scopes that the caller's token needs: all of one of these sets. What the caller lacks scopes for is not listed. Absent means none.
   */
  readonly scopes?: readonly (readonly string[])[];
  /** Whether this caller may see and use it; absent means everybody. */
  readonly enabled?: (ctx: CallContext) => boolean | Promise<boolean>;
}

/** The row of a call that is recorded, for the tool that serves the call. */
export interface AuditEntry {
  /** Rows that were read or written; `undefined` if that is not known. */
  rows: number | undefined;
  /**
   * Adds the row in the transaction of a write, so that either both are committed or neither.
   *
   * @param tx A transaction of the host's Prisma client.
   * @throws {ToolError} The row cannot be added. The write must then be rolled back.
   */
  readonly commitIn: (tx: object) => Promise<void>;
}

/** The argument in which a call that must be confirmed brings its token. */
export const confirmationArgument = 'confirmation';
/** The member of a result that says what a call would do that was not confirmed. No column of Prisma can have this name. */
export const unconfirmedMember = '_unconfirmed';

/** A tool as the protocol serves it, whether it came from `tools` or from a model. */
export interface ToolDefinition extends Definition {
  readonly name: string;
  readonly description: string;
  /** Root is `type: "object"`. */
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations?: ToolAnnotations;
  /** Whether a call may or must run as a task. Absent: never. */
  readonly execution?: { readonly taskSupport: 'optional' | 'required' };
  /** Runs in a call that becomes a task, before the task begins. Absent if the tool has none. @throws as `call` */
  readonly beforeTask?: (args: JsonObject, ctx: CallContext) => Promise<unknown>;
  /**
   * Validates `args` and runs. Whatever it throws becomes a result with `isError: true`, except `McpError`.
   *
   * @param args The request's `arguments`, an object, not validated.
   * @param entry The row of the call, if it is recorded.
   */
  readonly call: (args: JsonObject, ctx: CallContext, entry?: AuditEntry) => Promise<CallToolResult>;
  /** Turns what a handler returned into the result of a call. Absent if the tool has no handler of the app's own. @throws as `call` */
  readonly toResult?: (value: unknown) => Promise<CallToolResult>;
  /** The arguments as they are recorded. @default as they were sent */
  readonly masked?: (args: JsonObject) => JsonObject;
  /** Whether the tool adds the rows of its recorded writes itself, in their transactions. @default false */
  readonly recordsWrites?: boolean;
  /**
   * What a call would do, in words, if its user must confirm it first: `delete the Booking {"id":7} for good`. `undefined` if not. Two calls with
   * the same effect have the same words. Absent if no call of the tool needs it. @throws as `call`
   */
  readonly effect?: (args: JsonObject, ctx: CallContext) => Promise<string | undefined>;
}

/** A resource with a fixed URI. */
export interface ResourceDefinition extends Definition {
  readonly uri: string;
  readonly name: string;
  readonly mimeType?: string;
  /** Bytes. */
  readonly size?: number;
  readonly annotations?: Annotations;
  readonly cache?: CacheHints;
  /** @returns `undefined` if this caller has no such resource. */
  readonly read: (uri: string, ctx: CallContext) => Promise<ReadResourceResult | undefined>;
  /** Reads it for a subscriber. Absent if only the host knows when it changes. */
  readonly live?: (uri: string, ctx: CallContext) => Promise<LiveRead>;
}

/** What a subscriber gets of a live resource at one time. */
export interface Sight {
  /** Digest of the contents; `null` if the subscriber has no such resource. */
  readonly digest: string | null;
  /** The changes after which the resource may differ for this subscriber. */
  readonly changes: readonly string[];
}

/** A read of a resource whose changes are noticed. */
export interface LiveRead {
  /** `undefined` if this caller has no such resource. */
  readonly result: ReadResourceResult | undefined;
  /** The changes after which the next read may differ: `booking:7`, `booking:*` (any rows), or `booking` (every change of the model). */
  readonly changes: readonly string[];
}

/** Completes one argument from the typed text (`value`) and the arguments filled in so far (`others`). */
export type Completer = (value: string, ctx: CallContext, others: Readonly<Record<string, string>>) => Promise<Completion>;

/** A resource of a template as `resources/list` shows it. */
export interface ListedResource extends Pick<ResourceDefinition, 'uri' | 'name' | 'title' | 'description' | 'mimeType' | 'size'> {
  readonly annotations?: Annotations;
  readonly icons?: readonly Icon[];
  readonly _meta?: JsonObject;
}

/** A family of resources named by an RFC 6570 template. */
export interface ResourceTemplateDefinition extends Definition {
  readonly uriTemplate: string;
  readonly name: string;
  readonly mimeType?: string;
  readonly annotations?: Annotations;
  readonly cache?: CacheHints;
  /** @returns `undefined` if this caller has no such resource. */
  readonly read: (uri: string, variables: Readonly<Record<string, string>>, ctx: CallContext) => Promise<ReadResourceResult | undefined>;
  /** The resources of the family that this caller has, for `resources/list`. Absent: they are not listed. */
  readonly list?: (ctx: CallContext) => Promise<readonly ListedResource[]>;
  /** Reads one for a subscriber. Absent if only the host knows when it changes. */
  readonly live?: (uri: string, variables: Readonly<Record<string, string>>, ctx: CallContext) => Promise<LiveRead>;
  /** Completions by variable name. */
  readonly complete?: Readonly<Record<string, Completer>>;
}

/** One argument of a prompt; all are strings. */
export interface PromptArgument {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly required?: boolean;
}

/** A prompt as the protocol serves it. */
export interface PromptDefinition extends Definition {
  readonly name: string;
  readonly description: string;
  readonly arguments?: readonly PromptArgument[];
  /** @param args Values are strings; required ones are present. */
  readonly get: (args: Readonly<Record<string, string>>, ctx: CallContext) => Promise<GetPromptResult>;
  /** Completions by argument name. */
  readonly complete?: Readonly<Record<string, Completer>>;
}

/** Everything that one endpoint serves. */
export interface Definitions {
  readonly tools: readonly ToolDefinition[];
  readonly resources: readonly ResourceDefinition[];
  readonly resourceTemplates: readonly ResourceTemplateDefinition[];
  readonly prompts: readonly PromptDefinition[];
  /** Returns the remedy for a call of an unknown tool, such as the tools with similar names; `undefined` if there is no remedy. */
  readonly unknownToolHint?: (name: string) => string | undefined;
}

/** What a client gets to know of an error that a handler passed on from the database. */
export interface ExplainedError {
  readonly message: string;
  /** Whether the handler asked for a row that does not exist. @default false */
  readonly isNotFound?: boolean;
  /** Whether the error is also reported to the app, and the message followed by the reference. @default false */
  readonly isReported?: boolean;
}
