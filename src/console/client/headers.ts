import type { JsonObject } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import { isObject } from './wire.ts';

/** The member of `params` that `Mcp-Name` repeats, by method. */
const namedBy: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/**
 * The headers that repeat parts of a stateless request.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 */
export function mirroredHeaders(method: string, params: JsonObject, inputSchema: JsonSchema | undefined): Record<string, string> {
  const name = params[namedBy.get(method) ?? ''];
  const headers: Record<string, string> = { 'Mcp-Method': method };
  if (typeof name === 'string') headers['Mcp-Name'] = encodeHeader(name);
  if (method === 'tools/call' && inputSchema !== undefined) addParams(headers, inputSchema, params['arguments']);
  return headers;
}

function addParams(headers: Record<string, string>, schema: JsonSchema, args: unknown): void {
  if (!isObject(args)) return;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const value = args[name];
    const header = property['x-mcp-header'];
    if (typeof header === 'string' && value !== undefined && value !== null) {
      headers[`Mcp-Param-${header}`] = encodeHeader(typeof value === 'string' ? value : JSON.stringify(value));
    }
    addParams(headers, property, value);
  }
}

/**
 * A text as the value of a header: as it is, or as base64 of UTF-8 if a header cannot carry it.
 *
 * `Jörg` → `=?base64?SsO2cmc=?=`
 */
export function encodeHeader(text: string): string {
  if (/^[\x21-\x7E](?:[\x20-\x7E]*[\x21-\x7E])?$/u.test(text) && !text.startsWith('=?')) return text;
  const bytes = new TextEncoder().encode(text);
  return `=?base64?${btoa(String.fromCodePoint(...bytes))}?=`;
}
