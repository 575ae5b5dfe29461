import type { EventReader, ReaderOptions } from '../processes/event-reader.ts';
import { openReader, UnexpectedAnswer } from '../processes/event-reader.ts';
import type { WireMessage } from '../support/schemas.ts';

/** What a request came to. */
export type Outcome =
  | { readonly kind: 'stream'; readonly reader: EventReader; readonly process: string | undefined }
  | { readonly kind: 'message'; readonly message: WireMessage; readonly process: string | undefined; readonly headers: Headers }
  /** Accepted, with nothing to say. */
  | { readonly kind: 'accepted'; readonly process: string | undefined }
  /** Not served, and not begun to: it may be sent again. */
  | { readonly kind: 'refused'; readonly process: string | undefined }
  /** The connection broke before there was an answer. */
  | { readonly kind: 'cut'; readonly process: string | undefined }
  | { readonly kind: 'failed'; readonly process: string | undefined; readonly status: number; readonly text: string };

/** Sends a request; never rejects. */
export async function exchange(options: ReaderOptions): Promise<Outcome> {
  try {
    const reader = await openReader(options);
    return { kind: 'stream', reader, process: processOf(reader.response) };
  } catch (error) {
    if (!(error instanceof UnexpectedAnswer)) return { kind: 'cut', process: undefined };
    const { text, response } = error;
    const { status, headers } = response;
    const process = processOf(response);
    // 502: the load balancer found the process gone, perhaps after it had taken the request.
    if (status === 502 || text === undefined) return { kind: 'cut', process };
    if (status === 503) return { kind: 'refused', process };
    if (status === 202 || status === 204) return { kind: 'accepted', process };
    if (status !== 200) return { kind: 'failed', process, status, text };
    return { kind: 'message', message: JSON.parse(text) as WireMessage, process, headers };
  }
}

function processOf(response: Response): string | undefined {
  return response.headers.get('x-process') ?? undefined;
}
