import { doneWithin, untilAborted } from '../timing.ts';

/** What the bus needs of a client of `pg` 8: a `pg.Client`, or what `connect()` of a `pg.Pool` gives. */
export interface PostgresClient {
  connect(): Promise<unknown>;
  query(query: string | { name: string; text: string; values: unknown[] }): Promise<unknown>;
  end(): Promise<void>;
  /** Only a client of a pool has it, and is connected already. */
  release?(destroy?: boolean): void;
  /** Lets the process exit while the socket is open. */
  unref?(): void;
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

/** What a connection that is kept up needs to know. */
export interface PostgresConnectionOptions {
  readonly channel: string;
  /** How long the server may take to answer. */
  readonly timeoutMs: number;
  /** How often it is asked for a sign of life. */
  readonly probeIntervalMs: number;
  /** A payload that only this process sends, and that means nothing to the others. */
  readonly probe: string;
  readonly onPayload: (payload: string) => void;
}

/** How long a server may take to say good-bye. */
const farewellMs = 1_000;

const NOTIFY_SQL = 'SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload';

/** One connection that listens and notifies, until `lost` aborts; its reason tells why. */
export class PostgresConnection {
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

  /** Connects and listens. Done when a notification has come round, which it does not through a pooler that changes the server connection. */
  async start(): Promise<void> {
    const { channel, probeIntervalMs } = this.#options;
    if (!this.#client.release) await this.#answer('connecting', this.#client.connect());
    await this.#answer('LISTEN', this.#client.query(`LISTEN "${channel.replaceAll('"', '""')}"`));
    await this.#probe();
    this.#timer = setInterval(() => {
      // What goes wrong is the reason of `lost`.
      if (!this.#echoed) this.#probe().catch(() => {});
    }, probeIntervalMs).unref();
    if (this.lost.aborted) clearInterval(this.#timer);
  }

  /** Notifies of all payloads in one round trip. */
  async notify(payloads: string[]): Promise<void> {
    // Prepared once: a third less than parsed each time.
    const query = { name: 'koa_mcp_notify', text: NOTIFY_SQL, values: [this.#options.channel, payloads] };
    await this.#answer('a notification', this.#client.query(query));
  }

  /** Closes the connection, by force where the server does not answer. */
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

  /** Waits for the server. One that takes too long counts as lost: whatever else is asked of it would wait behind. */
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

/** Gives a client back to its pool, which then discards it, or closes it. Never fails. */
export async function endClient(client: PostgresClient): Promise<void> {
  // Without a listener an error on the way out would end the process.
  client.on('error', () => {});
  try {
    if (client.release) client.release(true);
    else if (await doneWithin(farewellMs, client.end())) return;
    client.unref?.();
  } catch {
    // It is gone either way.
  }
}
