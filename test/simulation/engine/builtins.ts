import { createRequire, syncBuiltinESMExports } from 'node:module';
import type { Random } from '../../chaos/random.ts';
import { realDate, realNow } from './real.ts';
import type { Owner, Scheduler, SimEvent } from './scheduler.ts';

// Replaces what knows the time or rolls dice. Import it before anything that is to be simulated; code that keeps a reference keeps the replacement.

let scheduler: Scheduler | undefined;
let random: Random | undefined;

/** From now on timers, clocks and random numbers are those of a schedule; of the machine again without one. */
export function simulateBuiltins(simulated: { scheduler: Scheduler; random: Random } | undefined): void {
  scheduler = simulated?.scheduler;
  random = simulated?.random;
}

const real = {
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  setImmediate: globalThis.setImmediate,
  clearTimeout: globalThis.clearTimeout,
  clearInterval: globalThis.clearInterval,
  clearImmediate: globalThis.clearImmediate,
};

type Callback = (...args: unknown[]) => void;

/** A timer of a simulated process. */
class Timer {
  readonly #scheduler: Scheduler;
  readonly #owner: Owner;
  readonly #callback: Callback;
  readonly #args: unknown[];
  readonly #delayMs: number;
  readonly #isRepeated: boolean;
  #event: SimEvent | undefined;

  constructor(running: Scheduler, callback: Callback, delayMs: unknown, args: unknown[], isRepeated: boolean) {
    this.#scheduler = running;
    this.#owner = running.owner;
    this.#callback = callback;
    this.#args = args;
    const delay = Number(delayMs);
    this.#delayMs = delay >= 1 && delay <= 2_147_483_647 ? Math.trunc(delay) : 1;
    this.#isRepeated = isRepeated;
    this.#start();
  }

  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  refresh(): this {
    this.close();
    this.#start();
    return this;
  }
  close(): this {
    if (this.#event !== undefined) this.#event.isCancelled = true;
    this.#event = undefined;
    this.#owner.timers.delete(this);
    return this;
  }
  /** What it calls, for reports. */
  get what(): string {
    return `${this.#delayMs} ms: ${this.#callback.toString().replaceAll(/\s+/gu, ' ').slice(0, 80)}`;
  }
  [Symbol.toPrimitive](): number {
    return 0;
  }
  [Symbol.dispose](): void {
    this.close();
  }

  #start(): void {
    this.#owner.timers.add(this);
    const label = this.#isRepeated ? 'interval' : 'timer';
    const event = this.#scheduler.at(this.#delayMs, this.#owner, label, () => {
      if (!this.#isRepeated) this.close();
      try {
        this.#callback(...this.#args);
      } finally {
        if (this.#isRepeated && this.#event === event) this.#start();
      }
    });
    this.#event = event;
  }
}

function setTimer(callback: Callback, delayMs?: unknown, ...args: unknown[]): unknown {
  if (scheduler === undefined) return real.setTimeout(callback, delayMs as number, ...(args as []));
  return new Timer(scheduler, callback, delayMs, args, false);
}

function setRepeated(callback: Callback, delayMs?: unknown, ...args: unknown[]): unknown {
  if (scheduler === undefined) return real.setInterval(callback, delayMs as number, ...(args as []));
  return new Timer(scheduler, callback, delayMs, args, true);
}

function setNext(callback: Callback, ...args: unknown[]): unknown {
  if (scheduler === undefined) return real.setImmediate(callback, ...(args as []));
  const event = scheduler.at(0, scheduler.owner, 'immediate', () => callback(...args));
  // Simulated time waits for no event, so there is nothing to let go of.
  return Object.assign(event, { unref: () => event });
}

function clear(timer: unknown): void {
  if (timer instanceof Timer) timer.close();
  else if (isEvent(timer)) timer.isCancelled = true;
  else if (typeof timer === 'object' && timer !== null) {
    real.clearTimeout(timer as never);
    real.clearImmediate(timer as never);
  }
}

function isEvent(value: unknown): value is SimEvent {
  return typeof value === 'object' && value !== null && 'isCancelled' in value;
}

interface DelayOptions {
  readonly signal?: AbortSignal;
}

/** `setTimeout` and `setImmediate` of node:timers/promises. */
function delayBy(set: (callback: () => void) => unknown, value: unknown, { signal }: DelayOptions = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = () => {
      clear(timer);
      reject(new DOMException('The operation was aborted', { name: 'AbortError', cause: signal?.reason }));
    };
    const timer = set(() => {
      signal?.removeEventListener('abort', fail);
      resolve(value);
    });
    if (signal?.aborted) fail();
    else signal?.addEventListener('abort', fail, { once: true });
  });
}

const promised = {
  setTimeout: (ms?: number, value?: unknown, options?: DelayOptions) => delayBy(callback => setTimer(callback, ms), value, options),
  setImmediate: (value?: unknown, options?: DelayOptions) => delayBy(callback => setNext(callback), value, options),
  setInterval: async function* repeat(ms?: number, value?: unknown, options?: DelayOptions): AsyncGenerator<unknown> {
    for (;;) yield await promised.setTimeout(ms, value, options);
  },
  scheduler: { wait: (ms: number, options?: DelayOptions) => promised.setTimeout(ms, undefined, options) },
};

const custom = Symbol.for('nodejs.util.promisify.custom');
const timers = {
  setTimeout: Object.assign(setTimer, { [custom]: promised.setTimeout }),
  setInterval: setRepeated,
  setImmediate: Object.assign(setNext, { [custom]: promised.setImmediate }),
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: clear,
};

function SimulatedDate(this: unknown, ...args: unknown[]): Date | string {
  const RealDate = realDate as unknown as new (...parts: unknown[]) => Date;
  const date = args.length === 0 ? new RealDate(now()) : new RealDate(...args);
  return new.target === undefined ? date.toString() : date;
}
const now = () => scheduler?.wallClock ?? realDate.now();
Object.defineProperty(SimulatedDate, 'prototype', { value: realDate.prototype });
Object.assign(SimulatedDate, { now, UTC: realDate.UTC, parse: realDate.parse });

const require = createRequire(import.meta.url);
const crypto = require('node:crypto') as { randomBytes: (size: number) => Buffer; randomUUID: () => string };
const realRandomBytes = crypto.randomBytes;
const realRandom = Math.random;

function randomBytes(size: number): Buffer {
  if (random === undefined) return realRandomBytes(size);
  const bytes = Buffer.allocUnsafe(size);
  for (let index = 0; index < size; index += 1) bytes[index] = random.next() * 256;
  return bytes;
}

function randomUUID(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

Object.assign(globalThis, timers, { Date: SimulatedDate });
Object.assign(require('node:timers') as object, timers);
Object.assign(require('node:timers/promises') as object, promised);
Object.defineProperty(performance, 'now', {
  value: () => (scheduler ? scheduler.now - scheduler.owner.startedAt : realNow()),
  configurable: true,
});
Object.assign(Math, { random: () => random?.next() ?? realRandom() });
Object.assign(crypto, { randomBytes, randomUUID });
Object.assign(AbortSignal, {
  timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    setTimer(() => controller.abort(new DOMException('The operation timed out', 'TimeoutError')), ms);
    return controller.signal;
  },
});
syncBuiltinESMExports();
