import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { revisions } from '../../src/protocol/revisions.ts';
import { describeRevisions } from '../matrix/revisions.ts';
import { attacks } from './attacks.ts';
import type { House } from './house.ts';
import { openHouse } from './house.ts';
import { attempt, forge, intruders } from './theft.ts';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house[Symbol.asyncDispose]());

describeRevisions('an intruder', row => {
  const known = Object.entries(attacks).filter(([, { isIn }]) => isIn?.(row) ?? true);
  describe.each(known)('with %s', (_, attack) => {
    it.each(intruders)('of a user is answered as with an unknown one if it is %s, and the user notices nothing', async (_who, user) => {
      await attempt(attack, { house, row, user });
    });

    if (attack.isToken ?? true) {
      it('whose form was changed is refused to its owner, too', async () => {
        await forge(attack, { house, row });
      });
    }
  });
});

it('every attack is tried in some revision', () => {
  for (const [name, { isIn }] of Object.entries(attacks))
    expect(
      revisions.some(row => isIn?.(row) ?? true),
      name,
    ).toBe(true);
});
