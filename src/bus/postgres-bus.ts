import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { assertTimerMs, untilAborted } from '../timing.ts';
import { backoffMs } from './backoff.ts';
import type { Bus, BusOptions } from './bus.ts';
import { Outbox } from './outbox.ts';
import type { PostgresClient } from './postgres-connection.ts';
import { endClient, PostgresConnection } from './postgres-connection.ts';
import { failures, Outage } from './report.ts';
import { Topics } from './topics.ts';
import { receiver } from './wake-up.ts';

/** The options of `postgresBus()`. */
export interface PostgresBusOptions extends BusOptions {
  /**
   * Gives a new client of `pg` each time: `() => new pg.Client(connectionString)`, or `() => pool.connect()`, which takes one client
   * out of the pool for good. It must reach the primary server, and not through a pooler in transaction mode.
   */
  readonly connect: () => PostgresClient | Promise<PostgresClient>;
  /** Apps that share a database and not their sessions need different ones; at most 63 bytes. @default 'koa_mcp' */
  readonly channel?: string;
  /** Milliseconds the server may take to connect, or to answer; then the connection is given up for a new one. @default 10000 */
  readonly timeoutMs?: number;
  /** Milliseconds between signs of life, without which a connection that broke silently would stay unnoticed. @default 30000 */
  readonly probeIntervalMs?: number;
}

/** PostgreSQL refuses 8,000. */
const maxPayloadBytes = 7_000;
const maxChannelBytes = 63;
/** How long what waits to be sent may hold up `close()`. */
const lastWordsMs = 1_000;

/**
 * Wake-ups by LISTEN and NOTIFY, over one connection and one channel for all topics. It connects at once, and again whenever it has to.
 *
 * `postgresBus({ connect: () => new pg.Client(process.env.DATABASE_URL) })`
 *
 * @throws {TypeError} `connect` is no function, `channel` is empty or too long, or a time is impossible.
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

  /** Connects and listens until the connection is lost; fails with the reason. */
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
      // A server that lets one in only to throw one out again has not recovered.
      failures = performance.now() - startedAt > lastingMs ? 0 : failures + 1;
      await delay(backoffMs(failures), undefined, { ref: false, signal: closing.signal }).catch(() => {});
    }
  };
  const running = run();

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
      if (topics.publish(topic)) outbox.add(topic);
    },
    subscribe: (topic, listener) => topics.subscribe(topic, listener),
    get ready() {
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

/** A client of the host's; one that comes too late is closed. */
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

/** Milliseconds after which a connection has proved itself. */
const lastingMs = 1_000;
