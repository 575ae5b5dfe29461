import type { Random } from '../chaos/random.ts';
import type { Owner, Scheduler } from './engine/scheduler.ts';
import type { Counts } from './faults.ts';

/** Whether a process reaches the database: it does; each query fails at once; each query hangs. */
export type Reach = 'reached' | 'refused' | 'silent';

/** How the database fares now. */
export interface StoreConditions {
  /** Milliseconds that a query takes, at least, and beyond that at most. */
  latencyMs: number;
  jitterMs: number;
  /** Probabilities for each query. */
  failedBefore: number;
  appliedThenFailed: number;
  /** It is carried out seconds later. */
  late: number;
  /** Nothing is ever heard of it, carried out or not. */
  hanging: number;
  /** Milliseconds after which a query that hangs because the database is silent fails. */
  silentMs: number;
}

/** What `faultyStore` needs. */
export interface FaultyStoreOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly counts: Counts;
  readonly conditions: StoreConditions;
  /** The process that asks. */
  readonly owner: Owner;
  /** Who carries queries out. */
  readonly database: Owner;
  readonly reach: () => Reach;
  /** The error of a query whose outcome is unknown, or that was not carried out. */
  readonly createOutage: () => Error;
  /** Called with each query that is sent. */
  readonly onQuery: (verb: string) => void;
}

type Verb = (...args: unknown[]) => Promise<unknown>;

/** A store as a process sees it over a connection that fails: every query takes time, and each may fail before or after it is carried out. */
export function faultyStore<S extends object>(store: S, options: FaultyStoreOptions): S {
  const verbs = new Map<PropertyKey, Verb>();
  return new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      const known = verbs.get(key);
      if (known) return known;
      const verb: Verb = (...args) => query(String(key), args, value.bind(target) as Verb, options);
      verbs.set(key, verb);
      return verb;
    },
  });
}

function query(name: string, args: unknown[], carryOut: Verb, options: FaultyStoreOptions): Promise<unknown> {
  const { scheduler, random, counts, conditions, owner, database, reach, createOutage, onQuery } = options;
  onQuery(name);
  const sent = args.map(copy);
  const delay = () => conditions.latencyMs / 2 + random.next() * (conditions.jitterMs / 2);
  return new Promise((resolve, reject) => {
    /** The process hears of a failure, or not, after `ms`. */
    const fail = (kind: string, ms: number) => {
      counts.add(kind);
      scheduler.at(ms, owner, `${name}: ${kind}`, () => reject(createOutage()));
    };
    const unreached = (kind: string) => {
      if (reach() === 'refused') fail(`${kind}, refused`, 1 + random.next() * 5);
      else if (random.chance(0.2)) counts.add(`${kind}, hanging`);
      else fail(`${kind}, timed out`, conditions.silentMs * (0.5 + random.next()));
    };
    const arrive = () => {
      if (reach() !== 'reached') return unreached('query not carried out');
      const fate = random.next();
      if (fate < conditions.failedBefore) return fail('query failed before', delay());
      // The database answers while the process may have gone.
      void carryOut(...sent).then(
        value => answer(() => resolve(copy(value))),
        (error: Error) => answer(() => reject(error)),
      );
    };
    const answer = (settle: () => void) => {
      if (random.chance(conditions.appliedThenFailed)) return fail('query applied, then failed', delay());
      scheduler.at(delay(), owner, name, () => {
        if (reach() === 'reached') settle();
        else unreached('answer lost');
      });
    };
    if (random.chance(conditions.hanging)) {
      counts.add('query hanging');
      if (random.chance(0.5)) scheduler.at(delay(), database, `${name} hanging`, () => void carryOut(...sent).catch(() => {}));
      return;
    }
    const isLate = random.chance(conditions.late);
    if (isLate) counts.add('query late');
    scheduler.at(isLate ? random.between(1000, 20_000) : delay(), database, `${name} arrives`, arrive);
  });
}

/** What a database gives and takes is nobody's object. */
function copy<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(copy) as T;
  if (value instanceof Map) return new Map([...value].map(([key, member]) => [key, copy(member)])) as T;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copy(member)])) as T;
}
