import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { PostgresBusOptions } from '../../src/bus/postgres-bus.ts';
import { postgresBus } from '../../src/bus/postgres-bus.ts';
import { emptyDatabase } from '../support/database.ts';
import { openProxy } from './proxy.ts';
import type { Node, Server } from './reconnect-suite.ts';

export interface PostgresServer extends Server {
  /** A database of its own. */
  readonly url: string;
  node(isAway?: boolean, options?: Partial<PostgresBusOptions>): Promise<Node & { clients: pg.Client[] }>;
  /** Process ids of the server's connections under an application name. */
  connections(applicationName: string): Promise<number[]>;
}

export async function openPostgres(): Promise<PostgresServer> {
  const database = await emptyDatabase('postgresql');
  const { url } = database;
  const admin = new pg.Client(url);
  await admin.connect();
  const connections = async (applicationName: string) => {
    const { rows } = await admin.query<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [applicationName]);
    return rows.map(row => row.pid);
  };
  return {
    url,
    connections,
    async node(isAway = false, options = {}) {
      const { hostname, port } = new URL(url);
      const proxy = await openProxy({ host: hostname, port: Number(port || 5432) });
      if (isAway) proxy.cut();
      const name = `koa-mcp ${randomUUID()}`;
      const errors: Error[] = [];
      const clients: pg.Client[] = [];
      const bus = postgresBus({
        connect: () => {
          const client = new pg.Client({ connectionString: through(url, proxy.port), application_name: name });
          clients.push(client);
          return client;
        },
        onError: error => errors.push(error),
        ...options,
      });
      return {
        bus,
        proxy,
        errors,
        clients,
        async kill() {
          for (const pid of await connections(name)) await admin.query('SELECT pg_terminate_backend($1)', [pid]);
        },
        async [Symbol.asyncDispose]() {
          await bus.close();
          await proxy[Symbol.asyncDispose]();
        },
      };
    },
    async close() {
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

function through(url: string, port: number): string {
  const changed = new URL(url);
  changed.hostname = '127.0.0.1';
  changed.port = String(port);
  return changed.href;
}
