import type { Delegates } from './delegates.ts';
import { batches, columns, maxEvicted, once } from './delegates.ts';
import type { TaskStore } from './store.ts';
import { runningStatuses } from './store.ts';

const running = { status: { in: runningStatuses } };

/** Stores tasks as rows of `McpTask`. */
export function prismaTasks(mcpTask: Delegates['mcpTask']): TaskStore {
  return {
    async createTask(task) {
      await once(mcpTask.create({ data: { ...task }, select: { id: true } }));
    },
    async findTask(id) {
      const row = await mcpTask.findUnique({ where: { id }, select: columns.mcpTask });
      // MySQL ignores case in comparisons, so a row with another id may match.
      return row?.id === id ? row : undefined;
    },
    async updateTask(id, version, patch) {
      const { count } = await mcpTask.updateMany({ where: { id, version }, data: { ...patch, version: { increment: 1 } } });
      return count > 0;
    },
    async taskVersions(ids) {
      const versions = new Map<string, number>();
      for (const batch of batches(ids)) {
        const rows = await mcpTask.findMany({ where: { id: { in: batch } }, select: { id: true, version: true } });
        for (const { id, version } of rows) versions.set(id, version);
      }
      return versions;
    },
    async listTasks({ principal, now, take, after }) {
      const where = {
        principal,
        expiresAt: { gt: now },
        // Both bounds stand in one range, so that the database can use its index.
        ...(after && {
          createdAt: { lte: after.createdAt },
          OR: [{ createdAt: { lt: after.createdAt } }, { id: { lt: after.id } }],
        }),
      };
      return mcpTask.findMany({ where, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], take, select: listedColumns });
    },
    async runningTasks(principal, now, limit) {
      const where = { principal, ...running, expiresAt: { gt: now } };
      return (await mcpTask.findMany({ where, take: limit, select: { node: true } })).map(({ node }) => node);
    },
    async failTasks(node, failed) {
      const data = { ...failed, status: 'failed', version: { increment: 1 } } as const;
      return (await mcpTask.updateMany({ where: { node, ...running }, data })).count;
    },
    async evictTasks(principal, keep) {
      const where = { principal, status: { in: endedStatuses } };
      for (;;) {
        const surplus = await mcpTask.findMany({
          where,
          orderBy: [{ lastUpdatedAt: 'desc' }, { id: 'desc' }],
          skip: keep,
          take: maxEvicted,
          select: { id: true },
        });
        if (surplus.length > 0) await mcpTask.deleteMany({ where: { id: { in: surplus.map(({ id }) => id) } } });
        if (surplus.length < maxEvicted) return mcpTask.count({ where });
      }
    },
    async sweepTasks(now, limit) {
      return (await mcpTask.deleteMany({ where: { expiresAt: { lte: now } }, limit })).count;
    },
  };
}

const endedStatuses = ['completed', 'failed', 'cancelled'] as const;
const { questions: _, result: __, ...listedColumns } = columns.mcpTask;
