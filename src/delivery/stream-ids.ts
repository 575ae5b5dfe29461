import { createHmac, randomBytes } from 'node:crypto';

/** The stream whose events concern every session. */
export const EVERYBODY = '*';

/** The stream of what concerns the connection that carries a session's stream. Nobody who lacks the session's id can name it. */
export function sessionStreamOf(sessionId: string): string {
  return `s.${digest(sessionId, 'stream')}`;
}

/** The stream of what concerns the calls of a session, whichever process runs them. */
export function callMailOf(sessionId: string): string {
  return `m.${digest(sessionId, 'mail')}`;
}

/** The stream of what concerns one process. */
export function nodeMailOf(node: string): string {
  return `n.${node}`;
}

/** The run of a process: a new name at every start, which tells nothing. */
export function newNodeId(): string {
  return randomBytes(9).toString('base64url');
}

/** The stream of one call, taken apart. */
export interface CallStreamId {
  /** `c.<random>.<run of the process>.<request id>.<seal>` */
  readonly stream: string;
  /** The process that runs the call. */
  readonly node: string;
  /** The request that the stream answers; `undefined` for a batch, or where the id was too long. */
  readonly requestId: string | number | undefined;
}

/** Where a client has come to in the stream of a call: `Last-Event-ID`, taken apart. */
export interface CallPosition extends CallStreamId {
  readonly seq: number;
  /** Whether nothing comes after it. */
  readonly isLast: boolean;
}

/** Characters of a request id that a stream's name holds. */
const maxRequestLength = 90;

/** A new name for the stream of a call. It says which process to ask, and which request to answer should that process have died. */
export function newCallStream(sessionId: string, node: string, requestId: string | number | undefined): string {
  const request = requestId === undefined ? '' : Buffer.from(JSON.stringify(requestId)).toString('base64url');
  const text = `c.${randomBytes(12).toString('base64url')}.${node}.${request.length > maxRequestLength ? '' : request}`;
  return `${text}.${seal(sessionId, text)}`;
}

/** The id of one event in the stream of a call: `<stream>.<seq>`, and `!` where it is the last. */
export function callEventId(stream: string, seq: number, isLast: boolean): string {
  return `${stream}.${seq}${isLast ? '!' : ''}`;
}

/** Reads an event id of a call's stream; `undefined` if no call of this session gave it. */
export function parseCallEventId(sessionId: string, eventId: string): CallPosition | undefined {
  const pattern = /^(c\.[\w-]{16}\.([\w-]{12})\.([\w-]{0,90}))\.([\w-]{16})\.(\d{1,9})(!?)$/u;
  const [, text, node = '', request = '', sealed = '', seq, last] = pattern.exec(eventId) ?? [];
  if (text === undefined || sealed !== seal(sessionId, text)) return undefined;
  const requestId = request === '' ? undefined : (JSON.parse(Buffer.from(request, 'base64url').toString()) as string | number);
  return { stream: `${text}.${sealed}`, node, requestId, seq: Number(seq), isLast: last === '!' };
}

/** A new id for a request to a session's client. Nobody else makes one that `isRequestIdOf` the session. */
export function newRequestId(sessionId: string): string {
  const random = randomBytes(12).toString('base64url');
  return random + seal(sessionId, random);
}

/** Whether `newRequestId` gave this id for the session, in whichever process. */
export function isRequestIdOf(sessionId: string, id: unknown): id is string {
  return typeof id === 'string' && id.length === 32 && id.slice(16) === seal(sessionId, id.slice(0, 16));
}

/** Sixteen characters that prove, without a row, that a text was made by somebody who knows the session's id. */
export function seal(sessionId: string, text: string): string {
  return digest(sessionId, text).slice(0, 16);
}

function digest(sessionId: string, text: string): string {
  return createHmac('sha256', sessionId).update(text).digest('base64url');
}
