import { createHash } from 'node:crypto';
import type { PrismaClient } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import type { Database } from './setup.ts';

export { postgresAvailable } from '../support/database.ts';

/** What a database holds when a contender gets it. */
export type Seed = 'bookings' | SessionSeed;
/** So many sessions; subscribers have subscribed to `announcedUri`. */
export type SessionSeed = `${string} sessions` | `${string} subscribers`;

/** The resource that the sessions of a `subscribers` seed want to hear of. */
export const announcedUri = 'bench://announced';

/** A database that is dropped at the end. */
export interface BenchDatabase extends Database, AsyncDisposable {}

/** Makes a database of its own for a lane. */
export async function makeDatabase(provider: Database['provider'], seed?: Seed): Promise<BenchDatabase> {
  const database = await openDatabase(provider);
  const made = { provider, url: database.url, [Symbol.asyncDispose]: () => database.close() };
  try {
    if (seed === 'bookings') await seedBookings(database.prisma);
    else if (seed !== undefined) await seedSessions(database.prisma, seed);
    await database.prisma.$disconnect();
    return made;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Ids of the sessions of a seed. @param used How many of them, from all over the table; all by default. */
export function seededSessionIds(seed: Seed | undefined, used?: number): string[] {
  const rows = sessionCount(seed);
  const length = used ?? rows;
  return Array.from({ length }, (_, index) => sessionIdOf(1 + index * (rows / length)));
}

/** `'1,000 sessions'` → `1000` */
function sessionCount(seed: Seed | undefined): number {
  return Number(seed?.replace(/\D/g, ''));
}

/** 50 clients, with 20 bookings each. */
export async function seedBookings(prisma: PrismaClient): Promise<void> {
  const clients = Array.from({ length: 50 }, (_, index) => ({
    id: index + 1,
    email: `client-${index + 1}@example.com`,
    name: `Client ${index + 1}`,
    passwordHash: 'x',
  }));
  await prisma.client.createMany({ data: clients });
  const bookings = Array.from({ length: 1000 }, (_, index) => ({
    clientId: (index % 50) + 1,
    startsAt: new Date(Date.UTC(2026, 0, 1, index)),
    status: (['PENDING', 'CONFIRMED', 'CANCELLED'] as const)[index % 3] ?? 'PENDING',
    price: `${index % 90}.50`,
    meta: { guests: index % 5, note: 'window' },
  }));
  await prisma.booking.createMany({ data: bookings });
}

/** Rows as sessions of clients that may come back at any time. PostgreSQL only. */
async function seedSessions(prisma: PrismaClient, seed: SessionSeed): Promise<void> {
  await prisma.$executeRawUnsafe(`
    INSERT INTO "McpSession" (id, transport, revision, principal, "clientInfo", capabilities, initialized, "createdAt", "lastSeenAt", "expiresAt")
    SELECT 'mcp_' || md5(i::text) || left(md5('_' || i), 11), 'streamable', '2025-11-25', NULL,
      '{"name":"bench","version":"1.0.0"}', '{}', true, now(), now(), now() + interval '7 days'
    FROM generate_series(1, ${sessionCount(seed)}) AS i`);
  if (seed.endsWith('subscribers')) {
    const uriHash = createHash('sha256').update(announcedUri).digest('hex');
    await prisma.$executeRawUnsafe(`
      INSERT INTO "McpSubscription" ("sessionId", "uriHash", uri)
      SELECT id, '${uriHash}', '${announcedUri}' FROM "McpSession"`);
    await prisma.$executeRawUnsafe('VACUUM ANALYZE "McpSubscription"');
  }
  await prisma.$executeRawUnsafe('VACUUM ANALYZE "McpSession"');
}

/** As `seedSessions` names its rows. */
function sessionIdOf(row: number): string {
  const md5 = (text: string) => createHash('md5').update(text).digest('hex');
  return `mcp_${md5(`${row}`)}${md5(`_${row}`).slice(0, 11)}`;
}
