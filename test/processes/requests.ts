import type { WireMessage } from '../support/schemas.ts';
import { assertValid } from '../support/schemas.ts';
import type { EventReader, SseSession } from '../support/sse.ts';
import { openReader, openSse } from '../support/sse.ts';
import { open, WireSession } from '../support/wire.ts';
import type { Cluster, Place } from './cluster.ts';
import { to } from './cluster.ts';

/** Opens a session at one process. */
export async function openSession(cluster: Cluster, place: Place, capabilities: object = {}): Promise<WireSession> {
  const opened = await open(cluster.url, { capabilities, ...to(place) });
  // From here on its requests go to whichever process is next.
  return new WireSession(cluster.url, opened.id, opened.initialized, {}, opened.answered);
}

/** Opens the standalone stream of a session at one process. */
export function openGet(session: WireSession, place: Place, lastEventId?: string, more?: Record<string, string>): Promise<EventReader> {
  const position = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const headers = { ...session.headers, ...to(place).headers, ...position, ...more };
  return openReader({ url: session.url, headers, check: message => assertValid(message, undefined, session.revision) });
}

/** Opens an HTTP+SSE session whose stream is at one process. */
export function openSseAt({ origin }: Cluster, place: Place): Promise<SseSession> {
  return openSse(`${origin}/mcp/sse`, { streamHeaders: to(place).headers });
}

export interface CallOptions {
  readonly id?: number;
  readonly progressToken?: string;
  readonly headers?: Record<string, string>;
}

/** Calls a tool at one process and reads the stream of the call. */
export function openCall(session: WireSession, place: Place, name: string, args: object, options: CallOptions = {}): Promise<EventReader> {
  const { id = 7, progressToken, headers } = options;
  const meta = progressToken === undefined ? {} : { _meta: { progressToken } };
  const body = { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, ...meta } };
  return openReader({
    url: session.url,
    headers: { ...session.headers, ...to(place).headers, ...headers },
    body,
    check: message => assertValid(message, 'tools/call', session.revision),
  });
}

/** Goes on with the stream of a call at another process. */
export function resumeCall(session: WireSession, place: Place, lastEventId: string | undefined): Promise<EventReader> {
  return openReader({
    url: session.url,
    headers: { ...session.headers, ...to(place).headers, 'last-event-id': lastEventId ?? '' },
    check: message => assertValid(message, 'tools/call', session.revision),
  });
}

/** What the tests look at in a message: the line of a log message, the text of a result, the URI of an update, or an error. */
export function textOf({ params, result, error, method }: WireMessage): unknown {
  if (error !== undefined) return `error ${error.code}`;
  return params?.['data'] ?? params?.['uri'] ?? result?.content?.[0]?.text ?? method;
}

/** The sequence numbers in the ids of the events of a call's stream. */
export function positions(reader: EventReader): number[] {
  return reader.received.map(({ id = '' }) => Number(/\.(\d+)!?$/u.exec(id)?.[1]));
}

/** `from` to `to`, both included. */
export function range(from: number, upTo: number): number[] {
  return Array.from({ length: upTo - from + 1 }, (_, index) => from + index);
}
