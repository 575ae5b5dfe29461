import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import type { SyntheticOptions } from './write-schema.ts';
import { writeSchema } from './write-schema.ts';

export type { SyntheticOptions } from './write-schema.ts';

/** A synthetic schema that Prisma has read. */
export interface SyntheticSchema {
  /** As `generator mcp` wrote it. */
  readonly datamodel: Datamodel;
  /** The folder with the schema's files. */
  readonly folder: string;
  /** The module of the Prisma client; only with `client: true`. */
  readonly client: string | undefined;
}

/** Models of the schemas that a test tries in turn. Prisma takes a minute to read the largest ones for the first time. */
export const syntheticSizes: readonly number[] = process.env['TEST_LONG'] === undefined ? [20, 40] : [20, 60, 120, 300];

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);
const run = promisify(execFile);
const tsx = pathToFileURL(require.resolve('tsx')).href;
const generator = [process.execPath, '--import', tsx, path.join(root, 'src/cli/bin.ts')].map(part => JSON.stringify(part)).join(' ');
/** Its text decides the datamodel. */
const sources = ['src/cli/bin.ts', 'src/cli/generator.ts', 'src/models/datamodel/datamodel.ts', 'node_modules/prisma/package.json'];

/**
 * A schema with this many models, in the shapes that real ones have, and the datamodel that Prisma and `generator mcp` make of it.
 *
 * Two calls with equal options give equal schemas. The result is kept in `generated/synthetic` until a source of it changes.
 *
 * @param options `{ models: 60 }` is a PostgreSQL schema with seed 1 and no client.
 */
export async function syntheticSchema(options: SyntheticOptions & { readonly client?: boolean }): Promise<SyntheticSchema> {
  const files = { ...writeSchema(options), 'schema.prisma': header(options) };
  const folder = path.join(root, 'generated/synthetic', await fingerprint(files));
  if (!(await exists(folder))) await generate(files, folder);
  const { datamodel } = (await import(pathToFileURL(path.join(folder, 'mcp/datamodel.mjs')).href)) as { datamodel: Datamodel };
  return { datamodel, folder, client: options.client === true ? path.join(folder, 'client/client.ts') : undefined };
}

function header({ provider = 'postgresql', client = false }: SyntheticOptions & { readonly client?: boolean }): string {
  const blocks = [
    `datasource db {\n  provider = "${provider}"\n}`,
    `generator mcp {\n  provider        = ${JSON.stringify(generator)}\n  output          = "./mcp"\n  format          = "js"\n  previewFeatures = ["views"]\n}`,
    `generator client {\n  provider            = "prisma-client"\n  output              = "./client"\n  importFileExtension = "ts"\n  previewFeatures     = ["views"]\n}`,
  ];
  return blocks.slice(0, client ? 3 : 2).join('\n\n');
}

async function fingerprint(files: Readonly<Record<string, string>>): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(files));
  for (const file of sources) hash.update(await readFile(path.join(root, file)));
  return hash.digest('hex').slice(0, 16);
}

/** Generates beside the folder and renames, so that another test process never sees half of it. */
async function generate(files: Readonly<Record<string, string>>, folder: string): Promise<void> {
  await mkdir(path.dirname(folder), { recursive: true });
  const made = await mkdtemp(`${folder}-`);
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(made, name), text);
  await run(process.execPath, [require.resolve('prisma/build/index.js'), 'generate', '--no-hints', '--schema', made], { cwd: root });
  await rename(made, folder).catch(async (error: unknown) => {
    // Another process was first.
    await rm(made, { recursive: true });
    if (!(await exists(folder))) throw error;
  });
}

async function exists(folder: string): Promise<boolean> {
  return access(path.join(folder, 'mcp')).then(
    () => true,
    () => false,
  );
}
