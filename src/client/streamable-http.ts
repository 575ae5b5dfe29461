import type { JsonObject } from '../protocol/definitions.ts';
import type { Channel, Receiver } from './channel.ts';
import { readEvents } from './event-stream.ts';
import type { Endpoint, Interrupted } from './post.ts';
import { broken, get, isEventStream, parse, pause, post, readResponse, refusalOf, send } from './post.ts';
import { mayRecover, RequestError, textIn } from './wire.ts';

/** How often in a row a stream is resumed that brings no event. */
const maxResumes = 10;
/** Milliseconds before a stream is resumed, if the server names none. */
const defaultRetryMs = 1000;

/**
 * A session over Streamable HTTP: each request is a POST, and the server's own messages come on the stream of a GET.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 */
export class StreamableHttp implements Channel {
  readonly #endpoint: Endpoint;
  readonly #closed = new AbortController();
  /** Aborts once the server does not know the session any more. */
  readonly #lost = new AbortController();
  #receiver: Receiver | undefined;
  #sessionId: string | undefined;
  #revision: string | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  get sessionId(): string | undefined {
    return this.#sessionId;
  }

  async initialize(request: JsonObject, receiver: Receiver): Promise<JsonObject> {
    this.#receiver = receiver;
    const result = await this.exchange(request, undefined);
    this.#revision = textIn(result['protocolVersion']);
    return result;
  }

  async exchange(request: JsonObject, given: AbortSignal | undefined): Promise<JsonObject> {
    const signal = given === undefined ? this.#closed.signal : AbortSignal.any([given, this.#closed.signal]);
    const reading = { id: request['id'], take: (message: JsonObject) => this.#receiver?.take(message), signal };
    try {
      const response = await post(this.#endpoint, request, { headers: this.#headers(), signal });
      if (response.ok) this.#sessionId ??= response.headers.get('mcp-session-id') ?? undefined;
      const answer = await readResponse(response, reading);
      return 'result' in answer ? answer.result : await this.#resume(answer, reading);
    } catch (error) {
      this.#noteLoss(error);
      throw error;
    }
  }

  /** Takes the rest of a call's stream that has broken, or that the server has closed, as `ctx.mcp.closeStream()` does. */
  async #resume(first: Interrupted, reading: Parameters<typeof readResponse>[1]): Promise<JsonObject> {
    let { lastEventId, retryMs = defaultRetryMs } = first;
    for (let vain = 0; lastEventId !== undefined && vain < maxResumes; ) {
      await pause(retryMs, reading.signal);
      reading.signal.throwIfAborted();
      vain += 1;
      const response = await this.#get(lastEventId, reading.signal).catch(() => undefined);
      if (response === undefined) continue;
      if (!isEventStream(response)) {
        const refusal = await refusalOf(response);
        if (mayRecover(refusal)) continue;
        throw refusal;
      }
      const answer = await readResponse(response, reading);
      if ('result' in answer) return answer.result;
      if (answer.lastEventId !== undefined) vain = 0;
      lastEventId = answer.lastEventId ?? lastEventId;
      retryMs = answer.retryMs ?? retryMs;
    }
    reading.signal.throwIfAborted();
    throw broken();
  }

  async send(message: JsonObject): Promise<void> {
    const response = await post(this.#endpoint, message, { headers: this.#headers() });
    if (response.ok) return response.body?.cancel();
    const refusal = await refusalOf(response);
    this.#noteLoss(refusal);
    throw refusal;
  }

  listen(): Promise<void> {
    return new Promise(resolve => void this.#keepListening(resolve).finally(resolve));
  }

  async #keepListening(onTried: () => void): Promise<void> {
    const signal = AbortSignal.any([this.#closed.signal, this.#lost.signal]);
    const changed: Receiver['streamChanged'] = (state, why) => this.#receiver?.streamChanged(state, why);
    let lastEventId: string | undefined;
    let retryMs = defaultRetryMs;
    let wasOpen = false;
    while (!signal.aborted) {
      changed('connecting');
      try {
        const response = await this.#get(lastEventId, signal);
        if (isEventStream(response)) {
          wasOpen = true;
          changed('open');
          onTried();
          for await (const event of readEvents(response.body)) {
            lastEventId = event.id ?? lastEventId;
            retryMs = event.retryMs ?? retryMs;
            const message = parse(event.data);
            if (message !== undefined) this.#receiver?.take(message);
          }
        } else {
          const refusal = await refusalOf(response);
          this.#noteLoss(refusal);
          if (!wasOpen || !mayRecover(refusal)) return changed('off', refusal.message);
        }
      } catch {
        // The network failed, or the signal has aborted.
      }
      if (signal.aborted) break;
      changed('waiting');
      onTried();
      await pause(retryMs, signal);
    }
    changed('off');
  }

  /** A server that answers 404 does not know the session any more. */
  #noteLoss(error: unknown): void {
    const isLoss = error instanceof RequestError && error.status === 404 && this.#sessionId !== undefined;
    if (!isLoss || this.#lost.signal.aborted) return;
    this.#lost.abort();
    this.#receiver?.lost();
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    if (this.#sessionId === undefined || this.#lost.signal.aborted) return;
    // Also of a page that is closing. A server may not allow it (405).
    const ended = await send(this.#endpoint, { method: 'DELETE', headers: this.#headers(), keepalive: true }).catch(() => undefined);
    await ended?.body?.cancel();
  }

  #get(lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers = { ...this.#headers(), ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }) };
    return get(this.#endpoint, { headers, signal });
  }

  #headers(): Record<string, string> {
    return {
      ...(this.#revision !== undefined && { 'MCP-Protocol-Version': this.#revision }),
      ...(this.#sessionId !== undefined && { 'Mcp-Session-Id': this.#sessionId }),
    };
  }
}
