import type { Random } from '../chaos/random.ts';

/** A JSON value that can also be text that no value has: a number out of range, a member twice, half a surrogate pair. */
export type Node = string | number | boolean | null | Node[] | Members | Raw;

/** An object, in which a name may stand twice. */
export class Members {
  readonly entries: [name: string, value: Node][];

  constructor(entries: [string, Node][]) {
    this.entries = entries;
  }
}

/** Text that stands in the JSON as it is. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The tree of a value. Members that are `undefined` are left out. */
export function toTree(value: unknown): Node {
  if (Array.isArray(value)) return value.map(toTree);
  if (typeof value !== 'object' || value === null) return value as Node;
  return new Members(Object.entries(value).flatMap(([name, member]) => (member === undefined ? [] : [[name, toTree(member)]])));
}

/** The text of a tree. */
export function toText(node: Node): string {
  if (node instanceof Raw) return node.text;
  if (Array.isArray(node)) return `[${node.map(toText).join(',')}]`;
  if (node instanceof Members) return `{${node.entries.map(([name, value]) => `${JSON.stringify(name)}:${toText(value)}`).join(',')}}`;
  return JSON.stringify(node);
}

/** A place in a tree whose value can be changed. */
interface Spot {
  readonly value: Node;
  /** Steps from the root. */
  readonly depth: number;
  readonly set: (value: Node) => unknown;
  /** The object that it is a member of, and where. */
  readonly parent: { readonly members: Members; readonly at: number } | undefined;
}

function spotsOf(root: { value: Node }): Spot[] {
  const spots: Spot[] = [];
  const visit = (spot: Spot) => {
    spots.push(spot);
    const { value, depth } = spot;
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries())
        visit({ value: item, depth: depth + 1, parent: undefined, set: next => value.splice(at, 1, next) });
    } else if (value instanceof Members) {
      for (const [at, entry] of value.entries.entries())
        visit({ value: entry[1], depth: depth + 1, parent: { members: value, at }, set: next => entry.splice(1, 1, next) });
    }
  };
  visit({ value: root.value, depth: 0, parent: undefined, set: next => Object.assign(root, { value: next }) });
  return spots;
}

const numbers = [
  '-0',
  '0.1',
  '-1',
  '1e400',
  '-1e400',
  '9007199254740993',
  '9223372036854775808',
  '-9223372036854775809',
  '2147483648',
  '1e21',
  '5e-324',
  '1.0',
  '1E3',
  '100000000000000000000000000000001',
];
const texts = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\n',
  '../../etc/passwd',
  '%00',
  '%',
  '%E0%A4%A',
  '{id}',
  '{?a*}',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  "' OR 1=1 --",
  '\u202e\u0000',
  '😀',
  'İ',
  'ﬀ',
  '\u{10FFFF}',
  '$ref',
  '2026-02-30T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '9'.repeat(400),
  'test://item/a/b',
  'fuzzed://client/1',
  'fuzzed://client/99999999999999999999',
  'fuzzed://client?cursor=x',
  'fuzzed://member?cursor=eyJpZCI6MX0',
  'notifications/cancelled',
  'Infinity',
  'NaN',
  'AP8',
  '=?base64?AA=?=',
];
const raws = [
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"a\\ud83d"',
  '{"a":1,"a":2}',
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{"a":1}}}',
  '{"toJSON":1}',
  '{"then":1}',
  '{"length":-1}',
  '{"toString":1,"valueOf":1}',
  '{"toJSON":1,"toString":null}',
  '{"valueOf":{}}',
  '{"constructor":null}',
  '[[]]',
  '"\\u0000"',
  '[null]',
  '{"":""}',
];
const names = [
  '__proto__',
  'constructor',
  'toString',
  'valueOf',
  'prototype',
  'toJSON',
  'then',
  '',
  '0',
  'length',
  'hasOwnProperty',
  'a b',
  '\u0000',
  'AND',
  'OR',
  'NOT',
  'is',
  'some',
  'contains',
  'in',
  'not',
  'path',
  '_meta',
  'cursor',
  'select',
  'id',
  'progressToken',
  'io.modelcontextprotocol/logLevel',
  'x'.repeat(300),
];

/** An odd value of any type. */
export function oddValue(random: Random): Node {
  const kind = random.next();
  if (kind < 0.25) return new Raw(random.pick(numbers));
  if (kind < 0.5) return random.pick(texts);
  if (kind < 0.65) return new Raw(random.pick(raws));
  if (kind < 0.85)
    return random.pick<() => Node>([() => null, () => true, () => false, () => 0, () => 1, () => [], () => new Members([])])();
  if (kind < 0.9) return nested(random, 1);
  if (kind < 0.95) return random.pick(['x', '€', '\\', '%', '(', 'a ', '\u0000']).repeat(random.pick([300, 3000, 30_000]));
  return Array.from({ length: random.pick([10, 100, 2000]) }, (_, at): Node => random.pick<Node>([at, String(at), null]));
}

function nested(random: Random, inner: Node): Raw {
  const depth = random.pick([5, 20, 55, 63, 64, 65, 200, 2000, 20_000]);
  const [start, end] = random.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['{"AND":[', ']}'],
    ['{"NOT":', '}'],
    ['{"items":', '}'],
  ] as const);
  return new Raw(start.repeat(depth) + toText(inner) + end.repeat(depth));
}

/** Changes a tree at one place. @returns The tree with the change. */
export function mutate(tree: Node, random: Random): Node {
  const root = { value: tree };
  const spots = spotsOf(root);
  // Below `params` first: a message whose frame is broken is refused before anything reads it.
  const deep = spots.filter(({ depth }) => depth > 1);
  const spot = random.pick(deep.length > 0 && random.chance(0.93) ? deep : spots);
  change(spot, spots, random);
  return root.value;
}

function change({ value, set, parent }: Spot, spots: readonly Spot[], random: Random): unknown {
  const kind = random.next();
  if (kind < 0.3) return set(oddValue(random));
  if (kind < 0.42) return set(near(value, random));
  if (kind < 0.5) return set(copy(random.pick(spots).value));
  if (kind < 0.56)
    return set(random.pick<() => Node>([() => [value], () => new Members([[random.pick(names), value]]), () => nested(random, value)])());
  if (value instanceof Members && kind < 0.75)
    return value.entries.splice(random.between(0, value.entries.length), 0, [random.pick(names), oddValue(random)]);
  if (Array.isArray(value) && kind < 0.75) {
    const item = value.length > 0 && random.chance(0.6) ? copy(random.pick(value)) : oddValue(random);
    return value.push(...Array.from({ length: random.pick([1, 1, 3, 60]) }, () => item));
  }
  if (parent === undefined) return set(oddValue(random));
  const { members, at } = parent;
  const [name] = members.entries[at] ?? [''];
  if (kind < 0.82) return members.entries.splice(at, 1);
  if (kind < 0.9)
    return members.entries.splice(at, 1, [random.pick([random.pick(names), `${name} `, name.toUpperCase(), name.slice(1)]), value]);
  return members.entries.push([name, oddValue(random)]);
}

/** A value as it is now, which later changes leave alone. */
function copy(node: Node): Raw {
  return new Raw(toText(node));
}

/** A value that differs little. */
function near(value: Node, random: Random): Node {
  if (typeof value === 'number')
    return random.pick([value + 1, -value, value + 0.5, value * 1e10, String(value), new Raw(`${value}.0`), new Raw(`${value}e300`)]);
  if (typeof value === 'string') {
    const at = random.between(0, value.length);
    return random.pick<Node>([
      value.slice(0, at),
      `${value.slice(0, at)}${random.pick(texts)}${value.slice(at)}`,
      value.toUpperCase(),
      `${value} `,
      value.slice(0, 100).repeat(random.pick([2, 50, 2000])),
      [value],
      Number(value) || 0,
      new Raw(`${JSON.stringify(value).slice(0, -1)}\\ud800"`),
    ]);
  }
  if (typeof value === 'boolean') return random.pick<Node>([!value, String(value), Number(value)]);
  if (Array.isArray(value)) return random.pick<() => Node>([() => value.slice(1), () => [...value].reverse(), () => value[0] ?? null])();
  if (value instanceof Members)
    return random.pick<() => Node>([() => [value], () => new Members([]), () => new Members([...value.entries].reverse())])();
  return oddValue(random);
}
