/** When something was announced, and whether that succeeded; `undefined`: its process ended meanwhile. */
interface Publication {
  readonly startedAt: number;
  endedAt: number;
  isDone: boolean | undefined;
}

/** When a client asked to hear of something, and when that was answered. */
export interface Subscribed {
  readonly askedAt: number;
  readonly answeredAt: number;
}

/** What was announced, by topic: how often a client must, and how often it may have heard of it. */
export class Publications {
  readonly #byTopic = new Map<string, Publication[]>();

  /** Notes an announcement; rejects never. */
  async note(topic: string, announce: () => Promise<void>): Promise<void> {
    const publication: Publication = { startedAt: performance.now(), endedAt: Number.POSITIVE_INFINITY, isDone: undefined };
    const all = this.#byTopic.get(topic) ?? [];
    this.#byTopic.set(topic, all);
    all.push(publication);
    try {
      await announce();
      publication.isDone = true;
    } catch {
      // It may have happened or not.
    }
    publication.endedAt = performance.now();
  }

  /** How many of a topic's announcements a subscriber must have heard, and how many it may have. */
  bounds(topic: string, { askedAt, answeredAt }: Subscribed): { atLeast: number; atMost: number } {
    const all = this.#byTopic.get(topic) ?? [];
    return {
      atLeast: all.filter(({ startedAt, isDone }) => isDone === true && startedAt >= answeredAt).length,
      atMost: all.filter(({ endedAt }) => endedAt >= askedAt).length,
    };
  }
}

export const topics: readonly string[] = Array.from({ length: 10 }, (_, index) => `test://item/topic${index}`);
/** Announced last: who has heard it has heard all. */
export const fence = 'test://item/fence';
