import { expect } from 'vitest';
import type { Revision } from '../../src/protocol/revisions.ts';
import type { House } from './house.ts';
import { stranger } from './house.ts';
import type { Answer, Party } from './party.ts';
import { connect, isRefused } from './party.ts';

/** Something of the victim that an intruder has learned, such as an id or a token. */
export interface Theft {
  readonly thing: string;
  readonly owner: Party;
  /** Has the same form and length, and belongs to nobody. */
  readonly unknown: string;
  /** The ways to use it. */
  readonly uses: Readonly<Record<string, (by: Party, thing: string) => Promise<Answer>>>;
  /** Whether the user of the thing gets nothing of somebody else. @default isRefused */
  readonly isHarmless?: (answer: Answer, by: Party) => boolean;
  /** What differs between two answers for other reasons, such as the id of a new row. */
  readonly differs?: RegExp;
  /** Forms of the thing that nobody was given. @default those of `forgeries` */
  readonly forgeries?: Readonly<Record<string, string>>;
  /** Fails if the thing of the victim does not work as before. */
  readonly stillWorks: () => Promise<void>;
}

/** One row of the table of attacks. */
export interface Attack {
  /** Whether a revision has the thing. @default every revision */
  readonly isIn?: (row: Revision) => boolean;
  /** `false` for what callers choose or can guess, so that no form of it is wrong. @default true */
  readonly isToken?: boolean;
  /** Lets the victim make the thing. */
  readonly steal: (house: House, row: Revision) => Promise<Theft>;
}

/** Who tries: another user, and nobody without a sign-in. */
export const intruders: readonly (readonly [who: string, user: number | undefined])[] = [
  ['another user', stranger],
  ['nobody', undefined],
];

/** Uses the thing of the victim. The intruder must be answered as for an unknown thing, and the victim must notice nothing. */
export async function attempt(
  { steal }: Attack,
  { house, row, user }: { house: House; row: Revision; user: number | undefined },
): Promise<void> {
  const theft = await steal(house, row);
  const { thing, unknown, uses, isHarmless = isRefused, differs = /$^/u, stillWorks } = theft;
  const intruder = await connect(house.server, { row, user });
  for (const [name, use] of Object.entries(uses)) {
    const foreign = await use(intruder, thing);
    const made = await use(intruder, unknown);
    expect(masked(foreign, thing, differs), name).toEqual(masked(made, unknown, differs));
    expect(isHarmless(foreign, intruder), `${name}: ${foreign.status} ${foreign.body}`).toBe(true);
  }
  await stillWorks();
}

/** Changes the thing. Its owner gets nothing with the changed thing, and the thing itself works as before. */
export async function forge({ steal }: Attack, { house, row }: { house: House; row: Revision }): Promise<void> {
  const { thing, owner, uses, isHarmless = isRefused, forgeries: forms = forgeries(thing), stillWorks } = await steal(house, row);
  for (const [form, forged] of Object.entries(forms)) {
    for (const [name, use] of Object.entries(uses)) {
      const answer = await use(owner, forged);
      expect(isHarmless(answer, owner), `${name}, ${form}: ${answer.status} ${answer.body}`).toBe(true);
      expect(answer.status, `${name}, ${form}`).toBeLessThan(500);
    }
  }
  await stillWorks();
}

/** Forms of a token that its maker never gave. */
export function forgeries(thing: string): Record<string, string> {
  const middle = Math.floor(thing.length / 2);
  const at = (index: number, change: (code: number) => number): string =>
    thing.slice(0, index) + String.fromCharCode(change(thing.charCodeAt(index))) + thing.slice(index + 1);
  return {
    'one bit changed': at(middle, code => code ^ 1),
    // The last character of base64 may have bits that no byte needs.
    'the last bit changed': at(thing.length - 1, code => code ^ 1),
    'one character less': thing.slice(0, -1),
    'one character more': `${thing}A`,
    'only its first half': thing.slice(0, middle),
    padded: `${thing}=`,
    'in base64': Buffer.from(thing).toString('base64'),
    'in hex': Buffer.from(thing).toString('hex'),
    'percent-encoded': `%${thing.charCodeAt(0).toString(16)}${thing.slice(1)}`,
    'in other case': [...thing].map(char => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase())).join(''),
    'twice in a list': `${thing}, ${thing}`,
    empty: '',
    '100 kB long': 'A'.repeat(102_400),
  };
}

function masked({ status, headers, body }: Answer, thing: string, differs: RegExp): object {
  const text = JSON.stringify({ headers, body }).replaceAll(thing, '<thing>').replaceAll(encodeURIComponent(thing), '<thing>');
  return { status, text: text.replaceAll(new RegExp(differs, 'gu'), '<differs>') };
}
