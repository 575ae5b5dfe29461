import type { Socket } from 'node:net';
import { createParser } from 'eventsource-parser';

/** One HTTP response, as far as it has come. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** The body as text; empty for a stream of events. */
  body: string;
  /** Data of the events of a stream, with their ids. */
  readonly events: { readonly id: string | undefined; readonly name: string | undefined; readonly data: string }[];
  readonly isStream: boolean;
  isWhole: boolean;
}

/** Reads the responses of one socket as they come. */
export class ResponseReader {
  readonly responses: HttpResponse[] = [];
  /** What is not HTTP. */
  broken: string | undefined;
  readonly #methods: readonly string[];
  #rest: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #body: { left: number; kind: 'length' | 'chunked' | 'close'; feed: (part: Buffer) => void } | undefined;

  /** @param methods Of the requests that were sent: a HEAD is answered without a body. */
  constructor(methods: readonly string[]) {
    this.#methods = methods;
  }

  feed(data: Buffer): void {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    while (this.broken === undefined && (this.#body === undefined ? this.#head() : this.#take()));
  }

  /** The socket is closed: a body without a length is whole. */
  close(): void {
    if (this.#body?.kind === 'close') this.#finish();
  }

  #head(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [line = '', ...lines] = this.#rest.subarray(0, end).toString('latin1').split('\r\n');
    this.#rest = this.#rest.subarray(end + 4);
    const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/u.exec(line)?.[1]);
    if (Number.isNaN(status)) {
      this.broken = `no HTTP: ${line.slice(0, 200)}`;
      return false;
    }
    // 100 Continue.
    if (status < 200) return true;
    const headers = new Map(lines.map(each => [each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]));
    const isStream = headers.get('content-type')?.startsWith('text/event-stream') === true;
    const method = this.#methods[this.responses.length];
    const response: HttpResponse = { status, headers, body: '', events: [], isStream, isWhole: false };
    this.responses.push(response);
    const decoder = new TextDecoder();
    const parser = createParser({ onEvent: ({ id, event, data }) => void response.events.push({ id, name: event, data }) });
    const feed = (part: Buffer) =>
      isStream ? parser.feed(decoder.decode(part, { stream: true })) : void this.#parts.push(Buffer.from(part));
    const length = headers.get('content-length');
    const isBare = method === 'HEAD' || status === 204 || status === 304;
    if (isBare) this.#body = { left: 0, kind: 'length', feed };
    else if (headers.get('transfer-encoding') === 'chunked') this.#body = { left: -1, kind: 'chunked', feed };
    else if (length !== undefined) this.#body = { left: Number(length), kind: 'length', feed };
    else this.#body = { left: Number.POSITIVE_INFINITY, kind: 'close', feed };
    if (this.#body.left === 0) this.#finish();
    return true;
  }

  #take(): boolean {
    const body = this.#body;
    if (body === undefined) return false;
    if (body.left < 0) {
      const end = this.#rest.indexOf('\r\n');
      if (end < 0) return false;
      const size = Number.parseInt(this.#rest.subarray(0, end).toString('latin1'), 16);
      if (Number.isNaN(size)) {
        this.broken = 'a chunk without a size';
        return false;
      }
      if (size === 0 && this.#rest.length < end + 4) return false;
      this.#rest = this.#rest.subarray(size === 0 ? end + 4 : end + 2);
      if (size === 0) this.#finish();
      // The line end after the chunk belongs to it here.
      else body.left = size + 2;
      return true;
    }
    const part = this.#rest.subarray(0, body.left);
    if (part.length === 0) return false;
    this.#rest = this.#rest.subarray(part.length);
    const before = body.left;
    body.left -= part.length;
    const ends = body.kind === 'chunked' ? Math.max(0, Math.min(part.length, before - 2)) : part.length;
    body.feed(part.subarray(0, ends));
    if (body.left === 0 && body.kind === 'chunked') body.left = -1;
    else if (body.left === 0) this.#finish();
    return true;
  }

  #finish(): void {
    const response = this.responses.at(-1);
    if (response !== undefined) {
      response.body = Buffer.concat(this.#parts).toString();
      response.isWhole = true;
    }
    this.#parts = [];
    this.#body = undefined;
  }
}

/** Reads what a socket is sent. */
export function readFrom(socket: Socket, methods: readonly string[], onChange: () => void): ResponseReader {
  const reader = new ResponseReader(methods);
  socket.on('data', (data: Buffer) => {
    reader.feed(data);
    onChange();
  });
  socket.on('close', () => {
    reader.close();
    onChange();
  });
  return reader;
}
