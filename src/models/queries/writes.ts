import type { CallContext } from '../../protocol/definitions.ts';
import type { DataParser, ParsedData } from '../arguments/data.ts';
import { assertComputed, computedColumns } from '../arguments/data.ts';
import type { Exposure, ModelNode, Selection } from '../datamodel/graph.ts';
import { columnsWhere, rowKey, selectOf } from '../datamodel/graph.ts';
import type { Args, BaseClient, Delegates, Row } from '../declaration/delegates.ts';
import { asClient, call, delegateOf } from '../declaration/delegates.ts';
import type { RowFilter } from '../policy/policy.ts';
import { both, Policies } from '../policy/policy.ts';
import { attempt, isOfExistence, notFound, outsidePolicy } from './prisma-errors.ts';
import { rowToJson } from './reads.ts';
import type { Reference, SetReference } from './scoped-data.ts';
import { assertReferences, referencesOf } from './scoped-data.ts';
import type { ScopedSelection } from './scoped-selection.ts';
import { attachJoins, scopeSelection } from './scoped-selection.ts';

/** The writes of single rows of one exposure. Each gives the row as JSON, as it is after the write (before it, for `delete`). */
export interface Writer {
  readonly create: (data: unknown, ctx: CallContext) => Promise<Row>;
  readonly update: (where: Args, data: unknown, ctx: CallContext) => Promise<Row>;
  /** Updates the row if the caller can see it, and otherwise creates one. A hidden row with the same key is a conflict, as for `create`. */
  readonly upsert: (where: Args, create: unknown, update: unknown, ctx: CallContext) => Promise<Row>;
  readonly delete: (where: Args, ctx: CallContext) => Promise<Row>;
  /** The row that an update or delete would write, as JSON without its relations; `undefined` if the caller cannot write it. */
  readonly find: (operation: 'update' | 'delete', where: Args, ctx: CallContext) => Promise<Row | undefined>;
}

/**
 * Runs the queries of one write with a client, and commits them. A query of the write must use this client.
 *
 * @param mayRepeat Errors after which the write runs once more.
 */
export type Commit = <T extends object>(
  operation: string,
  work: (client: BaseClient) => Promise<T>,
  mayRepeat?: (error: unknown) => boolean,
) => Promise<T>;

/** What `writer` needs. */
export interface WriterOptions {
  readonly exposure: Exposure;
  readonly client: BaseClient;
  readonly create: DataParser;
  readonly update: DataParser;
  /** @default by the client itself: what the write does not put into a transaction is committed at once */
  readonly commit?: Commit | undefined;
}

/** Commits a write by the client itself. */
export function directly(exposure: Exposure, client: BaseClient): Commit {
  return (operation, work, mayRepeat) => attempt(exposure, operation, () => work(client), mayRepeat);
}

/** Commits a write in a transaction to which `record` adds a row. @param options Of the transaction. */
export function recordedCommit(
  commit: Commit,
  record: (tx: Delegates, result: object) => Promise<void>,
  options: readonly unknown[] = [],
): Commit {
  return (operation, work, mayRepeat) => {
    const write = async <T extends object>(tx: Delegates, inside: (client: BaseClient) => Promise<T>): Promise<T> => {
      const result = await inside(asClient(tx));
      await record(tx, result);
      return result;
    };
    return commit(operation, client => client.$transaction(tx => write(tx, work), ...options), mayRepeat);
  };
}

/** The args of one create or update. */
interface WriteArgs {
  readonly where?: Args;
  readonly data: Args;
}

/** The row policies that apply to one write. */
interface WriteScope {
  readonly filter: RowFilter;
  readonly references: readonly Reference[];
  readonly selection: ScopedSelection;
}

/** Compiles the writes of one exposure. A write runs in a transaction only if its result must be checked. */
export function writer({ exposure, client, create, update, commit = directly(exposure, client) }: WriterOptions): Writer {
  const { node, selection } = exposure;
  const key = rowKey(node);
  const columns: Selection = { ...selection, relations: [], counts: [], select: selectOf(selection.columns.map(({ name }) => name)) };

  const run = async (operation: 'create' | 'update', args: WriteArgs, { set }: ParsedData, ctx: CallContext): Promise<Row> => {
    const policies = new Policies(ctx);
    const scope = await policies.settled(() => scopeWrite(exposure, operation, set, policies));
    return commit(operation, async client => {
      const isChecked = scope.filter !== undefined || scope.references.length > 0;
      if (isChecked || computedColumns(exposure.columns, args.data).length > 0 || wideIntegers(node, args.data).length > 0) {
        return client.$transaction(tx => runIn(tx, operation, args, scope));
      }
      const row = await call(delegateOf(client, node), operation, { ...args, ...scope.selection.args });
      await attachJoins(client, [row], scope.selection);
      return rowToJson(selection)(row);
    });
  };

  const runIn = async (tx: Delegates, operation: 'create' | 'update', args: WriteArgs, scope: WriteScope): Promise<Row> => {
    const { filter } = scope;
    const own = delegateOf(tx, node);
    const scoped = args.where === undefined ? args : { ...args, where: within(args.where, filter) };
    const references = await valuesOf(tx, scope.references, scoped, exposure);
    await assertReferences(tx, references, name => exposure.columns.has(name));
    const written = await call(own, operation, { ...scoped, select: selectOf(key.fields) });
    const where = both(columnsWhere(key.fields, written), filter);
    const row = await call(own, 'findFirst', { where, ...scope.selection.args });
    if (row === null) throw outsidePolicy(node, operation);
    assertComputed(exposure.columns, computedColumns(exposure.columns, args.data), row);
    await attachJoins(tx, [row], scope.selection);
    return rowToJson(selection)(row);
  };

  return {
    create: async (value, ctx) => {
      const parsed = await create.parse(value, ctx);
      return run('create', { data: parsed.data }, parsed, ctx);
    },
    update: async (where, value, ctx) => {
      const parsed = await update.parse(value, ctx);
      return run('update', { where, data: parsed.data }, parsed, ctx);
    },
    upsert: async (where, createValue, updateValue, ctx) => {
      const created = await create.parse(createValue, ctx, { path: 'create' });
      const updated = await update.parse(updateValue, ctx, { path: 'update', mayBeEmpty: true });
      const policies = new Policies(ctx);
      const scopes = await policies.settled(() => ({
        create: scopeWrite(exposure, 'create', created.set, policies),
        update: scopeWrite(exposure, 'update', updated.set, policies),
      }));
      const once = (client: BaseClient): Promise<Row> =>
        client.$transaction(async tx => {
          const args = { where: within(where, scopes.update.filter), select: selectOf(key.fields) };
          const isThere = (await call(delegateOf(tx, node), 'findUnique', args)) !== null;
          return isThere
            ? runIn(tx, 'update', { where, data: updated.data }, scopes.update)
            : runIn(tx, 'create', { data: created.data }, scopes.create);
        });
      // Another call may create or delete the row between the two queries.
      return commit('upsert', once, isOfExistence);
    },
    delete: async (where, ctx) => {
      const policies = new Policies(ctx);
      const filter = await policies.settled(() => policies.filter(node, 'delete'));
      const args = { where: within(where, filter), select: columns.select };
      return commit('delete', async client => rowToJson(columns)(await call(delegateOf(client, node), 'delete', args)));
    },
    find: async (operation, where, ctx) => {
      const policies = new Policies(ctx);
      const filter = await policies.settled(() => policies.filter(node, operation));
      const args = { where: within(where, filter), select: columns.select };
      const row = await attempt(exposure, operation, () => call(delegateOf(client, node), 'findUnique', args));
      return row === null ? undefined : rowToJson(columns)(row);
    },
  };
}

function within(where: Args, filter: RowFilter): Args {
  return filter === undefined ? where : { ...where, AND: [filter] };
}

/**
 * The columns whose value some driver may store but cannot read: integers beyond those of a double. SQLite stores a whole Decimal as an integer
 * too, and a Json that is nothing but a number. Such a row would fail every list, so the transaction reads these columns back.
 */
export function wideIntegers({ fields }: ModelNode, data: Args): string[] {
  const isWide = (value: unknown): boolean => !Number.isSafeInteger(Math.trunc(Number(value)));
  return Object.keys(data).filter(name => {
    const value = data[name];
    const { type } = fields.get(name) ?? {};
    if (type === 'Json') return typeof value === 'number' && isWide(value);
    if (type !== 'BigInt' && type !== 'Decimal') return false;
    return Array.isArray(value) ? value.some(isWide) : isWide(value);
  });
}

function scopeWrite(exposure: Exposure, operation: string, set: ReadonlySet<string>, policies: Policies): WriteScope {
  const { node, selection } = exposure;
  return {
    filter: policies.filter(node, operation),
    references: referencesOf(node, name => set.has(name), policies),
    selection: scopeSelection(node, { select: selection.select }, policies),
  };
}

/** The foreign keys with their values. Missing columns of a compound key are read from the stored row. */
async function valuesOf(
  tx: Delegates,
  references: readonly Reference[],
  { where, data }: WriteArgs,
  exposure: Exposure,
): Promise<SetReference[]> {
  const found: SetReference[] = [];
  for (const reference of references) {
    const { from } = reference.relation;
    let row = data;
    if (where !== undefined && !from.every(name => Object.hasOwn(row, name))) {
      const stored = await call(delegateOf(tx, exposure.node), 'findUnique', { where, select: selectOf(from) });
      if (stored === null) throw notFound(exposure);
      row = { ...stored, ...row };
    }
    found.push(...setReferences(reference, row));
  }
  return found;
}

/** The reference with its values in `row`; none if one of them is null. */
export function setReferences(reference: Reference, row: Row): SetReference[] {
  const values = reference.relation.from.map(name => row[name]);
  return values.some(value => value === null || value === undefined) ? [] : [{ ...reference, values }];
}
