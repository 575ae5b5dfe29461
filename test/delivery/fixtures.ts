import type { Bus } from '../../src/bus/bus.ts';
import { StoreUnavailable } from '../../src/errors.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Store } from '../../src/store/store.ts';

/** What a verb does in place of what the store does; `run` asks the store. */
export type Disturbance = (run: () => Promise<unknown>, args: readonly unknown[]) => Promise<unknown>;

/** A store with a record of the verbs it was asked, which a test can disturb. */
export interface DisturbedStore {
  readonly store: Store;
  /** The verbs, in the order they were asked. */
  readonly asked: (keyof Store)[];
  /** Disturbs a verb until the returned function is called; of several disturbances of one verb the latest counts. */
  disturb(verb: keyof Store, disturbance: Disturbance): () => void;
  /** Disturbs all verbs until the returned function is called. */
  disturbAll(disturbance: Disturbance): () => void;
  /** How often a verb was asked. */
  count(verb: keyof Store): number;
}

/** More than any test asks for. */
const MAX_ASKED = 200_000;

export function disturbed(store: Store = memoryStore()): DisturbedStore {
  const verbs = Object.keys(store) as (keyof Store)[];
  const asked: (keyof Store)[] = [];
  const disturbances = new Map<keyof Store, Disturbance>();
  const ask = async (verb: keyof Store, args: unknown[]): Promise<unknown> => {
    asked.push(verb);
    // A loop without end hangs here, where the test can fail, instead of holding up the process.
    if (asked.length > MAX_ASKED) await new Promise(() => undefined);
    const run = async (): Promise<unknown> => (store[verb] as (...args: unknown[]) => Promise<unknown>)(...args);
    return (disturbances.get(verb) ?? (go => go()))(run, args);
  };
  const wrapped = verbs.map(verb => [verb, (...args: unknown[]) => ask(verb, args)]);
  const disturb = (verb: keyof Store, disturbance: Disturbance): (() => void) => {
    disturbances.set(verb, disturbance);
    return () => {
      if (disturbances.get(verb) === disturbance) disturbances.delete(verb);
    };
  };
  return {
    store: Object.fromEntries(wrapped) as Store,
    asked,
    disturb,
    disturbAll(disturbance) {
      const ends = verbs.map(verb => disturb(verb, disturbance));
      return () => {
        for (const end of ends) end();
      };
    },
    count: verb => asked.filter(each => each === verb).length,
  };
}

/** The database is away: nothing is done. */
export const away: Disturbance = () => Promise.reject(new StoreUnavailable('away'));

/** Holds a verb until `proceed` is called: before the store is asked, or after it has answered. */
export function held(when: 'before' | 'after' = 'before'): { disturbance: Disturbance; proceed: () => void } {
  let proceed = (): void => {};
  const released = new Promise<void>(resolve => {
    proceed = resolve;
  });
  const disturbance: Disturbance = async run => {
    if (when === 'before') await released;
    const result = await run();
    await released;
    return result;
  };
  return { disturbance, proceed: () => proceed() };
}

/** The database does what it is asked, and its answer is lost. */
export const answerLost: Disturbance = async run => {
  await run();
  throw new StoreUnavailable('the answer was lost');
};

/** The database never answers. */
export const hanging: Disturbance = () => new Promise(() => undefined);

/** Disturbs the first `times` calls, and none after them. */
export function first(times: number, disturbance: Disturbance): Disturbance {
  let left = times;
  return (run, args) => {
    left -= 1;
    return left >= 0 ? disturbance(run, args) : run();
  };
}

/** A store some of whose events are not committed yet: `hidden` holds their ids. */
export function withHiddenEvents(store: Store): { store: Store; hidden: Set<number> } {
  const hidden = new Set<number>();
  const isVisible = ({ id }: { id: number }): boolean => !hidden.has(id);
  return {
    hidden,
    store: {
      ...store,
      read: async query => (await store.read({ ...query, limit: 10_000 })).filter(isVisible).slice(0, query.limit),
      findEvents: async query => (await store.findEvents({ ...query, limit: 10_000 })).filter(isVisible).slice(0, query.limit),
      latest: async limit => (await store.latest(10_000)).filter(id => !hidden.has(id)).slice(0, limit),
    },
  };
}

/** A bus that wakes nobody. */
export const silentBus: Bus = {
  publish: () => undefined,
  subscribe: () => () => undefined,
  ready: true,
  close: () => Promise.resolve(),
};
