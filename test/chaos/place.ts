import { readFile } from 'node:fs/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient as PostgresClient } from '../../generated/test/postgresql/client/client.ts';
import { redisAvailable, redisUrl } from '../bus/redis-server.ts';
import type { ClusterSettings, Place } from '../processes/cluster.ts';
import { places } from '../processes/cluster.ts';
import type { PrismaClient, Provider } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import type { OwnPostgres, OwnRedis } from './own-server.ts';
import { MissingServer, ownPostgres, ownRedis } from './own-server.ts';
import type { WireProxy } from './wire-proxy.ts';
import { openWireProxy } from './wire-proxy.ts';

export const buses = ['postgres', 'redis', 'polling'] as const;
export type ChaosBus = (typeof buses)[number];

/** Where a run keeps its rows and how it is woken; each process has a road of its own to PostgreSQL. */
export interface ChaosPlace extends AsyncDisposable {
  readonly provider: Provider;
  readonly bus: ChaosBus;
  /** Its connections don't run over the roads of the processes. */
  readonly prisma: PrismaClient;
  readonly settings: Pick<ClusterSettings, 'databaseUrl' | 'bus' | 'busUrl'>;
  settingsOf(place: Place): Partial<ClusterSettings>;
  /** Empty over SQLite. */
  readonly roads: ReadonlyMap<Place, WireProxy>;
  /** `undefined` where the run uses a server that others use too. */
  readonly postgres: OwnPostgres | undefined;
  readonly redis: OwnRedis | undefined;
  /** Why the run has no servers of its own. */
  readonly missing: readonly string[];
}

/** Opens an empty database, with servers of the run's own where this machine has the programs. */
export async function openChaosPlace(provider: Provider, bus: ChaosBus): Promise<ChaosPlace> {
  const opened: AsyncDisposable[] = [];
  const missing: string[] = [];
  const keep = <T extends AsyncDisposable>(resource: T) => {
    opened.push(resource);
    return resource;
  };
  const keepOwn = async <T extends AsyncDisposable>(start: () => Promise<T>) => {
    try {
      return keep(await start());
    } catch (error) {
      if (!(error instanceof MissingServer)) throw error;
      missing.push(error.message);
      return undefined;
    }
  };
  const close = async () => {
    for (const resource of opened.splice(0).toReversed()) await resource[Symbol.asyncDispose]();
  };
  try {
    const postgres = provider === 'postgresql' ? await keepOwn(ownPostgres) : undefined;
    const redis = bus === 'redis' ? await keepOwn(ownRedis) : undefined;
    if (bus === 'redis' && redis === undefined && !redisAvailable())
      throw new Error(`${missing.join('; ')}, and none answers at ${redisUrl}`);
    const { url, prisma } = keep(postgres === undefined ? await openDatabase(provider) : await openDatabaseAt(postgres.url));
    const roads = new Map<Place, WireProxy>();
    if (provider === 'postgresql') for (const place of places) roads.set(place, keep(await openWireProxy(serverOf(url))));
    const busUrlOver = (databaseUrl: string) => (bus === 'redis' ? (redis?.url ?? redisUrl) : databaseUrl);
    return {
      provider,
      bus,
      prisma,
      settings: { databaseUrl: url, bus, busUrl: busUrlOver(url) },
      settingsOf(place) {
        const road = roads.get(place);
        if (road === undefined) return {};
        const databaseUrl = Object.assign(new URL(url), { hostname: '127.0.0.1', port: `${road.port}` }).href;
        return { databaseUrl, busUrl: busUrlOver(databaseUrl) };
      },
      roads,
      postgres,
      redis,
      missing,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Makes the tables in the empty database of a server. */
async function openDatabaseAt(url: string): Promise<AsyncDisposable & { url: string; prisma: PrismaClient }> {
  const client = new pg.Client(url);
  await client.connect();
  const ddl = await readFile(new URL('../../prisma/test/postgresql.sql', import.meta.url), 'utf8');
  await client.query(ddl).finally(() => client.end());
  const prisma = new PostgresClient({ adapter: new PrismaPg({ connectionString: url, max: 4 }) }) as unknown as PrismaClient;
  return { url, prisma, [Symbol.asyncDispose]: () => prisma.$disconnect() };
}

function serverOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || 5432) };
}
