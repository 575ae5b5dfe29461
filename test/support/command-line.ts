/** Writes a line to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The value of an option as a whole number. @throws {TypeError} if it is none. */
export function wholeNumber(option: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new TypeError(`--${option}: ${value} is not a whole number; --help lists the options`);
  return number;
}
