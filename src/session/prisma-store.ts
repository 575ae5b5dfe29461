import { createHash } from 'node:crypto';
import { BATCH, batches } from './batches.ts';
import { assertDelegates } from './delegates.ts';
import { FOREIGN_KEY_VIOLATION, hasCode, UNIQUE_VIOLATION } from './prisma-code.ts';
import type { ContinuationDelegate } from './prisma-continuations.ts';
import { prismaContinuations } from './prisma-continuations.ts';
import type { EventDelegate } from './prisma-events.ts';
import { prismaEvents } from './prisma-events.ts';
import type { DeliveredDelegate } from './prisma-push.ts';
import { prismaPush } from './prisma-push.ts';
import type { EndedSession, ListedSession, Session, Store } from './store.ts';

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

  // Ends those of `sessions` that still fulfil `condition`; the ones that are gone afterwards, whoever ended them.
  const endWhere = async (sessions: EndedSession[], condition: SessionWhere): Promise<EndedSession[]> => {
    const ids = sessions.map(session => session.id);
    const { count } = await mcpSession.deleteMany({ where: { id: { in: ids }, ...condition } });
    if (count === ids.length) return sessions;
    const left = new Set(await idsOf(mcpSession.findMany({ where: { id: { in: ids } }, select: { id: true } })));
    return sessions.filter(session => !left.has(session.id));
  };

  return {
    ...prismaEvents(delegates.mcpEvent as EventDelegate),
    push: prismaPush(delegates.mcpEvent as EventDelegate, delegates.mcpSession as DeliveredDelegate),
    ...prismaContinuations(delegates.mcpContinuation as ContinuationDelegate),
    async create(session) {
      await mcpSession.create({ data: { ...session }, select: { id: true } });
    },
    async find(id) {
      const row = await mcpSession.findUnique({ where: { id }, select: sessionColumns });
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
      const ended: EndedSession[] = [];
      for (;;) {
        const surplus = await mcpSession.findMany({
          where: { principal },
          orderBy: [{ lastSeenAt: 'desc' }, { createdAt: 'desc' }, { id: 'desc' }],
          skip: keep,
          take: BATCH,
          select: { ...endedColumns, lastSeenAt: true },
        });
        const newest = surplus[0];
        if (!newest) break;
        // One that was seen since it was selected is no longer the longest idle, and stays.
        const gone = await endWhere(surplus, { lastSeenAt: { lte: newest.lastSeenAt } });
        ended.push(...gone);
        if (surplus.length < BATCH || gone.length === 0) break;
      }
      return { ended, left: ended.length > 0 ? keep : await mcpSession.count({ where: { principal } }) };
    },
    async sweep(now, limit) {
      const expired = { expiresAt: { lte: now } };
      const sessions = await mcpSession.findMany({ where: expired, orderBy: [{ expiresAt: 'asc' }], take: limit, select: endedColumns });
      return sessions.length === 0 ? sessions : endWhere(sessions, expired);
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
    async subscribedTo(uri, after, limit) {
      const where = { uriHash: hash(uri), ...(after !== undefined && { sessionId: { gt: after } }) };
      const rows = await mcpSubscription.findMany({ where, orderBy: { sessionId: 'asc' }, take: limit, select: { sessionId: true } });
      return rows.map(row => row.sessionId);
    },
    reachable(since, after, limit) {
      const where = {
        initialized: true,
        OR: [{ holder: { not: null } }, { lastSeenAt: { gte: since } }],
        ...(after !== undefined && { id: { gt: after } }),
      };
      return idsOf(mcpSession.findMany({ where, orderBy: [{ id: 'asc' }], take: limit, select: { id: true } }));
    },
    async claim(id, holder, { from, ifFree = false } = {}) {
      const { count } = await mcpSession.updateMany({
        where: { id, ...(ifFree && { holder: null }) },
        data: { holder, ...(from !== undefined && { delivered: from }) },
      });
      if (count === 0 || from !== undefined) return count === 0 ? undefined : from;
      // Nobody else moves it any more.
      const row = await mcpSession.findUnique({ where: { id }, select: { id: true, delivered: true } });
      return row?.delivered;
    },
    async delivered(id) {
      return (await mcpSession.findUnique({ where: { id }, select: { delivered: true } }))?.delivered;
    },
    async advance(id, holder, from, to) {
      const { count } = await mcpSession.updateMany({ where: { id, holder, delivered: from }, data: { delivered: to } });
      return count > 0;
    },
    async release(id, holder) {
      await mcpSession.updateMany({ where: { id, holder }, data: { holder: null } });
    },
    async list({ principal, now, take, after }) {
      const where = {
        // Both bounds in one range, for the index.
        expiresAt: { gt: now, ...(after && { lte: after.expiresAt }) },
        ...(principal !== undefined && { principal }),
        ...(after && { OR: [{ expiresAt: { lt: after.expiresAt } }, { id: { lt: after.id } }] }),
      };
      return mcpSession.findMany({ where, orderBy: [{ expiresAt: 'desc' }, { id: 'desc' }], take, select: listedColumns });
    },
  };
}

const sessionColumns = {
  id: true,
  transport: true,
  revision: true,
  principal: true,
  clientInfo: true,
  capabilities: true,
  logLevel: true,
  initialized: true,
  createdAt: true,
  lastSeenAt: true,
  expiresAt: true,
} as const satisfies { [column in keyof Session]: true };
const endedColumns = { id: true, principal: true, clientInfo: true, revision: true } as const satisfies {
  [column in keyof EndedSession]: true;
};
const listedColumns = { ...sessionColumns, holder: true } as const;

type In = { in: readonly string[] };
type SessionWhere = {
  id?: string | In | { gt: string } | { lt: string };
  principal?: string | null;
  initialized?: boolean;
  lastSeenAt?: { lt?: Date; lte?: Date; gte?: Date };
  expiresAt?: { gt?: Date; lt?: Date; lte?: Date };
  holder?: string | null | { not: null };
  delivered?: number;
  OR?: SessionWhere[];
};
/** A session with the state of its outbound stream. */
type SessionRow = ListedSession & { delivered: number };
type Column = keyof SessionRow;

/** The part of the generated `McpSession` delegate that is used; generated types are not known here. */
interface SessionDelegate {
  create(args: { data: Session; select: { id: true } }): Promise<unknown>;
  findUnique<C extends Column>(args: { where: { id: string }; select: { [column in C]: true } }): Promise<Pick<SessionRow, C> | null>;
  findMany<C extends Column>(args: {
    where: SessionWhere;
    orderBy?: { [column in Column]?: 'asc' | 'desc' }[];
    skip?: number;
    take?: number;
    select: { [column in C]: true };
  }): Promise<Pick<SessionRow, C>[]>;
  count(args: { where: SessionWhere }): Promise<number>;
  updateMany(args: { where: SessionWhere; data: Partial<SessionRow> }): Promise<{ count: number }>;
  deleteMany(args: { where: SessionWhere }): Promise<{ count: number }>;
}

interface SubscriptionDelegate {
  create(args: { data: { sessionId: string; uriHash: string; uri: string }; select: { sessionId: true } }): Promise<unknown>;
  findMany(args: {
    where: { uriHash: string; sessionId?: In | { gt: string } };
    orderBy?: { sessionId: 'asc' };
    take?: number;
    select: { sessionId: true };
  }): Promise<{ sessionId: string }[]>;
  deleteMany(args: { where: { sessionId: string; uriHash: string } }): Promise<{ count: number }>;
}

async function idsOf(rows: Promise<{ id: string }[]>): Promise<string[]> {
  return (await rows).map(row => row.id);
}

function hash(uri: string): string {
  return createHash('sha256').update(uri).digest('hex');
}
