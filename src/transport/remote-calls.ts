import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText } from '../protocol/jsonrpc.ts';
import type { Inbounds } from './inbound.ts';
import { processEnded } from './inbound.ts';

/** What `RemoteCalls` needs. */
export interface RemoteCallsOptions {
  readonly sessionId: string;
  readonly inbounds: Inbounds;
  /** Answers a call whose process has ended. */
  readonly answer: (response: string) => void;
  /** Aborts when the session's stream has ended. */
  readonly signal: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** The row that says that a call of an HTTP+SSE session runs where its stream is not. It is for the holder of the stream, not for the client. */
export function acceptedText(id: RequestId): string {
  return `${ACCEPTED}${JSON.stringify(id)}}`;
}

/** The calls of an HTTP+SSE session that other processes run, as the holder of its stream sees them: one that dies there is answered here. */
export class RemoteCalls {
  readonly #options: RemoteCallsOptions;
  readonly #running = new Set<RequestId>();
  readonly #givenUp = new Set<RequestId>();

  constructor(options: RemoteCallsOptions) {
    this.#options = options;
  }

  /** Takes what came for the stream; whether it is to be sent to the client. */
  take(text: string): boolean {
    if (text.startsWith(ACCEPTED)) {
      const { accepted } = JSON.parse(text) as { accepted: RequestId };
      this.#running.add(accepted);
      this.#watch(accepted).catch(this.#options.onError);
      return false;
    }
    for (const id of this.#running) if (isResponseTo(id, text)) this.#running.delete(id);
    for (const id of this.#givenUp) if (isResponseTo(id, text)) return false;
    return true;
  }

  async #watch(requestId: RequestId): Promise<void> {
    const { sessionId, inbounds, answer, signal } = this.#options;
    await inbounds.patience(signal);
    while (this.#running.has(requestId) && !signal.aborted) {
      const isTaken = await inbounds.ask(sessionId, { kind: 'alive', requestId }, signal);
      if (isTaken === undefined) return;
      if (isTaken || !this.#running.delete(requestId)) continue;
      this.#givenUp.add(requestId);
      answer(errorText(requestId, processEnded()));
    }
  }
}

const ACCEPTED = '{"accepted":';

/** By how responses are written here: a request of the server has other ids. */
function isResponseTo(id: RequestId, text: string): boolean {
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"`;
  return text.startsWith(`${head}result"`) || text.startsWith(`${head}error"`);
}
