import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase, postgresAvailable } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { serve } from './served.ts';

const operations = ['findUnique', 'findMany', 'create', 'update'];

describeDatabases('an update', provider => {
  let db: TestDatabase;
  let served: Served;
  const start = { score: 10, points: 10n, ratio: 2.5, amount: '1.5' };
  beforeEach(async () => {
    db = await openDatabase(provider);
    served = serve(db, { member: { operations }, doc: { operations } });
    await db.prisma.member.create({ data: { id: 1, nick: 'one', facts: {}, ...start } });
    await db.prisma.doc.create({ data: { id: 1, title: 'doc', rank: 1, editorId: 1 } });
  });
  afterEach(() => db.close());
  const update = (data: Json): Promise<Json> => served.run('member_update', { where: { id: 1 }, data });
  const refused = (data: Json): Promise<string> => served.fail('member_update', { where: { id: 1 }, data });

  it('computes with the value that the row has', async () => {
    const changes = { score: { increment: 5 }, points: { decrement: '3' }, ratio: { multiply: 2 }, amount: { increment: '0.5' } };
    expect(await update(changes)).toMatchObject({ score: 15, points: '7', ratio: 5, amount: '2' });
    expect(await update({ score: { divide: 3 }, points: { multiply: 2 } })).toMatchObject({ score: 5, points: '14' });
    expect(await update({ score: { set: null }, nick: { set: 'two' } })).toMatchObject({ score: null, nick: 'two' });
    expect(await update({ score: { increment: 1 } })).toMatchObject({ score: null });
  });

  it.each<[data: Json, message: string]>([
    [{ score: { increment: 1.5 } }, 'data.score.increment: expected an integer, got a number'],
    [
      { score: { increment: 1, decrement: 1 } },
      'data.score: expected a value or exactly one of set, increment, decrement, multiply, divide,',
    ],
    [{ score: {} }, 'data.score: expected a value or exactly one of set, increment,'],
    [{ score: { add: 1 } }, 'data.score: expected a value or exactly one of set, increment,'],
    [{ amount: { divide: '0.00' } }, 'data.amount.divide: must not be 0'],
    [{ nick: { increment: 1 } }, 'data.nick: expected a string, got an object'],
    [{ nick: { set: null } }, 'data.nick.set: must not be null'],
    [{ leadId: { increment: 1 } }, 'data.leadId: expected an integer, got an object'],
  ])('refuses %o', async (data, message) => {
    expect(await refused(data)).toContain(message);
  });

  it.each<[data: Json]>([
    [{ score: { multiply: 2_147_483_647 } }],
    [{ score: { increment: 2_147_483_640 } }],
    [{ points: { multiply: '9223372036854775807' } }],
    [{ ratio: { multiply: 1.7e308 } }],
  ])('leaves nothing behind that its column cannot hold: %o', async data => {
    const [name = ''] = Object.keys(data);
    await db.prisma.member.update({ where: { id: 1 }, data: { ratio: 1e308 } });
    expect(await refused(data)).toMatch(new RegExp(`^data(\\.${name})?: .*out of the range.*; nothing was changed$`));
    const { ratio, ...row } = await served.run('member_findUnique', { where: { id: 1 } });
    expect(row).toMatchObject({ score: 10, points: '10' });
    expect(ratio).toBe(1e308);
  });

  it('has no operators on create', async () => {
    const data = { id: 2, nick: 'two', facts: {}, score: { increment: 1 } };
    expect(await served.fail('member_create', { data })).toBe('data.score: expected an integer, got an object');
    expect(await served.fail('member_create', { data: { ...data, score: { set: 3 } } })).toBe(
      'data.score: expected an integer, got an object',
    );
  });

  it('is checked against the policy afterwards, and against what the app forces', async () => {
    const policed = serve(db, { member: { operations, where: { score: { lte: 12 } }, data: { bound: 7 } } });
    expect(await policed.run('member_update', { where: { id: 1 }, data: { score: { increment: 2 } } })).toMatchObject({
      score: 12,
      bound: 7,
    });
    expect(await policed.fail('member_update', { where: { id: 1 }, data: { score: { increment: 1 } } })).toContain(
      'not allowed: this update',
    );
    expect(await policed.fail('member_update', { where: { id: 1 }, data: { bound: { increment: 1 } } })).toContain(
      'no column "bound" to write',
    );
    expect(await policed.run('member_findUnique', { where: { id: 1 } })).toMatchObject({ score: 12, bound: 7 });
    const forced = serve(db, { member: { operations, data: () => ({ score: 1 }) } });
    expect(await forced.run('member_update', { where: { id: 1 }, data: { score: { increment: 100 } } })).toMatchObject({ score: 1 });
  });

  it('checks the row that a foreign key inside set points to', async () => {
    const policed = serve(db, { member: { where: { nick: 'nobody' } }, doc: { operations } });
    expect(await policed.fail('doc_update', { where: { id: 1 }, data: { editorId: { set: 1 } } })).toBe(
      'data.editorId: the related row does not exist',
    );
  });

  it('is announced as repeatable only if no column can be changed by its value', () => {
    const tools = serve(db, { member: { operations, select: { id: true, nick: true, facts: true } }, doc: { operations } }).tools;
    const hints = tools.filter(({ name }) => name.endsWith('_update')).map(({ name, annotations }) => [name, annotations?.idempotentHint]);
    expect(hints).toEqual([
      ['member_update', true],
      ['doc_update', false],
    ]);
  });
});

describe.skipIf(!postgresAvailable() && !process.env['CI'])('an update of a list', () => {
  it('adds items, or sets the whole list', async () => {
    await using db = await openDatabase('postgresql');
    const served = serve(db, { listing: { operations } });
    const created = await served.run('listing_create', { data: { id: 1, name: 'x', labels: { set: ['a'] }, sizes: [1] } });
    expect(created).toMatchObject({ labels: ['a'], sizes: [1], moods: [] });
    const update = (data: Json): Promise<Json> => served.run('listing_update', { where: { id: 1 }, data });
    expect(await update({ labels: { push: 'b' }, sizes: { push: [2, 3] }, moods: { push: 'CALM' } })).toMatchObject({
      labels: ['a', 'b'],
      sizes: [1, 2, 3],
      moods: ['CALM'],
    });
    expect(await update({ labels: { set: [] }, sizes: [9] })).toMatchObject({ labels: [], sizes: [9], moods: ['CALM'] });
    for (const [data, message] of [
      [{ labels: { push: 1 } }, 'data.labels.push: expected a string, got a number'],
      [{ labels: { push: [null] } }, 'data.labels.push[0]: must not be null'],
      [{ labels: { push: 'a', set: ['b'] } }, 'data.labels: expected an array or exactly one of set, push, got an object'],
      [{ labels: { add: 'a' } }, 'data.labels: expected an array or exactly one of set, push'],
      [{ labels: 'a' }, 'data.labels: expected an array, got a string'],
    ] as const) {
      expect(await served.fail('listing_update', { where: { id: 1 }, data })).toBe(
        message.includes('exactly one of set, push')
          ? 'data.labels: expected an array or exactly one of set, push, got an object'
          : message,
      );
    }
  });
});
