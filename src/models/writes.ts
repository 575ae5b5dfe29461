import type { CallContext } from '../protocol/definitions.ts';
import type { DataParser } from './data.ts';
import { assertComputed, computedColumns } from './data.ts';
import type { Args, BaseClient, Delegates, Row } from './delegates.ts';
import { call, delegateOf } from './delegates.ts';
import type { Exposure, Selection } from './graph.ts';
import { columnsWhere, rowKey, selectOf } from './graph.ts';
import type { RowFilter } from './policy.ts';
import { both, Policies } from './policy.ts';
import { attempt, notFound, outsidePolicy } from './prisma-errors.ts';
import { rowToJson } from './reads.ts';
import type { Reference, SetReference } from './scoped-data.ts';
import { assertReferences, referencesOf } from './scoped-data.ts';
import type { ScopedSelection } from './scoped-selection.ts';
import { attachJoins, scopeSelection } from './scoped-selection.ts';

/** The writes of one exposure. Each gives the row as JSON, as it is after the write (before it, for `delete`). */
export interface Writer {
  readonly create: (data: unknown, ctx: CallContext) => Promise<Row>;
  readonly update: (where: Args, data: unknown, ctx: CallContext) => Promise<Row>;
  readonly delete: (where: Args, ctx: CallContext) => Promise<Row>;
}

/** What `writer` needs. */
export interface WriterOptions {
  readonly exposure: Exposure;
  readonly client: BaseClient;
  readonly create: DataParser;
  readonly update: DataParser;
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
export function writer({ exposure, client, create, update }: WriterOptions): Writer {
  const { node, selection } = exposure;
  const delegate = delegateOf(client, node);
  const key = rowKey(node);
  const columns: Selection = { ...selection, relations: [], counts: [], select: selectOf(selection.columns.map(({ name }) => name)) };

  const run = async (operation: 'create' | 'update', args: WriteArgs, set: ReadonlySet<string>, ctx: CallContext): Promise<Row> => {
    const scope = await scopeWrite(exposure, operation, set, ctx);
    const { filter } = scope;
    return attempt(exposure, operation, async () => {
      const computed = computedColumns(exposure.columns, args.data);
      if (filter === undefined && scope.references.length === 0 && computed.length === 0 && !hasWideInteger(args.data)) {
        const row = await call(delegate, operation, { ...args, ...scope.selection.args });
        await attachJoins(client, [row], scope.selection);
        return rowToJson(selection)(row);
      }
      return client.$transaction(async tx => {
        const own = delegateOf(tx, node);
        const scoped = operation === 'update' && filter !== undefined ? { ...args, where: { ...args.where, AND: [filter] } } : args;
        const references = await valuesOf(tx, scope.references, scoped, exposure);
        await assertReferences(tx, references, name => exposure.columns.has(name));
        const written = await call(own, operation, { ...scoped, select: selectOf(key.fields) });
        const where = both(columnsWhere(key.fields, written), filter);
        const row = await call(own, 'findFirst', { where, ...scope.selection.args });
        if (row === null) throw outsidePolicy(node, operation);
        assertComputed(exposure.columns, computed, row);
        await attachJoins(tx, [row], scope.selection);
        return rowToJson(selection)(row);
      });
    });
  };

  return {
    create: async (value, ctx) => {
      const { data, set } = await create.parse(value, ctx);
      return run('create', { data }, set, ctx);
    },
    update: async (where, value, ctx) => {
      const { data, set } = await update.parse(value, ctx);
      return run('update', { where, data }, set, ctx);
    },
    delete: async (where, ctx) => {
      const policies = new Policies(ctx);
      const filter = await policies.settled(() => policies.filter(node, 'delete'));
      const args = { where: filter === undefined ? where : { ...where, AND: [filter] }, select: columns.select };
      return rowToJson(columns)(await attempt(exposure, 'delete', () => call(delegate, 'delete', args)));
    },
  };
}

/** Whether some driver may store a value that it cannot read. Such a row would fail every list, so the transaction reads it back. */
function hasWideInteger(data: Args): boolean {
  const isWide = (value: unknown): boolean => typeof value === 'bigint' && !Number.isSafeInteger(Number(value));
  return Object.values(data).some(value => (Array.isArray(value) ? value.some(isWide) : isWide(value)));
}

function scopeWrite(exposure: Exposure, operation: string, set: ReadonlySet<string>, ctx: CallContext): WriteScope | Promise<WriteScope> {
  const { node, selection } = exposure;
  const policies = new Policies(ctx);
  return policies.settled(() => ({
    filter: policies.filter(node, operation),
    references: referencesOf(node, name => set.has(name), policies),
    selection: scopeSelection(node, { select: selection.select }, policies),
  }));
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
    const values = from.map(name => row[name]);
    if (!values.some(value => value === null || value === undefined)) found.push({ ...reference, values });
  }
  return found;
}
