/**
 * The type of the option `models`, read off the type of the host's `PrismaClient`.
 *
 * A delegate carries its model's types under a phantom symbol (`delegate[symbol].types`), which `Prisma.Args` reads too. So no types are
 * generated, and an unknown model, column, operation or enum value is a compile error at the property itself.
 */
import type { CacheHints, CallContext } from '../../protocol/definitions.ts';
import type { Operation, PolicyOperation, ReadOperation } from './operations.ts';
import type { ModelPrompt, ModelSearch, SeenRow } from './row-options.ts';

/** How models become tools. */
export const styles = ['tools', 'compact'] as const;
/** `tools`: a tool for each operation of a model. `compact`: a few generic tools for any number of models. */
export type Style = (typeof styles)[number];

/** The exposed models by the client's property names: `{ booking: { take: 50 } }`. */
export type Models<C, Ctx = CallContext> = { readonly [M in ModelKey<C>]?: DeclaredExposure<C, M, Ctx> };

/** The client's properties that are models: `'client' | 'booking'`. */
export type ModelKey<C> = { [K in keyof C]: C[K] extends Delegate ? K : never }[keyof C] & string;

/** One entry of `models`: how one model is exposed. */
export type DeclaredExposure<C, M extends ModelKey<C>, Ctx = CallContext> = Visible<Scalars<C, M>> & {
  /** The delegate methods that exist for the caller. @default ['findUnique', 'findMany', 'count'] */
  readonly operations?: readonly OperationOf<C, M>[];
  /** `'tools'`: a tool for each operation. `'compact'`: reached through the generic tools of all compact models. @default the option `style` */
  readonly style?: Style;
  /** Row policy: ANDed into every read, update and delete, and true of every row a write leaves behind. @default every row */
  readonly where?: GivenOrMade<Where<C, M>, Ctx>;
  /** Relations that rows are returned with. @default none */
  readonly include?: Include<Args<C, M>['include'], Objects<C, M>>;
  /** Order when the caller gives none; completed with the id. @default by id */
  readonly orderBy?: Args<C, M>['orderBy'];
  /** Rows of one answer, by default and at most. @default 25 */
  readonly take?: number;
  /** Rows that one `createMany`, `updateMany` or `deleteMany` writes at most; for more it writes none. `Infinity` sets no limit. @default 100 */
  readonly maxWrites?: number;
  /** Writes that happen only if the user confirms them. @default none */
  readonly confirm?: readonly WriteOf<C, M>[];
  /**
   * Scopes that the caller's token needs, of all operations, of those that `read` or `write`, or of one operation; needs the option `auth`. A call
   * without them is answered 403. @default none
   */
  readonly scopes?: readonly string[] | Scopes<OperationOf<C, M>>;
  /** Writes that happen once if a caller repeats them with the same `idempotencyKey`, also after a lost answer or a restart. @default none */
  readonly idempotent?: readonly WriteOf<C, M>[];
  /**
   * Operations whose calls run as tasks, if the client can collect their results later. The calls of other clients are answered when they are done.
   * @default none
   */
  readonly task?: readonly OperationOf<C, M>[];
  /** Values forced on every create and update, merged last. @default none */
  readonly data?: GivenOrMade<Data<C, M>, Ctx>;
  /**
   * How long clients may keep the model's resources, and whether they may share them. `'public'` is refused if the rows depend on the caller: if a row
   * policy holds for them, or for rows that they include, or if they need scopes. @default `{ ttlMs: 0, cacheScope: 'private' }`
   */
  readonly cache?: CacheHints;
  /** The description that the language model reads. @default its `///` comment */
  readonly description?: string;
  /** Prompts about one row, by name: `summary` of `booking` is the prompt `booking_summary`. @default none */
  readonly prompts?: Readonly<Record<string, ModelPrompt<SeenRow<Types<C, M>['payload']>, KeyName<C, M>, Ctx>>>;
  /** Lets the tools `search` and `fetch` find rows by words in these columns. Without it they leave the model out. @default none */
  readonly search?: ModelSearch<SeenRow<Types<C, M>['payload']>, keyof Scalars<C, M> & string, Ctx>;
};

/** Scopes by kind of operation. The entry of an operation replaces that of its kind. */
type Scopes<O extends Operation> = { readonly [K in O | 'read' | 'write']?: readonly string[] };

/** A value, or a function that returns the value for a caller and an operation. */
type GivenOrMade<T, Ctx> = T | ((ctx: Ctx, operation: PolicyOperation) => T | Literals | Promise<T | Literals>);

/**
 * Keeps the literals that a function returns. Without it `'PENDING'` would widen to `string`, which no enum column takes: TypeScript decides
 * that before it has inferred the client. No `where` or `data` has this type.
 */
interface Literals {
  readonly [name: string]: '\0' | Literals;
}

/** The columns that are returned, filtered, sorted and written: those selected, or all but those omitted. */
type Visible<S> = { readonly select?: Columns<S>; readonly omit?: never } | { readonly select?: never; readonly omit?: Columns<S> };

type Columns<S> = { readonly [F in keyof S]?: boolean };

/** Prisma's `include` without its `false` and `_count`; `A` is the type of that argument, `O` the relations of the model's payload. */
type Include<A, O> = {
  readonly [R in keyof O & keyof NonNullable<A>]?: true | Related<Exclude<NonNullable<A>[R], boolean | null | undefined>, O[R]>;
};

/** Args of one relation, as far as Prisma has them for it: a relation to one row has no `orderBy` or `take`. */
type Related<A, P> = Visible<RelatedPayload<P>['scalars']> & {
  readonly [K in keyof A & ('where' | 'orderBy' | 'take')]?: A[K];
} & {
  readonly include?: A extends { include?: infer I } ? Include<I, RelatedPayload<P>['objects']> : never;
};

/** Columns of a write, foreign keys included. Relations are missing: writes through an exposure are never nested. */
type Data<C, M extends ModelKey<C>> = { readonly [F in keyof Scalars<C, M>]?: ValueOf<WriteData<C, M>, F> };

/** Distributes over Prisma's union of checked and unchecked input. Only the unchecked one has the foreign keys. */
type ValueOf<D, F> = D extends unknown ? (F extends keyof D ? Exclude<D[F], undefined> : never) : never;

interface Payload {
  readonly scalars: object;
  readonly objects: object;
}

type RelatedPayload<P> = NonNullable<P extends readonly (infer Row)[] ? Row : P> extends infer R extends Payload ? R : Payload;

/** A view has no writes. A model with a required column of an unsupported type has no `create`. */
interface Delegate {
  readonly [phantom: symbol]: { types: { payload: Payload; operations: { findMany: { args: object } } } };
}

type Types<C, M extends ModelKey<C>> = C[M] extends { readonly [phantom: symbol]: { types: infer T extends Delegate[symbol]['types'] } }
  ? T
  : never;
type Scalars<C, M extends ModelKey<C>> = Types<C, M>['payload']['scalars'];
type Objects<C, M extends ModelKey<C>> = Types<C, M>['payload']['objects'];
type Args<C, M extends ModelKey<C>> = Types<C, M>['operations']['findMany']['args'] & {
  include?: unknown;
  orderBy?: unknown;
  where?: unknown;
};
type Where<C, M extends ModelKey<C>> = NonNullable<Args<C, M>['where']>;
/** The operations that Prisma has for the model. */
type OperationOf<C, M extends ModelKey<C>> = Operation & keyof Types<C, M>['operations'];
/** Those of them that write. */
type WriteOf<C, M extends ModelKey<C>> = Exclude<OperationOf<C, M>, ReadOperation>;
/** The unique keys in Prisma's words, such as `id` and `clientId_roomId`: each is required in one member of the union that a unique `where` is. */
type KeyName<C, M extends ModelKey<C>> = Types<C, M>['operations'] extends { findUnique: { args: { where: infer W } } }
  ? RequiredIn<W>
  : string;
type RequiredIn<W> = W extends unknown ? { [K in keyof W]-?: undefined extends W[K] ? never : K }[keyof W] & string : never;
type WriteData<C, M extends ModelKey<C>> = Types<C, M>['operations'] extends { create: { args: { data: infer D } } }
  ? D
  : Types<C, M>['operations'] extends { update: { args: { data: infer D } } }
    ? D
    : never;
