import type { Json } from './oracle.ts';
import type { Fault, Request } from './request.ts';

/** Attempts at most. */
const maxAttempts = 150;

/**
 * Removes parts of the conditions of a request as long as the same fault shows. The oracle reads the same objects, so it judges the smaller request.
 *
 * Writes stay as they are, because the world may no longer be what it was. So do requests that must be refused: smaller ones would be lawful.
 */
export async function shrink({ params, isWrite }: Request, fault: Fault, judge: () => Promise<Fault | undefined>): Promise<Fault> {
  if (isWrite || typeof fault.expected === 'string') return fault;
  let smallest = fault;
  let attempts = 0;
  const removes = async (part: Json): Promise<void> => {
    for (const name of Object.keys(part).reverse()) {
      if (++attempts > maxAttempts) return;
      const restore = removed(part, name);
      const still = await judge().catch(() => undefined);
      if (still?.what === fault.what) smallest = still;
      else {
        restore();
        if (typeof part[name] === 'object' && part[name] !== null) await removes(part[name]);
      }
    }
  };
  for (const where of wheresOf(params)) await removes(where);
  return smallest;
}

/** The conditions of a call: those of a tool, and those of the query that the tool of the host runs. */
function wheresOf({ arguments: args }: Json): Json[] {
  return [args?.where, args?.args?.where].filter(where => typeof where === 'object' && where !== null);
}

/** Removes a member of an object or an item of an array. Gives the function that puts it back. */
function removed(part: Json, name: string): () => void {
  const value = part[name];
  if (Array.isArray(part)) {
    part.splice(Number(name), 1);
    return () => void part.splice(Number(name), 0, value);
  }
  delete part[name];
  return () => {
    part[name] = value;
  };
}
