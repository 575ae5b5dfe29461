import type { Bus } from '../bus/bus.ts';
import type { EventStore, StoredEvent } from '../session/events.ts';
import { isUnreachable } from '../session/prisma-code.ts';
import type { Tail, TailOptions } from './tails.ts';
import { Tails } from './tails.ts';

/** What `EventLog` needs. */
export interface EventLogOptions {
  readonly store: EventStore;
  readonly bus: Bus;
  /** Milliseconds between looks for what no wake-up told of, and between attempts while the database is away. */
  readonly lookMs: number;
  /** Milliseconds that an event is kept. */
  readonly replayMs: number;
  /** Events kept of one session. */
  readonly maxEvents: number;
  /** Bytes of them. */
  readonly maxEventBytes: number;
  readonly onError: (error: unknown) => void;
}

/** One message for the end of a stream; `sessionId` is `null` for the endpoint's own. */
export interface Posting {
  readonly stream: string;
  readonly sessionId: string | null;
  readonly message: string;
}

/** Messages that wait for their rows; one more is refused. */
const MAX_WAITING = 10_000;
/** Messages of one write, which a store takes in one step, and characters of them. */
const BATCH = 100;
const BATCH_LENGTH = 1_000_000;

/**
 * The way between processes: events are appended to named streams as rows, a wake-up names the stream, and whoever follows it reads on.
 *
 * What is appended while a write is under way goes out together with the next, in order. While the database is away it waits.
 */
export class EventLog {
  readonly #options: EventLogOptions;
  readonly #tails: Tails;
  readonly #unpruned = new Map<string, { events: number; bytes: number }>();
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#tails = new Tails(options);
  }

  /** Follows a stream, whichever process appends to it. */
  follow(stream: string, options: TailOptions): Tail {
    return this.#tails.follow(stream, options);
  }

  /** Looks by itself for what wake-ups did not tell, until the returned function is called. Following a stream does so too. */
  hold(): () => void {
    return this.#tails.hold();
  }

  /** Whether this process looks by itself. */
  get isLooking(): boolean {
    return this.#tails.isLooking;
  }

  /**
   * Appends a message; its position once it is a row, `undefined` if the session is gone or the log closed. Rejects if it cannot become one
   * before it would expire.
   *
   * Its order among the messages of this process is that of the calls.
   */
  post(posting: Posting): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return resolve(undefined);
      if (this.#waiting.length >= MAX_WAITING) return reject(new Error(`More than ${MAX_WAITING} messages wait for the database`));
      this.#waiting.push({ ...posting, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  /** Appends events at positions that their one writer has given them. @throws As `post`. */
  async append(events: readonly StoredEvent[]): Promise<void> {
    const [first] = events;
    if (first === undefined) return;
    await this.persist(() => this.#options.store.append(events), first.expiresAt.getTime());
    for (const { sessionId, bytes } of events) this.#count(sessionId, bytes);
    for (const stream of new Set(events.map(event => event.stream))) this.#options.bus.publish(stream);
  }

  /** Tells the processes that follow a stream to look at it. */
  wake(stream: string): void {
    this.#options.bus.publish(stream);
  }

  /** Calls back after a wake-up of a topic until the returned function is called; for hints that no row stands behind. */
  onWakeUp(topic: string, listener: () => void): () => void {
    return this.#options.bus.subscribe(topic, listener);
  }

  /** Reads events of a stream behind a position. */
  read(stream: string, after: number, limit: number): Promise<StoredEvent[]> {
    return this.#options.store.read(stream, after, limit);
  }

  /** The position of a stream's last event; 0 without one. */
  async last(stream: string): Promise<number> {
    return (await this.#options.store.last([stream])).get(stream) ?? 0;
  }

  /** Removes events that were used. */
  remove(stream: string, positions: readonly number[]): Promise<void> {
    return this.#options.store.remove(stream, positions);
  }

  /** Milliseconds since 1970 at which an event was appended, by the clock of the process that did. */
  appendedAt({ expiresAt }: Pick<StoredEvent, 'expiresAt'>): number {
    return expiresAt.getTime() - this.#options.replayMs;
  }

  /**
   * Tries until the database is there, as long as an event is kept. An outage is reported once.
   *
   * @param until Milliseconds since 1970.
   */
  async persist<T>(query: () => Promise<T>, until: number = Date.now() + this.#options.replayMs): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await query();
      } catch (error) {
        if (!isUnreachable(error) || this.#isClosed || Date.now() >= until) throw error;
        if (attempt === 0) this.#options.onError(error);
        await new Promise(resolve => setTimeout(resolve, this.#options.lookMs).unref());
      }
    }
  }

  /** Writes what waits, follows nothing any more, and takes no more messages. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#tails.close();
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, batchOf(this.#waiting));
      try {
        await this.#push(batch);
      } catch (error) {
        // One message that no database takes must not keep out the others.
        if (batch.length === 1) batch[0]?.reject(error);
        else for (const waiting of batch) await this.#push([waiting]).catch(waiting.reject);
      }
    }
    // In the same turn as the loop's last look: what is posted from here on begins a new one.
    this.#writing = undefined;
  }

  async #push(batch: readonly Waiting[]): Promise<void> {
    const expiresAt = new Date(Date.now() + this.#options.replayMs);
    const pushes = batch.map(({ stream, sessionId, message }) => ({ stream, sessionId, data: [message], expiresAt }));
    const positions = await this.persist(() => this.#options.store.push(pushes), expiresAt.getTime());
    batch.forEach(({ stream, sessionId, message, resolve }, index) => {
      const position = positions[index];
      if (position !== undefined) this.#options.bus.publish(stream);
      if (position !== undefined) this.#count(sessionId, message.length);
      resolve(position);
    });
  }

  /** Prunes a session's rows after every quarter of what it may have. */
  #count(sessionId: string | null, bytes: number): void {
    if (sessionId === null) return;
    const { store, maxEvents, maxEventBytes: maxBytes, onError } = this.#options;
    const counted = this.#unpruned.get(sessionId) ?? { events: 0, bytes: 0 };
    counted.events += 1;
    counted.bytes += bytes;
    const isDue = counted.events * 4 >= maxEvents || counted.bytes * 4 >= maxBytes;
    this.#unpruned.delete(sessionId);
    if (isDue) void store.prune(sessionId, { maxEvents, maxBytes }).catch(onError);
    else this.#unpruned.set(sessionId, counted);
    // Counts of sessions that were written to longest ago are dropped first.
    const [oldest] = this.#unpruned.size > MAX_WAITING ? this.#unpruned.keys() : [];
    if (oldest !== undefined) this.#unpruned.delete(oldest);
  }
}

/** How many of the messages that wait go out together: at least one. */
function batchOf(waiting: readonly Posting[]): number {
  let length = 0;
  const end = waiting.slice(0, BATCH).findIndex(({ message }) => {
    length += message.length;
    return length > BATCH_LENGTH;
  });
  return end === -1 ? BATCH : Math.max(1, end);
}

interface Waiting extends Posting {
  readonly resolve: (position: number | undefined) => void;
  readonly reject: (error: unknown) => void;
}
