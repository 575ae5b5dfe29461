import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ModelReport } from '../models/report.ts';
import type { EndpointParts } from '../parts.ts';
import type { McpReport } from '../report.ts';
import type { Command } from './command-line.ts';
import { unifiedDiff } from './diff.ts';
import { loadEndpoints } from './endpoint-module.ts';

/** `koa-mcp fingerprint`. */
export const fingerprintCommand: Command = {
  name: 'fingerprint',
  operands: 'MODULE',
  counts: [1, 1],
  summary: 'Prints what an endpoint exposes as sorted JSON, with its hash, or compares it with a file.',
  options: {
    hash: { help: 'only the hash' },
    check: { value: 'FILE', help: 'compares with FILE, which an earlier run printed, and prints the difference' },
  },
  notes: `The JSON has the tools with their schemas, the resources, prompts, scopes, and how models are exposed. It does not depend on the order in which
they are declared, nor on the version of koa-mcp, nor on that of the app.
It ends with 0; with 1 if --check finds a difference; with 2 if it cannot work.`,
  failure: 2,
  async run({ cwd, operands: [module = ''], value, has }) {
    const dump = await dumpOf(cwd, module);
    const file = value('check');
    if (file !== undefined) return compare(dump, { file, text: await readDump(cwd, file) });
    return { text: has('hash') ? `${dump.fingerprint}\n` : toText(dump), code: 0 };
  },
};

/** What the command prints. */
interface Dump {
  /** `sha256-` and 64 hex digits, of `endpoints`. */
  readonly fingerprint: string;
  readonly endpoints: readonly ExposedEndpoint[];
}

/** What one endpoint exposes. The lists are sorted by name. */
interface ExposedEndpoint {
  readonly name: string;
  readonly path: string;
  readonly instructions?: string | undefined;
  readonly models: readonly ExposedItem[];
  readonly tools: readonly ExposedItem[];
  readonly resources: readonly ExposedItem[];
  readonly resourceTemplates: readonly ExposedItem[];
  readonly prompts: readonly ExposedItem[];
}

type ExposedItem = Readonly<Record<string, unknown>>;

/** The lists of an endpoint, each with the member that names its items. */
const lists = { models: 'key', tools: 'name', resources: 'uri', resourceTemplates: 'uriTemplate', prompts: 'name' } as const;

/** Members of a list's items that tell how a call is served, not what is exposed. */
const inner = new Set(['beforeTask', 'call', 'masked', 'recordsWrites', 'effect', 'read', 'live', 'get', 'complete', 'size']);

async function dumpOf(cwd: string, module: string): Promise<Dump> {
  const endpoints = (await loadEndpoints(cwd, module)).map(({ report, parts }) => {
    if (parts === undefined) throw new Error(`${module}: its koa-mcp is too old for this command; update it (npm install koa-mcp@latest)`);
    return exposedOf(report(), parts);
  });
  const sorted = canonical(endpoints) as readonly ExposedEndpoint[];
  const hash = createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
  return { fingerprint: `sha256-${hash}`, endpoints: sorted };
}

function exposedOf({ name, path: endpointPath, models }: McpReport, { definitions, instructions }: EndpointParts): ExposedEndpoint {
  const items = (definitionsOfKind: readonly object[], key: string) => sortBy(key, definitionsOfKind.map(exposedItem));
  return {
    name,
    path: endpointPath,
    instructions,
    models: sortBy(lists.models, models.map(exposedModel)),
    tools: items(definitions.tools, lists.tools),
    resources: items(definitions.resources, lists.resources),
    resourceTemplates: items(definitions.resourceTemplates, lists.resourceTemplates),
    prompts: items(definitions.prompts, lists.prompts),
  };
}

function exposedItem(definition: object): ExposedItem {
  const members = Object.entries(definition).filter(([name, value]) => !inner.has(name) && typeof value !== 'function');
  const { enabled, arguments: args } = definition as { enabled?: unknown; arguments?: readonly { readonly name: string }[] };
  return {
    ...Object.fromEntries(members),
    ...(args !== undefined && {
      arguments: sortBy(
        'name',
        args.map(argument => ({ ...argument })),
      ),
    }),
    // Which callers, the app decides while it runs.
    ...(enabled !== undefined && { enabled: 'decided for each call' }),
  };
}

/** How a model is exposed: without what the schema's indexes cost, and with lists in the order of their names. */
function exposedModel({
  unindexed: _,
  tools: __,
  prompts: ___,
  columns,
  operations,
  hidden,
  relations,
  ...model
}: ModelReport): ExposedItem {
  return {
    ...model,
    columns: columns.toSorted(),
    operations: operations.toSorted(),
    hidden: sortBy(
      'name',
      hidden.map(column => ({ ...column })),
    ),
    relations: sortBy(
      'name',
      relations.map(relation => ({ ...relation, included: relation.included?.toSorted() })),
    ),
  };
}

function sortBy(member: string, items: readonly ExposedItem[]): ExposedItem[] {
  return items.toSorted((a, b) => (String(a[member]) < String(b[member]) ? -1 : 1));
}

/** Keywords of JSON Schema whose values have no order. */
const unordered = new Set(['required', 'enum', 'type', 'scopes']);

/** The same value with sorted members, without those that are `undefined`. */
function canonical(value: unknown, keyword = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map(item => canonical(item, keyword));
    const isSet = unordered.has(keyword);
    return isSet ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const sorted = members.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, member]) => [name, canonical(member, name)]));
}

function toText(dump: Dump): string {
  return `${JSON.stringify(dump, undefined, 2)}\n`;
}

async function readDump(cwd: string, file: string): Promise<Dump> {
  const text = await readFile(path.resolve(cwd, file), 'utf8').catch(() => {
    throw new Error(`${file}: no such file; write it with koa-mcp fingerprint MODULE > ${file}`);
  });
  try {
    const dump = JSON.parse(text) as Partial<Dump>;
    if (typeof dump.fingerprint === 'string' && Array.isArray(dump.endpoints) && dump.endpoints.every(isExposed)) return dump as Dump;
  } catch {
    // Refused below.
  }
  throw new Error(`${file} is not what koa-mcp fingerprint prints; write it with koa-mcp fingerprint MODULE > ${file}`);
}

function isExposed(endpoint: unknown): boolean {
  return Object.keys(lists).every(list => Array.isArray(Reflect.get(Object(endpoint), list)));
}

/** Compares what is exposed now with a file. The file's own hash counts for nothing: it may have been edited. */
function compare(now: Dump, { file, text: before }: { file: string; text: Dump }): { text: string; code: number } {
  const [was, is] = [before.endpoints, now.endpoints].map(endpoints => `${JSON.stringify(canonical(endpoints), undefined, 2)}\n`) as [
    string,
    string,
  ];
  if (was === is) return { text: `${now.fingerprint} as in ${file}\n`, code: 0 };
  const named = summarize(before.endpoints, now.endpoints);
  return {
    text: `What is exposed differs from ${file}.\n\n${named.map(line => `${line}\n`).join('')}\n${unifiedDiff(file, was, is)}`,
    code: 1,
  };
}

/** One line for each thing that is new, gone or different: `reservations at /mcp: tool booking_create is new`. */
function summarize(before: readonly ExposedEndpoint[], after: readonly ExposedEndpoint[]): string[] {
  const nameOf = ({ name, path: endpointPath }: ExposedEndpoint) => `${name} at ${endpointPath}`;
  return compareItems(before, after, nameOf).flatMap(({ name, was, is }) => {
    if (was === undefined || is === undefined) return [`${name} is ${was === undefined ? 'new' : 'gone'}`];
    const own = differences({ ...was, ...withoutLists }, { ...is, ...withoutLists });
    const items = Object.entries(lists).flatMap(([list, key]) => {
      const kind = list === 'resourceTemplates' ? 'resource template' : list.slice(0, -1);
      const pick = (endpoint: ExposedEndpoint) => endpoint[list as keyof typeof lists];
      return compareItems(pick(was), pick(is), item => String(item[key])).flatMap(item => {
        const changed = item.was === undefined ? 'is new' : item.is === undefined ? 'is gone' : changes(item.was, item.is);
        return changed === '' ? [] : [`${kind} ${item.name} ${changed}`];
      });
    });
    return [...(own.length === 0 ? [] : [`differs in ${own.join(', ')}`]), ...items].map(text => `${name}: ${text}`);
  });
}

const withoutLists = Object.fromEntries(Object.keys(lists).map(list => [list, undefined]));

function changes(was: ExposedItem, is: ExposedItem): string {
  const members = differences(was, is);
  return members.length === 0 ? '' : `differs in ${members.join(', ')}`;
}

/** The members that two objects do not have in common. */
function differences(a: object, b: object): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted();
  return names.filter(name => JSON.stringify(canonical(Reflect.get(a, name))) !== JSON.stringify(canonical(Reflect.get(b, name))));
}

interface Pair<T> {
  readonly name: string;
  readonly was: T | undefined;
  readonly is: T | undefined;
}

function compareItems<T>(before: readonly T[], after: readonly T[], nameOf: (item: T) => string): Pair<T>[] {
  const [was, is] = [before, after].map(items => new Map(items.map(item => [nameOf(item), item])));
  const names = [...new Set([...(was?.keys() ?? []), ...(is?.keys() ?? [])])].toSorted();
  return names.map(name => ({ name, was: was?.get(name), is: is?.get(name) }));
}
