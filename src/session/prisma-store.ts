import { createHash } from 'node:crypto';
import { assertDelegates } from './delegates.ts';
import { FOREIGN_KEY_VIOLATION, hasCode, UNIQUE_VIOLATION } from './prisma-code.ts';
import type { ContinuationDelegate } from './prisma-continuations.ts';
import { prismaContinuations } from './prisma-continuations.ts';
import type { EventDelegate } from './prisma-events.ts';
import { prismaEvents } from './prisma-events.ts';
import type { Session, Store } from './store.ts';

/**
 * Protocol state as rows of the host's own database, through its own Prisma client: they survive restarts and are shared by processes.
 *
 * Needs the models of `prisma/mcp.prisma` in the host's schema; any provider that Prisma's
 * `updateMany` and `deleteMany` work with. Every verb is one to three queries, and each of these is atomic by itself.
 *
 * @param prisma The host's `PrismaClient`, extended or not.
 * @throws {TypeError} The client lacks the models, or columns of them.
 */
export function prismaStore(prisma: object): Store {
  const delegates = assertDelegates(prisma);
  const mcpSession = delegates.mcpSession as SessionDelegate;
  const mcpSubscription = delegates.mcpSubscription as SubscriptionDelegate;

  // Ends those of `ids` that still fulfil `condition`; the ids that are gone afterwards, whoever ended them.
  const endWhere = async (ids: string[], condition: SessionWhere): Promise<string[]> => {
    const { count } = await mcpSession.deleteMany({ where: { id: { in: ids }, ...condition } });
    if (count === ids.length) return ids;
    const left = new Set(await idsOf(mcpSession.findMany({ where: { id: { in: ids } }, select: { id: true } })));
    return ids.filter(id => !left.has(id));
  };

  return {
    ...prismaEvents(delegates.mcpEvent as EventDelegate),
    ...prismaContinuations(delegates.mcpContinuation as ContinuationDelegate),
    async create(session) {
      await mcpSession.create({ data: { ...session }, select: { id: true } });
    },
    async find(id) {
      const row = await mcpSession.findUnique({ where: { id } });
      // MySQL compares text without regard to case.
      return row?.id === id ? row : undefined;
    },
    async existing(ids) {
      const found: string[] = [];
      for (const batch of batches(ids)) {
        found.push(...(await idsOf(mcpSession.findMany({ where: { id: { in: batch } }, select: { id: true } }))));
      }
      return found;
    },
    async update(id, patch) {
      const { count } = await mcpSession.updateMany({ where: { id }, data: { ...patch } });
      return count > 0;
    },
    async touch(ids, lastSeenAt, expiresAt) {
      for (const batch of batches(ids)) {
        await mcpSession.updateMany({ where: { id: { in: batch }, lastSeenAt: { lt: lastSeenAt } }, data: { lastSeenAt, expiresAt } });
      }
    },
    async end(id) {
      const { count } = await mcpSession.deleteMany({ where: { id } });
      return count > 0;
    },
    async evict(principal, keep) {
      const ended: string[] = [];
      for (;;) {
        const surplus = await mcpSession.findMany({
          where: { principal },
          orderBy: [{ lastSeenAt: 'desc' }, { createdAt: 'desc' }, { id: 'desc' }],
          skip: keep,
          take: BATCH,
          select: { id: true, lastSeenAt: true },
        });
        const newest = surplus[0];
        if (!newest) break;
        const ids = surplus.map(row => row.id);
        // One that was seen since it was selected is no longer the longest idle, and stays.
        const gone = await endWhere(ids, { lastSeenAt: { lte: newest.lastSeenAt } });
        ended.push(...gone);
        if (surplus.length < BATCH || gone.length === 0) break;
      }
      return { ended, left: ended.length > 0 ? keep : await mcpSession.count({ where: { principal } }) };
    },
    async sweep(now, limit) {
      const expired = { expiresAt: { lte: now } };
      const ids = await idsOf(mcpSession.findMany({ where: expired, orderBy: [{ expiresAt: 'asc' }], take: limit, select: { id: true } }));
      return ids.length === 0 ? ids : endWhere(ids, expired);
    },
    async subscribe(sessionId, uri) {
      try {
        await mcpSubscription.create({ data: { sessionId, uriHash: hash(uri), uri }, select: { sessionId: true } });
        return true;
      } catch (error) {
        if (hasCode(error, UNIQUE_VIOLATION)) return true;
        if (hasCode(error, FOREIGN_KEY_VIOLATION)) return false;
        throw error;
      }
    },
    async unsubscribe(sessionId, uri) {
      await mcpSubscription.deleteMany({ where: { sessionId, uriHash: hash(uri) } });
    },
    async subscribers(uri, ids) {
      const found: string[] = [];
      for (const batch of batches(ids)) {
        const rows = await mcpSubscription.findMany({
          where: { uriHash: hash(uri), sessionId: { in: batch } },
          select: { sessionId: true },
        });
        found.push(...rows.map(row => row.sessionId));
      }
      return found;
    },
  };
}

/** Ids in one query: below the bind variable limit of every database (SQLite before 3.32: 999). */
const BATCH = 500;

type In = { in: readonly string[] };
type SessionWhere = { id?: string | In; principal?: string | null; lastSeenAt?: { lt?: Date; lte?: Date }; expiresAt?: { lte: Date } };

/** The part of the generated `McpSession` delegate that is used; generated types are not known here. */
interface SessionDelegate {
  create(args: { data: Session; select: { id: true } }): Promise<unknown>;
  findUnique(args: { where: { id: string } }): Promise<Session | null>;
  findMany(args: {
    where: SessionWhere;
    orderBy?: { [column in 'lastSeenAt' | 'createdAt' | 'expiresAt' | 'id']?: 'asc' | 'desc' }[];
    skip?: number;
    take?: number;
    select: { id: true; lastSeenAt?: true };
  }): Promise<Pick<Session, 'id' | 'lastSeenAt'>[]>;
  count(args: { where: SessionWhere }): Promise<number>;
  updateMany(args: { where: SessionWhere; data: Partial<Session> }): Promise<{ count: number }>;
  deleteMany(args: { where: SessionWhere }): Promise<{ count: number }>;
}

interface SubscriptionDelegate {
  create(args: { data: { sessionId: string; uriHash: string; uri: string }; select: { sessionId: true } }): Promise<unknown>;
  findMany(args: { where: { uriHash: string; sessionId: In }; select: { sessionId: true } }): Promise<{ sessionId: string }[]>;
  deleteMany(args: { where: { sessionId: string; uriHash: string } }): Promise<{ count: number }>;
}

function* batches(ids: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += BATCH) yield ids.slice(start, start + BATCH);
}

async function idsOf(rows: Promise<{ id: string }[]>): Promise<string[]> {
  return (await rows).map(row => row.id);
}

function hash(uri: string): string {
  return createHash('sha256').update(uri).digest('hex');
}
