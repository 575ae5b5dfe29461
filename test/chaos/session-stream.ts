import { setTimeout as delay } from 'node:timers/promises';
import { linger } from '../processes/round-robin.ts';
import type { EventReader, Received } from '../support/sse.ts';
import { Heard } from './heard.ts';
import type { Doing } from './incidents.ts';
import type { Random } from './random.ts';
import type { ChaosSession } from './session.ts';
import { lostMs } from './streams.ts';
import type { World } from './world.ts';

/** The stream of a session: its client opens it again whenever it is gone, and goes at times by itself. */
export class SessionStream {
  readonly heard = new Heard();
  readonly #world: World;
  readonly #session: ChaosSession;
  readonly #random: Random;
  readonly #ids = new Set<string>();
  /** Whether the client comes back with `Last-Event-ID`. */
  readonly #remembers: boolean;
  /** Whether it stays as long as the server lets it. */
  readonly #stays: boolean;
  readonly #stopped: Promise<void>;
  readonly #stop: () => void;
  #isStopped = false;
  #lastEventId: string | undefined;

  constructor(world: World, session: ChaosSession, random: Random) {
    this.#world = world;
    this.#session = session;
    this.#random = random;
    this.#remembers = random.chance(0.8);
    this.#stays = random.chance(0.4);
    let stop: () => void = () => {};
    this.#stopped = new Promise(resolve => {
      stop = resolve;
    });
    this.#stop = stop;
  }

  /** Keeps the stream open until `stop()`. @param onOpen Called when it was opened for the first time. */
  async run(onOpen: () => void): Promise<void> {
    let isFirst = true;
    while (!this.#isStopped) {
      const position = this.#remembers && this.#lastEventId !== undefined ? { 'last-event-id': this.#lastEventId } : undefined;
      // Of some connections the process does not learn that they are gone, and goes on writing to them.
      const silently = this.#random.chance(0.5) ? linger(3000) : {};
      const outcome = await this.#session.send(undefined, { ...position, ...silently }, received => this.#take(received));
      if (outcome.kind === 'stream') {
        // Without a position it is told again what it may have heard.
        if (!isFirst && position === undefined) this.heard.isExact = false;
        isFirst = false;
        onOpen();
        await this.#stay(outcome.reader, outcome.doing);
      } else if (outcome.kind === 'failed' && outcome.status < 500) {
        // The session is lost, and with it what it had to hear.
        this.heard.mustHearUntil = performance.now() - lostMs;
        return;
      }
      await delay(this.#random.between(10, 300));
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#stop();
  }

  async #stay(reader: EventReader, { process }: Doing): Promise<void> {
    const { streams, ledger, calling } = this.#world;
    ledger.count('streamsOpened');
    this.heard.note(`opened at ${String(process)}${this.#lastEventId === undefined || !this.#remembers ? ' without a position' : ''}`);
    const close = streams.open({ name: this.#session.name, process, openedAt: performance.now(), heard: this.heard });
    const leaving = new AbortController();
    const wantsToLeave = this.#stays ? this.#stopped : delay(this.#random.between(500, 8000), undefined, { signal: leaving.signal });
    await Promise.race([reader.over, this.#stopped, wantsToLeave]);
    leaving.abort();
    // Who goes before the first id cannot say where it stood; at the end all stay.
    if (!this.#isStopped && (reader.lastEventId === undefined || calling.aborted)) await Promise.race([reader.over, this.#stopped]);
    close();
    this.heard.note(`${reader.isOver ? (reader.wasCut ? 'was cut' : 'was ended') : 'left'} after ${reader.received.length} events`);
    reader.close();
    this.#lastEventId = reader.lastEventId ?? this.#lastEventId;
  }

  /** Holds every event to those before it. */
  #take({ id, message }: Received): void {
    const { ledger } = this.#world;
    const { name } = this.#session;
    ledger.count('events');
    if (id === undefined) ledger.breach(`${name}: an event without an id: ${JSON.stringify(message)}`);
    else if (this.heard.isExact && this.#ids.has(id)) ledger.breach(`${name}: the id ${id} came twice`);
    if (id !== undefined) this.#ids.add(id);
    if (message.method === undefined)
      ledger.breach(`${name}: the stream of the session carried a response: ${JSON.stringify(message).slice(0, 200)}`);
    this.heard.take(message);
  }
}
