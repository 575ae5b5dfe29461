import type { RequiredPage } from '../errors.ts';
import { internalErrorText, McpError } from '../errors.ts';
import type { Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { JsonObject } from './definitions.ts';
import { isObject } from './definitions.ts';

/**
 * The text for the model of an error that a handler threw.
 *
 * The error's own message if it has `expose: true`, or a 4xx `status` without `expose: false` (Koa's convention). A fixed text for an error of
 * the database that a caller can act on. For any other error, a reference to the report that the app gets.
 */
export function describeError(call: Pick<Call, 'server' | 'report'>, error: unknown): string {
  const { expose, status, message } = membersOf(error);
  const shown = typeof expose === 'boolean' ? expose : typeof status === 'number' && status >= 400 && status < 500;
  if (shown && typeof message === 'string' && message !== '') return message;
  const known = call.server.explainError(error);
  if (known === undefined) return internalErrorText(call.report(error));
  return known.isReported ? `${known.message} (ref ${call.report(error)})` : known.message;
}

/**
 * Waits for a handler whose errors the client gets as JSON-RPC errors.
 *
 * @throws {McpError} The handler's own; else -32602 for an error with a `status` below 500, and -32603 for any other.
 */
export async function waitForHandler<T>(call: Call, handler: () => Promise<T>): Promise<T> {
  try {
    return await call.race(handler());
  } catch (thrown) {
    const error = inRevision(call, thrown);
    if (McpError.isError(error) || error instanceof CallEnded) throw error;
    const { status } = membersOf(error);
    const type = typeof status === 'number' && status < 500 ? 'InvalidParams' : 'InternalError';
    throw new McpError(type, describeError(call, error), { cause: error });
  }
}

/**
 * What a handler has thrown, as the revision has it: `UrlElicitationRequired` becomes -32042 or `input_required`, or the error for a client that
 * cannot open pages. Any other value stays as it is.
 */
export function inRevision(call: Call, thrown: unknown): unknown {
  if (!McpError.isError(thrown) || thrown.type !== 'UrlElicitationRequired') return thrown;
  try {
    return call.requirePages(
      pagesOf(thrown).map(page => call.pageRequest(page)),
      thrown,
    );
  } catch (refusal) {
    return refusal;
  }
}

/** @throws {TypeError} The app's error does not name the pages. */
function pagesOf({ data }: McpError): RequiredPage[] {
  const pages = isObject(data) ? data['elicitations'] : undefined;
  if (Array.isArray(pages) && pages.length > 0 && pages.every(isPage)) return pages;
  throw new TypeError('UrlElicitationRequired: `data.elicitations` must name at least one page, { message, url }');
}

function isPage(value: unknown): value is RequiredPage {
  if (!isObject(value)) return false;
  const { message, url, elicitationId } = value;
  return typeof message === 'string' && typeof url === 'string' && ['string', 'undefined'].includes(typeof elicitationId);
}

/** The members of a thrown value, which need not be an object. */
export function membersOf(error: unknown): JsonObject {
  return isObject(error) ? error : {};
}
