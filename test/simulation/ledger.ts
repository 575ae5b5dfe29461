import type { Scheduler } from './engine/scheduler.ts';
import { TaskLedger } from './task-ledger.ts';

/** A promise to clients or to the host that was not kept. */
export interface Breach {
  /** 1 to 11. */
  readonly promise: number;
  /** The same words for all breaches of one kind. */
  readonly kind: string;
  readonly text: string;
  readonly atMs: number;
}

/** One call of `resourceUpdated` or `listChanged`. */
export interface Publication {
  /** A URI, or `list:` and the name of a list. */
  readonly what: string;
  /** The process that published. */
  readonly node: string;
  /** Steps of the schedule. */
  readonly calledAt: number;
  resolvedAt: number | undefined;
  failure: unknown;
}

/** A handler that ran. */
export interface Handled {
  readonly node: string;
  readonly beganMs: number;
  endedMs: number | undefined;
  /** `undefined` while it runs, and when it failed. */
  text: string | undefined;
}

/** A response as a client saw it. */
export interface SeenResponse {
  readonly text: string | undefined;
  readonly error: string | undefined;
}

/** How a channel's client comes back when its stream has ended. */
export type Memory =
  /** With `Last-Event-ID`. */
  | 'remembers'
  /** Without. */
  | 'forgets'
  /** The stream cannot be continued: another one is another channel. */
  | 'ends';

/** What one client hears without having asked: a session's stream over all its connections, or one stream that cannot be continued. */
export class Channel {
  readonly name: string;
  readonly memory: Memory;
  /** The step at which it was open for the first time. */
  openedAt: number | undefined;
  /** Whether its stream is open now. */
  isOpen = false;
  /** Since when, in virtual time, and the process that carries it. */
  openSinceMs = 0;
  carrier = '';
  /** Whether it is over, and its client knows. */
  isOver = false;
  /** Steps at which subscriptions were acknowledged. */
  readonly subscribedAt = new Map<string, number>();
  /** Steps at which events came. */
  readonly seen = new Map<string, number[]>();
  readonly order: string[] = [];
  /** Whether its client had two streams at once: then an event may come on both. */
  isDoubled = false;
  /** Steps at which its client began to give subscriptions up, and at which that was acknowledged. */
  readonly unsubscribed = new Map<string, { begun: number; done: number | undefined }>();
  /** What was written to its connections and did not arrive. */
  lost = '';
  readonly #ids = new Set<string>();
  readonly #ledger: Ledger;

  constructor(name: string, memory: Memory, ledger: Ledger) {
    this.name = name;
    this.memory = memory;
    this.#ledger = ledger;
  }

  /** @param carrier The process that carries it. */
  opened(carrier: string): void {
    this.isOpen = true;
    this.carrier = carrier;
    this.openSinceMs = this.#ledger.scheduler.now;
    this.openedAt ??= this.#ledger.scheduler.steps;
  }

  subscribed(what: string): void {
    if (!this.subscribedAt.has(what)) this.subscribedAt.set(what, this.#ledger.scheduler.steps);
  }

  /** Takes one event. */
  heard(what: string, eventId: string | undefined): void {
    const { scheduler } = this.#ledger;
    this.#ledger.events += 1;
    scheduler.trace(`${this.name} hears ${what}`);
    if (eventId !== undefined) {
      if (this.memory === 'remembers' && !this.isDoubled && this.#ids.has(eventId))
        this.#ledger.breach(1, 'an event id came twice', `${this.name} got ${what} again under its id`);
      this.#ids.add(eventId);
    }
    const steps = this.seen.get(what);
    if (steps) steps.push(scheduler.steps);
    else this.seen.set(what, [scheduler.steps]);
    if (!steps) this.order.push(what);
  }
}

/** What a client knows of one of its calls. */
export class CallRecord {
  readonly key: string;
  readonly client: string;
  readonly #ledger: Ledger;
  response: SeenResponse | undefined;
  /** Virtual time at which it was made. */
  readonly sentMs: number;
  /** The process that it was sent to. */
  node: string | undefined;
  /** Whether its client has begun to cancel it. */
  isCancelling = false;
  /** Virtual time at which its cancellation was acknowledged. */
  cancelledMs: number | undefined;
  /** Progress that came, in order. */
  readonly progress: number[] = [];
  /** Whether it was said that messages were dropped. */
  isCurtailed = false;
  /** Whether nobody can know how it went on: its stream broke before there was an id to come back with. */
  isUnknown = false;
  /** Whether the connection broke that was to bring its answer, and nobody can know how it went on. */
  isBroken = false;

  constructor(key: string, client: string, ledger: Ledger) {
    this.key = key;
    this.client = client;
    this.sentMs = ledger.scheduler.now;
    this.#ledger = ledger;
  }

  get isSettled(): boolean {
    return this.response !== undefined || this.isUnknown || this.cancelledMs !== undefined;
  }

  respond(response: SeenResponse): void {
    const ledger = this.#ledger;
    ledger.responses += 1;
    ledger.scheduler.trace(`${this.key} is answered ${response.error ?? response.text}`);
    const { response: first } = this;
    if (first !== undefined) {
      const kind = first.error === undefined && response.error !== undefined ? 'an error after a result' : 'two responses to one call';
      ledger.breach(3, kind, `${this.key}: ${first.error ?? first.text}, then ${response.error ?? response.text}`);
      return;
    }
    this.response = response;
  }
}

/** Breaches of one kind that one schedule reports. */
const MAX_OF_KIND = 3;

/** Everything that can be seen from outside, and what was found to be wrong. */
export class Ledger {
  readonly scheduler: Scheduler;
  readonly breaches: Breach[] = [];
  readonly publications: Publication[] = [];
  readonly channels: Channel[] = [];
  readonly calls: CallRecord[] = [];
  readonly handled = new Map<string, Handled>();
  readonly tasks = new TaskLedger(this);
  events = 0;
  responses = 0;

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  breach(promise: number, kind: string, text: string): void {
    this.scheduler.trace(`BREACH ${promise} ${kind}: ${text}`);
    if (this.breaches.filter(breach => breach.kind === kind).length >= MAX_OF_KIND) return;
    this.breaches.push({ promise, kind, text, atMs: this.scheduler.now });
  }

  channel(name: string, memory: Memory): Channel {
    const channel = new Channel(name, memory, this);
    this.channels.push(channel);
    return channel;
  }

  call(key: string, client: string): CallRecord {
    const record = new CallRecord(key, client, this);
    this.calls.push(record);
    return record;
  }

  handlerBegins(key: string, node: string): { finish: (text: string) => void; fail: () => void } {
    const { scheduler } = this;
    if (this.handled.has(key)) this.breach(3, 'a call ran twice', `${key} on ${this.handled.get(key)?.node} and ${node}`);
    const handled: Handled = { node, beganMs: scheduler.now, endedMs: undefined, text: undefined };
    this.handled.set(key, handled);
    scheduler.trace(`${key} runs`);
    const end = (text: string | undefined) => {
      handled.endedMs = scheduler.now;
      handled.text = text;
      scheduler.trace(`${key} ${text === undefined ? 'failed' : 'is done'}`);
    };
    return { finish: text => end(text), fail: () => end(undefined) };
  }
}
