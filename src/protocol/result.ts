import type { Call } from './call.ts';
import type { JsonObject } from './definitions.ts';

/** A result that is JSON already. */
export class Json {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * Completes a result with what its revision wants on every one: `resultType`, the server's name, cache hints.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#result-metadata
 */
export function finishResult(call: Call, method: string, result: JsonObject): JsonObject {
  const { row, server } = call;
  if (!row.resultType) return result;
  const hints =
    row.cacheHints.has(method) && (result['resultType'] ?? 'complete') === 'complete' ? { ttlMs: 0, cacheScope: 'private' } : undefined;
  const _meta = { 'io.modelcontextprotocol/serverInfo': server.registry.info, ...(result['_meta'] as JsonObject | undefined) };
  return { resultType: 'complete', ...hints, ...result, _meta };
}
