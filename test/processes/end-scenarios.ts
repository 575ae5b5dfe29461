import { describe, expect, it } from 'vitest';
import type { WireSession } from '../support/wire.ts';
import type { Place } from './cluster.ts';
import { places, to } from './cluster.ts';
import { eventually } from './eventually.ts';
import { openSession } from './requests.ts';
import type { Scene } from './suite.ts';

/** What a request of a session is answered at one process. */
export const pingAt = async (session: WireSession, place: Place): Promise<number> => (await session.request('ping', {}, to(place))).status;

/** Sessions that end while other processes have them in memory. */
export function endScenarios(scene: () => Scene): void {
  describe('a session that its client ends at process A', () => {
    it('is answered 404 there at once, and soon at every process that has just served it', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      for (const place of places) expect(await pingAt(session, place)).toBe(200);
      expect((await fetch(cluster.url, { method: 'DELETE', headers: { ...session.headers, ...to('a').headers } })).status).toBe(204);
      expect(await pingAt(session, 'a')).toBe(404);
      for (const place of places) {
        await eventually(async () => (await pingAt(session, place)) === 404 || undefined, `an end at ${place}`);
        expect(await pingAt(session, place)).toBe(404);
      }
    }, 40_000);
  });
}
