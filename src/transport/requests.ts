import { randomUUID } from 'node:crypto';
import { ToolError } from '../errors.ts';
import type { Call, Outlet, Peer } from '../protocol/call.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import type { InputRequest } from '../protocol/input.ts';
import type { JsonRpcResponse } from '../protocol/jsonrpc.ts';
import { notificationText, requestText } from '../protocol/jsonrpc.ts';

interface Pending {
  resolve(result: JsonObject): void;
  reject(error: Error): void;
}

/** Requests of the server that wait for the answer of a client, by session. */
export class Requests {
  readonly #pending = new Map<string, Map<string, Pending>>();
  readonly #inputMs: number;

  /** @param inputMs How long a client is waited for; people take their time. */
  constructor({ inputMs }: { inputMs: number }) {
    this.#inputMs = inputMs;
  }

  /** The peer of one call: it asks on the call's own stream, as the specification wants. */
  peer(sessionId: string, outlet: Outlet): Peer {
    return { ask: (request, call) => this.#ask(sessionId, outlet, request, call) };
  }

  /** Takes a client's answer. One that nobody waits for (any more) is dropped. */
  settle(sessionId: string, { id, result, error }: JsonRpcResponse): void {
    const pending = this.#pending.get(sessionId)?.get(String(id));
    if (result !== undefined) pending?.resolve(result);
    else pending?.reject(new ToolError(`The client did not answer: ${error?.message ?? 'no reason given'}`));
  }

  async #ask<T>(sessionId: string, outlet: Outlet, request: InputRequest<T>, call: Call): Promise<T> {
    const id = randomUUID();
    const { signal } = call;
    const waiting = this.#pending.get(sessionId) ?? new Map<string, Pending>();
    this.#pending.set(sessionId, waiting);
    let giveUp: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      const result = await new Promise<JsonObject>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        giveUp = () => {
          outlet.send(notificationText('notifications/cancelled', { requestId: id, reason: 'The request is no longer needed' }));
          reject(signal.aborted ? (signal.reason as Error) : new ToolError(`The client did not answer within ${this.#inputMs / 1000} s`));
        };
        signal.addEventListener('abort', giveUp);
        timer = setTimeout(giveUp, this.#inputMs).unref();
        if (!outlet.send(requestText(id, request.method, request.params))) {
          reject(new ToolError('This needs a client that reads event streams (Accept: text/event-stream)'));
        }
      });
      const value = request.parse(result);
      if (value === undefined) throw new ToolError(`The client's answer to ${request.method} does not fit what was asked`);
      return value;
    } finally {
      clearTimeout(timer);
      if (giveUp !== undefined) signal.removeEventListener('abort', giveUp);
      waiting.delete(id);
      if (waiting.size === 0 && this.#pending.get(sessionId) === waiting) this.#pending.delete(sessionId);
    }
  }
}
