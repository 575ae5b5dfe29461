import { createHmac, randomBytes } from 'node:crypto';

/** Where an event stands: `Last-Event-ID`, taken apart. */
export interface EventPosition {
  readonly stream: string;
  readonly seq: number;
  /** Whether nothing comes after it. */
  readonly isLast: boolean;
}

/**
 * The stream of what a session is told without having asked: that of its GET, or of HTTP+SSE.
 *
 * Derived from the id, so that every process knows it, and nobody who lacks the id.
 */
export function outboundOf(sessionId: string): string {
  return sealed(sessionId, digest(sessionId, 'outbound').slice(0, 16));
}

/** The stream of what a client sent to a process that could not use it: answers and cancellations for calls of others. */
export function inboundOf(sessionId: string): string {
  return `in_${digest(sessionId, 'inbound')}`;
}

/** A new name for the stream of a call, which holds the id of its request, if that is short. */
export function callStreamOf(sessionId: string, requestId: string | number | undefined): string {
  const request = requestId === undefined ? '' : `.${Buffer.from(JSON.stringify(requestId)).toString('base64url')}`;
  return sealed(sessionId, randomBytes(12).toString('base64url'), request.length > 100 ? '' : request);
}

/** The id of the request that a stream answers; `undefined` if the name does not hold it. */
export function requestIdOf(stream: string): string | number | undefined {
  const request = stream.slice(32);
  return request === '' ? undefined : (JSON.parse(Buffer.from(request.slice(1), 'base64url').toString()) as string | number);
}

/** `<stream>_<seq>`, and `!` where it is the last. */
export function eventIdOf(stream: string, seq: number, isLast = false): string {
  return `${stream}_${seq}${isLast ? '!' : ''}`;
}

/** Reads a `Last-Event-ID`; `undefined` if no stream of this session gave it. */
export function parseEventId(sessionId: string, eventId: string): EventPosition | undefined {
  const [, random, mac, request = '', seq, last] = /^([\w-]{16})([\w-]{16})(\.[\w-]{1,99})?_(\d{1,9})(!?)$/u.exec(eventId) ?? [];
  if (random === undefined || `${random}${mac}${request}` !== sealed(sessionId, random, request)) return undefined;
  return { stream: `${random}${mac}${request}`, seq: Number(seq), isLast: last === '!' };
}

/** A new id for a request to a session's client. Nobody else makes one that `isRequestIdOf` the session. */
export function newRequestId(sessionId: string): string {
  return sealed(sessionId, randomBytes(12).toString('base64url'));
}

/** A name for a connection of this process that delivers a session's outbound stream. */
export function newHolder(node: string): string {
  return `${node}/${randomBytes(6).toString('base64url')}`;
}

/** Whether `newRequestId` gave this id for the session, in whichever process. */
export function isRequestIdOf(sessionId: string, id: unknown): id is string {
  return typeof id === 'string' && id.length === 32 && id === sealed(sessionId, id.slice(0, 16));
}

/** `<random><MAC>`: proves that it belongs to the session, without a row. */
function sealed(sessionId: string, random: string, suffix = ''): string {
  return random + digest(sessionId, random + suffix).slice(0, 16) + suffix;
}

function digest(sessionId: string, text: string): string {
  return createHmac('sha256', sessionId).update(text).digest('base64url');
}
