import { isObject } from '../../protocol/definitions.ts';
import type { ModelNode, Relation } from '../datamodel/graph.ts';
import { hasPolicy, rowKey, rowsWhere, selectOf } from '../datamodel/graph.ts';
import { keyText } from '../datamodel/scalars.ts';
import type { Args, Delegates, Row } from '../declaration/delegates.ts';
import { call, delegateOf, rowsOf } from '../declaration/delegates.ts';
import type { Policies } from '../policy/policy.ts';
import { assertOrderInSight, both } from '../policy/policy.ts';
import { relatedFilter, relatedWhere } from '../policy/related-policies.ts';
import { queryChunks } from './row-chunks.ts';

/** The args that decide what a query returns. */
interface SelectionArgs {
  select?: Args;
  include?: Args;
  omit?: unknown;
}

/** The selection of a query with row policies, and the queries that must follow. */
export interface ScopedSelection {
  readonly args: SelectionArgs;
  /** Relations to one row that Prisma cannot filter. A second query fetches the rows under the policy. */
  readonly joins: readonly Join[];
  /** Included relations whose selection has joins. */
  readonly nested: readonly (readonly [name: string, selection: ScopedSelection])[];
}

interface Join {
  readonly relation: Relation;
  /** Reads the key of the related row from the parent row. */
  readonly parentKey: (row: Row) => readonly unknown[] | undefined;
  readonly fields: readonly string[];
  readonly selection: ScopedSelection;
  /** The related policy, with the `where` that Prisma has for an optional relation. */
  readonly filter: Args;
  /** Columns that the query fetches only for the join, of the parent and of the related row. They are removed afterwards. */
  readonly stripParent: readonly string[];
  readonly stripTarget: readonly string[];
}

/** Adds row policies to the relations and relation counts that a query returns. */
export function scopeSelection(node: ModelNode, args: Args, policies: Policies): ScopedSelection {
  const scoped: SelectionArgs = {};
  const joins: Join[] = [];
  const nested: [string, ScopedSelection][] = [];
  if (args['omit'] !== undefined) scoped.omit = args['omit'];
  for (const form of ['select', 'include'] as const) {
    const wanted = args[form];
    if (!isObject(wanted)) continue;
    const entries: Args = {};
    for (const [name, value] of Object.entries(wanted)) {
      const relation = node.relations.get(name);
      if (name === '_count') entries[name] = scopeCounts(node, value, policies);
      else if (relation === undefined || value === undefined || value === false) entries[name] = value;
      else if (relation.toMany || relatedFilter(relation, policies) === undefined) {
        const part = isObject(value) ? value : {};
        assertOrderInSight(relation.target, part['orderBy'], `ctx.prisma.${node.key}: ${name}.orderBy`);
        assertNoCursor(relation.target, part, `ctx.prisma.${node.key}: ${name}.cursor`);
        const selection = scopeSelection(relation.target, part, policies);
        if (selection.joins.length + selection.nested.length > 0) nested.push([name, selection]);
        const where = relatedWhere(relation, part['where'], policies);
        entries[name] = isObject(value) || where !== undefined ? { ...part, ...selection.args, ...(where && { where }) } : value;
      } else {
        const around = { select: form === 'select' ? wanted : undefined, entries };
        joins.push(toJoin(relation, isObject(value) ? value : {}, around, policies));
      }
    }
    scoped[form] = entries;
  }
  return { args: scoped, joins, nested };
}

/** Fetches the joins of a selection and puts them into the rows, in place. */
export async function attachJoins(client: Delegates, rows: readonly Row[], selection: ScopedSelection): Promise<void> {
  if (rows.length === 0) return;
  for (const join of selection.joins) await attachJoin(client, rows, join);
  // After all joins, because two relations may share a foreign key column.
  for (const { stripParent } of selection.joins) for (const row of rows) for (const name of stripParent) delete row[name];
  for (const [name, part] of selection.nested) {
    const related = rows.flatMap(row => rowsOf(row[name]));
    await attachJoins(client, related, part);
  }
}

/** Throws at the cursor of a related list. Only a query of its own could tell whether the policy shows the row of the cursor. */
function assertNoCursor(target: ModelNode, { cursor }: Args, path: string): void {
  if (cursor === undefined || !hasPolicy(target)) return;
  throw new TypeError(`${path}: models.${target.key}.where cannot check it; page through ctx.prisma.${target.key}`);
}

function scopeCounts(node: ModelNode, value: unknown, policies: Policies): unknown {
  const relations = [...node.relations.values()].filter(relation => relation.toMany);
  const wanted = isObject(value) ? value['select'] : value === true ? selectOf(relations.map(relation => relation.name)) : undefined;
  if (!isObject(wanted)) return value;
  const select: Args = { ...wanted };
  for (const relation of relations) {
    const part = wanted[relation.name];
    if (part === undefined || part === false) continue;
    const where = relatedWhere(relation, isObject(part) ? part['where'] : undefined, policies);
    if (where !== undefined) select[relation.name] = { where };
  }
  return { select };
}

/** The `select` or `include` around a join. */
interface SelectionAround {
  /** As the query has it; `undefined` for an `include`. */
  readonly select: Args | undefined;
  /** As Prisma gets it. A join adds the columns that it needs. */
  readonly entries: Args;
}

function toJoin(relation: Relation, part: Args, { select, entries }: SelectionAround, policies: Policies): Join {
  const byForeignKey = select !== undefined && relation.from.length > 0;
  const fields = byForeignKey ? relation.to : rowKey(relation.target).fields;
  const stripParent = byForeignKey ? relation.from.filter(name => select[name] !== true) : [];
  if (byForeignKey) for (const name of relation.from) entries[name] = true;
  else entries[relation.name] = { select: selectOf(fields) };
  const selection = scopeSelection(relation.target, part, policies);
  const stripTarget = requireColumns(selection.args, part, fields);
  return {
    relation,
    parentKey: byForeignKey ? row => keyOf(row, relation.from) : row => keyOf(row[relation.name], fields),
    fields,
    selection,
    filter: relatedWhere(relation, part['where'], policies) ?? {},
    stripParent,
    stripTarget,
  };
}

/** Adds these columns to a selection. Gives the names of those that it did not return before. */
function requireColumns(args: SelectionArgs, original: Args, fields: readonly string[]): string[] {
  const { select, omit } = original;
  if (isObject(select)) {
    args.select = { ...args.select, ...selectOf(fields) };
    return fields.filter(name => select[name] !== true);
  }
  // `false` also overrides a global `omit` of the host's client.
  args.omit = { ...(isObject(omit) ? omit : {}), ...Object.fromEntries(fields.map(name => [name, false])) };
  return isObject(omit) ? fields.filter(name => omit[name] === true) : [];
}

async function attachJoin(client: Delegates, rows: readonly Row[], join: Join): Promise<void> {
  const { relation, fields, selection } = join;
  const keys = new Map<string, Row>();
  for (const row of rows) {
    const key = join.parentKey(row);
    if (key !== undefined) keys.set(keyText(key), Object.fromEntries(fields.map((name, index) => [name, key[index]])));
  }
  const found = await findRelated(client, join, [...keys.values()]);
  await attachJoins(client, found, selection);
  const byId = new Map(found.map(row => [keyText(keyOf(row, fields) ?? []), row]));
  for (const row of found) for (const name of join.stripTarget) delete row[name];
  for (const row of rows) {
    const key = join.parentKey(row);
    row[relation.name] = (key && byId.get(keyText(key))) ?? null;
  }
}

function findRelated(client: Delegates, { fields, filter, selection, relation }: Join, keys: readonly Row[]): Promise<Row[]> {
  const delegate = delegateOf(client, relation.target);
  return queryChunks(keys, fields, chunk =>
    call(delegate, 'findMany', { ...selection.args, where: both(rowsWhere(fields, chunk), filter) }),
  );
}

function keyOf(row: unknown, fields: readonly string[]): readonly unknown[] | undefined {
  if (!isObject(row)) return undefined;
  const key = fields.map(name => row[name]);
  return key.some(value => value === null || value === undefined) ? undefined : key;
}
