/**
 * `npm run generate`: the Prisma clients and datamodels of the tests, of the leak hunt and of the example, each for SQLite and for PostgreSQL.
 *
 * A Prisma client serves one kind of database, so each set of models becomes two schemas that differ in their datasource.
 * Skips what is up to date. Runs `generator mcp` from source, so that it works before the first build.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { modelsFor } from '../src/cli/init.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const run = promisify(execFile);

const tsx = pathToFileURL(require.resolve('tsx')).href;
const generatorCommand = [process.execPath, '--import', tsx, path.join(root, 'src/cli/bin.ts')].map(part => JSON.stringify(part)).join(' ');

interface Target {
  readonly provider: 'sqlite' | 'postgresql';
  /** Models, without datasource or generators. */
  readonly models: string;
  /** Gets `client/` and `mcp/`, and the composed schema. */
  readonly output: string;
}

const targets = await composeTargets();
const stale = await Promise.all(targets.map(isStale));
for (const [index, target] of targets.entries()) if (stale[index]) await generateTarget(target);

async function composeTargets(): Promise<Target[]> {
  const read = (file: string) => readFile(path.join(root, file), 'utf8');
  const mcp = await read('prisma/mcp.prisma');
  const hunt = 'test/leak-hunt/schema';
  const sets = [
    { own: await read('prisma/test.prisma'), postgresql: await read('prisma/test.postgresql.prisma'), folder: 'generated/test' },
    { own: await read(`${hunt}.prisma`), postgresql: await read(`${hunt}.postgresql.prisma`), folder: 'generated/leak-hunt' },
    { own: withoutBlocks(await read('example-app/prisma/schema.prisma')), postgresql: '', folder: 'example-app/generated' },
  ];
  const providers = ['sqlite', 'postgresql'] as const;
  return sets.flatMap(({ own, folder, ...more }) =>
    providers.map(provider => {
      const models = [own, modelsFor(provider, mcp), ...(provider === 'postgresql' ? [more.postgresql] : [])].join('\n');
      return { provider, models, output: path.join(root, folder, provider) };
    }),
  );
}

function withoutBlocks(schema: string): string {
  return schema.replace(/^(?:datasource|generator)\s+\w+\s*\{[^}]*\}\n?/gm, '');
}

async function isStale(target: Target): Promise<boolean> {
  const stamp = await readFile(path.join(target.output, 'stamp'), 'utf8').catch(() => undefined);
  return stamp !== (await fingerprint(target));
}

/** Everything that the output depends on. */
async function fingerprint(target: Target): Promise<string> {
  const sources = [
    'prisma/generate.ts',
    'src/cli/bin.ts',
    'src/cli/generator.ts',
    'src/models/datamodel/datamodel.ts',
    'node_modules/prisma/package.json',
  ];
  const hash = createHash('sha256').update(toSchema(target));
  for (const file of sources) hash.update(await readFile(path.join(root, file)));
  return hash.digest('hex');
}

async function generateTarget(target: Target): Promise<void> {
  const schema = path.join(target.output, 'schema.prisma');
  await rm(target.output, { recursive: true, force: true });
  await mkdir(target.output, { recursive: true });
  await writeFile(schema, toSchema(target));
  await run(process.execPath, [require.resolve('prisma/build/index.js'), 'generate', '--no-hints', '--schema', schema], { cwd: root });
  await writeFile(path.join(target.output, 'stamp'), await fingerprint(target));
  console.log(`generated ${path.relative(root, target.output)}`);
}

function toSchema({ provider, models }: Target): string {
  return `datasource db {
  provider = "${provider}"
}

generator client {
  provider            = "prisma-client"
  output              = "./client"
  importFileExtension = "ts"
  previewFeatures     = [${provider === 'postgresql' ? '"views", "fullTextSearchPostgres"' : '"views"'}]
}

generator mcp {
  provider = ${JSON.stringify(generatorCommand)}
  output   = "./mcp"
}

${models}`;
}
