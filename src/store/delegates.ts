/** The columns of `prisma/mcp.prisma` that this package uses, by model. */
const columns = {
  mcpSession: [
    'id',
    'transport',
    'revision',
    'principal',
    'clientInfo',
    'capabilities',
    'logLevel',
    'initialized',
    'connection',
    'position',
    'createdAt',
    'lastSeenAt',
    'expiresAt',
  ],
  mcpSubscription: ['sessionId', 'uriHash', 'uri'],
  mcpEvent: ['id', 'key', 'stream', 'sessionId', 'data', 'largeData', 'expiresAt'],
  mcpNode: ['id', 'beat', 'expiresAt'],
  mcpContinuation: ['id', 'principal', 'request', 'answers', 'takenBy', 'expiresAt'],
} as const;

type DelegateName = keyof typeof columns;

/**
 * Returns the delegates of the package's own models in the host's client.
 *
 * @throws {TypeError} The client lacks models or columns. The message names all of them, and the remedy.
 */
export function assertDelegates(prisma: object): Record<DelegateName, unknown> {
  const delegates = prisma as Record<DelegateName, { readonly fields?: object } | undefined>;
  const missing = (Object.keys(columns) as DelegateName[]).flatMap(name => missingOf(name, delegates[name]));
  if (missing.length > 0) {
    throw new TypeError(
      `prisma: sessions cannot be rows, this client has no ${missing.join(', no ')}. Run \`npx koa-mcp init\` to add them to your schema, ` +
        'then migrate and run `prisma generate`; or keep sessions in memory with `sessions: { store: memoryStore() }`.',
    );
  }
  return delegates;
}

function missingOf(name: DelegateName, delegate: { readonly fields?: object } | undefined): string[] {
  const model = `Mcp${name.slice('mcp'.length)}`;
  if (delegate === undefined) return [`model ${model}`];
  const { fields } = delegate;
  return fields ? columns[name].filter(column => !(column in fields)).map(column => `column ${model}.${column}`) : [];
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

/**
 * Most values in one query. If a query has more values than the database allows bind variables (999 with SQLite), Prisma splits it into a
 * transaction of several queries.
 */
const maxIds = 500;

/** Splits a list into lists of at most `size` values. */
export function* batches<T>(values: readonly T[], size: number = maxIds): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}
