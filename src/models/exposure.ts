import type { Columns } from './columns.ts';
import { columnNames, resolveColumns, toColumn } from './columns.ts';
import type { ModelGraph, ModelNode, Relation, UniqueKey } from './graph.ts';
import { rowKey } from './graph.ts';
import type { OrderStep } from './host-args.ts';
import { assertKeys, assertTake, defaultTake, resolveOrder, resolveWhere } from './host-args.ts';
import type { Selection } from './include.ts';
import { resolveSelection } from './include.ts';
import type { Args, PerCall } from './policy.ts';
import { isPlainObject, list } from './refusal.ts';

/** The delegate methods an exposure may offer. */
export const operationNames = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'] as const;
/** A delegate method that an exposure may offer. */
export type Operation = (typeof operationNames)[number];

/** One entry of `models`, as it reaches the compiler; its typed form is made from the client's type. */
export interface ExposureLike {
  readonly operations?: readonly string[];
  readonly where?: unknown;
  readonly select?: unknown;
  readonly omit?: unknown;
  readonly include?: unknown;
  readonly orderBy?: unknown;
  readonly take?: unknown;
  readonly data?: unknown;
  readonly description?: unknown;
}

/** A declaration resolved against the datamodel: nothing in it is left to check. */
export interface Exposure {
  readonly node: ModelNode;
  readonly description: string | undefined;
  readonly operations: ReadonlySet<Operation>;
  /** Whether any operation reads rows, so that relation filters may lead here. */
  readonly readable: boolean;
  /** The visible columns. */
  readonly columns: Columns;
  /** Columns hidden only for their names. */
  readonly secret: readonly string[];
  readonly policy: PerCall | undefined;
  /** Values forced on create and update. */
  readonly forced: PerCall | undefined;
  readonly orderBy: readonly OrderStep[];
  /** Default and cap, in rows. */
  readonly take: number;
  /** Unique keys of visible columns only, the primary key first. */
  readonly uniques: readonly UniqueKey[];
  /** What a full row holds, relations included. Set once all exposures are known. */
  selection: Selection;
  /** Relations that callers may filter by. Set once all exposures are known. */
  filterable: ReadonlyMap<string, Relation>;
  /** Whether the database compares text without regard to case on demand. */
  readonly insensitive: boolean;
}

const defaultOperations: readonly Operation[] = ['findUnique', 'findMany', 'count'];
const optionNames = ['operations', 'where', 'select', 'omit', 'include', 'orderBy', 'take', 'data', 'description'];
const insensitiveProviders: ReadonlySet<string | undefined> = new Set(['postgresql', 'postgres', 'cockroachdb', 'mongodb']);

/**
 * Resolves and checks all declarations, and puts each exposure on its model in the graph.
 *
 * @throws {TypeError} at the first mistake, as option path, fact and remedy.
 */
export function resolveExposures(models: Readonly<Record<string, ExposureLike>>, graph: ModelGraph): Exposure[] {
  if (!isPlainObject(models)) throw new TypeError('models: expected an object');
  const exposures: Exposure[] = [];
  for (const [key, declared] of Object.entries(models)) {
    const node = graph.byKey.get(key);
    if (node === undefined) throw new TypeError(`models.${key}: the datamodel has no model \`${key}\` (${list(graph.byKey.keys())})`);
    const exposure = resolveExposure(declared, node, graph);
    node.exposure = exposure;
    exposures.push(exposure);
  }
  for (const exposure of exposures) {
    const path = `models.${exposure.node.key}`;
    exposure.selection = resolveSelection(exposure.node, exposure.columns, models[exposure.node.key]?.include, graph, `${path}.include`);
    exposure.filterable = resolveFilterable(exposure);
    assertWritable(exposure, path);
  }
  return exposures;
}

/** The columns a caller may set on create or update. */
export function writableColumns(exposure: Exposure, operation: 'create' | 'update'): Columns {
  const forced = typeof exposure.forced === 'object' ? exposure.forced : {};
  return new Map(
    [...exposure.columns].filter(([name, { field }]) => {
      if (field.isUpdatedAt || name in forced) return false;
      return !field.isId || (operation === 'create' && !field.hasDefaultValue);
    }),
  );
}

function resolveExposure(declared: ExposureLike, node: ModelNode, graph: ModelGraph): Exposure {
  const path = `models.${node.key}`;
  assertKeys(declared, optionNames, path);
  for (const option of ['where', 'select', 'omit', 'data'] as const) {
    // An option that narrows must not get lost in an expression that went wrong.
    if (option in declared && declared[option] === undefined) throw new TypeError(`${path}.${option}: is undefined; leave the key out`);
  }
  const { columns, secret } = resolveColumns(node, graph, declared, path);
  const operations = resolveOperations(declared.operations, `${path}.operations`);
  const take = declared.take ?? defaultTake;
  assertTake(take, `${path}.take`);
  const { description } = declared;
  if (description !== undefined && typeof description !== 'string') throw new TypeError(`${path}.description: expected a string`);
  return {
    node,
    description: description ?? node.model.documentation,
    operations,
    readable: defaultOperations.some(operation => operations.has(operation)),
    columns,
    secret,
    policy: resolvePolicy(declared.where, node, `${path}.where`),
    forced: resolveForced(declared.data, node, graph, `${path}.data`),
    orderBy: resolveOrder(declared.orderBy, node, rowKey(node), `${path}.orderBy`),
    take,
    uniques: node.uniques.filter(key => key.fields.every(name => columns.has(name))),
    selection: { columns: [], relations: [], counts: [], select: {}, filtered: false },
    filterable: new Map(),
    insensitive: insensitiveProviders.has(graph.provider),
  };
}

function resolveOperations(declared: unknown, path: string): ReadonlySet<Operation> {
  if (declared === undefined) return new Set(defaultOperations);
  if (!Array.isArray(declared)) throw new TypeError(`${path}: expected an array of ${list(operationNames)}`);
  const operations = new Set<Operation>();
  for (const name of declared) {
    const operation = operationNames.find(known => known === name);
    if (operation === undefined) throw new TypeError(`${path}: unknown operation \`${String(name)}\` (${list(operationNames)})`);
    operations.add(operation);
  }
  return operations;
}

function resolvePolicy(declared: unknown, node: ModelNode, path: string): PerCall | undefined {
  if (declared === undefined || typeof declared === 'function') return declared as PerCall | undefined;
  return resolveWhere(declared, node, path);
}

function resolveForced(declared: unknown, node: ModelNode, graph: ModelGraph, path: string): PerCall | undefined {
  if (declared === undefined || typeof declared === 'function') return declared as PerCall | undefined;
  assertForced(declared, node, graph, path);
  return declared;
}

/** @throws {TypeError} unless it is a value for each of some columns of the model; `undefined` would let the caller's value stand. */
export function assertForced(value: unknown, node: ModelNode, graph: ModelGraph, path: string): asserts value is Args {
  if (!isPlainObject(value)) throw new TypeError(`${path}: expected an object of column values`);
  for (const [name, forced] of Object.entries(value)) {
    const field = node.fields.get(name);
    if (field === undefined) throw new TypeError(`${path}.${name}: ${node.name} has no field \`${name}\` (${columnNames(node)})`);
    const foreignKey = field.relationFromFields?.length ? `; set ${list(field.relationFromFields)}` : '';
    if (toColumn(field, graph) === undefined) throw new TypeError(`${path}.${name}: is no column of ${node.name}${foreignKey}`);
    if (forced === undefined)
      throw new TypeError(`${path}.${name}: is undefined, so the caller's value would stand; write the value, or null`);
  }
}

/**
 * Relations to models that are exposed for reading, if the rows say anyway whom they are related to: in their foreign key, which a filter by the
 * related id would otherwise tell, or by coming with the related row and its key.
 */
function resolveFilterable({ node, columns, selection }: Exposure): Map<string, Relation> {
  const isShown = (relation: Relation): boolean => {
    const included = selection.relations.find(each => each.relation === relation);
    const { where } = (selection.select[relation.name] ?? {}) as Args;
    const names = included?.selection.columns.map(column => column.name) ?? [];
    return included !== undefined && where === undefined && relation.to.every(name => names.includes(name));
  };
  return new Map(
    [...node.relations].filter(([, relation]) => {
      const { from, back, target } = relation;
      if (target.exposure?.readable !== true || !back.every(name => target.exposure?.columns.has(name))) return false;
      return from.every(name => columns.has(name)) || isShown(relation);
    }),
  );
}

/** What an operation needs of the visible columns. */
function assertWritable(exposure: Exposure, path: string): void {
  const { node, operations, columns, forced, uniques } = exposure;
  for (const operation of ['findUnique', 'update', 'delete'] as const) {
    if (operations.has(operation) && uniques.length === 0) {
      throw new TypeError(
        `${path}: ${operation} needs a unique key whose columns are all visible; show one, or list operations without it`,
      );
    }
  }
  if (operations.has('update') && forced === undefined && writableColumns(exposure, 'update').size === 0) {
    throw new TypeError(`${path}: update has no visible column to write; show one, or list operations without it`);
  }
  if (!operations.has('create') || typeof forced === 'function') return;
  for (const field of node.fields.values()) {
    if (field.kind === 'object' || field.isList || !field.isRequired || field.hasDefaultValue || field.isUpdatedAt) continue;
    if (columns.has(field.name) || (forced !== undefined && field.name in forced)) continue;
    throw new TypeError(
      `${path}: create needs ${field.name}, which is hidden; show it, force it in data, or list operations without create`,
    );
  }
}
