import { describe, expect, it } from 'vitest';
import { plainDocumentation } from '../../src/models/datamodel/datamodel.ts';
import { bounded, maxDescriptionChars } from '../../src/models/features/tools.ts';

describe('a /// comment', () => {
  it.each<[comment: string | undefined, text: string | undefined]>([
    [undefined, undefined],
    ['The name of the guest.', 'The name of the guest.'],
    ['@zod.import(["import { x } from \'y\'"])', undefined],
    ['Of a person. @zod.string.min(1, { message: "too (short" }).max(5)', 'Of a person.'],
    ['[FieldMeta] @zod.custom.use(z.record(z.string(), z.any()))', undefined],
    ['[UserMeta]', undefined],
    ["![Record<string, 'a' | 'b'>]", undefined],
    ['@HideField()', undefined],
    ['@hidden', undefined],
    ['@TypeGraphQL.omit(output: true)\nSaid to nobody.\n\n@hidden\n\nTwo parts.', 'Said to nobody.\n\nTwo parts.'],
    ['@zod.custom.use(z\n  .string()\n)\nAfter.', 'After.'],
    ['@deprecated Use code.', '@deprecated Use code.'],
    ['Ask support@example.com (or @desk).', 'Ask support@example.com (or @desk).'],
    ['[EUR] price, see [docs]', '[EUR] price, see [docs]'],
    ['An @open.call(that never ends', 'An (that never ends'],
  ])('%j reads %j', (comment, text) => {
    expect(plainDocumentation(comment)).toBe(text);
  });

  it('is read in time that does not explode', () => {
    const started = performance.now();
    plainDocumentation('@a(('.repeat(2_000));
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('a description', () => {
  it('is cut between words where it is too long', () => {
    expect(bounded('short')).toBe('short');
    expect(bounded('x'.repeat(maxDescriptionChars))).toHaveLength(maxDescriptionChars);
    const cut = bounded('word '.repeat(500));
    expect(cut.length).toBeLessThanOrEqual(maxDescriptionChars);
    expect(cut).toMatch(/ word…$/);
    expect(bounded('x'.repeat(2_000))).toHaveLength(maxDescriptionChars);
  });
});
