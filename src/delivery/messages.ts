import type { JsonRpcResponse, RequestId } from '../protocol/jsonrpc.ts';
import { isObject, isRequestId, parseMessage } from '../protocol/jsonrpc.ts';
import type { ListName } from '../protocol/subscriptions.ts';

/** What every process is told, on the stream `'*'`. */
export type Broadcast =
  /** A list reads differently. */
  | { readonly list: ListName }
  /** A resource reads differently. */
  | { readonly uri: string }
  /** A session has ended. */
  | { readonly ended: string }
  /** The row of a session has changed. */
  | { readonly changed: string }
  /** The process of this run will end its HTTP+SSE streams: nobody accepts requests for them any more. */
  | { readonly leaving: string };

/** What the calls of a session are told, whichever process runs them. */
export type CallMail =
  /** The client's answer to a question of a handler. */
  | { readonly answer: JsonRpcResponse }
  /** The client gives up a request. */
  | { readonly cancel: RequestId; readonly reason?: string | undefined };

/** The client of the call's stream `resume` has come back: the connection `by` carries the stream from here on, and its events become rows. */
export interface Resumption {
  readonly resume: string;
  readonly sessionId: string;
  readonly by: string;
}

/** What one process is asked by another. */
export type NodeMail =
  | Resumption
  /** Raise your counter now. */
  | { readonly beat: true };

/** What the connection that carries a session's stream is told. */
export type StreamMail =
  /** A connection carries the stream from here on; of several the one whose event has the greatest id. */
  | { readonly taken: string }
  /** The session subscribed to a resource, or no longer does. */
  | { readonly subscribed: string }
  | { readonly unsubscribed: string }
  /** A process has accepted a request of the HTTP+SSE client, and will answer it. */
  | { readonly accepted: RequestId; readonly by: string }
  /** It will not answer it after all: the client was told so. */
  | { readonly refused: RequestId }
  /** A message for the client, already JSON, of the request `of`; whether it is its response. */
  | { readonly message: string; readonly of: RequestId; readonly isResponse: boolean };

/** One event of a call's stream. */
export interface CallEvent {
  /** From 1, without gaps. */
  readonly seq: number;
  /** Whether the stream ends with it. */
  readonly isLast: boolean;
  /** One JSON-RPC message; empty where the stream ends without one. */
  readonly message: string;
}

/** A message of a connection is written as it is behind a line that says what it is, since it may be long. */
export function encodeStreamMail(mail: StreamMail): string {
  if (!('message' in mail)) return JSON.stringify(mail);
  const { message, ...head } = mail;
  return `${JSON.stringify(head)}\n${message}`;
}

/** `<seq>[!]\n<message>` */
export function encodeCallEvent({ seq, isLast, message }: CallEvent): string {
  return `${seq}${isLast ? '!' : ''}\n${message}`;
}

// Readers skip what they cannot read: another version of this package may have written it.

/** `undefined` for what this version does not know. */
export function parseBroadcast(data: string): Broadcast | undefined {
  const value = parseObject(data);
  if (value?.['list'] === 'tools' || value?.['list'] === 'resources' || value?.['list'] === 'prompts') return { list: value['list'] };
  if (typeof value?.['uri'] === 'string') return { uri: value['uri'] };
  if (typeof value?.['ended'] === 'string') return { ended: value['ended'] };
  if (typeof value?.['changed'] === 'string') return { changed: value['changed'] };
  if (typeof value?.['leaving'] === 'string') return { leaving: value['leaving'] };
  return undefined;
}

/** `undefined` for what this version does not know. */
export function parseCallMail(data: string): CallMail | undefined {
  const { answer, cancel, reason } = parseObject(data) ?? {};
  if (answer !== undefined) return parseAnswer(answer);
  return isRequestId(cancel) ? { cancel, reason: typeof reason === 'string' ? reason : undefined } : undefined;
}

/** `undefined` for what this version does not know. */
export function parseNodeMail(data: string): NodeMail | undefined {
  const { resume, sessionId, by, beat } = parseObject(data) ?? {};
  if (typeof resume === 'string' && typeof sessionId === 'string' && typeof by === 'string') return { resume, sessionId, by };
  return beat === true ? { beat } : undefined;
}

/** `undefined` for what this version does not know. */
export function parseStreamMail(data: string): StreamMail | undefined {
  const end = data.indexOf('\n');
  const head = parseObject(end === -1 ? data : data.slice(0, end));
  if (head === undefined) return undefined;
  const { taken, subscribed, unsubscribed, accepted, by, refused, of, isResponse } = head;
  if (end !== -1) return isRequestId(of) ? { message: data.slice(end + 1), of, isResponse: isResponse === true } : undefined;
  if (typeof taken === 'string') return { taken };
  if (typeof subscribed === 'string') return { subscribed };
  if (typeof unsubscribed === 'string') return { unsubscribed };
  if (isRequestId(accepted) && typeof by === 'string') return { accepted, by };
  return isRequestId(refused) ? { refused } : undefined;
}

/** `undefined` for what this version does not know. */
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

function parseObject(data: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
