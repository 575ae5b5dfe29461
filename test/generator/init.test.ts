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
    expect(result).toMatchObject({
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
    expect(await init({ cwd })).toEqual({ changes: [], warnings: [], diff: '' });
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
    expect(await init({ cwd, schema: 'db/schema' })).toEqual({ changes: [], warnings: [], diff: '' });
  });

  it('adds the models that are missing, and to those that are there the lines that they lack', async () => {
    const mine = 'model McpSession {\n  id String @id // mine\n  subscriptions McpSubscription[]\n  @@map("mcp_sessions")\n}\n';
    await write('prisma/schema.prisma', `${header}\n${mine}`);
    const { changes, warnings } = await init({ cwd });
    expect(changes).toEqual([
      expect.stringMatching(/^prisma\/schema\.prisma: added transport String, .*, @@index\(\[expiresAt\]\) to model McpSession$/),
      'prisma/schema.prisma: added McpSubscription, McpEvent, McpNode, McpContinuation, McpIdempotencyKey, McpAuditEntry, McpTask',
      'prisma/schema.prisma: added generator mcp',
    ]);
    const session = /^model McpSession \{.*?^\}/ms.exec(await read('prisma/schema.prisma'))?.[0];
    expect(session).toMatch(
      /^model McpSession \{\n {2}id String @id \/\/ mine\n {2}\/\/\/ "streamable" or "sse"\.\n {2}transport {4}String\n.*position {5}String\?\n {2}subscriptions McpSubscription\[\]\n {2}@@map\("mcp_sessions"\)\n {2}@@index\(\[principal, lastSeenAt\]\)\n {2}@@index\(\[expiresAt\]\)\n\}$/s,
    );
    expect(warnings).toContain(
      'model McpSession has a new field without a default, transport: empty its table if `prisma migrate` refuses it',
    );
    expect(warnings.join()).not.toContain('principal');
    expect(await init({ cwd })).toEqual({ changes: [], warnings: [], diff: '' });
  });

  it('finds an index whatever options and blanks it has', async () => {
    const older = modelsFor('sqlite', await readSource()).replaceAll(
      '@@index([expiresAt])',
      '@@index(fields: [ expiresAt(sort: Desc) ], map: "i")',
    );
    await write('prisma/schema.prisma', `${header}\n${older}`);
    expect((await init({ cwd })).changes).toEqual(['prisma/schema.prisma: added generator mcp']);
  });

  it('prints the change as a diff and writes nothing when it is only tried', async () => {
    await write('prisma/schema.prisma', `${client}\n${header}\n${model}`);
    const { diff, changes } = await init({ cwd, dryRun: true });
    expect(changes).toHaveLength(2);
    expect(diff).toContain('--- a/prisma/schema.prisma\n+++ b/prisma/schema.prisma\n@@ -');
    expect(diff).toContain('+generator mcp {\n+  provider = "koa-mcp"\n');
    expect(diff.split('\n').filter(line => /^-(?!--)/.test(line))).toEqual([]);
    expect(await read('prisma/schema.prisma')).toBe(`${client}\n${header}\n${model}`);
  });

  it('refuses a file that is not UTF-8, and leaves it as it was', async () => {
    const bytes = Buffer.concat([Buffer.from(`${header}// `), Buffer.from([0xe9, 0x0a])]);
    await writeFile(path.join(cwd, 'schema.prisma'), bytes);
    await expect(init({ cwd })).rejects.toThrow('schema.prisma is not UTF-8 text; save it as UTF-8');
    expect(await readFile(path.join(cwd, 'schema.prisma'))).toEqual(bytes);
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
    expect(await init({ cwd })).toEqual({ changes: [], warnings: [], diff: '' });
  });

  it('tells SQLite’s `Int` from the `BigInt` of others', async () => {
    await write('schema.prisma', `${header}\n${await readSource()}`);
    expect((await init({ cwd })).warnings).toEqual([
      'model McpEvent has a line of another version; change it to: id Int @id @default(autoincrement())',
    ]);
  });

  it('says that Prisma is needed to read prisma.config.ts, unless --schema is given', async () => {
    await write('prisma.config.ts', "export default { schema: 'db/main.prisma' };");
    await write('db/main.prisma', header);
    await expect(init({ cwd })).rejects.toThrow('prisma.config.ts may name the schema, but no Prisma that can read it is installed');
    expect((await init({ cwd, schema: 'db/main.prisma' })).changes).toHaveLength(2);
  });

  it.each([
    [client.replace('src/generated/prisma', 'generated'), '../generated-mcp'],
    ['generator client {\n  provider = "prisma-client-js"\n}\n', '../generated/mcp'],
    ['generator client {\n  provider = "prisma-client-js"\n  output   = "../node_modules/.prisma/own"\n}\n', '../generated/mcp'],
    ['generator client {\n  provider = "prisma-client-js"\n  output   = env("CLIENT")\n}\n', '../generated/mcp'],
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
    expect(await init({ cwd })).toEqual({ changes: [], warnings: [], diff: '' });
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
    await expect(init({ cwd })).rejects.toThrow('tried schema.prisma, prisma/schema.prisma); pass --schema PATH');
    await expect(init({ cwd, schema: 'nope' })).rejects.toThrow('nope, which --schema names, does not exist; pass --schema PATH');
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

  it('prints a diff with --dry-run, and writes nothing', async () => {
    await write('prisma/schema.prisma', `${client}\n${header}`);
    expect((await koaMcp('init', '--dry-run')).stdout).toMatch(/^--- a\/prisma\/schema\.prisma\n.*^\+model McpSession \{$/ms);
    expect(await read('prisma/schema.prisma')).toBe(`${client}\n${header}`);
  });

  it('helps, also with one command', async () => {
    const { stdout } = await koaMcp('--help');
    expect(stdout).toMatch(/^Usage: koa-mcp COMMAND \[options\]\n\n {2}init +Adds the models/);
    expect((await koaMcp('init', '--help')).stdout).toMatch(
      /^Usage: koa-mcp init \[options\]\n.* {2}--schema PATH +schema file or folder/s,
    );
  });

  it.each([
    [[], 'Usage: koa-mcp COMMAND [options]'],
    [['deploy'], 'koa-mcp: unknown command deploy\n\nUsage: koa-mcp COMMAND'],
    [['inti'], 'koa-mcp: unknown command inti; did you mean init?\n'],
    [['init', '--schemas', 'x'], 'koa-mcp: unknown option --schemas; did you mean --schema?\n\nUsage: koa-mcp init [options]'],
    [['init', '--schema'], 'koa-mcp: --schema needs a value: PATH\n'],
    [['init', '--dry-run=yes'], 'koa-mcp: --dry-run takes no value\n'],
    [['init', 'prisma'], 'koa-mcp: init does not take prisma\n'],
  ])('answers %j with what is wrong and status 2', async (args, message) => {
    await expect(koaMcp(...args)).rejects.toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  });

  it('fails with one line and status 1', async () => {
    await expect(koaMcp('init')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^koa-mcp: no Prisma schema found .*\n$/),
    });
  });
});
