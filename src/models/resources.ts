import type {
  CallContext,
  Completer,
  Completion,
  LiveRead,
  ReadResourceResult,
  ResourceDefinition,
  ResourceTemplateDefinition,
} from '../protocol/definitions.ts';
import { cursorKey, whereOfVariables } from './arguments.ts';
import type { Args } from './delegates.ts';
import { describeText } from './describe.ts';
import type { Column, Exposure, UniqueKey } from './graph.ts';
import { columnsWhere } from './graph.ts';
import type { Reader, Related } from './reads.ts';
import { listChanges, rowChanges } from './row-changes.ts';

const mimeType = 'application/json';
const maxCompletions = 100;
const maxPrefixChars = 200;

type Variables = Readonly<Record<string, string>>;

/** What the resources of an exposure share. */
export interface ResourceParts {
  readonly reader: Reader;
  /** Scheme of the URIs. */
  readonly name: string;
  /** Whether writes are seen, so that subscribers can be notified. */
  readonly isLive: boolean;
}

/**
 * The list resource of an exposure with `findMany`: `<name>://<model key>`, a JSON array of the first page.
 *
 * If there are more rows, `_meta` of the contents has `truncated: true`.
 */
export function listResource(exposure: Exposure, { reader, name, isLive }: ResourceParts): ResourceDefinition {
  const { node, description, selection, orderBy, take } = exposure;
  const query = { where: {}, relational: false, selection, orderBy, take, cursor: undefined };
  const read = async (uri: string, ctx: CallContext, related?: Related): Promise<ReadResourceResult> => {
    const { rows, truncated } = await reader.findMany(query, ctx, related);
    return toContents(uri, rows, truncated === true ? { truncated } : undefined);
  };
  const live = async (uri: string, ctx: CallContext): Promise<LiveRead> => {
    const related: Related = new Set();
    const result = await read(uri, ctx, related);
    return { result, changes: listChanges(exposure, related) };
  };
  return {
    uri: `${name}://${node.key}`,
    name: node.key,
    title: `${node.name} rows`,
    description: joined(`The first ${take} ${node.name} rows.`, description, describeText(selection)),
    mimeType,
    read: (uri, ctx) => read(uri, ctx),
    ...(isLive && { live }),
  };
}

/** The resource template of an exposure with `findUnique`: `<name>://<model key>/{id}`, with one variable for each column of the key. */
export function rowTemplate(exposure: Exposure, { reader, name, isLive }: ResourceParts): ResourceTemplateDefinition | undefined {
  const { node, description, selection } = exposure;
  const key = cursorKey(exposure);
  if (key === undefined) return undefined;
  const read = async (uri: string, variables: Variables, ctx: CallContext, related?: Related): Promise<ReadResourceResult | undefined> => {
    const where = whereOfVariables(exposure, key, variables);
    const row = where && (await reader.findUnique(where, selection, ctx, related));
    return row && toContents(uri, row);
  };
  const live = async (uri: string, variables: Variables, ctx: CallContext): Promise<LiveRead> => {
    const related: Related = new Set();
    const result = await read(uri, variables, ctx, related);
    return { result, changes: rowChanges(exposure, columnsWhere(key.fields, variables), related) };
  };
  return {
    uriTemplate: `${name}://${node.key}/${key.fields.map(field => `{${field}}`).join('/')}`,
    name: node.key,
    title: `One ${node.name}`,
    description: joined(`One ${node.name} by ${key.fields.join(' and ')}.`, description, describeText(selection)),
    mimeType,
    read: (uri, variables, ctx) => read(uri, variables, ctx),
    ...(isLive && { live }),
    // Completion lists keys, so it needs the operation that lists rows.
    ...(exposure.operations.has('findMany') && { complete: keyCompleters(exposure, key, reader) }),
  };
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter(part => part !== undefined).join(' ');
}

function toContents(uri: string, value: unknown, meta?: Record<string, unknown>): ReadResourceResult {
  return { contents: [{ uri, mimeType, text: JSON.stringify(value), ...(meta && { _meta: meta }) }] };
}

function keyCompleters(exposure: Exposure, key: UniqueKey, reader: Reader): Record<string, Completer> {
  const completers: Record<string, Completer> = {};
  for (const name of key.fields) {
    const column = exposure.columns.get(name);
    if (column === undefined) continue;
    completers[name] = async (prefix, ctx, others) => {
      const where = prefixWhere(column, prefix);
      if (where === undefined) return { values: [] };
      const rest = othersWhere(exposure, key, name, others);
      const values = await reader.values(name, rest === undefined ? where : { AND: [where, rest] }, maxCompletions + 1, ctx);
      return toCompletion(column, values, prefix);
    };
  }
  return completers;
}

function toCompletion({ type }: Column, values: readonly unknown[], prefix: string): Completion {
  const texts = values.slice(0, maxCompletions).map(value => String(type.toJson === undefined ? value : type.toJson(value)));
  // Databases read % and _ in a prefix as wildcards, and some ignore case.
  const start = prefix.toLowerCase();
  return { values: texts.filter(text => text.toLowerCase().startsWith(start)), hasMore: values.length > maxCompletions };
}

/** The `where` of the values that begin with `prefix`. `undefined` if no value can. */
function prefixWhere({ name, type, field }: Column, prefix: string): Args | undefined {
  if (prefix === '') return {};
  if (prefix.includes('\0') || prefix.length > maxPrefixChars) return undefined;
  if (type.operators.includes('startsWith')) return { [name]: { startsWith: prefix } };
  if (field.type === 'Int' || field.type === 'BigInt')
    return digitsWhere(name, prefix, field.type === 'Int' ? 2n ** 31n : 2n ** 63n, field.type === 'Int');
  try {
    return { [name]: type.parse(type.fromText === undefined ? prefix : type.fromText(prefix), name) };
  } catch {
    return undefined;
  }
}

/** `12` → 12, or 120 to 129, or 1200 to 1299, … below `limit`. */
function digitsWhere(name: string, prefix: string, limit: bigint, small: boolean): Args | undefined {
  if (!/^(0|[1-9]\d*)$/.test(prefix)) return undefined;
  const ranges: Args[] = [];
  const value = (digits: bigint): number | bigint => (small ? Number(digits) : digits);
  for (let width = 1n, low = BigInt(prefix); low < limit; width *= 10n, low *= 10n) {
    const high = low + width - 1n;
    ranges.push({ [name]: { gte: value(low), lte: value(high < limit ? high : limit - 1n) } });
    if (low === 0n) break;
  }
  return ranges.length === 0 ? undefined : { OR: ranges };
}

/** The `where` of the other variables of a compound key that are given. */
function othersWhere(exposure: Exposure, key: UniqueKey, name: string, others: Readonly<Record<string, string>>): Args | undefined {
  const where: Args = {};
  for (const other of key.fields) {
    const column = exposure.columns.get(other);
    const text = Object.hasOwn(others, other) ? others[other] : undefined;
    if (other === name || column === undefined || text === undefined || text === '') continue;
    try {
      where[other] = column.type.parse(column.type.fromText === undefined ? text : column.type.fromText(text), other);
    } catch {
      return { [other]: { in: [] } };
    }
  }
  return Object.keys(where).length === 0 ? undefined : where;
}
