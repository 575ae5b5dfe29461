import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { GeneratorManifest, GeneratorOptions } from '@prisma/generator-helper';
import type { Datamodel } from '../models/datamodel/datamodel.ts';
import { isPostgres, toDatamodel } from '../models/datamodel/datamodel.ts';
import { packageFolder } from './schema-location.ts';

/** How the datamodel is written: TypeScript, an ECMAScript module, or a CommonJS module. */
export type DatamodelFormat = 'ts' | 'js' | 'cjs';

/** What `prisma generate` prints of this generator, and where it writes when the schema does not say. */
export const manifest: GeneratorManifest = { prettyName: 'koa-mcp datamodel', defaultOutput: './generated/mcp' };

/**
 * Runs `generator mcp`: writes `datamodel.ts`, or `datamodel.mjs` or `.cjs` with their declaration, into the generator's `output` folder.
 *
 * TypeScript beside a `prisma-client`, whose output is TypeScript too. Otherwise JavaScript: a CommonJS module if the nearest package.json is of
 * that type, else an ECMAScript module. `format = "ts"`, `"js"` or `"cjs"` overrides. Files that an earlier run wrote in another format are removed.
 *
 * @throws {TypeError} An unknown `format`, or an option that does not exist.
 */
export async function generate(options: GeneratorOptions): Promise<void> {
  const folder = options.generator.output?.value;
  if (!folder) throw new TypeError(`generator ${options.generator.name}: output is missing; add output = "../generated/mcp"`);
  const format = declaredFormat(options) ?? (await usualFormat(folder, options));
  const files = toModules(toDatamodel(options.dmmf, sourceOf(options)), format);
  await mkdir(folder, { recursive: true });
  await Promise.all(Object.entries(files).map(([name, text]) => writeIfChanged(path.join(folder, name), text)));
  const others = names.filter(name => !Object.hasOwn(files, name));
  await Promise.all(others.map(name => removeOurs(path.join(folder, name))));
}

/** The files of every format. */
const names = ['datamodel.ts', 'datamodel.mjs', 'datamodel.d.mts', 'datamodel.cjs', 'datamodel.d.cts'];

/** The files of one datamodel by name. Their text depends on the schema alone, so that a second run changes nothing. */
export function toModules(datamodel: Datamodel, format: DatamodelFormat): Record<string, string> {
  const value = JSON.stringify(datamodel, undefined, 2);
  const declaration = (attributes: string) =>
    `${banner}import type { Datamodel } from 'koa-mcp'${attributes};\n\nexport declare const datamodel: Datamodel;\n`;
  switch (format) {
    case 'ts':
      return { 'datamodel.ts': `${banner}import type { Datamodel } from 'koa-mcp';\n\nexport const datamodel: Datamodel = ${value};\n` };
    case 'js':
      // `.mjs`: this file is a module in packages of either type, and `require` loads it too.
      return { 'datamodel.mjs': `${banner}export const datamodel = ${value};\n`, 'datamodel.d.mts': declaration('') };
    case 'cjs':
      return {
        'datamodel.cjs': `${banner}'use strict';\n\nexports.datamodel = ${value};\n`,
        // TypeScript asks for the attribute where a CommonJS file names the types of a module.
        'datamodel.d.cts': declaration(" with { 'resolution-mode': 'import' }"),
      };
  }
}

const banner =
  '// Written by `generator mcp` (koa-mcp). Do not edit: `prisma generate` writes it again.\n/* eslint-disable */\n// biome-ignore-all lint: generated\n// @ts-nocheck\n';

/** Prisma has full-text search for MySQL, and for PostgreSQL as a preview. */
function sourceOf({ datasources, otherGenerators }: GeneratorOptions): Pick<Datamodel, 'provider' | 'fullText'> {
  const provider = datasources[0]?.activeProvider;
  if (provider === undefined) return {};
  const isPreviewed = otherGenerators.some(({ previewFeatures }) => previewFeatures.includes('fullTextSearchPostgres'));
  const fullText = provider === 'mysql' || (isPostgres(provider) && isPreviewed);
  return { provider, ...(fullText && { fullText }) };
}

function declaredFormat({ generator }: GeneratorOptions): DatamodelFormat | undefined {
  const { format, ...unknown } = generator.config as Record<string, string | string[] | undefined>;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw new TypeError(`generator ${generator.name}: unknown option ${name} (there are: provider, output, format)`);
  if (format === undefined || format === 'ts' || format === 'js' || format === 'cjs') return format;
  throw new TypeError(`generator ${generator.name}: format is "${String(format)}"; it can be "ts", "js" or "cjs"`);
}

async function usualFormat(folder: string, { otherGenerators }: GeneratorOptions): Promise<DatamodelFormat> {
  if (otherGenerators.some(other => other.provider.value === 'prisma-client')) return 'ts';
  const root = await packageFolder(path.dirname(path.resolve(folder)));
  if (root === undefined) return 'js';
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { type?: unknown };
  return manifest.type === 'module' ? 'js' : 'cjs';
}

/** Removes a file that this generator wrote. An app that still imports it then fails, instead of using an old datamodel. */
async function removeOurs(file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text.startsWith(banner)) await rm(file);
}

/** Leaves the file time alone when nothing changed, so that watchers do not restart. */
async function writeIfChanged(file: string, text: string): Promise<void> {
  const current = await readFile(file, 'utf8').catch(() => undefined);
  if (current !== text) await writeFile(file, text);
}
