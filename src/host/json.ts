/**
 * A value as JSON carries it: BigInt as string, bytes as base64, the rest by its own `toJSON` (dates as ISO 8601, Decimal as string).
 *
 * @throws {TypeError} For a cycle.
 */
export function toJsonText(value: unknown): string {
  return JSON.stringify(value, replace) ?? 'null';
}

function replace(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  // `Buffer.toJSON` has already changed `value`; the object still has the bytes.
  const original = this[key];
  return original instanceof Uint8Array ? Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString('base64') : value;
}
