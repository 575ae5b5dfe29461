import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datamodel } from '../../example-app/generated/sqlite/mcp/datamodel.ts';
import { reservations } from '../../example-app/mcp.ts';
import type { McpReport } from '../../src/index.ts';
import { root } from '../readme/readme.ts';
import type { Outcome } from './built.ts';
import { koaMcp } from './built.ts';

const example = 'example-app/endpoint.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-check-'));
  await mkdir(path.join(folder, 'node_modules'));
  await symlink(root, path.join(folder, 'node_modules/koa-mcp'));
  await symlink(path.join(root, 'node_modules/koa'), path.join(folder, 'node_modules/koa'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes a module of a host without tsx, and checks it. */
async function check(name: string, source: string, ...options: string[]): Promise<Outcome> {
  await writeFile(path.join(folder, name), source);
  return koaMcp(folder, 'check', name, ...options);
}

const start = "import { mcp } from 'koa-mcp';\n";
const house = (name: string, more = '') =>
  `mcp({ name: '${name}', tools: { help: { description: 'Helps', handler: () => 'done' } } ${more} })`;
const reportsOf = ({ stdout }: Outcome) => JSON.parse(stdout) as McpReport[];

describe('koa-mcp check', () => {
  it('reports on the example, which is TypeScript, in lines of at most 120 characters', async () => {
    const { code, stdout, stderr } = await koaMcp(root, 'check', example);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('reservations at /mcp: 15 tools (14 for 2 models, 1 own), 1 own resource, 2 own prompts, about ');
    expect(stdout).toMatch(
      /^model client \(Client\)\n {2}operations +findUnique, findMany, count, update\n {2}row policy +decided for each call$/m,
    );
    expect(stdout).toMatch(/^ {2}hidden +email \(omitted\)$/m);
    expect(stdout).toMatch(/^ {2}relations +client to Client; included with name; filters$/m);
    expect(stdout).toMatch(/^ {2}tools +booking_findUnique \(\d+ tokens\), booking_findMany/m);
    expect(stdout).toMatch(/^ {2}own tools +get_client \(\d+ tokens\)$/m);
    expect(stdout).toMatch(/^ {2}tools +15 of 128 +OpenAI and VS Code refuse more than 128$/m);
    expect(stdout).toMatch(/\nno warnings\n$/);
    expect(stdout.split('\n').filter(line => line.length > 120)).toEqual([]);
  });

  it('prints the report of the endpoint as JSON', async () => {
    const delegate = { findMany: () => [] };
    const models = [
      'client',
      'booking',
      'mcpSession',
      'mcpSubscription',
      'mcpEvent',
      'mcpNode',
      'mcpContinuation',
      'mcpTask',
      'mcpAuditEntry',
      'mcpIdempotencyKey',
    ];
    const prisma = Object.fromEntries(models.map(key => [key, delegate]));
    const endpoint = reservations(prisma as never, datamodel);
    const found = await koaMcp(root, 'check', example, '--json', '--strict');
    expect([found.code, reportsOf(found)]).toEqual([0, [endpoint.report()]]);
    await endpoint.close();
  });

  it.each([
    ['as it is', 'as-it-is.js', `export const endpoint = ${house('one')};`],
    ['as default', 'default.js', `export default ${house('one')};`],
    ['in an object', 'object.js', `export const server = { endpoint: ${house('one')} };`],
    ['used by a Koa app', 'app.js', `import Koa from 'koa';\nexport const app = new Koa().use(${house('one')});`],
  ])('finds the endpoint that a module exports %s', async (_how, name, source) => {
    expect(reportsOf(await check(name, start + source, '--json')).map(report => report.name)).toEqual(['one']);
  });

  it('finds the endpoint of a CommonJS module', async () => {
    const source = `const { mcp } = require('koa-mcp');\nconst endpoint = ${house('one')};\nmodule.exports = { endpoint };`;
    expect(reportsOf(await check('common.cjs', source, '--json')).map(({ name }) => name)).toEqual(['one']);
  });

  it('reports on each endpoint once', async () => {
    const source = `${start}export const one = ${house('one')};\nexport const both = { one, two: ${house('two', ", path: '/two'")} };`;
    expect(reportsOf(await check('two.js', source, '--json')).map(({ name }) => name)).toEqual(['one', 'two']);
    expect((await koaMcp(folder, 'check', 'two.js')).stdout).toMatch(/^one at \/mcp: .*^two at \/two: /ms);
  });

  it('keeps what the module prints out of stdout, and does not wait for what it leaves running', async () => {
    const source = `${start}import { createServer } from 'node:http';
      console.log('hello');
      createServer().listen(0, '127.0.0.1');
      export const endpoint = ${house('one')};`;
    const found = await check('noisy.js', source, '--json');
    expect(reportsOf(found)).toHaveLength(1);
    expect(found.stderr).toContain('hello');
  });

  it('ends with 1 if a limit is exceeded, and says which, where and what to do', async () => {
    const source = `${start}const tool = { description: 'x'.repeat(1025), handler: () => 'done' };
      export const endpoint = mcp({ name: 'one', tools: { long: tool, 'a.b': { ...tool, description: 'Short' } } });`;
    const { code, stdout } = await check('limits.js', source);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ {2}description +1,025 of 1,024 characters +EXCEEDED: OpenAI refuses more than 1,024\. Shorten them\. long$/m);
    expect(stdout).toMatch(/^ {2}unusual names +1 of 0 +EXCEEDED: OpenAI and Gemini refuse them\. Use .* a\.b$/ms);
    expect(stdout).toMatch(/^ {2}tools +2 of 128 +OpenAI/m);
  });

  it('ends with 1 for a warning under --strict alone', async () => {
    const field = { kind: 'scalar', isList: false, isRequired: true, hasDefaultValue: false, isId: false, isUnique: false };
    const fields = ['id', 'apiKey'].map(name => ({ ...field, name, type: 'String', isUpdatedAt: false, isReadOnly: false }));
    const models = { Cat: { name: 'Cat', key: 'cat', fields, primaryKey: ['id'], uniques: [] } };
    const source = `import { mcp, memoryStore } from 'koa-mcp';
      const prisma = { cat: { findMany: () => [] } };
      const datamodel = ${JSON.stringify({ models, enums: {} })};
      export const endpoint = mcp({ name: 'one', prisma, datamodel, models: { cat: {} }, sessions: { store: memoryStore() } });`;
    const relaxed = await check('warning.js', source);
    expect(relaxed.code).toBe(0);
    expect(relaxed.stdout).toMatch(
      /^warnings\n {2}secret +Hidden, since their names suggest secrets: cat\.apiKey\. To show such a column,/m,
    );
    expect((await koaMcp(folder, 'check', 'warning.js', '--strict')).code).toBe(1);
  });
});

describe('koa-mcp check, where it cannot report, ends with 2 and says why', () => {
  it('for a file that does not exist', async () => {
    const { code, stdout, stderr } = await koaMcp(folder, 'check', 'src/nowhere.js');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(`koa-mcp: src/nowhere.js: no such file (looked for ${path.join(folder, 'src/nowhere.js')})\n`);
  });

  it('for a module without an endpoint, with an example', async () => {
    const { code, stderr } = await check('empty.js', 'export const prisma = {};');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^koa-mcp: empty\.js exports no endpoint\. .*\n\n {2}export const endpoint = mcp\(\{ name: 'reservations',/);
  });

  it.each([
    ['that throws', 'throws.js', "throw new Error('no DATABASE_URL');", 'throws.js cannot be loaded: Error: no DATABASE_URL\n'],
    ['that cannot be parsed', 'syntax.js', 'export const = 1;', 'syntax.js cannot be loaded: '],
    [
      'that imports what is missing',
      'missing.js',
      "import 'nowhere';",
      "missing.js cannot be loaded: Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nowhere'",
    ],
    ['with a mistake in the options', 'options.js', `${start}export const endpoint = mcp({ nam: 'x' });`, 'options.nam: no such option'],
  ])('for a module %s', async (_what, name, source, message) => {
    const { code, stdout, stderr } = await check(name, source);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it('for TypeScript without tsx, unless Node takes the types away itself', async () => {
    const { code, stderr } = await check('typed.ts', `${start}export const endpoint: unknown = ${house('one')};`);
    const isStripping = 'typescript' in process.features && process.features.typescript !== false;
    if (isStripping) expect(code).toBe(0);
    else {
      expect(code).toBe(2);
      expect(stderr).toContain('typed.ts is TypeScript, which Node');
      expect(stderr).toContain('npm install --save-dev tsx');
    }
  });

  it.each([[['check']], [['check', 'a.js', 'b.js']], [['check', 'a.js', '--schema', 'x']], [['init', '--json']], [['chek', 'a.js']]])(
    'for %j: the usage',
    async args => {
      const { code, stderr } = await koaMcp(folder, ...args);
      expect(code).toBe(2);
      expect(stderr).toContain('Usage: koa-mcp ');
    },
  );
});
