import { setTimeout as delay } from 'node:timers/promises';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaClient as SqliteClient } from '../../generated/test/sqlite/client/client.ts';
import type { World } from './world.ts';

/** How long the lock is tried in vain before a stopped process counts as its holder; others hold it for one statement at a time. */
const heldMs = 1000;
const tryMs = 100;

/** Holds the write lock of the SQLite file, as another program that writes would. */
export async function holdWriteLock({ place, ledger }: World, forMs: number): Promise<void> {
  const hold = async () => {
    const heals = ledger.incidents.begin('away');
    ledger.count('faults');
    await delay(forMs);
    heals();
  };
  // Busy: somebody else has it at the moment.
  while (!(await withWriteLock(place.settings.databaseUrl, hold))) await delay(10);
}

/**
 * Notes the time during which a process that was stopped holds the write lock of the SQLite file: no other process can write then.
 *
 * @param goesOn Aborts when the process is no longer stopped.
 * @returns Resolves once the lock is free after that.
 */
export async function watchWriteLock({ place, ledger }: World, goesOn: AbortSignal): Promise<void> {
  let busySince: number | undefined;
  let heals: (() => void) | undefined;
  while (!goesOn.aborted || heals !== undefined) {
    const tried = performance.now();
    if (await withWriteLock(place.settings.databaseUrl, async () => {})) {
      heals?.();
      [busySince, heals] = [undefined, undefined];
    } else {
      busySince ??= tried;
      if (tried - busySince >= heldMs) heals ??= ledger.incidents.begin('away', undefined, busySince);
    }
    await delay(tryMs);
  }
}

/** Does `work` while it holds the lock; `false`, and nothing is done, where somebody else has it. */
async function withWriteLock(url: string, work: () => Promise<void>): Promise<boolean> {
  // Not a moment in the event loop: libsql waits for a lock there. A client of its own for each try, since one that was refused may
  // hold its transaction open.
  const writer = new SqliteClient({ adapter: new PrismaLibSql({ url, timeout: 0 }) });
  try {
    return await writer.$transaction(
      async transaction => {
        // An update of no row takes the lock all the same.
        await transaction.$executeRaw`UPDATE "McpContinuation" SET "request" = "request" WHERE false`;
        await work();
        return true;
      },
      { maxWait: 1000, timeout: 60_000 },
    );
  } catch {
    return false;
  } finally {
    await writer.$disconnect();
  }
}
