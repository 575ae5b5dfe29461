/** The event that everybody is told when nothing is broken any more. */
export const fence = 'sim://item/fence';

/** A resource that changes often: some of its changes may be told as one. */
export const hot = 'sim://item/hot';

/** Lists that change. */
export const lists = ['tools', 'resources'] as const;

/** Resources that change once each, so that each event can be told from the others. */
export function chooseUris(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `sim://item/${index}`);
}
