import { readFile } from 'node:fs/promises';
import { listAll } from '../client/lists.ts';
import { negotiate, spoken } from '../client/negotiate.ts';
import type { Connection, Listener, Progress, TaskState } from '../client/wire.ts';
import { isObject, objectsIn, RequestError } from '../client/wire.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import type { Command, Given, Outcome } from './command-line.ts';
import { UsageError } from './command-line.ts';
import { patiently } from './patience.ts';

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
    task: { help: 'runs the tool as a task, if it can be one, and waits for its end' },
    json: { help: 'the whole result as JSON' },
  },
  notes: `Results go to stdout. Progress, the state of a task, log messages and other notifications go to stderr.
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
  if (given.has('task') && action !== 'call') throw new UsageError('--task goes with call TOOL');
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  const url = toUrl(address);
  const endpoint = {
    url: url.href,
    fetch,
    headers: Object.fromEntries(toHeaders(given.values('header'))),
    clientInfo: { name: 'koa-mcp', version },
    capabilities: {},
  };
  const connecting = negotiate(endpoint, listener, revision).catch(explain('connecting', url));
  const connection = await patiently(`connecting to ${url.origin}`, connecting);
  const request: Client['request'] = (method, params, options) =>
    patiently(`waiting for the answer to ${method}`, connection.request(method, params, options).catch(explain(method, url)));
  try {
    if (action !== undefined && 'logging' in connection.server.capabilities)
      await connection.setLogLevel('info').catch(explain('logging/setLevel', url));
    return await act({ server: connection.server, request }, subject ?? '', given);
  } finally {
    await connection.close();
  }
}

/** What an action needs of the connection. */
type Client = Pick<Connection, 'server' | 'request'>;

/** The command declares no capabilities, so a server should ask it nothing. */
const listener: Listener = {
  answer: ({ method }) => Promise.reject(new Error(`The server wants an answer to ${method}, which this command cannot give`)),
  notified: printNotification,
  streamChanged: () => undefined,
  lost: () => undefined,
};

/** Throws the error of a request in words for somebody who has typed a command. */
function explain(what: string, url: URL): (error: unknown) => never {
  return error => {
    if (!(error instanceof RequestError)) throw error;
    throw new Error(inSentence(what, url, error), { cause: error });
  };
}

function inSentence(what: string, url: URL, { message, code, status, challenge, cause }: RequestError): string {
  // The error of `fetch` is "fetch failed". Its cause says why.
  const reason = cause instanceof Error ? (cause.cause ?? cause) : undefined;
  if (reason instanceof Error) return `${url.href} cannot be reached: ${reason.message || String(Reflect.get(reason, 'code'))}`;
  if (status === 401) {
    return `${what} was answered HTTP 401: ${challenge ?? message}; pass an access token with --header 'Authorization: Bearer …'`;
  }
  if (code !== 0) return `${what} failed: ${message} (${code})`;
  return status === 0 ? `${what} failed: ${message}` : `${what} was answered HTTP ${status}: ${message}`;
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

type Action = (client: Client, subject: string, given: Given) => Promise<Outcome>;

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

async function list(client: Client, _subject: string, given: Given): Promise<Outcome> {
  if (given.has('arg') || given.has('args')) throw new UsageError('arguments go with call TOOL or prompt NAME');
  const lists: Record<string, JsonObject[]> = {};
  for (const key of Object.keys(kinds)) lists[key] = await itemsOf(client, key);
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

/** All pages of a list; none if the server does not have such a list. */
async function itemsOf(client: Client, key: string): Promise<JsonObject[]> {
  const kind = kinds[key];
  if (kind === undefined || !(kind.capability in client.server.capabilities)) return [];
  return listAll(client, kind.method, key);
}

function toBlock(key: string, items: readonly JsonObject[]): string {
  const { title = key, name = 'name' } = kinds[key] ?? {};
  const rows = items.map(item => [String(item[name]), describe(key, item)] as const);
  const width = Math.min(40, Math.max(0, ...rows.map(([label]) => label.length)));
  return [`${title} (${items.length})`, ...rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`.trimEnd())].join('\n');
}

/** The arguments, and the first sentence of the description. */
function describe(key: string, item: JsonObject): string {
  const first = /^[^\n]*?(?:[.!?](?=\s|$)|$)/m.exec(inWords(item['description'] ?? item['title'] ?? ''))?.[0] ?? '';
  const names =
    key === 'tools'
      ? argumentsOf(item['inputSchema'])
      : key === 'prompts'
        ? objectsIn(item['arguments']).map(argument => `${String(argument['name'])}${argument['required'] === true ? '' : '?'}`)
        : [];
  return [...(names.length === 0 ? [] : [`(${names.join(', ')})`]), first].join(' ');
}

function argumentsOf(schema: unknown): string[] {
  const { properties, required } = Object(schema) as { properties?: object; required?: readonly string[] };
  return Object.keys(properties ?? {}).map(name => (required?.includes(name) === true ? name : `${name}?`));
}

async function callTool(client: Client, name: string, given: Given): Promise<Outcome> {
  const tool = (await itemsOf(client, 'tools')).find(each => each['name'] === name);
  const schema = tool?.['inputSchema'];
  const args = toArguments(given, argument => typeOf(schema, argument));
  const isTask = isObject(tool?.['execution']) && tool['execution']['taskSupport'] === 'required';
  const options = {
    inputSchema: isObject(schema) ? schema : undefined,
    onProgress: printProgress,
    asTask: isTask || given.has('task'),
    onTask: taskPrinter(),
  };
  const result = await client.request('tools/call', { name, arguments: args }, options);
  const code = result['isError'] === true ? 1 : 0;
  if (given.has('json')) return { text: toJson(result), code };
  const { structuredContent, content } = result;
  const text =
    structuredContent === undefined ? objectsIn(content).map(toContent).join('\n') : JSON.stringify(structuredContent, undefined, 2);
  return { text: `${text}\n`, code };
}

async function readResource({ request }: Client, uri: string, given: Given): Promise<Outcome> {
  if (given.has('arg') || given.has('args')) throw new UsageError('read takes no arguments: write them into the URI');
  const result = await request('resources/read', { uri }, { onProgress: printProgress });
  if (given.has('json')) return { text: toJson(result), code: 0 };
  const contents = objectsIn(result['contents']);
  return { text: `${contents.map(content => inWords(content['text'] ?? content['blob'] ?? '')).join('\n')}\n`, code: 0 };
}

async function getPrompt({ request }: Client, name: string, given: Given): Promise<Outcome> {
  const result = await request('prompts/get', { name, arguments: toArguments(given, () => 'string') }, { onProgress: printProgress });
  if (given.has('json')) return { text: toJson(result), code: 0 };
  const messages = (result['messages'] ?? []) as { readonly role: string; readonly content: JsonObject }[];
  return { text: `${messages.map(({ role, content }) => `${role}: ${toContent(content)}`).join('\n\n')}\n`, code: 0 };
}

/** A content block as text; of binary data only the size. */
function toContent(block: JsonObject): string {
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

function printProgress({ progress, total, message }: Progress): void {
  print(`progress ${progress}${total === undefined ? '' : ` of ${total}`}${message === undefined ? '' : `: ${message}`}`);
}

/** Prints the state of a task, when it has changed. */
function taskPrinter(): (task: TaskState) => void {
  let last = '';
  return ({ taskId, status, statusMessage }) => {
    const line = `task ${taskId} ${status}${statusMessage === undefined ? '' : `: ${statusMessage}`}`;
    if (line !== last) print(line);
    last = line;
  };
}

function printNotification(method: string, params: JsonObject): void {
  // `printProgress` has it.
  if (method === 'notifications/progress') return;
  print(
    method === 'notifications/message' ? `${String(params['level'])}: ${inWords(params['data'])}` : `${method} ${JSON.stringify(params)}`,
  );
}

function print(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A text as it stands, anything else as JSON. */
function inWords(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
