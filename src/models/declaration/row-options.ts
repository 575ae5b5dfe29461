/** The types of the options `prompts` and `search` of a model. Their functions get a row as the caller sees it. */
import type { CallContext, Icon, JsonObject, PromptMessage } from '../../protocol/definitions.ts';
import type { Row } from './delegates.ts';

/**
 * A row as the caller of one call sees it, in the form of tool results: `Date` as ISO 8601 text, `Decimal` and `BigInt` as text, `Bytes` as base64.
 *
 * Columns that the model's declaration hides, and relations that it does not include, are `undefined`. `P` is Prisma's payload of the model.
 */
export type SeenRow<P> = P extends { readonly scalars: infer S; readonly objects: infer O }
  ? { readonly [F in keyof S]?: SeenValue<S[F]> } & { readonly [R in keyof O]?: SeenRelation<O[R]> }
  : never;

type SeenRelation<O> = O extends readonly (infer P)[] ? readonly SeenRow<P>[] : O extends null ? null : SeenRow<O>;

/** `Decimal` is known by a method that `number` does not have. */
type WrittenAsText = bigint | Date | Uint8Array | { readonly toDecimalPlaces: unknown };
type SeenValue<T> = T extends WrittenAsText
  ? string
  : T extends readonly (infer I extends WrittenAsText | string | number | boolean)[]
    ? readonly SeenValue<I>[]
    : T;

/** A prompt about one row. `R` is the type of the row, `K` the names of the model's unique keys. */
export interface ModelPrompt<R = Row, K extends string = string, Ctx = CallContext> {
  /** Tells people what the prompt is for. */
  readonly description: string;
  readonly title?: string;
  /** The unique key whose columns are the prompt's arguments. @default the key of the model's row resource */
  readonly key?: K;
  /** The words of the prompt: one user message, or several messages. The row follows the first message as an embedded resource. */
  readonly message: string | ((row: R, ctx: Ctx) => PromptWords | Promise<PromptWords>);
  readonly icons?: Icon[];
  readonly _meta?: JsonObject;
  /** Whether this caller may see and use the prompt. @default everybody */
  readonly enabled?: (ctx: Ctx) => boolean | Promise<boolean>;
}

/** What `message` may return. */
export type PromptWords = string | readonly PromptMessage[];

/** How the tools `search` and `fetch` find and name the rows of a model. `R` is the type of a row, `F` the names of its columns. */
export interface ModelSearch<R = Row, F = string, Ctx = CallContext> {
  /** The visible text columns that are searched. */
  readonly columns: readonly F[];
  /**
   * Looks for whole words with the full-text search of PostgreSQL or MySQL, which also finds other forms of a word. PostgreSQL needs the preview
   * feature `fullTextSearchPostgres`; MySQL needs a `@@fulltext` index of just these columns. @default false: parts of words
   */
  readonly fullText?: boolean;
  /** The title of a row: a visible column, or a function. @default the first of `columns`, or the model's name and key if it is empty */
  readonly title?: F | ((row: R, ctx: Ctx) => RowText | Promise<RowText>);
  /** The address of a row for people, which clients cite. @default the URI of the row's resource */
  readonly url?: (row: R, ctx: Ctx) => RowText | Promise<RowText>;
}

/** A text of a row. Without one, or with an empty one, the default is used. */
export type RowText = string | null | undefined;
