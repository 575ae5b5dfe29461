import type { McpMiddleware, McpOptions } from 'koa-mcp';
import { z } from 'zod';
import type { PrismaClient } from '../../../generated/test/sqlite/client/client.ts';
import type { Setup } from '../setup.ts';
import { wallClock } from '../tools.ts';

/** What the tools of a host use. */
export interface Host {
  /** The middleware, which exists once the tools do. */
  readonly middleware: () => McpMiddleware;
  /** Statements that the database was asked so far. */
  readonly queries: () => number;
  readonly prisma: PrismaClient | undefined;
}

/** A tool that does in its process what a host does outside of requests. */
export function hostTools(name: NonNullable<Setup['hostTool']>, host: Host): NonNullable<McpOptions['tools']> {
  return { [name]: tools[name](host) } as NonNullable<McpOptions['tools']>;
}

const tools = {
  announce: ({ middleware }: Host) => ({
    description: 'Announces that a list or a resource has changed, again and again for a time, at least once',
    inputSchema: z.object({ uri: z.string().optional(), forMs: z.number() }),
    handler: async ({ uri, forMs }: { uri?: string; forMs: number }) => {
      const announce = () => (uri === undefined ? middleware().listChanged('tools') : middleware().resourceUpdated(uri));
      const startedAt = wallClock();
      const tookMs: number[] = [];
      do {
        const announcedAt = performance.now();
        await announce();
        tookMs.push(performance.now() - announcedAt);
      } while (wallClock() - startedAt < forMs);
      return { startedAt, tookMs };
    },
  }),
  queries: ({ queries }: Host) => ({
    description: 'Counts the statements that the database was asked',
    inputSchema: z.object({}),
    handler: () => ({ queries: queries() }),
  }),
  write: ({ prisma }: Host) => {
    let writes = 0;
    return {
      description: 'Updates one of fifty bookings',
      inputSchema: z.object({}),
      handler: () => {
        writes += 1;
        return prisma?.booking.update({ where: { id: 1 + (writes % 50) }, data: { price: writes }, select: { price: true } });
      },
    };
  },
};
