import type { Heard } from './heard.ts';
import { fence } from './heard.ts';

/** One announcement of a change. */
export interface Publication {
  readonly uri: string;
  readonly process: string;
  readonly startedAt: number;
  /** When that was answered. */
  endedAt: number;
  /** `undefined`: its process ended meanwhile, or it failed, so that it may have happened or not. */
  isDone: true | undefined;
}

/** Each has URIs without end, of which each is announced once. */
const topics = 8;

/** What was announced, and who must have heard of it. */
export class Publications {
  readonly #byUri = new Map<string, Publication>();
  readonly #next = Array.from({ length: topics }, () => 0);
  readonly #pending = new Set<Promise<void>>();

  /** Of a topic, the URIs that are announced next. */
  upcoming(topic: number, count: number): string[] {
    return Array.from({ length: count }, (_, index) => uriOf(topic, (this.#next[topic] ?? 0) + index));
  }

  /** Takes the next URI of a topic. */
  take(topic: number): string {
    const index = this.#next[topic] ?? 0;
    this.#next[topic] = index + 1;
    return uriOf(topic, index);
  }

  get topics(): readonly number[] {
    return this.#next.map((_, topic) => topic);
  }

  /** Notes an announcement from its start to its end; never rejects. */
  note(uri: string, process: string, announce: () => Promise<unknown>): Promise<void> {
    const publication: Publication = {
      uri,
      process,
      startedAt: performance.now(),
      endedAt: Number.POSITIVE_INFINITY,
      isDone: undefined,
    };
    this.#byUri.set(uri, publication);
    const noted = announce().then(
      () => {
        publication.isDone = true;
        publication.endedAt = performance.now();
      },
      () => {
        publication.endedAt = performance.now();
      },
    );
    this.#pending.add(noted);
    void noted.then(() => this.#pending.delete(noted));
    return noted;
  }

  /** Announcements that have no answer yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** URIs that a listener must have heard of, and has not. */
  missing(listener: Heard): string[] {
    return [...listener.subscribed].flatMap(([uri, subscribedAt]) => {
      const publication = this.#byUri.get(uri);
      if (uri === fence || publication?.isDone === undefined || publication.startedAt < subscribedAt) return [];
      return publication.endedAt <= listener.mustHearUntil && !listener.hasHeard(uri) ? [uri] : [];
    });
  }

  /** What a listener has heard that it should not have heard so. */
  oddities(listener: Heard): string[] {
    /** By process, the latest start of an announcement that was heard. */
    const starts = new Map<string, Publication>();
    const odd: string[] = [];
    const counts = new Map<string, number>();
    for (const uri of listener.uris) {
      const publication = this.#byUri.get(uri);
      if (publication === undefined) {
        odd.push(`heard of ${uri}, which nobody announced`);
        continue;
      }
      const count = (counts.get(uri) ?? 0) + 1;
      counts.set(uri, count);
      if (!listener.isExact) continue;
      if (count > 1) odd.push(`heard of ${uri} ${count} times`);
      const latest = starts.get(publication.process);
      if (latest !== undefined && publication.endedAt < latest.startedAt) odd.push(`heard of ${latest.uri} before ${uri}`);
      if (latest === undefined || latest.startedAt < publication.startedAt) starts.set(publication.process, publication);
    }
    return odd;
  }

  /** For who looks into a failure. */
  describe(uri: string): string {
    const { process, startedAt, endedAt } = this.#byUri.get(uri) ?? {};
    const at = (ms = Number.NaN) => `${(ms / 1000).toFixed(1)} s`;
    return `${uri} (announced by ${String(process)} from ${at(startedAt)} to ${at(endedAt)})`;
  }
}

function uriOf(topic: number, index: number): string {
  return `test://item/topic${topic}-${index}`;
}
