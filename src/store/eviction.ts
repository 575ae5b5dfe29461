/**
 * How many unconfirmed sessions of a principal are not evicted first: the newest, an eighth of those that are kept. Their clients may be in
 * the middle of the handshake.
 */
export function sparedUnconfirmed(keep: number): number {
  return Math.max(1, Math.floor(keep / 8));
}
