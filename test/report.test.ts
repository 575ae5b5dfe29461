import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { datamodel as sqlite } from '../generated/test/sqlite/mcp/datamodel.ts';
import type { McpReport } from '../src/index.ts';
import { mcp, memoryStore } from '../src/index.ts';
import type { ExposureLike } from '../src/models/exposure.ts';
import { toLine } from '../src/report.ts';
import { root } from './readme/readme.ts';

const run = promisify(execFile);
const tool = { description: 'Under test', handler: () => 'done' };

/** An endpoint over a client that is never asked. */
function endpoint(models: Record<string, ExposureLike>, options: object = {}) {
  const prisma = Object.fromEntries(Object.values(sqlite.models).map(({ key }) => [key, { findMany: () => [] }]));
  const declared: object = { prisma, datamodel: sqlite, models, sessions: { store: memoryStore() } };
  return mcp({ name: 'shop', ...(Object.keys(models).length > 0 ? declared : {}), ...options });
}

function report(models: Record<string, ExposureLike>, options: object = {}): McpReport {
  return endpoint(models, options).report();
}

const limits = (of: McpReport) => Object.fromEntries(of.limits.map(limit => [limit.limit, limit]));
const kinds = (of: McpReport) => of.warnings.map(({ kind }) => kind);

describe('endpoint.report()', () => {
  it('lists what is the app’s own and what comes from models', () => {
    const found = report(
      { room: { operations: ['findUnique', 'findMany'] } },
      {
        path: '/agents',
        tools: { help: tool },
        resources: { menu: { uri: 'shop://menu', handler: () => 'Soup' } },
        prompts: { toast: { description: 'A toast', handler: () => 'Cheers' } },
      },
    );
    expect(found).toMatchObject({ name: 'shop', path: '/agents', models: [{ key: 'room' }] });
    expect(found.tools.map(({ name, from, model }) => [name, from, model])).toEqual([
      ['help', 'app', undefined],
      ['room_findUnique', 'models', 'room'],
      ['room_findMany', 'models', 'room'],
    ]);
    expect(found.resources).toEqual([
      { name: 'shop://menu', from: 'app' },
      { name: 'shop://room', from: 'models' },
      { name: 'shop://room/{id}', from: 'models' },
      { name: 'shop://room{?code}', from: 'models' },
      { name: 'shop://room{?cursor}', from: 'models' },
    ]);
    expect(found.prompts).toEqual([{ name: 'toast', from: 'app' }]);
    expect(found.tokens).toBe(found.tools.reduce((sum, { tokens }) => sum + tokens, 0));
  });

  it('has the shared tools of compact models once, without a model', () => {
    const found = report({ room: { style: 'compact' }, tag: { style: 'compact' }, client: { operations: ['count'] } });
    expect(found.models.map(({ key, style, tools }) => [key, style, tools])).toEqual([
      ['room', 'compact', ['read_rows']],
      ['tag', 'compact', ['read_rows']],
      ['client', 'tools', ['client_count']],
    ]);
    const shared = found.tools.filter(({ model }) => model === undefined).map(({ name }) => name);
    expect(shared).toContain('read_rows');
    expect(found.tools.map(({ name }) => name).toSorted()).toEqual([...shared, 'client_count'].toSorted());
  });

  it('can be printed as JSON', () => {
    const found = report({ booking: { where: () => ({}) } });
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });

  it('finds no limit exceeded and nothing to warn of where there is nothing', () => {
    const found = report({ room: {} });
    expect(found.limits.filter(({ isExceeded }) => isExceeded)).toEqual([]);
    expect(found.warnings).toEqual([]);
  });
});

describe('the limits of agents', () => {
  const tools = (count: number, description = 'Under test') =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`tool_${index}`, { ...tool, description }]));

  it('are 128 tools', () => {
    expect(limits(report({}, { tools: tools(128) }))['tools']).toMatchObject({ value: 128, max: 128, isExceeded: false });
    expect(limits(report({}, { tools: tools(129) }))['tools']).toMatchObject({ value: 129, isExceeded: true });
  });

  it('are about 25,000 tokens', () => {
    const text = 'a word '.repeat(140);
    expect(limits(report({}, { tools: tools(80, text) }))['tokens']).toMatchObject({ max: 25_000, isExceeded: false });
    expect(limits(report({}, { tools: tools(90, text) }))['tokens']).toMatchObject({ isExceeded: true });
  });

  it('are 1,024 characters of a description, of which the report names the tools', () => {
    const named = { fits: { ...tool, description: 'x'.repeat(1024) }, long: { ...tool, description: 'x'.repeat(1025) } };
    expect(limits(report({}, { tools: named }))['description']).toMatchObject({ value: 1025, isExceeded: true, tools: ['long'] });
    expect(limits(report({}, { tools: { fits: named.fits } }))['description']).toMatchObject({ isExceeded: false, tools: [] });
  });

  it('are 64 characters of a name', () => {
    const [fits, long] = ['x'.repeat(64), 'y'.repeat(65)];
    expect(limits(report({}, { tools: { [fits]: tool } }))['name']).toMatchObject({ value: 64, isExceeded: false });
    expect(limits(report({}, { tools: { [fits]: tool, [long]: tool } }))['name']).toMatchObject({ isExceeded: true, tools: [long] });
  });

  it('are names without other characters, which begin with a letter', () => {
    const names = { 'a.b': tool, '1st': tool, _ok: tool, 'a-b': tool };
    // Keys that look like numbers come first, which `1st` does not.
    expect(limits(report({}, { tools: names }))['nameSyntax']).toMatchObject({ value: 2, isExceeded: true, tools: ['a.b', '1st'] });
  });
});

describe('the warnings of a report', () => {
  it('name columns that are hidden though nobody said so, until somebody does', () => {
    expect(report({ client: { omit: { referredById: true } } }).warnings).toEqual([
      { kind: 'secret', message: expect.stringContaining('client.passwordHash') },
    ]);
    expect(kinds(report({ client: { omit: { passwordHash: true, referredById: true } } }))).toEqual([]);
  });

  it('name the index that a filter lacks, as the schema takes it', () => {
    expect(report({ doc: {}, member: { omit: { leadId: true } } }).warnings).toEqual([
      { kind: 'index', message: expect.stringContaining('Doc @@index([authorId]), Doc @@index([editorId])') },
    ]);
  });

  it('name writes without a row policy, unless `where: {}` says that every row is meant', () => {
    const operations = ['findMany', 'create', 'delete'];
    expect(report({ tag: { operations } }).warnings).toEqual([{ kind: 'write', message: expect.stringContaining('tag (create, delete)') }]);
    expect(kinds(report({ tag: { operations, where: {} } }))).toEqual([]);
    expect(kinds(report({ tag: { operations, where: () => ({}) } }))).toEqual([]);
  });
});

describe('the start of an endpoint', () => {
  const start = (options: string) => `import { mcp, memoryStore } from ${JSON.stringify(`${root}src/index.ts`)};
    const delegate = { findMany: () => [] };
    const field = { kind: 'scalar', isList: false, isRequired: true, hasDefaultValue: false, isId: false, isUnique: false, isUpdatedAt: false, isReadOnly: false };
    const model = name => ({ name, key: name.toLowerCase(), fields: [{ ...field, name: 'id', type: 'Int' }], primaryKey: ['id'], uniques: [] });
    const datamodel = { models: { Cat: model('Cat'), Dog: model('Dog') }, enums: {} };
    const models = { cat: { operations: ['findMany', 'delete'] }, dog: { where: { id: 1 } } };
    const tools = { help: { description: 'Helps', handler: () => 'done' } };
    mcp({ name: 'pets', prisma: { cat: delegate, dog: delegate }, datamodel, models, tools, sessions: { store: memoryStore() }, ${options} });
    setTimeout(() => undefined, 100);`;
  const output = (options: string, NODE_ENV: string) =>
    run(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', start(options)], {
      env: { ...process.env, NODE_ENV },
    });

  it('is one line on stderr: what is exposed, to whom, and its size', async () => {
    const { stdout, stderr } = await output('', 'production');
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^koa-mcp pets at \/mcp: 6 tools \(5 for 2 models, 1 own\), about [\d,]+ tokens; row policy: dog; no row policy: cat; writes without row policy: cat \(delete\)\n$/,
    );
  });

  it('is one line of JSON where there is a `log`, and nothing on stderr', async () => {
    const { stdout, stderr } = await output('log: console.log', 'production');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      event: 'mcp.start',
      name: 'pets',
      path: '/mcp',
      models: 2,
      tools: 6,
      tokens: expect.any(Number),
      withPolicy: ['dog'],
      withoutPolicy: ['cat'],
      writesWithoutPolicy: ['cat (delete)'],
      node: expect.any(String),
      at: expect.any(String),
    });
  });

  it('is silent in tests', async () => {
    expect((await output('', 'test')).stderr).toBe('');
  });

  it('names ten models and the number of the others', () => {
    const keys = Array.from({ length: 12 }, (_, index) => `m${index}`);
    const tag = sqlite.models['Tag'];
    const models = Object.fromEntries(keys.map(key => [key.toUpperCase(), { ...tag, name: key.toUpperCase(), key }]));
    const prisma = Object.fromEntries(keys.map(key => [key, { findMany: () => [] }]));
    const found = report(Object.fromEntries(keys.map(key => [key, {}])), { prisma, datamodel: { models, enums: {} } });
    expect(toLine(found)).toContain('no row policy: m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, … and 2 more');
  });

  it('warns of limits and of what the report warns of, but of writes only in the line', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error) => warnings.push(warning.message);
    process.on('warning', listen);
    const long = { ...tool, description: 'x'.repeat(1100) };
    const made = endpoint({ doc: { operations: ['findMany', 'create'] }, member: { omit: { leadId: true } } }, { tools: { long } });
    while (warnings.length < 2) await once(process, 'warning');
    await new Promise(setImmediate);
    process.off('warning', listen);
    expect(warnings.toSorted()).toEqual([
      expect.stringMatching(/^shop: Filters by these foreign keys read whole tables\..*Doc @@index\(\[authorId\]\)/),
      'shop: descriptions of up to 1,100 characters (long): OpenAI refuses more than 1,024. Shorten them.',
    ]);
    await made.close();
  });

  it('hands what `log` throws to `onError`', async () => {
    const error = new Error('disk full');
    const caught = await new Promise(resolve => {
      endpoint({ room: {} }, { onError: resolve, log: () => Promise.reject(error) });
    });
    expect(caught).toBe(error);
  });
});
