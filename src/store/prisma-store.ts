import { createHash } from 'node:crypto';
import type { Delegates, Where } from './delegates.ts';
import { assertDelegates, batches, columns, FOREIGN_KEY_VIOLATION, hasCode, maxEvicted, once, UNIQUE_VIOLATION } from './delegates.ts';
import { selectEvicted } from './eviction.ts';
import { withOutages } from './outage.ts';
import { prismaEvents } from './prisma-events.ts';
import { prismaTasks } from './prisma-tasks.ts';
import type { ContinuationStore, EndedSession, NodeStore, Session, SessionStore, Store } from './store.ts';

/**
 * Stores protocol state as rows of the host's own database, through the host's own Prisma client. The state survives restarts, and all
 * processes share it.
 *
 * The host's schema needs the models of `prisma/mcp.prisma`. Every provider works that supports Prisma's `updateMany` and `deleteMany`.
 * Every verb takes one to four queries, more only for long lists. Each query is one atomic statement. No transaction is opened.
 *
 * A verb rejects with `StoreUnavailable` if trying again later may help, and with Prisma's own error if not.
 *
 * @param prisma The host's `PrismaClient`, extended or not.
 * @throws {TypeError} The client lacks the models, or columns of them.
 */
export function prismaStore(prisma: object): Store {
  const { mcpSession, mcpSubscription, mcpEvent, mcpNode, mcpContinuation, mcpTask } = assertDelegates(prisma);
  return withOutages({
    ...prismaSessions(mcpSession),
    ...prismaSubscriptions(mcpSubscription),
    ...prismaEvents(mcpEvent),
    ...prismaNodes(mcpNode),
    ...prismaContinuations(mcpContinuation),
    ...prismaTasks(mcpTask),
  });
}

type SubscriptionVerb = 'subscribe' | 'unsubscribe' | 'subscriptions' | 'countSubscriptions';

function prismaSessions(mcpSession: Delegates['mcpSession']): Omit<SessionStore, SubscriptionVerb> {
  // Ends those `sessions` that still match `condition`. Returns the sessions that are gone afterwards, even if another process ended them.
  const endWhere = async (sessions: EndedSession[], condition: Where<Session>): Promise<EndedSession[]> => {
    const ids = sessions.map(session => session.id);
    const { count } = await mcpSession.deleteMany({ where: { id: { in: ids }, ...condition } });
    if (count === ids.length) return sessions;
    const left = new Set(await idsOf(mcpSession.findMany({ where: { id: { in: ids } }, select: { id: true } })));
    return sessions.filter(session => !left.has(session.id));
  };

  // Ends those `sessions` that were not seen later than the last of them.
  const endUnseen = async (sessions: readonly Pick<Session, 'id' | 'lastSeenAt'>[], condition: Where<Session> = {}) => {
    const last = sessions.at(-1);
    if (last === undefined) return [];
    const ids = sessions.map(({ id }) => id);
    const found = await mcpSession.findMany({ where: { id: { in: ids } }, select: endedColumns });
    return endWhere(found, { ...condition, lastSeenAt: { lte: last.lastSeenAt } });
  };

  return {
    async create(session) {
      await once(mcpSession.create({ data: { ...session }, select: { id: true } }));
    },
    async find(id) {
      const row = await mcpSession.findUnique({ where: { id }, select: columns.mcpSession });
      // MySQL ignores case in comparisons, so a row with another id may match.
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
      let touched = 0;
      for (const batch of batches(ids, 900)) {
        const where = { id: { in: batch }, lastSeenAt: { lt: lastSeenAt } };
        touched += (await mcpSession.updateMany({ where, data: { lastSeenAt, expiresAt } })).count;
      }
      return touched;
    },
    async end(id) {
      const { count } = await mcpSession.deleteMany({ where: { id } });
      return count > 0;
    },
    async evict(principal, keep) {
      const ended: EndedSession[] = [];
      const count = await mcpSession.count({ where: { principal } });
      for (let isDone = count <= keep; !isDone; ) {
        const sessions = await mcpSession.findMany({
          where: { principal },
          orderBy: [{ lastSeenAt: 'asc' }, { createdAt: 'asc' }, { id: 'asc' }],
          take: keep + maxEvicted,
          select: { id: true, initialized: true, lastSeenAt: true },
        });
        const { unconfirmed, idle } = selectEvicted(sessions, keep);
        // A session that was confirmed or used since the select stays.
        const gone = [...(await endUnseen(unconfirmed, { initialized: false })), ...(await endUnseen(idle))];
        ended.push(...gone);
        isDone = sessions.length < keep + maxEvicted || gone.length === 0;
      }
      return { ended, left: Math.min(count, keep) };
    },
    async sweep(now, limit) {
      const expired = { expiresAt: { lte: now } };
      const ended: EndedSession[] = [];
      const sessions = await mcpSession.findMany({ where: expired, orderBy: [{ expiresAt: 'asc' }], take: limit, select: endedColumns });
      for (const batch of batches(sessions)) ended.push(...(await endWhere([...batch], expired)));
      return ended;
    },
    async list({ principal, now, take, after }) {
      const where = {
        // Both bounds stand in one range, so that the database can use its index.
        expiresAt: { gt: now, ...(after && { lte: after.expiresAt }) },
        ...(principal !== undefined && { principal }),
        ...(after && { OR: [{ expiresAt: { lt: after.expiresAt } }, { id: { lt: after.id } }] }),
      };
      return mcpSession.findMany({ where, orderBy: [{ expiresAt: 'desc' }, { id: 'desc' }], take, select: columns.mcpSession });
    },
  };
}

const endedColumns = { id: true, principal: true, clientInfo: true, revision: true, createdAt: true } as const satisfies {
  [column in keyof EndedSession]: true;
};

async function idsOf(rows: Promise<{ id: string }[]>): Promise<string[]> {
  return (await rows).map(row => row.id);
}

function prismaSubscriptions(mcpSubscription: Delegates['mcpSubscription']): Pick<SessionStore, SubscriptionVerb> {
  return {
    async subscribe(sessionId, uri) {
      try {
        await once(mcpSubscription.create({ data: { sessionId, uriHash: hash(uri), uri }, select: { sessionId: true } }));
        return true;
      } catch (error) {
        if (hasCode(error, FOREIGN_KEY_VIOLATION)) return false;
        throw error;
      }
    },
    async unsubscribe(sessionId, uri) {
      await mcpSubscription.deleteMany({ where: { sessionId, uriHash: hash(uri) } });
    },
    countSubscriptions(sessionId) {
      return mcpSubscription.count({ where: { sessionId } });
    },
    async subscriptions(sessionId) {
      const rows = await mcpSubscription.findMany({ where: { sessionId }, select: { uri: true } });
      return rows.map(({ uri }) => uri);
    },
  };
}

function hash(uri: string): string {
  return createHash('sha256').update(uri).digest('hex');
}

function prismaNodes(mcpNode: Delegates['mcpNode']): NodeStore {
  const raise = async (id: string, expiresAt: Date): Promise<boolean> => {
    const { count } = await mcpNode.updateMany({ where: { id }, data: { beat: { increment: 1 }, expiresAt } });
    return count > 0;
  };

  return {
    async beat(id, expiresAt) {
      if (await raise(id, expiresAt)) return;
      try {
        await mcpNode.create({ data: { id, beat: 1, expiresAt }, select: { id: true } });
      } catch (error) {
        if (!hasCode(error, UNIQUE_VIOLATION)) throw error;
        await raise(id, expiresAt);
      }
    },
    async beats(ids) {
      const beats = new Map<string, number>();
      for (const batch of batches(ids)) {
        const rows = await mcpNode.findMany({ where: { id: { in: batch } }, select: { id: true, beat: true } });
        // MySQL ignores case in comparisons, so a row with another id may match.
        for (const { id, beat } of rows) if (batch.includes(id)) beats.set(id, beat);
      }
      return beats;
    },
    async removeNode(id) {
      await mcpNode.deleteMany({ where: { id } });
    },
    async sweepNodes(now, limit) {
      return (await mcpNode.deleteMany({ where: { expiresAt: { lte: now } }, limit })).count;
    },
  };
}

function prismaContinuations(mcpContinuation: Delegates['mcpContinuation']): ContinuationStore {
  return {
    async saveContinuation(continuation) {
      await once(mcpContinuation.create({ data: { ...continuation }, select: { id: true } }));
    },
    async findContinuation(id) {
      const row = await mcpContinuation.findUnique({ where: { id }, select: continuationColumns });
      // MySQL ignores case in comparisons, so a row with another id may match.
      return row?.id === id ? row : undefined;
    },
    async takeContinuation(id, by) {
      const { count } = await mcpContinuation.updateMany({
        where: { id, OR: [{ takenBy: null }, { takenBy: by }] },
        data: { takenBy: by },
      });
      return count > 0;
    },
    async returnContinuation(id, by) {
      const { count } = await mcpContinuation.updateMany({ where: { id, takenBy: by }, data: { takenBy: null } });
      return count > 0;
    },
    async removeContinuation(id) {
      await mcpContinuation.deleteMany({ where: { id } });
    },
    async evictContinuations(principal, keep) {
      for (;;) {
        const surplus = await idsOf(
          mcpContinuation.findMany({
            where: { principal },
            orderBy: [{ expiresAt: 'desc' }, { id: 'desc' }],
            skip: keep,
            take: maxEvicted,
            select: { id: true },
          }),
        );
        if (surplus.length > 0) await mcpContinuation.deleteMany({ where: { id: { in: surplus } } });
        if (surplus.length < maxEvicted) return mcpContinuation.count({ where: { principal } });
      }
    },
    async sweepContinuations(now, limit) {
      return (await mcpContinuation.deleteMany({ where: { expiresAt: { lte: now } }, limit })).count;
    },
  };
}

const { takenBy: _, ...continuationColumns } = columns.mcpContinuation;
