import type { Random } from '../chaos/random.ts';
import type { Caller, Policy } from './policies.ts';
import { randomPolicy, stricterForWrites, writeOperations } from './policies.ts';
import type { Column, Key, Model, Relation, Schema } from './schema.ts';
import { modelOf, primaryKey } from './schema.ts';

/** One step of an order. */
export type Step = readonly [column: string, direction: 'asc' | 'desc'];

/** How one model is exposed. */
export interface Exposure {
  readonly model: Model;
  readonly operations: ReadonlySet<string>;
  readonly hidden: ReadonlySet<string>;
  readonly policy: Policy | undefined;
  /** The condition that the policy has besides on writes. */
  readonly onWrites: object | undefined;
  readonly included: readonly Included[];
  /** Lists that `_count` counts. */
  readonly counts: readonly string[];
  readonly orderBy: readonly Step[];
  readonly take: number;
  /** Rows that one call writes at most. */
  readonly maxWrites: number;
  readonly forced: Forced | undefined;
}

/** A relation that rows come with. */
export interface Included {
  readonly relation: Relation;
  /** The columns of the related rows. `undefined` means all that their exposure shows. */
  readonly columns: readonly string[] | undefined;
  readonly included: readonly Included[];
  readonly orderBy: readonly Step[] | undefined;
  readonly take: number | undefined;
}

/** Values that the host forces on create and update. */
export interface Forced {
  readonly isFunction: boolean;
  readonly values: (caller: Caller) => Readonly<Record<string, unknown>>;
}

/** The exposures by model key. */
export type Declaration = ReadonlyMap<string, Exposure>;

/** The columns that are hidden in most declarations. */
const private_: ReadonlySet<string> = new Set(['person.diary', 'doc.draft']);
/** The columns that are visible in every declaration, besides keys. */
const shown: ReadonlySet<string> = new Set(['team.name', 'tag.label', 'badge.text', 'doc.title', 'shelf.name', 'crate.text']);
/** The host's values for required columns that are hidden. */
const stand: Readonly<Record<string, (caller: Caller) => unknown>> = {
  'person.teamId': caller => caller.team,
  'person.nick': () => 'forced',
  'doc.editorId': caller => caller.person,
  'profile.personId': caller => caller.person,
  'room.name': () => 'forced',
  'seat.slot': () => 5,
  'crate.shelfId': () => 1,
};
/** Models that some declarations leave out. */
const optional: ReadonlySet<string> = new Set(['badge', 'profile', 'tag', 'room', 'crate']);

/** Operations that write many rows, or one that may not be there. */
export const bulkOperations: readonly string[] = ['createMany', 'updateMany', 'upsert', 'deleteMany'];
/** The operations that read. */
const reads: readonly string[] = ['findUnique', 'findFirst', 'findMany', 'count', 'aggregate', 'groupBy'];

/** The columns that callers see. */
export function visibleColumns({ model, hidden }: Exposure): Column[] {
  return [...model.columns.values()].filter(({ name }) => !hidden.has(name));
}

/** The columns that callers may write. */
export function writableColumns(exposure: Exposure, operation: 'create' | 'update', caller: Caller): Column[] {
  const { forced } = exposure;
  const fixed = forced === undefined || forced.isFunction ? {} : forced.values(caller);
  return visibleColumns(exposure).filter(({ name, isId }) => !Object.hasOwn(fixed, name) && !(isId && operation === 'update'));
}

/** The unique keys of visible columns, the primary key first. */
export function visibleKeys({ model, hidden }: Exposure): Key[] {
  return model.keys.filter(({ fields }) => fields.every(name => !hidden.has(name)));
}

/** The name of the prompt about a row that this key names. */
export function promptName({ model }: Exposure, key: Key): string {
  return `${model.key}_by_${key.name}`;
}

/** The text columns that the tool `search` searches: all that are visible, if the tools may read the rows. */
export function searchedColumns(exposure: Exposure): string[] {
  if (!exposure.operations.has('findMany') || !exposure.operations.has('findUnique')) return [];
  return visibleColumns(exposure).flatMap(({ name, type, list }) => (type === 'String' && !list ? [name] : []));
}

/** Whether the title of a row comes from the host's function `titleOf`, rather than from its first searched column. */
export function usesTitleFunction({ key }: Model): boolean {
  return key === 'doc' || key === 'badge' || key === 'seat';
}

/** What the host's functions say about a row: everything that they were given of it. */
export function titleOf(row: object): string {
  return Object.keys(row).toSorted().join();
}

/** Whether rows can be ordered by a column. */
export function isSortable({ list, type }: Column): boolean {
  return !list && type !== 'Bytes' && type !== 'Json';
}

/**
 * Whether callers may filter by a relation, as the README says: the related model is exposed for reading, and rows show which rows they are related to,
 * by a visible foreign key or by including them with their key.
 */
export function isFilterable(declaration: Declaration, { model }: Exposure, relation: Relation): boolean {
  const target = declaration.get(relation.target);
  const own = declaration.get(model.key);
  if (own === undefined || target === undefined || !reads.some(name => target.operations.has(name))) return false;
  const { from, back } = relation;
  if (from.length > 0) return from.every(name => !own.hidden.has(name)) || showsRelated(declaration, own, relation);
  if (back.length > 0) return back.every(name => !target.hidden.has(name));
  const opposite = target.model.relations.get(relation.opposite);
  return showsRelated(declaration, own, relation) || (opposite !== undefined && showsRelated(declaration, target, opposite));
}

function showsRelated(declaration: Declaration, exposure: Exposure, relation: Relation): boolean {
  const found = exposure.included.find(each => each.relation === relation);
  const target = declaration.get(relation.target);
  if (found === undefined || target === undefined) return false;
  const key = relation.to.length > 0 ? relation.to : primaryKey(target.model).fields;
  return key.every(name => includedColumns(declaration, found).includes(name));
}

/** The columns of an included row. */
export function includedColumns(declaration: Declaration, { columns, relation }: Included): readonly string[] {
  const target = declaration.get(relation.target);
  return columns ?? (target === undefined ? [] : visibleColumns(target).map(({ name }) => name));
}

/** A random declaration of all models. */
export function randomDeclaration(schema: Schema, random: Random): Declaration {
  const exposures = new Map<string, Exposure>();
  for (const model of schema.values()) {
    if (model.key === 'vault' || (optional.has(model.key) && random.chance(0.08))) continue;
    exposures.set(model.key, randomExposure(schema, model, random));
  }
  for (const exposure of exposures.values()) {
    const included = randomIncluded(exposures, schema, exposure.model, 0, random);
    const lists = [...exposure.model.relations.values()].filter(({ many }) => many);
    const counts = lists.filter(() => random.chance(0.2)).map(({ name }) => name);
    exposures.set(exposure.model.key, { ...exposure, included, counts });
  }
  return exposures;
}

/** The declaration as the option `models` of `mcp()`. */
export function modelsOption(declaration: Declaration, callerOf: (ctx: unknown) => Caller): Record<string, object> {
  return Object.fromEntries([...declaration].map(([key, exposure]) => [key, toOption(exposure, callerOf)]));
}

function randomExposure(schema: Schema, model: Model, random: Random): Exposure {
  const hidden = new Set([...model.columns.values()].filter(column => isHidden(model, column, random)).map(({ name }) => name));
  const sortable = [...model.columns.values()].filter(column => isSortable(column) && !hidden.has(column.name));
  const policy = randomPolicy(model.key, random);
  const stricter = policy !== undefined && random.chance(0.2) ? stricterForWrites(schema, model.key, policy) : undefined;
  const operations = new Set([...reads, 'create', 'update', 'delete', ...bulkOperations].filter(() => !random.chance(0.06)));
  if (operations.size === 0) operations.add('findMany');
  const exposure: Exposure = {
    model,
    operations,
    hidden,
    policy: stricter?.declared ?? policy,
    onWrites: stricter?.onWrites,
    included: [],
    counts: [],
    orderBy: random.chance(0.4) ? [[random.pick(sortable).name, random.pick(['asc', 'desc'])]] : [],
    take: random.pick([2, 3, 5, 25]),
    maxWrites: random.pick([2, 5, 100]),
    forced: randomForced(model, hidden, random),
  };
  if (writableColumns(exposure, 'update', { index: 0, team: 1, person: 1, level: 1 }).length === 0) {
    for (const name of ['update', 'updateMany', 'upsert']) operations.delete(name);
  }
  return exposure;
}

function isHidden(model: Model, { name }: Column, random: Random): boolean {
  const path = `${model.key}.${name}`;
  if (model.keys[0]?.fields.includes(name) || shown.has(path)) return false;
  return random.chance(private_.has(path) ? 0.9 : 0.12);
}

function randomForced(model: Model, hidden: ReadonlySet<string>, random: Random): Forced | undefined {
  const makers: [name: string, value: (caller: Caller) => unknown][] = [];
  for (const { name, initial } of model.columns.values()) {
    const maker = stand[`${model.key}.${name}`];
    if (hidden.has(name) && initial === undefined && maker !== undefined) makers.push([name, maker]);
  }
  if (model.columns.has('mood') && random.chance(0.2)) makers.push(['mood', () => 'CALM']);
  if (model.columns.has('rank') && random.chance(0.15)) makers.push(['rank', caller => caller.level]);
  if (makers.length === 0) return undefined;
  const values = (caller: Caller) => Object.fromEntries(makers.map(([name, maker]) => [name, maker(caller)]));
  // A maker that looks at its caller cannot be declared as a value.
  return { isFunction: makers.some(([, maker]) => maker.length > 0) || random.chance(0.3), values };
}

function randomIncluded(declaration: Declaration, schema: Schema, model: Model, depth: number, random: Random): Included[] {
  const included: Included[] = [];
  for (const relation of model.relations.values()) {
    const target = declaration.get(relation.target);
    if (!random.chance(depth === 0 ? 0.3 : 0.12)) continue;
    if (target === undefined) {
      // Rows of a model that is not exposed come with the columns that the host names, whoever they belong to.
      const columns = [...modelOf(schema, relation.target).columns.keys()].slice(0, 2);
      if (depth === 0) included.push({ relation, columns, included: [], orderBy: undefined, take: relation.many ? 3 : undefined });
      continue;
    }
    const visible = visibleColumns(target).map(({ name }) => name);
    const some = visible.filter(() => random.chance(0.5));
    const sortable = visibleColumns(target).filter(isSortable);
    included.push({
      relation,
      columns: random.chance(0.5) || some.length === 0 ? undefined : some,
      included: depth < 2 ? randomIncluded(declaration, schema, target.model, depth + 1, random) : [],
      orderBy: relation.many && random.chance(0.3) ? [[random.pick(sortable).name, random.pick(['asc', 'desc'])]] : undefined,
      take: relation.many && random.chance(0.5) ? random.pick([1, 2, 4]) : undefined,
    });
  }
  return included;
}

function toOption(exposure: Exposure, callerOf: (ctx: unknown) => Caller): object {
  const { operations, hidden, policy, onWrites, included, counts, orderBy, take, maxWrites, forced, model } = exposure;
  const include: Record<string, unknown> = includeOption(included);
  if (counts.length > 0) include['_count'] = { select: Object.fromEntries(counts.map(name => [name, true])) };
  const any: Caller = { index: 0, team: 1, person: 1, level: 1 };
  return {
    operations: [...operations],
    idempotent: [...operations].filter(operation => !reads.includes(operation)),
    ...(hidden.size > 0 || model.key === 'person' ? { omit: Object.fromEntries([...hidden].map(name => [name, true])) } : {}),
    ...(policy && { where: policyOption(policy, onWrites, callerOf) }),
    include,
    ...(orderBy.length > 0 && { orderBy: orderOption(orderBy) }),
    take,
    maxWrites,
    ...(operations.has('findUnique') && { prompts: promptsOption(exposure) }),
    ...(searchedColumns(exposure).length > 0 && {
      search: { columns: searchedColumns(exposure), ...(usesTitleFunction(model) && { title: titleOf }) },
    }),
    ...(forced && { data: forced.isFunction ? (ctx: unknown) => forced.values(callerOf(ctx)) : forced.values(any) }),
  };
}

function promptsOption(exposure: Exposure): object {
  const prompts = visibleKeys(exposure).map(({ name }) => [`by_${name}`, { description: 'Under test', key: name, message: titleOf }]);
  return Object.fromEntries(prompts);
}

function policyOption({ form, where }: Policy, onWrites: object | undefined, callerOf: (ctx: unknown) => Caller): unknown {
  const of = (ctx: unknown, operation: string): object => {
    const policy = where(callerOf(ctx));
    return onWrites !== undefined && writeOperations.includes(operation) ? { AND: [policy, onWrites] } : policy;
  };
  if (form === 'async') return async (ctx: unknown, operation: string) => Promise.resolve(of(ctx, operation));
  return form === 'function' ? of : where({ index: 0, team: 1, person: 1, level: 1 });
}

function includeOption(included: readonly Included[]): Record<string, unknown> {
  return Object.fromEntries(
    included.map(({ relation, columns, included: nested, orderBy, take }) => {
      const option = {
        ...(columns && { select: Object.fromEntries(columns.map(name => [name, true])) }),
        ...(nested.length > 0 && { include: includeOption(nested) }),
        ...(orderBy && { orderBy: orderOption(orderBy) }),
        ...(take !== undefined && { take }),
      };
      return [relation.name, Object.keys(option).length === 0 ? true : option];
    }),
  );
}

function orderOption(steps: readonly Step[]): object[] {
  return steps.map(([name, direction]) => ({ [name]: direction }));
}
