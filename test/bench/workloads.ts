import type { Seed } from './databases.ts';
import type { BenchRequest, Revision } from './requests.ts';
import { call, initialize } from './requests.ts';
import type { ContenderName, Database, Setup } from './setup.ts';

/** What is measured, and so the unit of the figures. */
export type Kind = 'throughput' | 'look-up' | 'memory' | 'crossing' | 'publishing' | 'announcing' | 'fan-out' | 'idle-queries' | 'start-up';

/** One contender as it takes part in a workload. */
export interface Lane {
  /** Unique in the workload. */
  readonly name: string;
  readonly contender: ContenderName;
  readonly setup: Setup;
  readonly revision: Revision;
  /** A database of its own, and what is in it. */
  readonly database?: { readonly provider: Database['provider']; readonly seed?: Seed };
  /** Processes that share the database, where announcements are measured. @default 1 */
  readonly processes?: number;
  /** What is announced to have changed, where announcements are measured. @default 'resource' */
  readonly announces?: 'list' | 'resource';
}

/** What must be true of the ratio of two lanes. */
export interface Target {
  readonly of: string;
  readonly against: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One part of the benchmark. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  /** What is sent over and over. */
  readonly request: BenchRequest;
  readonly lanes: readonly Lane[];
  readonly targets: readonly Target[];
}

const providers = [
  ['sqlite', 'SQLite'],
  ['postgresql', 'PostgreSQL'],
] as const;
const legacy = '2025-11-25';
const modern = '2026-07-28';
const tools: Setup = { app: 'tools' };
const models: Setup = { app: 'models' };
const list: Setup = { app: 'list' };
const streams: Setup = { app: 'tools', streams: true };
const announcing: Setup = { app: 'tools', sessions: 'database', bus: true, hostTool: 'announce' };
const echo = call('echo', { text: 'The quick brown fox jumps over the lazy dog and back again' });
const ping: BenchRequest = { method: 'ping', params: {} };

const overKoa = (atLeast: number): Target => ({ of: 'koa-mcp', against: 'koa', atLeast });

/** All there is, in the order of the report. */
export const workloads: readonly Workload[] = [
  {
    name: 'echo',
    title: 'echo among 30 tools, in a session of 2025-11-25',
    kind: 'throughput',
    request: echo,
    lanes: lanes(legacy, tools, ['http', 'koa', 'koa-mcp', 'sdk-v2', 'sdk-v1', 'fastmcp']),
    targets: [overKoa(0.9), { of: 'koa-mcp', against: 'sdk-v2', atLeast: 4.5 }],
  },
  {
    name: 'echo-2026',
    title: 'echo among 30 tools, 2026-07-28',
    kind: 'throughput',
    request: echo,
    lanes: [
      ...lanes(modern, tools, ['http', 'koa', 'koa-mcp', 'sdk-v2-request']),
      { name: 'koa-mcp, 2025-11-25', contender: 'koa-mcp', setup: tools, revision: legacy },
    ],
    targets: [overKoa(0.86), { of: 'koa-mcp', against: 'sdk-v2-request', atLeast: 12 }],
  },
  ...providers.flatMap(([provider, title]): Workload[] => [
    {
      name: `find-unique-${provider}`,
      title: `findUnique with a relation, ${title}`,
      kind: 'throughput',
      request: call('booking_findUnique', { where: { id: 50 } }),
      lanes: lanes(legacy, models, ['koa', 'koa-mcp', 'sdk-v2'], { provider, seed: 'bookings' }),
      targets: [overKoa(0.9)],
    },
    {
      name: `find-many-${provider}`,
      title: `findMany of 20 with a relation, ${title}`,
      kind: 'throughput',
      request: call('booking_findMany', { where: { clientId: 3 } }),
      lanes: lanes(legacy, models, ['koa', 'koa-mcp', 'sdk-v2'], { provider, seed: 'bookings' }),
      targets: [overKoa(0.95)],
    },
    {
      name: `aggregate-${provider}`,
      title: `aggregate of 20 rows, ${title}`,
      kind: 'throughput',
      request: call('booking_aggregate', { where: { clientId: 3 }, _count: true, _sum: { price: true }, _max: { startsAt: true } }),
      lanes: lanes(legacy, models, ['koa', 'koa-mcp', 'sdk-v2'], { provider, seed: 'bookings' }),
      targets: [overKoa(0.95)],
    },
    {
      name: `group-by-${provider}`,
      title: `groupBy of 500 rows, ${title}`,
      kind: 'throughput',
      request: call('booking_groupBy', { by: ['status'], where: { clientId: { lte: 25 } }, _count: true, _sum: { price: true } }),
      lanes: lanes(legacy, models, ['koa', 'koa-mcp', 'sdk-v2'], { provider, seed: 'bookings' }),
      targets: [overKoa(0.95)],
    },
  ]),
  {
    name: 'list',
    title: 'tools/list of 500 tools',
    kind: 'throughput',
    request: { method: 'tools/list', params: {} },
    lanes: lanes(legacy, list, ['koa', 'koa-mcp', 'sdk-v2', 'sdk-v1', 'fastmcp']),
    targets: [overKoa(0.8)],
  },
  {
    name: 'progress',
    title: 'a call with ten progress notifications on its stream',
    kind: 'throughput',
    request: call('steps', {}, { progressToken: 'p' }),
    lanes: lanes(legacy, streams, ['koa', 'koa-mcp', 'sdk-v2', 'sdk-v1', 'fastmcp']),
    targets: [overKoa(0.7)],
  },
  ...providers.map(
    ([provider, title]): Workload => ({
      name: `initialize-${provider}`,
      title: `initialize with a new session row, ${title}`,
      kind: 'throughput',
      request: initialize,
      lanes: lanes(legacy, { app: 'tools', sessions: 'database' }, ['koa', 'koa-mcp'], { provider }),
      targets: [overKoa(0.85)],
    }),
  ),
  ...providers.map(([provider, title]): Workload => {
    // Both have the client, so that they differ in nothing but where sessions are.
    const lane = (name: string, sessions: 'memory' | 'database'): Lane => ({
      name,
      contender: 'koa-mcp',
      setup: { app: 'tools', sessions },
      revision: legacy,
      database: { provider },
    });
    return {
      name: `sessions-${provider}`,
      title: `echo, sessions in the database against sessions in memory, ${title}`,
      kind: 'throughput',
      request: echo,
      lanes: [lane('in memory', 'memory'), lane('in the database', 'database')],
      targets: [{ of: 'in the database', against: 'in memory', atLeast: 0.97 }],
    };
  }),
  ...providers.map(([provider, title]): Workload => {
    const lane = (name: string, live: boolean): Lane => ({
      name,
      contender: 'koa-mcp',
      setup: { app: 'models', sessions: 'database', hostTool: 'write', live },
      revision: legacy,
      database: { provider, seed: 'bookings' },
    });
    return {
      name: `live-${provider}`,
      title: `a write of the app, with live() against without, nobody subscribed, ${title}`,
      kind: 'throughput',
      request: call('write', {}),
      lanes: [lane('without live()', false), lane('with live()', true)],
      targets: [{ of: 'with live()', against: 'without live()', atLeast: 0.97 }],
    };
  }),
  {
    name: 'megabyte',
    title: 'a result of 1 MB',
    kind: 'throughput',
    request: call('megabyte'),
    lanes: lanes(legacy, tools, ['http', 'koa', 'koa-mcp', 'sdk-v2', 'sdk-v1', 'fastmcp']),
    targets: [],
  },
  {
    name: 'memory',
    title: 'memory of an idle stream',
    kind: 'memory',
    request: ping,
    lanes: lanes(legacy, tools, ['koa', 'koa-mcp']),
    targets: [{ of: 'koa-mcp', against: 'koa', atMost: 1.25 }],
  },
  {
    name: 'look-up',
    title: 'ping, each with a look-up of its session row, PostgreSQL',
    kind: 'look-up',
    request: ping,
    lanes: (['1,000 sessions', '1,000,000 sessions'] as const).map(seed => ({
      name: seed,
      contender: 'koa-mcp',
      setup: { app: 'tools', sessions: 'database', cacheMs: 1 },
      revision: legacy,
      database: { provider: 'postgresql', seed },
    })),
    targets: [{ of: '1,000,000 sessions', against: '1,000 sessions', atMost: 1.2 }],
  },
  {
    name: 'crossing',
    title: 'a response that crosses processes over PostgreSQL, from when there is one to its arrival',
    kind: 'crossing',
    request: echo,
    lanes: [
      { name: 'by hand with pg', contender: 'http', setup: tools, revision: legacy, database: { provider: 'postgresql' } },
      { name: 'by hand with pg and Koa', contender: 'durable', setup: tools, revision: legacy, database: { provider: 'postgresql' } },
      {
        name: 'koa-mcp',
        contender: 'koa-mcp',
        setup: { app: 'tools', sessions: 'database', bus: true },
        revision: legacy,
        database: { provider: 'postgresql' },
      },
    ],
    targets: [{ of: 'koa-mcp', against: 'by hand with pg', atMost: 2.4 }],
  },
  {
    name: 'publish',
    title: 'a resource that nobody subscribed to has changed, announced by each process one time after the other, PostgreSQL',
    kind: 'publishing',
    request: ping,
    lanes: [1, 3].map(processes => ({ ...announcer(processes === 1 ? '1 process' : `${processes} processes`), processes })),
    targets: [{ of: '3 processes', against: '1 process', atLeast: 1 }],
  },
  {
    name: 'changed-list',
    title: 'a list has changed, told to all sessions, PostgreSQL',
    kind: 'announcing',
    request: ping,
    lanes: (['10 sessions', '100,000 sessions'] as const).map(seed => ({ ...announcer(seed, seed), announces: 'list' })),
    targets: [{ of: '100,000 sessions', against: '10 sessions', atMost: 1.5 }],
  },
  {
    name: 'resource-updated',
    title: 'a resource has changed, told to its subscribers, PostgreSQL',
    kind: 'announcing',
    request: ping,
    lanes: (['10 subscribers', '10,000 subscribers'] as const).map(seed => announcer(seed, seed)),
    targets: [{ of: '10,000 subscribers', against: '10 subscribers', atMost: 1.5 }],
  },
  {
    name: 'fan-out',
    title: 'a resource has changed, until the last open stream of its subscribers in one process has brought it, PostgreSQL',
    kind: 'fan-out',
    request: ping,
    lanes: (['10 subscribers', '2,000 subscribers'] as const).map(seed => announcer(seed, seed)),
    targets: [],
  },
  {
    name: 'idle-streams',
    title: 'what a process with idle streams asks the database, PostgreSQL',
    kind: 'idle-queries',
    request: ping,
    lanes: (['1 sessions', '5,000 sessions'] as const).map(seed => ({
      ...announcer(seed === '1 sessions' ? '1 stream' : '5,000 streams', seed),
      setup: { ...announcing, hostTool: 'queries' },
    })),
    targets: [{ of: '5,000 streams', against: '1 stream', atMost: 1.1 }],
  },
  {
    name: 'start-up',
    title: 'loading koa-mcp and exposing models',
    kind: 'start-up',
    request: ping,
    lanes: [1, 10, 100].map(count => ({
      name: count === 1 ? '1 model' : `${count} models`,
      contender: 'koa-mcp',
      setup: { app: 'models', models: count },
      revision: legacy,
    })),
    targets: [],
  },
];

/** koa-mcp as it is asked to announce. */
function announcer(name: string, seed?: Seed): Lane {
  return {
    name,
    contender: 'koa-mcp',
    setup: announcing,
    revision: modern,
    database: { provider: 'postgresql', ...(seed !== undefined && { seed }) },
  };
}

/** Contenders that differ in nothing but what they are. */
function lanes(revision: Revision, setup: Setup, names: readonly ContenderName[], database?: Lane['database']): Lane[] {
  return names.map(name => ({ name, contender: name, setup, revision, ...(database && { database }) }));
}
