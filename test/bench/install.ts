import { installNested, pinnedVersions } from '../support/nested-package.ts';

/** The nested package of the other contenders; it has a lock file of its own. */
export const peers: URL = new URL('peers/', import.meta.url);

/** Installs the pinned contenders and autocannon, unless they are there. */
export function installPeers(): Promise<void> {
  return installNested(peers);
}

/** The pinned version of each package. */
export function peerVersions(): Promise<Readonly<Record<string, string>>> {
  return pinnedVersions(peers);
}
