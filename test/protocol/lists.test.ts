import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { paginate } from '../../src/protocol/lists.ts';

const items = Array.from({ length: 10 }, (_, index) => index);
const cursorAt = (text: string) => Buffer.from(text).toString('base64url');

describe('paginate', () => {
  it('gives every item once, in order, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (list, pageSize) => {
        const seen: number[] = [];
        let cursor: string | undefined;
        let pages = 0;
        do {
          const page = paginate('tools', list, { cursor, pageSize });
          seen.push(...page.items);
          cursor = page.nextCursor;
          pages += 1;
        } while (cursor !== undefined);
        expect(seen).toEqual(list);
        expect(pages).toBe(Math.max(1, Math.ceil(list.length / pageSize)));
      }),
    );
  });

  it('takes as many cursors as there are further pages, so that a cache of pages is never larger than the list', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 }), (length, pageSize) => {
        const list = Array.from({ length }, (_, index) => index);
        const pages = list.flatMap(start => {
          try {
            return [paginate('tools', list, { cursor: cursorAt(`tools:${start}`), pageSize }).items];
          } catch {
            return [];
          }
        });
        expect([...list.slice(0, pageSize), ...pages.flat()]).toEqual(list);
      }),
    );
  });

  it('gives an empty list as one page', () => {
    expect(paginate('tools', [], { cursor: undefined, pageSize: 5 })).toEqual({ items: [], nextCursor: undefined });
  });

  it.each<[string, unknown]>([
    ['empty', ''],
    ['null', null],
    ['a number', 5],
    ['an object', {}],
    ['of another list', cursorAt('prompts:5')],
    ['of a list with the same length of name', cursorAt('toolz:5')],
    ['at the beginning', cursorAt('tools:0')],
    ['at the end', cursorAt('tools:10')],
    ['beyond the end', cursorAt('tools:11')],
    ['before the beginning', cursorAt('tools:-1')],
    ['between the beginnings of two pages', cursorAt('tools:4')],
    ['one behind the beginning of a page', cursorAt('tools:6')],
    ['a fraction', cursorAt('tools:1.5')],
    ['an exponent', cursorAt('tools:1e0')],
    ['with blanks', cursorAt('tools: 5')],
    ['hexadecimal', cursorAt('tools:0x5')],
    ['padded', `${cursorAt('tools:5')}=`],
    ['in plain text', 'tools:5'],
  ])('refuses a cursor that is %s', (_, cursor) => {
    expect(() => paginate('tools', items, { cursor, pageSize: 5 })).toThrow(/^Invalid params: `cursor`/);
  });

  it('takes the cursor that it gave', () => {
    const { nextCursor } = paginate('tools', items, { cursor: undefined, pageSize: 5 });
    expect(paginate('tools', items, { cursor: nextCursor, pageSize: 5 })).toEqual({ items: [5, 6, 7, 8, 9], nextCursor: undefined });
  });
});
