import type { Bus } from '../../src/bus/bus.ts';
import type { Random } from '../chaos/random.ts';
import type { Owner, Scheduler } from './engine/scheduler.ts';
import type { Counts } from './faults.ts';

/** How the bus fares now. */
export interface BusConditions {
  /** Whether no wake-up crosses processes at all. */
  isAbsent: boolean;
  /** Probabilities for each wake-up that crosses processes. */
  lost: number;
  doubled: number;
  /** Probability that a wake-up brings one of another topic along, for nothing. */
  spurious: number;
  latencyMs: number;
}

/** What `BusHub` needs. */
export interface BusHubOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly counts: Counts;
  readonly conditions: BusConditions;
}

/** What carries wake-ups between the simulated processes. */
export class BusHub {
  readonly #options: BusHubOptions;
  readonly #members = new Set<Member>();

  constructor(options: BusHubOptions) {
    this.#options = options;
  }

  /** The bus of one process. @param isReachable Whether wake-ups get in and out now. */
  join(owner: Owner, isReachable: () => boolean): Bus & { readonly subscriptions: number } {
    const member = new Member(owner, isReachable);
    this.#members.add(member);
    return {
      publish: topic => {
        member.wake(topic);
        for (const other of this.#members) if (other !== member) this.#carry(member, other, topic);
      },
      subscribe: (topic, listener) => member.subscribe(topic, listener),
      get ready() {
        return isReachable();
      },
      close: async () => {
        this.#members.delete(member);
        member.close();
      },
      get subscriptions() {
        return member.size;
      },
    };
  }

  #carry(from: Member, to: Member, topic: string): void {
    const { scheduler, random, counts, conditions } = this.#options;
    if (to.owner.isDead || conditions.isAbsent) return;
    const fate = random.next();
    if (fate < conditions.lost || !from.isReachable()) {
      counts.add('wake-up lost');
      return;
    }
    const isDoubled = random.chance(conditions.doubled);
    if (isDoubled) counts.add('wake-up doubled');
    for (let copy = isDoubled ? 2 : 1; copy > 0; copy -= 1) {
      scheduler.at(0.1 + random.next() * conditions.latencyMs, to.owner, 'wake-up', () => {
        if (to.isReachable()) to.wake(topic);
        else counts.add('wake-up lost');
      });
    }
    if (!random.chance(conditions.spurious)) return;
    const others = to.topics;
    if (others.length === 0) return;
    counts.add('wake-up for nothing');
    const other = random.pick(others);
    scheduler.at(0.1 + random.next() * conditions.latencyMs, to.owner, 'wake-up for nothing', () => to.wake(other));
  }
}

/** The subscriptions of one process. */
class Member {
  readonly owner: Owner;
  readonly isReachable: () => boolean;
  readonly #listeners = new Map<string, Set<{ readonly listener: () => void }>>();
  readonly #due = new Set<string>();

  constructor(owner: Owner, isReachable: () => boolean) {
    this.owner = owner;
    this.isReachable = isReachable;
  }

  get topics(): string[] {
    return [...this.#listeners.keys()];
  }

  get size(): number {
    return [...this.#listeners.values()].reduce((sum, listeners) => sum + listeners.size, 0);
  }

  subscribe(topic: string, listener: () => void): () => void {
    const subscription = { listener };
    const all = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, all.add(subscription));
    return () => {
      if (all.delete(subscription) && all.size === 0 && this.#listeners.get(topic) === all) this.#listeners.delete(topic);
    };
  }

  wake(topic: string): void {
    if (!this.#listeners.has(topic)) return;
    if (this.#due.size === 0) {
      queueMicrotask(() => {
        const topics = [...this.#due];
        this.#due.clear();
        for (const due of topics) for (const { listener } of [...(this.#listeners.get(due) ?? [])]) listener();
      });
    }
    this.#due.add(topic);
  }

  close(): void {
    this.#listeners.clear();
  }
}
