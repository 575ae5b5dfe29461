import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { init, modelsFor } from '../../src/cli/init.ts';
import { compile } from '../support/compile.ts';

const run = promisify(execFile);
const header = 'datasource db {\n  provider = "sqlite"\n}\n';
const client = 'generator client {\n  provider = "prisma-client"\n  output   = "../src/generated/prisma"\n}\n';
const model = 'model Own {\n  id Int @id\n}\n';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'koa-mcp-init-'));
});
afterEach(() => rm(cwd, { recursive: true }));

const read = (file: string) => readFile(path.join(cwd, file), 'utf8');
const readSource = () => readFile(new URL('../../prisma/mcp.prisma', import.meta.url), 'utf8');
async function write(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(cwd, file)), { recursive: true });
  await writeFile(path.join(cwd, file), text);
}

describe('koa-mcp init', () => {
  it('appends to a schema file what it lacks, and the generator beside the client', async () => {
    await write('prisma/schema.prisma', `${client}\n${header}\n${model}`);
    const result = await init({ cwd });
    expect(result).toEqual({
      changes: [
        'prisma/schema.prisma: added McpSession, McpSubscription, McpEvent, McpNode, McpContinuation, McpIdempotencyKey, McpAuditEntry, McpTask',
        'prisma/schema.prisma: added generator mcp',
      ],
      warnings: [],
      output: 'src/generated/mcp',
    });
    const schema = await read('prisma/schema.prisma');
    expect(schema).toContain(
      `${client}\ngenerator mcp {\n  provider = "koa-mcp"\n  output   = "../src/generated/mcp"\n}\n\n${header}\n${model}`,
    );
    expect(schema.match(/^model \w+/gm)).toEqual([
      'model Own',
      'model McpSession',
      'model McpSubscription',
      'model McpEvent',
      'model McpNode',
      'model McpContinuation',
      'model McpIdempotencyKey',
      'model McpAuditEntry',
      'model McpTask',
    ]);
  });

  it('changes nothing the second time', async () => {
    await write('prisma/schema.prisma', `${client}\n${header}\n${model}`);
    await init({ cwd });
    const schema = await read('prisma/schema.prisma');
    expect(await init({ cwd })).toEqual({ changes: [], warnings: [] });
    expect(await read('prisma/schema.prisma')).toBe(schema);
  });

  it('puts mcp.prisma beside the other files of a schema folder, and again changes nothing the second time', async () => {
    await write('db/schema/base.prisma', `${client}\n${header}`);
    await write('db/schema/models/own.prisma', model);
    expect((await init({ cwd, schema: 'db/schema' })).changes).toEqual([
      'db/schema/mcp.prisma: added McpSession, McpSubscription, McpEvent, McpNode, McpContinuation, McpIdempotencyKey, McpAuditEntry, McpTask',
      'db/schema/base.prisma: added generator mcp',
    ]);
    expect(await read('db/schema/mcp.prisma')).toBe(modelsFor('sqlite', await readSource()));
    expect(await read('db/schema/models/own.prisma')).toBe(model);
    expect(await init({ cwd, schema: 'db/schema' })).toEqual({ changes: [], warnings: [] });
  });

  it('adds only the models that are missing, and names missing lines of those that are there', async () => {
    const mine = 'model McpSession {\n  id String @id\n  subscriptions McpSubscription[]\n}\n';
    await write('prisma/schema.prisma', `${header}\n${mine}`);
    const { changes, warnings } = await init({ cwd });
    expect(changes[0]).toBe(
      'prisma/schema.prisma: added McpSubscription, McpEvent, McpNode, McpContinuation, McpIdempotencyKey, McpAuditEntry, McpTask',
    );
    expect(await read('prisma/schema.prisma')).toContain(mine);
    expect(warnings).toContain('model McpSession lacks a line of this version; add: principal String?');
    expect(warnings).toContain('model McpSession lacks a line of this version; add: @@index([expiresAt])');
    expect(warnings.join()).not.toContain('McpSubscription lacks');
  });

  it('names lines whose type is another now, whatever attributes they have', async () => {
    const older = modelsFor('sqlite', await readSource())
      .replace(/sessionId String\?/, 'sessionId String')
      .replace('data      String?', '$& @map("d")');
    await write('prisma/schema.prisma', `${header}\n${older}`);
    const { warnings } = await init({ cwd });
    expect(warnings).toEqual(['model McpEvent has a line of another version; change it to: sessionId String?']);
  });

  it.each([
    ['sqlite', { id: 'Int @id @default(autoincrement())', data: 'String?', largeData: 'String?', uri: 'String', position: 'String?' }],
    [
      'postgresql',
      { id: 'BigInt @id @default(autoincrement())', data: 'String?', largeData: 'String?', uri: 'String', position: 'String?' },
    ],
    [
      'mysql',
      {
        id: 'BigInt @id @default(autoincrement())',
        data: 'String? @db.Text',
        largeData: 'String? @db.LongText',
        result: 'String? @db.LongText',
        uri: 'String @db.Text',
        position: 'String? @db.Text',
      },
    ],
    ['cockroachdb', { id: 'BigInt @id @default(sequence())', data: 'String?', largeData: 'String?', uri: 'String', position: 'String?' }],
  ])('writes the columns as %s needs them, and finds nothing to change in them', async (provider, columns) => {
    await write('schema.prisma', header.replace('sqlite', provider));
    await init({ cwd });
    const schema = await read('schema.prisma');
    for (const [name, rest] of Object.entries(columns)) {
      const lines = schema.split('\n').map(line => line.trim().replaceAll(/ +/g, ' '));
      expect(lines).toContain(`${name} ${rest}`);
    }
    expect(await init({ cwd })).toEqual({ changes: [], warnings: [] });
  });

  it('tells SQLite’s `Int` from the `BigInt` of others', async () => {
    await write('schema.prisma', `${header}\n${await readSource()}`);
    expect((await init({ cwd })).warnings).toEqual([
      'model McpEvent has a line of another version; change it to: id Int @id @default(autoincrement())',
    ]);
  });

  it.each([
    ["export default { schema: 'db/main.prisma' };", 'db/main.prisma'],
    ["export default defineConfig({\n  schema: path.join('db', 'main.prisma'),\n});", 'db/main.prisma'],
  ])('finds the schema that prisma.config.ts names: %s', async (config, file) => {
    await write('prisma.config.ts', config.replace('{ schema', '{\n  schema'));
    await write(file, header);
    await write('prisma/schema.prisma', header);
    expect((await init({ cwd })).changes[0]).toBe(
      `${file}: added McpSession, McpSubscription, McpEvent, McpNode, McpContinuation, McpIdempotencyKey, McpAuditEntry, McpTask`,
    );
    expect(await read('prisma/schema.prisma')).toBe(header);
  });

  it.each([
    [client.replace('src/generated/prisma', 'generated'), '../generated-mcp'],
    ['generator client {\n  provider = "prisma-client-js"\n}\n', '../generated/mcp'],
    ['', '../generated/mcp'],
  ])('never lets the datamodel land in the folder of the client: %s', async (generator, output) => {
    await write('prisma/schema.prisma', `${generator}\n${header}`);
    await init({ cwd });
    expect(await read('prisma/schema.prisma')).toContain(`output   = "${output}"`);
  });

  it('keeps Windows line ends', async () => {
    await write('schema.prisma', `${client}\n${header}`.replaceAll('\n', '\r\n'));
    await init({ cwd });
    expect(await read('schema.prisma')).not.toMatch(/[^\r]\n/);
    expect(await init({ cwd })).toEqual({ changes: [], warnings: [] });
  });

  it.each([
    ['mongodb', 'sessions cannot be kept in mongodb'],
    ['sqlserver', 'sessions cannot be kept in sqlserver'],
  ])('refuses %s and leaves the schema as it was', async (provider, message) => {
    const schema = header.replace('sqlite', provider);
    await write('prisma/schema.prisma', schema);
    await expect(init({ cwd })).rejects.toThrow(message);
    expect(await read('prisma/schema.prisma')).toBe(schema);
  });

  it('says where it looked when there is no schema', async () => {
    await expect(init({ cwd })).rejects.toThrow('tried prisma/schema.prisma, schema.prisma); pass --schema PATH');
    await expect(init({ cwd, schema: 'nope' })).rejects.toThrow('nope does not exist; pass --schema PATH');
  });
});

describe('the command koa-mcp', () => {
  const bin = compile(new URL('../../src/cli/bin.ts', import.meta.url));
  const koaMcp = async (...args: string[]) => run(process.execPath, [await bin, ...args], { cwd });

  it('prints what it did and what comes next', async () => {
    await write('prisma/schema.prisma', `${client}\n${header}`);
    const { stdout } = await koaMcp('init');
    expect(stdout).toContain('prisma/schema.prisma: added generator mcp\n');
    expect(stdout).toContain('npx prisma migrate dev --name mcp\n  npx prisma generate\n');
    expect(stdout).toContain('from src/generated/mcp/ to mcp(');
    expect((await koaMcp('init')).stdout).toBe('Your schema has all that koa-mcp needs.\n');
  });

  it('helps', async () => {
    expect((await koaMcp('--help')).stdout).toMatch(/^Usage: koa-mcp init/);
  });

  it.each([[[]], [['deploy']], [['init', '--schemas', 'x']]])('answers %j with its usage and status 2', async args => {
    await expect(koaMcp(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('Usage: koa-mcp init') });
  });

  it('fails with one line and status 1', async () => {
    await expect(koaMcp('init')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^koa-mcp: no Prisma schema found .*\n$/),
    });
  });
});
