import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { seeded } from './models/served.ts';
import { start } from './support/server.ts';
import { open } from './support/wire.ts';

const src = fileURLToPath(new URL('../src/', import.meta.url));

/** The files of `src` of which `work` runs at least one function, as V8 counts them. */
async function filesOf(work: () => Promise<unknown>): Promise<string[]> {
  const inspector = new Session();
  inspector.connect();
  try {
    await inspector.post('Profiler.enable');
    await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    await work();
    const { result } = await inspector.post('Profiler.takePreciseCoverage');
    return result
      .filter(({ url, functions }) => url.includes(src) && functions.some(({ ranges }) => ranges.some(({ count }) => count > 0)))
      .map(({ url }) => url.slice(url.indexOf(src) + src.length))
      .toSorted();
  } finally {
    inspector.disconnect();
  }
}

const policy = () => ({ clientId: { gt: 0 } });

// Whoever looks for a mistake in a call has to open these files. The lines of the failure name them.
it.each([
  ['a policy and an include', 24, { booking: { where: policy(), include: { client: true } }, client: {} }, {}],
  [
    'policies that are functions, also of the included model, and a where',
    32,
    { booking: { where: policy, include: { client: true } }, client: { where: () => ({ name: { not: 'Grace' } }) } },
    { where: { status: 'CONFIRMED' } },
  ],
] as const)('runs a booking_findMany with %s in at most %i files', async (_, atMost, models, args) => {
  await using db = await seeded('sqlite');
  await using server = await start({ prisma: db.prisma, datamodel: db.datamodel, models, telemetry: false });
  const session = await open(server.url);
  const call = () => session.call('booking_findMany', args);
  for (let times = 0; times < 3; times += 1) await call();
  let rows: { client: { name: string } }[] = [];
  const files = await filesOf(async () => {
    rows = (await call()).structuredContent.rows;
  });
  expect(rows[0]?.client.name).toBe('Ada');
  expect(files).toContain('models/queries/reads.ts');
  expect(files.length, files.join('\n')).toBeLessThanOrEqual(atMost);
});
