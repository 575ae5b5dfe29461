import type { JsonObject } from '../protocol/definitions.ts';
import type { Listener } from './wire.ts';

/** What a channel tells its session. */
export interface Receiver extends Pick<Listener, 'streamChanged' | 'lost'> {
  /** Takes a request or a notification of the server. */
  take(message: JsonObject): void;
}

/** The transport of one session: how its messages travel. */
export interface Channel {
  /** `undefined`: the server has given none. */
  readonly sessionId: string | undefined;
  /**
   * Sends the request `initialize`, and resolves with its result. From now on, `receiver` hears of the rest.
   *
   * @throws {RequestError} The server refuses, or does not answer.
   */
  initialize(request: JsonObject, receiver: Receiver): Promise<JsonObject>;
  /** Sends a request, and resolves with its result. @throws {RequestError} The server's error, or that of the network. */
  exchange(request: JsonObject, signal: AbortSignal | undefined): Promise<JsonObject>;
  /** Sends a notification or a response. @throws {RequestError} The server does not take it. */
  send(message: JsonObject): Promise<void>;
  /** As `listen` of a connection. */
  listen(): Promise<void>;
  /** Ends the session, and every request that waits. */
  close(): Promise<void>;
}
