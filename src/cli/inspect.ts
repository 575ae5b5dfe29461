import { readFile } from 'node:fs/promises';
import type { Command, Given, Outcome } from './command-line.ts';
import { UsageError } from './command-line.ts';
import { patiently } from './patience.ts';
import type { WireClient, WireMessage } from './wire-client.ts';
import { connect, headerValue, spoken } from './wire-client.ts';

/** `koa-mcp inspect`. */
export const inspectCommand: Command = {
  name: 'inspect',
  operands: 'URL [call TOOL | read URI | prompt NAME]',
  counts: [1, 3],
  summary: 'Lists what an MCP server offers, calls a tool, reads a resource or gets a prompt.',
  options: {
    arg: {
      value: 'NAME=VALUE',
      help: 'an argument of the tool or prompt; may be repeated. Values are JSON where the tool does not want text',
    },
    args: { value: 'JSON', help: 'all arguments as one JSON object' },
    header: { value: 'NAME: VALUE', help: "a header of every request, e.g. 'Authorization: Bearer …'; may be repeated" },
    revision: { value: 'REVISION', help: `the only revision to speak: ${spoken.join(', ')} (default: the newest that the server speaks)` },
    json: { help: 'the whole result as JSON' },
  },
  notes: `Results go to stdout. Progress, log messages and other notifications go to stderr.
It ends with 0, or with 1 for an error of the server, or a result of a tool with isError.`,
  failure: 1,
  run: inspect,
};

async function inspect(given: Given): Promise<Outcome> {
  const [address = '', action, subject] = given.operands;
  const act = action === undefined ? list : Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (act === undefined) throw new UsageError(`inspect does not have ${action}; it has call, read and prompt`);
  if (action !== undefined && subject === undefined) throw new UsageError(`${action} needs what to ${action}`);
  const revision = given.value('revision');
  if (revision !== undefined && !spoken.includes(revision)) throw new UsageError(`--revision is one of ${spoken.join(', ')}`);
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  const url = toUrl(address);
  const options = { url, headers: toHeaders(given.values('header')), revision, onMessage: printMessage, version: manifest.version };
  try {
    await using client = await patiently(`connecting to ${url.origin}`, connect(options));
    const waiting: WireClient = {
      ...client,
      request: (method, ...rest) => patiently(`waiting for the answer to ${method}`, client.request(method, ...rest)),
      [Symbol.asyncDispose]: async () => {},
    };
    return await act(waiting, subject ?? '', given);
  } catch (error) {
    // "fetch failed" alone says nothing.
    const cause: unknown = error instanceof TypeError ? error.cause : undefined;
    if (cause instanceof Error)
      throw new Error(`${url.href} cannot be reached: ${cause.message || String(Reflect.get(cause, 'code'))}`, { cause });
    throw error;
  }
}

function toUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`${address} is not the URL of an endpoint, such as http://localhost:3000/mcp`);
  }
  return url;
}

function toHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = /^([^:\s]+)\s*:\s*(.*)$/s.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new UsageError(`--header ${line.split(/\s/)[0]} is not NAME: VALUE`);
    try {
      headers.append(name, value);
    } catch {
      throw new UsageError(`--header ${name} is not a header that can be sent`);
    }
  }
  return headers;
}

type Action = (client: WireClient, subject: string, given: Given) => Promise<Outcome>;

const actions: Readonly<Record<string, Action>> = { call: callTool, read: readResource, prompt: getPrompt };

interface ListedKind {
  readonly title: string;
  readonly method: string;
  /** The capability without which the server has none. */
  readonly capability: string;
  /** The member that names an item. */
  readonly name: string;
}

/** The lists of a server, by the member of the result that has the items. */
const kinds: Readonly<Record<string, ListedKind>> = {
  tools: { title: 'tools', method: 'tools/list', capability: 'tools', name: 'name' },
  resources: { title: 'resources', method: 'resources/list', capability: 'resources', name: 'uri' },
  resourceTemplates: { title: 'resource templates', method: 'resources/templates/list', capability: 'resources', name: 'uriTemplate' },
  prompts: { title: 'prompts', method: 'prompts/list', capability: 'prompts', name: 'name' },
};

type Item = Readonly<Record<string, unknown>>;

async function list(client: WireClient, _subject: string, given: Given): Promise<Outcome> {
  if (given.has('arg') || given.has('args')) throw new UsageError('arguments go with call TOOL or prompt NAME');
  const lists: Record<string, Item[]> = {};
  for (const key of Object.keys(kinds)) lists[key] = await listAll(client, key);
  if (given.has('json')) return { text: toJson({ server: client.server, ...lists }), code: 0 };
  const { info, revision, instructions } = client.server;
  const { name, version } = Object(info) as { name?: unknown; version?: unknown };
  const blocks = [
    `${inWords(name ?? 'a server without a name')} ${inWords(version ?? '')}, revision ${revision}`,
    ...(typeof instructions === 'string' ? [instructions] : []),
    ...Object.entries(lists).map(([key, items]) => toBlock(key, items)),
  ];
  return { text: `${blocks.join('\n\n')}\n`, code: 0 };
}

/** All pages of a list. @throws {Error} The server gives the same cursor twice, so the list would have no end. */
async function listAll({ server, request }: WireClient, key: string): Promise<Item[]> {
  const kind = kinds[key];
  if (kind === undefined || !(kind.capability in server.capabilities)) return [];
  const items: Item[] = [];
  const seen = new Set<unknown>();
  for (let cursor: unknown; ; ) {
    const page = await request(kind.method, cursor === undefined ? {} : { cursor });
    items.push(...((page[key] ?? []) as Item[]));
    cursor = page['nextCursor'];
    if (cursor === undefined || cursor === null) return items;
    if (seen.has(cursor)) throw new Error(`${kind.method} gives the cursor ${JSON.stringify(cursor)} twice, so the list has no end`);
    seen.add(cursor);
  }
}

function toBlock(key: string, items: readonly Item[]): string {
  const { title = key, name = 'name' } = kinds[key] ?? {};
  const rows = items.map(item => [String(item[name]), describe(key, item)] as const);
  const width = Math.min(40, Math.max(0, ...rows.map(([label]) => label.length)));
  return [`${title} (${items.length})`, ...rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`.trimEnd())].join('\n');
}

/** The arguments, and the first sentence of the description. */
function describe(key: string, item: Item): string {
  const first = /^[^\n]*?(?:[.!?](?=\s|$)|$)/m.exec(inWords(item['description'] ?? item['title'] ?? ''))?.[0] ?? '';
  const names =
    key === 'tools'
      ? argumentsOf(item['inputSchema'])
      : key === 'prompts'
        ? ((item['arguments'] ?? []) as Item[]).map(argument => `${String(argument['name'])}${argument['required'] === true ? '' : '?'}`)
        : [];
  return [...(names.length === 0 ? [] : [`(${names.join(', ')})`]), first].join(' ');
}

function argumentsOf(schema: unknown): string[] {
  const { properties, required } = Object(schema) as { properties?: object; required?: readonly string[] };
  return Object.keys(properties ?? {}).map(name => (required?.includes(name) === true ? name : `${name}?`));
}

async function callTool(client: WireClient, name: string, given: Given): Promise<Outcome> {
  const tool = (await listAll(client, 'tools')).find(each => each['name'] === name);
  const schema = tool?.['inputSchema'];
  const args = toArguments(given, argument => typeOf(schema, argument));
  if ('logging' in client.server.capabilities && client.server.revision < '2026-07-28')
    await client.request('logging/setLevel', { level: 'info' });
  const result = await client.request('tools/call', { name, arguments: args }, mirroredHeaders(schema, args));
  const code = result['isError'] === true ? 1 : 0;
  if (given.has('json')) return { text: toJson(result), code };
  const { structuredContent, content } = result;
  const text =
    structuredContent === undefined
      ? ((content ?? []) as Item[]).map(toContent).join('\n')
      : JSON.stringify(structuredContent, undefined, 2);
  return { text: `${text}\n`, code };
}

async function readResource({ request }: WireClient, uri: string, given: Given): Promise<Outcome> {
  if (given.has('arg') || given.has('args')) throw new UsageError('read takes no arguments: write them into the URI');
  const result = await request('resources/read', { uri });
  if (given.has('json')) return { text: toJson(result), code: 0 };
  const contents = (result['contents'] ?? []) as Item[];
  return { text: `${contents.map(content => inWords(content['text'] ?? content['blob'] ?? '')).join('\n')}\n`, code: 0 };
}

async function getPrompt({ request }: WireClient, name: string, given: Given): Promise<Outcome> {
  const result = await request('prompts/get', { name, arguments: toArguments(given, () => 'string') });
  if (given.has('json')) return { text: toJson(result), code: 0 };
  const messages = (result['messages'] ?? []) as { readonly role: string; readonly content: Item }[];
  return { text: `${messages.map(({ role, content }) => `${role}: ${toContent(content)}`).join('\n\n')}\n`, code: 0 };
}

/** A content block as text; of binary data only the size. */
function toContent(block: Item): string {
  switch (block['type']) {
    case 'text':
      return String(block['text']);
    case 'image':
    case 'audio':
      return `[${String(block['type'])} ${String(block['mimeType'])}, ${Buffer.byteLength(String(block['data']), 'base64')} bytes]`;
    case 'resource_link':
      return `[${String(block['name'])}: ${String(block['uri'])}]`;
    default:
      return JSON.stringify(block);
  }
}

/** The arguments that the user has given. @param type The JSON type that an argument has, if that is known. */
function toArguments(given: Given, type: (name: string) => unknown): Record<string, unknown> {
  const whole = given.value('args');
  const pairs = given.values('arg').map(pair => {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--arg ${pair} is not NAME=VALUE`);
    const [name, text] = [pair.slice(0, at), pair.slice(at + 1)];
    return [name, type(name) === 'string' ? text : (parsed(text) ?? text)] as const;
  });
  const base = whole === undefined ? {} : parsed(whole);
  if (typeof base !== 'object' || base === null || Array.isArray(base)) throw new UsageError('--args is not a JSON object');
  return { ...base, ...Object.fromEntries(pairs) };
}

/** `undefined`: not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function typeOf(schema: unknown, argument: string): unknown {
  const properties: unknown = Reflect.get(Object(schema), 'properties');
  return Reflect.get(Object(Reflect.get(Object(properties), argument)), 'type');
}

/** The headers that repeat arguments. @see https://modelcontextprotocol.io/specification/2026-07-28/server/tools#x-mcp-header */
function mirroredHeaders(schema: unknown, args: unknown): Headers {
  const headers = new Headers();
  const properties: unknown = Reflect.get(Object(schema), 'properties');
  for (const [name, property] of Object.entries(Object(properties) as object)) {
    const value: unknown = Reflect.get(Object(args), name);
    if (value === undefined || value === null) continue;
    for (const [header, text] of mirroredHeaders(property, value)) headers.set(header, text);
    const mirror: unknown = Reflect.get(Object(property), 'x-mcp-header');
    if (typeof mirror === 'string' && typeof value !== 'object') headers.set(`Mcp-Param-${mirror}`, headerValue(inWords(value)));
  }
  return headers;
}

/** Prints a notification, or a request that this client refuses, to stderr. */
function printMessage({ method = 'answer', params = {} }: WireMessage): void {
  const { progress, total, message, level, data } = params;
  const line =
    method === 'notifications/progress'
      ? `progress ${String(progress)}${total === undefined ? '' : ` of ${inWords(total)}`}${message === undefined ? '' : `: ${inWords(message)}`}`
      : method === 'notifications/message'
        ? `${String(level)}: ${inWords(data)}`
        : `${method} ${JSON.stringify(params)}`;
  process.stderr.write(`${line}\n`);
}

/** A text as it stands, anything else as JSON. */
function inWords(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
