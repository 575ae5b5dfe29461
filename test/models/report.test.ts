import { describe, expect, it } from 'vitest';
import { datamodel as postgresql } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel as sqlite } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { Datamodel, DatamodelField } from '../../src/models/datamodel/datamodel.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { ModelReport } from '../../src/models/report.ts';
import { scalarField } from './fields.ts';

/** The reports by model key. Nothing is queried. */
function report(models: Record<string, ExposureLike>, datamodel: Datamodel = sqlite): Record<string, ModelReport> {
  const prisma = Object.fromEntries(Object.keys(models).map(key => [key, { findMany: () => [] }]));
  const reports = compileModels({ name: 'test', prisma, datamodel, models }).report();
  return Object.fromEntries(reports.map(each => [each.key, each]));
}

/** The reason why callers cannot filter by each relation, or `true`. */
function filters(model: ModelReport | undefined): Record<string, string | true | undefined> {
  return Object.fromEntries((model?.relations ?? []).map(({ name, filterable, reason }) => [name, filterable || reason]));
}

describe('the report on a model', () => {
  it('names operations, the cap of rows and visible columns', () => {
    expect(report({ room: { operations: ['findMany', 'delete'], take: 7 } })['room']).toMatchObject({
      key: 'room',
      name: 'Room',
      operations: ['findMany', 'delete'],
      droppedOperations: [],
      take: 7,
      columns: ['id', 'code', 'capacity', 'active'],
      hidden: [],
    });
  });

  it.each<[policy: string, declared: ExposureLike]>([
    ['none', {}],
    ['every row', { where: {} }],
    ['value', { where: { id: 1 } }],
    ['function', { where: () => ({ id: 1 }) }],
  ])('says %s of the row policy of %o', (policy, declared) => {
    expect(report({ client: declared })['client']?.policy).toBe(policy);
  });

  it.each<[data: string, declared: ExposureLike]>([
    ['none', {}],
    ['value', { data: { name: 'x' } }],
    ['function', { data: () => ({}) }],
  ])('says %s of the forced data of %o', (data, declared) => {
    expect(report({ client: declared })['client']?.data).toBe(data);
  });

  it('gives the reason why a column is hidden', () => {
    expect(report({ client: { omit: { email: true } } })['client']?.hidden).toEqual([
      { name: 'email', reason: 'omitted' },
      { name: 'passwordHash', reason: 'secret' },
    ]);
    const { hidden } = report({ room: { select: { id: true, code: true } } })['room'] ?? {};
    expect(hidden).toEqual([
      { name: 'capacity', reason: 'not selected' },
      { name: 'active', reason: 'not selected' },
    ]);
  });

  it('names the type without a JSON form, the column that a secret foreign key points to, and the operation lost with a secret key', () => {
    const reference = scalarField('tokenRef', 'String', { isReadOnly: true, isUnique: true });
    const link: Partial<DatamodelField> = {
      kind: 'object',
      relationName: 'T',
      relationFromFields: ['tokenRef'],
      relationToFields: ['secret'],
    };
    const place = scalarField('place', 'geometry', { kind: 'unsupported', isRequired: false });
    const datamodel: Datamodel = {
      models: {
        Link: {
          name: 'Link',
          key: 'link',
          fields: [scalarField('label', 'String'), reference, place, scalarField('token', 'Token', link)],
          primaryKey: ['tokenRef'],
          uniques: [],
        },
        Token: { name: 'Token', key: 'token', fields: [scalarField('secret', 'String')], primaryKey: ['secret'], uniques: [] },
      },
      enums: {},
    };
    expect(report({ link: {} }, datamodel)['link']).toMatchObject({
      hidden: [
        { name: 'tokenRef', reason: 'secret', detail: 'foreign key to Token.secret' },
        { name: 'place', reason: 'unsupported', detail: 'geometry' },
      ],
      operations: ['findMany', 'count'],
      droppedOperations: ['findUnique'],
    });
  });

  it('says which relations rows include, with which columns', () => {
    const { relations } = report({ booking: { include: { client: { select: { name: true } } } } })['booking'] ?? {};
    expect(relations).toEqual([
      { name: 'client', model: 'Client', included: ['name'], filterable: false, reason: 'Client is not exposed' },
      { name: 'room', model: 'Room', filterable: false, reason: 'Room is not exposed' },
    ]);
  });

  it('says why callers cannot filter by a relation', () => {
    expect(filters(report({ booking: {}, client: { operations: ['create'], data: { passwordHash: 'x' } }, room: {} })['booking'])).toEqual({
      client: 'no operation reads Client',
      room: true,
    });
    expect(filters(report({ booking: { omit: { roomId: true } }, room: {} })['booking'])).toEqual({
      client: 'Client is not exposed',
      room: 'Booking.roomId is hidden, and rows do not include all of Room with its key',
    });
    const shown = { omit: { roomId: true }, include: { room: { select: { id: true } } } };
    expect(filters(report({ booking: shown, room: {} })['booking'])).toMatchObject({ room: true });
    expect(filters(report({ room: {}, booking: { omit: { roomId: true } } })['room'])).toMatchObject({
      bookings: 'Booking.roomId is hidden',
    });
    expect(filters(report({ tag: {}, client: {} })['tag'])).toEqual({
      clients: 'neither Tag nor Client includes all of the other with its key',
    });
  });
});

describe('foreign keys that callers can filter by', () => {
  /** The keys without an index by model, of those that have any. */
  const unindexed = (models: Record<string, ExposureLike>, datamodel?: Datamodel) =>
    Object.fromEntries(
      Object.values(report(models, datamodel)).flatMap(({ key, unindexed: keys }) => (keys.length > 0 ? [[key, keys]] : [])),
    );

  it('are reported where no index begins with them, once for both sides of a relation', () => {
    expect(unindexed({ member: {}, doc: {} })).toEqual({ member: ['leadId'], doc: ['authorId', 'editorId'] });
  });

  it('are not reported where an index, an id or a unique begins with them', () => {
    // Booking has @@index([clientId, startsAt]), Membership @@id([clientId, roomId]) and a unique of roomId and slot, Badge a unique memberId.
    expect(unindexed({ client: { omit: { referredById: true } }, booking: {}, membership: {} })).toEqual({});
    expect(unindexed({ room: {}, membership: {} })).toEqual({});
    expect(unindexed({ badge: {}, member: { omit: { leadId: true } } })).toEqual({});
  });

  it('are not reported where the relation cannot be filtered by', () => {
    expect(unindexed({ doc: {} })).toEqual({});
    expect(unindexed({ doc: { omit: { authorId: true, editorId: true } }, member: { omit: { leadId: true } } })).toEqual({});
  });

  it('need all their columns at the beginning of one index, in any order', () => {
    const keys = ['tenantId', 'ownerId'];
    const tables = (indexes: string[][]): Datamodel => ({
      models: {
        Owner: {
          name: 'Owner',
          key: 'owner',
          fields: [scalarField('tenantId', 'Int'), scalarField('id', 'Int'), list('items', 'Item', [], [])],
          primaryKey: ['tenantId', 'id'],
          primaryKeyName: 'tenantId_id',
          uniques: [],
          indexes: [],
        },
        Item: {
          name: 'Item',
          key: 'item',
          fields: [scalarField('id', 'Int'), ...keys.map(key => scalarField(key, 'Int')), list('owner', 'Owner', keys, ['tenantId', 'id'])],
          primaryKey: ['id'],
          uniques: [],
          indexes,
        },
      },
      enums: {},
    });
    const list = (name: string, type: string, from: string[], to: string[]) =>
      scalarField(name, type, {
        kind: 'object',
        isList: from.length === 0,
        relationName: 'R',
        relationFromFields: from,
        relationToFields: to,
      });
    const models = { owner: {}, item: {} };
    expect(unindexed(models, tables([['ownerId', 'tenantId', 'id']]))).toEqual({});
    for (const indexes of [[], [['tenantId']], [['id', 'tenantId', 'ownerId']], [['tenantId', 'id', 'ownerId']]]) {
      expect(unindexed(models, tables(indexes))).toEqual({ item: ['tenantId, ownerId'] });
    }
  });

  it('are not reported for a view, which cannot have an index', () => {
    const doc = sqlite.models['Doc'] ?? expect.fail();
    const models = { ...sqlite.models, Doc: { ...doc, missing: ['create', 'update', 'delete'] as const } };
    expect(unindexed({ member: { omit: { leadId: true } }, doc: {} }, { ...sqlite, models })).toEqual({});
  });

  it('are not reported for MySQL, which makes these indexes itself, or for a datamodel without indexes', () => {
    expect(unindexed({ member: {}, doc: {} }, postgresql)).toEqual({ member: ['leadId'], doc: ['authorId', 'editorId'] });
    expect(unindexed({ member: {}, doc: {} }, { ...sqlite, provider: 'mysql' })).toEqual({});
    const older = Object.values(sqlite.models).map(({ indexes: _, ...model }) => [model.name, model] as const);
    expect(unindexed({ member: {}, doc: {} }, { ...sqlite, models: Object.fromEntries(older) })).toEqual({});
  });
});
