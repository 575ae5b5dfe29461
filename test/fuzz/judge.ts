import { assertValid } from '../support/schemas.ts';
import type { HttpResponse } from './responses.ts';

/** What a request was answered, judged. */
export interface Verdict {
  /** The promises that the answer breaks. */
  readonly failures: readonly string[];
  /** Whether a message was accepted: it got past parsing. */
  readonly isAccepted: boolean;
}

/** What is known of a request when its answer is judged. */
export interface Asked {
  /** The messages that it may answer. */
  readonly sent: readonly SentMessage[];
  /** The revision that the client speaks. */
  readonly revision: string;
}

/** A message of the client, as far as its answer depends on it. */
export interface SentMessage {
  readonly id?: unknown;
  readonly method?: unknown;
}

const refusals = new Set([-32700, -32600, -32020, -32021, -32022]);

/** Judges one response to a POST, a GET or anything else. */
export function judge(response: HttpResponse, { sent, revision }: Asked): Verdict {
  const failures: string[] = [];
  const { status, headers, body, isWhole, isStream } = response;
  if (status >= 500) failures.push(`status ${status}`);
  const revisions = [...new Set([revision, '2026-07-28', '2025-11-25', '2025-03-26'])];
  const messages: unknown[] = [];
  if (isStream) for (const { data, name } of response.events) if (data !== '' && name !== 'endpoint') messages.push(parse(data, failures));
  if (!isStream && isWhole && body !== '' && headers.get('content-type')?.startsWith('application/json') === true) {
    const value = parse(body, failures);
    if (isRpc(value)) messages.push(...[value].flat());
  }
  failures.push(...messages.flatMap(message => complaints(message, sent, revisions)));
  const answered = messages.some(message => isAnswer(message) && isAcceptance(message));
  return { failures, isAccepted: answered || status === 202 || status === 204 || isStream };
}

/** What is wrong with a message of the server. */
function complaints(message: unknown, sent: readonly SentMessage[], revisions: readonly string[]): string[] {
  const failures: string[] = [];
  const text = JSON.stringify(message) ?? '';
  const { code, message: said } = isAnswer(message) ? (message.error ?? {}) : {};
  if (code === -32603 && /\(ref /u.test(String(said))) failures.push(`an internal error: ${String(said)}`);
  else if (/Internal error \(ref /u.test(text)) failures.push(`an internal error in a result: ${text.slice(0, 300)}`);
  const { id } = isAnswer(message) ? message : {};
  const methods = new Set(sent.filter(each => each.id === id).map(({ method }) => (typeof method === 'string' ? method : undefined)));
  // A response without a readable request is judged as any error.
  const candidates = methods.size === 0 ? [undefined] : [...methods];
  const errors: string[] = [];
  for (const method of candidates) {
    for (const revision of revisions) {
      try {
        assertValid(message, method, revision);
        return failures;
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error));
      }
    }
  }
  return [...failures, `against the schema: ${errors[0]?.slice(0, 600)}`];
}

/** The messages in a body, as a parser of JSON reads it. */
export function messagesOf(body: string | undefined): SentMessage[] {
  try {
    return [JSON.parse(body ?? '')].flat().filter(each => typeof each === 'object' && each !== null) as SentMessage[];
  } catch {
    return [];
  }
}

function parse(text: string, failures: string[]): unknown {
  try {
    return JSON.parse(text);
  } catch {
    failures.push(`no JSON: ${text.slice(0, 200)}`);
    return undefined;
  }
}

interface Answer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code?: number; readonly message?: unknown };
}

function isAnswer(message: unknown): message is Answer {
  return typeof message === 'object' && message !== null;
}

function isAcceptance({ id, result, error }: Answer): boolean {
  return result !== undefined || (id !== undefined && error !== undefined && !refusals.has(error.code ?? 0));
}

/** Probes and the list of sessions answer JSON that is no JSON-RPC. */
function isRpc(value: unknown): boolean {
  const [first] = [value].flat();
  return typeof first === 'object' && first !== null && 'jsonrpc' in first;
}
