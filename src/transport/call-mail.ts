import type { Delivery } from '../delivery/delivery.ts';
import type { CallMail } from '../delivery/messages.ts';
import { parseCallMail } from '../delivery/messages.ts';
import type { Position } from '../delivery/position.ts';
import { releaseOnce } from '../delivery/release.ts';
import { callMailOf } from '../delivery/stream-ids.ts';
import type { DeliveredEvent } from '../delivery/tail.ts';
import { pause } from '../timing.ts';

/** The options of `CallMailboxes`. */
export interface CallMailboxesOptions extends Pick<Delivery, 'store' | 'log' | 'tail' | 'storeMs' | 'lookMs' | 'onError'> {
  /** Takes one message. `eventId` is the id of its event in the log. */
  readonly take: (sessionId: string, mail: CallMail, eventId: number) => void;
}

/** The mailbox of a session, and the number of its users. */
interface Mailbox {
  count: number;
  readonly close: () => void;
}

/** Most messages that are read when a call opens its mailbox after its start. */
const maxLate = 1000;

/**
 * Passes messages of clients to the process that runs the call: answers and cancellations. A process receives the messages of a session
 * while one of its calls there asks its client or runs for long.
 */
export class CallMailboxes {
  readonly #options: CallMailboxesOptions;
  readonly #open = new Map<string, Mailbox>();

  constructor(options: CallMailboxesOptions) {
    this.#options = options;
  }

  /**
   * Sends a message to the calls of a session, in any process.
   *
   * @throws {StoreUnavailable} The database does not answer.
   */
  send(sessionId: string, mail: CallMail): Promise<void> {
    const { log, storeMs } = this.#options;
    return log.post({ stream: callMailOf(sessionId), sessionId, data: JSON.stringify(mail) }, { withinMs: storeMs });
  }

  /**
   * Receives the messages of a session until the returned function is called.
   *
   * @param since Messages behind this position are read too.
   */
  open(sessionId: string, since?: Position): () => void {
    const box: Mailbox = this.#open.get(sessionId) ?? { count: 0, close: this.#listen(sessionId) };
    this.#open.set(sessionId, box);
    box.count += 1;
    if (since !== undefined) void this.#readSince(sessionId, since, box);
    return releaseOnce(() => {
      box.count -= 1;
      if (box.count > 0) return;
      box.close();
      this.#open.delete(sessionId);
    });
  }

  #listen(sessionId: string): () => void {
    const { tail } = this.#options;
    return releaseOnce(
      tail.hold(),
      tail.listen(callMailOf(sessionId), event => this.#take(sessionId, event)),
    );
  }

  /** Reads the messages behind a position. Tries until the database answers or the mailbox is closed. */
  async #readSince(sessionId: string, { id, gaps }: Position, box: Mailbox): Promise<void> {
    const { store, lookMs, onError } = this.#options;
    for (let isReported = false; box.count > 0; isReported = true) {
      try {
        const events = await store.findEvents({ streams: [callMailOf(sessionId)], after: id, gaps, limit: maxLate });
        for (const event of events) this.#take(sessionId, event);
        return;
      } catch (error) {
        if (!isReported) onError(error);
        await pause(lookMs).over;
      }
    }
  }

  #take(sessionId: string, { id, data }: DeliveredEvent): void {
    const mail = parseCallMail(data);
    if (mail !== undefined) this.#options.take(sessionId, mail, id);
  }
}
