import type { TestContext } from 'vitest';
import type { TcpProxy } from '../bus/proxy.ts';
import { openProxy } from '../bus/proxy.ts';
import { redisAvailable, redisUrl, requireRedis } from '../bus/redis-server.ts';
import type { Provider, TestDatabase } from '../support/database.ts';
import { openDatabase, postgresAvailable, requirePostgres } from '../support/database.ts';
import type { ClusterSettings } from './cluster.ts';
import type { BusKind } from './protocol.ts';

/** A database and the way of wake-ups over it. */
export interface Combination {
  readonly name: string;
  readonly provider: Provider;
  readonly bus: BusKind;
  readonly isAvailable: boolean;
  /** Skips a test by name where the servers are missing; fails it where `CI` is set. */
  readonly require: (test: TestContext) => void | Promise<void>;
}

const always = { isAvailable: true, require: () => undefined };
const overPostgres = { provider: 'postgresql', isAvailable: postgresAvailable(), require: requirePostgres } as const;

export const combinations = {
  postgres: { ...overPostgres, name: 'PostgreSQL, woken by PostgreSQL', bus: 'postgres' },
  redis: {
    name: 'PostgreSQL, woken by Redis',
    provider: 'postgresql',
    bus: 'redis',
    isAvailable: postgresAvailable() && redisAvailable(),
    require: async test => {
      await requirePostgres(test);
      requireRedis(test);
    },
  },
  polling: { ...overPostgres, name: 'PostgreSQL, with polling', bus: 'polling' },
  none: { ...overPostgres, name: 'PostgreSQL, without any wake-up', bus: 'none' },
  sqlite: { ...always, name: 'SQLite, with polling', provider: 'sqlite', bus: 'polling' },
} as const satisfies Record<string, Combination>;

/** A database of its own. The way to it can be cut, where it is PostgreSQL. */
export interface Place extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly proxy: TcpProxy | undefined;
  readonly settings: Pick<ClusterSettings, 'databaseUrl' | 'bus' | 'busUrl'>;
}

export async function openPlace({ provider, bus }: Pick<Combination, 'provider' | 'bus'>): Promise<Place> {
  const database = await openDatabase(provider);
  const proxy = provider === 'postgresql' ? await openProxy(serverOf(database.url)) : undefined;
  const databaseUrl = proxy === undefined ? database.url : through(database.url, proxy.port);
  return {
    database,
    proxy,
    settings: { databaseUrl, bus, busUrl: bus === 'redis' ? redisUrl : databaseUrl },
    async [Symbol.asyncDispose]() {
      await proxy?.[Symbol.asyncDispose]();
      await database.close();
    },
  };
}

function serverOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || 5432) };
}

function through(url: string, port: number): string {
  const changed = new URL(url);
  changed.hostname = '127.0.0.1';
  changed.port = String(port);
  return changed.href;
}
