import type { SessionStore } from './store.ts';

/** Keeps resource subscriptions in this process. `exists` tells whether a session does. */
export function memorySubscriptions(exists: (id: string) => boolean): MemorySubscriptions {
  const uris = new Map<string, Set<string>>();
  return {
    store: {
      async subscribe(id, uri) {
        if (!exists(id)) return false;
        const own = uris.get(id);
        if (own) own.add(uri);
        else uris.set(id, new Set([uri]));
        return true;
      },
      async unsubscribe(id, uri) {
        uris.get(id)?.delete(uri);
      },
      async subscribers(uri, ids) {
        return ids.filter(id => uris.get(id)?.has(uri));
      },
      async subscribedTo(uri, after, limit) {
        return page(uris, after, limit, own => own.has(uri));
      },
    },
    drop: id => uris.delete(id),
  };
}

/** Subscriptions in memory, and the way to remove those of a session. */
export interface MemorySubscriptions {
  readonly store: Pick<SessionStore, 'subscribe' | 'unsubscribe' | 'subscribers' | 'subscribedTo'>;
  /** Removes those of a session. */
  readonly drop: (id: string) => void;
}

/** At most `limit` keys whose values are wanted, in order, behind `after`. */
export function page<T>(
  entries: ReadonlyMap<string, T>,
  after: string | undefined,
  limit: number,
  isWanted: (value: T) => boolean,
): string[] {
  return [...entries]
    .filter(([id, value]) => (after === undefined || id > after) && isWanted(value))
    .map(([id]) => id)
    .sort()
    .slice(0, limit);
}
