import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uriTemplate } from '../../src/protocol/uri-template.ts';

describe('uriTemplate', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['test://template/{id}/data', { id: 123 }, 'test://template/123/data'],
    ['a://{name}', { name: 'Jörg / Anna (2)' }, 'a://J%C3%B6rg%20%2F%20Anna%20%282%29'],
    ['a://{x,y}', { x: true, y: 2n }, 'a://true,2'],
    ['a://{+path}', { path: 'one/two three' }, 'a://one/two%20three'],
    ['a://root{/dir}{.ext}{#part}', { dir: 'etc', ext: 'json', part: 'a b' }, 'a://root/etc.json#a%20b'],
    ['a://list{?page,size}', { page: 2, size: 10 }, 'a://list?page=2&size=10'],
    ['a://list{?page,size}', { size: 10 }, 'a://list?size=10'],
    ['a://list{?page,size}', { page: undefined }, 'a://list'],
    ['a://b{?x}{&y}', { x: '', y: 1 }, 'a://b?x=&y=1'],
    ['a://b?k=1{&y}', { y: '&' }, 'a://b?k=1&y=%26'],
    ['a://grün/{x}', { x: 1 }, 'a://gr%C3%BCn/1'],
  ])('%s makes of %o the URI %s', (template, variables, uri) => {
    expect(uriTemplate(template).expand(variables)).toBe(uri);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a://{id}', {}],
    ['a://{id}', { id: '' }],
    ['a://{id}', { id: null }],
    ['a://{id}', { id: {} }],
    ['a://{toString}', {}],
    ['a://{?page}', { page: [] }],
  ])('%s makes nothing of %o', (template, variables) => {
    expect(() => uriTemplate(template).expand(variables)).toThrow(TypeError);
  });

  it('makes URIs from which it reads the same values', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(text, text, fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }), (x, y, z) => {
        const template = uriTemplate('a://grün/{x}/{y}{?z}');
        expect(template.match(template.expand({ x, y, z }))).toEqual({ x, y, ...(z !== undefined && { z }) });
      }),
    );
  });

  it.each([
    ['test://template/{id}/data', 'test://template/123/data', { id: '123' }],
    ['a://{x}/{y}', 'a://1/2', { x: '1', y: '2' }],
    ['a://{x,y}', 'a://1,2', { x: '1', y: '2' }],
    ['a://{+path}', 'a://one/two/three', { path: 'one/two/three' }],
    ['a://list{?page,size}', 'a://list?page=2&size=10', { page: '2', size: '10' }],
    ['a://list{?page,size}', 'a://list?size=10', { size: '10' }],
    ['a://list{?page,size}', 'a://list', {}],
    ['a://doc{#section}', 'a://doc#two', { section: 'two' }],
    ['a://root{/dir}', 'a://root/etc', { dir: 'etc' }],
    ['a://file{.ext}', 'a://file.json', { ext: 'json' }],
    ['a://{name}', 'a://J%C3%B6rg%20%2F%20Anna', { name: 'Jörg / Anna' }],
    ['a://x.y+z({id})', 'a://x.y+z(7)', { id: '7' }],
    ['a://{x}-{y}', 'a://1-2-3', { x: '1', y: '2-3' }],
    ['a://{x}{y}', 'a://123', { x: '1', y: '23' }],
    ['a://{x}{y}', 'a://\u{1F600}\u{1F680}', { x: '\u{1F600}', y: '\u{1F680}' }],
    ['a://{+path}/{file}', 'a://one/two/three', { path: 'one/two', file: 'three' }],
    ['a://{+x}{y}', 'a://one/two', { x: 'one/', y: 'two' }],
    ['a://{+x}-{+y}', 'a://1-/2-3', { x: '1', y: '/2-3' }],
    ['a://{x}-end', 'a://1-end-end', { x: '1-end' }],
    ['a://list{?page,size}', 'a://list?page=&size=', { page: '', size: '' }],
    ['a://list{?page}&size={size}', 'a://list?page=2&size=10', { page: '2', size: '10' }],
    ['a://{+x}{?page}', 'a://list?page=2', { x: 'list', page: '2' }],
    ['a://b{?x}{&y}', 'a://b?x=1&y=2', { x: '1', y: '2' }],
    ['a://b?k=1{&y,z}', 'a://b?k=1&z=2', { z: '2' }],
    ['a://b{?x}&k={y}', 'a://b&k=2', { y: '2' }],
    ['a://grün/{x}', 'a://gr%C3%BCn/1', { x: '1' }],
    ['a://grün/{x}', 'a://gr%c3%bcn/1', { x: '1' }],
    ['a://gr%c3%bcn/{x}', 'a://grün/ä', { x: 'ä' }],
    ['', '', {}],
  ])('%s reads %s', (template, uri, variables) => {
    expect(uriTemplate(template).match(uri)).toEqual(variables);
  });

  it.each([
    ['test://template/{id}/data', 'test://template/1/2/data'],
    ['test://template/{id}/data', 'test://template//data'],
    ['test://template/{id}', 'xtest://template/1'],
    ['test://template/{id}', 'test://template/1#x'],
    ['a://x.y/{id}', 'a://xzy/1'],
    ['a://{name}', 'a://%E0%A4%A'],
    ['a://{x}-{y}', 'a://-2'],
    ['a://{x}-{y}', 'a://1-'],
    ['a://{x}-{y}', 'a://1-2/'],
    ['a://{x}', 'a://'],
    ['a://{+x}', 'a://'],
    ['a://list{?page,size}', 'a://list?size=10&page=2'],
    ['a://list{?page,size}', 'a://list?'],
    ['a://list{?page,size}', 'a://list&page=1'],
    ['a://list{?page,size}', 'a://list&size=1'],
    ['a://list{?page,size}', 'a://list?page=1?size=2'],
    ['a://list?k=1{&page}', 'a://list?k=1?page=1'],
    ['a://grün/{x}', 'a://gr%C3%BDn/1'],
    ['a://{x}{y}', 'a://\u{1F600}'],
    ['', 'a'],
  ])('%s refuses %s', (template, uri) => {
    expect(uriTemplate(template).match(uri)).toBeUndefined();
  });

  it('names its variables in order', () => {
    expect(uriTemplate('a://{b}/{a}{?q}').variables).toEqual(['b', 'a', 'q']);
  });

  it.each(['a://{id', 'a://}', 'a://{}', 'a://{;x}', 'a://{x}/{x}', 'a://{x,}', 'a://{x:3}', 'a://{x*}'])(
    'refuses the template %s at start-up',
    template => {
      expect(() => uriTemplate(template)).toThrow(TypeError);
    },
  );

  it('matches exactly what the template matches as a regular expression', () => {
    let matches = 0;
    const readings = templates().chain(pieces => fc.tuple(fc.constant(pieces), uriOf(pieces)));
    fc.assert(
      fc.property(readings, ([pieces, uri]) => {
        const regExp = new RegExp(`^${pieces.map(({ pattern }) => pattern).join('')}$`, 'dsu');
        const { variables, match } = uriTemplate(pieces.map(({ text }) => text).join(''));
        const read = regExp.exec(uri);
        const found = read !== null && hasLeads(pieces, uri, read) ? read.slice(1) : undefined;
        const expected = found && variables.map((name, index) => [name, found[index]]).filter(([, value]) => value !== undefined);
        expect(match(uri)).toEqual(expected && Object.fromEntries(expected));
        matches += found === undefined ? 0 : 1;
      }),
      { numRuns: 5000 },
    );
    expect(matches).toBeGreaterThan(1000);
  });

  it.each([
    ['lab://{year}-{month}', '-'],
    ['lab://{y}-{m}-{d}', '-'],
    ['lab://{y}--{m}--{d}', '-'],
    ['lab://{a}{b}{c}', 'a'],
    ['lab://{+a}/{+b}/{c}!', '/'],
    ['lab://{a}{.b,c}', '.'],
    ['lab://{+a}{?b}{&c}!', '?b=&c='],
  ])('reads %s in a time that grows with the length of the URI', (template, unit) => {
    const { match } = uriTemplate(template);
    const [once, eightfold] = [192, 1536].map(length => {
      const uri = `lab://${unit.repeat(length / unit.length)}/`;
      return cost(() => match(uri));
    }) as [number, number];
    // Linear is 8, quadratic 64.
    expect(eightfold / once).toBeLessThan(24);
  });
});

/** Whether the first member of each query expression that is there begins with the expression's operator, and each further one with `&`. */
function hasLeads(pieces: readonly Piece[], uri: string, { indices = [] }: RegExpExecArray): boolean {
  let at = 1;
  return pieces.every(({ names = [], key }) => {
    let lead = key;
    return names.every(name => {
      const [start] = indices[at++] ?? [];
      if (start === undefined || key === undefined) return true;
      const isLed = uri.charAt(start - name.length - 2) === lead;
      lead = '&';
      return isLed;
    });
  });
}

interface Piece {
  /** In the template. */
  readonly text: string;
  /** The same as a regular expression. */
  readonly pattern: string;
  /** What it expands to. */
  readonly uris: fc.Arbitrary<string>;
  /** The variables of an expression, and the operator of one for a query. */
  readonly names?: readonly string[];
  readonly key?: string;
}

/** Few characters, so that values often hold what stands between them. */
const alphabet = ['a', 'b', '-', '/', '?', '#', '&', ',', '=', '.', '\u{1F600}', '\n'];

function uriText(maxLength: number, minLength = 0): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength });
}

/** Mostly a URI that the template makes, else any text. */
function uriOf(pieces: readonly Piece[]): fc.Arbitrary<string> {
  const made = fc.tuple(...pieces.map(({ uris }) => uris)).map(texts => texts.join(''));
  return fc.oneof({ weight: 3, arbitrary: made }, { weight: 1, arbitrary: uriText(12) });
}

/** Templates of up to six pieces, no variable twice. */
function templates(): fc.Arbitrary<Piece[]> {
  const literal = fc
    .constantFrom('-', '--', '/', 'a', 'aa', 'a-', '.', '?', '&')
    .map((text): Piece => ({ text, pattern: text.replace(/[.?/]/gu, String.raw`\$&`), uris: fc.constant(text) }));
  const operator = fc.constantFrom('', '+', '#', '.', '/', '?', '&');
  const expression = fc.tuple(operator, fc.integer({ min: 1, max: 3 }));
  return fc.array(fc.oneof(literal, expression), { maxLength: 6 }).map(pieces => {
    let variables = 0;
    return pieces.map(piece => {
      if (!Array.isArray(piece)) return piece;
      const [key, count] = piece;
      return expressionPiece(
        key,
        Array.from({ length: count }, () => 'abcdefghijklmnopqr'.charAt(variables++)),
      );
    });
  });
}

function expressionPiece(key: string, names: readonly string[]): Piece {
  const text = `{${key}${names.join(',')}}`;
  if (key === '?' || key === '&') {
    const members = names.map(name =>
      fc.oneof(
        fc.constant(''),
        fc.tuple(fc.constantFrom('?', '&'), uriText(2)).map(([lead, value]) => `${lead}${name}=${value}`),
      ),
    );
    return {
      text,
      pattern: names.map(name => `(?:[?&]${name}=([^&#]*?))?`).join(''),
      uris: fc.tuple(...members).map(texts => texts.join('')),
      names,
      key,
    };
  }
  const value = key === '+' || key === '#' ? '(.+?)' : '([^/?#&=,;]+?)';
  const lead = key === '+' ? '' : key;
  const separator = key === '.' || key === '/' ? key : ',';
  const pattern = names.map((_, index) => (index === 0 ? lead : separator).replace(/[./]/u, String.raw`\$&`) + value).join('');
  return { text, pattern, names, uris: fc.tuple(...names.map(() => uriText(3, 1))).map(texts => lead + texts.join(separator)) };
}

/** Microseconds of the processor for one run: the least of five means, since whatever else goes on only ever adds. */
function cost(run: () => unknown): number {
  const mean = () => {
    const before = process.cpuUsage();
    for (let runs = 1; ; runs += 1) {
      run();
      const { user, system } = process.cpuUsage(before);
      if (user + system > 5000) return (user + system) / runs;
    }
  };
  return Math.min(...Array.from({ length: 5 }, mean));
}
