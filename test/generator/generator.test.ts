import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import { compile } from '../support/compile.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);
const run = promisify(execFile);
const cli = await compile(new URL('../../src/cli/bin.ts', import.meta.url));
const command = [process.execPath, cli].map(part => JSON.stringify(part)).join(' ');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-generator-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs Prisma's own CLI over a schema whose `generator mcp` has these further lines; its output folder. */
async function generate(name: string, lines: string, more = '', provider = 'sqlite'): Promise<string> {
  const schema = path.join(folder, `${name}.prisma`);
  const generator = `generator mcp {\n  provider = ${JSON.stringify(command)}\n  output = "./${name}"\n  ${lines}\n}`;
  const model = '/// Has "quotes", `ticks` and a \\ backslash.\nmodel Thing {\n  id Int @id\n}';
  await writeFile(schema, `datasource db {\n  provider = "${provider}"\n}\n${generator}\n${more}\n${model}\n`);
  await run(process.execPath, [require.resolve('prisma/build/index.js'), 'generate', '--no-hints', '--schema', schema], { cwd: root });
  return path.join(folder, name);
}

describe('generator mcp', () => {
  it('writes JavaScript with its declaration where no TypeScript client is generated, and a second run leaves the file alone', async () => {
    const output = await generate('plain', '');
    expect((await readdir(output)).sort()).toEqual(['datamodel.d.mts', 'datamodel.mjs']);
    const module = path.join(output, 'datamodel.mjs');
    const { datamodel } = (await import(pathToFileURL(module).href)) as { datamodel: Datamodel };
    // As a CommonJS app would.
    expect((require(module) as { datamodel: Datamodel }).datamodel).toEqual(datamodel);
    expect(datamodel.models['Thing']).toMatchObject({
      key: 'thing',
      documentation: 'Has "quotes", `ticks` and a \\ backslash.',
      primaryKey: ['id'],
    });
    expect(await readFile(path.join(output, 'datamodel.d.mts'), 'utf8')).toContain("import type { Datamodel } from 'koa-mcp';");

    const { mtimeMs } = await stat(module);
    await generate('plain', '');
    expect((await stat(module)).mtimeMs).toBe(mtimeMs);
  });

  it('writes a CommonJS module where the nearest package.json is of that type, and removes the module that it wrote before', async () => {
    const manifest = path.join(folder, 'package.json');
    const output = await generate('common', 'format = "js"');
    await writeFile(manifest, '{}');
    await writeFile(path.join(output, 'mine.mjs'), '');
    await generate('common', '');
    expect((await readdir(output)).sort()).toEqual(['datamodel.cjs', 'datamodel.d.cts', 'mine.mjs']);
    const { datamodel } = require(path.join(output, 'datamodel.cjs')) as { datamodel: Datamodel };
    expect(Object.keys(datamodel.models)).toEqual(['Thing']);
    // As a module would.
    const imported = (await import(pathToFileURL(path.join(output, 'datamodel.cjs')).href)) as { datamodel: Datamodel };
    expect(imported.datamodel).toEqual(datamodel);

    await writeFile(manifest, '{ "type": "module" }');
    await generate('common', '');
    expect((await readdir(output)).sort()).toEqual(['datamodel.d.mts', 'datamodel.mjs', 'mine.mjs']);
    await rm(manifest);
  });

  it('writes TypeScript beside a prisma-client, or when told to', async () => {
    const client = 'generator client {\n  provider = "prisma-client"\n  output = "./beside/client"\n}';
    expect(await readdir(await generate('beside', '', client))).toEqual(['client', 'datamodel.ts']);
    expect(await readdir(await generate('told', 'format = "ts"'))).toEqual(['datamodel.ts']);
  });

  it.each([
    ['sqlite', '', undefined],
    ['mysql', '', true],
    ['postgresql', '', undefined],
    ['postgresql', 'previewFeatures = ["fullTextSearchPostgres"]', true],
  ])('says whether a client for %s has full-text search: %s', async (provider, line, expected) => {
    const name = `${provider}${line.length}`;
    const client = `generator client {\n  provider = "prisma-client"\n  output = "./${name}/client"\n  ${line}\n}`;
    const output = await generate(name, 'format = "js"', client, provider);
    const { datamodel } = (await import(pathToFileURL(path.join(output, 'datamodel.mjs')).href)) as { datamodel: Datamodel };
    expect(datamodel.fullText).toBe(expected);
  });

  it.each([
    ['format = "yaml"', 'format is "yaml"; it can be "ts", "js" or "cjs"'],
    ['formatt = "ts"', 'unknown option formatt (there are: provider, output, format)'],
  ])('refuses %s and says what there is', async (line, message) => {
    await expect(generate('refused', line)).rejects.toThrow(message);
  });
});
