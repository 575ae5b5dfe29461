import { createParser } from 'eventsource-parser';
import type { Connection, Host, Network } from './network.ts';

/** A request as a client sends it. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The head of an answer. */
export interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** One server-sent event. */
export interface SseEvent {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly data: string;
}

/** How an exchange went on after it was sent. */
export type Outcome =
  /** Answered whole, or a stream of events that goes on. */
  | (Head & { readonly kind: 'answer'; readonly text: string; readonly isStream: boolean })
  /** Nothing listens there. */
  | { readonly kind: 'refused' }
  /** The connection broke before its answer; whether the request arrived is unknown. */
  | { readonly kind: 'broken' };

/** What a client hears of a stream of events. */
export interface StreamEvents {
  readonly onEvent?: (event: SseEvent) => void;
  readonly onRetry?: (ms: number) => void;
}

/** An exchange under way. */
export interface Exchange {
  readonly connection: Connection;
  /** Settles with a whole answer, or at the head of a stream. */
  readonly outcome: Promise<Outcome>;
  /** Settles when the connection is over; with whether the answer was complete. */
  readonly ended: Promise<boolean>;
  /** Goes away. */
  close(serverLearnsMs?: number): void;
}

/** Sends a request as the running client. */
export function exchange(network: Network, host: Host, request: HttpRequest, events: StreamEvents = {}): Exchange {
  const body = request.body === undefined ? '' : JSON.stringify(request.body);
  const headers: Record<string, string> = {
    host: 'sim.example',
    connection: 'close',
    accept: 'application/json, text/event-stream',
    ...(request.body !== undefined && { 'content-type': 'application/json', 'content-length': String(body.length) }),
    ...request.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  let resolveOutcome: (outcome: Outcome) => void = () => {};
  let resolveEnded: (isComplete: boolean) => void = () => {};
  const outcome = new Promise<Outcome>(resolve => {
    resolveOutcome = resolve;
  });
  const ended = new Promise<boolean>(resolve => {
    resolveEnded = resolve;
  });
  const { scheduler } = network;
  const parser = new AnswerParser({
    onHead: ({ status, headers: head }, isStream) => {
      scheduler.trace(`< ${status} ${request.method}`);
      if (isStream) resolveOutcome({ kind: 'answer', status, headers: head, text: '', isStream });
    },
    onEvent: event => events.onEvent?.(event),
    onRetry: ms => events.onRetry?.(ms),
  });
  const finish = (why: 'refused' | 'ended' | 'broken') => {
    const { head, isComplete, text } = parser;
    if (why === 'refused') resolveOutcome({ kind: 'refused' });
    else if (head === undefined || !isComplete) resolveOutcome({ kind: 'broken' });
    else resolveOutcome({ kind: 'answer', ...head, text, isStream: false });
    resolveEnded(isComplete);
  };
  const connection = network.connect(host, `${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`, {
    onText: text => parser.feed(text),
    onEnd: finish,
  });
  return {
    connection,
    outcome,
    ended,
    close: serverLearnsMs => {
      connection.close(serverLearnsMs);
      finish('broken');
    },
  };
}

interface ParserEvents {
  readonly onHead: (head: Head, isStream: boolean) => void;
  readonly onEvent: (event: SseEvent) => void;
  readonly onRetry: (ms: number) => void;
}

/** Reads one HTTP/1.1 answer. All text is ASCII here: a character is a byte. */
class AnswerParser {
  readonly #events: ParserEvents;
  #waiting = '';
  #isChunked = false;
  #length = 0;
  #stream: ReturnType<typeof createParser> | undefined;
  head: Head | undefined;
  text = '';
  isComplete = false;

  constructor(events: ParserEvents) {
    this.#events = events;
  }

  feed(text: string): void {
    this.#waiting += text;
    if (this.head === undefined && !this.#readHead()) return;
    if (this.#isChunked) this.#readChunks();
    else this.#readBody();
  }

  #readHead(): boolean {
    const end = this.#waiting.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [first = '', ...lines] = this.#waiting.slice(0, end).split('\r\n');
    this.#waiting = this.#waiting.slice(end + 4);
    const headers = Object.fromEntries(
      lines.map(line => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    this.head = { status: Number(first.split(' ')[1]), headers };
    this.#isChunked = headers['transfer-encoding'] === 'chunked';
    this.#length = Number(headers['content-length'] ?? 0);
    const isStream = headers['content-type'] === 'text/event-stream';
    const { onEvent, onRetry } = this.#events;
    if (isStream) this.#stream = createParser({ onEvent: ({ id, event, data }) => onEvent({ id, name: event, data }), onRetry });
    this.#events.onHead(this.head, isStream);
    return true;
  }

  #readBody(): void {
    this.text += this.#waiting;
    this.#waiting = '';
    if (this.text.length >= this.#length) this.isComplete = true;
  }

  #readChunks(): void {
    while (this.#waiting !== '' && !this.isComplete) {
      if (this.#length === 0) {
        const end = this.#waiting.indexOf('\r\n');
        if (end < 0) return;
        const size = Number.parseInt(this.#waiting.slice(0, end), 16);
        this.#waiting = this.#waiting.slice(end + 2);
        this.isComplete = size === 0;
        // A chunk and the line break behind it.
        this.#length = size + 2;
      } else {
        const text = this.#waiting.slice(0, this.#length);
        this.#waiting = this.#waiting.slice(text.length);
        const data = text.slice(0, Math.max(0, this.#length - 2));
        this.#length -= text.length;
        if (this.#stream) this.#stream.feed(data);
        else this.text += data;
      }
    }
  }
}
