import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from './command-line.ts';
import { unifiedDiff } from './diff.ts';
import { locateSchema, packageFolder } from './schema-location.ts';
import type { SchemaBlock } from './schema-text.ts';
import { findBlocks, lineEndAfter, lineEndOf, linesOf, settingOf, startWithComment } from './schema-text.ts';

/** `koa-mcp init`. */
export const initCommand: Command = {
  name: 'init',
  operands: '',
  counts: [0, 0],
  summary: 'Adds the models that koa-mcp keeps, and the block `generator mcp`, to your Prisma schema.',
  options: {
    schema: { value: 'PATH', help: 'schema file or folder (default: where your Prisma finds it)' },
    'dry-run': { help: 'prints the change as a diff and writes nothing' },
  },
  notes:
    'A second run changes nothing. After an upgrade of koa-mcp, it adds the models and fields that are new.\nIt ends with 0, or with 1 if it cannot work.',
  failure: 1,
  run: async ({ cwd, value, has }) => {
    const isDry = has('dry-run');
    const result = await init({ cwd, schema: value('schema'), dryRun: isDry });
    return { text: isDry ? toDryRun(result) : toReport(result), code: 0 };
  },
};

/** Where `init` works. */
export interface InitOptions {
  /** The host's root; relative paths start here. */
  readonly cwd: string;
  /** Schema file or folder; found as Prisma finds it when left out. */
  readonly schema?: string | undefined;
  /** Whether files stay as they are. @default false */
  readonly dryRun?: boolean;
}

/** What `init` did. */
export interface InitResult {
  /** What was done, one sentence each; empty when everything was there. */
  readonly changes: readonly string[];
  /** What the host has to look at itself. */
  readonly warnings: readonly string[];
  /** The change of all files, in the unified format; empty if there is none. */
  readonly diff: string;
  /** Where `generator mcp` writes, relative to `cwd`; absent when the generator was there before. */
  readonly output?: string;
}

/** What a database needs differently from prisma/mcp.prisma, which is for PostgreSQL; a database that is not named is not served. */
const adaptations: Readonly<Record<string, readonly (readonly [line: RegExp, replacement: string])[]>> = {
  postgresql: [],
  postgres: [],
  // Only an INTEGER counts up by itself.
  sqlite: [[/^( {2}id +)BigInt {2}/m, '$1Int     ']],
  // Text without a native type has 191 characters.
  mysql: [
    [/^ {2}(?:position|uri|data|name|error|statusMessage) +String\??/gm, '$& @db.Text'],
    [/^ {2}(?:largeData|result|questions) +String\??/gm, '$& @db.LongText'],
  ],
  // Its autoincrement() is neither in order nor within what a JavaScript number can hold.
  cockroachdb: [[/(?<=^ {2}id +BigInt .*)autoincrement\(\)/m, 'sequence()']],
};

/** The text of prisma/mcp.prisma for a provider, e.g. `sqlite`. */
export function modelsFor(provider: string, source: string): string {
  return (adaptations[provider] ?? []).reduce((text, [line, replacement]) => text.replace(line, replacement), source);
}

/**
 * Puts the models of prisma/mcp.prisma and the block `generator mcp` into a host's schema.
 *
 * A schema folder gets `mcp.prisma`, a schema file gets the models at its end. Models of an older version get the lines that they lack.
 * Nothing else changes, so that a second run changes nothing.
 *
 * @throws {Error} No schema, or one for a database whose types mcp.prisma cannot use.
 */
export async function init({ cwd, schema, dryRun = false }: InitOptions): Promise<InitResult> {
  const location = await locateSchema(cwd, schema);
  const files = await readSchema(location.path);
  const before = new Map(files);
  const { provider, databaseSchema } = readDatasource(files);
  const source = modelsFor(provider, await readFile(new URL('../../prisma/mcp.prisma', import.meta.url), 'utf8'));
  const wanted = findBlocks(source, 'model').map(block => toWanted(source, block, databaseSchema));
  const target = await findTarget(location.path, files, wanted);

  const completed = wanted.flatMap(model => completeModel(files, model));
  const added = addModels(files, target, { wanted, header: source.slice(0, source.indexOf('\n\n')) });
  const generator = await addGenerator(files, cwd);
  const edited = [...files].filter(([file, text]) => before.get(file) !== text);
  if (!dryRun) for (const [file, text] of edited) await writeFile(file, text);

  const relative = (file: string) => path.relative(cwd, file).split(path.sep).join('/');
  return {
    changes: [
      ...completed.map(({ file, model, lines }) => `${relative(file)}: added ${lines.join(', ')} to model ${model}`),
      ...(added.length > 0 ? [`${relative(target)}: added ${added.join(', ')}${inSchema(databaseSchema)}`] : []),
      ...(generator ? [`${relative(generator.file)}: added generator mcp`] : []),
    ],
    warnings: findWarnings(files, wanted, completed),
    diff: edited.map(([file, text]) => unifiedDiff(relative(file), before.get(file) ?? '', text)).join(''),
    ...(generator && { output: relative(path.resolve(path.dirname(generator.file), generator.output)) }),
  };
}

function inSchema(databaseSchema: string | undefined): string {
  return databaseSchema === undefined ? '' : `, with @@schema("${databaseSchema}")`;
}

/** Text by file path, absolute; every `*.prisma` below a folder. */
export async function readSchema(place: string): Promise<Map<string, string>> {
  const isFolder = (await stat(place)).isDirectory();
  const entries = isFolder ? await readdir(place, { recursive: true, withFileTypes: true }) : [];
  const names = entries.filter(entry => !entry.isDirectory() && entry.name.endsWith('.prisma'));
  const files = isFolder ? names.map(({ parentPath, name }) => path.join(parentPath, name)).sort() : [place];
  return new Map(await Promise.all(files.map(async file => [file, await readText(file)] as const)));
}

/** @throws {Error} The file is not UTF-8, so that writing it again would damage it. */
async function readText(file: string): Promise<string> {
  const bytes = await readFile(file);
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) throw new Error(`${file} is not UTF-8 text; save it as UTF-8`);
  return text;
}

interface Datasource {
  readonly provider: string;
  /** The database schema for the models, of those that the datasource lists; `undefined` if it lists none. */
  readonly databaseSchema: string | undefined;
}

function readDatasource(files: ReadonlyMap<string, string>): Datasource {
  const [datasource] = [...files.values()].flatMap(text => findBlocks(text, 'datasource'));
  const [provider] = datasource === undefined ? [] : settingOf(datasource, 'provider');
  if (datasource === undefined || provider === undefined) {
    throw new Error('the schema has no datasource with a provider; pass --schema PATH with your whole schema');
  }
  if (!Object.hasOwn(adaptations, provider)) {
    throw new Error(
      `sessions cannot be kept in ${provider} (mcp.prisma is for SQLite, PostgreSQL, MySQL and CockroachDB); use mcp({ sessions: { store } })`,
    );
  }
  const schemas = settingOf(datasource, 'schemas');
  return { provider, databaseSchema: schemas.length === 0 ? undefined : (schemaOfModels(files) ?? choose(schemas)) };
}

function choose(schemas: readonly string[]): string | undefined {
  return schemas.includes('public') ? 'public' : schemas[0];
}

/** The `@@schema` of those of our models that are there. */
function schemaOfModels(files: ReadonlyMap<string, string>): string | undefined {
  const models = [...files.values()].flatMap(text => findBlocks(text, 'model')).filter(({ name }) => /^Mcp[A-Z]/.test(name));
  const lines = models.flatMap(model => linesOf(model)).filter(({ key }) => key === '@@schema');
  return lines.map(({ text }) => /"([^"]+)"/.exec(text)?.[1]).find(name => name !== undefined);
}

/** A model that the schema must have. */
interface WantedModel {
  readonly name: string;
  /** With its comment. */
  readonly text: string;
  /** Its fields and attributes, each with its comment, as lines to insert. */
  readonly lines: readonly { readonly key: string; readonly text: string; readonly inserted: string }[];
}

function toWanted(source: string, block: SchemaBlock, databaseSchema: string | undefined): WantedModel {
  const comment = source.slice(startWithComment(source, block.start), block.start);
  const attribute = databaseSchema === undefined ? '' : `  @@schema("${databaseSchema}")\n`;
  const text = block.text.replace(/\}$/, () => `${attribute}}`);
  const lines = linesOf({ text }).map(({ key, text: line, start, end }) => {
    return { key, text: line, inserted: text.slice(startWithComment(text, start), end) };
  });
  return { name: block.name, text: `${comment}${text}`, lines };
}

/** The file for new models: the one that has some of them, or `mcp.prisma` of a folder. */
async function findTarget(place: string, files: ReadonlyMap<string, string>, wanted: readonly WantedModel[]): Promise<string> {
  const holds = (text: string) => findBlocks(text, 'model').some(({ name }) => wanted.some(model => model.name === name));
  const [holder] = [...files].find(([, text]) => holds(text)) ?? [];
  return holder ?? ((await stat(place)).isDirectory() ? path.join(place, 'mcp.prisma') : place);
}

interface Completed {
  readonly file: string;
  readonly model: string;
  /** The lines that were added. */
  readonly lines: readonly string[];
}

/** Adds to a model that is there what an older version of it lacks: fields behind their neighbours, attributes at its end. */
function completeModel(files: Map<string, string>, wanted: WantedModel): Completed[] {
  for (const [file, schema] of files) {
    const block = findBlocks(schema, 'model').find(({ name }) => name === wanted.name);
    if (block === undefined) continue;
    const present = new Set(linesOf(block).map(({ key }) => key));
    const missing = wanted.lines.filter(({ key }) => !present.has(key));
    if (missing.length === 0) return [];
    const lineEnd = lineEndOf(schema);
    const text = missing.reduce((model, line) => insertLine(model, wanted, { line, lineEnd }), block.text);
    files.set(file, schema.slice(0, block.start) + text + schema.slice(block.end));
    return [{ file, model: wanted.name, lines: missing.map(({ text: line }) => line) }];
  }
  return [];
}

function insertLine(
  model: string,
  { lines }: WantedModel,
  { line, lineEnd }: { line: WantedModel['lines'][number]; lineEnd: string },
): string {
  const inserted = line.inserted.replaceAll('\n', lineEnd);
  const before = lines.slice(0, lines.indexOf(line)).filter(({ key }) => !key.startsWith('@@'));
  const neighbour = line.key.startsWith('@@')
    ? undefined
    : linesOf({ text: model }).findLast(({ key }) => before.some(each => each.key === key));
  if (neighbour === undefined && !line.key.startsWith('@@')) return model.replace(/\{.*\r?\n/, open => `${open}${inserted}${lineEnd}`);
  if (neighbour === undefined) return model.replace(/[ \t]*\}$/, close => `${inserted}${lineEnd}${close}`);
  return `${model.slice(0, neighbour.end)}${lineEnd}${inserted}${model.slice(neighbour.end)}`;
}

/** Appends the models that no file has yet; their names. */
function addModels(
  files: Map<string, string>,
  target: string,
  { wanted, header }: { wanted: readonly WantedModel[]; header: string },
): string[] {
  const present = new Set([...files.values()].flatMap(text => findBlocks(text, 'model').map(({ name }) => name)));
  const missing = wanted.filter(({ name }) => !present.has(name));
  if (missing.length === 0) return [];
  const current = files.get(target);
  const models = missing.map(({ text }) => `${text}\n`).join('\n');
  if (current === undefined) files.set(target, `${header}\n\n${models}`);
  else {
    const lineEnd = lineEndOf(current);
    const gap = /(?:\r?\n[ \t]*){2}$/.test(current) || current === '' ? '' : current.endsWith('\n') ? lineEnd : lineEnd + lineEnd;
    files.set(target, `${current}${gap}${models.replaceAll('\n', lineEnd)}`);
  }
  return missing.map(({ name }) => name);
}

/** Adds the block behind the client's generator, or else behind the datasource, unless there is one. */
async function addGenerator(files: Map<string, string>, cwd: string): Promise<{ file: string; output: string } | undefined> {
  const blocksOf = (keyword: 'generator' | 'datasource') =>
    [...files].flatMap(([file, text]) => findBlocks(text, keyword).map(block => ({ file, ...block })));
  const generators = blocksOf('generator');
  if (generators.some(block => /\bkoa-mcp\b/.test(settingOf(block, 'provider')[0] ?? ''))) return undefined;
  const client = generators.find(block => /^prisma-client(?:-js)?$/.test(settingOf(block, 'provider')[0] ?? ''));
  const neighbour = client ?? blocksOf('datasource')[0];
  if (neighbour === undefined) return undefined;
  const { file } = neighbour;
  const output = toOutput(client && settingOf(client, 'output')[0]) ?? (await usualOutput(file, cwd));
  const name = generators.some(generator => generator.name === 'mcp') ? 'koaMcp' : 'mcp';
  const block = `generator ${name} {\n  provider = "koa-mcp"\n  output   = "${output}"\n}`;
  const current = files.get(file) ?? '';
  const lineEnd = lineEndOf(current);
  // A comment may stand behind the neighbour's brace.
  const end = lineEndAfter(current, neighbour.end);
  files.set(file, `${current.slice(0, end)}${`\n\n${block}`.replaceAll('\n', lineEnd)}${current.slice(end)}`);
  return { file, output };
}

/** Beside the client, never inside its folder: Prisma empties that. `undefined` beside a client in node_modules, which npm empties. */
function toOutput(client: string | undefined): string | undefined {
  if (client === undefined || client.includes('node_modules')) return undefined;
  const base = path.posix.basename(client);
  return path.posix.join(path.posix.dirname(client), base === 'prisma' || base === 'client' ? 'mcp' : `${base}-mcp`);
}

/** `generated/mcp` of the package, as the schema file names it. */
async function usualOutput(file: string, cwd: string): Promise<string> {
  const folder = (await packageFolder(path.dirname(file))) ?? cwd;
  const output = path.relative(path.dirname(file), path.join(folder, 'generated/mcp')).split(path.sep).join('/');
  return output.startsWith('.') ? output : `./${output}`;
}

function findWarnings(files: ReadonlyMap<string, string>, wanted: readonly WantedModel[], completed: readonly Completed[]): string[] {
  const models = [...files.values()].flatMap(text => findBlocks(text, 'model'));
  return wanted.flatMap(({ name, lines }) => {
    const model = models.find(each => each.name === name);
    const present = new Map(model === undefined ? [] : linesOf(model).map(line => [line.key, line.text]));
    const added = completed.find(each => each.model === name)?.lines ?? [];
    return lines.flatMap(({ key, text }) => {
      const there = present.get(key);
      if (there !== undefined && typeOf(there) !== typeOf(text)) {
        return [`model ${name} has a line of another version; change it to: ${text}`];
      }
      const needsValue = added.includes(text) && /^\w+ \w+(?: |$)/.test(text) && !text.includes('@default');
      return needsValue
        ? [`model ${name} has a new field without a default, ${key}: empty its table if \`prisma migrate\` refuses it`]
        : [];
    });
  });
}

/** `String?` of `sessionId String? @map("s")`; attributes are the host's own business. */
function typeOf(line: string): string | undefined {
  return /^\w+\s+(\S+)/.exec(line)?.[1];
}

function toDryRun({ diff, warnings }: InitResult): string {
  const warned = warnings.map(warning => `! ${warning}\n`).join('');
  return diff === '' ? `Your schema has all that koa-mcp needs.\n${warned}` : `${diff}${warned}`;
}

function toReport({ changes, warnings, output }: InitResult): string {
  const warned = warnings.map(warning => `! ${warning}`);
  if (changes.length === 0) return `${['Your schema has all that koa-mcp needs.', ...warned].join('\n')}\n`;
  return `${[
    ...changes,
    ...warned,
    '',
    'Next:',
    '  npx prisma migrate dev --name mcp',
    '  npx prisma generate',
    ...(output === undefined ? [] : [`  then pass \`datamodel\` from ${output}/ to mcp({ prisma, datamodel, … })`]),
  ].join('\n')}\n`;
}
