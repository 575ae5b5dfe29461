import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { SignJWT } from 'jose';
import Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../example-app/migrations.ts';
import { seed } from '../../example-app/seed.ts';
import type { McpMiddleware } from '../../src/index.ts';
import { tasksExtension } from '../../src/protocol/revisions.ts';
import { redisUrl, requireRedis } from '../bus/redis-server.ts';
import { startIssuer } from '../support/issuer.ts';
import { ModernClient } from '../support/modern.ts';
import type { WireSession } from '../support/wire.ts';
import { open, post } from '../support/wire.ts';
import type { FenceFolder } from './fence-folder.ts';
import { openFenceFolder, typescriptFences } from './fence-folder.ts';
import { root } from './readme.ts';

const fenceOf = (page: string) => typescriptFences.find(({ file }) => file === page);
const queueing = typescriptFences.find(({ text }) => text.includes('bullmq'));
const [first, second, third] = [fenceOf('README.md'), fenceOf('docs/tools.md'), fenceOf('docs/auth.md')];

let folder: FenceFolder;
beforeAll(async () => {
  folder = await openFenceFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

interface AsyncCloseable {
  close(): Promise<void>;
}

async function listen(app: Koa): Promise<{ url: string } & AsyncDisposable> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('TypeScript in README and docs', () => {
  it('is in these fences', () => {
    expect(typescriptFences.map(({ file }) => file)).toEqual([
      'README.md',
      'docs/audit.md',
      'docs/auth.md',
      'docs/auth.md',
      'docs/check.md',
      'docs/from-the-sdk.md',
      'docs/from-the-sdk.md',
      'docs/getting-started.md',
      'docs/getting-started.md',
      'docs/live.md',
      'docs/models.md',
      'docs/observability.md',
      'docs/observability.md',
      'docs/processes.md',
      'docs/processes.md',
      'docs/security.md',
      'docs/security.md',
      'docs/sign-in.md',
      'docs/sign-in.md',
      'docs/tasks.md',
      'docs/tasks.md',
      'docs/tasks.md',
      'docs/testing.md',
      'docs/tools.md',
      'docs/tools.md',
      'docs/tools.md',
      'docs/tools.md',
    ]);
  });

  it('of README is an app in which a client reads and changes its own bookings, and nobody else does', async () => {
    const url = `file:${path.join(folder.path, 'dev.db')}`;
    const { PrismaClient } = await import('../../example-app/generated/sqlite/client/client.ts');
    const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url }) });
    await migrate(prisma, 'sqlite', transaction => seed(transaction, 'sqlite'));
    const file = await folder.write(first, { "'file:./dev.db'": JSON.stringify(url), 'app.listen(3000);': 'export { app };' });
    const { app } = (await import(pathToFileURL(file).href)) as { app: Koa };
    await using server = await listen(app);

    expect((await fetch(server.url, { method: 'POST' })).status).toBe(401);
    const ada = await open(server.url, { headers: { 'x-client': '1' } });
    const { rows } = (await ada.call('booking_findMany')).structuredContent;
    expect(rows.length).toBeGreaterThan(5);
    expect(new Set(rows.map((row: { client: { name: string } }) => row.client.name))).toEqual(new Set(['Ada Lovelace']));
    expect((await ada.call('client_findUnique', { where: { id: 2 } })).structuredContent).not.toHaveProperty('email');

    const { id } = rows[0] as { id: number };
    const grace = await open(server.url, { headers: { 'x-client': '2' } });
    expect(await grace.call('cancel_booking', { id })).toMatchObject({ isError: true, content: [{ text: 'Not found: no such row' }] });
    expect((await prisma.booking.findUniqueOrThrow({ where: { id } })).status).not.toBe('CANCELLED');
    expect((await ada.call('cancel_booking', { id })).structuredContent).toMatchObject({ id, status: 'CANCELLED' });
    expect(await prisma.mcpSession.count()).toBe(2);
    await prisma.$disconnect();
  });

  it('of docs/auth.md serves callers by their tokens and scopes', async () => {
    await using issuer = await startIssuer();
    const file = await folder.write(third, {
      "issuer: 'https://login.example.com/'": `issuer: '${issuer.url}'`,
      "jwks: 'https://login.example.com/jwks.json'": `jwks: '${issuer.jwks}'`,
    });
    const { endpoint } = (await import(pathToFileURL(file).href)) as { endpoint: McpMiddleware };
    await using server = await listen(new Koa().use(endpoint));
    const claims = { iss: issuer.url, aud: 'https://api.example.com/mcp', sub: 'ada', exp: Math.floor(Date.now() / 1000) + 60 };
    const connect = async (scope: string) =>
      new ModernClient(server.url, { headers: { authorization: `Bearer ${await issuer.sign({ ...claims, scope })}` } });
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(401);
    const ada = await connect('house');
    expect((await ada.call('who_am_i')).content[0].text).toBe('ada');
    const refused = await ada.request('tools/call', { name: 'book_table' });
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([403, expect.stringContaining('scope="house tables:write"')]);
    expect((await (await connect('house tables:write')).call('book_table')).content[0].text).toBe('Booked');
    await endpoint.close();
  });

  it('of docs/tasks.md cleans in a worker of BullMQ, says how far it is, and stops when its client has cancelled', async test => {
    requireRedis(test);
    const url = `file:${path.join(folder.path, 'tasks.db')}`;
    const { PrismaClient } = await import('../../example-app/generated/sqlite/client/client.ts');
    const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url }) });
    await migrate(prisma, 'sqlite', async () => {});
    const name = `test-${randomUUID()}`;
    const file = await folder.write(queueing, {
      "import { mcp } from 'koa-mcp';": "import { mcp, sqliteAdapter } from 'koa-mcp';",
      "import { adapter } from './adapter.ts';": `import { PrismaLibSql } from '@prisma/adapter-libsql';\nconst adapter = sqliteAdapter(new PrismaLibSql({ url: ${JSON.stringify(url)} }));`,
      'redis://127.0.0.1:6379': redisUrl,
      "new Queue<Job>('cleaning', { connection })": `new Queue<Job>('${name}', { connection });\nexport { connection, queue }`,
      "    'cleaning',\n": `    '${name}',\n`,
    });
    const { endpoint, startWorker, queue } = (await import(pathToFileURL(file).href)) as {
      endpoint: McpMiddleware;
      startWorker: (cleanRoom: (floor: number, room: number) => Promise<void>) => AsyncCloseable;
      queue: AsyncCloseable & { obliterate(options: { force: boolean }): Promise<void> };
    };
    const errors: string[] = [];
    await using server = await listen(new Koa().use(endpoint).on('error', error => errors.push(error.message)));
    const client = new ModernClient(server.url, { capabilities: { extensions: { [tasksExtension]: {} } } });
    const cleaned: string[] = [];
    let unwanted = Promise.resolve('');
    const worker = startWorker(async (floor, room) => {
      cleaned.push(`${floor}/${room}`);
      if (floor === 2 && room === 3) await client.result('tasks/cancel', { taskId: await unwanted });
      if (floor === 3) throw new Error('There is no third floor');
    });
    const start = async (floor: number): Promise<string> => (await client.call('clean_floor', { floor })).taskId;
    const get = (taskId: string) => client.result('tasks/get', { taskId });
    const ended = (taskId: string) => expect.poll(async () => (await get(taskId)).status, { timeout: 10_000 });

    const clean = await start(1);
    await ended(clean).toBe('completed');
    expect((await get(clean)).result.structuredContent).toEqual({ rooms: 20 });
    expect(cleaned).toHaveLength(20);

    unwanted = start(2);
    await ended(await unwanted).toBe('cancelled');

    const failing = await start(3);
    await ended(failing).toBe('completed');
    expect((await get(failing)).result).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/^Internal error/u) }] });
    expect(errors).toEqual(['There is no third floor']);
    expect(cleaned.filter(room => room.startsWith('2/'))).toEqual(['2/1', '2/2', '2/3']);

    await worker.close();
    await queue.obliterate({ force: true });
    await queue.close();
    await endpoint.close();
    await prisma.$disconnect();
  }, 60_000);

  it('of docs/tools.md serves its tool, resources and prompt, and asks before it books', async () => {
    const { endpoint } = (await import(pathToFileURL(await folder.write(second)).href)) as { endpoint: McpMiddleware };
    await using server = await listen(new Koa().use(endpoint));
    const session = await open(server.url);
    expect((await session.result('resources/read', { uri: 'house://menu' })).contents[0].text).toBe('Soup');
    expect((await session.result('resources/read', { uri: 'house://dish/bread' })).contents[0].text).toBe('{"name":"bread"}');
    const ref = { type: 'ref/resource', uri: 'house://dish/{name}' };
    const { completion } = await session.result('completion/complete', { ref, argument: { name: 'name', value: '' } });
    expect(completion.values).toEqual(['soup', 'bread']);
    const { messages } = await session.result('prompts/get', { name: 'toast', arguments: { to: 'Ada' } });
    expect(messages[0].content.text).toBe('Write a toast to Ada.');
    expect(await session.call('book_table', { people: 30 })).toMatchObject({
      isError: true,
      content: [{ text: 'There is no table for more than 20' }],
    });

    const client = new ModernClient(server.url, { capabilities: { elicitation: { form: {} } } });
    const args = { name: 'book_table', arguments: { people: 4 } };
    const asked = await client.result('tools/call', args);
    const [[key, question] = ['', undefined]] = Object.entries(asked.inputRequests as Record<string, { params: { message: string } }>);
    expect(question?.params.message).toBe('Book for 4?');
    const inputResponses = { [key]: { action: 'accept', content: { sure: true } } };
    const booked = await client.result('tools/call', { ...args, requestState: asked.requestState, inputResponses });
    expect(booked.structuredContent).toEqual({ booked: true });
    await endpoint.close();
  });

  it.each(
    typescriptFences
      .filter(({ file }) => file === 'docs/from-the-sdk.md')
      .map((fence, index) => [['before', 'after'][index], fence] as const),
  )('of docs/from-the-sdk.md, %s the move, serves the same tool and resource', async (when, fence) => {
    // The sessions of this test stay in memory.
    const replaced = when === 'after' ? { 'prisma: new PrismaClient({ adapter }),': '' } : {};
    const { app } = (await import(pathToFileURL(await folder.write(fence, replaced)).href)) as { app: Koa };
    await using server = await listen(app);
    const session = await open(server.url);
    const { messages } = await session.request('tools/call', { name: 'clean_rooms', arguments: { rooms: 2 }, _meta: { progressToken: 7 } });
    expect(messages.map(({ method, params, result }) => result?.content ?? [method, params])).toEqual([
      ['notifications/progress', { progressToken: 7, progress: 1, total: 2 }],
      ['notifications/progress', { progressToken: 7, progress: 2, total: 2 }],
      [{ type: 'text', text: '2 rooms are clean' }],
    ]);
    const { contents } = await session.result('resources/read', { uri: 'house://dish/bread' });
    expect(contents).toMatchObject([{ uri: 'house://dish/bread', text: 'A dish of bread' }]);
  });

  it('of docs/sign-in.md tell callers apart by their tokens and by their cookies', async () => {
    const [byToken, byCookie] = typescriptFences.filter(({ file }) => file === 'docs/sign-in.md');
    const appOf = async (fence: typeof byToken, replaced: Record<string, string>) =>
      ((await import(pathToFileURL(await folder.write(fence, replaced)).href)) as { app: Koa }).app;
    const who = async (session: WireSession) => (await session.call('who_am_i')).content[0].text;

    await using withTokens = await listen(await appOf(byToken, { "process.env['JWT_SECRET'] ?? ''": "'a secret of this test'" }));
    const token = await new SignJWT({ sub: 'ada' })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode('a secret of this test'));
    const ada = await open(withTokens.url, { headers: { authorization: `Bearer ${token}` } });
    expect([await who(ada), (await ada.call('book_table')).content[0].text]).toEqual(['ada', 'Booked for ada']);
    const guest = await open(withTokens.url);
    expect([await who(guest), (await guest.error('tools/call', { name: 'book_table' })).code]).toEqual(['a guest', -32602]);
    expect((await post(withTokens.url, { jsonrpc: '2.0', id: 1, method: 'ping' }, { headers: { 'mcp-session-id': ada.id } })).status).toBe(
      404,
    );

    await using withCookies = await listen(await appOf(byCookie, { "process.env['COOKIE_KEY'] ?? ''": "'a key of this test'" }));
    const signedIn = await fetch(withCookies.url.replace('/mcp', '/sign-in?user=grace'));
    const cookie = signedIn.headers
      .getSetCookie()
      .map(each => each.split(';', 1)[0])
      .join('; ');
    expect(await who(await open(withCookies.url, { headers: { cookie } }))).toBe('grace');
    expect(await who(await open(withCookies.url))).toBe('a guest');
  });

  it('of docs/testing.md are tests that pass, and fail where the app is another', async () => {
    const page = fenceOf('docs/testing.md');
    const tsconfig = path.join(folder.path, 'tsconfig.json');
    const paths = { 'koa-mcp': [`${root}src/index.ts`], 'koa-mcp/testing': [`${root}src/testing/connect.ts`] };
    await writeFile(tsconfig, JSON.stringify({ compilerOptions: { paths } }));
    const run = async (replacements?: Record<string, string>) => {
      const file = await folder.write(page, replacements);
      // Not as a test within this run, which Node would skip.
      const env = { ...process.env, TSX_TSCONFIG_PATH: tsconfig, NODE_TEST_CONTEXT: undefined };
      return promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), '--test', file], { env });
    };
    await run();
    await expect(run({ "ctx.throw(403, 'Sign in first')": "ctx.throw(403, 'Go away')" })).rejects.toMatchObject({
      stdout: expect.stringContaining('Go away'),
    });
  }, 60_000);
});
