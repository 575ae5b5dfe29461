import { McpError, ToolError } from '../../errors.ts';
import type {
  CallContext,
  Completer,
  Completion,
  LiveRead,
  ReadResourceResult,
  ResourceDefinition,
  ResourceTemplateDefinition,
} from '../../protocol/definitions.ts';
import { cursorKey, isPageable, parseCursor, whereOfVariables } from '../arguments/arguments.ts';
import type { Column, Exposure, UniqueKey } from '../datamodel/graph.ts';
import { jsonOf } from '../datamodel/scalars.ts';
import type { Args, Row } from '../declaration/delegates.ts';
import { listChanges, rowChanges } from '../live/row-changes.ts';
import { list } from '../messages.ts';
import { mayRun, scopesMember } from '../policy/scopes.ts';
import type { Reader, Related } from '../queries/reads.ts';
import { describeText } from './describe.ts';
import { rowMimeType } from './row-links.ts';

const maxCompletions = 100;
const maxPrefixChars = 200;

/** The variable of the URI of a later page. */
const cursorVariable = 'cursor';

/** What the resources of an exposure share. */
export interface ResourceParts {
  readonly reader: Reader;
  /** Scheme of the URIs. */
  readonly name: string;
  /** Whether writes are seen, so that subscribers can be notified. */
  readonly isLive: boolean;
}

/**
 * The list resource of an exposure with `findMany`: `<name>://<model key>`, the first page.
 *
 * `{ "rows": […], "next": "<name>://<model key>?cursor=…", "truncated": true }`, the last two only if there are more rows. `next` is the URI of the
 * next page; a list without visible keys, or in an order without pages, has none.
 */
export function listResource(exposure: Exposure, parts: ResourceParts): ResourceDefinition {
  const { node, description, selection, take } = exposure;
  return {
    uri: listUri(exposure, parts.name),
    name: node.key,
    title: `${node.name} rows`,
    description: joined(`The first ${take} ${node.name} rows.`, description, describeText(selection)),
    mimeType: rowMimeType,
    ...scopesMember([[exposure, 'findMany']]),
    ...cacheMember(exposure),
    read: async (uri, ctx) => toContents(uri, await readPage(exposure, parts, { cursor: undefined }, ctx)),
    ...(parts.isLive && {
      live: (uri, ctx) => livePage(uri, exposure, related => readPage(exposure, parts, { cursor: undefined, related }, ctx)),
    }),
  };
}

/** The later pages of a list resource: `<name>://<model key>{?cursor}`. `undefined` if the list has no pages. */
export function pageTemplate(exposure: Exposure, parts: ResourceParts): ResourceTemplateDefinition | undefined {
  const { node, orderBy, selection } = exposure;
  const key = cursorKey(exposure);
  if (key === undefined || !isPageable(node, orderBy)) return undefined;
  return {
    uriTemplate: `${listUri(exposure, parts.name)}{?${cursorVariable}}`,
    name: `${node.key}_page`,
    description: joined(`The next ${node.name} rows.`, describeText(selection)),
    mimeType: rowMimeType,
    ...scopesMember([[exposure, 'findMany']]),
    ...cacheMember(exposure),
    read: async (uri, variables, ctx) => {
      if (!Object.hasOwn(variables, cursorVariable)) return undefined;
      try {
        const cursor = parseCursor(exposure, key, variables[cursorVariable]);
        return toContents(uri, await readPage(exposure, parts, { cursor }, ctx));
      } catch (error) {
        // A wrong cursor is the client's mistake.
        if (error instanceof ToolError) throw new McpError('InvalidParams', error.message, { data: { uri }, cause: error });
        throw error;
      }
    },
  };
}

/**
 * The resource templates of an exposure with `findUnique`. By the key of the row: `<name>://<model key>/{id}`, with one variable for each column. By
 * another unique key: `<name>://<model key>{?email}`. A query cannot be read as the values of a key of several columns, as a path could.
 */
export function rowTemplates(exposure: Exposure, { reader, name, isLive }: ResourceParts): ResourceTemplateDefinition[] {
  const [first, ...others] = exposure.uniques;
  if (first === undefined) return [];
  const { node } = exposure;
  const path = first.fields.map(field => `{${field}}`).join('/');
  // The template of pages has the same form.
  const named = others.filter(({ fields }) => list(fields) !== cursorVariable);
  const uri = listUri(exposure, name);
  return [
    rowTemplate({ exposure, reader, key: first, isLive }, `${uri}/${path}`, node.key),
    ...named.map(key => rowTemplate({ exposure, reader, key, isLive }, `${uri}{?${key.fields.join(',')}}`, `${node.key}_${key.name}`)),
  ];
}

function rowTemplate(rows: KeyedRows & { readonly isLive: boolean }, uriTemplate: string, name: string): ResourceTemplateDefinition {
  const { exposure, key } = rows;
  const { node, description, selection } = exposure;
  const isFirst = key === cursorKey(exposure);
  return {
    uriTemplate,
    name,
    title: isFirst ? `One ${node.name}` : `One ${node.name} by ${key.fields.join(' and ')}`,
    description: joined(`One ${node.name} by ${key.fields.join(' and ')}.`, isFirst ? description : undefined, describeText(selection)),
    mimeType: rowMimeType,
    ...scopesMember([[exposure, 'findUnique']]),
    ...cacheMember(exposure),
    read: async (uri, variables, ctx) => {
      const row = await readRow(rows, variables, ctx);
      return row && toContents(uri, row);
    },
    ...(rows.isLive && { live: (uri, variables, ctx) => liveRow(rows, uri, variables, ctx) }),
    ...completion(rows),
  };
}

function cacheMember({ cache }: Exposure): Pick<ResourceDefinition, 'cache'> {
  return cache === undefined ? {} : { cache };
}

async function liveRow(rows: KeyedRows, uri: string, texts: Readonly<Record<string, string>>, ctx: CallContext): Promise<LiveRead> {
  const { exposure, key } = rows;
  const related: Related = new Set();
  const row = await readRow(rows, texts, ctx, related);
  // A change names a row by its first key.
  const named = key === cursorKey(exposure) ? texts : undefined;
  return { result: row && toContents(uri, row), changes: rowChanges(exposure, named, related) };
}

async function livePage(uri: string, exposure: Exposure, read: (related: Related) => Promise<object>): Promise<LiveRead> {
  const related: Related = new Set();
  const page = await read(related);
  return { result: toContents(uri, page), changes: listChanges(exposure, related) };
}

/** The rows of an exposure, each named by one of its unique keys. */
export interface KeyedRows {
  readonly exposure: Exposure;
  readonly reader: Reader;
  readonly key: UniqueKey;
}

/** The row that the texts of a key name. `undefined` if the caller has no such row, or a text is missing or no value of its column. */
export async function readRow(
  { exposure, reader, key }: KeyedRows,
  texts: Readonly<Record<string, string>>,
  ctx: CallContext,
  related?: Related,
): Promise<Row | undefined> {
  if (!key.fields.every(field => Object.hasOwn(texts, field))) return undefined;
  const where = whereOfVariables(exposure, key, texts);
  return where && (await reader.findUnique(where, exposure.selection, ctx, related));
}

/** The completions of the columns of a key. Completion lists keys, so it needs the operation that lists rows. */
export function completion({ exposure, reader, key }: KeyedRows): { complete?: Record<string, Completer> } {
  return exposure.operations.has('findMany') ? { complete: keyCompleters(exposure, key, reader) } : {};
}

function listUri({ node }: Exposure, name: string): string {
  return `${name}://${node.key}`;
}

async function readPage(
  exposure: Exposure,
  { reader, name }: ResourceParts,
  { cursor, related }: { cursor: Args | undefined; related?: Related },
  ctx: CallContext,
): Promise<object> {
  const { selection, orderBy, take } = exposure;
  const { rows, nextCursor, truncated } = await reader.findMany(
    { where: {}, relational: false, selection, orderBy, take, cursor },
    ctx,
    related,
  );
  const next = nextCursor && `${listUri(exposure, name)}?${cursorVariable}=${encodeURIComponent(nextCursor)}`;
  return { rows, ...(next && { next }), ...(truncated === true && { truncated }) };
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter(part => part !== undefined).join(' ');
}

function toContents(uri: string, value: object): ReadResourceResult {
  return { contents: [{ uri, mimeType: rowMimeType, text: JSON.stringify(value) }] };
}

function keyCompleters(exposure: Exposure, key: UniqueKey, reader: Reader): Record<string, Completer> {
  const completers: Record<string, Completer> = {};
  for (const name of key.fields) {
    const column = exposure.columns.get(name);
    if (column === undefined) continue;
    completers[name] = async (prefix, ctx, others) => {
      if (!mayRun(ctx, exposure, 'findMany')) return { values: [] };
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
  const texts = values.slice(0, maxCompletions).map(value => String(jsonOf(type, value)));
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
