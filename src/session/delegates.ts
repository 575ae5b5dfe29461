/** The columns of `prisma/mcp.prisma` that are used, by model. */
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
    'createdAt',
    'lastSeenAt',
    'expiresAt',
    'holder',
    'delivered',
  ],
  mcpSubscription: ['sessionId', 'uriHash', 'uri'],
  mcpEvent: ['sessionId', 'stream', 'seq', 'data', 'bytes', 'final', 'expiresAt'],
  mcpContinuation: ['id', 'principal', 'request', 'answers', 'expiresAt'],
} as const;

type DelegateName = keyof typeof columns;

/**
 * The delegates of the package's own models in the host's client.
 *
 * @throws {TypeError} Naming every model and column that the client lacks, and the remedy.
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
