import type { Random } from '../chaos/random.ts';
import type { Data, Row } from './data.ts';
import { rowsOf } from './data.ts';
import type { Json, Oracle, Setting } from './oracle.ts';
import type { Caller } from './policies.ts';
import type { Model } from './schema.ts';
import { modelOf } from './schema.ts';

/** One request of the hunt, with the answer that it must get. */
export interface Request {
  /** Where it goes: a kind of tool, resource, prompt or completion. */
  readonly surface: Surface;
  /** E.g. `findMany`. */
  readonly operation: string;
  readonly method: string;
  readonly params: Json;
  readonly isWrite: boolean;
  /** What it must be answered in a database. */
  readonly expect: (oracle: Oracle) => Expected;
}

export const surfaces = ['tool', 'compact', 'prisma', 'resource', 'prompt', 'search', 'completion', 'subscription'] as const;
export type Surface = (typeof surfaces)[number];

/**
 * Why a request must be refused. The database also says `taken` and `restricted` because of rows that the caller cannot see: a unique constraint and
 * a foreign key cover all rows.
 */
export type Refusal = 'unlawful' | 'missing' | 'outside' | 'reference' | 'taken' | 'restricted';

/** What a request must be answered, and the data that it leaves if it writes. */
export type Expected =
  | {
      readonly kind: 'answer';
      readonly value: unknown;
      readonly after?: Data | undefined;
      /** Another answer that is right too. */
      readonly or?: unknown;
    }
  | { readonly kind: 'refusal'; readonly why: Refusal };

/** The request must be answered with this value. */
export function answer(value: unknown, after?: Data): Expected {
  return { kind: 'answer', value, after };
}

/** The request must be refused. */
export function refusal(why: Refusal): Expected {
  return { kind: 'refusal', why };
}

/** What is wrong with an answer. */
export interface Fault {
  readonly what: string;
  readonly expected: unknown;
  readonly got: unknown;
}

/** What makes requests: choices, the declaration and data to choose from, and the caller. */
export class Maker {
  readonly random: Random;
  readonly setting: Setting;
  /** Values of requests come from here, also from rows that the caller cannot see. */
  readonly data: Data;
  readonly caller: Caller;
  /** Whether the request may name something that the caller must not name. */
  readonly isMischievous: boolean;
  /** Whether the request names only what the caller may name. */
  isLawful = true;

  constructor(random: Random, setting: Setting, data: Data, caller: Caller) {
    this.random = random;
    this.setting = setting;
    this.data = data;
    this.caller = caller;
    this.isMischievous = random.chance(0.12);
  }

  model(key: string): Model {
    return modelOf(this.setting.schema, key);
  }

  /** Any row of a model. `undefined` if there is none. */
  anyRow(key: string): Row | undefined {
    const rows = rowsOf(this.data, key);
    return rows.length === 0 ? undefined : this.random.pick(rows);
  }

  /** Whether to do something forbidden here. Then the request is unlawful. It does so once: a second sin would hide that the first is not refused. */
  strays(): boolean {
    if (!this.isMischievous || !this.isLawful || !this.random.chance(0.4)) return false;
    this.isLawful = false;
    return true;
  }
}
