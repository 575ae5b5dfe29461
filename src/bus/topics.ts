import type { Report } from './reconnect.ts';

const maxTopicLength = 200;

/** The subscriptions of this process. Several wake-ups of a topic in the same synchronous step call each listener once. */
export class Topics {
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  readonly #due = new Set<string>();
  readonly #report: Report;
  #isOpen = true;

  constructor(report: Report) {
    this.#report = report;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether no topic has a subscription. */
  get isEmpty(): boolean {
    return this.#subscriptions.size === 0;
  }

  /**
   * Wakes a topic in this process. Returns whether other processes should be told: `false` if the bus is closed or the topic is invalid.
   */
  publish(topic: string): boolean {
    if (!this.#isOpen) return false;
    const problem = problemOf(topic);
    if (problem) this.#report(problem);
    else this.wake(topic);
    return !problem;
  }

  subscribe(topic: string, listener: () => void): () => void {
    const problem = problemOf(topic);
    if (problem) throw problem;
    if (!this.#isOpen) return () => {};
    const subscription: Subscription = { listener };
    const all = this.#subscriptions.get(topic);
    if (all) all.add(subscription);
    else this.#subscriptions.set(topic, new Set([subscription]));
    return () => this.#remove(topic, subscription);
  }

  wake(topic: string): void {
    if (!this.#subscriptions.has(topic)) return;
    if (this.#due.size === 0) queueMicrotask(() => this.#callDue());
    this.#due.add(topic);
  }

  wakeAll(): void {
    for (const topic of this.#subscriptions.keys()) this.wake(topic);
  }

  /** Removes all subscriptions. No listener is called any more. */
  close(): void {
    this.#isOpen = false;
    this.#subscriptions.clear();
    this.#due.clear();
  }

  #remove(topic: string, subscription: Subscription): void {
    const all = this.#subscriptions.get(topic);
    if (all?.delete(subscription) && all.size === 0) this.#subscriptions.delete(topic);
  }

  #callDue(): void {
    const topics = [...this.#due];
    this.#due.clear();
    for (const topic of topics) {
      for (const subscription of [...(this.#subscriptions.get(topic) ?? [])]) {
        // A listener that was called before may have removed this subscription.
        if (this.#subscriptions.get(topic)?.has(subscription)) this.#call(subscription.listener);
      }
    }
  }

  #call(listener: () => unknown): void {
    try {
      const done = listener();
      if (done instanceof Promise) done.catch(this.#report);
    } catch (error) {
      this.#report(error);
    }
  }
}

/** One object for each call of `subscribe`, so that a function that is subscribed twice is called twice. */
interface Subscription {
  readonly listener: () => void;
}

function problemOf(topic: string): RangeError | undefined {
  if (topic.length > 0 && topic.length <= maxTopicLength) return undefined;
  return new RangeError(
    `A topic has 1 to ${maxTopicLength} characters, this one has ${topic.length}; use an id, and keep what it is about in the database`,
  );
}
