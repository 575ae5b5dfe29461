import type { Random } from '../chaos/random.ts';
import type { BusConditions } from './bus.ts';
import { BusHub } from './bus.ts';
import { checkDelivered } from './checks.ts';
import type { Owner, Scheduler } from './engine/scheduler.ts';
import type { Counts } from './faults.ts';
import type { Reach, StoreConditions } from './faulty-store.ts';
import type { Ledger, Publication } from './ledger.ts';
import { Network } from './network.ts';
import { SimNode } from './node.ts';
import type { Settings } from './settings.ts';
import type { Database, LogConditions } from './store.ts';
import { openDatabase } from './store.ts';

/** What holds for everybody now. */
export interface Conditions {
  /** Whether anybody reaches the database. */
  reach: Reach;
  readonly store: StoreConditions;
  readonly log: LogConditions;
  readonly bus: BusConditions;
}

/** What `World` needs. */
export interface WorldOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly counts: Counts;
}

/** Steps of one request that may each take `storeMs`, as documented there. */
const MAX_STEPS = 6;

/** Everything that there is in one schedule. */
export class World {
  readonly scheduler: Scheduler;
  /** Owns what no process and no client does. */
  readonly harness: Owner;
  readonly random: Random;
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly counts: Counts;
  readonly conditions: Conditions;
  readonly database: Database;
  readonly databaseOwner: Owner;
  readonly bus: BusHub;
  readonly network: Network;
  /** Dead ones among them. */
  readonly nodes: SimNode[] = [];
  /** Whether clients call and publishers publish. */
  isActing = true;
  /** Whether clients go away for good. */
  isLeaving = false;

  constructor({ scheduler, random, settings, ledger, counts }: WorldOptions) {
    this.scheduler = scheduler;
    this.harness = scheduler.owner;
    this.random = random;
    this.settings = settings;
    this.ledger = ledger;
    this.counts = counts;
    this.conditions = { reach: 'reached', store: { ...settings.store }, log: { ...settings.log }, bus: { ...settings.bus } };
    this.database = openDatabase({ scheduler, random, counts, conditions: this.conditions.log });
    this.databaseOwner = scheduler.createOwner('database');
    this.bus = new BusHub({ scheduler, random, counts, conditions: this.conditions.bus });
    this.network = new Network({ scheduler, random, latencyMs: settings.networkMs });
  }

  /** Milliseconds after which a process that cannot read the log has ended its streams, and their clients know. */
  get deafMs(): number {
    const { sessions, limits, networkMs } = this.settings;
    return sessions.deadMs + 2 * limits.storeMs + (sessions.lookMs ?? 1000) + 4 * networkMs + 5000;
  }

  get living(): SimNode[] {
    return this.nodes.filter(({ isAlive }) => isAlive);
  }

  /** Those that take requests. */
  get serving(): SimNode[] {
    return this.living.filter(({ isListening, isDraining }) => isListening && !isDraining);
  }

  /** Starts a process. */
  start(name: string): SimNode {
    const node = new SimNode(this, name, this.random.between(-this.settings.skewMs, this.settings.skewMs));
    this.nodes.push(node);
    this.scheduler.trace(`${name} starts`);
    return node;
  }

  /** Where a load balancer sends the next request: mostly to a process that listens. */
  route(random: Random): SimNode | undefined {
    const { living } = this;
    const listening = living.filter(({ isListening, isDraining }) => isListening && !isDraining);
    if (listening.length > 0 && !random.chance(0.05)) return random.pick(listening);
    return this.nodes.length > 0 ? random.pick(living.length > 0 ? living : this.nodes) : undefined;
  }

  /** Publishes on a process, as the running code. Resolves when the process has it safe; never, if it dies before. */
  async publish(node: SimNode, what: string): Promise<void> {
    const { scheduler, ledger } = this;
    const publication: Publication = { what, node: node.name, calledAt: scheduler.steps, resolvedAt: undefined, failure: undefined };
    ledger.publications.push(publication);
    let calledMs = scheduler.now;
    const list = what.startsWith('list:') ? (what.slice('list:'.length) as 'tools') : undefined;
    try {
      await scheduler.ask(node.owner, `publish ${what}`, () => {
        Object.assign(publication, { calledAt: scheduler.steps });
        calledMs = scheduler.now;
        return list === undefined ? node.mcp.resourceUpdated(what) : node.mcp.listChanged(list);
      });
      publication.resolvedAt = scheduler.steps;
      scheduler.at(this.deafMs, this.harness, 'is it delivered?', () =>
        checkDelivered(publication, { ledger, nodes: this.nodes, calledMs }),
      );
    } catch (error) {
      publication.failure = error;
      if (node.isAlive && !node.isClosing) ledger.breach(6, 'a publication failed', `${what} on ${node.name}: ${String(error)}`);
    }
  }

  /** Takes an error that no client is shown. */
  problem(node: SimNode, error: unknown): void {
    this.scheduler.trace(`reports ${String(error)}`);
    const isBug =
      error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError || error instanceof SyntaxError;
    if (isBug) this.ledger.breach(6, 'an internal error', `${node.name}: ${error.stack ?? String(error)}`);
  }

  /**
   * Holds the time an answer took to what is documented of `storeMs`: the database may take it for each step of a request.
   *
   * @param workMs What the handler took.
   */
  checkWait(node: SimNode, what: string, { sentMs, workMs = 0 }: { sentMs: number; workMs?: number }): void {
    const { now } = this.scheduler;
    const slackMs = 1000 + 4 * this.settings.networkMs;
    const waitedMs = now - sentMs - workMs - node.pausedMs(sentMs, now);
    if (waitedMs > MAX_STEPS * this.settings.limits.storeMs + slackMs)
      this.ledger.breach(6, 'a request waited too long', `${what} on ${node.name} was answered after ${Math.round(waitedMs)} ms`);
  }
}
