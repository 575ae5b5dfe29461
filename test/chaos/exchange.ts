import type { WireMessage } from '../support/schemas.ts';
import type { EventReader, ReaderOptions } from '../support/sse.ts';
import { openReader, UnexpectedAnswer } from '../support/sse.ts';
import type { Doing } from './incidents.ts';
import type { Ledger } from './ledger.ts';

/** Milliseconds until a client gives a request up. */
export const patienceMs = 90_000;

/** What a request came to, at which process and when. */
export type Outcome = { readonly doing: Doing } & (
  | { readonly kind: 'stream'; readonly reader: EventReader }
  | { readonly kind: 'message'; readonly message: WireMessage; readonly headers: Headers }
  /** Accepted, with nothing to say. */
  | { readonly kind: 'accepted' }
  /** Not served, and not begun to: it may be sent again. */
  | { readonly kind: 'refused' }
  /** The connection broke before there was an answer: it may have been served or not. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'failed'; readonly status: number; readonly text: string }
);

/** Sends a request and holds what it came to against the promises, whatever else may be expected of it; never rejects. */
export async function exchange(ledger: Ledger, what: string, options: ReaderOptions): Promise<Outcome> {
  const from = performance.now();
  const outcome = await send(from, options);
  ledger.answered(what, outcome);
  return outcome;
}

async function send(from: number, options: ReaderOptions): Promise<Outcome> {
  try {
    const reader = await openReader({ patienceMs, ...options });
    return { kind: 'stream', reader, doing: doingOf(from, reader.response) };
  } catch (error) {
    if (!(error instanceof UnexpectedAnswer)) return { kind: 'cut', doing: { process: undefined, from, until: performance.now() } };
    const { text, response } = error;
    const { status, headers } = response;
    const doing = doingOf(from, response);
    // The load balancer could not connect: nothing was sent.
    if (status === 502 && headers.has('x-not-sent')) return { kind: 'refused', doing };
    if (status === 502 || text === undefined) return { kind: 'cut', doing };
    if (status === 503) return { kind: 'refused', doing };
    if (status === 202 || status === 204) return { kind: 'accepted', doing };
    if (status !== 200) return { kind: 'failed', doing, status, text };
    return { kind: 'message', message: JSON.parse(text) as WireMessage, doing, headers };
  }
}

function doingOf(from: number, response: Response): Doing {
  return { process: response.headers.get('x-process') ?? undefined, from, until: performance.now() };
}
