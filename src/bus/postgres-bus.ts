import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { assertTimerMs, doneWithin, untilAborted } from '../timing.ts';
import type { Bus, BusOptions } from './bus.ts';
import { Outbox } from './outbox.ts';
import { backoffMs, failures, Outage } from './reconnect.ts';
import { Topics } from './topics.ts';
import { receiver } from './wake-up.ts';

/** The options of `postgresBus()`. */
export interface PostgresBusOptions extends BusOptions {
  /**
   * Returns a new client of `pg` each time: `() => new pg.Client(connectionString)`, or `() => pool.connect()`, which takes one client out
   * of the pool for good. The client must reach the primary server, and not through a pooler in transaction mode.
   */
  readonly connect: () => PostgresClient | Promise<PostgresClient>;
  /**
   * The channel for LISTEN and NOTIFY, at most 63 bytes. Apps that share a database but not their sessions need different channels.
   * @default 'koa_mcp'
   */
  readonly channel?: string;
  /** Milliseconds the server may take to connect or to answer. After that the connection is replaced by a new one. @default 10000 */
  readonly timeoutMs?: number;
  /** Milliseconds between probes. A probe detects a connection that broke silently. @default 30000 */
  readonly probeIntervalMs?: number;
}

/** PostgreSQL refuses payloads of 8,000 bytes or more. */
const maxPayloadBytes = 7_000;
const maxChannelBytes = 63;
/** How long unsent wake-ups may delay `close()`, in ms. */
const lastWordsMs = 1_000;

/**
 * Wake-ups by LISTEN and NOTIFY, over one connection and one channel for all topics. The bus connects at its first use: a call of `publish`
 * or `subscribe`, or a look at `ready`. It reconnects after every loss. The connection keeps the process running until `close()`.
 *
 * `postgresBus({ connect: () => new pg.Client(process.env.DATABASE_URL) })`
 *
 * @throws {TypeError} `connect` is not a function, `channel` is empty or too long, or a time is invalid.
 */
export function postgresBus(options: PostgresBusOptions): Bus {
  const { connect, channel = 'koa_mcp', timeoutMs = 10_000, probeIntervalMs = 30_000 } = options;
  assertUsable(connect, channel);
  assertTimerMs('postgresBus.timeoutMs', timeoutMs);
  assertTimerMs('postgresBus.probeIntervalMs', probeIntervalMs);
  const { report, listen: onError } = failures(options.onError);
  const topics = new Topics(report);
  const outage = new Outage('PostgreSQL bus: no wake-ups between processes until it is connected again', report);
  const from = randomBytes(9).toString('base64url');
  const probe = JSON.stringify({ from, topics: [] });
  const closing = new AbortController();
  let connection: PostgresConnection | undefined;
  let isListening = false;

  const outbox = new Outbox({
    from,
    maxBytes: maxPayloadBytes,
    canSend: () => isListening,
    send: async payloads => connection?.notify(payloads),
    onFailure: error => outage.report(error),
  });

  const onPayload = receiver(from, topics);

  /** Connects and listens until the connection is lost, then fails with the reason. */
  const listen = async () => {
    const client = await newClient(connect, timeoutMs, closing.signal);
    connection = new PostgresConnection(client, { channel, timeoutMs, probeIntervalMs, onPayload, probe });
    try {
      await connection.start();
      isListening = true;
      outage.end();
      topics.wakeAll();
      outbox.flush();
      await untilAborted(connection.lost, new Promise(() => {}));
    } finally {
      isListening = false;
      await connection.close();
    }
  };

  const run = async () => {
    let failures = 0;
    while (!closing.signal.aborted) {
      const startedAt = performance.now();
      await listen().catch((error: unknown) => closing.signal.aborted || outage.report(error));
      // A connection that was lost soon after it was made counts as one more failure.
      failures = performance.now() - startedAt > lastingMs ? 0 : failures + 1;
      await delay(backoffMs(failures), undefined, { ref: false, signal: closing.signal }).catch(() => {});
    }
  };
  let running: Promise<void> | undefined;
  /** A module may make a bus that nobody uses. Its connection would keep the process running. */
  const begin = () => {
    if (topics.isOpen) running ??= run();
  };

  const close = async () => {
    topics.close();
    await outbox.close(lastWordsMs);
    closing.abort(new Error('the bus was closed'));
    await connection?.close();
    await running;
  };
  let closed: Promise<void> | undefined;

  return {
    onError,
    publish(topic) {
      if (!topics.publish(topic)) return;
      outbox.add(topic);
      begin();
    },
    subscribe(topic, listener) {
      const unsubscribe = topics.subscribe(topic, listener);
      begin();
      return unsubscribe;
    },
    get ready() {
      begin();
      return isListening && topics.isOpen;
    },
    close() {
      closed ??= close();
      return closed;
    },
  };
}

function assertUsable(connect: unknown, channel: string): void {
  if (typeof connect !== 'function') {
    throw new TypeError('postgresBus.connect: is no function; pass one that gives a client, e.g. `() => new pg.Client(url)`');
  }
  const bytes = Buffer.byteLength(channel);
  if (bytes === 0 || bytes > maxChannelBytes || channel.includes('\0')) {
    throw new TypeError(`postgresBus.channel: takes 1 to ${maxChannelBytes} bytes, not ${bytes}, and no NUL`);
  }
}

/** Gets a client from the host's `connect`. A client that comes too late is closed. */
async function newClient(connect: PostgresBusOptions['connect'], timeoutMs: number, closing: AbortSignal): Promise<PostgresClient> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`\`connect\` gave no client within ${timeoutMs} ms`)), timeoutMs).unref();
  const made = (async () => connect())();
  try {
    return await untilAborted(AbortSignal.any([closing, late.signal]), made);
  } catch (error) {
    made.then(endClient, () => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A connection that lasted longer than this resets the count of failures. */
const lastingMs = 1_000;

/** The part of a client of `pg` 8 that the bus uses: a `pg.Client`, or the result of `connect()` of a `pg.Pool`. */
export interface PostgresClient {
  connect(): Promise<unknown>;
  query(query: string | { name: string; text: string; values: unknown[] }): Promise<unknown>;
  end(): Promise<void>;
  /** Only a client of a pool has this method. Such a client is already connected. */
  release?(destroy?: boolean): void;
  /** Lets the process exit while the socket is open. */
  unref?(): void;
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

/** The options of `PostgresConnection`. */
interface PostgresConnectionOptions {
  readonly channel: string;
  /** How long the server may take to answer, in ms. */
  readonly timeoutMs: number;
  /** Milliseconds between probes. */
  readonly probeIntervalMs: number;
  /** A payload that only this process sends, and that other processes ignore. */
  readonly probe: string;
  readonly onPayload: (payload: string) => void;
}

/** How long closing the connection may take, in ms. */
const farewellMs = 1_000;

const NOTIFY_SQL = 'SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload';

/** One connection that listens and notifies until the signal `lost` aborts. The signal's reason says why. */
class PostgresConnection {
  readonly #client: PostgresClient;
  readonly #options: PostgresConnectionOptions;
  readonly #lost = new AbortController();
  #echoed: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(client: PostgresClient, options: PostgresConnectionOptions) {
    this.#client = client;
    this.#options = options;
    client.on('error', error => this.#lose(error));
    client.on('end', () => this.#lose(new Error('the server closed the connection')));
    client.on('notification', ({ channel, payload }) => {
      if (channel === options.channel && payload !== undefined) this.#receive(payload);
    });
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Connects and listens. Resolves once this connection has received its own notification. Behind a pooler in transaction mode the
   * notification does not arrive.
   */
  async start(): Promise<void> {
    const { channel, probeIntervalMs } = this.#options;
    if (!this.#client.release) await this.#answer('connecting', this.#client.connect());
    await this.#answer('LISTEN', this.#client.query(`LISTEN "${channel.replaceAll('"', '""')}"`));
    await this.#probe();
    this.#timer = setInterval(() => {
      // A failure of the probe becomes the reason of `lost`.
      if (!this.#echoed) this.#probe().catch(() => {});
    }, probeIntervalMs).unref();
    if (this.lost.aborted) clearInterval(this.#timer);
  }

  /** Sends all payloads in one round trip. */
  async notify(payloads: string[]): Promise<void> {
    // A prepared statement takes a third less time than one that is parsed each time.
    const query = { name: 'koa_mcp_notify', text: NOTIFY_SQL, values: [this.#options.channel, payloads] };
    await this.#answer('a notification', this.#client.query(query));
  }

  /** Closes the connection. Gives up waiting if the server does not answer. */
  close(): Promise<void> {
    this.#lose(new Error('the bus was closed'));
    this.#closed ??= endClient(this.#client);
    return this.#closed;
  }

  async #probe(): Promise<void> {
    const echo = new Promise<void>(resolve => {
      this.#echoed = resolve;
    });
    await this.notify([this.#options.probe]);
    await this.#answer('the echo of a notification (LISTEN needs a connection of its own, not one of a pooler in transaction mode)', echo);
  }

  #receive(payload: string): void {
    if (payload !== this.#options.probe) {
      this.#options.onPayload(payload);
      return;
    }
    this.#echoed?.();
    this.#echoed = undefined;
  }

  /**
   * Waits for an answer of the server. If it takes too long, the connection counts as lost, because every later query would wait behind
   * this one.
   */
  async #answer(what: string, answer: Promise<unknown>): Promise<void> {
    const { timeoutMs } = this.#options;
    const timer = setTimeout(() => this.#lose(new Error(`no answer within ${timeoutMs} ms to ${what}`)), timeoutMs).unref();
    await untilAborted(this.lost, answer).finally(() => clearTimeout(timer));
  }

  #lose(reason: Error): void {
    clearInterval(this.#timer);
    this.#lost.abort(reason);
  }
}

/** Closes a client; a client of a pool goes back to the pool, which discards it. Never fails. */
async function endClient(client: PostgresClient): Promise<void> {
  // Without a listener an error while closing would end the process.
  client.on('error', () => {});
  try {
    if (client.release) client.release(true);
    else if (await doneWithin(farewellMs, client.end())) return;
    client.unref?.();
  } catch {
    // The client is unusable in either case.
  }
}
