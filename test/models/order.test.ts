import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { fillMembers } from './nullable.ts';
import type { Json, Served } from './served.ts';
import { serve } from './served.ts';

describeDatabases('the order of a caller', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await openDatabase(provider);
    await fillMembers(db);
    served = serve(db, { member: {}, doc: {}, badge: {} });
  });
  afterAll(() => db.close());

  const ids = ({ rows }: Json): number[] => rows.map(({ id }: Json) => id);

  const orders: [model: string, orderBy: Json][] = [
    ['member', [{ score: 'asc' }]],
    ['member', [{ score: 'desc' }]],
    ['member', [{ score: { sort: 'asc', nulls: 'first' } }]],
    ['member', [{ score: { sort: 'asc', nulls: 'last' } }]],
    ['member', [{ score: { sort: 'desc', nulls: 'first' } }]],
    ['member', [{ score: { sort: 'desc', nulls: 'last' } }]],
    ['member', [{ mood: { sort: 'desc', nulls: 'last' } }, { label: { sort: 'asc', nulls: 'first' } }]],
    ['member', [{ amount: 'asc' }, { seenAt: { sort: 'desc' } }]],
    ['member', [{ lead: { score: { sort: 'asc', nulls: 'last' } } }]],
    ['member', [{ badge: { level: 'asc' } }]],
    ['member', [{ docs: { _count: 'desc' } }]],
    ['member', [{ edited: { _count: 'asc' } }, { score: 'desc' }]],
    ['member', [{ lead: { docs: { _count: 'desc' } } }]],
    ['doc', { author: { label: { sort: 'asc', nulls: 'first' } } }],
    ['doc', [{ editor: { docs: { _count: 'asc' } } }, { id: 'desc' }]],
    ['badge', [{ member: { lead: { score: 'desc' } } }]],
  ];

  it.each(orders)('of %s by %o is Prisma’s, and its pages have each row once', async (model, orderBy) => {
    const whole = ids(await served.run(`${model}_findMany`, { orderBy }));
    const steps = [...(Array.isArray(orderBy) ? orderBy : [orderBy]), { id: 'asc' }];
    const expected = await (db.prisma as Json)[model].findMany({
      orderBy: steps.slice(0, steps.findIndex(step => step.id) + 1),
      select: { id: true },
    });
    expect(whole).toEqual(ids({ rows: expected }));
    for (const take of [1, 3]) {
      const paged: number[] = [];
      for (let cursor: string | undefined, pages = 0; pages === 0 || cursor !== undefined; pages++) {
        const page: Json = await served.run(`${model}_findMany`, { orderBy, take, ...(cursor !== undefined && { cursor }) });
        expect(page.rows.length).toBeLessThanOrEqual(take);
        paged.push(...ids(page));
        cursor = page.nextCursor;
        expect(pages).toBeLessThan(20);
      }
      expect(paged).toEqual(whole);
    }
  });

  it.each<[model: string, orderBy: Json]>([
    ['member', [{ lead: { nick: 'desc' } }]],
    ['member', [{ lead: { lead: { id: 'asc' } } }]],
    ['doc', [{ author: { nick: 'asc' } }, { rank: { sort: 'desc', nulls: 'last' } }]],
  ])('of %s by %o, a column of a row that may be missing, has one page, and says why', async (model, orderBy) => {
    expect(ids(await served.run(`${model}_findMany`, { orderBy }))).toHaveLength(16);
    const page = await served.run(`${model}_findMany`, { orderBy, take: 3 });
    expect(page).toEqual({ rows: page.rows, truncated: true });
    const { nextCursor: cursor } = await served.run(`${model}_findMany`, { take: 3 });
    expect(await served.fail(`${model}_findMany`, { orderBy, take: 3, cursor })).toBe(
      'cursor: an order by a column of a row that may be missing has no pages; order by columns of the model itself, or narrow where',
    );
    const hosts = serve(db, {
      member: { orderBy: model === 'member' ? orderBy : undefined },
      doc: { orderBy: model === 'doc' ? orderBy : undefined },
    });
    expect(await hosts.run(`${model}_findMany`, { take: 3 })).toEqual(page);
  });

  it('by a column that only a relation before it can be without has one page, too', async () => {
    // As if each member had a lead.
    const { models, ...rest } = db.datamodel;
    const fields = (models['Member']?.fields ?? []).map(field => (field.name === 'lead' ? { ...field, isRequired: true } : field));
    const datamodel = { ...rest, models: { ...models, Member: { ...models['Member'], fields } as never } };
    const led = serve({ ...db, datamodel }, { member: {}, badge: {} });
    const page = await led.run('badge_findMany', { orderBy: { member: { lead: { nick: 'asc' } } }, take: 1 });
    expect(page).toEqual({ rows: [expect.anything()], truncated: true });
  });

  it.each<[orderBy: Json, message: string]>([
    [{ nope: 'asc' }, 'orderBy.nope: Member has no column "nope" to order by (id, nick,'],
    [{ extra: 'asc' }, 'orderBy.extra: Member has no column "extra" to order by'],
    [{ score: 'up' }, 'orderBy.score: expected "asc" or "desc"'],
    [{ score: { sort: 'asc', nulls: 'middle' } }, 'orderBy.score.nulls: expected "first" or "last"'],
    [{ score: { nulls: 'last' } }, 'orderBy.score.sort: expected "asc" or "desc"'],
    [{ score: { sort: 'asc', by: 1 } }, 'orderBy.score.by: not a part of an order (sort, nulls)'],
    [{ nick: { sort: 'asc', nulls: 'last' } }, 'orderBy.nick.nulls: nick is never null; leave nulls out'],
    [{ docs: 'asc' }, 'orderBy.docs: expected an object, got a string'],
    [{ docs: { title: 'asc' } }, 'orderBy.docs.title: a list can be ordered by _count only, the number of its rows'],
    [{ lead: {} }, 'orderBy.lead: expected exactly one column'],
    [{ lead: { nick: 'asc', id: 'asc' } }, 'orderBy.lead: expected exactly one column'],
    [{ lead: { facts: 'asc' } }, 'orderBy.lead.facts: Member has no column "facts" to order by'],
    [
      { lead: { lead: { lead: { lead: { id: 'asc' } } } } },
      'orderBy.lead.lead.lead.lead: behind more than 3 relations (limits.where.maxHops)',
    ],
    [Array.from({ length: 21 }, () => ({ lead: { id: 'asc' } })), 'more than 20 relations in one orderBy (limits.where.maxRelations)'],
  ])('%o is refused', async (orderBy, message) => {
    expect(await served.fail('member_findMany', { orderBy })).toContain(message);
  });

  describe('through a relation to a model with a policy', () => {
    it('is refused, at every depth, as an unknown column is', async () => {
      const policed = serve(db, { member: { where: { score: 1 } }, doc: {}, badge: {} });
      for (const [tool, orderBy] of [
        ['doc_findMany', { author: { nick: 'asc' } }],
        ['doc_findMany', { author: { docs: { _count: 'asc' } } }],
        ['badge_findMany', { member: { nick: 'asc' } }],
        ['member_findMany', { lead: { nick: 'asc' } }],
        ['member_findMany', { team: { _count: 'asc' } }],
      ] as const) {
        expect(await policed.fail(tool, { orderBy })).toContain('to order by (id,');
      }
      expect(await policed.run('member_findMany', { orderBy: { docs: { _count: 'desc' } } })).toHaveProperty('rows');
    });
  });

  it('is refused through hidden columns and relations that rows do not show', async () => {
    const hidden = serve(db, { member: { omit: { score: true } }, doc: { omit: { authorId: true } } });
    expect(await hidden.fail('doc_findMany', { orderBy: { author: { nick: 'asc' } } })).toContain('Doc has no column "author" to order by');
    expect(await hidden.fail('doc_findMany', { orderBy: { editor: { score: 'asc' } } })).toContain(
      'Member has no column "score" to order by',
    );
    expect(await hidden.fail('member_findMany', { orderBy: { docs: { _count: 'asc' } } })).toContain(
      'Member has no column "docs" to order by',
    );
  });
});
