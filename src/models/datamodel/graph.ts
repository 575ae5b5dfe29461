import type { CacheHints, CallContext } from '../../protocol/definitions.ts';
import type { Style } from '../declaration/declaration.ts';
import type { Args } from '../declaration/delegates.ts';
import type { Operation } from '../declaration/operations.ts';
import type { ModelPrompt, ModelSearch } from '../declaration/row-options.ts';
import type { Datamodel, DatamodelField, DatamodelModel } from './datamodel.ts';
import type { ScalarType } from './scalars.ts';

/** A model of the datamodel with its relations resolved, and its exposure if it has one. */
export interface ModelNode {
  /** The client's property, e.g. `booking`. */
  readonly key: string;
  /** The model's name, e.g. `Booking`. */
  readonly name: string;
  readonly model: DatamodelModel;
  readonly fields: ReadonlyMap<string, DatamodelField>;
  readonly relations: ReadonlyMap<string, Relation>;
  /** Unique keys, the primary key first; only those whose columns are all required. */
  readonly uniques: readonly UniqueKey[];
  /** Set once the declarations are resolved; `undefined` if the model is not exposed. */
  exposure: Exposure | undefined;
}

/** A relation, seen from one of its sides. */
export interface Relation {
  readonly name: string;
  readonly source: ModelNode;
  readonly target: ModelNode;
  readonly toMany: boolean;
  /** A to-one relation whose foreign key may not be null. */
  readonly required: boolean;
  /** Foreign key columns on this side; empty on the other side. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** Foreign key columns on the other side; empty if this side has them, and between two lists. */
  readonly back: readonly string[];
  /** The name of the relation on the other side. */
  readonly opposite: string | undefined;
  readonly documentation: string | undefined;
}

/** One way to name a single row: `id`, or a compound such as `clientId_roomId`. */
export interface UniqueKey {
  readonly name: string;
  readonly fields: readonly string[];
  readonly compound: boolean;
}

/** A column that has a JSON form. */
export interface Column {
  readonly name: string;
  readonly type: ScalarType;
  readonly field: DatamodelField;
  readonly nullable: boolean;
  readonly list: boolean;
}

/** Columns by name, in the order of the schema. */
export type Columns = ReadonlyMap<string, Column>;

/** An entry of `models`, checked and resolved against the datamodel. */
export interface Exposure {
  readonly node: ModelNode;
  readonly description: string | undefined;
  readonly operations: ReadonlySet<Operation>;
  /** Whether the model has tools of its own or is reached through the generic tools. */
  readonly style: Style;
  /** Whether any operation reads rows. If none does, callers cannot filter by relations to this model. */
  readonly readable: boolean;
  /** The visible columns. */
  readonly columns: Columns;
  /** Columns hidden only because they look like secrets. */
  readonly secret: readonly string[];
  readonly policy: PerCall | undefined;
  /** Values forced on create and update. */
  readonly forced: PerCall | undefined;
  readonly orderBy: readonly OrderStep[];
  /** Rows of one answer, by default and at most. */
  readonly take: number;
  /** Rows that one call writes at most. May be `Infinity`. */
  readonly maxWrites: number;
  /** Writes that the user must confirm. */
  readonly confirm: ReadonlySet<Operation>;
  /** The scopes that an operation needs. One that needs none has no entry. */
  readonly scopes: ReadonlyMap<Operation, readonly string[]>;
  /** Writes that take an idempotency key. */
  readonly idempotent: ReadonlySet<Operation>;
  /** Operations whose calls may run as tasks. */
  readonly task: ReadonlySet<Operation>;
  /** Unique keys of visible columns only, the primary key first. */
  readonly uniques: readonly UniqueKey[];
  /** The columns and relations of a full row. Set once all exposures are known. */
  selection: Selection;
  /** Relations that callers may filter by. Set once all exposures are known. */
  filterable: ReadonlyMap<string, Relation>;
  /** How long clients may keep its resources. */
  readonly cache: CacheHints | undefined;
  /** Prompts about one row. Set once the columns are known. */
  prompts: readonly ExposedPrompt[];
  /** How the tools `search` and `fetch` show rows; `undefined` if they do not. Set once the columns are known. */
  search: ExposedSearch | undefined;
  /** Whether filters of text have `mode: 'insensitive'`. */
  readonly insensitive: boolean;
  /** The kind of database, as in the datamodel. */
  readonly provider: string | undefined;
}

/** A prompt of a model, checked. */
export interface ExposedPrompt {
  /** `<model key>_<name>` */
  readonly name: string;
  /** The columns of this key are its arguments. */
  readonly key: UniqueKey;
  readonly declared: ModelPrompt;
}

/** The option `search` of a model, checked. */
export interface ExposedSearch extends Omit<ModelSearch, 'columns' | 'fullText'> {
  readonly columns: readonly Column[];
  /** How the database looks for a query; `undefined`: row by row, for parts of words. */
  readonly fullText: FullText | undefined;
}

/** The databases for which Prisma has full-text search. The syntax of a query differs between them. */
export type FullText = 'postgresql' | 'mysql';

/** A value of the declaration, or a function that gives it for one call. */
export type PerCall = Args | ((ctx: CallContext, operation: string) => unknown);

/** One step of an `orderBy`, as Prisma takes it. */
export type OrderStep = Readonly<Record<string, unknown>>;

/** The columns and relations of a row in a result, with the Prisma `select` that fetches them. */
export interface Selection {
  readonly columns: readonly Column[];
  readonly relations: readonly IncludedRelation[];
  /** Counted relations, under `_count`. */
  readonly counts: readonly string[];
  readonly select: Args;
  /** Whether a row policy may apply to a relation in `select`. Then each call adds its policies to it. */
  readonly filtered: boolean;
}

/** A relation that rows include. */
export interface IncludedRelation {
  readonly relation: Relation;
  readonly selection: Selection;
  /** Rows of a list at most; `undefined` for a relation to one row. */
  readonly take: number | undefined;
  /** Whether a relation to one row may be null: it is optional, or a policy may hide the row. */
  readonly nullable: boolean;
}

/** All models of a datamodel. */
export interface ModelGraph {
  readonly byKey: ReadonlyMap<string, ModelNode>;
  readonly byName: ReadonlyMap<string, ModelNode>;
  readonly enums: Datamodel['enums'];
  /** E.g. `postgresql`; `undefined` where the datamodel does not say. */
  readonly provider: string | undefined;
  /** The full-text search of the client; `undefined` if it has none. */
  readonly fullText: FullText | undefined;
}

/** Resolves the names of a datamodel into a graph of models. */
export function modelGraph(datamodel: Datamodel): ModelGraph {
  const byKey = new Map<string, ModelNode>();
  const byName = new Map<string, ModelNode>();
  const links = new Map<ModelNode, Map<string, Relation>>();
  for (const model of Object.values(datamodel.models)) {
    const fields = new Map(model.fields.map(field => [field.name, field]));
    const relations = new Map<string, Relation>();
    const node: ModelNode = {
      key: model.key,
      name: model.name,
      model,
      fields,
      relations,
      uniques: uniqueKeys(model, fields),
      exposure: undefined,
    };
    byKey.set(model.key, node);
    byName.set(model.name, node);
    links.set(node, relations);
  }
  for (const [node, relations] of links) linkRelations(node, relations, byName);
  const { enums, provider, fullText } = datamodel;
  return { byKey, byName, enums, provider, fullText: fullText === true ? (provider === 'mysql' ? 'mysql' : 'postgresql') : undefined };
}

/** The `where` that names the row with these key values: `{ id: 1 }`, `{ clientId_roomId: { clientId: 1, roomId: 2 } }`. */
export function uniqueWhere(key: UniqueKey, row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const values = columnsWhere(key.fields, row);
  return key.compound ? { [key.name]: values } : values;
}

/** The plain `where` of these columns, for operations that take no unique `where`. */
export function columnsWhere(fields: readonly string[], row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const where: Record<string, unknown> = {};
  for (const field of fields) where[field] = row[field];
  return where;
}

/** The plain `where` of the rows that have these values in these columns: `{ id: { in: [1, 2] } }`, `{ OR: [{ a: 1, b: 2 }] }`. */
export function rowsWhere(fields: readonly string[], rows: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  const [field] = fields;
  if (fields.length === 1 && field !== undefined) return { [field]: { in: rows.map(row => row[field]) } };
  return { OR: rows.map(row => columnsWhere(fields, row)) };
}

/** `{ a: true, b: true }` */
export function selectOf(names: Iterable<string>): Record<string, true> {
  const select: Record<string, true> = {};
  for (const name of names) select[name] = true;
  return select;
}

/** The key by which this package tells rows apart: the primary key, or else the first unique key. */
export function rowKey(node: ModelNode): UniqueKey {
  const key = node.uniques[0];
  if (key === undefined) throw new TypeError(`datamodel: ${node.name} has no unique key without nullable columns`);
  return key;
}

/**
 * A condition that no row meets. `OR: []` would not do: Prisma drops it inside an AND, and then every row matches.
 */
export function noRow(node: ModelNode): Record<string, unknown> {
  const { name, fields } = rowKey(node);
  const [field = name] = fields;
  return { [field]: { in: [] } };
}

/** Whether this model has a row policy. */
export function hasPolicy(node: ModelNode): boolean {
  return node.exposure?.policy !== undefined;
}

function uniqueKeys(model: DatamodelModel, fields: ReadonlyMap<string, DatamodelField>): UniqueKey[] {
  const keys: UniqueKey[] = [];
  const add = (name: string, names: readonly string[]): void => {
    const usable = names.length > 0 && names.every(field => fields.get(field)?.isRequired === true);
    if (usable && !keys.some(key => key.name === name)) keys.push({ name, fields: names, compound: names.length > 1 });
  };
  add(model.primaryKeyName ?? model.primaryKey.join('_'), model.primaryKey);
  for (const unique of model.uniques) add(unique.name, unique.fields);
  return keys;
}

function linkRelations(node: ModelNode, relations: Map<string, Relation>, byName: ReadonlyMap<string, ModelNode>): void {
  for (const field of node.fields.values()) {
    if (field.kind !== 'object') continue;
    const target = byName.get(field.type);
    if (target === undefined) continue;
    const opposite = oppositeOf(field, node, target);
    relations.set(field.name, {
      name: field.name,
      source: node,
      target,
      toMany: field.isList,
      required: !field.isList && field.isRequired,
      from: field.relationFromFields ?? [],
      to: field.relationToFields ?? [],
      back: opposite?.relationFromFields ?? [],
      opposite: opposite?.name,
      documentation: field.documentation,
    });
  }
}

/** The field on the other side of a relation. It is in the same model where a model relates to itself. */
function oppositeOf(field: DatamodelField, node: ModelNode, target: ModelNode): DatamodelField | undefined {
  return target.model.fields.find(
    other => other.relationName === field.relationName && other.type === node.name && !(node === target && other.name === field.name),
  );
}
