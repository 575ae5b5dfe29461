import type { Delivery } from '../delivery/delivery.ts';
import type { StreamMail } from '../delivery/messages.ts';
import { encodeStreamMail, parseBroadcast, parseStreamMail } from '../delivery/messages.ts';
import type { Nodes } from '../delivery/nodes.ts';
import { releaseOnce } from '../delivery/release.ts';
import { EVERYBODY, nodeOf, sessionStreamOf } from '../delivery/stream-ids.ts';
import type { DeliveredEvent } from '../delivery/tail.ts';
import { McpError, StoreUnavailable } from '../errors.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText } from '../protocol/jsonrpc.ts';
import type { Session } from '../store/store.ts';
import { processEnded } from './call-stream.ts';
import type { EventStream } from './event-stream.ts';
import type { LiveResources, Look } from './live-subscriptions.ts';
import { LiveSubscriptions } from './live-subscriptions.ts';
import { textFor, updatedText } from './session-stream.ts';

/** A request of an HTTP+SSE client that is served in this process. Its stream may be in another one. */
export interface AcceptedRequest {
  /** Sends a message that is not the response. Returns `false` if the stream has ended. */
  send(message: string): boolean;
  /** Sends the response; `undefined` if there is none. Resolves once the response was sent or is a row, or can no longer become one. */
  respond(response: string | undefined): Promise<void>;
}

/** The options of `SseRelay`. */
export interface SseRelayOptions extends Delivery {
  /** `undefined` if no resource is live. */
  readonly live?: LiveResources | undefined;
}

/**
 * The HTTP+SSE streams of this process, and access to those of other processes.
 *
 * If a request arrives at a process without its stream, that process first writes a row that it has accepted the request. It then serves
 * the request and writes the response as a row. If it dies in between, the process with the stream answers with an error.
 *
 * @see https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
 */
export class SseRelay {
  readonly #options: SseRelayOptions;
  readonly #streams = new Map<string, SseStream>();
  /** The processes that are about to end their streams. */
  readonly #leaving = new Set<string>();

  constructor(options: SseRelayOptions) {
    this.#options = options;
  }

  /**
   * Prepares this process to hold a stream: from now on other processes can tell that it is alive, and it reads the log.
   *
   * @throws {StoreUnavailable} The database does not answer.
   */
  async prepare(): Promise<void> {
    const { nodes, tail } = this.#options;
    await Promise.all([nodes.ready(), tail.start()]);
  }

  /**
   * Makes a connection the stream of a session. A session never has another one.
   *
   * @param look Reads a live resource as the session's client. Without it the client is not told of changes of live resources.
   */
  open(sessionId: string, connection: EventStream, look?: Look): void {
    const { live } = this.#options;
    const tell = (uri: string) => connection.send(updatedText(uri));
    const stream = new SseStream(
      sessionId,
      { connection, live: live && look && new LiveSubscriptions(live, { look, tell }) },
      this.#options,
    );
    this.#streams.set(sessionId, stream);
    connection.once('close', () => {
      stream.stop();
      this.#streams.delete(sessionId);
    });
  }

  /** The number of streams in this process. */
  get size(): number {
    return this.#streams.size;
  }

  /** Accepts a request whose response goes to a stream of this process. Returns `undefined` if the stream is not in this process. */
  acceptHere(sessionId: string, id: RequestId): AcceptedRequest | undefined {
    return this.#streams.get(sessionId)?.accept(id);
  }

  /**
   * Accepts a request whose response will go through the process with the session's stream.
   *
   * @throws {McpError} 409 that process has died; 503 that process does not answer, or is about to end its streams.
   * @throws {StoreUnavailable} The database does not answer.
   */
  async accept(session: Session, id: RequestId): Promise<AcceptedRequest> {
    const { nodes, node, log, storeMs } = this.#options;
    const holder = nodeOf(session);
    if (holder !== undefined && this.#leaving.has(holder)) throw new McpError('InternalError', holderLeaves, { status: 503 });
    const life = holder === undefined || holder === node ? 'dead' : await nodes.life(holder, storeMs);
    if (life === 'dead') throw new McpError('InvalidRequest', streamGone, { status: 409 });
    if (life === 'unknown') throw new McpError('InternalError', holderSilent, { status: 503 });
    const release = nodes.hold();
    const posting = (mail: StreamMail) => ({
      stream: sessionStreamOf(session.id),
      sessionId: session.id,
      data: encodeStreamMail(mail),
    });
    const post = (mail: StreamMail) => log.post(posting(mail));
    try {
      await nodes.ready();
      // No wake-up: the stream's process needs this event only if the response never follows.
      await log.post({ ...posting({ accepted: id, by: node }), isQuiet: true }, { withinMs: storeMs });
    } catch (error) {
      // The acceptance may have been written despite the error, so it is taken back.
      post({ refused: id })
        .catch(() => undefined)
        .finally(release);
      throw error;
    }
    return this.#relayed(id, post, release);
  }

  /** Notes that a process is about to end its streams. Requests for those streams are then refused. */
  leave(holder: string): void {
    addBounded(this.#leaving, holder);
  }

  /** Ends the stream of a session that has ended. */
  endSession(sessionId: string): void {
    this.#streams.get(sessionId)?.connection.end();
  }

  /**
   * Ends all streams, because this process is closing or cannot read the log. Their sessions end too. Every request without a response gets
   * an error.
   */
  endAll(): void {
    for (const { connection } of this.#streams.values()) connection.end();
  }

  /** Ends the streams that wait for no response. */
  endIdle(): void {
    for (const { isIdle, connection } of this.#streams.values()) if (isIdle) connection.end();
  }

  #relayed(id: RequestId, post: (mail: StreamMail) => Promise<void>, release: () => void): AcceptedRequest {
    const { onError } = this.#options;
    return {
      send: message => {
        post({ message, of: id, isResponse: false }).catch(onError);
        return true;
      },
      respond: async response => {
        try {
          if (response === undefined) return await post({ refused: id });
          await post({ message: response, of: id, isResponse: true });
        } catch (error) {
          onError(error);
          const lost = new McpError('InternalError', 'The response could not be stored; the request may have taken effect');
          if (!StoreUnavailable.isError(error)) await post({ message: errorText(id, lost), of: id, isResponse: true }).catch(onError);
        } finally {
          release();
        }
      },
    };
  }
}

const holderLeaves = 'The process with the stream of this session is about to end it; nothing was done. Open the stream again with GET';
const holderSilent = 'The process with the stream of this session does not answer; nothing was done. Try again';
const streamGone =
  'The stream of this session is gone, so no answer can reach its client; nothing was done. Open the stream again with GET';

const streamEnds = 'The stream of this session ends; whether the request took effect is unknown';

interface SseStreamParts {
  readonly connection: EventStream;
  readonly live: LiveSubscriptions | undefined;
}

/** The stream of one HTTP+SSE session. */
class SseStream {
  readonly connection: EventStream;
  readonly #nodes: Nodes;
  readonly #subscriptions = new Set<string>();
  readonly #live: LiveSubscriptions | undefined;
  /** Requests without a response. Each has the function that stops watching the process that has accepted it. */
  readonly #accepted = new Map<RequestId, () => void>();
  /** Requests that were answered with an error because their process died. Late messages of that process for them are dropped. */
  readonly #givenUp = new Set<RequestId>();
  readonly #release: () => void;

  constructor(sessionId: string, { connection, live }: SseStreamParts, { tail, nodes }: Delivery) {
    this.connection = connection;
    connection.beforeEnd = () => this.#giveUpAll();
    this.#live = live;
    this.#nodes = nodes;
    this.#release = releaseOnce(
      nodes.hold(),
      tail.hold(),
      () => live?.close(),
      tail.listen(EVERYBODY, ({ id, data }) => {
        const broadcast = parseBroadcast(data);
        if (broadcast !== undefined && 'rows' in broadcast) return live?.change(id, broadcast.rows);
        const text = broadcast && textFor(sessionId, broadcast, this.#subscriptions);
        if (text !== undefined) connection.send(text);
      }),
      tail.listen(sessionStreamOf(sessionId), event => this.#take(event)),
    );
  }

  get isIdle(): boolean {
    return this.#accepted.size === 0;
  }

  /** Accepts a request that this process serves. */
  accept(id: RequestId): AcceptedRequest {
    this.#settle(id);
    this.#accepted.set(id, () => undefined);
    return {
      send: message => this.connection.send(message),
      respond: async response => {
        this.#settle(id);
        if (response !== undefined) this.connection.send(response);
      },
    };
  }

  stop(): void {
    releaseOnce(this.#release, ...this.#accepted.values())();
    this.#accepted.clear();
  }

  #take({ data }: DeliveredEvent): void {
    const mail = parseStreamMail(data);
    if (mail === undefined) return;
    if ('accepted' in mail) this.#acceptedBy(mail.by, mail.accepted);
    else if ('refused' in mail) this.#settle(mail.refused);
    else if ('push' in mail) this.connection.send(mail.push);
    else if ('message' in mail) {
      if (mail.isResponse) this.#settle(mail.of);
      if (!this.#givenUp.has(mail.of)) this.connection.send(mail.message);
    } else if ('notification' in mail) this.connection.send(mail.notification);
    else if ('subscribed' in mail) {
      this.#subscriptions.add(mail.subscribed);
      this.#live?.add(mail.subscribed, mail.sight);
    } else if ('unsubscribed' in mail) {
      this.#subscriptions.delete(mail.unsubscribed);
      this.#live?.delete(mail.unsubscribed);
    }
  }

  #acceptedBy(by: string, id: RequestId): void {
    this.#settle(id);
    this.#givenUp.delete(id);
    const unwatch = this.#nodes.watch(by, () => {
      this.#accepted.delete(id);
      addBounded(this.#givenUp, id);
      this.connection.send(errorText(id, new McpError('InternalError', processEnded)));
    });
    this.#accepted.set(id, unwatch);
  }

  /** Answers all requests without a response with an error. */
  #giveUpAll(): void {
    for (const id of this.#accepted.keys()) this.connection.send(errorText(id, new McpError('InternalError', streamEnds)));
  }

  #settle(id: RequestId): void {
    this.#accepted.get(id)?.();
    this.#accepted.delete(id);
  }
}

/** Most values that such a set remembers. */
const maxRemembered = 1000;

/** Adds a value. If there are more than `maxRemembered`, removes the oldest. */
function addBounded<T>(values: Set<T>, value: T): void {
  values.add(value);
  const [oldest] = values.size > maxRemembered ? values : [];
  if (oldest !== undefined) values.delete(oldest);
}
