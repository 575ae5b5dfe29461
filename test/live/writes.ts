import type { Random } from '../chaos/random.ts';

/** One row of the model that is written, as the tests know it. */
export interface KnownRow {
  /** Whose row it is; the row policy of the app. */
  readonly owner: number;
  readonly price: number;
  /** A column that no subscriber can see. */
  readonly note: string;
}

/** All rows by id, as they must be after a write. Never changed in place. */
export type KnownRows = ReadonlyMap<number, KnownRow>;

/** The columns that a write sets. */
export type Change = Partial<KnownRow>;

/** A write of one row, or of several with one query. */
export type Query =
  | { readonly do: 'create' | 'upsert'; readonly id: number; readonly row: KnownRow }
  | { readonly do: 'update'; readonly id: number; readonly change: Change; readonly how: 'plain' | 'select' }
  /** The same, inside a write of the row's owner. */
  | { readonly do: 'nested'; readonly id: number; readonly owner: number; readonly change: Change }
  | { readonly do: 'delete'; readonly id: number }
  | { readonly do: 'createMany'; readonly ids: readonly number[]; readonly row: KnownRow }
  | { readonly do: 'updateMany'; readonly ids: readonly number[]; readonly change: Change }
  | { readonly do: 'deleteMany'; readonly ids: readonly number[] };

/** One commit, or none. */
export type Write =
  | Query
  /** Raw SQL, of which the app tells by the row or by the model. */
  | { readonly do: 'raw'; readonly id: number; readonly price: number; readonly tells: 'row' | 'model' }
  | { readonly do: 'transaction' | 'list'; readonly queries: readonly Query[]; readonly isRolledBack: boolean };

/** Owners of rows; the last one has no subscriber. */
export const owners = [1, 2, 3] as const;
const strangers = 3;

/** Ids of the rows that random writes change. */
const ids = Array.from({ length: 24 }, (_, index) => index + 1);
/** Rows of which only the hidden column changes. */
const quiet = [101, 102] as const;
/** Rows that belong to somebody without a subscriber once the writes have begun. */
const lost = [201, 202] as const;

/** The rows before the first write: half of them are of each subscriber. */
export const firstRows: KnownRows = new Map(
  [...ids, ...quiet, ...lost].map((id): [number, KnownRow] => [id, { owner: 1 + (id % 2), price: id, note: '' }]),
);

/** The writes of a test: first the lost rows leave, then random ones. */
export function* randomWrites(random: Random, count: number): Generator<{ write: Write; after: KnownRows }> {
  let rows = firstRows;
  for (let index = 0; index < count; index += 1) {
    const id = lost[index];
    const write: Write =
      id === undefined ? randomWrite(random, rows, index) : { do: 'update', id, change: { owner: strangers }, how: 'plain' };
    rows = apply(rows, write);
    yield { write, after: rows };
  }
}

function randomWrite(random: Random, rows: KnownRows, index: number): Write {
  const chance = random.next();
  const price = 1000 + index;
  if (chance < 0.05) return { do: 'update', id: random.pick(quiet), change: { note: `${price}` }, how: 'plain' };
  if (chance < 0.1) return { do: 'update', id: random.pick(lost), change: { price }, how: 'select' };
  if (chance < 0.15) {
    const id = random.pick([...rows.keys()]);
    return { do: 'raw', id, price, tells: random.pick(['row', 'model']) };
  }
  if (chance < 0.35) {
    const queries: Query[] = [];
    let inside = rows;
    for (let left = random.between(1, 4); left > 0; left -= 1) {
      const query = randomQuery(random, inside, price * 10 + left);
      inside = apply(inside, query);
      queries.push(query);
    }
    return { do: random.pick(['transaction', 'list']), queries, isRolledBack: random.chance(0.4) };
  }
  return randomQuery(random, rows, price);
}

function randomQuery(random: Random, rows: KnownRows, price: number): Query {
  const existing = ids.filter(id => rows.has(id));
  const missing = ids.filter(id => !rows.has(id));
  const some = (from: readonly number[]) => from.filter(() => random.chance(0.2));
  const row: KnownRow = { owner: random.pick(owners), price, note: `${price}` };
  const chance = random.next();
  if (chance < 0.12 && missing.length > 0) return { do: 'create', id: random.pick(missing), row };
  if (chance < 0.2 && existing.length > 8) return { do: 'delete', id: random.pick(existing) };
  if (chance < 0.28) return { do: 'upsert', id: random.pick(ids), row };
  if (chance < 0.33) return { do: 'createMany', ids: some(missing), row };
  if (chance < 0.4) return { do: 'updateMany', ids: some(existing), change: random.chance(0.5) ? { price } : { owner: row.owner } };
  if (chance < 0.43 && existing.length > 16) return { do: 'deleteMany', ids: some(existing).slice(0, 4) };
  const change = random.pick<Change>([{ price }, { price }, { owner: row.owner }, { note: `${price}` }, { owner: row.owner, price }]);
  const id = random.pick(existing);
  if (change.owner === undefined && random.chance(0.4)) return { do: 'nested', id, owner: rows.get(id)?.owner ?? strangers, change };
  return { do: 'update', id, change, how: random.pick(['plain', 'select']) };
}

/** The rows after a write. */
function apply(rows: KnownRows, write: Write): KnownRows {
  const after = new Map(rows);
  const change = (id: number, part: Change) => {
    const row = after.get(id);
    if (row !== undefined) after.set(id, { ...row, ...part });
  };
  switch (write.do) {
    case 'create':
    case 'upsert':
      after.set(write.id, write.row);
      break;
    case 'update':
    case 'nested':
      change(write.id, write.change);
      break;
    case 'raw':
      change(write.id, { price: write.price });
      break;
    case 'delete':
      after.delete(write.id);
      break;
    case 'createMany':
      for (const id of write.ids) after.set(id, write.row);
      break;
    case 'updateMany':
      for (const id of write.ids) change(id, write.change);
      break;
    case 'deleteMany':
      for (const id of write.ids) after.delete(id);
      break;
    default:
      return write.isRolledBack ? rows : write.queries.reduce(apply, rows);
  }
  return after;
}
