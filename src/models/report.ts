import { toolName } from './arguments/tool-names.ts';
import { toColumn } from './datamodel/columns.ts';
import type { Exposure, ModelGraph, ModelNode, PerCall, Relation } from './datamodel/graph.ts';
import type { Style } from './declaration/declaration.ts';
import { isEmpty } from './declaration/delegates.ts';
import type { Operation } from './declaration/operations.ts';
import { isBulk } from './declaration/operations.ts';
import type { ExposureLike } from './exposure.ts';
import { defaultOperations, whyNotFilterable } from './exposure.ts';
import { list } from './messages.ts';

/**
 * What narrows the rows of a model. `none` means that the model has no row policy, `every row` that its policy is `{}`. Both show every row to
 * every caller.
 */
export type PolicyKind = 'none' | 'every row' | 'value' | 'function';

/** How one model is exposed. */
export interface ModelReport {
  /** The client's property, e.g. `booking`. */
  readonly key: string;
  /** The model's name, e.g. `Booking`. */
  readonly name: string;
  readonly style: Style;
  readonly operations: readonly Operation[];
  /** The names of the tools that run the operations. In the style `compact` other models share them. */
  readonly tools: readonly string[];
  /** The names of its prompts. */
  readonly prompts: readonly string[];
  /** The columns that the tool `search` searches. */
  readonly searched: readonly string[];
  /** Operations that are left out because the unique key that they need looks like a secret. */
  readonly droppedOperations: readonly Operation[];
  readonly policy: PolicyKind;
  /** What `data` forces on writes. */
  readonly data: 'none' | 'value' | 'function';
  /** Rows of one answer at most. */
  readonly take: number;
  /** Rows that one call writes at most, if the model has bulk writes. `null` is no limit. */
  readonly maxWrites?: number | null;
  /** Writes that the user must confirm. */
  readonly confirm: readonly Operation[];
  /** Writes that take an idempotency key. */
  readonly idempotent: readonly Operation[];
  /** Which operations need which scopes of the caller's token. */
  readonly scopes: readonly ScopesReport[];
  /** The visible columns. */
  readonly columns: readonly string[];
  readonly hidden: readonly HiddenColumn[];
  readonly relations: readonly RelationReport[];
  /** Foreign keys that callers can filter by and that no index begins with, as `authorId` or `tenantId, authorId`. */
  readonly unindexed: readonly string[];
}

/** Operations that need the same scopes. */
export interface ScopesReport {
  /** All of them are needed. */
  readonly scopes: readonly string[];
  readonly operations: readonly Operation[];
}

/** A column that callers neither read, filter, sort nor write. */
export interface HiddenColumn {
  readonly name: string;
  /** `omitted` and `not selected` are the host's decisions, `secret` comes from the rule of names, `unsupported` types have no JSON form. */
  readonly reason: 'omitted' | 'not selected' | 'secret' | 'unsupported';
  /** More about the reason: the type, or the column that a secret foreign key points to. */
  readonly detail?: string;
}

/** A relation, as callers see it. */
export interface RelationReport {
  readonly name: string;
  /** The name of the related model. */
  readonly model: string;
  /** The columns that rows include of it; absent if they do not include it. */
  readonly included?: readonly string[];
  /** Whether callers can filter by it. */
  readonly filterable: boolean;
  /** Why they cannot. */
  readonly reason?: string;
}

/** What the declaration of `models` exposes, model by model. */
export function reportModels(
  exposures: readonly Exposure[],
  declared: Readonly<Record<string, ExposureLike>>,
  graph: ModelGraph,
): ModelReport[] {
  const unindexed = unindexedKeys(exposures, graph);
  return exposures.map(exposure => {
    const { node, style, operations, policy, forced, take, maxWrites, confirm, idempotent, columns } = exposure;
    const wanted = (declared[node.key]?.operations ?? defaultOperations) as readonly Operation[];
    return {
      key: node.key,
      name: node.name,
      style,
      operations: [...operations],
      tools: [...new Set([...operations].map(operation => toolName(exposure, operation)))],
      prompts: exposure.prompts.map(({ name }) => name),
      searched: exposure.search?.columns.map(({ name }) => name) ?? [],
      droppedOperations: wanted.filter(operation => !operations.has(operation)),
      policy: kindOf(policy),
      data: kindOf(forced) === 'function' ? 'function' : forced === undefined ? 'none' : 'value',
      take,
      ...([...operations].some(isBulk) && { maxWrites: Number.isFinite(maxWrites) ? maxWrites : null }),
      confirm: [...confirm],
      idempotent: [...idempotent],
      scopes: reportScopes(exposure),
      columns: [...columns.keys()],
      hidden: hiddenColumns(exposure, declared[node.key]?.select !== undefined, graph),
      relations: [...node.relations.values()].map(relation => reportRelation(exposure, relation)),
      unindexed: unindexed.get(node) ?? [],
    };
  });
}

function reportScopes({ scopes }: Exposure): ScopesReport[] {
  const byScopes = new Map<string, { scopes: readonly string[]; operations: Operation[] }>();
  for (const [operation, needed] of scopes) {
    const same = byScopes.get(needed.join(' '));
    if (same === undefined) byScopes.set(needed.join(' '), { scopes: needed, operations: [operation] });
    else same.operations.push(operation);
  }
  return [...byScopes.values()];
}

function kindOf(value: PerCall | undefined): PolicyKind {
  if (value === undefined) return 'none';
  if (typeof value === 'function') return 'function';
  return isEmpty(value) ? 'every row' : 'value';
}

function hiddenColumns({ node, columns, secret }: Exposure, isSelect: boolean, graph: ModelGraph): HiddenColumn[] {
  const hidden: HiddenColumn[] = [];
  for (const field of node.fields.values()) {
    const { name, kind, type } = field;
    if (kind === 'object' || columns.has(name)) continue;
    if (toColumn(field, graph) === undefined) hidden.push({ name, reason: 'unsupported', detail: type });
    else if (secret.includes(name)) {
      const detail = referenceOf(node, name);
      hidden.push({ name, reason: 'secret', ...(detail !== undefined && { detail: `foreign key to ${detail}` }) });
    } else hidden.push({ name, reason: isSelect ? 'not selected' : 'omitted' });
  }
  return hidden;
}

/** The column that a foreign key points to, as `ApiKey.key`; `undefined` if the column is no foreign key. */
function referenceOf({ relations }: ModelNode, name: string): string | undefined {
  for (const { from, to, target } of relations.values()) {
    const column = to[from.indexOf(name)];
    if (column !== undefined) return `${target.name}.${column}`;
  }
  return undefined;
}

function reportRelation(exposure: Exposure, relation: Relation): RelationReport {
  const included = exposure.selection.relations.find(each => each.relation === relation);
  const reason = whyNotFilterable(exposure, relation);
  return {
    name: relation.name,
    model: relation.target.name,
    ...(included && { included: included.selection.columns.map(({ name }) => name) }),
    filterable: reason === undefined,
    ...(reason !== undefined && { reason }),
  };
}

/**
 * The foreign keys that callers can filter by and that no index begins with, by model. A filter by such a relation makes the database read the
 * whole table, once for each row of the other table at worst.
 *
 * MySQL makes an index for each foreign key, the other databases do not.
 */
function unindexedKeys(exposures: readonly Exposure[], { provider }: ModelGraph): Map<ModelNode, string[]> {
  const found = new Map<ModelNode, string[]>();
  if (provider === 'mysql') return found;
  for (const { node, filterable } of exposures) {
    for (const { from, back, target } of filterable.values()) {
      const [owner, columns] = from.length > 0 ? [node, from] : [target, back];
      const keys = found.get(owner) ?? [];
      if (columns.length === 0 || keys.includes(list(columns)) || hasIndex(owner, columns)) continue;
      found.set(owner, [...keys, list(columns)]);
    }
  }
  return found;
}

/** Whether an index begins with these columns, in any order. `true` for views, and if the datamodel does not hold the indexes. */
function hasIndex({ model }: ModelNode, columns: readonly string[]): boolean {
  const isView = model.missing?.includes('delete') === true;
  if (isView || model.indexes === undefined) return true;
  const all = [model.primaryKey, ...model.uniques.map(({ fields }) => fields), ...model.indexes];
  return all.some(index => {
    const first = index.slice(0, columns.length);
    return first.length === columns.length && columns.every(name => first.includes(name));
  });
}
