import type { Random } from '../chaos/random.ts';
import type { Data, Row } from './data.ts';
import { related, textOf } from './data.ts';
import type { Schema } from './schema.ts';
import { modelOf, primaryKey } from './schema.ts';

/** Who calls: a person of one of three teams. */
export interface Caller {
  readonly index: number;
  readonly team: number;
  readonly person: number;
  readonly level: number;
}

/** The facts that a policy may depend on: the whole data, the caller and the operation. */
export class Facts {
  readonly caller: Caller;
  readonly operation: string;
  readonly #schema: Schema;
  readonly #data: Data;

  constructor(schema: Schema, data: Data, caller: Caller, operation: string) {
    this.#schema = schema;
    this.#data = data;
    this.caller = caller;
    this.operation = operation;
  }

  /** The related row. */
  one(key: string, relation: string, row: Row | undefined): Row | undefined {
    return row === undefined ? undefined : this.many(key, relation, row)[0];
  }

  /** The related rows. */
  many(key: string, relation: string, row: Row): readonly Row[] {
    const found = modelOf(this.#schema, key).relations.get(relation);
    if (found === undefined) throw new Error(`${key} has no relation ${relation}`);
    return related(this.#data, found, row);
  }
}

/** A row policy, said twice: as a host declares it, and as a plain predicate that is true or false. */
export interface Policy {
  /** The `where` of the declaration, for one caller. */
  readonly where: (caller: Caller) => object;
  readonly admits: (row: Row, facts: Facts) => boolean;
  /** Whether `where` depends on the caller, so that it must be declared as a function. */
  readonly isPersonal: boolean;
  /** How the policy is declared. @default chosen at random */
  readonly form?: 'value' | 'function' | 'async';
}

/** A policy that is the same for every caller. */
function fixed(where: object, admits: Policy['admits']): Policy {
  return { where: () => where, admits, isPersonal: false };
}

function personal(where: (caller: Caller) => object, admits: Policy['admits']): Policy {
  return { where, admits, isPersonal: true };
}

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const day = (n: number) => new Date(Date.UTC(2026, 0, n, 9));
const isNumber = (value: unknown, test: (value: number) => boolean): boolean => value !== null && test(Number(value));
const items = (value: unknown): readonly unknown[] | null => value as readonly unknown[] | null;

/** The policies that a declaration of the hunt chooses from, by model key. Most are over nullable columns. */
const library: Readonly<Record<string, readonly Policy[]>> = {
  team: [
    personal(
      ({ team }) => ({ id: team }),
      (row, { caller }) => row['id'] === caller.team,
    ),
    fixed({ size: { gt: 0 } }, row => isNumber(row['size'], size => size > 0)),
    fixed({ parent: null }, row => row['parentId'] === null),
    fixed({ parent: { size: 1 } }, (row, facts) => facts.one('team', 'parent', row)?.['size'] === 1),
    fixed({ children: { every: { size: { not: 2 } } } }, (row, facts) =>
      facts.many('team', 'children', row).every(child => child['size'] !== 2),
    ),
  ],
  person: [
    fixed({ score: 1 }, row => row['score'] === 1),
    personal(
      ({ level }) => ({ score: { gte: level } }),
      (row, { caller }) => isNumber(row['score'], score => score >= caller.level),
    ),
    fixed({ NOT: { label: 'ab' } }, row => row['label'] !== null && row['label'] !== 'ab'),
    fixed({ label: { contains: 'b' } }, row => row['label'] !== null && textOf(row['label']).includes('b')),
    fixed({ points: { lt: 2n } }, row => isNumber(row['points'], points => points < 2)),
    fixed({ ratio: { gt: 0 } }, row => isNumber(row['ratio'], ratio => ratio > 0)),
    fixed({ amount: { lte: '1' } }, row => isNumber(row['amount'], amount => amount <= 1)),
    fixed({ active: true }, row => row['active'] === true),
    fixed({ active: { not: true } }, row => row['active'] === false),
    fixed({ NOT: { active: { not: null } } }, row => row['active'] === null),
    fixed({ seenAt: { lte: day(3) } }, row => row['seenAt'] !== null && textOf(row['seenAt']) <= day(3).toISOString()),
    fixed({ photo: bytes('AP8=') }, row => row['photo'] === 'AP8='),
    fixed({ photo: { not: bytes('AQI=') } }, row => row['photo'] !== null && row['photo'] !== 'AQI='),
    fixed({ mood: { in: ['CALM', 'BUSY'] } }, row => row['mood'] === 'CALM' || row['mood'] === 'BUSY'),
    fixed({ mood: { notIn: ['TIRED'] } }, row => row['mood'] !== null && row['mood'] !== 'TIRED'),
    fixed({ mood: { notIn: [] }, score: { not: 0 } }, row => row['score'] !== null && row['score'] !== 0),
    personal(
      ({ team }) => ({ teamId: { lte: team } }),
      (row, { caller }) => isNumber(row['teamId'], id => id <= caller.team),
    ),
    personal(
      ({ team, person }) => ({ OR: [{ teamId: team }, { boss: { is: { id: person } } }, { id: person }] }),
      (row, { caller }) => row['teamId'] === caller.team || row['bossId'] === caller.person || row['id'] === caller.person,
    ),
    fixed({ boss: { isNot: { active: true } } }, (row, facts) => {
      const boss = facts.one('person', 'boss', row);
      return boss === undefined || boss['active'] === false;
    }),
    fixed({ NOT: { boss: { score: { lt: 2 } } } }, (row, facts) => {
      const boss = facts.one('person', 'boss', row);
      return boss === undefined || isNumber(boss['score'], score => score >= 2);
    }),
    fixed({ docs: { some: { rank: { not: 0 } } } }, (row, facts) =>
      facts.many('person', 'docs', row).some(doc => doc['rank'] !== null && doc['rank'] !== 0),
    ),
    fixed({ tags: { none: { weight: 1 } } }, (row, facts) => facts.many('person', 'tags', row).every(tag => tag['weight'] !== 1)),
    fixed({ badge: { level: { gte: 1 } } }, (row, facts) =>
      isNumber(facts.one('person', 'badge', row)?.['level'] ?? null, level => level >= 1),
    ),
    fixed({ team: { size: { not: 1 } }, nick: { not: 'e' } }, (row, facts) => {
      const size = facts.one('person', 'team', row)?.['size'] ?? null;
      return size !== null && size !== 1 && row['nick'] !== 'e';
    }),
    fixed({ seats: { some: { room: { teamId: { not: null } } } } }, (row, facts) =>
      facts.many('person', 'seats', row).some(seat => facts.one('seat', 'room', seat)?.['teamId'] !== null),
    ),
  ],
  doc: [
    personal(
      ({ team }) => ({ author: { teamId: team } }),
      (row, facts) => facts.one('doc', 'author', row)?.['teamId'] === facts.caller.team,
    ),
    fixed({ rank: { not: 2 } }, row => row['rank'] !== null && row['rank'] !== 2),
    fixed({ OR: [{ rank: 1 }, { NOT: { rank: { gt: 1 } } }] }, row => isNumber(row['rank'], rank => rank <= 1)),
    fixed({ editor: { is: { active: true } } }, (row, facts) => facts.one('doc', 'editor', row)?.['active'] === true),
    personal(
      ({ person }) => ({ OR: [{ authorId: person }, { editorId: { not: person } }] }),
      (row, { caller }) => row['authorId'] === caller.person || row['editorId'] !== caller.person,
    ),
    fixed({ draft: null }, row => row['draft'] === null),
    fixed({ tags: { some: { weight: { lt: 2 } } } }, (row, facts) =>
      facts.many('doc', 'tags', row).some(tag => isNumber(tag['weight'], weight => weight < 2)),
    ),
    fixed({ author: { isNot: { score: 1 } } }, (row, facts) => {
      const author = facts.one('doc', 'author', row);
      return author === undefined || (author['score'] !== null && author['score'] !== 1);
    }),
  ],
  badge: [
    fixed({ level: { gt: 0 } }, row => isNumber(row['level'], level => level > 0)),
    fixed({ person: { score: { gt: 0 } } }, (row, facts) =>
      isNumber(facts.one('badge', 'person', row)?.['score'] ?? null, score => score > 0),
    ),
    fixed({ person: { isNot: null } }, row => row['personId'] !== null),
    personal(
      ({ team }) => ({ NOT: { person: { teamId: team } } }),
      (row, facts) => facts.one('badge', 'person', row)?.['teamId'] !== facts.caller.team,
    ),
  ],
  profile: [
    fixed({ grade: { not: 1 } }, row => row['grade'] !== null && row['grade'] !== 1),
    fixed({ bio: { startsWith: 'b' } }, row => row['bio'] !== null && textOf(row['bio']).startsWith('b')),
    personal(
      ({ team }) => ({ person: { is: { teamId: { not: team } } } }),
      (row, facts) => facts.one('profile', 'person', row)?.['teamId'] !== facts.caller.team,
    ),
  ],
  tag: [
    fixed({ weight: { lt: 2 } }, row => isNumber(row['weight'], weight => weight < 2)),
    fixed({ people: { none: { active: true } } }, (row, facts) => facts.many('tag', 'people', row).every(each => each['active'] !== true)),
    fixed({ docs: { every: { rank: { not: 3 } } } }, (row, facts) => facts.many('tag', 'docs', row).every(doc => doc['rank'] !== 3)),
    fixed({ weight: null }, row => row['weight'] === null),
  ],
  room: [
    personal(
      ({ team }) => ({ teamId: { not: team } }),
      (row, { caller }) => row['teamId'] !== null && row['teamId'] !== caller.team,
    ),
    fixed({ team: { is: { size: { gte: 1 } } } }, (row, facts) =>
      isNumber(facts.one('room', 'team', row)?.['size'] ?? null, size => size >= 1),
    ),
  ],
  seat: [
    fixed({ level: { not: 'ab' } }, row => row['level'] !== null && row['level'] !== 'ab'),
    personal(
      ({ team }) => ({ person: { teamId: { gte: team } } }),
      (row, facts) => isNumber(facts.one('seat', 'person', row)?.['teamId'] ?? null, id => id >= facts.caller.team),
    ),
    fixed({ OR: [{ slot: { lt: 3 } }, { room: { team: null } }] }, (row, facts) => {
      return Number(row['slot']) < 3 || facts.one('seat', 'room', row)?.['teamId'] === null;
    }),
  ],
  shelf: [
    fixed({ labels: { has: 'ab' } }, row => items(row['labels'])?.includes('ab') === true),
    fixed({ NOT: { sizes: { isEmpty: true } } }, row => (items(row['sizes']) ?? []).length > 0),
    fixed({ NOT: { moods: { has: 'BUSY' } } }, row => items(row['moods'])?.includes('BUSY') === false),
    fixed({ labels: { hasEvery: [] } }, row => row['labels'] !== null),
  ],
  crate: [
    fixed({ rank: { in: [0, 1, 2] } }, row => row['rank'] !== null && row['rank'] !== 3),
    fixed({ shelf: { isNot: { sizes: { has: 1 } } } }, (row, facts) => {
      const sizes = items(facts.one('crate', 'shelf', row)?.['sizes'] ?? null);
      return sizes !== null && !sizes.includes(1);
    }),
  ],
};

/** The operations of writes. */
export const writeOperations: readonly string[] = ['create', 'update', 'delete'];

/** A policy for a model, or none. */
export function randomPolicy(key: string, random: Random): Policy | undefined {
  const policies = library[key] ?? [];
  if (policies.length === 0 || random.chance(key === 'person' ? 0.1 : 0.4)) return undefined;
  const policy = random.chance(0.2) ? joined(random.pick(policies), random.pick(policies)) : random.pick(policies);
  return { ...policy, form: policy.isPersonal ? random.pick(['function', 'async']) : random.pick(['value', 'value', 'function', 'async']) };
}

/** The same policy, and a second condition on writes only. */
export function stricterForWrites(schema: Schema, key: string, policy: Policy): { declared: Policy; onWrites: object } {
  const [name = ''] = primaryKey(modelOf(schema, key)).fields;
  const banned = modelOf(schema, key).columns.get(name)?.type === 'Int' ? 3 : 'k3';
  return {
    declared: {
      ...policy,
      form: policy.form === 'async' ? 'async' : 'function',
      admits: (row, facts) => policy.admits(row, facts) && !(writeOperations.includes(facts.operation) && row[name] === banned),
    },
    onWrites: { [name]: { not: banned } },
  };
}

function joined(one: Policy, other: Policy): Policy {
  return {
    where: caller => ({ OR: [one.where(caller), other.where(caller)] }),
    admits: (row, facts) => one.admits(row, facts) || other.admits(row, facts),
    isPersonal: one.isPersonal || other.isPersonal,
  };
}
