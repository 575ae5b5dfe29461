import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../readme/readme.ts';
import { koaMcp } from './built.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-fingerprint-'));
  await mkdir(path.join(folder, 'node_modules'));
  await symlink(root, path.join(folder, 'node_modules/koa-mcp'));
  await symlink(path.join(root, 'node_modules/zod'), path.join(folder, 'node_modules/zod'));
});
afterAll(() => rm(folder, { recursive: true }));

const parts = {
  name: "name: 'house'",
  version: "version: '1.0.0'",
  book: "book: { description: 'Books', inputSchema: z.object({ people: z.int(), name: z.string() }), handler: () => 'done' }",
  menu: "menu: { description: 'Shows the menu', handler: () => 'Soup' }",
};

async function write(name: string, options: string): Promise<string> {
  const file = `${name}.mjs`;
  await writeFile(
    path.join(folder, file),
    `import { mcp } from 'koa-mcp';\nimport { z } from 'zod';\nexport const endpoint = mcp({ ${options} });\n`,
  );
  return file;
}
const tools = (...list: string[]) => `tools: { ${list.join(', ')} }`;
const hashOf = async (file: string) => (await koaMcp(folder, 'fingerprint', file, '--hash')).stdout;

describe('koa-mcp fingerprint', () => {
  it('depends on what is exposed, not on the order of declarations, nor on the version', async () => {
    const first = await hashOf(await write('first', [parts.name, parts.version, tools(parts.book, parts.menu)].join()));
    expect(first).toMatch(/^sha256-[0-9a-f]{64}\n$/);
    const swapped = parts.book.replace('people: z.int(), name: z.string()', 'name: z.string(), people: z.int()');
    const second = await write('second', [tools(parts.menu, swapped), parts.version.replace('1', '2'), parts.name].join());
    expect(await hashOf(second)).toBe(first);
    const other = await write('other', [parts.name, tools(parts.book.replace('z.int()', 'z.int().min(1)'), parts.menu)].join());
    expect(await hashOf(other)).not.toBe(first);
  });

  it('prints sorted JSON, which --check compares', async () => {
    const file = await write('app', [parts.name, tools(parts.book, parts.menu)].join());
    const { stdout } = await koaMcp(folder, 'fingerprint', file);
    const dump = JSON.parse(stdout);
    expect(`${dump.fingerprint}\n`).toBe(await hashOf(file));
    expect(dump.endpoints[0].tools.map((tool: { name: string }) => tool.name)).toEqual(['book', 'menu']);
    expect(Object.keys(dump.endpoints[0])).toEqual(Object.keys(dump.endpoints[0]).toSorted());
    expect(dump.endpoints[0].tools[0].inputSchema.required).toEqual(['name', 'people']);

    await writeFile(path.join(folder, 'exposed.json'), stdout);
    expect(await koaMcp(folder, 'fingerprint', file, '--check', 'exposed.json')).toMatchObject({
      code: 0,
      stdout: `${dump.fingerprint} as in exposed.json\n`,
    });
    const secret = "secret: { description: 'Tells', handler: () => '' }";
    await write('app', [parts.name, tools(parts.book.replace("'Books'", "'Books a table'"), secret)].join());
    const { code, stdout: difference } = await koaMcp(folder, 'fingerprint', file, '--check', 'exposed.json');
    expect(code).toBe(1);
    expect(difference).toContain(
      'house at /mcp: tool book differs in description\nhouse at /mcp: tool menu is gone\nhouse at /mcp: tool secret is new\n',
    );
    expect(difference).toMatch(/^-\s+"description": "Books",\n\+\s+"description": "Books a table",$/m);
  });

  it('names a row policy that is gone', async () => {
    const field = { kind: 'scalar', isList: false, isRequired: true, hasDefaultValue: false, isId: true, isUnique: false };
    const id = { ...field, name: 'id', type: 'Int', isUpdatedAt: false, isReadOnly: false };
    const datamodel = { models: { Cat: { name: 'Cat', key: 'cat', fields: [id], primaryKey: ['id'], uniques: [] } }, enums: {} };
    const options = (where: string) =>
      `name: 'cats', prisma: { cat: { findMany: () => [] } }, sessions: { store: memoryStore() }, datamodel: ${JSON.stringify(datamodel)}, models: { cat: { ${where} } }`;
    const text = (where: string) => `import { mcp, memoryStore } from 'koa-mcp';\nexport const endpoint = mcp({ ${options(where)} });\n`;
    await writeFile(path.join(folder, 'cats.mjs'), text('where: () => ({ id: 1 })'));
    await writeFile(path.join(folder, 'cats.json'), (await koaMcp(folder, 'fingerprint', 'cats.mjs')).stdout);
    await writeFile(path.join(folder, 'cats.mjs'), text(''));
    const { code, stdout } = await koaMcp(folder, 'fingerprint', 'cats.mjs', '--check', 'cats.json');
    expect([code, stdout]).toEqual([1, expect.stringContaining('cats at /mcp: model cat differs in policy\n')]);
  });

  it.each([
    ['nowhere.json', 'nowhere.json: no such file; write it with koa-mcp fingerprint MODULE > nowhere.json'],
    ['package.json', 'package.json is not what koa-mcp fingerprint prints'],
  ])('ends with 2 for --check %s', async (file, message) => {
    await writeFile(path.join(folder, 'package.json'), '{}');
    const module = await write('small', [parts.name, tools(parts.menu)].join());
    const { code, stderr } = await koaMcp(folder, 'fingerprint', module, '--check', file);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(await readFile(path.join(folder, 'package.json'), 'utf8')).toBe('{}');
  });
});
