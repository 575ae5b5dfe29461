/** A compiled RFC 6570 URI template. */
export interface UriTemplate {
  /** In order of appearance. */
  readonly variables: readonly string[];
  /**
   * The decoded variables of a URI; `undefined` if the template cannot make the URI.
   *
   * If a URI can be read in several ways, earlier variables are as short as possible. The time is linear in the URI's length.
   */
  match(uri: string): Record<string, string> | undefined;
  /**
   * The URI of these variables, from which `match` reads them again.
   *
   * @throws {TypeError} A variable is missing that is not of a query, or a value is empty or not text.
   */
  expand(variables: Readonly<Record<string, unknown>>): string;
}

/**
 * A piece of a template:
 *
 * - `literal`: one of these texts.
 * - `value`: at least one character, none of `excluded`.
 * - `member`: of a query: `?name=value` or `&name=value`, also with an empty value; or nothing.
 */
type Part =
  | { readonly kind: 'literal'; readonly texts: readonly string[] }
  | { readonly kind: 'value'; readonly variable: string; readonly excluded: Characters }
  | Member;

interface Member {
  readonly kind: 'member';
  readonly variable: string;
  readonly excluded: Characters;
  /** `name=` */
  readonly text: string;
  /** What stands before the first member of the expression that is there; before each further one stands `&`. `undefined` for its other members. */
  readonly lead: string | undefined;
}

/** Character codes. */
type Characters = ReadonlySet<number>;

interface Operator {
  readonly prefix: string;
  readonly separator: string;
  /** Characters that a value cannot contain. */
  readonly excluded: Characters;
  /** `name=value` pairs (`?` and `&`). */
  readonly named: boolean;
}

const reserved = characters('/?#&=,;');
const operators: ReadonlyMap<string | undefined, Operator> = new Map([
  ['', { prefix: '', separator: ',', excluded: reserved, named: false }],
  ['+', { prefix: '', separator: ',', excluded: characters(''), named: false }],
  ['#', { prefix: '#', separator: ',', excluded: characters(''), named: false }],
  ['.', { prefix: '.', separator: '.', excluded: reserved, named: false }],
  ['/', { prefix: '/', separator: '/', excluded: reserved, named: false }],
  ['?', { prefix: '?', separator: '&', excluded: characters('&#'), named: true }],
  ['&', { prefix: '&', separator: '&', excluded: characters('&#'), named: true }],
]);

/**
 * Compiles a URI template of RFC 6570 up to level 3, to match URIs against.
 *
 * `test://template/{id}/data` matches `test://template/123/data` → `{ id: '123' }`
 *
 * Query expressions (`{?a,b}`) match in the declared order, each member optional.
 *
 * @throws {TypeError} For an unclosed, empty, unknown (`;`) or repeated expression.
 */
export function uriTemplate(template: string): UriTemplate {
  const parts: Part[] = [];
  let rest = template;
  while (rest !== '') {
    const open = rest.indexOf('{');
    const literal = open === -1 ? rest : rest.slice(0, open);
    if (literal.includes('}')) throw new TypeError(`URI template ${JSON.stringify(template)}: \`}\` without \`{\``);
    if (literal !== '') parts.push({ kind: 'literal', texts: spellings(literal) });
    if (open === -1) break;
    const close = rest.indexOf('}', open);
    if (close === -1) throw new TypeError(`URI template ${JSON.stringify(template)}: \`{\` is never closed`);
    parts.push(...compileExpression(template, rest.slice(open + 1, close)));
    rest = rest.slice(close + 1);
  }
  const variables = parts.flatMap(part => (part.kind === 'literal' ? [] : [part.variable]));
  const repeated = variables.find((name, index) => variables.indexOf(name) < index);
  if (repeated !== undefined) throw new TypeError(`URI template ${JSON.stringify(template)}: {${repeated}} stands twice`);
  return {
    variables,
    match: uri => matchParts(parts, uri),
    expand: values => {
      const uri = expandParts(parts, values);
      if (matchParts(parts, uri) === undefined)
        throw new TypeError(`URI template ${JSON.stringify(template)}: its values do not make a URI`);
      return uri;
    },
  };
}

function expandParts(parts: readonly Part[], values: Readonly<Record<string, unknown>>): string {
  let uri = '';
  let lead: string | undefined;
  for (const part of parts) {
    if (part.kind === 'literal') {
      uri += encodeURI(decodeWith(decodeURI, part.texts[0] ?? '') ?? '');
      continue;
    }
    const value = Object.hasOwn(values, part.variable) ? values[part.variable] : undefined;
    if (part.kind === 'value') {
      uri += encodeValue(part, value);
      continue;
    }
    lead = part.lead ?? lead;
    if (value === undefined) continue;
    uri += `${lead}${part.text}${encodeValue(part, value)}`;
    lead = '&';
  }
  return uri;
}

/** RFC 6570, section 3.2.1: an expression encodes reserved characters too, but for those that may contain them. */
function encodeValue({ variable, excluded }: { variable: string; excluded: Characters }, value: unknown): string {
  if (!['string', 'number', 'bigint', 'boolean'].includes(typeof value))
    throw new TypeError(`URI template: {${variable}} must be a string, number or boolean, not ${String(value)}`);
  if (excluded.size === 0) return encodeURI(String(value));
  return encodeURIComponent(String(value)).replaceAll(/[!'()*]/gu, sign => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A literal, and the same with its characters beyond ASCII encoded or not (RFC 6570, section 3.1). */
function spellings(literal: string): string[] {
  if (!/[^\0-\x7f]|%/u.test(literal)) return [literal];
  const plain = decodeWith(decodeURI, literal) ?? literal;
  const coded = encodeURI(plain.replaceAll(/\p{Surrogate}/gu, '\ufffd'));
  return [...new Set([literal, plain, coded, coded.replaceAll(/%../gu, code => code.toLowerCase())])];
}

function compileExpression(template: string, expression: string): Part[] {
  const [, key, list] = /^([+#./?&]?)([\w.,]+)$/.exec(expression) ?? [];
  const operator = operators.get(key);
  const names = list?.split(',');
  if (operator === undefined || names === undefined || names.includes('')) {
    throw new TypeError(`URI template ${JSON.stringify(template)}: {${expression}} is not an expression of RFC 6570 level 3`);
  }
  const { prefix, separator, excluded, named } = operator;
  return names.flatMap((variable, index): Part[] => {
    if (named) return [{ kind: 'member', variable, excluded, text: `${variable}=`, lead: index === 0 ? prefix : undefined }];
    const lead = index === 0 ? prefix : separator;
    const value: Part = { kind: 'value', variable, excluded };
    return lead === '' ? [value] : [{ kind: 'literal', texts: [lead] }, value];
  });
}

function matchParts(parts: readonly Part[], uri: string): Record<string, string> | undefined {
  const [first] = parts;
  if (first?.kind === 'literal' && !first.texts.some(text => uri.startsWith(text))) return undefined;
  const ends = findEnds(parts, uri);
  const values: Record<string, string> = {};
  let start = 0;
  let lead: string | undefined;
  for (const [index, part] of parts.entries()) {
    const end = ends[index]?.[start] ?? none;
    if (end === none) return undefined;
    if (part.kind === 'member') {
      lead = part.lead ?? lead;
      if (end > start && uri[start] !== lead) return undefined;
      if (end > start) lead = '&';
    }
    if (part.kind === 'value' || (part.kind === 'member' && end > start)) {
      const value = decode(uri.slice(part.kind === 'member' ? start + 1 + part.text.length : start, end));
      if (value === undefined) return undefined;
      values[part.variable] = value;
    }
    start = end;
  }
  return start === uri.length ? values : undefined;
}

/** For one part, at each index of the URI: where the part ends if it begins there and the parts behind it match the rest; else `none`. */
type Ends = number[];
const none = -1;

/** Works from the last part to the first, with one pass over the URI for each part. From the front it would have to try every possible end. */
function findEnds(parts: readonly Part[], uri: string): Ends[] {
  const ends: Ends[] = [];
  let behind = noEnds(uri);
  behind[uri.length] = uri.length;
  for (const part of parts.toReversed()) {
    behind = endsOf(part, uri, behind);
    ends.unshift(behind);
  }
  return ends;
}

function endsOf(part: Part, uri: string, behind: Ends): Ends {
  switch (part.kind) {
    case 'literal':
      return literalEnds(part.texts, uri, behind);
    case 'value':
      return valueEnds(part.excluded, uri, behind);
    case 'member':
      return memberEnds(part, uri, behind);
  }
}

function literalEnds(texts: readonly string[], uri: string, behind: Ends): Ends {
  const ends = noEnds(uri);
  for (const text of texts) {
    for (let at = uri.indexOf(text); at !== -1; at = uri.indexOf(text, at + 1)) {
      const end = at + text.length;
      if (behind[end] !== none) ends[at] = end;
    }
  }
  return ends;
}

function valueEnds(excluded: Characters, uri: string, behind: Ends): Ends {
  const ends = noEnds(uri);
  // The nearest end of a value that begins at `at`.
  let end = none;
  for (let at = uri.length - 1; at >= 0; at -= 1) {
    if (behind[at + 1] !== none) end = at + 1;
    if (excluded.has(uri.charCodeAt(at))) end = none;
    else if (!splitsCharacter(uri, at)) ends[at] = end;
  }
  return ends;
}

function memberEnds({ text, excluded }: Member, uri: string, behind: Ends): Ends {
  const ends = behind.map((end, at) => (end === none ? none : at));
  const values = valueEnds(excluded, uri, behind);
  for (let at = uri.indexOf(text, 1); at !== -1; at = uri.indexOf(text, at + 1)) {
    const value = at + text.length;
    const end = behind[value] === none ? (values[value] ?? none) : value;
    if (end !== none && (uri[at - 1] === '?' || uri[at - 1] === '&')) ends[at - 1] = end;
  }
  return ends;
}

function noEnds(uri: string): Ends {
  return new Array<number>(uri.length + 1).fill(none);
}

/** Whether a position lies between the two halves of a character beyond U+FFFF. */
function splitsCharacter(uri: string, at: number): boolean {
  return (uri.charCodeAt(at) & 0xfc00) === 0xdc00 && (uri.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}

function decode(value: string): string | undefined {
  return decodeWith(decodeURIComponent, value);
}

function decodeWith(decoder: (text: string) => string, text: string): string | undefined {
  try {
    return decoder(text);
  } catch {
    return undefined;
  }
}

function characters(text: string): Characters {
  return new Set(Array.from(text, character => character.charCodeAt(0)));
}
