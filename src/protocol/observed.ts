import { McpError } from '../errors.ts';
import type { Implementation, JsonObject } from './definitions.ts';
import { isObject } from './definitions.ts';
import type { RequestId } from './jsonrpc.ts';
import type { Registry } from './registry.ts';
import { revisions } from './revisions.ts';

/** How the serving of a message ended. */
export interface ObservedEnd {
  /** `task`: the call became a task. `tool_error`: a result with `isError`. `error`: a JSON-RPC error. */
  outcome: 'ok' | 'input_required' | 'task' | 'tool_error' | 'error' | 'cancelled';
  /** The error that the client got. */
  error?: McpError;
  /** The reference of an error that clients must not see. */
  ref?: string;
}

/** A message of a client, or the run of a task, and how it ended. `serve` adds what is known only later. */
export interface Observed extends ObservedEnd {
  readonly kind: 'message' | 'task';
  readonly method: string;
  /** Absent in a notification. */
  readonly id?: RequestId | undefined;
  readonly params: JsonObject | undefined;
  readonly peer: Peer;
  sessionId?: string | undefined;
  /** `null` is a guest. */
  principal?: string | null;
  client?: Implementation | undefined;
  revision?: string | undefined;
}

/** The other end of a request's connection. */
export interface Peer {
  /** Behind proxies that the app trusts. */
  readonly address: string | undefined;
  /** `undefined` behind proxies. */
  readonly port: number | undefined;
  readonly httpVersion: string;
}

/** Serves a message under the eyes of observers: `work` does it, and fills in the end of `seen`. Gives what `work` gives. */
export type Observe = <T>(seen: Observed, work: () => Promise<T>) => Promise<T>;

/** One observer for all of them, the first outermost; `undefined` if there are none. */
export function observeAll(observers: readonly Observe[]): Observe | undefined {
  if (observers.length === 0) return undefined;
  return observers.reduce((outer, inner) => (seen, work) => outer(seen, () => inner(seen, work)));
}

/** Tells the observers how the serving of a message ends, if there are any. */
export function note(seen: Observed | undefined, end: Partial<ObservedEnd>): void {
  if (seen !== undefined) Object.assign(seen, end);
}

/** Notes what ended the serving of a message, unless that was noted where it was known better. */
export function noteThrown(seen: Observed, thrown: unknown): void {
  if (seen.outcome === 'error') return;
  seen.outcome = 'error';
  if (McpError.isError(thrown)) seen.error = thrown;
}

/** All requests of clients, in any revision, and their notifications. */
const knownMethods: ReadonlySet<string> = new Set([
  ...revisions.flatMap(({ methods }) => [...methods]),
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
]);

/** The method of a message; `_OTHER` if no revision has it, since clients must not fill logs and metrics with names of their own. */
export function methodOf({ method }: Observed): string {
  return knownMethods.has(method) ? method : '_OTHER';
}

/** The tool, prompt or fixed resource that a message is about, if the endpoint has it. */
export interface Target {
  readonly tool?: string;
  readonly prompt?: string;
  readonly uri?: string;
}

/** Finds the target of a message. The URI of a template's resource is none, because it contains arguments. */
export function targetOf({ tools, prompts, resources }: Registry, { method, params }: Observed): Target {
  if (!isObject(params)) return {};
  const { name, uri } = params;
  if (typeof name === 'string') {
    if (method === 'tools/call' && tools.has(name)) return { tool: name };
    if (method === 'prompts/get' && prompts.has(name)) return { prompt: name };
  }
  return typeof uri === 'string' && hasUri(method) && resources.has(uri) ? { uri } : {};
}

/** Whether a method takes the URI of a resource. */
export function hasUri(method: string): boolean {
  return method === 'resources/read' || method === 'resources/subscribe' || method === 'resources/unsubscribe';
}
