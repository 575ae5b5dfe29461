import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { doctorCommand } from '../../src/cli/doctor.ts';
import { fingerprintCommand } from '../../src/cli/fingerprint.ts';
import { initCommand } from '../../src/cli/init.ts';
import { inspectCommand } from '../../src/cli/inspect.ts';
import { compile } from '../support/compile.ts';
import { startExample } from '../support/example.ts';
import { codes, commands, fences, pages, readme, root, table } from './readme.ts';

const run = promisify(execFile);
const json = async (file: string) => JSON.parse(await readFile(root + file, 'utf8')) as Manifest;

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-commands-'));
});
afterAll(() => rm(folder, { recursive: true }));

const masked = (text: string) => text.replaceAll(/\d[\d,]*/g, '#');

describe('commands of README and docs', () => {
  it('are all of a kind that is checked here', () => {
    expect(
      commands.filter(
        command =>
          !/^(?:npm (?:install|ci|init -y$|pkg set type=module$|test|run) ?|npx (?:koa-mcp (?:init$|check )|prisma )|curl |claude mcp add )/.test(
            command,
          ),
      ),
    ).toEqual([]);
  });

  it('install the peers, Prisma with its SQLite adapter, a loader of TypeScript, and nothing else', async () => {
    const { peerDependencies } = await json('package.json');
    // For apps that have it anyway.
    const { '@opentelemetry/api': _, ...needed } = peerDependencies;
    const installed = commands
      .filter(command => command.startsWith('npm install '))
      .flatMap(command => command.split(' ').slice(2))
      .filter(word => !word.startsWith('--'));
    const others = ['koa-mcp', 'prisma', '@prisma/adapter-libsql', 'tsx'];
    expect([...new Set(installed)].toSorted()).toEqual([...others, ...Object.keys(needed)].toSorted());
  });

  it('run scripts that there are, here and in CONTRIBUTING.md', async () => {
    const { scripts } = await json('package.json');
    const texts = [...pages.map(({ text }) => text), await readFile(`${root}CONTRIBUTING.md`, 'utf8')];
    const named = texts.flatMap(text => [...text.matchAll(/npm (?:run )?((?<=run )[\w:-]+|test)/g)].map(([, script = '']) => script));
    expect(named.length).toBeGreaterThan(5);
    for (const script of named) expect(Object.keys(scripts)).toContain(script);
  });

  it('name only files that there are, in the map of CONTRIBUTING.md', async () => {
    const map = (await readFile(`${root}CONTRIBUTING.md`, 'utf8')).split('## Where to look')[1]?.split('## Code')[0] ?? '';
    const rows = map.split('\n').filter(line => line.startsWith('| ') && !line.startsWith('| task'));
    expect(rows).toHaveLength(19);
    for (const row of rows) {
      const files = [...row.matchAll(/`((?:src|test|docs)\/[\w./-]+)`/g)].map(([, file = '']) => file);
      expect(files.map(file => [file, existsSync(root + file)])).toEqual(files.map(file => [file, true]));
    }
  });

  it('`npm ci` finds every package of every platform in the lock file: without one of them npm 11 refuses it', async () => {
    const { packages } = await json('package-lock.json');
    const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        name => !(`${place}/node_modules/${name}` in packages) && !(`node_modules/${name}` in packages),
      ),
    );
    expect(missing).toEqual([]);
  });

  it('`npx koa-mcp init` goes on as README does, and adds the models that README names', async () => {
    const schema = await readFile(`${root}example-app/prisma/schema.prisma`, 'utf8');
    await mkdir(path.join(folder, 'prisma'));
    await writeFile(path.join(folder, 'prisma/schema.prisma'), schema.replace(/generator mcp \{[^}]*\}/, ''));
    const bin = await compile(new URL('../../src/cli/bin.ts', import.meta.url));
    const { stdout } = await run(process.execPath, [bin, 'init'], { cwd: folder });
    const next = [...new Set(commands.slice(commands.indexOf('npx koa-mcp init') + 1).filter(command => command.startsWith('npx prisma')))];
    expect(next).toHaveLength(2);
    expect(stdout).toMatch(new RegExp(next.join('\\s+')));
    const named = codes(/adds the eight models [^(]*\(([^)]*)\)/.exec(readme)?.[1]);
    expect(/added (Mcp.*)/.exec(stdout)?.[1]?.split(', ')).toEqual(named);
    const source = await readFile(`${root}prisma/mcp.prisma`, 'utf8');
    expect([...source.matchAll(/^model (\w+)/gm)].map(([, model]) => model)).toEqual(named);
  });

  it('`npx koa-mcp check` prints what docs/check.md shows of it, but for numbers', async () => {
    const checks = commands.filter(command => command.startsWith('npx koa-mcp check'));
    expect(new Set(checks)).toEqual(new Set(['npx koa-mcp check example-app/endpoint.ts']));
    const [report, line] = fences
      .filter(({ file, language }) => file === 'docs/check.md' && language === 'text')
      .map(({ text }) => masked(text));
    const { stdout } = await run(process.execPath, [`${root}dist/cli/bin.js`, 'check', 'example-app/endpoint.ts'], { cwd: root });
    expect(masked(stdout).startsWith(report ?? '-')).toBe(true);
    expect(line).toBe(`koa-mcp ${masked(stdout.split('\n\n')[0] ?? '').replace(';\n', '; ')}\n`);
  });

  it('docs/command-line.md names the options of every command', async () => {
    const page = pages.find(({ file }) => file === 'docs/command-line.md')?.text ?? '';
    for (const { name, options } of [initCommand, doctorCommand, inspectCommand, fingerprintCommand]) {
      const section = page.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
      for (const option of Object.keys(options)) expect([name, section]).toEqual([name, expect.stringContaining(`--${option}`)]);
    }
  });

  it('with curl count the bookings of Ada, and the example prints how to connect Claude as README does', async () => {
    await using example = await startExample({ DATABASE_URL: `file:${path.join(folder, 'reservations.db')}` });
    const curl = fences.find(({ text }) => text.includes('curl'))?.text.replaceAll('http://127.0.0.1:3000', example.origin) ?? '';
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', curl], { cwd: folder });
    const [initialized, counted] = stdout.replace('}{', '}\n{').split('\n');
    expect(JSON.parse(initialized ?? '')).toMatchObject({ id: 1, result: { serverInfo: { name: 'reservations' } } });
    expect(JSON.parse(counted ?? '')).toMatchObject({ id: 2, result: { structuredContent: { count: 12 } } });

    const clients = new Map(table('client', 'how').map(([client, how]) => [client, codes(how)[0] ?? '']));
    for (const claude of [clients.get('Claude Code'), commands.find(command => command.startsWith('claude '))]) {
      expect(example.output()).toContain(claude?.replace('http://127.0.0.1:3000', example.origin));
    }
    const cursor = JSON.parse(clients.get('Cursor, in `.cursor/mcp.json`') ?? '') as { mcpServers: { reservations: { url: string } } };
    expect(cursor.mcpServers.reservations.url).toBe('http://127.0.0.1:3000/mcp');
  });

  it('the example has as many rows as README says', async () => {
    const [, clients, bookings] = /has (\d+) clients and ([\d,]+) bookings/.exec(readme) ?? [];
    const seed = await readFile(`${root}example-app/seed.ts`, 'utf8');
    const lengths = [...seed.matchAll(/length: (\d+) \}, \(_, index\)/g)].map(([, length]) => Number(length));
    expect(lengths).toEqual([Number(clients), Number(bookings?.replace(',', ''))]);
  });
});
