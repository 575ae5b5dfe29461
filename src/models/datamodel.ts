/**
 * What `generator mcp` writes and `mcp({ datamodel })` takes: the part of Prisma's DMMF that exposures need.
 * Prisma 7's client no longer holds required, unique, default, enum values or `///` comments at run time.
 */
export interface Datamodel {
  /** By model name as in the schema, e.g. `Booking`. */
  readonly models: Readonly<Record<string, DatamodelModel>>;
  /** By enum name. */
  readonly enums: Readonly<Record<string, DatamodelEnum>>;
}

export interface DatamodelModel {
  readonly name: string;
  /** The client's property: `Booking` → `booking`. */
  readonly key: string;
  /** The `///` comment. */
  readonly documentation?: string;
  readonly fields: readonly DatamodelField[];
  /** Field names of `@id` or `@@id`; empty if the model has neither (then it has a unique). */
  readonly primaryKey: readonly string[];
  /** Name of the compound key in a unique `where`, e.g. `clientId_roomId`; absent for a single field. */
  readonly primaryKeyName?: string;
  /** Single and compound uniques besides the primary key; `name` as in a unique `where`. */
  readonly uniques: readonly { readonly name: string; readonly fields: readonly string[] }[];
}

export interface DatamodelField {
  readonly name: string;
  readonly kind: 'scalar' | 'enum' | 'object' | 'unsupported';
  /** Scalar type (`String`, `Int`, `BigInt`, `Float`, `Decimal`, `Boolean`, `DateTime`, `Json`, `Bytes`), enum name, or model name. */
  readonly type: string;
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

export interface DatamodelEnum {
  readonly name: string;
  readonly values: readonly string[];
  readonly documentation?: string;
}
