/** What every Prisma client is, whatever its models. */
export type PrismaClientLike = object;

/** A Prisma client, or a transaction of one, by delegate. */
export type Delegates = Record<string, Delegate>;

/** The calls of a Prisma delegate that this package makes. */
export type Delegate = Record<string, (args?: Args) => Promise<unknown>>;

/** A Prisma `where`, `data` or other args object. */
export type Args = Record<string, unknown>;

/** A row as Prisma gives it. */
export type Row = Record<string, unknown>;

/** A client that can open an interactive transaction. */
export interface TransactingClient {
  readonly $transaction: <T>(work: (tx: unknown) => Promise<T>) => Promise<T>;
}

/** Calls a delegate method; a client that lacks it was refused at start-up. */
export function call(delegate: Delegate, operation: string, args: Args): Promise<unknown> {
  return (delegate[operation] as Delegate[string]).call(delegate, args);
}
