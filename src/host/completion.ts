import type { CallContext, Completer, Completion } from '../protocol/definitions.ts';

/**
 * Completes one argument: the values that go on from what was typed, best first. At most 100 are sent.
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

function isList(completion: readonly string[] | Completion): completion is readonly string[] {
  return Array.isArray(completion);
}
