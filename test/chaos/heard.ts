import type { WireMessage } from '../support/schemas.ts';

/** The URI that is announced again and again: who hears of it after it was announced is not deaf. */
export const fence = 'test://item/fence';

/** What one listener asked for and was told, on one stream or on all streams of its session. */
export class Heard {
  /** URIs, and when the subscription was answered. */
  readonly subscribed = new Map<string, number>();
  /** URIs other than the fence in the order in which they were heard. */
  readonly uris: string[] = [];
  /** Whether nothing may be heard twice: the client could always tell where it stood. */
  isExact = true;
  /** What was announced before that must have been heard; a stream that cannot be resumed ends some day. */
  mustHearUntil = Number.POSITIVE_INFINITY;
  /** For who looks into a failure: how streams began and ended. */
  readonly history: string[] = [];
  readonly #heard = new Set<string>();
  #fenceAt = Number.NEGATIVE_INFINITY;
  #listChangedAt = Number.NEGATIVE_INFINITY;

  /** Takes a notification. */
  take({ method, params }: WireMessage): void {
    const uri = params?.['uri'];
    if (method === 'notifications/tools/list_changed') this.#listChangedAt = performance.now();
    else if (uri === fence) this.#fenceAt = performance.now();
    else if (method === 'notifications/resources/updated' && typeof uri === 'string') {
      this.uris.push(uri);
      this.#heard.add(uri);
    }
  }

  hasHeard(uri: string): boolean {
    return this.#heard.has(uri);
  }

  /** Whether both the fence and a change of the list of tools were heard since then, so far as it asked for the fence before. */
  isFreshSince(at: number): boolean {
    const asksForFence = (this.subscribed.get(fence) ?? Number.POSITIVE_INFINITY) < at;
    return this.#listChangedAt >= at && (this.#fenceAt >= at || !asksForFence);
  }

  note(text: string): void {
    this.history.push(`${(performance.now() / 1000).toFixed(1)} s ${text}`);
  }
}
