import { setTimeout as delay } from 'node:timers/promises';
import type { EventReader, Received } from '../processes/event-reader.ts';
import { linger } from '../processes/round-robin.ts';
import { fence } from './publications.ts';
import type { Random } from './random.ts';
import type { ChaosSession } from './session.ts';
import type { World } from './world.ts';

const event = /^(.{32})_(\d+)$/u;

/** The standalone stream of a session: its client comes back with Last-Event-ID whenever the stream is gone, and goes at times by itself. */
export class Standalone {
  /** How often each topic was heard. */
  readonly heard = new Map<string, number>();
  /** Whether the client could always tell where it stood. */
  isComplete = true;
  readonly #world: World;
  readonly #session: ChaosSession;
  readonly #random: Random;
  #lastEventId: string | undefined;
  #stream: string | undefined;
  #position: number | undefined;
  #reader: EventReader | undefined;
  #isStopped = false;

  constructor(world: World, session: ChaosSession, random: Random) {
    this.#world = world;
    this.#session = session;
    this.#random = random;
  }

  get hasHeardFence(): boolean {
    return this.heard.has(fence);
  }

  /** Keeps the stream open until `stop()`. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      const position = this.#lastEventId === undefined ? {} : { 'last-event-id': this.#lastEventId };
      // Of some connections the process does not learn that they are gone, and goes on writing to them.
      const silently = this.#random.chance(0.5) ? linger(3000) : {};
      const outcome = await this.#session.send(undefined, { ...position, ...silently }, received => this.#take(received));
      if (outcome.kind === 'failed') return;
      if (outcome.kind === 'stream') await this.#stay(outcome.reader);
      // Broken before its first id: what was sent on it is unknown.
      if (this.#lastEventId === undefined && outcome.kind !== 'refused') this.isComplete = false;
      await delay(this.#random.between(10, 300));
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#reader?.close();
  }

  async #stay(reader: EventReader): Promise<void> {
    this.#reader = reader;
    this.#world.ledger.count('streamsReopened');
    const leavesAt = performance.now() + this.#random.between(500, 8000);
    while (!reader.isOver && !this.#isStopped) {
      if (reader.lastEventId !== undefined && performance.now() > leavesAt && !this.#world.calling.aborted) reader.close();
      await delay(20);
    }
    reader.close();
    if (reader.lastEventId !== undefined) this.#lastEventId = reader.lastEventId;
  }

  /** Holds every event to what came before it. */
  #take({ id = '', message }: Received): void {
    const { ledger } = this.#world;
    const [, stream, seq] = event.exec(id) ?? [];
    const expected = this.#position === undefined && !this.isComplete ? undefined : (this.#position ?? 0) + 1;
    if (stream === undefined || (this.#stream !== undefined && stream !== this.#stream))
      ledger.breach(`${this.#session.name}: an event of another stream: ${id}`);
    else if (expected !== undefined && Number(seq) !== expected)
      ledger.breach(`${this.#session.name}: event ${seq} instead of ${expected} (${JSON.stringify(message)})`);
    this.#stream = stream;
    this.#position = Math.max(this.#position ?? 0, Number(seq));
    this.#lastEventId = id;
    const topic = (message.params?.['uri'] as string | undefined) ?? message.method ?? '';
    this.heard.set(topic, (this.heard.get(topic) ?? 0) + 1);
    ledger.count('events');
  }
}
