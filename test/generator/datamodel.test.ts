import type { DMMF } from '@prisma/generator-helper';
import { describe, expect, it } from 'vitest';
import { datamodel as postgresql } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel as sqlite } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { Datamodel, DatamodelField, DatamodelModel } from '../../src/models/datamodel/datamodel.ts';
import { toDatamodel } from '../../src/models/datamodel/datamodel.ts';

const datamodel: Datamodel = sqlite;
const model = (name: string): DatamodelModel => datamodel.models[name] ?? expect.fail(`no model ${name}`);
const field = (name: string, of: string): DatamodelField =>
  model(of).fields.find(({ name: each }) => each === name) ?? expect.fail(`no field ${of}.${name}`);

/** What Prisma gives a generator for these models. */
function documentOf(models: DMMF.Model[], indexes: DMMF.Index[] = []): DMMF.Document {
  return {
    datamodel: { models, enums: [], types: [], indexes },
    schema: { inputObjectTypes: {}, outputObjectTypes: { model: [], prisma: [] }, enumTypes: { prisma: [] }, fieldRefTypes: {} },
    mappings: { modelOperations: [], otherOperations: { read: [], write: [] } },
  };
}

describe('toDatamodel', () => {
  it('names every model as the schema does and keys it as the client does', () => {
    const keys = Object.values(datamodel.models).map(({ name, key }) => [name, key]);
    expect(keys).toEqual([
      ['Client', 'client'],
      ['Booking', 'booking'],
      ['Room', 'room'],
      ['Tag', 'tag'],
      ['AuditLog', 'auditLog'],
      ['Membership', 'membership'],
      ['Member', 'member'],
      ['Doc', 'doc'],
      ['Badge', 'badge'],
      ['Seat', 'seat'],
      ['Ticket', 'ticket'],
      ['McpSession', 'mcpSession'],
      ['McpSubscription', 'mcpSubscription'],
      ['McpEvent', 'mcpEvent'],
      ['McpNode', 'mcpNode'],
      ['McpContinuation', 'mcpContinuation'],
      ['McpIdempotencyKey', 'mcpIdempotencyKey'],
      ['McpAuditEntry', 'mcpAuditEntry'],
      ['McpTask', 'mcpTask'],
      ['Author', 'author'],
    ]);
  });

  it('tells required from optional, and what has a default', () => {
    const facts = model('Booking').fields.map(each => [each.name, each.isRequired, each.hasDefaultValue]);
    expect(facts).toEqual([
      ['id', true, true],
      ['clientId', true, false],
      ['roomId', false, false],
      ['startsAt', true, false],
      ['status', true, true],
      ['price', true, false],
      ['meta', false, false],
      ['internalNote', false, false],
      ['client', true, false],
      ['room', false, false],
    ]);
    expect(field('updatedAt', 'Client')).toMatchObject({ isUpdatedAt: true, hasDefaultValue: false });
    expect(field('id', 'Client')).toMatchObject({ isUpdatedAt: false, isId: true });
  });

  it('keeps the scalar types as Prisma names them', () => {
    const types = ['AuditLog', 'Booking', 'Room'].flatMap(name => model(name).fields.map(each => `${each.kind} ${each.type}`));
    expect(new Set(types)).toEqual(
      new Set([
        'scalar BigInt',
        'scalar Bytes',
        'scalar Float',
        'scalar String',
        'scalar Int',
        'scalar DateTime',
        'enum BookingStatus',
        'scalar Decimal',
        'scalar Json',
        'scalar Boolean',
        'object Client',
        'object Room',
        'object Booking',
        'object Membership',
      ]),
    );
  });

  it('turns /// comments into documentation and leaves // comments out', () => {
    expect(model('Client').documentation).toBe('A person who books rooms.');
    expect(field('startsAt', 'Booking').documentation).toBe('Start of the slot, UTC.');
    expect(datamodel.enums['BookingStatus']).toEqual({
      name: 'BookingStatus',
      values: ['PENDING', 'CONFIRMED', 'CANCELLED'],
      documentation: 'Where a booking stands.',
    });
    expect(model('Room')).not.toHaveProperty('documentation');
    expect(field('name', 'Client')).not.toHaveProperty('documentation');
  });

  it('gives a single key no name and a compound one the name of a unique where', () => {
    expect(model('Client')).toMatchObject({ primaryKey: ['id'], uniques: [{ name: 'email', fields: ['email'] }] });
    expect(model('Client')).not.toHaveProperty('primaryKeyName');
    expect(model('Membership')).toMatchObject({ primaryKey: ['clientId', 'roomId'], primaryKeyName: 'clientId_roomId' });
    expect(
      model('Membership')
        .fields.filter(({ isId }) => isId)
        .map(({ name }) => name),
    ).toEqual(['clientId', 'roomId']);
  });

  it('names a compound unique by its name, or by its fields', () => {
    expect(model('Membership').uniques).toEqual([
      { name: 'roomSlot', fields: ['roomId', 'slot'] },
      { name: 'level_slot', fields: ['level', 'slot'] },
    ]);
  });

  it('keeps the columns of each index that finds rows by a value, in their order', () => {
    expect(model('Booking').indexes).toEqual([['clientId', 'startsAt']]);
    expect(model('McpEvent').indexes).toEqual([['stream', 'id'], ['expiresAt']]);
    expect(model('Membership').indexes).toEqual([]);
  });

  it('leaves out indexes that answer other questions', () => {
    const index = (algorithm: string | undefined, type: DMMF.IndexType = 'normal'): DMMF.Index => ({
      model: 'Pair',
      type,
      isDefinedOnField: false,
      ...(algorithm !== undefined && { algorithm }),
      fields: [{ name: algorithm ?? 'none' }],
    });
    const indexes = [index(undefined), index('BTree'), index('Hash'), index('Gin'), index('Brin'), index(undefined, 'fulltext')];
    const pair = { name: 'Pair', dbName: null, schema: null, primaryKey: null, fields: [], uniqueFields: [], uniqueIndexes: [] };
    expect(toDatamodel(documentOf([pair], indexes)).models['Pair']?.indexes).toEqual([['none'], ['BTree'], ['Hash']]);
  });

  it('marks foreign keys and says which relation field they belong to', () => {
    expect(field('clientId', 'Booking')).toMatchObject({ isReadOnly: true, kind: 'scalar' });
    expect(field('startsAt', 'Booking').isReadOnly).toBe(false);
    expect(field('client', 'Booking')).toMatchObject({
      kind: 'object',
      relationFromFields: ['clientId'],
      relationToFields: ['id'],
      isList: false,
    });
    expect(field('bookings', 'Client')).toMatchObject({ kind: 'object', relationFromFields: [], relationToFields: [], isList: true });
    expect(field('clientId', 'Booking')).not.toHaveProperty('relationName');
  });

  it('pairs the two sides of a relation by name, also of one to itself and of many to many', () => {
    expect(field('referredBy', 'Client')).toMatchObject({ type: 'Client', relationName: 'Referral', relationFromFields: ['referredById'] });
    expect(field('referrals', 'Client')).toMatchObject({ type: 'Client', relationName: 'Referral', relationFromFields: [] });
    expect(field('tags', 'Client').relationName).toBe(field('clients', 'Tag').relationName);
  });

  it('differs between SQLite and PostgreSQL by the provider, full-text search, the type of the log’s ids, and the models that only one of them has', () => {
    const { Listing, Entry, Native, Place, McpEvent, ...models } = postgresql.models;
    const { McpEvent: event, ...others } = sqlite.models;
    expect({ ...postgresql, models }).toEqual({ ...sqlite, models: others, provider: 'postgresql', fullText: true });
    expect([McpEvent, event].map(each => each?.fields.find(({ name }) => name === 'id')?.type)).toEqual(['BigInt', 'Int']);
    expect([Listing?.key, Entry?.key, Native?.key, Place?.key]).toEqual(['listing', 'entry', 'native', 'place']);
    expect(sqlite.provider).toBe('sqlite');
  });

  it('tells what Prisma cannot write: rows of a view, and new rows with a required column of an unsupported type', () => {
    const missing = Object.values(postgresql.models).flatMap(each => (each.missing === undefined ? [] : [[each.name, each.missing]]));
    expect(missing).toEqual([
      ['Place', ['create']],
      ['Author', ['create', 'update', 'delete']],
    ]);
  });

  it('prefers the name given to @@id over its fields, and joins what has no name', () => {
    const named = { name: 'Pair', fields: [], uniqueFields: [], uniqueIndexes: [], dbName: null, schema: null };
    const toModel = (name: string | null) =>
      toDatamodel(documentOf([{ ...named, primaryKey: { name, fields: ['a', 'b'] } }])).models['Pair'];
    expect(toModel('key')?.primaryKeyName).toBe('key');
    expect(toModel(null)?.primaryKeyName).toBe('a_b');
  });
});
