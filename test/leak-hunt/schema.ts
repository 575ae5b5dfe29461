import type { Datamodel, DatamodelField, DatamodelModel } from '../../src/models/datamodel/datamodel.ts';

/** A model as the hunt sees it: its columns, relations and keys. */
export interface Model {
  /** The client's property, e.g. `person`. */
  readonly key: string;
  /** The table, e.g. `Person`. */
  readonly name: string;
  readonly columns: ReadonlyMap<string, Column>;
  readonly relations: ReadonlyMap<string, Relation>;
  /** The unique keys without nullable columns, the primary key first. */
  readonly keys: readonly Key[];
  /** The column sets of all unique constraints. */
  readonly uniques: readonly (readonly string[])[];
}

/** A column. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** The values of an enum. */
  readonly values: readonly string[];
  readonly nullable: boolean;
  readonly list: boolean;
  /** The value of a row that is created without one. `undefined` if the column must be given. */
  readonly initial: unknown;
  readonly isId: boolean;
}

/** Prisma's scalar types, and `Enum`. */
export type ColumnType = 'String' | 'Int' | 'BigInt' | 'Float' | 'Decimal' | 'Boolean' | 'DateTime' | 'Bytes' | 'Enum' | 'Json';

/** A relation, seen from one of its sides. */
export interface Relation {
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly many: boolean;
  readonly required: boolean;
  /** The foreign key on this side, and the columns that it names. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** The foreign key on the other side, and the columns that it names. */
  readonly back: readonly string[];
  readonly backTo: readonly string[];
  readonly opposite: string;
  /** The table of an implicit many-to-many relation, and the column of this side. */
  readonly join: { readonly table: string; readonly side: 0 | 1 } | undefined;
}

/** A unique key as a unique `where` names it. */
export interface Key {
  readonly name: string;
  readonly fields: readonly string[];
}

/** All models by their client property. */
export type Schema = ReadonlyMap<string, Model>;

/** What the database does with a row whose referenced row is deleted, by `<model key>.<relation>`. As in `schema.prisma`. */
export const onDelete: Readonly<Record<string, 'cascade' | 'null' | 'refuse'>> = {
  'team.parent': 'refuse',
  'person.team': 'refuse',
  'person.boss': 'refuse',
  'doc.author': 'null',
  'doc.editor': 'refuse',
  'badge.person': 'null',
  'profile.person': 'cascade',
  'room.team': 'null',
  'seat.person': 'cascade',
  'seat.room': 'refuse',
  'vault.person': 'null',
  'crate.shelf': 'refuse',
};

/** Reads the models of the hunt. The models of MCP itself are left out. */
export function schemaOf({ models, enums }: Datamodel): Schema {
  const own = Object.values(models).filter(({ name }) => !name.startsWith('Mcp'));
  return new Map(own.map(model => [model.key, toModel(model, models, enums)]));
}

/** The model with this key. */
export function modelOf(schema: Schema, key: string): Model {
  const model = schema.get(key);
  if (model === undefined) throw new Error(`the hunt has no model ${key}`);
  return model;
}

/** The first unique key of a model. */
export function primaryKey({ keys, name }: Model): Key {
  const [first] = keys;
  if (first === undefined) throw new Error(`${name} has no key`);
  return first;
}

function toModel(model: DatamodelModel, models: Datamodel['models'], enums: Datamodel['enums']): Model {
  const { fields, primaryKey: primary, primaryKeyName = primary.join('_'), uniques } = model;
  const isRequired = (names: readonly string[]) => names.every(name => fields.find(field => field.name === name)?.isRequired);
  return {
    key: model.key,
    name: model.name,
    columns: new Map(fields.filter(({ kind }) => kind !== 'object').map(field => [field.name, toColumn(field, enums)])),
    relations: new Map(fields.filter(({ kind }) => kind === 'object').map(field => [field.name, toRelation(field, model, models)])),
    keys: [{ name: primaryKeyName, fields: primary }, ...uniques].filter(key => isRequired(key.fields)),
    uniques: [primary, ...uniques.map(unique => unique.fields)],
  };
}

function toColumn({ name, kind, type, isRequired, isList, isId, hasDefaultValue }: DatamodelField, enums: Datamodel['enums']): Column {
  const nullable = !isRequired && !isList;
  return {
    name,
    type: kind === 'enum' ? 'Enum' : (type as ColumnType),
    values: kind === 'enum' ? (enums[type]?.values ?? []) : [],
    nullable,
    list: isList,
    // The only default of the schema is that of `Person.diary`.
    initial: hasDefaultValue ? 'none' : nullable || isList ? null : undefined,
    isId,
  };
}

function toRelation(field: DatamodelField, { key, name }: DatamodelModel, models: Datamodel['models']): Relation {
  const target = models[field.type];
  const other = target?.fields.find(
    each => each.relationName === field.relationName && !(target.name === name && each.name === field.name),
  );
  if (target === undefined || other === undefined) throw new Error(`${name}.${field.name} has no other side`);
  const from = field.relationFromFields ?? [];
  const back = other.relationFromFields ?? [];
  return {
    name: field.name,
    source: key,
    target: target.key,
    many: field.isList,
    required: field.isRequired && !field.isList,
    from,
    to: field.relationToFields ?? [],
    back,
    backTo: other.relationToFields ?? [],
    opposite: other.name,
    join: from.length + back.length > 0 ? undefined : { table: `_${field.relationName}`, side: name < target.name ? 0 : 1 },
  };
}
