// Another process with the same SQLite file: started by `startProcess`, told what to do in messages.
import { openSync, writeSync } from 'node:fs';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import { sqliteAdapter } from '../../src/store/sqlite-adapter.ts';

/** `hold`: start a transaction that writes, and keep it open. `insert`: insert for ever, and note in that file what was acknowledged. */
export type Order = 'hold' | 'release' | { holdMs: number } | { insert: string } | { insertOne: string } | { keys: true };
export type Answer = 'started' | 'held' | 'released' | 'inserting' | { inserted: number } | { error: string } | { keys: string[] };

const [url = '', name = ''] = process.argv.slice(2);
const prisma = new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url })) });
const outside = await new PrismaLibSql({ url, timeout: 2_000 }).connect();
let held: Awaited<ReturnType<typeof outside.startTransaction>> | undefined;
let next = 0;

process.on('message', (order: Order) => {
  obey(order).then(answer, (error: unknown) => answer({ error: String(error) }));
});
answer('started');

async function obey(order: Order): Promise<Answer> {
  if (order === 'hold') return hold();
  if (order === 'release') {
    await held?.rollback();
    return 'released';
  }
  if ('holdMs' in order) {
    setTimeout(() => void held?.rollback(), order.holdMs);
    return hold();
  }
  if ('keys' in order) {
    const rows = await prisma.$queryRaw<{ key: string }[]>`SELECT key FROM Ledger ORDER BY id`;
    return { keys: rows.map(({ key }) => key) };
  }
  if ('insertOne' in order) return { inserted: await insert(order.insertOne) };
  const ledger = openSync(order.insert, 'a');
  for (let loop = 0; loop < 3; loop += 1) void insertForEver(ledger);
  return 'inserting';
}

async function hold(): Promise<Answer> {
  held = await outside.startTransaction();
  await held.executeRaw({ sql: "INSERT INTO Ledger (key) VALUES ('held')", args: [], argTypes: [] });
  return 'held';
}

async function insertForEver(ledger: number): Promise<never> {
  for (;;) {
    next += 1;
    const key = `${name}-${next}`;
    // Every fifth in a transaction with a pause in it, of which every second is rolled back.
    const id = await (next % 5 === 0 ? insertInTransaction(key, next % 10 === 0) : insert(key)).catch(() => undefined);
    // To a file and at once: a process that is killed says nothing more.
    if (id !== undefined) writeSync(ledger, `${JSON.stringify({ key, id })}\n`);
  }
}

async function insertInTransaction(key: string, isRolledBack: boolean): Promise<number> {
  return prisma.$transaction(async transaction => {
    const id = await insert(key, transaction);
    await new Promise(resolve => setTimeout(resolve, 2));
    if (isRolledBack) throw new Error('rolled back');
    return id;
  });
}

async function insert(key: string, client: Pick<PrismaClient, '$queryRaw'> = prisma): Promise<number> {
  const [row] = await client.$queryRaw<{ id: number }[]>`INSERT INTO Ledger (key) VALUES (${key}) RETURNING id`;
  return Number(row?.id);
}

function answer(message: Answer): void {
  process.send?.(message);
}
