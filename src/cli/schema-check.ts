import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Finding } from './finding.ts';
import { init, readSchema } from './init.ts';
import { locateSchema, packageFolder } from './schema-location.ts';
import { findBlocks, settingOf } from './schema-text.ts';

/** What the files of an app say of its database. */
export interface CheckedSchema {
  readonly findings: readonly Finding[];
  readonly provider: string | undefined;
  /** The folder of the migrations. */
  readonly migrations: string | undefined;
}

/** Checks the Prisma schema of an app, and whether the client was generated from it. */
export async function checkSchema(cwd: string, schema: string | undefined): Promise<CheckedSchema> {
  try {
    const location = await locateSchema(cwd, schema);
    const files = await readSchema(location.path);
    const [datasource] = [...files.values()].flatMap(text => findBlocks(text, 'datasource'));
    const isFolder = (await stat(location.path)).isDirectory();
    const root = isFolder ? location.path : path.dirname(location.path);
    return {
      findings: [...(await checkModels(cwd, location.path)), ...(await checkClients(cwd, files))],
      provider: datasource && settingOf(datasource, 'provider')[0],
      migrations: location.migrations ?? path.join(root, 'migrations'),
    };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return {
      findings: [{ check: 'schema', status: 'problem', found, remedy: 'Pass --schema PATH' }],
      provider: undefined,
      migrations: undefined,
    };
  }
}

/** Whether the models of koa-mcp are there as this version wants them: whether `init` would change anything. */
async function checkModels(cwd: string, schema: string): Promise<Finding[]> {
  const { changes, warnings } = await init({ cwd, schema, dryRun: true });
  const place = path.relative(cwd, schema);
  if (changes.length === 0 && warnings.length === 0)
    return [{ check: 'schema', status: 'ok', found: `${place} has all models of koa-mcp` }];
  const remedy = 'npx koa-mcp init, then migrate and generate';
  return [
    ...changes.map((change): Finding => {
      // The app may run the generator under another name.
      const status = change.endsWith(': added generator mcp') ? 'warning' : 'problem';
      return { check: 'schema', status, found: change.replace(': added ', ' lacks '), remedy };
    }),
    ...(changes.length > 0
      ? []
      : warnings.map((found): Finding => ({ check: 'schema', status: 'problem', found, remedy: 'Change it, then migrate' }))),
  ];
}

/** Whether each client was generated from the schema as it is now. */
async function checkClients(cwd: string, files: ReadonlyMap<string, string>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [file, text] of files) {
    for (const generator of findBlocks(text, 'generator')) {
      const [provider = ''] = settingOf(generator, 'provider');
      if (!/^prisma-client(?:-js)?$/.test(provider)) continue;
      const [output] = settingOf(generator, 'output');
      const folder = output === undefined ? await usualClient(path.dirname(file)) : path.resolve(path.dirname(file), output);
      findings.push(await checkClient(folder, { cwd, files }));
    }
  }
  return findings;
}

/** Where `prisma-client-js` writes without an output. */
async function usualClient(folder: string): Promise<string> {
  return path.join((await packageFolder(folder)) ?? folder, 'node_modules/.prisma/client');
}

async function checkClient(folder: string, { cwd, files }: { cwd: string; files: ReadonlyMap<string, string> }): Promise<Finding> {
  const check = 'client';
  const place = path.relative(cwd, folder);
  const remedy = 'npx prisma generate';
  const inlined = await inlinedSchema(folder);
  if (inlined === undefined) return { check, status: 'problem', found: `${place} has no generated client`, remedy };
  const [now, then] = [linesOfSchema([...files.values()].join('\n')), linesOfSchema(inlined)];
  const differs = now.symmetric(then);
  if (differs.length === 0) return { check, status: 'ok', found: `${place} is generated from the schema as it is` };
  return { check, status: 'problem', found: `${place} is older than the schema: ${differs[0]}`, remedy };
}

/** The schema that a client was generated from: it keeps a copy. `undefined` if there is no client. */
async function inlinedSchema(folder: string): Promise<string | undefined> {
  const names = ['internal/class.ts', 'internal/class.mts', 'internal/class.cts', 'internal/class.js', 'schema.prisma'];
  for (const name of names) {
    const text = await readFile(path.join(folder, name), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    if (name === 'schema.prisma') return text;
    const literal = /"?inlineSchema"?:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
    if (literal !== undefined) return JSON.parse(literal) as string;
  }
  return undefined;
}

/** The lines of a schema, compared without blanks: Prisma may join files and align columns. */
function linesOfSchema(schema: string): {
  readonly lines: ReadonlySet<string>;
  readonly symmetric: (other: { lines: ReadonlySet<string> }) => string[];
} {
  const plain = schema.split('\n').map(line => line.replaceAll(/\s+/g, ' ').trim());
  const lines = new Set(plain.filter(line => line !== '').map(line => line.replaceAll(' ', '')));
  return {
    lines,
    symmetric: other => [
      ...plain.filter(line => line !== '' && !other.lines.has(line.replaceAll(' ', ''))).map(line => `${line} is new`),
      ...[...other.lines].filter(line => !lines.has(line)).map(line => `${line} is gone`),
    ],
  };
}

/** The names of the migrations in a folder, oldest first. */
export async function migrationsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter(entry => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}
