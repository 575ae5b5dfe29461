import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { places } from '../processes/cluster.ts';
import type { Fault } from './fault.ts';
import type { WireProxy } from './wire-proxy.ts';
import type { World } from './world.ts';
import { holdWriteLock } from './write-lock.ts';

const overPostgres: Fault['applies'] = ({ provider }) => provider === 'postgresql';

/** What befalls the database, the roads to it, and Redis. */
export const databaseFaults: readonly Fault[] = [
  {
    name: 'restart-database',
    befalls: 'database',
    applies: overPostgres,
    needs: 'postgres',
    run: (world, random) => stopPostgres(world, { signal: random.pick(['SIGINT', 'SIGQUIT']), forMs: 0 }),
  },
  {
    name: 'stop-database',
    befalls: 'database',
    applies: overPostgres,
    needs: 'postgres',
    run: (world, random) => stopPostgres(world, { signal: random.pick(['SIGINT', 'SIGQUIT']), forMs: 15_000 }),
  },
  {
    name: 'too-many-connections',
    befalls: 'database',
    applies: overPostgres,
    needs: 'postgres',
    run: takeConnections,
  },
  {
    name: 'cut',
    befalls: 'connections',
    applies: overPostgres,
    async run(world, random) {
      const heals = world.ledger.incidents.begin('flaky');
      const until = performance.now() + 6000;
      while (performance.now() < until) {
        const road = roadAt(world, random.pick(places));
        const how = random.pick(['now', 'query', 'answer'] as const);
        if (how === 'now') world.ledger.count('faults', road.cut());
        else {
          road.cutNext(how);
          world.ledger.count('faults');
        }
        await delay(random.between(100, 500));
      }
      heals();
    },
  },
  {
    name: 'lost-answer',
    befalls: 'connections',
    applies: overPostgres,
    async run(world, random) {
      const heals = world.ledger.incidents.begin('flaky');
      const roads = places.map(place => roadAt(world, place));
      for (const road of roads)
        road.losesAnswer = () => {
          const isLost = random.chance(0.3);
          if (isLost) world.ledger.count('faults');
          return isLost;
        };
      await delay(6000);
      for (const road of roads) road.losesAnswer = () => false;
      heals();
    },
  },
  {
    name: 'black-hole',
    befalls: 'connections',
    applies: overPostgres,
    async run(world, random) {
      const place = random.pick(places);
      const heals = world.ledger.incidents.begin('away', world.cluster.at(place).name);
      world.ledger.count('faults');
      const heal = roadAt(world, place).swallow();
      await delay(20_000);
      heal(random.pick(['deliver', 'reset']));
      heals();
    },
  },
  {
    name: 'latency',
    befalls: 'connections',
    applies: overPostgres,
    async run(world) {
      const roads = places.map(place => roadAt(world, place));
      world.ledger.count('faults');
      for (const road of roads) road.latencyMs = 100;
      await delay(8000);
      for (const road of roads) road.latencyMs = 0;
    },
  },
  {
    name: 'lock',
    befalls: 'database',
    applies: ({ provider }) => provider === 'sqlite',
    run: (world, random) => holdWriteLock(world, random.between(2000, 8000)),
  },
  {
    name: 'kill-redis',
    befalls: 'bus',
    applies: ({ bus }) => bus === 'redis',
    needs: 'redis',
    async run({ place: { redis }, ledger }, random) {
      ledger.count('faults');
      await redis?.stop('SIGKILL');
      await delay(random.between(1000, 5000));
      await redis?.start();
    },
  },
];

async function stopPostgres(
  { place: { postgres }, ledger }: World,
  { signal, forMs }: { signal: 'SIGINT' | 'SIGQUIT'; forMs: number },
): Promise<void> {
  const heals = ledger.incidents.begin('away');
  ledger.count('faults');
  await postgres?.stop(signal);
  await delay(forMs);
  await postgres?.start();
  heals();
}

/** Takes every connection that the server has for some seconds, those of the processes too. */
async function takeConnections({ place: { postgres }, ledger }: World): Promise<void> {
  const heals = ledger.incidents.begin('away');
  const taken: pg.Client[] = [];
  const until = performance.now() + 6000;
  for (let first: pg.Client | undefined; performance.now() < until; first = taken[0]) {
    const { rowCount } = (await first?.query(endOthers)) ?? {};
    ledger.count('faults', rowCount ?? 0);
    for (let next = await connect(postgres?.url); next !== undefined; next = await connect(postgres?.url)) taken.push(next);
    await delay(100);
  }
  await Promise.all(taken.map(client => client.end()));
  heals();
}

const takerName = 'chaos';
const endOthers = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> '${takerName}'`;

/** One more connection, or `undefined` if the server has no more. */
async function connect(connectionString = ''): Promise<pg.Client | undefined> {
  const client = new pg.Client({ connectionString, application_name: takerName });
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    // SQLSTATE too_many_connections.
    if ((error as { code?: string }).code !== '53300') throw error;
    return undefined;
  }
}

function roadAt({ place }: World, at: (typeof places)[number]): WireProxy {
  const road = place.roads.get(at);
  if (road === undefined) throw new Error(`process ${at} has no road to its database`);
  return road;
}
