import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datamodel as postgresql } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { mcp, memoryStore } from '../../src/index.ts';
import { compileModels } from '../../src/models/compile.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { CallContext } from '../../src/protocol/definitions.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, describePostgres } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

describeDatabases('search and fetch', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await seeded(provider);
    served = serve(db, {
      client: {
        omit: { phone: true },
        where: (ctx: never) => ({ id: { lte: userOf(ctx)?.clientId ?? 0 } }),
        search: {
          columns: ['name', 'notes'],
          title: async (row: Json, ctx: CallContext) => (row.id === 3 ? null : `${row.name} for ${userOf(ctx)?.clientId}`),
          url: async (row: Json) => (row.id === 1 ? `https://shop.example/clients/${row.id}` : undefined),
        },
      },
      booking: {
        omit: { price: true },
        where: async (ctx: never) => ({ clientId: { lte: userOf(ctx)?.clientId ?? 0 } }),
        orderBy: { startsAt: 'desc' },
        take: 3,
        search: { columns: ['internalNote'] },
      },
      membership: { search: { columns: ['level'], title: 'expiresAt' } },
      room: {},
    });
  });
  afterAll(() => db.close());

  const search = async (query: string, caller = 3): Promise<Json[]> => (await served.run('search', { query }, callOf(caller))).results;
  const ids = async (query: string, caller = 3): Promise<string[]> => (await search(query, caller)).map(({ id }) => id);
  const fetchRow = (id: string, caller = 3): Promise<Json> => served.run('fetch', { id }, callOf(caller));

  it('are two tools for all models, in the form of ChatGPT', () => {
    const tools = served.tools.filter(({ name }) => name === 'search' || name === 'fetch');
    expect(
      tools.map(({ name, inputSchema, annotations }) => [name, inputSchema.properties, inputSchema.required, annotations?.readOnlyHint]),
    ).toEqual([
      ['search', { query: { type: 'string', description: expect.any(String) } }, ['query'], true],
      ['fetch', { id: { type: 'string', description: expect.any(String) } }, ['id'], true],
    ]);
    expect(tools[0]?.description).toContain('client (name, notes), booking (internalNote), membership (level)');
    expect(serve(db, { room: {} }).tools.map(({ name }) => name)).not.toContain('search');
  });

  it('find rows that contain every word in one of the columns, in any case', async () => {
    expect(await ids('ada')).toEqual(['client:1']);
    expect(await ids('VIP')).toEqual(['client:1']);
    expect(await ids('vip, ADA!')).toEqual(['client:1']);
    expect(await ids('vip grace')).toEqual([]);
    expect(await ids('a')).toEqual(['client:1', 'booking:3', 'membership:2/blue', 'client:2']);
    expect(await ids('half')).toEqual(['membership:2/blue']);
  });

  it('find no hidden row and nothing in columns that are not named', async () => {
    expect(await ids('grace', 1)).toEqual([]);
    expect(await ids('example', 3)).toEqual([]);
    expect(await ids('window', 1)).toEqual(['booking:1']);
    expect(await ids('window', 3)).toEqual(['booking:6', 'booking:1']);
  });

  it('name rows by the host’s title and address, or else by the column, by the model and key, and by the URI', async () => {
    expect(await search('ada')).toEqual([{ id: 'client:1', title: 'Ada for 3', url: 'https://shop.example/clients/1' }]);
    expect(await search('linus')).toEqual([{ id: 'client:3', title: 'Client 3', url: 'test://client/3' }]);
    expect(await search('late')).toEqual([{ id: 'booking:3', title: 'late', url: 'test://booking/3' }]);
    expect(await search('full')).toEqual([
      { id: 'membership:1/red', title: '2027-01-01T00:00:00.000Z', url: 'test://membership/1/red' },
      { id: 'membership:2/red', title: 'Membership 2/red', url: 'test://membership/2/red' },
    ]);
  });

  it('take turns between models, in a stable order, and say in _meta that rows were left out', async () => {
    await db.prisma.booking.updateMany({ where: { id: { in: [2, 4, 5] } }, data: { internalNote: 'an ace' } });
    expect(await ids('ac')).toEqual(['client:2', 'booking:5', 'booking:4', 'booking:2']);
    const tool = served.tools.find(({ name }) => name === 'search');
    expect((await tool?.call({ query: 'ac' }, callOf(3)))?._meta).toBeUndefined();
    await db.prisma.booking.updateMany({ where: { id: 7 }, data: { internalNote: 'ace' } });
    expect((await tool?.call({ query: 'ac' }, callOf(3)))?._meta).toEqual({ truncated: true });
    expect(await ids('ac')).toEqual(['client:2', 'booking:7', 'booking:5', 'booking:4']);
    await db.prisma.booking.updateMany({ where: { id: { in: [2, 4, 5, 7] } }, data: { internalNote: null } });
  });

  it('give 25 results at most, whatever take is', async () => {
    const many = serve(db, { tag: { take: 100, search: { columns: ['label'] } } });
    await db.prisma.tag.createMany({ data: Array.from({ length: 30 }, (_, index) => ({ label: `many${index}` })) });
    expect((await many.run('search', { query: 'many' })).results).toHaveLength(25);
    await db.prisma.tag.deleteMany({ where: { label: { startsWith: 'many' } } });
  });

  it.each<[query: unknown, message: RegExp]>([
    [5, /^query: expected words, got a number$/],
    [undefined, /^query: expected words, got nothing$/],
    ['', /^query: has no word/],
    ['% _ "*"', /^query: has no word/],
    [Array.from({ length: 34 }, (_, index) => `w${index}`).join(' '), /^query: has more than 33 words/],
    ['x'.repeat(501), /^query: has more than 500 letters and digits/],
  ])('refuse the query %j', async (query, message) => {
    expect(await served.fail('search', { query }, callOf(3))).toMatch(message);
  });

  it('refuse other arguments', async () => {
    expect(await served.fail('search', { query: 'x', limit: 5 }, callOf(3))).toBe('limit: unknown argument (query)');
    expect(await served.fail('fetch', { id: 'client:1', query: 'x' }, callOf(3))).toBe('query: unknown argument (id)');
  });

  it('read no wildcard in a query', async () => {
    expect(await ids('a%a')).toEqual(await ids('a'));
    expect(await ids('A_a')).toEqual(await ids('a'));
  });

  it('fetch the row as JSON text, under the same id, title and address', async () => {
    expect(await fetchRow('client:1')).toEqual({
      id: 'client:1',
      title: 'Ada for 3',
      url: 'https://shop.example/clients/1',
      text: expect.any(String),
      metadata: { model: 'client' },
    });
    expect(JSON.parse((await fetchRow('client:1')).text)).toEqual(await served.read('client', { id: '1' }, callOf(3)));
    expect((await fetchRow('client:1')).text).not.toContain('phone');
    expect((await fetchRow('membership:2/%62lue')).id).toBe('membership:2/blue');
  });

  it.each([
    'client:2',
    'client:99',
    'client:x',
    'client:01',
    'client:',
    'client:1/2',
    'client:%',
    'room:red',
    'nothing:1',
    'client',
    '',
    '\0',
  ])('answer the id %j of a hidden row, of a missing row or of nothing alike', async id => {
    expect(await served.fail('fetch', { id }, callOf(1))).toBe(
      `id: not found: ${JSON.stringify(id)}; take an id from the results of search`,
    );
  });

  it('cut a text that is longer than a result may be', async () => {
    const notes = `${'"é\u0001😀'.repeat(3000)}`;
    await db.prisma.client.update({ where: { id: 2 }, data: { notes } });
    const models = { client: { search: { columns: ['name'] } } };
    const compiled = compileModels({ name: 'test', prisma: db.prisma, datamodel: db.datamodel, models, maxResultBytes: 20_000 });
    const result = await compiled.tools.find(({ name }) => name === 'fetch')?.call({ id: 'client:2' }, callOf());
    const { text, metadata }: Json = result?.structuredContent ?? {};
    expect(metadata).toEqual({ model: 'client', truncated: 'true' });
    expect(text).toMatch(/^\{"id":2,.*…$/s);
    expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(20_000);
    expect(Buffer.byteLength(JSON.stringify(result))).toBeGreaterThan(5000);
    await db.prisma.client.update({ where: { id: 2 }, data: { notes: null } });
  });

  it('cut a long title between characters', async () => {
    await db.prisma.client.update({ where: { id: 2 }, data: { name: `${'x'.repeat(198)}😀😀 long` } });
    const long = serve(db, { client: { search: { columns: ['name'] } } });
    const [{ title }] = (await long.run('search', { query: 'long' })).results;
    expect(title).toBe(`${'x'.repeat(198)}…`);
    await db.prisma.client.update({ where: { id: 2 }, data: { name: 'Grace' } });
  });
});

describePostgres('search with fullText', () => {
  const served = (db: TestDatabase) =>
    serve(db, {
      client: {
        where: (ctx: never) => ({ id: { lte: userOf(ctx)?.clientId ?? 0 } }),
        search: { columns: ['name', 'notes'], fullText: true },
      },
    });
  const found = async (db: TestDatabase, query: string, caller = 3): Promise<string[]> =>
    (await served(db).run('search', { query }, callOf(caller))).results.map(({ id }: Json) => id);

  it('finds whole words in any of the columns and in other forms, of the rows that the caller can see', async () => {
    await using db = await seeded('postgresql');
    await db.prisma.client.update({ where: { id: 1 }, data: { name: 'Ada Byron', notes: 'cancelled two bookings' } });
    await db.prisma.client.update({ where: { id: 3 }, data: { name: 'Byron', notes: 'books often' } });
    expect(await found(db, 'ada booking')).toEqual(['client:1']);
    expect(await found(db, 'BYRON')).toEqual(['client:1', 'client:3']);
    expect(await found(db, 'byron', 1)).toEqual(['client:1']);
    expect(await found(db, 'byro')).toEqual([]);
    expect(await found(db, "byron' | ! (often & <-> :*")).toEqual(['client:3']);
  });
});

describe('a declaration of search', () => {
  const fault = (search: unknown, rest: object = {}, of = datamodel, key = 'client') => {
    try {
      resolveExposures({ [key]: { search, ...rest } }, modelGraph(of));
      return undefined;
    } catch (error) {
      return error instanceof TypeError ? error.message : error;
    }
  };

  it.each<[search: unknown, message: RegExp]>([
    [5, /^models\.client\.search: expected an object$/],
    [{ columns: ['name'], limit: 5 }, /^models\.client\.search\.limit: unknown option \(columns, fullText, title, url\)$/],
    [{}, /^models\.client\.search\.columns: name at least one text column, as \['name'\]$/],
    [{ columns: [] }, /^models\.client\.search\.columns: name at least one/],
    [
      { columns: ['name', 'joinedAt'] },
      /^models\.client\.search\.columns\[1\]: Client shows no text column `joinedAt` \(email, name, phone, notes/,
    ],
    [{ columns: ['nope'] }, /Client shows no text column `nope`/],
    [{ columns: ['passwordHash'] }, /Client shows no text column `passwordHash` \((?!.*password)/],
    [{ columns: ['name'], title: 'nope' }, /^models\.client\.search\.title: Client shows no column `nope`/],
    [{ columns: ['name'], title: 5 }, /^models\.client\.search\.title: expected a column, or a function/],
    [{ columns: ['name'], url: 'x' }, /^models\.client\.search\.url: expected a function/],
    [{ columns: ['name'], fullText: 'yes' }, /^models\.client\.search\.fullText: expected true or false$/],
    [{ columns: ['name'], fullText: true }, /^models\.client\.search\.fullText: Prisma has full-text search for PostgreSQL and MySQL only/],
  ])('%j is refused at start-up', (search, message) => {
    expect(fault(search)).toMatch(message);
  });

  it('needs the operations that list rows and read one', () => {
    expect(fault({ columns: ['name'] }, { operations: ['findMany'] })).toMatch(/^models\.client\.search: .* add findUnique to operations/);
    expect(fault({ columns: ['name'] }, { operations: ['findUnique'] })).toMatch(/^models\.client\.search: .* add findMany to operations/);
  });

  it('says what a client for PostgreSQL needs for full-text search', () => {
    const { fullText: _, ...without } = postgresql;
    expect(fault({ columns: ['name'], fullText: true }, {}, without)).toBe(
      'models.client.search.fullText: the client has no full-text search; add previewFeatures = ["fullTextSearchPostgres"] to its generator, and run `prisma generate`',
    );
    expect(fault({ columns: ['name'], fullText: true }, {}, postgresql)).toBeUndefined();
  });

  it('takes no column whose native type is no text', () => {
    expect(fault({ columns: ['id'] }, {}, postgresql, 'native')).toMatch(/shows no text column `id`/);
  });

  it('must not meet an own tool named search or fetch', () => {
    const prisma = Object.fromEntries(Object.values(datamodel.models).map(({ key }) => [key, { findMany: () => [] }]));
    const declared: object = {
      prisma,
      datamodel,
      models: { client: { search: { columns: ['name'] } } },
      sessions: { store: memoryStore() },
    };
    const start = (name: string) => () => mcp({ name: 'shop', ...declared, tools: { [name]: { description: 'x', handler: () => 'x' } } });
    for (const name of ['search', 'fetch']) {
      expect(start(name)).toThrow(`tools.${name}: \`models\` make one of this name; rename this one, or change \`search\` of the model`);
    }
    expect(start('find')().report()).toMatchObject({ models: [{ searched: ['name'] }] });
    expect(start('find')().report().tools).toContainEqual(expect.objectContaining({ name: 'fetch', from: 'models' }));
  });
});
