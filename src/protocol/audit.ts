import { McpError } from '../errors.ts';
import { InputRequired } from './answer-replay.ts';
import type { AuditedEnd, AuditedRequest, Call, OpenAuditEntry } from './call.ts';
import { Cancelled, Deferred } from './call.ts';
import type { AuditEntry } from './definitions.ts';

/** How a call is served. */
interface Serving<T> {
  /** @param entry The row of the call, if it is recorded. */
  readonly work: (entry?: AuditEntry) => Promise<T>;
  /** How a call ended that gave this result. @default 'ok' */
  readonly endOf?: (result: T) => AuditedEnd;
}

/**
 * Serves a call, and records it if its endpoint records such calls.
 *
 * @throws {McpError} 503 The call must be recorded, and cannot be.
 */
export function recorded<T>(call: Call, request: AuditedRequest, serving: Serving<T>): Promise<T> {
  const { audit } = call.server;
  return audit === undefined ? serving.work() : record(audit.begin(call, request), serving);
}

async function record<T>(begun: Promise<OpenAuditEntry | undefined>, { work, endOf = ended }: Serving<T>): Promise<T> {
  const entry = await begun;
  if (entry === undefined) return work();
  let result: T;
  try {
    result = await work(entry);
  } catch (error) {
    await entry.finish(endOfError(error));
    throw error;
  }
  await entry.finish(endOf(result));
  return result;
}

function ended(): AuditedEnd {
  return { outcome: 'ok' };
}

function endOfError(error: unknown): AuditedEnd {
  if (error instanceof Cancelled) return { outcome: 'cancelled', error: error.message };
  if (error instanceof Deferred) return ended();
  if (error instanceof InputRequired) return { outcome: 'input_required' };
  return { outcome: 'error', error: McpError.isError(error) ? error.message : undefined };
}
