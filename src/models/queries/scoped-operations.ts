import { isObject } from '../../protocol/definitions.ts';
import type { ModelNode } from '../datamodel/graph.ts';
import { columnsWhere, noRow, rowKey, rowsWhere, selectOf } from '../datamodel/graph.ts';
import type { Args, Delegates, Row } from '../declaration/delegates.ts';
import { call, delegateOf, rowsOf } from '../declaration/delegates.ts';
import type { PolicyOperation } from '../declaration/operations.ts';
import type { Policies, RowFilter } from '../policy/policy.ts';
import { assertOrderInSight, both } from '../policy/policy.ts';
import { scopeUniqueWhere, scopeWhere } from '../policy/related-policies.ts';
import { outsidePolicy } from './prisma-errors.ts';
import { assertInside, chunksOf, isFew, manyRows, queryChunks } from './row-chunks.ts';
import type { SetReference } from './scoped-data.ts';
import { assertReferences, scopeData } from './scoped-data.ts';
import type { ScopedSelection } from './scoped-selection.ts';
import { attachJoins, scopeSelection } from './scoped-selection.ts';

/** Where a scoped query runs: on the client, or inside a transaction that is already open. */
export interface Execution {
  readonly client: Delegates;
  /** Runs work in the open transaction, or in a new one. */
  readonly transact: <T>(work: (tx: Delegates) => Promise<T>, options?: typeof manyRows) => Promise<T>;
}

/** Runs a query of the scoped client. */
export type RunQuery = (execution: Execution, node: ModelNode, operation: ScopedOperation, args: Args) => Promise<unknown>;

/** One query with the row policies in it. */
interface ScopedArgs {
  readonly args: Args;
  readonly filter: RowFilter;
  readonly selection: ScopedSelection;
  /** Foreign keys that the write sets. */
  readonly references: readonly SetReference[];
}

type Run = (execution: Execution, node: ModelNode, operation: string, scoped: ScopedArgs) => Promise<unknown>;

/** A delegate method of Prisma that the scoped client has. */
export type ScopedOperation =
  | 'findUnique'
  | 'findUniqueOrThrow'
  | 'findFirst'
  | 'findFirstOrThrow'
  | 'findMany'
  | 'count'
  | 'aggregate'
  | 'groupBy'
  | 'create'
  | 'createMany'
  | 'createManyAndReturn'
  | 'update'
  | 'updateMany'
  | 'updateManyAndReturn'
  | 'upsert'
  | 'delete'
  | 'deleteMany';

/** By Prisma operation. The scoped client refuses every other method. */
const operations: Readonly<Record<ScopedOperation, Run>> = {
  findUnique: runRows,
  findUniqueOrThrow: runRows,
  findFirst: runRows,
  findFirstOrThrow: runRows,
  findMany: runRows,
  count: runPlain,
  aggregate: runPlain,
  groupBy: runPlain,
  create: runWrite,
  createMany: runCreateMany,
  createManyAndReturn: runCreateMany,
  update: runWrite,
  updateMany: runUpdateMany,
  updateManyAndReturn: runUpdateMany,
  upsert: runWrite,
  delete: runRows,
  deleteMany: runPlain,
};

/** Policy functions know only the operations of an exposure. This maps the other operations of Prisma to them. */
const policyOperations: ReadonlyMap<string, readonly PolicyOperation[]> = new Map<string, readonly PolicyOperation[]>([
  ...['findFirst', 'findFirstOrThrow', 'aggregate', 'groupBy'].map(name => [name, ['findMany']] as const),
  ['findUniqueOrThrow', ['findUnique']],
  ['createMany', ['create']],
  ['createManyAndReturn', ['create']],
  ['updateMany', ['update']],
  ['updateManyAndReturn', ['update']],
  ['deleteMany', ['delete']],
  // Prisma does not say whether an upsert has updated or created the row, so the row must meet both policies.
  ['upsert', ['update', 'create']],
]);

const uniqueOperations: ReadonlySet<string> = new Set(['findUnique', 'findUniqueOrThrow', 'update', 'upsert', 'delete']);
const aggregations: ReadonlySet<string> = new Set(['count', 'aggregate', 'groupBy']);

/** Whether the scoped client knows how to scope this delegate method. */
export function isScopable(operation: string): operation is ScopedOperation {
  return Object.hasOwn(operations, operation);
}

/** Runs queries under the policies of one call. */
export function queryRunner(policies: Policies): RunQuery {
  return async (execution, node, operation, args) => {
    const scoped = await policies.settled(() => scopeArgs(node, operation, args, policies));
    const isCursorHidden = await hidesCursor(execution, node, scoped);
    return operations[operation](execution, node, operation, isCursorHidden ? nothing(node, scoped) : scoped);
  };
}

function scopeArgs(node: ModelNode, operation: string, args: Args, policies: Policies): ScopedArgs {
  const [first = operation, second] = policyOperations.get(operation) ?? [];
  const own = policies.filter(node, first);
  const filter = second === undefined ? own : both(own, policies.filter(node, second));
  const scoped: Args = { ...args };
  const unique = uniqueOperations.has(operation);
  if (isObject(args['where'])) scoped['where'] = (unique ? scopeUniqueWhere : scopeWhere)(node, args['where'], policies);
  const where = scoped['where'] as Args | undefined;
  assertOrderInSight(node, args['orderBy'], `ctx.prisma.${node.key}.${operation}: orderBy`);
  const creates = operation.startsWith('create');
  if (own !== undefined && unique) scoped['where'] = { ...where, AND: [...((where?.['AND'] as Args[]) ?? []), own] };
  else if (own !== undefined && !creates) scoped['where'] = both(where, own);
  const references: SetReference[] = [];
  const scopePart = (name: 'data' | 'create' | 'update', whole: boolean): void => {
    const part = args[name];
    const scopeOne = (item: unknown): unknown =>
      scopeData(node, item, { policies, references, whole, path: `ctx.prisma.${node.key}: ${name}` });
    scoped[name] = Array.isArray(part) ? part.map(scopeOne) : scopeOne(part);
  };
  if (creates || operation.startsWith('update')) scopePart('data', creates);
  if (operation === 'upsert') {
    scopePart('create', true);
    scopePart('update', false);
  }
  const selection = aggregations.has(operation) ? noSelection : scopeSelection(node, args, policies);
  return { args: { ...scoped, ...selection.args }, filter, selection, references };
}

const noSelection: ScopedSelection = { args: {}, joins: [], nested: [] };

/** Whether the policy hides the row of the cursor. A page after it would show its place in the order, and with it its values. */
async function hidesCursor({ client }: Execution, node: ModelNode, { args: { cursor }, filter }: ScopedArgs): Promise<boolean> {
  if (filter === undefined || !isObject(cursor)) return false;
  const args = { where: { ...cursor, AND: [filter] }, select: selectOf(rowKey(node).fields) };
  return (await call(delegateOf(client, node), 'findUnique', args)) === null;
}

/** The same query for no row, as if the row of the cursor did not exist. */
function nothing(node: ModelNode, scoped: ScopedArgs): ScopedArgs {
  return { ...scoped, args: { ...scoped.args, where: noRow(node) } };
}

async function runRows({ client }: Execution, node: ModelNode, operation: string, { args, selection }: ScopedArgs): Promise<unknown> {
  const result = await call(delegateOf(client, node), operation, args);
  await attachJoins(client, rowsOf(result), selection);
  return result;
}

function runPlain({ client }: Execution, node: ModelNode, operation: string, { args }: ScopedArgs): Promise<unknown> {
  return call(delegateOf(client, node), operation, args);
}

/** Writes one row in a transaction: checks its references, writes, and reads the row back under the policy. */
async function runWrite(execution: Execution, node: ModelNode, operation: string, scoped: ScopedArgs): Promise<unknown> {
  const { args, filter, selection, references } = scoped;
  if (filter === undefined && references.length === 0) return runRows(execution, node, operation, scoped);
  const key = rowKey(node).fields;
  const { select: _, include: __, omit: ___, ...write } = args;
  return execution.transact(async tx => {
    await assertReferences(tx, references, () => true);
    if (filter === undefined) return runRows({ ...execution, client: tx }, node, operation, scoped);
    const written = (await call(delegateOf(tx, node), operation, { ...write, select: selectOf(key) })) as Row;
    const row = await call(delegateOf(tx, node), 'findFirst', { where: both(columnsWhere(key, written), filter), ...selection.args });
    if (row === null) throw outsidePolicy(node, operation);
    await attachJoins(tx, [row], selection);
    return row;
  });
}

async function runCreateMany(execution: Execution, node: ModelNode, operation: string, scoped: ScopedArgs): Promise<unknown> {
  const { args, filter, selection, references } = scoped;
  if (filter === undefined) return runUnfiltered(execution, node, operation, scoped);
  if (execution.client[node.key]?.['createManyAndReturn'] === undefined) {
    throw new TypeError(
      `ctx.prisma.${node.key}.${operation}: this database cannot return what it created, so models.${node.key}.where cannot be checked; use create`,
    );
  }
  const { data, skipDuplicates } = args;
  const items: readonly unknown[] = Array.isArray(data) ? data : [data];
  const key = rowKey(node).fields;
  return execution.transact(
    async tx => {
      await assertReferences(tx, references, () => true);
      const rest = { ...(skipDuplicates !== undefined && { skipDuplicates }), select: selectOf(key) };
      const written = await queryChunks(items, key, data => call(delegateOf(tx, node), 'createManyAndReturn', { data, ...rest }));
      return finishMany(tx, node, operation, { written, filter, selection });
    },
    isFew(items.length) ? undefined : manyRows,
  );
}

async function runUpdateMany(execution: Execution, node: ModelNode, operation: string, scoped: ScopedArgs): Promise<unknown> {
  const { args, filter, selection, references } = scoped;
  if (filter === undefined) return runUnfiltered(execution, node, operation, scoped);
  const key = rowKey(node).fields;
  return execution.transact(async tx => {
    await assertReferences(tx, references, () => true);
    const { where, limit, data } = args;
    const take = limit === undefined ? {} : { take: limit };
    const found = await call(delegateOf(tx, node), 'findMany', { where, ...take, select: selectOf(key) });
    for (const chunk of chunksOf(found, key)) {
      await call(delegateOf(tx, node), 'updateMany', { where: both(rowsWhere(key, chunk), filter), data });
    }
    return finishMany(tx, node, operation, { written: found, filter, selection });
  }, manyRows);
}

/** Writes rows of a model without a policy. They may refer to rows of a model that has one. */
function runUnfiltered(execution: Execution, node: ModelNode, operation: string, scoped: ScopedArgs): Promise<unknown> {
  const run = operation.endsWith('AndReturn') ? runRows : runPlain;
  if (scoped.references.length === 0) return run(execution, node, operation, scoped);
  return execution.transact(async tx => {
    await assertReferences(tx, scoped.references, () => true);
    return run({ ...execution, client: tx }, node, operation, scoped);
  });
}

/** Checks that the policy shows every written row. Gives the count, or the rows where the operation returns them. */
async function finishMany(
  tx: Delegates,
  node: ModelNode,
  operation: string,
  { written, filter, selection }: { written: readonly Row[]; filter: Args; selection: ScopedSelection },
): Promise<unknown> {
  const key = rowKey(node).fields;
  const delegate = delegateOf(tx, node);
  await assertInside(delegate, node, operation, { rows: written, filter });
  if (!operation.endsWith('AndReturn')) return { count: written.length };
  const rows = await queryChunks(written, key, chunk => call(delegate, 'findMany', { where: rowsWhere(key, chunk), ...selection.args }));
  await attachJoins(tx, rows, selection);
  return rows;
}
