import { ToolError } from '../../errors.ts';
import type { CallContext } from '../../protocol/definitions.ts';
import { cursorKey } from '../arguments/arguments.ts';
import type { ParsedData } from '../arguments/data.ts';
import { assertComputed, computedColumns } from '../arguments/data.ts';
import type { ParsedWhere } from '../arguments/where.ts';
import type { Exposure } from '../datamodel/graph.ts';
import { columnsWhere, rowKey, rowsWhere, selectOf, uniqueWhere } from '../datamodel/graph.ts';
import { jsonOf } from '../datamodel/scalars.ts';
import type { Args, Delegate, Row } from '../declaration/delegates.ts';
import { call, countOf, delegateOf } from '../declaration/delegates.ts';
import { isPlainObject, nameOf, refuse } from '../messages.ts';
import type { RowFilter } from '../policy/policy.ts';
import { both, Policies } from '../policy/policy.ts';
import { scopeWhere } from '../policy/related-policies.ts';
import { attempt } from './prisma-errors.ts';
import { assertInside, bulkOptions, chunksOf, queryChunks } from './row-chunks.ts';
import type { Reference } from './scoped-data.ts';
import { assertReferences, referencesOf } from './scoped-data.ts';
import type { WriterOptions } from './writes.ts';
import { directly, setReferences, wideIntegers } from './writes.ts';

/** Keys in one result. */
const maxKeys = 100;

/** What a bulk write did, or would do. */
export interface BulkResult {
  readonly count: number;
  /** The unique `where` of each row that was created, or that would be written. Absent if every key has a hidden column. */
  readonly keys?: Row[];
  /** Whether there are more keys. */
  readonly truncated?: true;
}

/**
 * The writes of many rows of one exposure. Each writes all of its rows or none, and none if they are more than `maxWrites`.
 *
 * The rows are found first, under the row policy, and then written by their keys. So never more rows are written than were counted.
 */
export interface BulkWriter {
  readonly createMany: (data: unknown, ctx: CallContext) => Promise<BulkResult>;
  readonly updateMany: (where: ParsedWhere, data: unknown, ctx: CallContext) => Promise<BulkResult>;
  readonly deleteMany: (where: ParsedWhere, ctx: CallContext) => Promise<BulkResult>;
  /** The rows that an `updateMany` or `deleteMany` would write. */
  readonly find: (operation: 'updateMany' | 'deleteMany', where: ParsedWhere, ctx: CallContext) => Promise<BulkResult>;
}

/** The conditions of one bulk write. */
interface BulkScope {
  /** The caller's conditions, with the policies of related models. */
  readonly where: Args;
  readonly filter: RowFilter;
  /** What a row must meet when it is written: the caller's conditions could have become false since it was found. */
  readonly again: Args | undefined;
}

/** Compiles the bulk writes of one exposure. */
export function bulkWriter({ exposure, client, create, update, commit = directly(exposure, client) }: WriterOptions): BulkWriter {
  const { node, columns, maxWrites } = exposure;
  const { fields } = rowKey(node);
  const shown = cursorKey(exposure);
  const keySelect = selectOf([...fields, ...(shown?.fields ?? [])]);
  const options = bulkOptions(exposure);
  const isVisible = (name: string): boolean => columns.has(name);

  const findRows = async (delegate: Delegate, operation: string, { where, filter }: BulkScope, select: Args): Promise<Row[]> => {
    const scoped = both(where, filter);
    const take = Number.isFinite(maxWrites) ? { take: maxWrites + 1 } : {};
    const orderBy = fields.map(name => ({ [name]: 'asc' }));
    const rows = await call(delegate, 'findMany', { where: scoped, orderBy, select, ...take });
    if (rows.length <= maxWrites) return rows;
    const count = await call(delegate, 'count', { where: scoped });
    return refuse(
      'where',
      `${count} rows match, more than the ${maxWrites} that one ${operation} writes (models.${node.key}.maxWrites); nothing was changed; narrow it`,
    );
  };

  /** Reads these columns back: the database may have computed a value that its column cannot hold, or that the driver cannot read. */
  const assertReadable = async (delegate: Delegate, rows: readonly Row[], computed: string[], wide: string[]): Promise<void> => {
    if (computed.length + wide.length === 0) return;
    for (const chunk of chunksOf(rows, fields)) {
      const select = selectOf([...computed, ...wide]);
      for (const row of await call(delegate, 'findMany', { where: rowsWhere(fields, chunk), select })) {
        assertComputed(columns, computed, row);
      }
    }
  };

  const toResult = (rows: readonly Row[]): BulkResult => {
    if (shown === undefined) return { count: rows.length };
    const keys = rows.slice(0, maxKeys).map(row => uniqueWhere(shown, toJson(exposure, shown.fields, row)));
    return { count: rows.length, keys, ...(rows.length > maxKeys && { truncated: true }) };
  };

  return {
    createMany: async (value, ctx) => {
      const items = parseItems(value, exposure);
      const parsed = await create.parseAll(items, ctx);
      const policies = new Policies(ctx);
      const { filter, references } = await policies.settled(() => ({
        filter: policies.filter(node, 'create'),
        references: parsed.flatMap(({ data, set }) =>
          referencesOf(node, name => set.has(name), policies).flatMap(reference => setReferences(reference, data)),
        ),
      }));
      return commit('createMany', client =>
        client.$transaction(
          async tx => {
            const own = delegateOf(tx, node);
            await assertReferences(tx, references, isVisible);
            const rows = await insertAll(own, parsed, keySelect, fields);
            await assertInside(own, node, 'createMany', { rows, filter });
            await assertReadable(own, rows, [], [...new Set(parsed.flatMap(({ data }) => wideIntegers(node, data)))]);
            return toResult(rows);
          },
          ...options,
        ),
      );
    },
    updateMany: async (parsedWhere, value, ctx) => {
      const { data, set } = await update.parse(value, ctx);
      assertPlainKey(fields, data);
      const policies = new Policies(ctx);
      const { scope, references } = await policies.settled(() => ({
        scope: scopeBulk(exposure, 'update', parsedWhere, policies),
        references: referencesOf(node, name => set.has(name), policies),
      }));
      return commit('updateMany', client =>
        client.$transaction(
          async tx => {
            const own = delegateOf(tx, node);
            const stored = references.flatMap(({ relation }) => relation.from.filter(name => !Object.hasOwn(data, name)));
            const rows = await findRows(own, 'updateMany', scope, selectOf([...fields, ...stored]));
            await assertReferences(tx, valuesOf(references, rows, data), isVisible);
            let count = 0;
            for (const chunk of chunksOf(rows, fields)) {
              count += countOf(await call(own, 'updateMany', { where: both(rowsWhere(fields, chunk), scope.again), data }));
            }
            if (count !== rows.length) throw changedMeanwhile();
            const left = rows.map(row => ({ ...columnsWhere(fields, row), ...pick(data, fields) }));
            await assertInside(own, node, 'updateMany', { rows: left, filter: scope.filter });
            await assertReadable(own, left, computedColumns(columns, data), wideIntegers(node, data));
            return { count };
          },
          ...options,
        ),
      );
    },
    deleteMany: async (parsedWhere, ctx) => {
      const policies = new Policies(ctx);
      const scope = await policies.settled(() => scopeBulk(exposure, 'delete', parsedWhere, policies));
      return commit('deleteMany', client =>
        client.$transaction(
          async tx => {
            const own = delegateOf(tx, node);
            const rows = await findRows(own, 'deleteMany', scope, selectOf(fields));
            for (const chunk of chunksOf(rows, fields)) {
              const named = rowsWhere(fields, chunk);
              const count = countOf(await call(own, 'deleteMany', { where: both(named, scope.again) }));
              // A row that the database deleted with another one is not counted.
              if (count !== chunk.length && (await call(own, 'count', { where: named })) > 0) throw changedMeanwhile();
            }
            return { count: rows.length };
          },
          ...options,
        ),
      );
    },
    find: async (operation, parsedWhere, ctx) => {
      const policies = new Policies(ctx);
      const scope = await policies.settled(() =>
        scopeBulk(exposure, operation === 'updateMany' ? 'update' : 'delete', parsedWhere, policies),
      );
      return attempt(exposure, operation, async () => toResult(await findRows(delegateOf(client, node), operation, scope, keySelect)));
    },
  };
}

function parseItems(value: unknown, { node, maxWrites }: Exposure): readonly unknown[] {
  if (!Array.isArray(value)) return refuse('data', `expected an array of rows, got ${nameOf(value)}`);
  if (value.length === 0) refuse('data', 'has no rows; give at least one');
  if (value.length > maxWrites) {
    refuse(
      'data',
      `has ${value.length} rows, more than the ${maxWrites} that one createMany writes (models.${node.key}.maxWrites); give fewer, in several calls`,
    );
  }
  return value;
}

function scopeBulk({ node }: Exposure, operation: 'update' | 'delete', { where, relational }: ParsedWhere, policies: Policies): BulkScope {
  const filter = policies.filter(node, operation);
  const scoped = relational ? scopeWhere(node, where, policies) : where;
  // In the `where` of a write Prisma reads conditions on a related row differently; the row was found by them.
  return { where: scoped, filter, again: relational ? filter : both(where, filter) };
}

/** Creates the rows, and gives their keys in the same order. */
async function insertAll(delegate: Delegate, parsed: readonly ParsedData[], select: Args, key: readonly string[]): Promise<Row[]> {
  const shapes = new Set(parsed.map(({ data }) => Object.keys(data).sort().join()));
  // Some databases cannot return what they create, and Prisma creates rows with other columns in other statements.
  if (shapes.size > 1 || delegate['createManyAndReturn'] === undefined) {
    const written: Row[] = [];
    for (const { data } of parsed) written.push(await call(delegate, 'create', { data, select }));
    return written;
  }
  return queryChunks(parsed, key, chunk => call(delegate, 'createManyAndReturn', { data: chunk.map(({ data }) => data), select }));
}

/** Refuses arithmetic on a part of the row key: the rows could not be found again. */
function assertPlainKey(fields: readonly string[], data: Args): void {
  for (const name of fields) if (isPlainObject(data[name])) refuse(`data.${name}`, 'is a part of the key; set it to a value');
}

/** The foreign keys that an update sets. Missing columns of a compound key are those of each row. */
function valuesOf(references: readonly Reference[], rows: readonly Row[], data: Args): ReturnType<typeof setReferences> {
  return references.flatMap(reference => {
    const isWhole = reference.relation.from.every(name => Object.hasOwn(data, name));
    if (isWhole) return rows.length === 0 ? [] : setReferences(reference, data);
    return rows.flatMap(row => setReferences(reference, { ...row, ...data }));
  });
}

function changedMeanwhile(): ToolError {
  return new ToolError('conflict: somebody else has just changed some of these rows; nothing was changed; try again', { status: 409 });
}

function pick(data: Args, names: readonly string[]): Args {
  return columnsWhere(
    names.filter(name => Object.hasOwn(data, name)),
    data,
  );
}

/** The values of these columns as JSON. */
function toJson({ columns }: Exposure, names: readonly string[], row: Row): Row {
  return Object.fromEntries(names.map(name => [name, jsonOf(columns.get(name)?.type, row[name])]));
}
