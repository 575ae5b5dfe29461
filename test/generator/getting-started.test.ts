import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands, fences, root } from '../readme/readme.ts';
import { startNode } from '../support/example.ts';
import { freePort } from '../support/free-port.ts';
import type { InstalledFolder } from '../support/installed-package.ts';
import { installPackage, withoutEngine } from '../support/installed-package.ts';

const run = promisify(execFile);
const page = fences.filter(({ file }) => file === 'docs/getting-started.md');
const fence = (language: string, fits: (text: string) => boolean = () => true): string =>
  page.find(candidate => candidate.language === language && fits(candidate.text))?.text ?? expect.fail(`no fence ${language}`);

/** A kind of app, with what the page says of it. */
interface Kind {
  readonly type: 'module' | 'commonjs';
  readonly file: string;
  readonly app: string;
  /** Arguments of Node before the file. */
  readonly node: readonly string[];
  readonly provider: 'prisma-client' | 'prisma-client-js';
}

const isCommonJs = (text: string) => text.includes('require(');
const kinds: Readonly<Record<string, Kind>> = {
  TypeScript: {
    type: 'module',
    file: 'app.ts',
    app: fence('ts', text => text.includes('koa-mcp')),
    node: ['--import', 'tsx'],
    provider: 'prisma-client',
  },
  JavaScript: { type: 'module', file: 'app.js', app: fence('js', text => !isCommonJs(text)), node: [], provider: 'prisma-client-js' },
  CommonJS: { type: 'commonjs', file: 'app.js', app: fence('js', isCommonJs), node: [], provider: 'prisma-client-js' },
};

/** Replaces a piece that a text has. */
function replaced(text: string, piece: string, other: string): string {
  expect(text).toContain(piece);
  return text.replaceAll(piece, other);
}

describe.each(['7', '6.19'])('docs/getting-started.md with Prisma %s', version => {
  let installed: InstalledFolder;
  beforeAll(async () => {
    const ofPrisma = ['prisma', '@prisma/client', '@prisma/adapter-libsql'];
    const named = commands.filter(command => command.startsWith('npm install ')).flatMap(command => command.split(' ').slice(2));
    const others = new Set(named.filter(word => !word.startsWith('--') && word !== 'koa-mcp' && !ofPrisma.includes(word)));
    installed = await installPackage([...others, ...ofPrisma.map(name => `${name}@${version}`), '@types/node@20']);
  }, 600_000);
  afterAll(() => installed[Symbol.asyncDispose]());

  /** A new folder with what the page has of an app of this kind. */
  async function write(kind: Kind, port: number): Promise<string> {
    const folder = path.join(installed.path, `${kind.provider}-${kind.type}`);
    await mkdir(path.join(folder, 'prisma'), { recursive: true });
    await symlink('../node_modules', path.join(folder, 'node_modules'));
    let schema = replaced(fence('prisma'), 'provider = "prisma-client"', `provider = "${kind.provider}"`);
    let app = replaced(kind.app, '3000', String(port));
    if (version === '7') {
      await writeFile(
        path.join(folder, 'prisma.config.ts'),
        fence('ts', text => text.includes('prisma/config')),
      );
    } else {
      schema = replaced(schema, 'provider = "sqlite"', 'provider = "sqlite"\n  url = "file:../dev.db"');
      schema = replaced(schema, 'generator client {', 'generator client {\n  engineType = "client"');
      app = replaced(app, 'PrismaLibSql', 'PrismaLibSQL');
    }
    await writeFile(path.join(folder, 'package.json'), JSON.stringify({ private: true, type: kind.type }));
    await writeFile(path.join(folder, 'tsconfig.json'), fence('json'));
    await writeFile(path.join(folder, 'prisma/schema.prisma'), schema);
    await writeFile(path.join(folder, kind.file), app);
    return folder;
  }

  it.each(Object.entries(kinds))(
    'makes an app in %s that an official client calls',
    async (name, kind) => {
      const folder = await write(kind, await freePort());
      const options = { cwd: folder, env: withoutEngine };
      await run('npx', ['koa-mcp', 'init'], options);
      await run('npx', ['prisma', 'generate'], options);
      // `prisma migrate` runs the schema engine, which not every machine can download.
      await createTables(path.join(folder, 'dev.db'));
      if (name === 'TypeScript') await run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', '.'], options);

      await using app = await startNode([...kind.node, kind.file], options);
      const client = new Client({ name: 'newcomer', version: '1.0.0' });
      await client.connect(new StreamableHTTPClientTransport(new URL(`${app.origin}/mcp`)));
      const call = async (tool: string, args: Record<string, unknown>) =>
        (await client.callTool({ name: tool, arguments: args })).structuredContent;
      expect(await call('client_create', { data: { name: 'Ada' } })).toEqual({ id: 1, name: 'Ada' });
      const startsAt = '2027-03-01T18:00:00.000Z';
      const booking = { id: 1, clientId: 1, startsAt, client: { id: 1, name: 'Ada' } };
      expect(await call('booking_create', { data: { clientId: 1, startsAt } })).toEqual(booking);
      expect(await call('booking_findMany', {})).toEqual({ rows: [booking] });
      await client.close();
      expect(app.output()).not.toMatch(/warning/i);
    },
    120_000,
  );
});

/** The tables of the page's models and of koa-mcp. */
async function createTables(file: string): Promise<void> {
  const statements = (await readFile(`${root}prisma/test/sqlite.sql`, 'utf8')).split(/;\s*$/m).filter(sql => /"Mcp\w+"/.test(sql));
  const own = [
    'CREATE TABLE "Client" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "name" TEXT NOT NULL)',
    `CREATE TABLE "Booking" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "clientId" INTEGER NOT NULL, "startsAt" DATETIME NOT NULL,
      FOREIGN KEY ("clientId") REFERENCES "Client" ("id"))`,
  ];
  const connection = await new PrismaLibSql({ url: `file:${file}` }).connect();
  await connection.executeScript([...own, ...statements].join(';\n'));
  await connection.dispose();
}
