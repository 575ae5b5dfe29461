import { newRequestId } from '../delivery/stream-ids.ts';
import { ToolError } from '../errors.ts';
import type { Asker, Call } from '../protocol/call.ts';
import type { InputRequest } from '../protocol/client-requests.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import type { JsonRpcResponse } from '../protocol/jsonrpc.ts';
import { notificationText, requestText } from '../protocol/jsonrpc.ts';

/** The client has answered a request of the server with an error, such as its user's refusal. */
export class ClientRefusal extends ToolError {
  readonly reason: string;

  constructor(reason: string) {
    super(`The client did not answer: ${reason}`);
    this.reason = reason;
  }
}

interface Pending {
  resolve(result: JsonObject): void;
  reject(error: Error): void;
}

/** Requests from the server to clients that wait for an answer, by session. */
export class ClientQuestions implements Asker {
  readonly #pending = new Map<string, Map<string, Pending>>();
  readonly #inputMs: number;
  readonly #watch: (sessionId: string) => () => void;

  /**
   * @param inputMs Milliseconds to wait for a client's answer. Long, because a person may have to answer.
   * @param watch Receives messages that other processes left for a session's calls, until the returned function is called.
   */
  constructor(inputMs: number, watch: (sessionId: string) => () => void) {
    this.#inputMs = inputMs;
    this.#watch = watch;
  }

  /** Asks the client of a session's call. The request goes on the call's own stream, as the specification requires. */
  async ask<T>(request: InputRequest<T>, call: Call): Promise<T> {
    const { signal, sessionId = '' } = call;
    const id = newRequestId(sessionId);
    const unwatch = this.#watch(sessionId);
    const waiting = this.#pending.get(sessionId) ?? new Map<string, Pending>();
    this.#pending.set(sessionId, waiting);
    let giveUp: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      const result = await new Promise<JsonObject>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        giveUp = () => {
          call.send(notificationText('notifications/cancelled', { requestId: id, reason: 'The request is no longer needed' }));
          reject(signal.aborted ? (signal.reason as Error) : new ToolError(`The client did not answer within ${this.#inputMs / 1000} s`));
        };
        signal.addEventListener('abort', giveUp);
        timer = setTimeout(giveUp, this.#inputMs).unref();
        if (!call.send(requestText(id, request.method, request.params))) {
          reject(new ToolError('This needs a client that reads event streams (Accept: text/event-stream)'));
        }
      });
      const value = request.parse(result);
      if (value === undefined) throw new ToolError(`The client's answer to ${request.method} does not fit what was asked`);
      return value;
    } finally {
      clearTimeout(timer);
      unwatch();
      if (giveUp !== undefined) signal.removeEventListener('abort', giveUp);
      waiting.delete(id);
      if (waiting.size === 0 && this.#pending.get(sessionId) === waiting) this.#pending.delete(sessionId);
    }
  }

  /** Takes a client's answer; `false` if no request in this process waits for it. */
  settle(sessionId: string, { id, result, error }: JsonRpcResponse): boolean {
    const pending = this.#pending.get(sessionId)?.get(String(id));
    const reason = error?.['message'];
    if (result !== undefined) pending?.resolve(result);
    else pending?.reject(new ClientRefusal(typeof reason === 'string' ? reason : 'no reason given'));
    return pending !== undefined;
  }
}
