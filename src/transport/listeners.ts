import { McpError } from '../errors.ts';
import type { Sight } from '../protocol/definitions.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import type { Registry } from '../protocol/registry.ts';
import type { ListName, SubscriptionFilter } from '../protocol/subscriptions.ts';
import { endedText, subscribedText, wantsList } from '../protocol/subscriptions.ts';
import type { EventStream, Streams } from './event-stream.ts';
import type { LiveResources, Look } from './live-subscriptions.ts';
import { LiveSubscriptions } from './live-subscriptions.ts';

interface Listener {
  /** `null` is a guest. */
  readonly principal: string | null;
  readonly id: RequestId;
  readonly filter: SubscriptionFilter;
  readonly uris: ReadonlySet<string>;
  readonly stream: EventStream;
  readonly live: LiveSubscriptions | undefined;
}

/** A stream to open. */
export interface NewListener {
  readonly id: RequestId;
  readonly filter: SubscriptionFilter;
  /** Who listens; `null` is a guest. */
  readonly principal: string | null;
  /** Reads a live resource as the client. Without it the client is not told of changes of live resources. */
  readonly look?: Look | undefined;
  /** What the client got of the live resources when it subscribed, by URI. */
  readonly sights?: ReadonlyMap<string, Sight | undefined>;
}

/** The options of `Listeners`. */
export interface ListenersOptions {
  readonly streams: Streams;
  readonly registry: Registry;
  /** `undefined` if no resource is live. */
  readonly live?: LiveResources | undefined;
  readonly maxListeners: number;
  /** Streams of one principal. All guests are one principal. */
  readonly maxListenersPerPrincipal: number;
  /** Receives broadcasts of other processes until the returned function is called. */
  readonly hold: () => () => void;
}

/** The `subscriptions/listen` streams of this process. */
export class Listeners {
  readonly #open = new Set<Listener>();
  readonly #options: ListenersOptions;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /**
   * Opens a stream and acknowledges the subscriptions that it will carry.
   *
   * @throws {McpError} -32603 if there are already `maxListeners`, or `maxListenersPerPrincipal` of this principal.
   */
  open({ id, filter, principal, look, sights }: NewListener): EventStream {
    const { streams, maxListeners, maxListenersPerPrincipal, live: shared } = this.#options;
    if (this.#countOf(principal) >= maxListenersPerPrincipal)
      throw new McpError('InternalError', `Too many subscriptions at once of this caller (${maxListenersPerPrincipal}); close one first`);
    if (this.#open.size >= maxListeners)
      throw new McpError('InternalError', `Too many subscriptions at once (${maxListeners}); try again later`);
    const stream = streams.open();
    const tell = (uri: string) => stream.send(updatedText(id, uri));
    const live = shared && look && new LiveSubscriptions(shared, { look, tell });
    const listener = { principal, id, filter, uris: new Set(filter.resourceSubscriptions), stream, live };
    stream.send(subscribedText(id, 'notifications/subscriptions/acknowledged', { notifications: filter }));
    this.#open.add(listener);
    for (const uri of listener.uris) live?.add(uri, sights?.get(uri));
    const release = this.#options.hold();
    stream.once('close', () => {
      this.#open.delete(listener);
      live?.close();
      release();
    });
    return stream;
  }

  listChanged(list: ListName): void {
    for (const { id, filter, stream } of this.#open)
      if (wantsList(filter, list)) stream.send(subscribedText(id, `notifications/${list}/list_changed`));
  }

  resourceUpdated(uri: string): void {
    for (const { id, uris, stream } of this.#open) if (uris.has(uri)) stream.send(updatedText(id, uri));
  }

  /** Takes the changes of a broadcast. */
  rowsChanged(eventId: number, rows: readonly string[]): void {
    for (const { live } of this.#open) live?.change(eventId, rows);
  }

  /** Ends all streams without a message. Their clients subscribe again at another process. */
  endAll(): void {
    for (const { stream } of this.#open) stream.end();
  }

  /** Ends all streams with a message to their clients. */
  close(): void {
    for (const { id, stream } of this.#open) {
      stream.send(endedText(id, this.#options.registry));
      stream.end();
    }
  }

  #countOf(principal: string | null): number {
    let count = 0;
    for (const listener of this.#open) if (listener.principal === principal) count += 1;
    return count;
  }
}

function updatedText(id: RequestId, uri: string): string {
  return subscribedText(id, 'notifications/resources/updated', { uri });
}
