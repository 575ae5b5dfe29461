import type { CallContext, JsonObject, ToolDefinition } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import { cursorKey } from '../arguments/arguments.ts';
import type { WhereLimits } from '../arguments/where.ts';
import { isPostgres } from '../datamodel/datamodel.ts';
import type { Column, ExposedSearch, Exposure, FullText, ModelGraph, UniqueKey } from '../datamodel/graph.ts';
import type { Args, Row } from '../declaration/delegates.ts';
import type { ModelSearch } from '../declaration/row-options.ts';
import { beginningOf, join, list, nameOf, quote, refuse, shorten } from '../messages.ts';
import { assertKeys } from '../policy/host-args.ts';
import { assertMayRun, mayRun, scopesMember } from '../policy/scopes.ts';
import type { Reader } from '../queries/reads.ts';
import { describeText } from './describe.ts';
import { readRow } from './resources.ts';
import { rowPath, rowUri } from './row-links.ts';
import { bounded, readOnly, toResult } from './tools.ts';

/** Results of one search at most, of all models together. */
const maxResults = 25;
const maxTitleChars = 200;

/**
 * Checks the option `search` of a model.
 *
 * @throws {TypeError} at an unknown option, a column that is no visible text column, a model without `findMany` and `findUnique`, and `fullText`
 * where the client has no full-text search.
 */
export function resolveSearch(exposure: Exposure, declared: unknown, path: string, graph: ModelGraph): ExposedSearch | undefined {
  if (declared === undefined) return undefined;
  assertKeys(declared, ['columns', 'fullText', 'title', 'url'], path);
  for (const operation of ['findMany', 'findUnique'] as const) {
    if (exposure.operations.has(operation)) continue;
    throw new TypeError(`${path}: the tools search and fetch read rows; add ${operation} to operations, or leave search out`);
  }
  const { columns: names, fullText = false, title, url } = declared;
  if (!Array.isArray(names) || names.length === 0) throw new TypeError(`${path}.columns: name at least one text column, as ['name']`);
  const columns = names.map((name: unknown, index) => textColumn(exposure, name, `${path}.columns[${index}]`));
  if (typeof title === 'string' && !exposure.columns.has(title)) {
    throw new TypeError(`${path}.title: ${exposure.node.name} shows no column \`${title}\` (${list(exposure.columns.keys())})`);
  }
  if (title !== undefined && typeof title !== 'string' && typeof title !== 'function') {
    throw new TypeError(`${path}.title: expected a column, or a function (row, ctx) => title`);
  }
  if (url !== undefined && typeof url !== 'function') throw new TypeError(`${path}.url: expected a function (row, ctx) => url`);
  if (typeof fullText !== 'boolean') throw new TypeError(`${path}.fullText: expected true or false`);
  if (fullText && graph.fullText === undefined) throw noFullText(graph, path);
  return { ...(declared as Pick<ModelSearch, 'title' | 'url'>), columns, fullText: fullText ? graph.fullText : undefined };
}

function noFullText({ provider }: ModelGraph, path: string): TypeError {
  return new TypeError(
    isPostgres(provider)
      ? `${path}.fullText: the client has no full-text search; add previewFeatures = ["fullTextSearchPostgres"] to its generator, and run \`prisma generate\``
      : `${path}.fullText: Prisma has full-text search for PostgreSQL and MySQL only; leave it out`,
  );
}

function textColumn({ columns, node }: Exposure, name: unknown, path: string): Column {
  const column = columns.get(String(name));
  if (column !== undefined && isText(column)) return column;
  const names = list([...columns.values()].filter(isText).map(known => known.name));
  throw new TypeError(`${path}: ${node.name} shows no text column \`${String(name)}\` (${names})`);
}

/** Native types such as `@db.Uuid` are no text for the database. */
function isText({ type, field, list: isList }: Column): boolean {
  return field.type === 'String' && !isList && type.cased !== true && type.operators.includes('contains');
}

/** An exposure whose rows are searched. */
export interface SearchedModel {
  readonly exposure: Exposure;
  readonly reader: Reader;
}

/** What the tools need besides the models. */
export interface SearchOptions {
  /** The scheme of URIs. */
  readonly name: string;
  readonly limits: WhereLimits;
  /** Bytes of one result. A longer text is cut. */
  readonly maxResultBytes: number;
}

/**
 * The tools `search` and `fetch` over the models with the option `search`, in the form that ChatGPT requires for deep research and company knowledge.
 * No tools if there are no such models.
 *
 * @see https://developers.openai.com/api/docs/mcp
 */
export function searchTools(models: readonly SearchedModel[], options: SearchOptions): ToolDefinition[] {
  const named = models.flatMap(({ exposure, reader }) => {
    const key = cursorKey(exposure);
    return exposure.search === undefined || key === undefined ? [] : [{ exposure, reader, key, search: exposure.search }];
  });
  return named.length === 0 ? [] : [searchTool(named, options), fetchTool(named, options)];
}

interface Searched extends SearchedModel {
  readonly key: UniqueKey;
  readonly search: ExposedSearch;
}

function searchTool(models: readonly Searched[], { name, limits }: SearchOptions): ToolDefinition {
  const searched = models.map(({ exposure, search }) => `${exposure.node.key} (${list(search.columns.map(column => column.name))})`);
  // Some callers know of only some of the models.
  const isScoped = new Set(models.map(({ exposure }) => list(exposure.scopes.get('findMany') ?? []))).size > 1;
  const bounds = queryBounds(models, limits);
  return {
    name: 'search',
    title: 'Search',
    description: bounded(
      `Finds rows${isScoped ? '' : ` of ${list(searched)}`} that contain every word of the query, in any case. At most ${maxResults} results; fetch reads one of them.`,
    ),
    inputSchema: object({ query: { type: 'string', description: 'Few words that the rows contain, such as a name.' } }, ['query']),
    outputSchema: object({ results: { type: 'array', items: object({ id: text, title: text, url: text }) } }),
    annotations: readOnly,
    ...scopesMember(models.map(({ exposure }) => [exposure, 'findMany'])),
    call: async (args, ctx) => {
      assertOnly(args, 'query');
      const words = parseQuery(args['query'], bounds);
      const allowed = models.filter(({ exposure }) => mayRun(ctx, exposure, 'findMany'));
      const pages = await Promise.all(allowed.map(model => findRows(model, words, ctx)));
      const found = alternately(pages.map(({ rows }, index) => rows.map(row => ({ row, model: allowed[index] as Searched }))));
      const results = await Promise.all(found.slice(0, maxResults).map(({ row, model }) => describeRow(model, row, name, ctx)));
      const isCut = found.length > maxResults || pages.some(({ truncated }) => truncated === true);
      // OpenAI defines `results` as the only member.
      return { ...toResult({ results }), ...(isCut && { _meta: { truncated: true } }) };
    },
  };
}

function fetchTool(models: readonly Searched[], { name, maxResultBytes }: SearchOptions): ToolDefinition {
  const texts = models.map(({ exposure }) => describeText(exposure.selection));
  return {
    name: 'fetch',
    title: 'Fetch',
    description: ['Reads one row that search found, as JSON text.', ...new Set(texts)].join(' ').trimEnd(),
    inputSchema: object({ id: { type: 'string', description: 'An id from the results of search.' } }),
    outputSchema: object({
      id: text,
      title: text,
      text,
      url: text,
      metadata: { type: 'object', additionalProperties: text },
    }),
    annotations: readOnly,
    ...scopesMember(models.map(({ exposure }) => [exposure, 'findUnique'])),
    call: async (args, ctx) => {
      assertOnly(args, 'id');
      const { id } = args;
      if (typeof id !== 'string') return refuse('id', `expected an id from the results of search, got ${nameOf(id)}`);
      const model = models.find(({ exposure }) => id.startsWith(`${exposure.node.key}:`));
      if (model !== undefined) assertMayRun(ctx, model.exposure, 'findUnique');
      const texts = model && keyTexts(model, id);
      const row = model && texts && (await readRow(model, texts, ctx));
      // One answer for ids of hidden rows, of missing rows, and of no row at all.
      if (model === undefined || row === undefined) return refuse('id', `not found: ${quote(id)}; take an id from the results of search`);
      const whole = {
        ...(await describeRow(model, row, name, ctx)),
        text: JSON.stringify(row),
        metadata: { model: model.exposure.node.key },
      };
      return toResult(cutText(whole, maxResultBytes));
    },
  };
}

/** The limits of `limits.where` as limits of a query: each word is looked for in each column. */
function queryBounds(models: readonly Searched[], { maxConditions, maxPatternCharacters }: WhereLimits): { words: number; chars: number } {
  const columns = Math.max(...models.map(({ search }) => search.columns.length));
  return {
    words: Math.max(1, Math.floor(maxConditions / (columns + 1))),
    chars: Math.max(1, Math.floor(maxPatternCharacters / columns)),
  };
}

/** The words of a query: runs of letters and digits. So they contain none of the wildcards of a database. */
function parseQuery(query: unknown, bounds: { words: number; chars: number }): string[] {
  if (typeof query !== 'string') return refuse('query', `expected words, got ${nameOf(query)}`);
  const words = new Map(Array.from(query.matchAll(/[\p{L}\p{N}\p{M}]+/gu), ([word]) => [word.toLowerCase(), word]));
  if (words.size === 0) return refuse('query', 'has no word; give words that the rows contain');
  if (words.size > bounds.words) refuse('query', `has more than ${bounds.words} words; give only those that the rows contain`);
  const chars = [...words.values()].reduce((sum, word) => sum + word.length, 0);
  if (chars > bounds.chars) refuse('query', `has more than ${bounds.chars} letters and digits; give fewer words`);
  return [...words.values()];
}

function findRows({ exposure, reader, search }: Searched, words: readonly string[], ctx: CallContext): ReturnType<Reader['findMany']> {
  const { selection, orderBy, take, insensitive } = exposure;
  const contains = (word: string): Args => ({ contains: word, ...(insensitive && { mode: 'insensitive' }) });
  const where =
    search.fullText === undefined
      ? { AND: words.map(word => ({ OR: search.columns.map(({ name }) => ({ [name]: contains(word) })) })) }
      : fullTextWhere(search.columns, fullTextQuery[search.fullText](words));
  return reader.findMany({ where, relational: false, selection, orderBy, take: Math.min(take, maxResults), cursor: undefined }, ctx);
}

/** A query for rows that have all of the words, which consist of letters and digits. */
const fullTextQuery: Readonly<Record<FullText, (words: readonly string[]) => string>> = {
  postgresql: words => words.join(' & '),
  mysql: words => words.map(word => `+${word}`).join(' '),
};

/** Prisma takes the columns with the same query as one text, so each word may stand in any of them. */
function fullTextWhere(columns: readonly Column[], query: string): Args {
  const where: Args = {};
  for (const { name } of columns) where[name] = { search: query };
  return where;
}

/** The first of each list, then the second of each, and so on: no model crowds out the others. */
function alternately<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(...lists.map(each => each.length));
  return Array.from({ length: longest }, (_, index) => lists.flatMap(each => each.slice(index, index + 1))).flat();
}

/** How a row is named: `{ id: 'booking:12', title, url }`. */
async function describeRow(
  { exposure, search }: Searched,
  row: Row,
  name: string,
  ctx: CallContext,
): Promise<{ id: string; title: string; url: string }> {
  const { columns, title: declared = columns[0]?.name ?? '', url: toUrl } = search;
  const path = rowPath(exposure, row) ?? '';
  const title = typeof declared === 'function' ? await declared(row, ctx) : row[declared];
  const url = await toUrl?.(row, ctx);
  return {
    id: `${exposure.node.key}:${path}`,
    title: shorten(isBlank(title) ? `${exposure.node.name} ${decodeURIComponent(path)}` : String(title), maxTitleChars),
    url: isBlank(url) ? (rowUri(exposure, row, name) ?? '') : String(url),
  };
}

function isBlank(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

/** The texts of the key that an id names: `membership:1/red` → `{ clientId: '1', roomId: 'red' }`. */
function keyTexts({ exposure, key }: Searched, id: string): Record<string, string> | undefined {
  const parts = id.slice(exposure.node.key.length + 1).split('/');
  if (parts.length !== key.fields.length) return undefined;
  try {
    return Object.fromEntries(key.fields.map((field, index) => [field, decodeURIComponent(parts[index] ?? '')]));
  } catch {
    // A `%` that encodes nothing.
    return undefined;
  }
}

/** Halves the text until the result fits. The result carries it twice, once inside JSON. */
function cutText<T extends { text: string; metadata: Record<string, string> }>(whole: T, maxBytes: number): T {
  let result = whole;
  for (let { length } = whole.text; length > 0 && Buffer.byteLength(JSON.stringify(toResult(result))) > maxBytes - spareBytes; ) {
    length = Math.floor(length / 2);
    result = { ...whole, text: `${beginningOf(whole.text, length)}…`, metadata: { ...whole.metadata, truncated: 'true' } };
  }
  return result;
}

/** Bytes of a result besides the text and its copy, such as the server's name in `_meta`. */
const spareBytes = 1024;

const text: JsonSchema = { type: 'string' };

function object(properties: Record<string, JsonSchema>, required = Object.keys(properties)): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}

function assertOnly(args: JsonObject, known: string): void {
  for (const name of Object.keys(args)) if (name !== known) refuse(join('', name), `unknown argument (${known})`);
}
