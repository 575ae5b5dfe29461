import http from 'node:http';
import Koa from 'koa';
import type { Bus } from '../../src/bus/bus.ts';
import type { McpMiddleware } from '../../src/mcp.ts';
import { mcp } from '../../src/mcp.ts';
import type { Owner } from './engine/scheduler.ts';
import type { Reach } from './faulty-store.ts';
import { faultyStore } from './faulty-store.ts';
import type { Connection } from './network.ts';
import { createOutage } from './store.ts';
import { toolsOf } from './tools.ts';
import type { World } from './world.ts';

/** One simulated process of the app, from its start to its end. */
export class SimNode {
  readonly owner: Owner;
  readonly world: World;
  readonly mcp: McpMiddleware;
  readonly server: http.Server;
  readonly bus: Bus & { readonly subscriptions: number };
  readonly connections = new Set<Connection>();
  isListening = true;
  /** Whether the load balancer was told to look elsewhere. */
  isDraining = false;
  /** Whether its calls were finished before it was closed. */
  isDrained = false;
  isClosing = false;
  /** Whether it reaches the database, and others by the bus. */
  reach: Reach = 'reached';
  isOnBus = true;
  /** Timers that were set before the first request. */
  readonly timersAtStart: number;
  queries = 0;
  /** When it was held up, cut off or killed: virtual times. */
  readonly disturbances: Disturbance[] = [];

  constructor(world: World, name: string, clockAheadMs: number) {
    this.world = world;
    this.owner = world.scheduler.createOwner(name, clockAheadMs);
    const before = world.scheduler.owner;
    world.scheduler.owner = this.owner;
    this.bus = world.bus.join(this.owner, () => this.isOnBus);
    const { scheduler, random, counts, database, conditions, settings, ledger } = world;
    const store = faultyStore(database.store, {
      scheduler,
      random,
      counts,
      conditions: conditions.store,
      owner: this.owner,
      database: world.databaseOwner,
      reach: () => (conditions.reach === 'reached' ? this.reach : conditions.reach),
      createOutage,
      onQuery: () => {
        this.queries += 1;
      },
    });
    this.mcp = mcp({
      name: 'sim',
      node: name,
      bus: this.bus,
      sessions: { store, ...settings.sessions },
      // The counters would leave timers behind, one for each principal.
      limits: { callsPerMinute: false, initializesPerMinute: false, ...settings.limits },
      principal: ctx => ctx.get('x-user') || undefined,
      tools: toolsOf(name, ledger),
      resources: { item: { uriTemplate: 'sim://item/{name}', handler: ({ name: item }) => String(item) } },
      onError: error => world.problem(this, error),
    });
    const app = new Koa();
    app.on('error', (error: Error) => world.problem(this, error));
    app.use(this.mcp);
    const serve = app.callback();
    this.server = http.createServer((req, res) => void serve(req, res));
    this.timersAtStart = this.owner.timers.size;
    world.scheduler.owner = before;
  }

  get name(): string {
    return this.owner.name;
  }

  get isAlive(): boolean {
    return !this.owner.isDead;
  }

  /** Virtual time at which it began to close. */
  get closedMs(): number {
    return this.disturbances.find(({ kind }) => kind === 'closed')?.since ?? Number.POSITIVE_INFINITY;
  }

  /** Milliseconds between two moments in which it did not run. */
  pausedMs(from: number, to: number): number {
    return this.disturbances
      .filter(({ kind }) => kind === 'paused')
      .reduce((sum, { since, until }) => sum + Math.max(0, Math.min(until, to) - Math.max(since, from)), 0);
  }
}

/** A time in which a process could not do its work. */
export interface Disturbance {
  readonly kind: 'paused' | 'cut off' | 'closed' | 'killed';
  readonly since: number;
  until: number;
}
