import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init, modelsFor } from '../../src/cli/init.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const source = await readFile(path.join(root, 'prisma/mcp.prisma'), 'utf8');

/** Folders that contain the package `prisma` of a version. */
const installed = new Map([[7, path.join(root, 'node_modules')]]);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-schemas-'));
  const old = path.join(folder, 'prisma-6');
  await mkdir(old);
  await writeFile(path.join(old, 'package.json'), '{"private":true}');
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', 'prisma@6.19'], { cwd: old });
  installed.set(6, path.join(old, 'node_modules'));
}, 300_000);
afterAll(() => rm(folder, { recursive: true }));

const model = 'model Own {\n  id Int @id\n}\n';
const datasource = (provider: string, more = '') => `datasource db {\n  provider = "${provider}"\n${more}}\n`;
const url = '  url      = "file:./dev.db"\n';
const client = (output?: string) =>
  output === undefined
    ? 'generator client {\n  provider = "prisma-client-js"\n}\n'
    : `generator client {\n  provider = "prisma-client"\n  output   = "${output}"\n}\n`;
const whole = (provider: string) => `${client('../src/generated/prisma')}\n${datasource(provider)}\n${model}`;
const decoy = { 'prisma/schema.prisma': whole('sqlite') };

interface Shape {
  readonly title: string;
  readonly prisma?: 6 | 7;
  readonly files: Readonly<Record<string, string>>;
  /** The files that change or are new. */
  readonly changed: readonly string[];
  /** What one of them then contains. */
  readonly contains?: string;
}

const shapes: readonly Shape[] = [
  {
    title: 'one file at the usual place, SQLite',
    files: decoy,
    changed: ['prisma/schema.prisma'],
    contains: 'output   = "../src/generated/mcp"',
  },
  {
    title: 'one file in the root, MySQL, prisma-client-js without output, no final newline',
    files: { 'schema.prisma': `${client()}\n${datasource('mysql')}\n${model.trimEnd()}` },
    changed: ['schema.prisma'],
    contains: 'output   = "./generated/mcp"',
  },
  {
    title: 'prisma.config.ts with the schema in one line, beside a schema at the usual place',
    files: { 'prisma.config.ts': "export default { schema: 'db/schema.prisma' };", 'db/schema.prisma': whole('postgresql'), ...decoy },
    changed: ['db/schema.prisma'],
  },
  {
    title: 'prisma.config.ts that computes the path of a folder',
    files: {
      'prisma.config.ts':
        "import path from 'node:path';\nimport { defineConfig } from 'prisma/config';\nconst where = 'db';\nexport default defineConfig({ schema: path.join(import.meta.dirname ?? __dirname, where, 'schema') });",
      'db/schema/base.prisma': `${client('../../src/client')}\n${datasource('sqlite')}`,
      'db/schema/models/own.prisma': model,
      ...decoy,
    },
    changed: ['db/schema/base.prisma', 'db/schema/mcp.prisma'],
    contains: 'output   = "../../src/mcp"',
  },
  {
    title: 'prisma.config.js of a CommonJS app',
    files: {
      'package.json': '{}',
      'prisma.config.js': "module.exports = { schema: ['db', 'a.prisma'].join('/') };",
      'db/a.prisma': whole('sqlite'),
    },
    changed: ['db/a.prisma'],
  },
  {
    title: 'prisma.config.cjs',
    files: { 'prisma.config.cjs': "module.exports = { schema: 'db/a.prisma' };", 'db/a.prisma': whole('sqlite'), ...decoy },
    changed: ['db/a.prisma'],
  },
  {
    title: 'prisma.config.mjs',
    files: { 'prisma.config.mjs': "export default { schema: './db' };", 'db/a.prisma': whole('cockroachdb'), ...decoy },
    changed: ['db/a.prisma', 'db/mcp.prisma'],
  },
  {
    title: '.config/prisma.ts',
    files: { '.config/prisma.ts': "export default { schema: '../db/a.prisma' };", 'db/a.prisma': whole('sqlite'), ...decoy },
    changed: ['db/a.prisma'],
  },
  {
    title: 'package.json of an app with Prisma 6',
    prisma: 6,
    files: {
      'package.json': '{ "prisma": { "schema": "db/main.prisma" } }',
      'db/main.prisma': `${client()}\n${datasource('sqlite', url)}\n${model}`,
    },
    changed: ['db/main.prisma'],
  },
  {
    title: 'prisma.config.ts of an app with Prisma 6, which comes before package.json',
    prisma: 6,
    files: {
      'package.json': '{ "prisma": { "schema": "prisma/schema.prisma" } }',
      'prisma.config.ts': "import { defineConfig } from 'prisma/config';\nexport default defineConfig({ schema: 'db/main.prisma' });",
      'db/main.prisma': `${client('./client')}\n${datasource('sqlite', url)}\n${model}`,
      'prisma/schema.prisma': `${datasource('sqlite', url)}\n${model}`,
    },
    changed: ['db/main.prisma'],
  },
  {
    title: 'PostgreSQL with several schemas, without public',
    files: {
      'prisma/schema.prisma': `${client('../client')}\n${datasource('postgresql', '  schemas  = ["app", "audit"]\n')}\n${model.replace('@id\n', '@id\n  @@schema("audit")\n')}`,
    },
    changed: ['prisma/schema.prisma'],
    contains: '  @@index([expiresAt])\n  @@schema("app")\n}',
  },
  {
    title: 'PostgreSQL with several schemas, and one of our models in one of them',
    files: {
      'prisma/schema.prisma': `${datasource('postgresql', '  schemas  = ["public", "agents"] // both\n')}\n/// Kept.\nmodel McpNode {\n  id String @id\n  beat Int\n  @@schema("agents")\n}\n`,
    },
    changed: ['prisma/schema.prisma'],
    contains: '  beat Int\n  /// From here on the row may be removed.\n  expiresAt DateTime\n  @@schema("agents")\n',
  },
  {
    title: 'models that are there, in a file of their own, with names of the app’s own for tables and columns',
    files: {
      'prisma.config.ts': "export default { schema: 'prisma' };",
      'prisma/schema.prisma': `${client('../client')}\n${datasource('sqlite')}\n${model}`,
      'prisma/agents/own-name.prisma': modelsFor('sqlite', source)
        .replaceAll(/^model Mcp(\w+) \{$/gm, 'model Mcp$1 {\n  @@map("mcp_$1")\n')
        .replaceAll('lastSeenAt   DateTime', 'lastSeenAt   DateTime @map("last_seen_at")'),
    },
    changed: ['prisma/schema.prisma'],
  },
  {
    title: 'an older version of our models, with Windows line ends',
    files: {
      'prisma/schema.prisma': `${whole('sqlite')}\n${modelsFor('sqlite', source)
        .replace(/^\/\/\/ One call of a tool that goes on[\s\S]*/m, '')
        .replace('  @@index([principal, expiresAt])\n', '')
        .replace(/^ {2}position .*\n/m, '')}`.replaceAll('\n', '\r\n'),
    },
    changed: ['prisma/schema.prisma'],
    contains: '  position     String?\r\n',
  },
  {
    title: 'comments, texts and names that look like blocks',
    files: {
      'prisma/schema.prisma': `// generator mcp {\n//   provider = "koa-mcp"\n// }\n/*\nmodel McpSession {\n  id Int @id\n}\n*/\n${datasource('sqlite')}\n${client('../client').replace('}\n', '} // the client { of the app }\n')}\ngenerator mcp {\n  provider = "prisma-client"\n  output   = "../other" // koa-mcp\n}\n\n/// model McpTask {\nmodel Own {\n  id   Int    @id // }\n  text String @default("// model McpEvent {")\n}\n\n\n`,
    },
    changed: ['prisma/schema.prisma'],
    contains: '} // the client { of the app }\n\ngenerator koaMcp {',
  },
];

/** Every file of an app. */
async function readApp(app: string): Promise<Map<string, string>> {
  const entries = await readdir(app, { recursive: true, withFileTypes: true });
  const files = entries
    .filter(entry => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map(entry => path.join(entry.parentPath, entry.name));
  const texts = files.map(async file => [path.relative(app, file).split(path.sep).join('/'), await readFile(file, 'utf8')] as const);
  return new Map(await Promise.all(texts));
}

describe('koa-mcp init in an app whose schema is', () => {
  it.each(shapes)('$title', async ({ prisma = 7, files, changed, contains }) => {
    const app = await mkdtemp(path.join(folder, 'app-'));
    for (const [file, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
      await mkdir(path.dirname(path.join(app, file)), { recursive: true });
      await writeFile(path.join(app, file), text);
    }
    await mkdir(path.join(app, 'node_modules'));
    await symlink(path.join(installed.get(prisma) ?? '', 'prisma'), path.join(app, 'node_modules/prisma'));
    const before = await readApp(app);
    const { diff } = await init({ cwd: app, dryRun: true });
    expect(await readApp(app)).toEqual(before);

    expect((await init({ cwd: app })).diff).toBe(diff);
    const after = await readApp(app);
    expect([...after].filter(([file, text]) => before.get(file) !== text).map(([file]) => file)).toEqual([...changed]);
    if (contains !== undefined) expect([...after.values()].join('\n')).toContain(contains);
    // Lines are only added, but for the end of a file that had no newline there.
    expect(diff.split('\n').filter((line, index, lines) => /^-(?!-- )/.test(line) && !lines[index + 1]?.startsWith('\\'))).toEqual([]);

    expect(await init({ cwd: app })).toEqual({ changes: [], warnings: [], diff: '' });
    expect(await readApp(app)).toEqual(after);
    // `prisma validate` looks for the engines and does not run them.
    const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_QUERY_ENGINE_LIBRARY: process.execPath };
    await run(process.execPath, [path.join(app, 'node_modules/prisma/build/index.js'), 'validate'], { cwd: app, env });
  });
});

it('koa-mcp init gives the reason for which Prisma cannot load its configuration', async () => {
  const app = await mkdtemp(path.join(folder, 'app-'));
  await mkdir(path.join(app, 'node_modules'));
  await symlink(path.join(root, 'node_modules/prisma'), path.join(app, 'node_modules/prisma'));
  const config =
    "import { defineConfig, env } from 'prisma/config';\nexport default defineConfig({ datasource: { url: env('NOT_SET') } });";
  await writeFile(path.join(app, 'prisma.config.ts'), config);
  await writeFile(path.join(app, 'schema.prisma'), whole('sqlite'));
  await expect(init({ cwd: app })).rejects.toThrow(/^prisma\.config\.ts cannot be loaded: .*NOT_SET.*; mend it, or pass --schema PATH$/s);
  expect((await init({ cwd: app, schema: 'schema.prisma' })).changes).toHaveLength(2);
});
