import { McpError } from '../errors.ts';
import type { JsonObject } from '../protocol/definitions.ts';

/** Bytes of `clientInfo` or `capabilities` in a session row. */
const maxClientBytes = 65_536;
const maxUriLength = 8_192;

/**
 * JSON from the wire as every database can keep it: PostgreSQL refuses NUL and half surrogate pairs in text, so U+FFFD takes their place.
 *
 * @param path Where it stood in the message, for the error.
 * @throws {McpError} -32602 larger than 65,536 bytes.
 */
export function toStorable<T extends JsonObject>(value: T, path: string): T {
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > maxClientBytes) {
    throw new McpError('InvalidParams', `${path}: larger than ${maxClientBytes} bytes`);
  }
  // JSON.stringify escapes exactly these; `\\` is matched to step over an escaped backslash before a literal "u0000".
  const clean = text.replace(/\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g, code => (code === '\\\\' ? code : '\\ufffd'));
  return clean === text ? value : (JSON.parse(clean) as T);
}

/** @throws {McpError} -32602 longer than 8,192 characters, or with characters that no URI has. */
export function assertStorableUri(uri: string): void {
  if (uri.length > maxUriLength) throw new McpError('InvalidParams', `params.uri: longer than ${maxUriLength} characters`);
  if (/[\p{Cc}\p{Cs}]/u.test(uri)) throw new McpError('InvalidParams', 'params.uri: has characters that no URI has');
}
