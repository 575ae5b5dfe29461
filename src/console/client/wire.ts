import type { JsonObject, ToolAnnotations } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';

/** The revisions that the console speaks, newest first. The first one is stateless, the others have sessions. */
export const revisions = ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'] as const;
/** One of `revisions`. */
export type RevisionId = (typeof revisions)[number];

/** Whether requests of a revision need no session. */
export function isStateless(revision: RevisionId): boolean {
  return revision === '2026-07-28';
}

/** The extension of 2026-07-28 that has tasks. */
export const tasksExtension = 'io.modelcontextprotocol/tasks';

/** Whether `value` is an object and no array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The objects in a member of a result; none if the server left it out. */
export function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** A text of the wire; `undefined` if it is none. */
export function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A tool as `tools/list` gives it. */
export interface Tool {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations?: ToolAnnotations;
  readonly execution?: { readonly taskSupport?: string };
}

/** A resource as `resources/list` gives it. */
export interface Resource {
  readonly uri: string;
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly mimeType?: string;
}

/** A template as `resources/templates/list` gives it. */
export interface ResourceTemplate {
  readonly uriTemplate: string;
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly mimeType?: string;
}

/** A prompt as `prompts/list` gives it. */
export interface Prompt {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly arguments?: readonly { readonly name: string; readonly description?: string; readonly required?: boolean }[];
}

/** What a server says of itself. */
export interface Server {
  readonly revision: string;
  /** `name`, `version`, `title`, `description`, … */
  readonly info: JsonObject;
  readonly instructions: string | undefined;
  readonly capabilities: JsonObject;
  /** The revisions without sessions that the server names; empty if it was not asked. */
  readonly supportedVersions: readonly string[];
  /** `undefined` in revisions without sessions. */
  readonly sessionId: string | undefined;
}

/** How far a call is. */
export interface Progress {
  readonly progress: number;
  readonly total?: number;
  readonly message?: string;
}

/** A task that a call has become. */
export interface TaskState {
  readonly taskId: string;
  readonly status: string;
  readonly statusMessage?: string;
}

/** A task as the server shows it. */
export function toTaskState({ taskId, status, statusMessage }: JsonObject): TaskState {
  const text = textIn(statusMessage);
  return { taskId: textIn(taskId) ?? '', status: textIn(status) ?? 'unknown', ...(text !== undefined && { statusMessage: text }) };
}

/** What a server asks its client. */
export interface ServerQuestion {
  readonly method: string;
  readonly params: JsonObject;
}

/** The options of one request. */
export interface RequestOptions {
  /** Cancels the request. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Hears of the task that the call has become, now and after each change. */
  readonly onTask?: ((task: TaskState) => void) | undefined;
  /** Whether a tool is to run as a task. Without sessions the server decides. @default false */
  readonly asTask?: boolean | undefined;
  /** The schema of the tool's arguments: some are repeated in headers. */
  readonly inputSchema?: JsonSchema | undefined;
}

/** The state of the stream of notifications. */
export type StreamState = 'off' | 'connecting' | 'open' | 'waiting';

/** What a connection tells the page. */
export interface Listener {
  /** Answers a question of the server. @throws {Declined} The user does not want to answer. */
  answer(question: ServerQuestion, signal: AbortSignal): Promise<JsonObject>;
  notified(method: string, params: JsonObject): void;
  streamChanged(state: StreamState, why?: string): void;
  /** A session that has ended on the server. */
  lost(): void;
}

/** A connection to the server, in one revision. */
export interface Connection {
  readonly server: Server;
  /** @throws {RequestError} The server's error, or that of the network. */
  request(method: string, params?: JsonObject, options?: RequestOptions): Promise<JsonObject>;
  setLogLevel(level: string | undefined): Promise<void>;
  subscribe(uri: string): Promise<void>;
  unsubscribe(uri: string): Promise<void>;
  close(): void;
}

/** A request that failed. */
export class RequestError extends Error {
  override name = 'RequestError';
  /** The code of JSON-RPC; 0 if the answer had none. */
  readonly code: number;
  /** HTTP; 0 if there was no answer. */
  readonly status: number;
  readonly data: unknown;

  constructor(message: string, { code = 0, status = 0, data }: { code?: number; status?: number; data?: unknown } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.data = data;
  }
}

/** The user does not want to answer a question of the server. */
export class Declined extends Error {
  override name = 'Declined';
}

/** Whether an error is that of a request that the user has cancelled. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
