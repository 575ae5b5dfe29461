import type { Continuation, NewEvent, Session, Task } from './store.ts';

/** The rows of the package's own models. */
interface Rows {
  readonly mcpSession: Session;
  readonly mcpSubscription: { readonly sessionId: string; readonly uriHash: string; readonly uri: string };
  readonly mcpEvent: EventRow;
  readonly mcpNode: { readonly id: string; readonly beat: number; readonly expiresAt: Date };
  readonly mcpContinuation: Continuation & { readonly takenBy: string | null };
  readonly mcpTask: Task;
}

/** An event as a row. Its data is in one of two columns: long data in `largeData`. */
export interface EventRow extends Omit<NewEvent, 'data'> {
  readonly id: number | bigint;
  readonly data: string | null;
  readonly largeData: string | null;
}

/** The columns of `prisma/mcp.prisma` that this package uses, by model, as Prisma's `select` takes them. */
export const columns: { readonly [model in keyof Rows]: { readonly [column in keyof Rows[model]]: true } } = {
  mcpSession: {
    id: true,
    transport: true,
    revision: true,
    principal: true,
    clientInfo: true,
    capabilities: true,
    logLevel: true,
    initialized: true,
    connection: true,
    position: true,
    createdAt: true,
    lastSeenAt: true,
    expiresAt: true,
  },
  mcpSubscription: { sessionId: true, uriHash: true, uri: true },
  mcpEvent: { id: true, key: true, stream: true, sessionId: true, data: true, largeData: true, expiresAt: true },
  mcpNode: { id: true, beat: true, expiresAt: true },
  mcpContinuation: { id: true, principal: true, request: true, answers: true, takenBy: true, expiresAt: true },
  mcpTask: {
    id: true,
    principal: true,
    sessionId: true,
    tool: true,
    node: true,
    status: true,
    statusMessage: true,
    isError: true,
    questions: true,
    result: true,
    version: true,
    createdAt: true,
    lastUpdatedAt: true,
    expiresAt: true,
  },
};

/** The conditions of a query, as far as this package needs them. */
export type Where<Row> = {
  readonly [column in keyof Row]?: Row[column] | Comparison<Row[column]>;
} & { readonly OR?: readonly Where<Row>[] };

type Comparison<T> = { readonly [operator in 'gt' | 'gte' | 'lt' | 'lte' | 'not']?: T } & { readonly in?: readonly T[] };

/** The methods of a generated delegate that this package uses. The generated types are not available here. */
export interface Delegate<Row> {
  create(args: { data: Partial<Row>; select: { [column in keyof Row]?: true } }): Promise<unknown>;
  createMany(args: { data: Partial<Row>[] }): Promise<unknown>;
  findUnique<C extends keyof Row>(args: { where: Partial<Row>; select: { [column in C]: true } }): Promise<Pick<Row, C> | null>;
  findMany<C extends keyof Row>(args: {
    where?: Where<Row>;
    orderBy?: { [column in keyof Row]?: 'asc' | 'desc' }[];
    skip?: number;
    take?: number;
    select: { [column in C]: true };
  }): Promise<Pick<Row, C>[]>;
  count(args: { where: Where<Row> }): Promise<number>;
  updateMany(args: { where: Where<Row>; data: { [column in keyof Row]?: Row[column] | { increment: number } } }): Promise<Counted>;
  deleteMany(args: { where: Where<Row>; limit?: number }): Promise<Counted>;
}

type Counted = { count: number };

/** The delegates of the package's own models. */
export type Delegates = { readonly [model in keyof Rows]: Delegate<Rows[model]> };

/**
 * Returns the delegates of the package's own models in the host's client.
 *
 * @throws {TypeError} The client lacks models or columns. The message names all of them, and the remedy.
 */
export function assertDelegates(prisma: object): Delegates {
  const delegates = prisma as { readonly [model in keyof Rows]?: { readonly fields?: object } };
  const missing = (Object.keys(columns) as (keyof Rows)[]).flatMap(model => missingOf(model, delegates[model]));
  if (missing.length > 0) {
    throw new TypeError(
      `prisma: sessions cannot be rows, this client has no ${missing.join(', no ')}. Run \`npx koa-mcp init\` to add them to your schema, ` +
        'then migrate and run `prisma generate`; or keep sessions in memory with `sessions: { store: memoryStore() }`.',
    );
  }
  return prisma as Delegates;
}

function missingOf(name: keyof Rows, delegate: { readonly fields?: object } | undefined): string[] {
  const model = `Mcp${name.slice('mcp'.length)}`;
  if (delegate === undefined) return [`model ${model}`];
  const { fields } = delegate;
  return fields
    ? Object.keys(columns[name])
        .filter(column => !(column in fields))
        .map(column => `column ${model}.${column}`)
    : [];
}

/** Prisma's code for a violated unique constraint. */
export const UNIQUE_VIOLATION = 'P2002';
/** Prisma's code for a reference to a row that does not exist. */
export const FOREIGN_KEY_VIOLATION = 'P2003';
/** Prisma's code for a write conflict or a deadlock. */
export const WRITE_CONFLICT = 'P2034';

/** Whether an error has this Prisma code. It is recognised by its shape, because several copies of Prisma's client may be loaded. */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

/** Treats an existing row as success: an earlier try has added it. */
export async function once(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!hasCode(error, UNIQUE_VIOLATION)) throw error;
  }
}

/** Most rows that one query evicts. */
export const maxEvicted = 500;

/**
 * Most values in one query. If a query has more values than the database allows bind variables (999 with SQLite), Prisma splits it into a
 * transaction of several queries.
 */
const maxIds = 500;

/** Splits a list into lists of at most `size` values. */
export function* batches<T>(values: readonly T[], size: number = maxIds): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}
