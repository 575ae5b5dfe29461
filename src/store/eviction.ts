import type { Session } from './store.ts';

/**
 * Selects the sessions over `keep` of one principal.
 *
 * A flood of `initialize` leaves sessions whose client has not confirmed the handshake. These go first, except the newest of them: their
 * clients may be in the middle of it. The sessions that were seen longest ago follow.
 *
 * @param sessions Those seen longest ago first.
 */
export function selectEvicted<S extends Pick<Session, 'initialized'>>(
  sessions: readonly S[],
  keep: number,
): { readonly unconfirmed: readonly S[]; readonly idle: readonly S[] } {
  const surplus = Math.max(0, sessions.length - keep);
  const spared = Math.max(1, Math.floor(keep / 8));
  const unconfirmed = sessions
    .filter(({ initialized }) => !initialized)
    .slice(0, -spared)
    .slice(0, surplus);
  const chosen = new Set(unconfirmed);
  return { unconfirmed, idle: sessions.filter(session => !chosen.has(session)).slice(0, surplus - unconfirmed.length) };
}
