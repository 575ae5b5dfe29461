/**
 * Arithmetic with decimal numbers as text, without an exponent: `"12.50"`. Sums are exact. `NaN`, `Infinity` and `-Infinity`, which PostgreSQL
 * knows, are computed as floating point numbers.
 */

const quotientDigits = 16;

/** The sum of two numbers: `"0.1"`, `"0.20"` → `"0.3"`. */
export function addDecimals(one: string, other: string): string {
  if (!isPlainNumber(one) || !isPlainNumber(other)) return String(Number(one) + Number(other));
  const scale = Math.max(scaleOf(one), scaleOf(other));
  return toText(digitsOf(one, scale) + digitsOf(other, scale), scale);
}

/** A number divided by a whole number above 0, rounded to 16 digits behind the point: `"1"`, `3` → `"0.3333333333333333"`. */
export function divideDecimal(number: string, divisor: number): string {
  if (!isPlainNumber(number)) return number;
  const scale = Math.max(quotientDigits, scaleOf(number));
  const digits = digitsOf(number, scale);
  const half = BigInt(divisor) / 2n;
  return toText((digits + (digits < 0n ? -half : half)) / BigInt(divisor), scale);
}

/** Below 0 if the first number is the smaller one, 0 if they are equal, above 0 if it is the greater one. */
export function compareDecimals(one: string, other: string): number {
  if (!isPlainNumber(one) || !isPlainNumber(other)) return Number(one) - Number(other);
  const scale = Math.max(scaleOf(one), scaleOf(other));
  const difference = digitsOf(one, scale) - digitsOf(other, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function isPlainNumber(number: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(number);
}

function scaleOf(number: string): number {
  const point = number.indexOf('.');
  return point < 0 ? 0 : number.length - point - 1;
}

/** The digits of a number as a whole number, with this many of them behind the point. */
function digitsOf(number: string, scale: number): bigint {
  return BigInt(number.replace('.', '') + '0'.repeat(scale - scaleOf(number)));
}

function toText(digits: bigint, scale: number): string {
  if (scale === 0) return String(digits);
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0');
  const number = `${text.slice(0, -scale)}.${text.slice(-scale)}`.replace(/\.?0+$/, '');
  return digits < 0n ? `-${number}` : number;
}
