import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

/** Where an app keeps its Prisma schema. */
export interface SchemaLocation {
  /** File or folder, absolute. */
  readonly path: string;
  /** Who says so, for people: `prisma.config.ts`. */
  readonly source: string;
  /** The folder of the migrations, absolute, if Prisma's configuration names it. */
  readonly migrations: string | undefined;
}

/** The part of `@prisma/config` that is used here. */
interface PrismaConfigModule {
  readonly loadConfigFromFile: (input: { configRoot: string }) => Promise<{
    readonly resolvedPath: string | null;
    readonly config?: { readonly schema?: string; readonly migrations?: { readonly path?: string } };
    readonly error?: { readonly _tag: string; readonly error?: Error };
  }>;
}

/** The schema that Prisma takes if nothing names one, in Prisma's order. */
const usual = ['schema.prisma', 'prisma/schema.prisma'];

/**
 * Finds the Prisma schema of an app as the app's own Prisma does: by `--schema`, then by Prisma's configuration file, which Prisma's own loader
 * reads, then (Prisma 6) by `prisma.schema` of package.json, then at the usual places.
 *
 * @param cwd The folder in which the app runs Prisma.
 * @param schema The value of `--schema`.
 * @throws {Error} There is no schema; or the configuration cannot be loaded, with Prisma's reason.
 */
export async function locateSchema(cwd: string, schema: string | undefined): Promise<SchemaLocation> {
  const prisma = findPrisma(cwd);
  // `--schema` works where the configuration does not, e.g. without the variables of the app's environment.
  const config = await loadConfig(cwd, prisma).catch((error: unknown) => {
    if (schema === undefined) throw error;
    return undefined;
  });
  const migrations = config?.migrations;
  const found = (place: string, source: string): SchemaLocation => ({ path: path.resolve(cwd, place), source, migrations });
  if (schema !== undefined) return existing(found(schema, '--schema'));
  if (config?.schema !== undefined) return existing(found(config.schema, config.file));
  const named = prisma !== undefined && Number.parseInt(prisma.version, 10) >= 7 ? undefined : await schemaOfManifest(cwd);
  if (named !== undefined) return existing(found(named, 'package.json'));
  for (const place of usual) if (await exists(path.resolve(cwd, place))) return found(place, 'its usual place');
  throw new Error(`no Prisma schema found in ${cwd} (tried ${usual.join(', ')}); pass --schema PATH`);
}

async function existing(location: SchemaLocation): Promise<SchemaLocation> {
  if (await exists(location.path)) return location;
  const remedy = location.source === '--schema' ? 'pass --schema PATH with your schema file or folder' : 'pass --schema PATH';
  throw new Error(`${location.path}, which ${location.source} names, does not exist; ${remedy}`);
}

async function exists(place: string): Promise<boolean> {
  return (await stat(place).catch(() => undefined)) !== undefined;
}

/** The package `prisma` of an app. */
interface PrismaPackage {
  readonly manifest: string;
  readonly version: string;
}

function findPrisma(cwd: string): PrismaPackage | undefined {
  const require = createRequire(path.join(cwd, 'package.json'));
  try {
    const manifest = require.resolve('prisma/package.json');
    return { manifest, version: (require(manifest) as { version: string }).version };
  } catch {
    return undefined;
  }
}

interface LoadedConfig {
  /** The name of the configuration file. */
  readonly file: string;
  readonly schema: string | undefined;
  readonly migrations: string | undefined;
}

/** Loads Prisma's configuration file; `undefined` if there is none. */
async function loadConfig(cwd: string, prisma: PrismaPackage | undefined): Promise<LoadedConfig | undefined> {
  const loader = prisma && findLoader(prisma);
  if (loader === undefined) {
    const file = await findConfigFile(cwd);
    if (file === undefined) return undefined;
    throw new Error(
      `${file} may name the schema, but no Prisma that can read it is installed; run npm install --save-dev prisma, or pass --schema PATH`,
    );
  }
  const { resolvedPath, config, error } = await loader.loadConfigFromFile({ configRoot: cwd });
  if (error !== undefined) {
    // After an error while it runs, Prisma names the folder instead of the file.
    const file = (await findConfigFile(cwd)) ?? path.relative(cwd, resolvedPath ?? cwd);
    throw new Error(`${file} cannot be loaded: ${error.error?.message ?? error._tag}; mend it, or pass --schema PATH`, {
      cause: error.error,
    });
  }
  if (resolvedPath === null) return undefined;
  return { file: path.relative(cwd, resolvedPath), schema: config?.schema, migrations: config?.migrations?.path };
}

/** The loader that the app's `prisma` itself uses. */
function findLoader({ manifest }: PrismaPackage): PrismaConfigModule | undefined {
  const requireForPrisma = createRequire(manifest);
  try {
    const loader = requireForPrisma('@prisma/config') as Partial<PrismaConfigModule>;
    return typeof loader.loadConfigFromFile === 'function' ? (loader as PrismaConfigModule) : undefined;
  } catch {
    return undefined;
  }
}

async function findConfigFile(cwd: string): Promise<string | undefined> {
  const extensions = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs'];
  for (const file of extensions.flatMap(extension => [`prisma.config.${extension}`, `.config/prisma.${extension}`])) {
    if (await exists(path.join(cwd, file))) return file;
  }
  return undefined;
}

/** `prisma.schema` of the nearest package.json, absolute. */
async function schemaOfManifest(cwd: string): Promise<string | undefined> {
  const folder = await packageFolder(cwd);
  if (folder === undefined) return undefined;
  const manifest: unknown = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  const { schema } = (manifest as { prisma?: { schema?: unknown } }).prisma ?? {};
  return typeof schema === 'string' ? path.resolve(folder, schema) : undefined;
}

/** The nearest folder, from `folder` upwards, that has a package.json. */
export async function packageFolder(folder: string): Promise<string | undefined> {
  if (await exists(path.join(folder, 'package.json'))) return folder;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : packageFolder(parent);
}
