import { connect } from 'node:net';
import type { Random } from '../chaos/random.ts';
import type { Wire } from './http.ts';
import type { HttpResponse } from './responses.ts';
import { readFrom } from './responses.ts';

/** Milliseconds in which a socket must be answered or closed. The server gives up on half a request after 1.4 seconds, and on a handler after 1.5. */
const boundMs = 10_000;
/** Milliseconds after which an exchange gives up whose connection is refused. */
const refusedMs = 500;
/** Milliseconds for which a stream without an end is read. */
const lingerMs = 40;

/** What came of the requests of one socket. */
export interface Outcome {
  readonly responses: readonly HttpResponse[];
  /** The promise that the server broke to this socket. */
  readonly failure: string | undefined;
}

/** How a socket is used. */
export interface ExchangeOptions {
  readonly port: number;
  readonly random: Random;
  /** Told of each change of the responses while they are read; the socket stays open until the promise that it returns is settled. */
  readonly onChange?: (responses: readonly HttpResponse[]) => Promise<unknown> | undefined;
}

/** Sends requests over one socket, and reads it until all are answered, the server closes it, or the time is up. */
export function exchange(wires: readonly Wire[], { port, random, onChange }: ExchangeOptions): Promise<Outcome> {
  const last = wires.at(-1);
  const delivery = last?.delivery ?? 'whole';
  const all = Buffer.concat(wires.map(({ bytes }) => bytes));
  const isPartial = delivery === 'cut' || delivery === 'stalled' || delivery === 'reset';
  const bytes = isPartial ? all.subarray(0, random.between(1, all.length)) : all;
  const pieces = delivery === 'slow' ? cut(bytes, random) : [bytes];
  const verbs = wires.map(({ verb }) => verb);
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.setNoDelay(true);
    let isOver = false;
    let lingering: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      // It reads a stream without an end until what it says over other sockets is answered.
      if (lingering !== undefined) return;
      const got = reader.responses.map(
        ({ status, isWhole, isStream }) => `${status}${isStream ? ' stream' : ''}${isWhole ? '' : ' unfinished'}`,
      );
      end(`neither answered nor closed within ${boundMs / 1000} s (${got.join(', ') || 'nothing came'})`);
    }, boundMs);
    const end = (failure?: string) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      clearTimeout(lingering);
      if (delivery === 'reset') socket.resetAndDestroy();
      else socket.destroy();
      resolve({ responses: reader.responses, failure: failure ?? reader.broken });
    };
    let held: Promise<unknown> | undefined;
    const changed = () => {
      if (isOver) return;
      if (reader.broken !== undefined) return end();
      held = onChange?.(reader.responses) ?? held;
      const { responses } = reader;
      const open = responses.find(({ isStream, isWhole }) => isStream && !isWhole);
      if (open !== undefined && isEndless(wires[responses.indexOf(open)], open))
        lingering ??= setTimeout(() => void Promise.resolve(held).then(() => end()), lingerMs);
      else if (responses.length >= wires.length && responses.every(({ isWhole }) => isWhole)) void Promise.resolve(held).then(() => end());
    };
    const reader = readFrom(socket, verbs, changed);
    socket.on('close', () => {
      if (socket.bytesWritten > 0) end();
    });
    socket.on('end', () => end());
    socket.on('error', (error: Error & { code?: string }) => {
      // The process has ended. Whoever started it hears of it a little later.
      if (error.code === 'ECONNREFUSED') setTimeout(end, refusedMs);
      else end();
    });
    socket.on('connect', () => void send());
    const send = async () => {
      for (const [at, piece] of pieces.entries()) {
        if (at > 0) await new Promise(done => setTimeout(done, random.between(1, 8)));
        if (isOver) return;
        socket.write(piece);
      }
      if (delivery === 'cut' || delivery === 'half-closed') socket.end();
      else if (delivery === 'reset') setTimeout(end, random.between(0, 10));
    };
  });
}

function isEndless(wire: Wire | undefined, response: HttpResponse): boolean {
  return (
    wire?.verb === 'GET' ||
    wire?.body?.includes('subscriptions') === true ||
    response.events.some(({ data }) => data.includes('subscriptions/acknowledged'))
  );
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  const count = random.between(2, 6);
  let from = 0;
  for (let piece = 1; piece < count; piece += 1) {
    const to = random.between(from, bytes.length);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  return [...pieces, bytes.subarray(from)].filter(({ length }) => length > 0);
}
