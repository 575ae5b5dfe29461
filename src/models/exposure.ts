import type { CacheHints, CallContext } from '../protocol/definitions.ts';
import { assertCacheHints, isObject } from '../protocol/definitions.ts';
import { assertForced, writableColumns } from './arguments/data.ts';
import { resolveColumns } from './datamodel/columns.ts';
import type { Exposure, ModelGraph, ModelNode, PerCall, Relation } from './datamodel/graph.ts';
import { rowKey } from './datamodel/graph.ts';
import type { Style } from './declaration/declaration.ts';
import { styles } from './declaration/declaration.ts';
import type { Operation } from './declaration/operations.ts';
import { isRead, operationNames, operationRows, writesOf } from './declaration/operations.ts';
import { resolvePrompts } from './features/prompts.ts';
import { resolveSearch } from './features/search.ts';
import { isPlainObject, list } from './messages.ts';
import { assertKeys, assertTake, defaultTake, resolveOrder, resolveWhere } from './policy/host-args.ts';
import { resolveSelection } from './policy/include.ts';
import { assertOrderInSight } from './policy/policy.ts';
import { letsRead, resolveScopes } from './policy/scopes.ts';

/** One entry of `models` before it is checked. `DeclaredExposure` is its typed form. */
export interface ExposureLike {
  readonly operations?: readonly string[];
  readonly style?: unknown;
  readonly where?: unknown;
  readonly select?: unknown;
  readonly omit?: unknown;
  readonly include?: unknown;
  readonly orderBy?: unknown;
  readonly take?: unknown;
  readonly maxWrites?: unknown;
  readonly confirm?: unknown;
  readonly scopes?: unknown;
  readonly idempotent?: unknown;
  readonly task?: unknown;
  readonly data?: unknown;
  readonly cache?: unknown;
  readonly description?: unknown;
  readonly prompts?: unknown;
  readonly search?: unknown;
}

/** The operations of a model whose declaration does not name any. */
export const defaultOperations: readonly Operation[] = operationNames.filter(name => operationRows[name].byDefault === true);
const optionNames = [
  'operations',
  'where',
  'select',
  'omit',
  'include',
  'orderBy',
  'take',
  'maxWrites',
  'confirm',
  'scopes',
  'idempotent',
  'task',
  'data',
  'cache',
  'description',
  'style',
  'prompts',
  'search',
];
const defaultMaxWrites = 100;
const insensitiveProviders: ReadonlySet<string | undefined> = new Set(['postgresql', 'postgres', 'cockroachdb', 'mongodb']);

/** The models that `npx koa-mcp init` adds. They hold session ids and the messages of clients. */
const ownModels: ReadonlySet<string> = new Set([
  'McpSession',
  'McpSubscription',
  'McpEvent',
  'McpNode',
  'McpContinuation',
  'McpTask',
  'McpIdempotencyKey',
  'McpAuditEntry',
]);

/**
 * Resolves and checks all declarations, and puts each exposure on its model in the graph.
 *
 * @param style The style of models that do not name one.
 * @throws {TypeError} with every mistake, one a line: option path, fact and remedy.
 */
export function resolveExposures(models: Readonly<Record<string, ExposureLike>>, graph: ModelGraph, style: Style = 'tools'): Exposure[] {
  if (!isPlainObject(models)) throw new TypeError('models: expected an object');
  const { gather, assertNone } = complaints();
  const exposures: Exposure[] = [];
  let isWhole = true;
  for (const [key, declared] of Object.entries(models)) {
    const node = gather(() => nodeOf(key, graph));
    if (node === undefined) continue;
    const exposure = resolveExposure(declared, node, graph, { style, gather });
    if (exposure === undefined) isWhole = false;
    else exposures.push(exposure);
    node.exposure = exposure;
  }
  // The checks below would report a broken model as one that is not exposed.
  if (!isWhole) assertNone();
  for (const exposure of exposures) {
    const { node, columns, selection } = exposure;
    const path = `models.${node.key}`;
    exposure.selection =
      gather(() => resolveSelection(node, columns, models[node.key]?.include, { graph, path: `${path}.include` })) ?? selection;
    gather(() => assertOrderInSight(node, exposure.orderBy, `${path}.orderBy`));
    gather(() => assertWritable(exposure, path));
    gather(() => assertShared(exposure, path));
    exposure.prompts = gather(() => resolvePrompts(exposure, models[node.key]?.prompts, `${path}.prompts`)) ?? [];
    exposure.search = gather(() => resolveSearch(exposure, models[node.key]?.search, `${path}.search`, graph));
  }
  assertNone();
  for (const exposure of exposures) exposure.filterable = resolveFilterable(exposure);
  return exposures;
}

function nodeOf(key: string, graph: ModelGraph): ModelNode {
  const node = graph.byKey.get(key);
  if (node === undefined) throw new TypeError(`models.${key}: the datamodel has no model \`${key}\` (${list(graph.byKey.keys())})`);
  if (ownModels.has(node.name)) throw new TypeError(`models.${key}: holds the state of MCP itself, session ids included; leave it out`);
  return node;
}

/** `undefined` if the entry is so wrong that its columns are unknown; `gather` keeps the errors. */
function resolveExposure(
  declared: ExposureLike,
  node: ModelNode,
  graph: ModelGraph,
  { style, gather }: { style: Style; gather: Complaints['gather'] },
): Exposure | undefined {
  const path = `models.${node.key}`;
  gather(() => assertKeys(declared, optionNames, path));
  if (!isPlainObject(declared)) return undefined;
  for (const option of ['where', 'select', 'omit', 'data', 'maxWrites', 'confirm', 'scopes'] as const)
    gather(() => assertKept(declared, option, path));
  const key = gather(() => rowKey(node));
  const resolved = gather(() => resolveColumns(node, graph, declared, path));
  const policy = gather(() => resolvePolicy(declared.where, node, `${path}.where`));
  const forced = gather(() => resolveForced(declared.data, node, graph, `${path}.data`));
  const orderBy = gather(() => (key === undefined ? [] : resolveOrder(declared.orderBy, node, key, `${path}.orderBy`)));
  const take = gather(() => resolveTake(declared.take, `${path}.take`)) ?? defaultTake;
  const description = gather(() => resolveDescription(declared.description, `${path}.description`));
  const operations = gather(() => resolveOperations(declared.operations, `${path}.operations`)) ?? new Set(defaultOperations);
  const maxWrites = gather(() => resolveMaxWrites(declared.maxWrites, `${path}.maxWrites`)) ?? defaultMaxWrites;
  const confirm = gather(() => resolveWrites(declared.confirm, operations, `${path}.confirm`, 'confirm')) ?? new Set();
  const idempotent = gather(() => resolveWrites(declared.idempotent, operations, `${path}.idempotent`, 'repeat')) ?? new Set();
  const ownStyle = gather(() => resolveStyle(declared.style, `${path}.style`));
  const task = gather(() => resolveTask(declared.task, operations, `${path}.task`, ownStyle ?? style)) ?? new Set();
  const cache = gather(() => resolveCache(declared.cache, `${path}.cache`));
  const scopes = gather(() => resolveScopes(declared.scopes, operations, `${path}.scopes`)) ?? new Map();
  if (resolved === undefined) return undefined;
  const { columns, secret } = resolved;
  const uniques = node.uniques.filter(unique => unique.fields.every(name => columns.has(name)));
  // The host did not hide the key itself, so the start does not fail.
  if (uniques.length === 0 && node.uniques.some(unique => unique.fields.every(name => columns.has(name) || secret.includes(name)))) {
    operations.delete('findUnique');
  }
  return {
    node,
    description: description ?? node.model.documentation,
    operations,
    style: ownStyle ?? style,
    readable: [...operations].some(isRead),
    columns,
    secret,
    policy,
    forced,
    orderBy: orderBy ?? [],
    take,
    maxWrites,
    confirm,
    scopes,
    idempotent,
    task,
    cache,
    uniques,
    selection: { columns: [], relations: [], counts: [], select: {}, filtered: false },
    filterable: new Map(),
    prompts: [],
    search: undefined,
    insensitive: insensitiveProviders.has(graph.provider),
    provider: graph.provider,
  };
}

/** Throws at an option that narrows access and is `undefined`: an expression in the host's code went wrong. */
function assertKept(
  declared: ExposureLike,
  option: 'where' | 'select' | 'omit' | 'data' | 'maxWrites' | 'confirm' | 'scopes',
  path: string,
): void {
  if (Object.hasOwn(declared, option) && declared[option] === undefined) {
    throw new TypeError(`${path}.${option}: is undefined; leave the key out`);
  }
}

function resolveTake(declared: unknown, path: string): number {
  const take = declared ?? defaultTake;
  assertTake(take, path);
  return take;
}

function resolveMaxWrites(declared: unknown, path: string): number {
  const max = declared ?? defaultMaxWrites;
  if (max !== Number.POSITIVE_INFINITY) assertTake(max, path);
  return max;
}

/** @throws {TypeError} at an operation that the model does not have, or that writes nothing: a typo must not do without the user. */
function resolveWrites(declared: unknown, operations: ReadonlySet<Operation>, path: string, purpose: 'confirm' | 'repeat'): Set<Operation> {
  const writes = [...operations].filter(operation => !isRead(operation));
  const hint = writes.length === 0 ? 'operations has no write' : `the writes in operations are ${list(writes)}`;
  return pickOperations(declared, writes, path, { purpose, hint });
}

/** @throws {TypeError} at an operation that the model does not have, and for a model whose operations have no tools of their own. */
function resolveTask(declared: unknown, operations: ReadonlySet<Operation>, path: string, style: Style): Set<Operation> {
  if (declared !== undefined && style === 'compact')
    throw new TypeError(`${path}: the generic tools of style 'compact' do not run as tasks; set style: 'tools', or leave it out`);
  return pickOperations(declared, [...operations], path, { purpose: 'run as a task', hint: `the operations are ${list(operations)}` });
}

/** The declared operations, of those that there are. @throws {TypeError} at any other, with the hint. */
function pickOperations(
  declared: unknown,
  operations: readonly Operation[],
  path: string,
  { purpose, hint }: { purpose: string; hint: string },
): Set<Operation> {
  if (declared === undefined) return new Set();
  if (!Array.isArray(declared)) throw new TypeError(`${path}: expected an array of ${list(operations) || 'operations that write'}`);
  return new Set(
    declared.map(name => {
      const operation = operations.find(known => known === name);
      if (operation !== undefined) return operation;
      throw new TypeError(`${path}: there is no \`${String(name)}\` to ${purpose}; ${hint}`);
    }),
  );
}

function resolveCache(declared: unknown, path: string): CacheHints | undefined {
  if (declared === undefined) return undefined;
  assertCacheHints(path, declared);
  return declared;
}

/** @throws {TypeError} if resources that depend on the caller are said to be public. */
function assertShared({ cache, policy, scopes, selection }: Exposure, path: string): void {
  if (cache?.cacheScope !== 'public') return;
  const why =
    policy !== undefined
      ? 'has a row policy'
      : selection.filtered
        ? 'includes or counts rows that have a row policy'
        : scopes.has('findMany') || scopes.has('findUnique')
          ? 'needs scopes'
          : undefined;
  if (why !== undefined) throw new TypeError(`${path}.cache: cannot be public, since the model ${why}; leave out cacheScope`);
}

function resolveDescription(declared: unknown, path: string): string | undefined {
  if (declared !== undefined && typeof declared !== 'string') throw new TypeError(`${path}: expected a string`);
  return declared;
}

function resolveOperations(declared: unknown, path: string): Set<Operation> {
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

function resolveStyle(declared: unknown, path: string): Style | undefined {
  if (declared === undefined) return undefined;
  const style = styles.find(known => known === declared);
  if (style === undefined) throw new TypeError(`${path}: expected ${styles.map(known => `'${known}'`).join(' or ')}`);
  return style;
}

function resolvePolicy(declared: unknown, node: ModelNode, path: string): PerCall | undefined {
  if (declared === undefined || isCallback(declared)) return declared;
  return resolveWhere(declared, node, path);
}

function resolveForced(declared: unknown, node: ModelNode, graph: ModelGraph, path: string): PerCall | undefined {
  if (declared === undefined || isCallback(declared)) return declared;
  assertForced(declared, node, graph, path);
  return declared;
}

function isCallback(value: unknown): value is (ctx: CallContext, operation: string) => unknown {
  return typeof value === 'function';
}

/** Relations that callers may filter by. */
function resolveFilterable(exposure: Exposure): Map<string, Relation> {
  return new Map([...exposure.node.relations].filter(([, relation]) => whyNotFilterable(exposure, relation) === undefined));
}

/** @throws {TypeError} if an operation needs a column that is hidden. */
function assertWritable(exposure: Exposure, path: string): void {
  const { node, operations, columns, forced, uniques } = exposure;
  const { missing = [] } = node.model;
  for (const operation of operations) {
    if (!writesOf(operation).some(write => missing.includes(write))) continue;
    const reason = missing.length > 1 ? 'a view' : 'a model with a required column of an unsupported type';
    throw new TypeError(`${path}: Prisma has no ${operation} for ${node.name}, ${reason}; list operations without it`);
  }
  for (const operation of operations) {
    if (operationRows[operation].keyed === true && uniques.length === 0) {
      throw new TypeError(
        `${path}: ${operation} needs a unique key whose columns are all visible; show one, or list operations without it`,
      );
    }
  }
  const updating = [...operations].find(operation => operation === 'update' || operation === 'updateMany');
  if (updating !== undefined && forced === undefined && writableColumns(exposure, 'update').size === 0) {
    throw new TypeError(`${path}: ${updating} has no visible column to write; show one, or list operations without it`);
  }
  const creating = [...operations].find(operation => writesOf(operation).includes('create'));
  if (creating === undefined || typeof forced === 'function') return;
  for (const field of node.fields.values()) {
    if (field.kind === 'object' || field.isList || !field.isRequired || field.hasDefaultValue || field.isUpdatedAt) continue;
    if (columns.has(field.name) || (forced !== undefined && Object.hasOwn(forced, field.name))) continue;
    throw new TypeError(
      `${path}: ${creating} needs ${field.name}, which is hidden; show it, force it in data, or list operations without ${creating}`,
    );
  }
}

/** Collects the errors of a declaration, so that one start reports all of them. */
interface Complaints {
  /** The result of `check`; `undefined` if it threw a `TypeError`, which is kept. */
  readonly gather: <T>(check: () => T) => T | undefined;
  /** @throws {TypeError} with all errors that were kept, one a line. */
  readonly assertNone: () => void;
}

/** An empty list of complaints. */
function complaints(): Complaints {
  const errors: TypeError[] = [];
  return {
    gather: check => {
      try {
        return check();
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        errors.push(error);
        return undefined;
      }
    },
    assertNone: () => {
      const [first] = errors;
      if (first === undefined) return;
      throw errors.length === 1 ? first : new TypeError(errors.map(({ message }) => message).join('\n'), { cause: first });
    },
  };
}

/**
 * Why callers cannot filter by a relation; `undefined` if they can.
 *
 * They can if its model is exposed for reading, and the rows already show which row they are related to: by a visible foreign key, or by
 * including the related row with its key. Where rows do not show it, a filter by the related id would reveal it. A relation between two lists
 * has no foreign key, so one side must include the other.
 */
export function whyNotFilterable(exposure: Exposure, relation: Relation): string | undefined {
  const { node, columns } = exposure;
  const { from, back, target, opposite = '' } = relation;
  if (target.exposure === undefined) return `${target.name} is not exposed`;
  if (!target.exposure.readable) return `no operation reads ${target.name}`;
  if (!letsRead(exposure, target.exposure)) return `${target.name} needs scopes that ${node.name} does not need`;
  const hiddenBack = back.filter(name => target.exposure?.columns.has(name) !== true);
  if (hiddenBack.length > 0) return `${target.name}.${list(hiddenBack)} is hidden`;
  const hidden = from.filter(name => !columns.has(name));
  if (hidden.length > 0) {
    return isShown(exposure, relation)
      ? undefined
      : `${node.name}.${list(hidden)} is hidden, and rows do not include all of ${target.name} with its key`;
  }
  if (from.length > 0 || back.length > 0) return undefined;
  const other = target.relations.get(opposite);
  if (isShown(exposure, relation) || (other !== undefined && isShown(target.exposure, other))) return undefined;
  return `neither ${node.name} nor ${target.name} includes all of the other with its key`;
}

/** Whether rows include all rows of this relation with their key. */
function isShown({ selection }: Exposure, relation: Relation): boolean {
  const included = selection.relations.find(each => each.relation === relation);
  const args = Object.hasOwn(selection.select, relation.name) ? selection.select[relation.name] : undefined;
  const isFiltered = isObject(args) && args['where'] !== undefined;
  const names = included?.selection.columns.map(column => column.name) ?? [];
  const key = relation.to.length > 0 ? relation.to : rowKey(relation.target).fields;
  return included !== undefined && !isFiltered && key.every(name => names.includes(name));
}
