import { createHmac, randomBytes } from 'node:crypto';
import type { Session } from '../store/store.ts';

/** The stream of events that every process reads. */
export const EVERYBODY = '*';

/**
 * The stream of messages for the connection that carries a session's stream. Only somebody who knows the session's id can compute its name.
 */
export function sessionStreamOf(sessionId: string): string {
  return `s.${digest(sessionId, 'stream')}`;
}

/** The stream of messages for the running calls of a session, in any process. */
export function callMailOf(sessionId: string): string {
  return `m.${digest(sessionId, 'mail')}`;
}

/** The stream that says that a task's row has changed. Only somebody who knows the task's id can compute its name. */
export function taskStreamOf(taskId: string): string {
  return `t.${digest(taskId, 'task')}`;
}

/** The stream of messages for one process. */
export function nodeMailOf(node: string): string {
  return `n.${node}`;
}

/** A new random id for one run of a process. Every start of the process makes another one. */
export function newNodeId(): string {
  return randomBytes(9).toString('base64url');
}

/** Makes a name for a connection of this process that carries the stream of a session or of a call. */
export function newConnectionName({ node, nodeName }: { readonly node: string; readonly nodeName: string }): string {
  return `${nodeName}/${node}.${randomBytes(6).toString('base64url')}`;
}

/** The run id of the process that carried a session's stream last, from the session's row; `undefined` if there was none. */
export function nodeOf({ connection }: Pick<Session, 'connection'>): string | undefined {
  return connection === null ? undefined : /\/([\w-]{12})\.[\w-]+$/u.exec(connection)?.[1];
}

/** The parsed name of a call's stream. */
export interface CallStreamId {
  /** `c.<random>.<run of the process>.<request id>.<seal>` */
  readonly stream: string;
  /** The process that runs the call. */
  readonly node: string;
  /** The request that the stream answers; `undefined` for a batch, and for an id that is too long for a stream name. */
  readonly requestId: string | number | undefined;
}

/** How far a client has read the stream of a call: its parsed `Last-Event-ID`. */
export interface CallPosition extends CallStreamId {
  readonly seq: number;
  /** Whether this is the last event of the stream. */
  readonly isLast: boolean;
}

/** Longest encoded request id in a stream name, in characters. */
const maxRequestLength = 90;

/**
 * Makes a name for the stream of a call. The name holds the process that runs the call. It also holds the request id, so that another
 * process can answer the request if that process dies.
 */
export function newCallStream(sessionId: string, node: string, requestId: string | number | undefined): string {
  const request = requestId === undefined ? '' : Buffer.from(JSON.stringify(requestId)).toString('base64url');
  const text = `c.${randomBytes(12).toString('base64url')}.${node}.${request.length > maxRequestLength ? '' : request}`;
  return `${text}.${seal(sessionId, text)}`;
}

/** The id of one event in the stream of a call: `<stream>.<seq>`, followed by `!` if the event is the last one. */
export function callEventId(stream: string, seq: number, isLast: boolean): string {
  return `${stream}.${seq}${isLast ? '!' : ''}`;
}

/** Reads an event id of a call's stream; `undefined` if the id does not belong to a call of this session. */
export function parseCallEventId(sessionId: string, eventId: string): CallPosition | undefined {
  const pattern = /^(c\.[\w-]{16}\.([\w-]{12})\.([\w-]{0,90}))\.([\w-]{16})\.(\d{1,9})(!?)$/u;
  const [, text, node = '', request = '', sealed = '', seq, last] = pattern.exec(eventId) ?? [];
  if (text === undefined || sealed !== seal(sessionId, text)) return undefined;
  return { stream: `${text}.${sealed}`, node, requestId: decodeRequestId(request), seq: Number(seq), isLast: last === '!' };
}

/** The request that a call's stream answers; `undefined` for a batch, and for an id that is too long for a stream name. */
export function requestIdOf(stream: string): CallStreamId['requestId'] {
  return decodeRequestId(stream.split('.')[3] ?? '');
}

/** Makes an id for a request to a session's client, or for a page that its user is sent to. `isRequestIdOf` recognises the ids that were made for the session. */
export function newRequestId(sessionId: string): string {
  const random = randomBytes(12).toString('base64url');
  return random + seal(sessionId, random);
}

/** Whether `newRequestId` made this id for the session, in this process or another. */
export function isRequestIdOf(sessionId: string, id: unknown): id is string {
  return isSealedId(id) && id.slice(16) === seal(sessionId, id.slice(0, 16));
}

/** Whether a value may be an id that `newRequestId` made, for whatever session. */
export function isSealedId(id: unknown): id is string {
  return typeof id === 'string' && /^[\w-]{32}$/u.test(id);
}

/**
 * Sixteen characters of an HMAC of `text`, with the session's id as the key. They prove, without a query, that the maker of the text knew
 * the session's id.
 */
export function seal(sessionId: string, text: string): string {
  return digest(sessionId, text).slice(0, 16);
}

function decodeRequestId(request: string): CallStreamId['requestId'] {
  return request === '' ? undefined : (JSON.parse(Buffer.from(request, 'base64url').toString()) as string | number);
}

function digest(sessionId: string, text: string): string {
  return createHmac('sha256', sessionId).update(text).digest('base64url');
}
