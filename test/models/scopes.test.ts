import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mcp } from '../../src/index.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { TestDatabase } from '../support/database.ts';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';
import { seeded } from './served.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await seeded('sqlite');
});
afterAll(() => db[Symbol.asyncDispose]());

/** A token says its scopes itself: `clients.read+clients.write`. */
const auth = {
  verify: (token: string) => ({ principal: 'ada', scopes: token.split('+') }),
  authorizationServers: ['https://login.example.com'],
};
const serve = (models: Record<string, ExposureLike>, options = {}): Promise<TestServer> =>
  start({ prisma: db.prisma, datamodel: db.datamodel, models: models as never, auth, ...options });
const as = (server: TestServer, scopes: string) => new ModernClient(server.url, { headers: { authorization: `Bearer ${scopes}` } });
const names = async (client: ModernClient, method: string, key: string): Promise<string[]> =>
  (await client.result(method))[key].map(({ name }: { name: string }) => name);

const client = {
  operations: ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'],
  scopes: { read: ['clients.read'], write: ['clients.write'], delete: ['clients.write', 'admin'] },
  data: { passwordHash: 'none' },
  prompts: { card: { description: 'Shows a card', message: 'A card' } },
  search: { columns: ['name'] },
};
const booking = { scopes: { read: ['bookings.read'] }, search: { columns: ['roomId'] } };

describe('scopes of a model', () => {
  const listed = [
    ['none', [], [], [], []],
    [
      'clients.read',
      ['client_findUnique', 'client_findMany', 'client_count', 'search', 'fetch'],
      ['client'],
      ['client', 'client_email', 'client_page'],
      ['client_card'],
    ],
    ['clients.write', ['client_create', 'client_update'], [], [], []],
    ['clients.write+admin', ['client_create', 'client_update', 'client_delete'], [], [], []],
  ] as const;

  it.each(listed)('with the token %s list what it allows', async (scopes, tools, resources, templates, prompts) => {
    await using server = await serve({ client });
    const caller = as(server, scopes);
    expect(await names(caller, 'tools/list', 'tools')).toEqual(tools);
    expect(await names(caller, 'resources/list', 'resources')).toEqual(resources);
    expect((await names(caller, 'resources/templates/list', 'resourceTemplates')).toSorted()).toEqual([...templates].toSorted());
    expect(await names(caller, 'prompts/list', 'prompts')).toEqual(prompts);
  });

  it.each([
    ['tools/call', { name: 'client_findMany', arguments: {} }, 'clients.read'],
    ['tools/call', { name: 'client_update', arguments: { where: { id: 1 }, data: { name: 'Ada' } } }, 'clients.write'],
    ['tools/call', { name: 'client_delete', arguments: { where: { id: 99 } } }, 'clients.write admin'],
    ['tools/call', { name: 'search', arguments: { query: 'ada' } }, 'clients.read'],
    ['tools/call', { name: 'fetch', arguments: { id: 'client:1' } }, 'clients.read'],
    ['resources/read', { uri: 'test://client' }, 'clients.read'],
    ['resources/read', { uri: 'test://client/1' }, 'clients.read'],
    ['prompts/get', { name: 'client_card', arguments: { id: '1' } }, 'clients.read'],
  ])('are asked for by %s %j', async (method, params, scope) => {
    await using server = await serve({ client });
    const poor = await as(server, 'none').request(method, params);
    expect([poor.status, poor.headers.get('www-authenticate')]).toEqual([403, expect.stringContaining(`scope="${scope}"`)]);
    const session = await open(server.url, { headers: { authorization: 'Bearer none' } });
    expect((await session.request(method, params)).status).toBe(403);
    const rich = await as(server, scope.replace(' ', '+')).request(method, params);
    expect([rich.status, rich.response.error]).toEqual([200, undefined]);
  });

  it('are those of all operations if they are one list', async () => {
    await using server = await serve({ client: { operations: ['count', 'create'], scopes: ['all'], data: { passwordHash: 'none' } } });
    expect(await names(as(server, 'all'), 'tools/list', 'tools')).toEqual(['client_count', 'client_create']);
    expect(await names(as(server, 'none'), 'tools/list', 'tools')).toEqual([]);
  });

  it('let search and fetch find rows of the models that the token allows', async () => {
    await using server = await serve({ client, booking: { ...booking, operations: ['findUnique', 'findMany'] } });
    const found = async (scopes: string, query: string) =>
      (await as(server, scopes).call('search', { query })).structuredContent.results.length;
    const both = 'clients.read+bookings.read';
    expect([await found(both, 'ada'), await found('clients.read', 'ada'), await found('bookings.read', 'ada')]).toEqual([1, 1, 0]);
    expect(await found(both, 'red')).toBeGreaterThan(0);
    expect(await found('clients.read', 'red')).toBe(0);
    const { status } = await as(server, 'bookings.read').request('tools/call', { name: 'fetch', arguments: { id: 'client:1' } });
    expect(status).toBe(403);
  });

  it('complete keys only for those who may list rows', async () => {
    await using server = await serve({
      client: { operations: ['findUnique', 'findMany'], scopes: { findUnique: ['one'], findMany: ['many'] } },
    });
    const ref = { type: 'ref/resource', uri: 'test://client/{id}' };
    const complete = async (scopes: string) =>
      (await as(server, scopes).result('completion/complete', { ref, argument: { name: 'id', value: '' } })).completion.values.length > 0;
    expect([await complete('one'), await complete('one+many')]).toEqual([false, true]);
  });

  it('keep a caller from filtering by the rows of a model that it may not read', async () => {
    const filter = { where: { client: { name: 'Ada' } } };
    const refusal = async (own: string[], related: string[]) => {
      await using server = await serve({
        booking: { operations: ['findMany'], scopes: own },
        client: { operations: ['findMany'], scopes: related },
      });
      const { isError, content } = await as(server, 'a+b').call('booking_findMany', filter);
      return isError === true && content[0].text;
    };
    expect(await refusal(['a'], ['b'])).toContain('client');
    expect(await refusal(['a'], ['a', 'b'])).toContain('client');
    expect(await refusal(['a', 'b'], ['b'])).toBe(false);
    expect(await refusal([], [])).toBe(false);
  });
});

describe('scopes of models of the style compact', () => {
  const models = {
    client: { ...client, prompts: {}, search: undefined },
    booking: { operations: ['findMany', 'delete'], scopes: { read: ['bookings.read'], delete: [] } },
  };
  const compact = () => {
    const { search: _, ...rest } = models.client;
    return serve({ ...models, client: rest }, { style: 'compact' });
  };

  it('decide which models and operations are found and described', async () => {
    await using server = await compact();
    const found = async (scopes: string) => (await as(server, scopes).call('find_models')).structuredContent.models;
    expect(await found('none')).toEqual([expect.objectContaining({ model: 'booking', operations: ['delete'] })]);
    expect(await found('clients.write+bookings.read')).toEqual([
      expect.objectContaining({ model: 'client', operations: ['create', 'update'] }),
      expect.objectContaining({ model: 'booking', operations: ['findMany', 'delete'] }),
    ]);
    const described = await as(server, 'clients.write').call('describe_model', { model: 'client' });
    expect(described.structuredContent.operations.map(({ operation }: { operation: string }) => operation)).toEqual(['create', 'update']);
    const refused = await as(server, 'none').request('tools/call', { name: 'describe_model', arguments: { model: 'client' } });
    expect(refused.status).toBe(403);
    const tools = (await as(server, 'none').result('tools/list')).tools as { name: string; description: string }[];
    expect(tools.map(({ name }) => name)).toEqual(['find_models', 'describe_model', 'delete_rows']);
    expect(tools.map(({ description }) => description).join(' ')).not.toMatch(/client|There are/);
  });

  it('are asked for by each call, before it runs', async () => {
    await using server = await compact();
    const call = (scopes: string, name: string, args: object) => as(server, scopes).request('tools/call', { name, arguments: args });
    const read = { model: 'client', operation: 'findMany' };
    const refused = await call('bookings.read', 'read_rows', read);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('scope="bookings.read clients.read"'),
    ]);
    expect((await call('clients.read', 'read_rows', read)).response.result.structuredContent.rows.length).toBeGreaterThan(0);
    const removed = await call('clients.write', 'delete_rows', { model: 'client', operation: 'delete', where: { id: 1 } });
    expect([removed.status, await db.prisma.client.count({ where: { id: 1 } })]).toEqual([403, 1]);
  });
});

describe('scopes of a model are refused at start', () => {
  it.each([
    [{ scopes: 'a' }, 'models.client.scopes: expected an array of scopes'],
    [{ scopes: ['a b'] }, 'models.client.scopes: expected an array of scopes'],
    [{ scopes: undefined }, 'models.client.scopes: is undefined'],
    [{ scopes: { reed: ['a'] } }, 'models.client.scopes.reed: unknown option (read, write, findUnique, findMany, count)'],
    [{ scopes: { create: ['a'] } }, 'models.client.scopes.create: unknown option'],
    [{ scopes: { read: undefined } }, 'models.client.scopes.read: expected an array of scopes'],
    [
      { operations: ['findMany', 'create'], scopes: { read: ['a'] } },
      'models.client.scopes: says nothing of create; add `write` or `create`',
    ],
    [{ operations: ['findMany', 'count'], scopes: { count: ['a'] } }, 'models.client.scopes: says nothing of findMany; add `read` or'],
  ])('%j', (declared, message) => {
    const options = { name: 'x', prisma: db.prisma, datamodel: db.datamodel, models: { client: declared }, auth };
    expect(() => mcp(options as never)).toThrow(message);
    expect(() => mcp(options as never)).toThrow(TypeError);
  });

  it('without auth', () => {
    const options = { name: 'x', prisma: db.prisma, datamodel: db.datamodel, models: { client: { scopes: ['a'] } } };
    expect(() => mcp(options as never)).toThrow('models.client.scopes: nothing checks them without `auth`');
  });
});
