import type { DMMF } from '@prisma/generator-helper';

/**
 * What `generator mcp` writes and `mcp({ datamodel })` takes: the part of Prisma's DMMF that exposures need.
 * Prisma 7's client no longer holds required, unique, default, enum values or `///` comments at run time.
 */
export interface Datamodel {
  /** The datasource's provider, e.g. `postgresql`. It decides which filters exist. Absent in datamodels written by hand. */
  readonly provider?: string;
  /** Whether the client has Prisma's full-text search. Absent if it has none. */
  readonly fullText?: boolean;
  /** By model name as in the schema, e.g. `Booking`. */
  readonly models: Readonly<Record<string, DatamodelModel>>;
  /** By enum name. */
  readonly enums: Readonly<Record<string, DatamodelEnum>>;
}

/** Whether a datasource is PostgreSQL, by either of the names that Prisma takes for it. */
export function isPostgres(provider: string | undefined): boolean {
  return provider === 'postgresql' || provider === 'postgres';
}

/** A model of the schema. */
export interface DatamodelModel {
  readonly name: string;
  /** The client's property: `Booking` → `booking`. */
  readonly key: string;
  /** The `///` comment, without the annotations of other generators. */
  readonly documentation?: string;
  readonly fields: readonly DatamodelField[];
  /** Field names of `@id` or `@@id`; empty if the model has neither (then it has a unique). */
  readonly primaryKey: readonly string[];
  /** Name of the compound key in a unique `where`, e.g. `clientId_roomId`; absent for a single field. */
  readonly primaryKeyName?: string;
  /** Single and compound uniques besides the primary key; `name` as in a unique `where`. */
  readonly uniques: readonly { readonly name: string; readonly fields: readonly string[] }[];
  /**
   * The field names of each `@@index` that finds rows by a value (a B-tree or a hash). Ids and uniques have indexes too and are not repeated.
   * Absent in datamodels of older versions and in those written by hand.
   */
  readonly indexes?: readonly (readonly string[])[];
  /** Writes that Prisma does not have for it: all of a view's, and `create` where a required column has an unsupported type. Absent if it has all. */
  readonly missing?: readonly Write[];
}

/** An operation that changes rows. */
export type Write = (typeof writes)[number];

const writes = ['create', 'update', 'delete'] as const;

/** A field of a model: a column or a relation. */
export interface DatamodelField {
  readonly name: string;
  readonly kind: 'scalar' | 'enum' | 'object' | 'unsupported';
  /** Scalar type (`String`, `Int`, `BigInt`, `Float`, `Decimal`, `Boolean`, `DateTime`, `Json`, `Bytes`), enum name, or model name. */
  readonly type: string;
  /** As in the schema after `@db.`, e.g. `VarChar(4)`; absent where the schema does not say. */
  readonly nativeType?: string;
  readonly isList: boolean;
  readonly isRequired: boolean;
  readonly hasDefaultValue: boolean;
  /** Part of the primary key, alone or in a compound one. */
  readonly isId: boolean;
  readonly isUnique: boolean;
  /** `@updatedAt` */
  readonly isUpdatedAt: boolean;
  /** A relation's foreign key column. */
  readonly isReadOnly: boolean;
  readonly documentation?: string;
  /** Only on relation fields (`kind: 'object'`). */
  readonly relationName?: string;
  /** The foreign key columns on this side; empty on the other side. */
  readonly relationFromFields?: readonly string[];
  readonly relationToFields?: readonly string[];
}

/** An enum of the schema. */
export interface DatamodelEnum {
  readonly name: string;
  readonly values: readonly string[];
  readonly documentation?: string;
}

/**
 * Reduces Prisma's DMMF to a `Datamodel`: 40 models take about 60 kB instead of several megabytes.
 *
 * @param source The datasource's provider, and whether the client has full-text search, where they are known.
 */
export function toDatamodel(dmmf: DMMF.Document, source: Pick<Datamodel, 'provider' | 'fullText'> = {}): Datamodel {
  const { models, enums, indexes } = dmmf.datamodel;
  const mappings = new Map(dmmf.mappings.modelOperations.map(mapping => [mapping.model, mapping]));
  return {
    ...source,
    models: Object.fromEntries(models.map(model => [model.name, toModel(model, mappings.get(model.name), indexes)])),
    enums: Object.fromEntries(enums.map(entry => [entry.name, toEnum(entry)])),
  };
}

/** Kinds of index that find the rows with a given value. Others, such as GIN, serve other questions. */
const lookUpAlgorithms: ReadonlySet<string> = new Set(['BTree', 'Hash']);

function toModel(model: DMMF.Model, mapping: DMMF.ModelMapping | undefined, indexes: readonly DMMF.Index[]): DatamodelModel {
  // `createOne` in practice, `create` by its type.
  const names = new Set(Object.keys(mapping ?? {}));
  const missing = mapping === undefined ? [] : writes.filter(write => !names.has(write) && !names.has(`${write}One`));
  const primaryKey = model.primaryKey?.fields ?? model.fields.filter(field => field.isId).map(field => field.name);
  const single = model.fields.filter(field => field.isUnique).map(field => ({ name: field.name, fields: [field.name] }));
  const compound = model.uniqueIndexes.map(index => ({ name: index.name ?? index.fields.join('_'), fields: [...index.fields] }));
  return {
    name: model.name,
    key: model.name.charAt(0).toLowerCase() + model.name.slice(1),
    ...documented(model),
    fields: model.fields.map(field => toField(field, primaryKey)),
    primaryKey: [...primaryKey],
    ...(model.primaryKey && { primaryKeyName: model.primaryKey.name ?? primaryKey.join('_') }),
    uniques: [...single, ...compound],
    indexes: indexes
      .filter(index => index.model === model.name && index.type === 'normal' && lookUpAlgorithms.has(index.algorithm ?? 'BTree'))
      .map(index => index.fields.map(field => field.name)),
    ...(missing.length > 0 && { missing }),
  };
}

function toField(field: DMMF.Field, primaryKey: readonly string[]): DatamodelField {
  return {
    name: field.name,
    kind: field.kind,
    type: field.type,
    ...(field.nativeType && { nativeType: toNativeType(field.nativeType) }),
    isList: field.isList,
    isRequired: field.isRequired,
    hasDefaultValue: field.hasDefaultValue,
    isId: primaryKey.includes(field.name),
    isUnique: field.isUnique,
    isUpdatedAt: field.isUpdatedAt ?? false,
    isReadOnly: field.isReadOnly,
    ...documented(field),
    ...(field.relationName !== undefined && {
      relationName: field.relationName,
      relationFromFields: [...(field.relationFromFields ?? [])],
      relationToFields: [...(field.relationToFields ?? [])],
    }),
  };
}

function documented({ documentation }: { documentation?: string | undefined }): { documentation?: string } {
  const text = plainDocumentation(documentation);
  return text === undefined ? {} : { documentation: text };
}

function toNativeType([name, args]: readonly [string, readonly string[]]): string {
  return args.length === 0 ? name : `${name}(${args.join(', ')})`;
}

function toEnum(entry: DMMF.DatamodelEnum): DatamodelEnum {
  return {
    name: entry.name,
    values: entry.values.map(value => value.name),
    ...documented(entry),
  };
}

/**
 * A `///` comment without the annotations of other generators. `undefined` if nothing is left.
 *
 * `The guest's name. @zod.string.min(1, { message: "(" })` → `The guest's name.`
 *
 * Removes `@name(…)` and `@name.more` with the calls chained to them, and lines that hold only `@name` or `[Name]`. `@deprecated Use x` stays.
 */
export function plainDocumentation(comment: string | undefined): string | undefined {
  const lines = withoutCalls(comment ?? '')
    .split('\n')
    .map(line => line.replace(/^\s*(?:!?\[[^\]]*\]|@\w+)(?:\s+(?:!?\[[^\]]*\]|@\w+))*\s*$/, '').trim())
    .filter((line, index, all) => line !== '' || (index > 0 && all[index - 1] !== ''));
  const text = lines.join('\n').trim();
  return text === '' ? undefined : text;
}

/** Removes `@a.b(…).c(…)`. A call whose parenthesis is never closed stays. */
function withoutCalls(comment: string): string {
  let text = '';
  let rest = comment;
  for (;;) {
    const match = /(?<![\w.])@\w+(?=[.(])/.exec(rest);
    if (match === null) return text + rest;
    const end = endOfCall(rest, match.index + match[0].length);
    text += rest.slice(0, end === undefined ? match.index + match[0].length : match.index);
    rest = rest.slice(end ?? match.index + match[0].length);
  }
}

/** The end of `.b(…).c(…)`. `undefined` if no such chain begins at `start`. */
function endOfCall(text: string, start: number): number | undefined {
  let at = start;
  for (;;) {
    const name = /^\s*\.\w+/.exec(text.slice(at));
    if (name !== null) at += name[0].length;
    else if (text[at] === '(') {
      const close = closing(text, at);
      if (close === undefined) return at > start ? at : undefined;
      at = close + 1;
    } else return at > start ? at : undefined;
  }
}

/** The index of the parenthesis that closes the one at `open`. Parentheses inside quotes don't count. */
function closing(text: string, open: number): number | undefined {
  let depth = 0;
  let quote = '';
  for (let at = open; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote !== '') {
      if (char === '\\') at++;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'" || char === '`') quote = char;
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return at;
  }
  return undefined;
}
