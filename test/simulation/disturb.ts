import type { Random } from '../chaos/random.ts';
import type { SimNode } from './node.ts';
import type { Fault } from './settings.ts';
import type { World } from './world.ts';

/** Milliseconds after which a process learns, at last, of a connection that nobody has told it is gone. */
const NEVER_MS = 600_000;

/** Lets the faults of a schedule happen, and makes good what is left of them. */
export class Disturber {
  readonly #world: World;
  readonly #random: Random;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  /** Sets the faults to happen at their times. To be called as the harness. */
  schedule(): void {
    const { scheduler, settings } = this.#world;
    for (const fault of settings.faults) scheduler.at(fault.atMs, scheduler.owner, `fault: ${fault.kind}`, () => this.#inject(fault));
  }

  /** From now on nothing is broken. */
  heal(): void {
    const { conditions, nodes, scheduler, settings } = this.#world;
    Object.assign(conditions.store, { failedBefore: 0, appliedThenFailed: 0, late: 0, hanging: 0 });
    Object.assign(conditions.store, { latencyMs: settings.store.latencyMs, jitterMs: settings.store.jitterMs });
    Object.assign(conditions.log, { lateCommit: 0, rolledBack: 0, partlyApplied: 0 });
    Object.assign(conditions.bus, { lost: 0, doubled: 0, spurious: 0 });
    conditions.reach = 'reached';
    for (const node of nodes) {
      node.reach = 'reached';
      node.isOnBus = true;
      if (node.isAlive && node.owner.isPaused) scheduler.resume(node.owner);
      for (const disturbance of node.disturbances) {
        if (disturbance.until > scheduler.now && (disturbance.kind === 'paused' || disturbance.kind === 'cut off'))
          disturbance.until = scheduler.now;
      }
    }
  }

  #inject({ kind, forMs }: Fault): void {
    const world = this.#world;
    const { conditions, living, counts, scheduler, settings } = world;
    if (!world.isActing) return;
    const node = living.length > 0 ? this.#random.pick(living) : undefined;
    const after = (label: string, run: () => void) => scheduler.at(forMs, scheduler.owner, label, () => world.isActing && run());
    counts.add(kind);
    switch (kind) {
      case 'kill':
        if (node) this.kill(node, forMs);
        return;
      case 'close':
        if (node) this.close(node, { restartMs: forMs, deadlineMs: this.#random.pick([500, 2000, 5000]) });
        return;
      case 'drain':
        if (node) this.#drain(node, forMs);
        return;
      case 'pause':
        if (!node || node.owner.isPaused) return;
        node.disturbances.push({ kind: 'paused', since: scheduler.now, until: scheduler.now + forMs });
        scheduler.pause(node.owner);
        after('goes on', () => node.isAlive && node.owner.isPaused && scheduler.resume(node.owner));
        return;
      case 'cut off': {
        if (node?.reach !== 'reached') return;
        node.disturbances.push({ kind: 'cut off', since: scheduler.now, until: scheduler.now + forMs });
        node.reach = this.#random.pick(['refused', 'silent']);
        node.isOnBus = this.#random.chance(0.3);
        after('is reached again', () => Object.assign(node, { reach: 'reached', isOnBus: true }));
        return;
      }
      case 'database refuses':
      case 'database silent':
        conditions.reach = kind === 'database refuses' ? 'refused' : 'silent';
        after('the database is back', () => {
          conditions.reach = 'reached';
        });
        return;
      case 'database slow':
        Object.assign(conditions.store, { latencyMs: 300, jitterMs: 1500 });
        after('the database is fast', () =>
          Object.assign(conditions.store, { latencyMs: settings.store.latencyMs, jitterMs: settings.store.jitterMs }),
        );
        return;
      case 'bus away':
        for (const each of living) each.isOnBus = false;
        after('the bus is back', () => {
          for (const each of world.living) each.isOnBus = true;
        });
        return;
      case 'clock jumps':
        if (node) node.owner.clockAheadMs = this.#random.between(-settings.skewMs, settings.skewMs);
        return;
      case 'connections cut':
        for (const each of living) {
          for (const connection of each.connections) {
            if (!this.#random.chance(0.5)) continue;
            counts.add('connection cut');
            connection.cut({
              clientLearnsMs: this.#random.pick([1, 100, 3000]),
              serverLearnsMs: this.#random.pick([1, 50, forMs, NEVER_MS]),
            });
          }
        }
    }
  }

  /** Ends a process at once; another one takes its place. */
  kill(node: SimNode, restartMs: number): void {
    const { scheduler } = this.#world;
    scheduler.trace(`${node.name} is killed`);
    node.owner.isDead = true;
    node.disturbances.push({ kind: 'killed', since: scheduler.now, until: Number.POSITIVE_INFINITY });
    for (const connection of node.connections) {
      connection.cut({ clientLearnsMs: this.#random.pick([1, 1, 50, 2000]), serverLearnsMs: 0 });
    }
    scheduler.at(restartMs, scheduler.owner, 'restart', () => {
      if (this.#world.isLeaving) return;
      this.#world.counts.add('restart');
      this.#world.start(nextName(node.name));
    });
  }

  /** Lets a process finish what it has begun, and then ends it. */
  #drain(node: SimNode, restartMs: number): void {
    const { scheduler } = this.#world;
    if (node.isDraining || node.isClosing) return;
    node.isDraining = true;
    const deadlineMs = this.#random.pick([1000, 5000, 20_000]);
    const since = scheduler.now;
    void scheduler
      .ask(node.owner, 'drain', () => node.mcp.drain({ deadlineMs }))
      .then(() => {
        const tookMs = scheduler.now - since - node.pausedMs(since, scheduler.now);
        node.isDrained = tookMs < deadlineMs && !node.isClosing;
        if (tookMs > deadlineMs + 500)
          this.#world.ledger.breach(7, 'drain() did not end in time', `${node.name}: ${Math.round(tookMs)} ms`);
        this.close(node, { restartMs, deadlineMs: 2000 });
      });
  }

  /** Ends a process in good order, as a deployment does. */
  close(node: SimNode, { restartMs, deadlineMs }: { restartMs: number; deadlineMs: number }): void {
    const { scheduler, ledger, settings } = this.#world;
    if (node.isClosing) return;
    node.isClosing = true;
    node.isListening = false;
    node.disturbances.push({ kind: 'closed', since: scheduler.now, until: Number.POSITIVE_INFINITY });
    const since = scheduler.now;
    let isClosed = false;
    const check = () => {
      const tookMs = scheduler.now - since - node.pausedMs(since, scheduler.now);
      if (node.isAlive && tookMs > deadlineMs + 500)
        ledger.breach(
          7,
          'close() did not end in time',
          `${node.name}: ${isClosed ? `after ${Math.round(tookMs)}` : `not within ${Math.round(tookMs)}`} ms, deadline ${deadlineMs} ms`,
        );
    };
    const end = () => {
      if (node.isAlive) this.kill(node, restartMs);
    };
    void scheduler
      .ask(node.owner, 'close', () => node.mcp.close({ deadlineMs }))
      .then(
        () => {
          isClosed = true;
          check();
          if (node.owner.timers.size === 0) {
            end();
            return;
          }
          // Queries under way may come to their end.
          const afterMs = 3 * settings.limits.storeMs + 1000;
          scheduler.at(afterMs, node.owner, 'closed', () => {
            const left = [...node.owner.timers].map(({ what }) => what);
            if (left.length > 0) ledger.breach(6, 'timers after close()', `${node.name}: ${left.join('; ')}`);
          });
          scheduler.at(afterMs + 1, scheduler.owner, 'ends', end);
        },
        (error: unknown) => {
          ledger.breach(7, 'close() rejected', `${node.name}: ${String(error)}`);
          end();
        },
      );
    // As an orchestrator does.
    const patience = () => {
      if (isClosed || !node.isAlive) return;
      if (node.owner.isPaused) {
        scheduler.at(1000, scheduler.owner, 'still closing', patience);
        return;
      }
      check();
      end();
    };
    scheduler.at(deadlineMs + 10_000, scheduler.owner, 'patience', patience);
  }
}

/** `n1.1` → `n1.2`. */
function nextName(name: string): string {
  const [place, run] = name.split('.');
  return `${place}.${Number(run) + 1}`;
}
