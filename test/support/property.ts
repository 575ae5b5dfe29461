/** The seed of every property. `TEST_SEED` tries other cases than those of every run. */
const seed = Number(process.env['TEST_SEED'] ?? 1);
/** `npm run test:long` tries this many times as many cases. */
const factor = process.env['TEST_LONG'] === undefined ? 1 : 5;

/** Milliseconds for one property: the number of its cases is fixed, so a loaded machine needs longer. */
export const propertyMs: number = 300_000 * factor;

/** The cases of a property: always the same ones, and as many on a loaded machine as on a quiet one. */
export function cases(count: number): { readonly seed: number; readonly numRuns: number } {
  return { seed, numRuns: count * factor };
}
