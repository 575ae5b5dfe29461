import type { Continuation, ContinuationStore } from './continuations.ts';

/** The part of the generated `McpContinuation` delegate that is used. */
export interface ContinuationDelegate {
  create(args: { data: Continuation; select: { id: true } }): Promise<unknown>;
  findUnique(args: { where: { id: string } }): Promise<Continuation | null>;
  findMany(args: { where: { expiresAt: { lte: Date } }; take: number; select: { id: true } }): Promise<{ id: string }[]>;
  deleteMany(args: { where: { id: string | { in: string[] } } }): Promise<{ count: number }>;
}

/** Continuations as rows of the host's database. */
export function prismaContinuations(mcpContinuation: ContinuationDelegate): ContinuationStore {
  return {
    async save(continuation) {
      await mcpContinuation.create({ data: { ...continuation }, select: { id: true } });
    },
    async take(id) {
      const row = await mcpContinuation.findUnique({ where: { id } });
      // MySQL compares text without regard to case.
      if (row?.id !== id) return undefined;
      // Whoever deletes the row has it; of several that read it, one does.
      const { count } = await mcpContinuation.deleteMany({ where: { id } });
      return count === 1 ? row : undefined;
    },
    async sweepContinuations(now, limit) {
      const rows = await mcpContinuation.findMany({ where: { expiresAt: { lte: now } }, take: limit, select: { id: true } });
      if (rows.length === 0) return 0;
      return (await mcpContinuation.deleteMany({ where: { id: { in: rows.map(row => row.id) } } })).count;
    },
  };
}
