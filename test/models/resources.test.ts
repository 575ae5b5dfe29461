import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileModels } from '../../src/models/compile.ts';
import type { DatamodelModel } from '../../src/models/datamodel/datamodel.ts';
import type { Completion } from '../../src/protocol/definitions.ts';
import { uriTemplate } from '../../src/protocol/uri-template.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

const parsed = (text: string | undefined): Json => (text === undefined ? undefined : JSON.parse(text));

describeDatabases('models as resources', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await seeded(provider);
    served = serve(db, {
      client: { select: { id: true, name: true }, where: (ctx: never) => ({ id: { lte: userOf(ctx)?.clientId ?? 0 } }) },
      booking: { take: 3, where: async (ctx: never) => ({ clientId: userOf(ctx)?.clientId ?? 0 }) },
      membership: {},
      room: { operations: ['findUnique', 'count'] },
      tag: { operations: ['findMany'] },
      auditLog: {},
    });
  });
  afterAll(() => db.close());

  const complete = (name: string, variable: string, prefix: string, caller = 3, others = {}): Promise<Completion> | undefined =>
    served.resourceTemplates.find(template => template.name === name)?.complete?.[variable]?.(prefix, callOf(caller), others);

  const readUri = async (uri: string, caller?: number): Promise<Json> => {
    for (const { uriTemplate: template, read } of served.resourceTemplates) {
      const variables = uriTemplate(template).match(uri);
      if (variables !== undefined) return parsed((await read(uri, variables, callOf(caller)))?.contents[0]?.text);
    }
    throw new Error(`no template makes ${uri}`);
  };

  it('are a list with pages where findMany is exposed, and a template for each key where findUnique is', () => {
    expect(served.resources.map(({ uri, name, mimeType }) => [uri, name, mimeType])).toEqual([
      ['test://client', 'client', 'application/json'],
      ['test://booking', 'booking', 'application/json'],
      ['test://membership', 'membership', 'application/json'],
      ['test://tag', 'tag', 'application/json'],
      ['test://auditLog', 'auditLog', 'application/json'],
    ]);
    expect(served.resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      'test://client/{id}',
      'test://client{?cursor}',
      'test://booking/{id}',
      'test://booking{?cursor}',
      'test://membership/{clientId}/{roomId}',
      'test://membership{?roomId,slot}',
      'test://membership{?level,slot}',
      'test://membership{?cursor}',
      'test://room/{id}',
      'test://room{?code}',
      'test://tag{?cursor}',
      'test://auditLog/{id}',
      'test://auditLog{?cursor}',
    ]);
    expect(served.prompts).toEqual([]);
  });

  it('carry the cache hints of their model', () => {
    const cache = { ttlMs: 1000, cacheScope: 'public' };
    const { resources, resourceTemplates } = serve(db, { room: { cache }, tag: {} });
    const hints = [...resources, ...resourceTemplates].map(({ name, cache: declared }) => [name.split('_')[0], declared]);
    expect(new Map(hints as [string, unknown][])).toEqual(
      new Map<string, unknown>([
        ['room', cache],
        ['tag', undefined],
      ]),
    );
    expect(hints.length).toBeGreaterThan(4);
  });

  it('give the first page, within the policy', async () => {
    expect(await served.read('client', undefined, callOf(2))).toEqual({
      rows: [
        { id: 1, name: 'Ada' },
        { id: 2, name: 'Grace' },
      ],
    });
    expect(await served.read('client')).toEqual({ rows: [] });
  });

  it('say so when the page was cut', async () => {
    const read = (caller: number) => served.resources.find(({ name }) => name === 'booking')?.read('test://booking', callOf(caller));
    expect((await read(1))?.contents).toEqual([{ uri: 'test://booking', mimeType: 'application/json', text: expect.any(String) }]);
    const cut = serve(db, { booking: { take: 2 } });
    expect(await cut.read('booking')).toEqual({ rows: [expect.anything(), expect.anything()], next: expect.any(String), truncated: true });
    const unpaged = serve(db, { booking: { take: 2, orderBy: { room: { capacity: 'asc' } } } });
    expect(await unpaged.read('booking')).toEqual({ rows: [expect.anything(), expect.anything()], truncated: true });
    expect(unpaged.resourceTemplates.map(({ name }) => name)).toEqual(['booking']);
  });

  it('have pages, each of which names the URI of the next, within the policy', async () => {
    await db.prisma.booking.createMany({
      data: [1, 2, 3, 4].map(day => ({ clientId: 1, startsAt: new Date(Date.UTC(2026, 4, day)), price: '1' })),
    });
    const ids: number[] = [];
    let page = await served.read('booking', undefined, callOf(1));
    for (; page.next !== undefined; page = await readUri(page.next, 1)) ids.push(...page.rows.map(({ id }: { id: number }) => id));
    ids.push(...page.rows.map(({ id }: { id: number }) => id));
    expect(ids).toEqual([1, 2, 3, 8, 9, 10, 11]);
    await db.prisma.booking.deleteMany({ where: { id: { gt: 7 } } });
  });

  it.each(['', 'x', 'W10', 'WzRd', 'WzQwMDBd'])(
    'refuse the cursor %j as a client’s mistake: it is none, or its row is hidden or gone',
    async cursor => {
      await expect(readUri(`test://booking?cursor=${cursor}`, 1)).rejects.toMatchObject({
        code: -32602,
        message: expect.stringMatching(/^cursor: /),
        data: { uri: `test://booking?cursor=${cursor}` },
      });
    },
  );

  it('give one row by another unique key, within the policy', async () => {
    const red = { clientId: 1, roomId: 'red', slot: 1 };
    expect(await readUri('test://membership?roomId=red&slot=1')).toMatchObject(red);
    expect(await readUri('test://membership?roomId=red&slot=01')).toBeUndefined();
    expect(await readUri('test://membership?roomId=red')).toBeUndefined();
    expect(await readUri('test://membership?slot=1')).toBeUndefined();
    expect(await readUri('test://room?code=B')).toMatchObject({ id: 'blue' });
    const byEmail = serve(db, { client: { omit: { name: true }, where: (ctx: never) => ({ id: userOf(ctx)?.clientId ?? 0 }) } });
    const template = byEmail.resourceTemplates.find(({ name }) => name === 'client_email');
    expect(template?.uriTemplate).toBe('test://client{?email}');
    const read = async (email: string): Promise<Json> =>
      parsed((await template?.read('test://client', { email }, callOf(1)))?.contents[0]?.text);
    expect(await read('ada@example.com')).toMatchObject({ id: 1 });
    expect(await read('grace@example.com')).toBeUndefined();
    expect((await template?.complete?.['email']?.('a', callOf(1), {}))?.values).toEqual(['ada@example.com']);
    expect((await template?.complete?.['email']?.('g', callOf(1), {}))?.values).toEqual([]);
  });

  it('have no template for a unique key with a hidden column, or one that looks like a URI of pages', () => {
    const templates = serve(db, { client: { omit: { email: true } } }).resourceTemplates.map(({ uriTemplate: template }) => template);
    expect(templates).toEqual(['test://client/{id}', 'test://client{?cursor}']);
    const fields = (db.datamodel.models['Room']?.fields ?? []).map(field => (field.name === 'code' ? { ...field, name: 'cursor' } : field));
    const room = { ...db.datamodel.models['Room'], fields, uniques: [{ name: 'cursor', fields: ['cursor'] }] };
    const datamodel = { ...db.datamodel, models: { ...db.datamodel.models, Room: room as DatamodelModel } };
    const { resourceTemplates } = compileModels({ name: 'test', prisma: db.prisma, datamodel, models: { room: {} } });
    expect(resourceTemplates.map(({ uriTemplate: template }) => template)).toEqual(['test://room/{id}', 'test://room{?cursor}']);
  });

  it('give one row by its key, compound keys in several variables', async () => {
    expect(await served.read('client', { id: '1' }, callOf(1))).toEqual({ id: 1, name: 'Ada' });
    expect(await served.read('membership', { clientId: '2', roomId: 'blue' })).toMatchObject({ slot: 3 });
    expect(await served.read('room', { id: 'red' })).toMatchObject({ code: 'R' });
    expect(await served.read('auditLog', { id: '9007199254740991' })).toMatchObject({ actor: 'ada' });
  });

  it.each([{ id: '99' }, { id: '2' }, { id: 'x' }, { id: '1.5' }, { id: '' }, { id: '99999999999' }, {}, { id: '1 OR 1=1' }])(
    'are not there for client 1 as %o',
    async variables => {
      expect(await served.read('client', variables as Record<string, string>, callOf(1))).toBeUndefined();
    },
  );

  describe('completion', () => {
    it('offers the keys of visible rows that begin with what was typed', async () => {
      expect(await complete('client', 'id', '')).toEqual({ values: ['1', '2', '3'], hasMore: false });
      expect(await complete('client', 'id', '2')).toEqual({ values: ['2'], hasMore: false });
      expect(await complete('client', 'id', '', 1)).toEqual({ values: ['1'], hasMore: false });
      expect(await complete('client', 'id', '2', 1)).toEqual({ values: [], hasMore: false });
      expect(await complete('membership', 'roomId', 're')).toEqual({ values: ['red'], hasMore: false });
      expect(await complete('membership', 'roomId', '')).toEqual({ values: ['blue', 'red'], hasMore: false });
      expect(await complete('auditLog', 'id', '900')).toEqual({ values: ['9007199254740991'], hasMore: false });
    });

    it.each(['x', '-', '1e3', '01', '%', "'", '\0', '99999999999999999999', ' '])('offers nothing for %j', async prefix => {
      expect((await complete('client', 'id', prefix))?.values).toEqual([]);
      expect((await complete('membership', 'roomId', prefix))?.values).toEqual([]);
    });

    it('minds the other variables of a compound key', async () => {
      expect((await complete('membership', 'roomId', '', 3, { clientId: '1' }))?.values).toEqual(['red']);
      expect((await complete('membership', 'roomId', '', 3, { clientId: 'x' }))?.values).toEqual([]);
      expect((await complete('membership', 'clientId', '', 3, { roomId: 'blue' }))?.values).toEqual(['2']);
    });

    it('finds numbers of any length by their first digits, at most 100', async () => {
      const many = serve(db, { tag: {} });
      await db.prisma.tag.createMany({ data: Array.from({ length: 130 }, (_, index) => ({ label: `t${index}` })) });
      const of = async (prefix: string): Promise<Json> => many.resourceTemplates[0]?.complete?.['id']?.(prefix, callOf(), {});
      expect((await of('12')).values).toEqual(['12', '120', '121', '122', '123', '124', '125', '126', '127', '128', '129']);
      expect((await of('0')).values).toEqual([]);
      const all = await of('');
      expect(all.values).toHaveLength(100);
      expect(all.hasMore).toBe(true);
    });

    it('is only for those who may list', () => {
      expect(served.resourceTemplates.find(({ name }) => name === 'room')?.complete).toBeUndefined();
    });
  });

  it('have one URI a row', async () => {
    await db.prisma.auditLog.create({ data: { id: 7n, payload: new Uint8Array(), ratio: 1 } });
    expect(await served.read('client', { id: '1' }, callOf(3))).toMatchObject({ id: 1 });
    expect(await served.read('auditLog', { id: '7' })).toMatchObject({ id: '7' });
    for (const id of ['001', '1.0', '1.000', '+1', '1e0', ' 1', '-0']) {
      expect(await served.read('client', { id }, callOf(3)), id).toBeUndefined();
    }
    for (const id of ['07', '-07', '7.0', '+7', '-0']) expect(await served.read('auditLog', { id }), id).toBeUndefined();
    expect(await served.read('membership', { clientId: '01', roomId: 'red' })).toBeUndefined();
  });
});
