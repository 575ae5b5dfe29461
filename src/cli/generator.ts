import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { GeneratorManifest, GeneratorOptions } from '@prisma/generator-helper';
import type { Datamodel } from '../models/datamodel/datamodel.ts';
import { isPostgres, toDatamodel } from '../models/datamodel/datamodel.ts';

/** Language of the written datamodel. */
export type DatamodelFormat = 'ts' | 'js';

/** What `prisma generate` prints of this generator, and where it writes when the schema does not say. */
export const manifest: GeneratorManifest = { prettyName: 'koa-mcp datamodel', defaultOutput: './generated/mcp' };

/**
 * Runs `generator mcp`: writes `datamodel.ts`, or `datamodel.mjs` with `datamodel.d.mts`, into the generator's `output` folder.
 *
 * TypeScript beside a `prisma-client`, whose output is TypeScript too, and JavaScript beside anything else; `format = "ts"` or `"js"` overrides.
 *
 * @throws {TypeError} An unknown `format`, or an option that does not exist.
 */
export async function generate(options: GeneratorOptions): Promise<void> {
  const folder = options.generator.output?.value;
  if (!folder) throw new TypeError(`generator ${options.generator.name}: output is missing; add output = "../generated/mcp"`);
  const files = toModules(toDatamodel(options.dmmf, sourceOf(options)), resolveFormat(options));
  await mkdir(folder, { recursive: true });
  await Promise.all(Object.entries(files).map(([name, text]) => writeIfChanged(path.join(folder, name), text)));
}

/** The files of one datamodel by name. Their text depends on the schema alone, so that a second run changes nothing. */
export function toModules(datamodel: Datamodel, format: DatamodelFormat): Record<string, string> {
  const value = JSON.stringify(datamodel, undefined, 2);
  if (format === 'ts') {
    return { 'datamodel.ts': `${banner}import type { Datamodel } from 'koa-mcp';\n\nexport const datamodel: Datamodel = ${value};\n` };
  }
  return {
    // `.mjs`: this file is a module in packages of either type, and `require` loads it too.
    'datamodel.mjs': `${banner}export const datamodel = ${value};\n`,
    'datamodel.d.mts': `${banner}import type { Datamodel } from 'koa-mcp';\n\nexport declare const datamodel: Datamodel;\n`,
  };
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

function resolveFormat({ generator, otherGenerators }: GeneratorOptions): DatamodelFormat {
  const { format, ...unknown } = generator.config as Record<string, string | string[] | undefined>;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw new TypeError(`generator ${generator.name}: unknown option ${name} (there are: provider, output, format)`);
  if (format === 'ts' || format === 'js') return format;
  if (format !== undefined) throw new TypeError(`generator ${generator.name}: format is "${String(format)}"; it can be "ts" or "js"`);
  return otherGenerators.some(other => other.provider.value === 'prisma-client') ? 'ts' : 'js';
}

/** Leaves the file time alone when nothing changed, so that watchers do not restart. */
async function writeIfChanged(file: string, text: string): Promise<void> {
  const current = await readFile(file, 'utf8').catch(() => undefined);
  if (current !== text) await writeFile(file, text);
}
