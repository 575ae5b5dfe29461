import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventLog } from '../delivery/event-log.ts';
import { inboundOf } from '../delivery/streams.ts';
import type { Tail } from '../delivery/tails.ts';
import { McpError } from '../errors.ts';
import type { JsonRpcResponse, RequestId } from '../protocol/jsonrpc.ts';
import { isObject } from '../protocol/jsonrpc.ts';
import type { StoredEvent } from '../session/events.ts';

/** What a client sent for a call that another process runs, or what a process asks of the one that runs it. */
export type Inbound =
  | { readonly kind: 'response'; readonly message: JsonRpcResponse }
  | { readonly kind: 'cancel'; readonly requestId: RequestId; readonly reason?: string | undefined }
  /** The client of a call's stream waits for it elsewhere. */
  | { readonly kind: 'resume'; readonly stream: string }
  /** The holder of the session's stream asks whether a call still runs. */
  | { readonly kind: 'alive'; readonly requestId: RequestId };

/** Looks that a process has to take what was sent to it before it counts as gone. */
const PATIENCE = 10;

/** What `Inbounds` needs. */
export interface InboundsOptions {
  readonly log: EventLog;
  /** Milliseconds between looks for what other processes left. */
  readonly lookMs: number;
  /** Takes what came for a session; whether it was for this process. */
  readonly take: (sessionId: string, inbound: Inbound, sentAt: number) => boolean;
}

/** What reaches the calls of this process by way of others. A session's is read while it has a call here that somebody may want to reach. */
export class Inbounds {
  readonly #options: InboundsOptions;
  readonly #watched = new Map<string, Watch>();

  constructor(options: InboundsOptions) {
    this.#options = options;
  }

  /** Sends to whichever process it concerns. */
  async send(sessionId: string, inbound: Inbound): Promise<void> {
    await this.#options.log.post({ stream: inboundOf(sessionId), sessionId, message: JSON.stringify(inbound) });
  }

  /**
   * Sends, and waits as long as a process that lives needs to take it; whether one has. `undefined` if the session is
   * gone, or `signal` has aborted.
   */
  async ask(sessionId: string, inbound: Inbound, signal: AbortSignal): Promise<boolean | undefined> {
    const { log } = this.#options;
    const stream = inboundOf(sessionId);
    const message = JSON.stringify({ ...inbound, by: randomUUID() });
    const position = await log.post({ stream, sessionId, message });
    if (position === undefined) return undefined;
    await this.patience(signal);
    if (signal.aborted) return undefined;
    const [event] = await log.read(stream, position - 1, 1);
    return event?.data !== message;
  }

  /** Waits as long as a process that lives needs to take what it was sent, or until `signal` aborts. */
  async patience(signal: AbortSignal): Promise<void> {
    await delay(PATIENCE * this.#options.lookMs, undefined, { signal, ref: false }).catch(() => undefined);
  }

  /** Takes what comes for a session until the returned function is called. What came before is taken too. */
  watch(sessionId: string): () => void {
    const watch = this.#watched.get(sessionId) ?? { count: 0, tail: this.#follow(sessionId) };
    this.#watched.set(sessionId, watch);
    watch.count += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      watch.count -= 1;
      if (watch.count > 0) return;
      watch.tail.stop();
      this.#watched.delete(sessionId);
    };
  }

  /** Looks now for what came for a session before it was watched. */
  look(sessionId: string): void {
    this.#watched.get(sessionId)?.tail.wake();
  }

  #follow(sessionId: string): Tail {
    const stream = inboundOf(sessionId);
    return this.#options.log.follow(stream, {
      after: 0,
      isConsumed: true,
      onEvents: async events => {
        const taken = events.filter(event => this.#take(sessionId, event)).map(({ seq }) => seq);
        if (taken.length > 0) await this.#options.log.remove(stream, taken);
      },
    });
  }

  #take(sessionId: string, event: StoredEvent): boolean {
    const inbound: unknown = JSON.parse(event.data);
    return isObject(inbound) && this.#options.take(sessionId, inbound as unknown as Inbound, this.#options.log.appendedAt(event));
  }
}

/** What the client of a call is told whose process is gone. */
export function processEnded(): McpError {
  return new McpError('InternalError', 'The process that served this request has ended; whether the request took effect is unknown');
}

interface Watch {
  count: number;
  readonly tail: Tail;
}
