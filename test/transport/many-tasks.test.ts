import { it } from 'vitest';
import { memoryStore } from '../../src/index.ts';
import { prismaStore } from '../../src/store/prisma-store.ts';
import { describePostgres, openDatabase } from '../support/database.ts';
import { expectNoneLost } from './many-tasks.ts';

const count = 1000;
/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 600_000;

it(
  'of 1,000 tasks in memory is lost none, and their rows are gone after their time',
  () => expectNoneLost(memoryStore(), count),
  patienceMs,
);

describePostgres('of 1,000 tasks in PostgreSQL', () => {
  it(
    'is lost none, and their rows are gone after their time',
    async () => {
      await using database = await openDatabase('postgresql');
      await expectNoneLost(prismaStore(database.prisma), count);
    },
    patienceMs,
  );
});
