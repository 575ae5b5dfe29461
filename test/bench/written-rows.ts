import pg from 'pg';
import type { BenchDatabase } from './databases.ts';

/** Rows of koa-mcp's tables that have been added or changed. */
export interface WrittenRows extends AsyncDisposable {
  /** How many rows of each table, of those that have any: `{ McpEvent: 3 }`. */
  written(): Promise<Record<string, number>>;
}

const tables = ['McpSession', 'McpSubscription', 'McpEvent', 'McpNode', 'McpContinuation', 'McpTask'];

/** Finds out which rows are written from now on. PostgreSQL only: it asks each row for the transaction that wrote it. */
export async function watchRows({ url }: Pick<BenchDatabase, 'url'>): Promise<WrittenRows> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ xid: string }>('SELECT (txid_current() % 4294967296)::text AS xid');
  return {
    written: async () => {
      const counts: Record<string, number> = {};
      for (const table of tables) {
        // Of two transactions the younger one has the smaller age.
        const sql = `SELECT count(*)::int AS count FROM "${table}" WHERE age(xmin) < age($1::xid)`;
        const { count = 0 } = (await client.query<{ count: number }>(sql, [rows[0]?.xid])).rows[0] ?? {};
        if (count > 0) counts[table] = count;
      }
      return counts;
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}
