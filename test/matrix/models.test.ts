import { afterAll, beforeAll, expect, it } from 'vitest';
import { memoryStore } from '../../src/index.ts';
import type { Json } from '../models/served.ts';
import { openDatabase } from '../support/database.ts';
import { start } from '../support/server.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions } from './revisions.ts';

/** `start` takes options for any client. */
const declared = (models: object): Json => models;

describeRevisions('models', row => {
  let db: Awaited<ReturnType<typeof openDatabase>>;
  let server: Awaited<ReturnType<typeof start>>;
  let peer: Peer;
  beforeAll(async () => {
    db = await openDatabase('sqlite');
    await db.prisma.client.createMany({
      data: ['Ada', 'Grace', 'Linus'].map(name => ({ name, email: `${name}@example.com`, notes: name, passwordHash: 'x' })),
    });
    server = await start({
      prisma: db.prisma,
      datamodel: db.datamodel,
      sessions: { store: memoryStore() },
      limits: { maxResultBytes: 20_000 },
      models: declared({
        client: {
          operations: ['findUnique', 'findMany', 'create', 'update', 'delete'],
          select: { id: true, email: true, name: true, notes: true },
          where: { id: { not: 3 } },
          data: { passwordHash: 'x' },
          take: 1,
          prompts: {
            greeting: { title: 'Greeting', description: 'Greet a client', key: 'email', message: ({ name }: Json) => `Greet ${name}.` },
          },
          search: { columns: ['name'], url: ({ id }: Json) => `https://shop.example/clients/${id}` },
        },
      }),
    });
    peer = await connect(server.url, row);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await db.close();
  });

  const ask = async (method: string, params: Json): Promise<Json> => (await peer.request(method, params)).response;
  const call = async (name: string, args: Json): Promise<Json> => (await ask('tools/call', { name, arguments: args })).result;
  const has = (type: string) => row.contentTypes.has(type);

  it('have prompts with the row as an embedded resource', async () => {
    const { prompts } = (await ask('prompts/list', {})).result;
    expect(prompts).toEqual([
      {
        name: 'client_greeting',
        description: 'Greet a client',
        ...(row.fields.prompt.includes('title') && { title: 'Greeting' }),
        arguments: [{ name: 'email', description: 'Unique, lower case.', required: true }],
      },
    ]);
    const { result } = await ask('prompts/get', { name: 'client_greeting', arguments: { email: 'Ada@example.com' } });
    expect(result.messages[0]).toEqual({ role: 'user', content: { type: 'text', text: 'Greet Ada.' } });
    const { resource } = result.messages[1].content;
    expect(resource).toMatchObject({ uri: 'test://client/1', mimeType: 'application/json' });
    expect(resource.text).toBe((await ask('resources/read', { uri: resource.uri })).result.contents[0].text);
  });

  it.each([{ email: 'Linus@example.com' }, { email: 'nobody' }, {}])('refuse a prompt about %j, which is hidden or missing', async args => {
    const { error } = await ask('prompts/get', { name: 'client_greeting', arguments: args });
    const message = args.email === undefined ? '`arguments.email` is required' : `there is no Client with email "${args.email}"`;
    expect(error).toMatchObject({ code: -32602, message: `Invalid params: ${message}` });
  });

  it('complete the argument of a prompt', async () => {
    const ref = { type: 'ref/prompt', name: 'client_greeting' };
    const { completion } = (await ask('completion/complete', { ref, argument: { name: 'email', value: '' } })).result;
    expect(completion.values).toEqual(['Ada@example.com', 'Grace@example.com']);
  });

  it('are found by search and read by fetch, as text and structured where the revision has that', async () => {
    for (const [name, args, expected] of [
      ['search', { query: 'ada' }, { results: [{ id: 'client:1', title: 'Ada', url: 'https://shop.example/clients/1' }] }],
      ['search', { query: 'linus' }, { results: [] }],
      ['fetch', { id: 'client:1' }, { id: 'client:1', text: expect.stringContaining('Ada@example.com') }],
    ] as const) {
      const { content, structuredContent } = await call(name, args);
      expect(content).toHaveLength(1);
      expect(JSON.parse(content[0].text)).toMatchObject(expected);
      expect(structuredContent).toEqual(row.structuredContent === 'absent' ? undefined : JSON.parse(content[0].text));
    }
    expect(await call('fetch', { id: 'client:3' })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/^id: not found/) }],
    });
  });

  it('have a link to the row in the result of an operation on one row, where the revision has links', async () => {
    const link = { type: 'resource_link', uri: 'test://client/2', name: 'client', mimeType: 'application/json' };
    const linked = [expect.objectContaining({ type: 'text' }), ...(has('resource_link') ? [link] : [])];
    expect((await call('client_findUnique', { where: { id: 2 } })).content).toEqual(linked);
    expect((await call('client_update', { where: { id: 2 }, data: { notes: 'x' } })).content).toEqual(linked);
    const created = await call('client_create', { data: { name: 'Joan', email: 'joan@example.com' } });
    const { id } = JSON.parse(created.content[0].text);
    expect(created.content.slice(1)).toEqual(has('resource_link') ? [{ ...link, uri: `test://client/${id}` }] : []);
    for (const [name, args] of [
      ['client_findUnique', { where: { id: 2 }, select: { name: true } }],
      ['client_findMany', {}],
      ['client_delete', { where: { id } }],
      ['client_findUnique', { where: { id: 3 } }],
    ] as const) {
      expect((await call(name, args)).content, name).toHaveLength(1);
    }
  });

  it('have pages, and rows by another unique key', async () => {
    const read = async (uri: string): Promise<Json> => {
      const { result, error } = await ask('resources/read', { uri });
      return error ?? JSON.parse(result.contents[0].text);
    };
    const first = await read('test://client');
    expect(first).toMatchObject({ rows: [{ id: 1 }], truncated: true });
    expect(await read(first.next)).toMatchObject({ rows: [{ id: 2 }] });
    expect(await read('test://client?cursor=x')).toMatchObject({ code: -32602, data: { uri: 'test://client?cursor=x' } });
    expect(await read('test://client?email=Ada%40example.com')).toMatchObject({ id: 1 });
    const { resourceNotFound } = row;
    const notFound = {
      message: expect.stringMatching(/^Resource not found/),
      code: resourceNotFound === 'InvalidParams' ? -32602 : -32002,
    };
    expect(await read('test://client?email=Linus%40example.com')).toMatchObject(notFound);
  });

  it('have no prompt that is larger than a result may be', async () => {
    await db.prisma.client.update({ where: { id: 2 }, data: { notes: 'x'.repeat(20_000) } });
    const { error } = await ask('prompts/get', { name: 'client_greeting', arguments: { email: 'Grace@example.com' } });
    expect(error).toMatchObject({ code: -32603, message: 'The prompt is larger than 20000 bytes, the most this server sends' });
    await db.prisma.client.update({ where: { id: 2 }, data: { notes: 'x' } });
  });
});
