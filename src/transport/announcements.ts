import type { EventLog } from '../delivery/event-log.ts';
import type { Tail } from '../delivery/tails.ts';
import type { ListName } from '../protocol/subscriptions.ts';
import { LOG } from '../session/events.ts';

/** What every process of an endpoint is to know. */
export type Announcement =
  /** A session has ended. */
  | { readonly ended: string }
  /** The row of a session has changed. */
  | { readonly changed: string }
  /** A list reads differently. */
  | { readonly list: ListName }
  /** A resource reads differently. */
  | { readonly uri: string };

/** What `Announcements` needs. */
export interface AnnouncementsOptions {
  readonly log: EventLog;
  readonly take: (announcement: Announcement) => void;
}

/** The log of an endpoint: what one process announces, every process takes, that one included. */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  #tail: Promise<Tail> | undefined;
  #stopped = false;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  /** Announces; resolves once it cannot be lost. */
  async announce(announcement: Announcement): Promise<void> {
    await this.#options.log.post({ stream: LOG, sessionId: null, message: JSON.stringify(announcement) });
  }

  /**
   * Takes announcements from now on. Without a wake-up only a process that holds streams or calls looks for them: one that serves requests
   * alone reads session rows often enough.
   */
  async listen(): Promise<void> {
    if (this.#stopped) return;
    const { log } = this.#options;
    const isNew = this.#tail === undefined;
    this.#tail ??= this.#follow();
    try {
      const tail = await this.#tail;
      // What was announced while nothing here listened is old news.
      if (!isNew && !log.isLooking) tail.moveTo(await log.last(LOG));
    } catch (error) {
      if (isNew) this.#tail = undefined;
      throw error;
    }
  }

  /** As `listen`, in the background. Where that fails the next call tries again, and so does whatever cannot do without, which reports it. */
  start(): void {
    if (this.#tail === undefined) this.listen().catch(() => undefined);
  }

  stop(): void {
    this.#stopped = true;
    void this.#tail?.then(tail => tail.stop()).catch(() => undefined);
  }

  async #follow(): Promise<Tail> {
    const { log, take } = this.#options;
    return log.follow(LOG, {
      after: await log.last(LOG),
      isPassive: true,
      onEvents: events => {
        for (const { data } of events) take(JSON.parse(data) as Announcement);
      },
    });
  }
}
