import { isObject } from '../../protocol/definitions.ts';

/** Any Prisma client. Which models it has is known only at run time. */
export type PrismaClientLike = object;

/** A Prisma client, or a transaction of one, by delegate. */
export type Delegates = Record<string, Delegate>;

/** The methods of one model, e.g. `client.booking`. */
export type Delegate = Record<string, (args?: Args) => Promise<unknown>>;

/** A Prisma `where`, `data` or other args object. */
export type Args = Record<string, unknown>;

/** A row as Prisma gives it. */
export type Row = Record<string, unknown>;

/** A client that can open an interactive transaction. */
export interface TransactingClient {
  readonly $transaction: <T>(work: (tx: Delegates) => Promise<T>, ...options: unknown[]) => Promise<T>;
}

/** A client outside a transaction. */
export type BaseClient = Delegates & TransactingClient;

/** What the delegate methods resolve to. */
interface Results {
  readonly findUnique: Row | null;
  readonly findFirst: Row | null;
  readonly findMany: Row[];
  readonly count: number;
  readonly aggregate: Row;
  readonly groupBy: Row[];
  readonly create: Row;
  readonly createManyAndReturn: Row[];
  readonly update: Row;
  readonly updateMany: unknown;
  readonly upsert: Row;
  readonly delete: Row;
}

type ResultOf<O> = O extends keyof Results ? Results[O] : unknown;

/** The delegate of a model. `compileModels` refuses a client that lacks one. */
export function delegateOf(client: Delegates, { key }: { readonly key: string }): Delegate {
  return client[key] as Delegate;
}

/** Calls a delegate method. The result is typed if the name of the method is known. */
export function call<O extends string>(delegate: Delegate, operation: O, args: Args): Promise<ResultOf<O>> {
  return (delegate[operation] as (args: Args) => Promise<ResultOf<O>>).call(delegate, args);
}

/** The host's client, typed as far as this package calls it. */
export function baseClient(prisma: PrismaClientLike): BaseClient {
  return prisma as BaseClient;
}

/** A transaction as a client: a transaction inside it is the same one. */
export function asClient(tx: Delegates): BaseClient {
  const join = <T>(work: (tx: Delegates) => Promise<T>): Promise<T> => work(tx);
  return new Proxy(tx, { get: (target, name) => (name === '$transaction' ? join : (Reflect.get(target, name) as unknown)) }) as BaseClient;
}

/**
 * The delegate of a model of prisma/mcp.prisma.
 *
 * @param own The model, and the columns that are used.
 * @param path The option that needs them.
 * @throws {TypeError} The client was generated without the model, or without columns of it.
 */
export function ownDelegate(client: Delegates, { model, columns }: { model: string; columns: readonly string[] }, path: string): Delegate {
  const delegate = client[model.charAt(0).toLowerCase() + model.slice(1)];
  const fields: unknown = delegate?.['fields'];
  const missing = isObject(fields) ? columns.filter(name => !(name in fields)) : [];
  if (delegate !== undefined && missing.length === 0) return delegate;
  const what = delegate === undefined ? `model ${model}` : `column ${missing.join(', ')} of the model ${model}`;
  throw new TypeError(
    `${path}: this client has no ${what}; run \`npx koa-mcp init\` to add it to your schema, then migrate and run \`prisma generate\``,
  );
}

/** Removes at most `limit` rows that expired at or before `now`. Returns how many were removed. */
export async function sweepExpired(delegate: Delegate, now: Date, limit: number): Promise<number> {
  return countOf(await call(delegate, 'deleteMany', { where: { expiresAt: { lte: now } }, limit }));
}

/** The number of rows that a bulk write of Prisma has written. */
export function countOf(result: unknown): number {
  return (result as { count: number }).count;
}

/** The rows of a result: a list of rows, one row, or null. */
export function rowsOf(value: unknown): Row[] {
  if (Array.isArray(value)) return value as Row[];
  return isObject(value) ? [value] : [];
}

/** Whether args have no key of their own. */
export function isEmpty(args: Args): boolean {
  for (const name in args) if (Object.hasOwn(args, name)) return false;
  return true;
}
