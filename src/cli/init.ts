import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Where `init` works. */
export interface InitOptions {
  /** The host's root; relative paths start here. */
  readonly cwd: string;
  /** Schema file or folder; found as Prisma finds it when left out. */
  readonly schema?: string | undefined;
}

/** What `init` did. */
export interface InitResult {
  /** What was done, one sentence each; empty when everything was there. */
  readonly changes: readonly string[];
  /** What the host has to look at itself. */
  readonly warnings: readonly string[];
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
 * A schema folder gets `mcp.prisma`, a schema file gets the models at its end. What is there already is left alone, so that a
 * second run changes nothing and a run after an upgrade adds what is new.
 *
 * @throws {Error} No schema, or one for a database whose types mcp.prisma cannot use.
 */
export async function init({ cwd, schema }: InitOptions): Promise<InitResult> {
  const place = path.resolve(cwd, schema ?? (await findSchema(cwd)));
  const files = await readSchema(place);
  const provider = findProvider(files);
  const before = new Map(files);
  const target = (await stat(place)).isDirectory() ? path.join(place, 'mcp.prisma') : place;
  const source = modelsFor(provider, await readFile(new URL('../../prisma/mcp.prisma', import.meta.url), 'utf8'));

  const added = addModels(files, target, source);
  const generator = addGenerator(files, target);
  for (const [file, text] of files) if (before.get(file) !== text) await writeFile(file, text);

  const relative = (file: string) => path.relative(cwd, file);
  return {
    changes: [
      ...(added.length > 0 ? [`${relative(target)}: added ${added.join(', ')}`] : []),
      ...(generator ? [`${relative(generator.file)}: added generator mcp`] : []),
    ],
    warnings: findMissingFields(files, source),
    ...(generator && { output: relative(path.resolve(path.dirname(generator.file), generator.output)) }),
  };
}

async function findSchema(cwd: string): Promise<string> {
  const configured = await findConfigured(cwd);
  for (const candidate of [...configured, 'prisma/schema.prisma', 'schema.prisma']) {
    if (await stat(path.resolve(cwd, candidate)).catch(() => undefined)) return candidate;
  }
  throw new Error(
    `no Prisma schema found in ${cwd} (tried ${[...configured, 'prisma/schema.prisma', 'schema.prisma'].join(', ')}); pass --schema PATH`,
  );
}

/** The schema named in prisma.config.ts, as a literal or as a `path.join` of literals, or in package.json. */
async function findConfigured(cwd: string): Promise<string[]> {
  const found: string[] = [];
  for (const extension of ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs']) {
    const config = await readFile(path.join(cwd, `prisma.config.${extension}`), 'utf8').catch(() => '');
    const value = /^\s*schema\s*:\s*(?:(?:path\.)?(?:join|resolve)\s*\()?((?:\s*,?\s*(['"`])[^'"`]+\2)+)/m.exec(config)?.[1];
    if (value) found.push(path.join(...[...value.matchAll(/['"`]([^'"`]+)['"`]/g)].map(match => match[1] ?? '')));
  }
  const manifest: unknown = JSON.parse(await readFile(path.join(cwd, 'package.json'), 'utf8').catch(() => '{}'));
  const legacy = (manifest as { prisma?: { schema?: unknown } }).prisma?.schema;
  return typeof legacy === 'string' ? [...found, legacy] : found;
}

/** Text by file path; every `*.prisma` below a folder. */
async function readSchema(place: string): Promise<Map<string, string>> {
  const entry = await stat(place).catch(() => undefined);
  if (!entry) throw new Error(`${place} does not exist; pass --schema PATH with your schema file or folder`);
  const names = entry.isDirectory() ? (await readdir(place, { recursive: true })).filter(name => name.endsWith('.prisma')).sort() : [''];
  const files = names.map(name => path.join(place, name));
  return new Map(await Promise.all(files.map(async file => [file, await readFile(file, 'utf8')] as const)));
}

function findProvider(files: ReadonlyMap<string, string>): string {
  const schema = [...files.values()].join('\n');
  const provider = /^\s*datasource\s+\w+\s*\{[^}]*?^\s*provider\s*=\s*"(\w+)"/ms.exec(schema)?.[1];
  if (provider === undefined) throw new Error('the schema has no datasource with a provider; pass --schema PATH with your whole schema');
  if (Object.hasOwn(adaptations, provider)) return provider;
  throw new Error(
    `sessions cannot be kept in ${provider} (mcp.prisma is for SQLite, PostgreSQL, MySQL and CockroachDB); use mcp({ sessions: { store } })`,
  );
}

/** Appends the models that no file has yet; their names. */
function addModels(files: Map<string, string>, target: string, source: string): string[] {
  const schema = [...files.values()].join('\n');
  const missing = findModels(source).filter(({ name }) => !findModels(schema).some(model => model.name === name));
  if (missing.length === 0) return [];
  const current = files.get(target);
  const header = source.slice(0, source.indexOf('\n\n'));
  const text = [current === undefined ? header : current.trimEnd(), ...missing.map(({ text }) => text)].join('\n\n');
  files.set(target, withLineEndsOf(current, `${text}\n`));
  return missing.map(({ name }) => name);
}

/** Adds the block after the client's generator, unless there is one. */
function addGenerator(files: Map<string, string>, target: string): { file: string; output: string } | undefined {
  const generators = [...files].flatMap(([file, text]) => findBlocks(text, 'generator').map(block => ({ file, ...block })));
  if (generators.some(({ text }) => /^\s*provider\s*=.*\bkoa-mcp\b/m.test(text))) return undefined;
  const client = generators.find(({ text }) => /^\s*provider\s*=\s*"prisma-client(?:-js)?"/m.test(text));
  const file = client?.file ?? [...files].find(([, text]) => findBlocks(text, 'datasource').length > 0)?.[0] ?? target;
  const output = toOutput(client && /^\s*output\s*=\s*"([^"]+)"/m.exec(client.text)?.[1]);
  const name = generators.some(generator => generator.name === 'mcp') ? 'koaMcp' : 'mcp';
  const block = `generator ${name} {\n  provider = "koa-mcp"\n  output   = "${output}"\n}`;
  const current = files.get(file) ?? '';
  const added = client ? current.replace(client.text, () => `${client.text}\n\n${block}`) : `${block}\n\n${current}`;
  files.set(file, withLineEndsOf(current, added));
  return { file, output };
}

/** Beside the client, never inside its folder: Prisma empties that. */
function toOutput(client: string | undefined): string {
  if (client === undefined) return '../generated/mcp';
  const base = path.posix.basename(client);
  return path.posix.join(path.posix.dirname(client), base === 'prisma' || base === 'client' ? 'mcp' : `${base}-mcp`);
}

function findMissingFields(files: ReadonlyMap<string, string>, source: string): string[] {
  const present = findModels([...files.values()].join('\n'));
  return findModels(source).flatMap(({ name, text }) => {
    const there = findFields(present.find(model => model.name === name)?.text ?? '');
    return [...findFields(text)].flatMap(([field, line]) => {
      const wanted = line.replaceAll(/\s+/g, ' ');
      const present = there.get(field);
      if (present === undefined) return [`model ${name} lacks a line of this version; add: ${wanted}`];
      return typeOf(present) === typeOf(line) ? [] : [`model ${name} has a line of another version; change it to: ${wanted}`];
    });
  });
}

/** `String?` of `sessionId String? @map("s")`; attributes are the host's own business. */
function typeOf(line: string): string | undefined {
  return /^\w+\s+(\S+)/.exec(line)?.[1];
}

interface Block {
  readonly name: string;
  /** With its `///` comment. */
  readonly text: string;
}

function findModels(schema: string): Block[] {
  return findBlocks(schema, 'model');
}

function findBlocks(schema: string, keyword: string): Block[] {
  const pattern = new RegExp(`^(?:[ \\t]*///.*\\r?\\n)*[ \\t]*${keyword}\\s+(\\w+)\\s*\\{[^]*?^[ \\t]*\\}`, 'gm');
  return [...schema.matchAll(pattern)].map(match => ({ name: match[1] ?? '', text: match[0] }));
}

/** Lines by field name; a line like `@@index([uri])` by its own text. */
function findFields(model: string): Map<string, string> {
  const lines = model.split('\n').map(line => line.trim());
  return new Map(
    lines.filter(line => /^(?:\w+\s+\w|@@)/.test(line) && !line.endsWith('{')).map(line => [/^\w+/.exec(line)?.[0] ?? line, line]),
  );
}

function withLineEndsOf(current: string | undefined, text: string): string {
  return current?.includes('\r\n') ? text.replaceAll(/\r?\n/g, '\r\n') : text;
}
