import type { Sight } from '../protocol/definitions.ts';
import { isObject } from '../protocol/definitions.ts';
import type { JsonRpcResponse, RequestId } from '../protocol/jsonrpc.ts';
import { isRequestId, parseMessage } from '../protocol/jsonrpc.ts';
import type { ListName } from '../protocol/subscriptions.ts';
import { listNames } from '../protocol/subscriptions.ts';

/** A message to every process, on the stream `'*'`. */
export type Broadcast =
  /** A list has changed. */
  | { readonly list: ListName }
  /** A resource has changed. */
  | { readonly uri: string }
  /** Rows were written: `booking:7`, or `booking:*` for any rows of a model. */
  | { readonly rows: readonly string[] }
  /** A session has ended. */
  | { readonly ended: string }
  /** The row of a session has changed. */
  | { readonly changed: string }
  /** The user of a session is done with the page of this elicitation. The id tells which session. */
  | { readonly completed: string }
  /** The process with this run id is about to end its HTTP+SSE streams. Other processes stop accepting requests for those streams. */
  | { readonly leaving: string };

/** A message to the running calls of a session, in any process. */
export type CallMail =
  /** The client's answer to a handler's question. */
  | { readonly answer: JsonRpcResponse }
  /** The client cancels a request. */
  | { readonly cancel: RequestId; readonly reason?: string | undefined };

/**
 * The client of the call's stream `resume` has come back. The connection `by` carries the stream now. The events of the stream become rows.
 */
export interface Resumption {
  readonly resume: string;
  readonly sessionId: string;
  readonly by: string;
}

/** A message from one process to another. */
export type NodeMail =
  | Resumption
  /** Asks the process to raise its counter now. */
  | { readonly beat: true };

/** A message to the connection that carries a session's stream. */
export type StreamMail =
  /** A connection has taken the stream. If several did, the one whose event has the greatest id keeps it. */
  | { readonly taken: string }
  /** A notification for the client, already JSON. It is sent once, if the stream is open. */
  | { readonly notification: string }
  /** The session subscribed to a resource, or unsubscribed from it. */
  | { readonly subscribed: string; readonly sight?: Sight | undefined }
  | { readonly unsubscribed: string }
  /** The process `by` has accepted a request of the HTTP+SSE client and will answer it. */
  | { readonly accepted: RequestId; readonly by: string }
  /** No response to this request will follow: it was not accepted after all, or it was cancelled. */
  | { readonly refused: RequestId }
  /**
   * A message for the client, already JSON, that belongs to the request `of`. `isResponse` tells whether it is the response to that
   * request.
   */
  | { readonly message: string; readonly of: RequestId; readonly isResponse: boolean }
  /** A message for the client, already JSON, that belongs to no request of the client. It waits for a stream. */
  | { readonly push: string };

/** One event of a call's stream. */
export interface CallEvent {
  /** Starts at 1, without gaps. The end that another process writes has a much greater number. */
  readonly seq: number;
  /** Whether this is the last event of the stream. */
  readonly isLast: boolean;
  /** One JSON-RPC message; empty if the stream ends without one. */
  readonly message: string;
}

/** One line of JSON. A message for the client follows on a second line as it is, because it may be long and need not be encoded again. */
export function encodeStreamMail(mail: StreamMail): string {
  if ('push' in mail) return `{"push":true}\n${mail.push}`;
  if (!('message' in mail)) return JSON.stringify(mail);
  const { message, ...head } = mail;
  return `${JSON.stringify(head)}\n${message}`;
}

/** `<seq>[!]\n<message>` */
export function encodeCallEvent({ seq, isLast, message }: CallEvent): string {
  return `${seq}${isLast ? '!' : ''}\n${message}`;
}

// Readers skip data that they cannot read: another version of this package may have written it.

/** `undefined` if this version cannot read the data. */
export function parseBroadcast(data: string): Broadcast | undefined {
  // Each stream of the process parses the same broadcast, one after the other.
  if (data !== lastBroadcast.data) lastBroadcast = { data, broadcast: toBroadcast(parseObject(data)) };
  return lastBroadcast.broadcast;
}

let lastBroadcast: { readonly data: string; readonly broadcast: Broadcast | undefined } = { data: '', broadcast: undefined };

function toBroadcast(value: Record<string, unknown> | undefined): Broadcast | undefined {
  const list = listNames.find(name => name === value?.['list']);
  if (list !== undefined) return { list };
  if (typeof value?.['uri'] === 'string') return { uri: value['uri'] };
  if (isTexts(value?.['rows'])) return { rows: value['rows'] };
  if (typeof value?.['ended'] === 'string') return { ended: value['ended'] };
  if (typeof value?.['changed'] === 'string') return { changed: value['changed'] };
  if (typeof value?.['completed'] === 'string') return { completed: value['completed'] };
  if (typeof value?.['leaving'] === 'string') return { leaving: value['leaving'] };
  return undefined;
}

/** `undefined` if this version cannot read the data. */
export function parseCallMail(data: string): CallMail | undefined {
  const { answer, cancel, reason } = parseObject(data) ?? {};
  if (answer !== undefined) return parseAnswer(answer);
  return isRequestId(cancel) ? { cancel, reason: typeof reason === 'string' ? reason : undefined } : undefined;
}

/** `undefined` if this version cannot read the data. */
export function parseNodeMail(data: string): NodeMail | undefined {
  const { resume, sessionId, by, beat } = parseObject(data) ?? {};
  if (typeof resume === 'string' && typeof sessionId === 'string' && typeof by === 'string') return { resume, sessionId, by };
  return beat === true ? { beat } : undefined;
}

/** `undefined` if this version cannot read the data. */
export function parseStreamMail(data: string): StreamMail | undefined {
  const end = data.indexOf('\n');
  const head = parseObject(end === -1 ? data : data.slice(0, end));
  if (head === undefined) return undefined;
  const { taken, notification, subscribed, sight, unsubscribed, accepted, by, refused, of, isResponse, push } = head;
  if (push === true && end !== -1) return { push: data.slice(end + 1) };
  if (end !== -1) return isRequestId(of) ? { message: data.slice(end + 1), of, isResponse: isResponse === true } : undefined;
  if (typeof taken === 'string') return { taken };
  if (typeof notification === 'string') return { notification };
  if (typeof subscribed === 'string') return { subscribed, ...(isSight(sight) && { sight }) };
  if (typeof unsubscribed === 'string') return { unsubscribed };
  if (isRequestId(accepted) && typeof by === 'string') return { accepted, by };
  return isRequestId(refused) ? { refused } : undefined;
}

/** `undefined` if this version cannot read the data. */
export function parseCallEvent(data: string): CallEvent | undefined {
  const [, seq, last, message = ''] = /^(\d{1,9})(!?)\n(.*)$/su.exec(data) ?? [];
  return seq === undefined ? undefined : { seq: Number(seq), isLast: last === '!', message };
}

function parseAnswer(value: unknown): CallMail | undefined {
  try {
    const parsed = parseMessage(value);
    return parsed.kind === 'response' ? { answer: parsed.message } : undefined;
  } catch {
    return undefined;
  }
}

function isSight(value: unknown): value is Sight {
  if (!isObject(value)) return false;
  const { digest, changes } = value;
  return (digest === null || typeof digest === 'string') && isTexts(changes);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string');
}

function parseObject(data: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
