import type { CallContext, Completer, Completion } from '../protocol/definitions.ts';

/**
 * Completes one argument: the values that continue the typed text, best first. At most 100 are sent.
 *
 * @param others The arguments filled in so far.
 */
export type Complete<Ctx = CallContext> = (
  value: string,
  ctx: Ctx,
  others: Readonly<Record<string, string>>,
) => readonly string[] | Completion | Promise<readonly string[] | Completion>;

/** Compiles the host's `complete` functions. */
export function compileCompleters(complete: Readonly<Record<string, Complete>>): Record<string, Completer> {
  return Object.fromEntries(
    Object.entries(complete).map(([name, values]): [string, Completer] => [
      name,
      async (value, ctx, others) => {
        const completion = await values(value, ctx, others);
        return isList(completion) ? { values: [...completion] } : completion;
      },
    ]),
  );
}

/** @throws {TypeError} For a completion of a variable or argument that does not exist: it would never be called. */
export function assertCompletes(path: string, complete: object | undefined, names: readonly string[]): void {
  for (const name of Object.keys(complete ?? {})) {
    if (!names.includes(name)) throw new TypeError(`${path}.complete.${name}: there is no such variable or argument (${names.join(', ')})`);
  }
}

function isList(completion: readonly string[] | Completion): completion is readonly string[] {
  return Array.isArray(completion);
}
