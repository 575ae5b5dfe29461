const sentinel = /^=\?base64\?(.*)\?=$/su;

/**
 * The text of a header value: as it stands, or decoded where it is `=?base64?…?=`.
 *
 * `=?base64?SsO2cmc=?=` → `Jörg`; `undefined` if what is inside is not canonical base64 of UTF-8.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#value-encoding
 */
export function decodeHeader(value: string): string | undefined {
  const trimmed = value.replace(/^[ \t]+|[ \t]+$/gu, '');
  const encoded = sentinel.exec(trimmed)?.[1];
  if (encoded === undefined) return trimmed;
  const bytes = Buffer.from(encoded, 'base64');
  // `Buffer` skips what it does not know; encoding again shows it.
  if (bytes.toString('base64') !== encoded) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
