import { beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../support/database.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';
import { Closing } from './closing.ts';
import { seedBookings } from './databases.ts';
import { installPeers } from './install.ts';
import { checkAnswers, startLanes } from './lanes.ts';
import { bookingClient, bookingColumns, bookingOperations, pageRows, toolsOf, toResult } from './tools.ts';
import type { Workload } from './workloads.ts';
import { workloads } from './workloads.ts';

beforeAll(installPeers, 180_000);

const named = (name: string) => workloads.find(workload => workload.name === name) as Workload;

describe('the contenders of the benchmark', () => {
  it.each(['echo', 'echo-2026', 'progress', 'find-unique-sqlite'])(
    'answer the calls of %s alike, as processes of their own',
    { timeout: 60_000 },
    async name => {
      await using closing = new Closing();
      const running = await startLanes(named(name), { connections: 1, build: undefined }, closing);
      expect(running.map(({ lane }) => lane.name)).toEqual(named(name).lanes.map(lane => lane.name));
      await checkAnswers(running);
    },
  );

  it('ask Prisma the same as koa-mcp', async () => {
    await using database = await openDatabase('sqlite', { record: true });
    await seedBookings(database.prisma);
    const { prisma, datamodel, queries } = database;
    const booking = {
      select: bookingColumns,
      include: { client: { select: bookingClient } },
      take: pageRows,
      operations: bookingOperations,
    };
    const models = { booking } as never;
    await using server = await start({ name: 'bench', prisma, datamodel, models });
    const session = await open(server.url);
    for (const tool of toolsOf('models')) {
      const { params } = workloads.find(({ request }) => request.params['name'] === tool.name)?.request ?? expect.fail(tool.name);
      const args = params['arguments'] as Record<string, unknown>;
      queries.length = 0;
      const result = await session.call(tool.name, args);
      const given = await tool.run(args, { prisma, progress: () => {} });
      expect(JSON.parse(JSON.stringify(toResult(tool, given)))).toEqual(result);
      expect(queries).toHaveLength(2);
      expect(queries[1]).toEqual(queries[0]);
    }
  });
});
