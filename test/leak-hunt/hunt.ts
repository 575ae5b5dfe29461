import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../chaos/random.ts';
import { random as randomOf } from '../chaos/random.ts';
import type { Provider } from '../support/database.ts';
import { compactRequest } from './compact-requests.ts';
import type { Data } from './data.ts';
import { differences, randomData } from './data.ts';
import type { HuntDatabase } from './database.ts';
import { openHuntDatabase } from './database.ts';
import { bulkOperations, randomDeclaration } from './declaration.ts';
import type { Endpoint, Era, Outcome } from './endpoint.ts';
import { eras, serve } from './endpoint.ts';
import type { Json, Setting } from './oracle.ts';
import { Oracle } from './oracle.ts';
import type { Caller } from './policies.ts';
import { prismaRequest } from './prisma-requests.ts';
import { promptCompletionRequest, promptRequest } from './prompt-requests.ts';
import type { Expected, Fault, Refusal, Request } from './request.ts';
import { Maker } from './request.ts';
import { completionRequest, directoryRequest, listRequest, rowRequest, subscriptionRequest } from './resource-requests.ts';
import { fetchRequest, searchRequest } from './search-requests.ts';
import { shrink } from './shrink.ts';
import { toolRequest } from './tool-requests.ts';
import type { TwinKind } from './twin.ts';
import { twinOf } from './twin.ts';

/** What is to be hunted. */
export interface HuntOptions {
  readonly provider: Provider;
  readonly seed: number;
  /** Requests from `from` on. */
  readonly requests: number;
  /** The number of the first request. @default 0 */
  readonly from?: number;
  /** Told how many requests are done, after each group. */
  readonly onProgress?: (report: Report) => void;
}

/** How often a kind of request was made, and what came of it. */
export interface Tally {
  readonly asked: number;
  /** Answered with at least one row, value or count above 0. */
  readonly found: number;
  readonly empty: number;
  readonly refused: number;
}

/** What was asked and found. */
export interface Report {
  readonly requests: number;
  /** Requests that were also made in the twin. */
  readonly twins: number;
  /** Those whose answers had to be the same and were compared. */
  readonly compared: number;
  /** By `<surface> <operation>`. */
  readonly tallies: Readonly<Record<string, Tally>>;
  /** Refusals by their reason. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly finding: Finding | undefined;
}

/** A request that was answered otherwise than it had to be. */
export interface Finding extends Fault {
  readonly provider: Provider;
  readonly seed: number;
  readonly request: number;
  readonly caller: Caller;
  readonly era: Era;
  readonly call: { readonly method: string; readonly params: unknown };
  /** The row policies for this caller, by model. */
  readonly policies: Readonly<Record<string, unknown>>;
}

/** The operations that read, some of them more often. */
const reads = ['findMany', 'findMany', 'findMany', 'count', 'findUnique', 'findFirst', 'aggregate', 'groupBy', 'groupBy'];
/** Requests over one declaration and one database. Any request can be replayed alone, because each write is undone. */
const epochRequests = 500;
/** Reads at once. */
const parallel = 6;

/**
 * Makes generated requests to a real endpoint, and compares each answer with that of the oracle, and with the answer in a database that differs only
 * in what the caller cannot see. Ends at the first difference.
 */
export async function hunt({ provider, seed, requests, from = 0, onProgress }: HuntOptions): Promise<Report> {
  const databases = await Promise.all([openHuntDatabase(provider), openHuntDatabase(provider)]);
  const counts = new Counts();
  try {
    for (let next = from; next < from + requests; ) {
      const epoch = Math.floor(next / epochRequests);
      const end = Math.min(from + requests, (epoch + 1) * epochRequests);
      const season = await Season.begin(databases, seed, epoch, counts);
      try {
        await season.run(next, end, () => onProgress?.(counts.report()));
      } finally {
        await season.end();
      }
      if (counts.finding !== undefined) break;
      next = end;
    }
    return counts.report();
  } finally {
    await Promise.all(databases.map(db => db.close()));
  }
}

/** One of the two databases of a season, with its endpoint. */
interface World {
  readonly db: HuntDatabase;
  readonly data: Data;
  /** The database's own text of `data`. */
  readonly stamp: string;
  readonly endpoint: Endpoint;
  readonly oracles: readonly Oracle[];
}

/** The requests of one declaration and one pair of databases. */
class Season {
  readonly #setting: Setting;
  readonly #callers: readonly Caller[];
  /** The caller from whom the difference between the worlds is hidden. */
  readonly #hunter: Caller;
  readonly #kind: TwinKind;
  readonly #worlds: readonly [World, World];
  readonly #seed: number;
  readonly #counts: Counts;
  /** Idempotency keys so far. The rows of earlier seasons stay, so the number of the request is part of a key too. */
  #keys = 0;

  private constructor(
    {
      setting,
      callers,
      hunter,
      kind,
      seed,
    }: { setting: Setting; callers: readonly Caller[]; hunter: Caller; kind: TwinKind; seed: number },
    worlds: readonly [World, World],
    counts: Counts,
  ) {
    this.#setting = setting;
    this.#callers = callers;
    this.#hunter = hunter;
    this.#kind = kind;
    this.#seed = seed;
    this.#worlds = worlds;
    this.#counts = counts;
  }

  static async begin([db, other]: readonly HuntDatabase[], seed: number, epoch: number, counts: Counts): Promise<Season> {
    if (db === undefined || other === undefined) throw new Error('a season needs two databases');
    const random = randomOf(mixed(seed, epoch, 1));
    const { schema, provider } = db;
    const setting: Setting = { schema, provider, declaration: randomDeclaration(schema, random) };
    const data = randomData(schema, random);
    const callers = [1, 2, 3].map((team, index): Caller => ({ index, team, person: random.between(1, 6), level: random.between(0, 2) }));
    const hunter = random.pick(callers);
    const kind = random.pick(['rows', 'columns'] as const);
    const twin = twinOf(setting, data, hunter, kind, random);
    const world = async (place: HuntDatabase, held: Data): Promise<World> => {
      await place.fill(held);
      const oracles = callers.map(caller => new Oracle(setting, held, caller));
      return { db: place, data: held, stamp: await place.stamp(), endpoint: await serve(place, setting.declaration, callers), oracles };
    };
    const worlds = await Promise.all([world(db, data), world(other, twin)]);
    return new Season({ setting, callers, hunter, kind, seed }, worlds, counts);
  }

  async run(from: number, to: number, onProgress: () => void): Promise<void> {
    let group: Promise<void>[] = [];
    const settle = async () => {
      await Promise.all(group);
      group = [];
      onProgress();
    };
    for (let number = from; number < to && this.#counts.finding === undefined; number++) {
      const random = randomOf(mixed(this.#seed, number, 2));
      const caller = random.chance(0.75) ? this.#hunter : random.pick(this.#callers);
      const request = this.#make(random, caller);
      const era = request.surface === 'subscription' ? eras[0] : random.pick(eras);
      const isKeyed = request.isWrite && request.surface !== 'prisma' && random.chance(0.3);
      if (request.isWrite) await settle();
      group.push(this.#check({ number, request, caller, era, isKeyed }));
      if (request.isWrite || group.length >= parallel) await settle();
    }
    await settle();
    for (const { endpoint } of this.#counts.finding === undefined ? this.#worlds : []) {
      const [error] = endpoint.errors;
      if (error !== undefined) throw new Error(`the app was told of an error: ${error.stack}`);
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#worlds.map(({ endpoint }) => endpoint.close()));
  }

  #make(random: Random, caller: Caller): Request {
    const [{ data }] = this.#worlds;
    const maker = new Maker(random, this.#setting, data, caller);
    const exposures = [...this.#setting.declaration.values()];
    const exposure = random.pick([...exposures, ...exposures.filter(({ model }) => ['person', 'doc', 'shelf'].includes(model.key))]);
    const kind = random.next();
    if (kind < 0.57) {
      const wanted = random.pick([...reads, 'create', 'update', 'delete', ...bulkOperations]);
      const operation = exposure.operations.has(wanted) ? wanted : random.pick([...exposure.operations]);
      return (random.chance(0.25) ? compactRequest : toolRequest)(maker, exposure, operation);
    }
    if (kind < 0.78) {
      const { schema, declaration } = this.#setting;
      const models = [...schema.values()].filter(({ key }) => declaration.has(key) || random.chance(0.3));
      return prismaRequest(maker, random.pick(models));
    }
    if (kind < 0.81) return listRequest(maker, exposure);
    if (kind < 0.86) return rowRequest(maker, exposure);
    if (kind < 0.89) return promptRequest(maker, exposure);
    if (kind < 0.92) return searchRequest(maker);
    if (kind < 0.94) return fetchRequest(maker, exposure);
    if (kind < 0.97) return completionRequest(maker, exposure);
    if (kind < 0.98) return promptCompletionRequest(maker, exposure);
    return kind < 0.99 ? directoryRequest(maker) : subscriptionRequest(maker, exposure);
  }

  async #check(asked: Asked): Promise<void> {
    const { fault, here, isTwin, isCompared } = await this.#judge(asked);
    this.#counts.add(asked.request, here.expected, here.outcome, { isTwin, isCompared });
    if (fault === undefined) return;
    this.#find(asked, await shrink(asked.request, fault, async () => (await this.#judge(asked)).fault));
  }

  /** Makes a request in the world, and mostly in the twin too, and says what is wrong with the answers. */
  async #judge(asked: Asked): Promise<Judgement> {
    const { request, caller } = asked;
    const [world, twin] = this.#worlds;
    const here = await this.#ask(world, asked);
    // The oracle knows each answer but not the text of a refusal, so a part of the answers suffices.
    const isTwin = caller === this.#hunter && (request.isWrite || here.outcome.kind === 'refusal' || asked.number % 3 === 0);
    const there = isTwin ? await this.#ask(twin, asked) : undefined;
    const judged = { here, isTwin, isCompared: false };
    for (const [place, result] of [
      ['', here],
      ['in the twin: ', there],
    ] as const) {
      if (result === undefined) continue;
      const { expected, outcome, changes = [] } = result;
      const what =
        wrong(expected, outcome) ?? (isDeepStrictEqual(outcome, result.repeated) ? undefined : 'a repeated write has another answer');
      if (what !== undefined) return { ...judged, fault: { what: `${place}${what}`, expected: withoutData(expected), got: outcome } };
      if (changes.length > 0)
        return { ...judged, fault: { what: `${place}the database is not as it must be`, expected: [], got: changes } };
    }
    if (there === undefined || (request.surface === 'prisma' && this.#kind === 'columns')) return judged;
    if (!isDeepStrictEqual(withoutData(here.expected), withoutData(there.expected))) {
      if (!request.isWrite) throw new Error(`request ${asked.number}: the caller can tell the twin from the world, so the hunt is wrong`);
      return judged;
    }
    if (here.expected.kind === 'refusal' && (here.expected.why === 'taken' || here.expected.why === 'restricted')) return judged;
    const isSame = isDeepStrictEqual(here.outcome, there.outcome);
    const what = 'the answer depends on what the caller cannot see';
    return { ...judged, isCompared: true, ...(!isSame && { fault: { what, expected: here.outcome, got: there.outcome } }) };
  }

  async #ask(world: World, { number, request, caller, era, isKeyed }: Asked): Promise<Result> {
    const { db, data, stamp, endpoint, oracles } = world;
    const expected = request.expect(oracles[caller.index] as Oracle);
    const params = isKeyed ? keyed(request.params, `${number}.${++this.#keys}`) : request.params;
    if (isKeyed) {
      // What another caller did with the same key must not show.
      const others = this.#callers.filter(each => each !== caller);
      await endpoint.send(others[this.#keys % others.length] as Caller, era, request.method, params);
      if ((await db.stamp()) !== stamp) await db.fill(data);
    }
    const outcome = await endpoint.send(caller, era, request.method, params);
    const repeated = isKeyed ? await endpoint.send(caller, era, request.method, params) : outcome;
    if (!request.isWrite) return { expected, outcome, repeated, changes: undefined };
    const after = (expected.kind === 'answer' ? expected.after : undefined) ?? data;
    if (after === data && (await db.stamp()) === stamp) return { expected, outcome, repeated, changes: [] };
    const changes = differences(this.#setting.schema, after, await db.read());
    await db.fill(data, [...changedIn(data.rows, after.rows), ...changedIn(data.links, after.links)]);
    return { expected, outcome, repeated, changes };
  }

  #find({ number, request, caller, era }: Asked, fault: Fault): void {
    const { provider, declaration } = this.#setting;
    const { method, params } = request;
    const policies = [...declaration].map(([key, { policy, onWrites }]) => [key, policy && { where: policy.where(caller), onWrites }]);
    this.#counts.finding ??= {
      policies: Object.fromEntries(policies),
      provider,
      seed: this.#seed,
      request: number,
      caller,
      era,
      call: { method, params },
      ...fault,
    };
  }
}

interface Result {
  readonly expected: Expected;
  readonly outcome: Outcome;
  /** What the same call was answered with its idempotency key. */
  readonly repeated: Outcome;
  /** How the database differs from what a write must leave. */
  readonly changes: string[] | undefined;
}

interface Judgement {
  readonly here: Result;
  readonly isTwin: boolean;
  /** Whether the answers of both worlds had to be the same. */
  readonly isCompared: boolean;
  readonly fault?: Fault;
}

interface Asked {
  readonly number: number;
  readonly request: Request;
  readonly caller: Caller;
  readonly era: Era;
  /** Whether the call has an idempotency key and is repeated with it. */
  readonly isKeyed: boolean;
}

/** What a refusal says, by its reason. A tool of the host tells the code of Prisma's error. */
const texts: Readonly<Record<Refusal, RegExp>> = {
  unlawful: /./,
  missing: /not found|its row is gone|No such|P2025|^-32602|^-32002/,
  outside: /^not allowed: |^ToolError: not allowed: |cannot reach into a nested write|cannot check the row that would lose it/,
  reference: /the related row does not exist|P2003|P2025/,
  taken: /already exists|P2002/,
  restricted: /still referenced|P2003|P2014/,
};
/** What no refusal says. */
const internals = /internal error|unexpected|invocation|sqlite|postgres|constraint "|node_modules|\.ts:\d/i;

/** What is wrong with an answer. `undefined` if it is right. */
function wrong(expected: Expected, outcome: Outcome): string | undefined {
  if (outcome.kind === 'refusal') {
    if (internals.test(outcome.text)) return 'the refusal tells internals';
    if (expected.kind === 'answer') return 'a lawful request is refused';
    return texts[expected.why].test(outcome.text) ? undefined : 'the refusal says something else';
  }
  if (expected.kind === 'refusal') return 'a request is answered that must be refused';
  const isRight = [expected.value, ...('or' in expected ? [expected.or] : [])].some(value =>
    isDeepStrictEqual(rounded(outcome.value), rounded(value)),
  );
  return isRight ? undefined : 'the answer is wrong';
}

/** A value as JSON. PostgreSQL computes an average with 16 decimals, so its last digit may differ. */
function rounded(value: unknown): unknown {
  const text = JSON.stringify(value, (_, member: unknown) => (typeof member === 'number' ? Number(member.toPrecision(14)) : member));
  return text === undefined ? undefined : JSON.parse(text);
}

/** The params of a call with an idempotency key. */
function keyed(params: Json, idempotencyKey: string): Json {
  return { ...params, arguments: { ...params.arguments, idempotencyKey } };
}

function withoutData(expected: Expected): unknown {
  return expected.kind === 'answer' ? expected.value : expected.why;
}

function changedIn(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string[] {
  return [...after.keys()].filter(name => before.get(name) !== after.get(name));
}

/** One number of several. */
function mixed(...numbers: readonly number[]): number {
  return numbers.reduce((hash, number) => Math.imul(hash ^ number, 0x9e3779b1) ^ (hash >>> 15), 0x2545f491) >>> 0;
}

class Counts {
  finding: Finding | undefined;
  #requests = 0;
  #twins = 0;
  #compared = 0;
  readonly #tallies = new Map<string, Tally>();
  readonly #refusals = new Map<string, number>();

  add({ surface, operation }: Request, expected: Expected, outcome: Outcome, made: { isTwin: boolean; isCompared: boolean }): void {
    this.#requests++;
    if (made.isTwin) this.#twins++;
    if (made.isCompared) this.#compared++;
    const name = `${surface} ${operation}`;
    const { asked, found, empty, refused } = this.#tallies.get(name) ?? { asked: 0, found: 0, empty: 0, refused: 0 };
    const isRefused = outcome.kind === 'refusal';
    const isNothing = !isRefused && isEmptyAnswer(outcome.value);
    this.#tallies.set(name, {
      asked: asked + 1,
      found: found + Number(!isRefused && !isNothing),
      empty: empty + Number(isNothing),
      refused: refused + Number(isRefused),
    });
    if (expected.kind === 'refusal') this.#refusals.set(expected.why, (this.#refusals.get(expected.why) ?? 0) + 1);
  }

  report(): Report {
    return {
      requests: this.#requests,
      twins: this.#twins,
      compared: this.#compared,
      tallies: Object.fromEntries([...this.#tallies].sort()),
      refusals: Object.fromEntries([...this.#refusals].sort()),
      finding: this.finding,
    };
  }
}

function isEmptyAnswer(value: unknown): boolean {
  if (value === null || value === 0 || (Array.isArray(value) && value.length === 0)) return true;
  if (typeof value !== 'object') return false;
  for (const list of ['rows', 'results', 'groups'] as const) {
    const items: unknown = Reflect.get(value, list);
    if (Array.isArray(items)) return items.length === 0;
  }
  return ('count' in value && value.count === 0) || ('_count' in value && value._count === 0);
}
