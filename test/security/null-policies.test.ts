import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scopedClient } from '../../src/models/compile.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import { callOf, serve } from '../models/served.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';

/** What the caller may see of members: the one whose score is 7. Member 2 has none, so the policy comes out as NULL for it. */
const policies: [name: string, where: object][] = [
  ['a value', { score: 7 }],
  ['a value, by function', () => ({ score: 7 })],
  ['not', { score: { not: 8 } }],
  ['NOT', { NOT: { score: 8 } }],
  ['a comparison', { score: { gt: 1, lt: 8 } }],
  ['a list of values', { score: { notIn: [8, 9] } }],
  ['a group', { OR: [{ score: 7 }, { AND: [{ score: { lt: 8 } }, { score: { gt: 5 } }] }] }],
  ['a related row', { lead: { score: 7 } }],
  ['a related row that is not', { lead: { isNot: { NOT: { score: 7 } } } }],
];

describeDatabases('a row for which the policy is NULL', provider => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await openDatabase(provider);
    await db.prisma.member.createMany({
      data: [
        { id: 1, nick: 'seen', facts: {}, score: 7, leadId: 1 },
        { id: 2, nick: 'secret', facts: {} },
        { id: 3, nick: 'other', facts: {}, score: 8, leadId: 3 },
      ],
    });
    await db.prisma.member.update({ where: { id: 2 }, data: { leadId: 2 } });
    await db.prisma.doc.createMany({
      data: [
        { id: 1, title: 'a', authorId: 1, editorId: 1 },
        { id: 2, title: 'b', authorId: 2, editorId: 2 },
        { id: 3, title: 'c', editorId: 1 },
      ],
    });
    await db.prisma.badge.createMany({
      data: [
        { id: 1, text: 'one', memberId: 1 },
        { id: 2, text: 'two', level: 1, memberId: 3 },
        { id: 3, text: 'three', memberId: 2 },
      ],
    });
  });
  afterAll(() => db.close());

  /** Every condition on a member that a caller may give, for a prefix that is right and one that is wrong. */
  const questions: [name: string, ask: (member: object) => object][] = [
    ['is', member => ({ author: { is: member } })],
    ['isNot', member => ({ author: { isNot: member } })],
    ['NOT is', member => ({ NOT: { author: { is: member } } })],
    ['NOT isNot', member => ({ NOT: { author: { isNot: member } } })],
    ['NOT NOT is', member => ({ NOT: { NOT: { author: { is: member } } } })],
    ['OR', member => ({ OR: [{ author: member }, { id: 3 }] })],
    ['NOT OR', member => ({ NOT: { OR: [{ author: member }, { id: 3 }] } })],
    ['a required relation', member => ({ editor: { isNot: member } })],
    ['NOT a required relation', member => ({ NOT: { editor: member } })],
    ['a list behind', member => ({ author: { isNot: { docs: { some: { author: member } } } } })],
    ['a list behind, every', member => ({ NOT: { author: { docs: { every: { author: { isNot: member } } } } } })],
    ['the far side', member => ({ author: { isNot: { badge: { isNot: { member } } } } })],
  ];

  describe.each(policies)('by %s', (_name, where) => {
    const models = { member: { where }, doc: {}, badge: {} } as unknown as Record<string, ExposureLike>;
    let run: ReturnType<typeof serve>['run'];
    let client: PrismaClient;
    beforeAll(() => {
      run = serve(db, models).run;
      client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf()) as PrismaClient;
    });

    it.each(questions)('is not told apart by a question with %s', async (_question, toWhere) => {
      for (const id of [1, 2, 3]) {
        const answers = await Promise.all(
          ['secret', 'nothing'].map(async nick => {
            const asked = { where: { AND: [{ id }, toWhere({ nick: { startsWith: nick } })] } };
            const counted = (await run('doc_count', asked)) as { count: number };
            expect(await client.doc.count(asked)).toBe(counted.count);
            return counted;
          }),
        );
        expect(answers[0], `doc ${id}`).toEqual(answers[1]);
      }
    });

    it('is absent', async () => {
      const ids = async (model: string, asked: object) =>
        (await run(`${model}_findMany`, { where: asked, select: { id: true } })).rows.map(({ id }: { id: number }) => id);
      expect(await ids('doc', { author: null })).toEqual([2, 3]);
      expect(await ids('doc', { NOT: { author: null } })).toEqual([1]);
      expect(await ids('doc', { author: { isNot: null } })).toEqual([1]);
      expect(await ids('doc', { author: { isNot: {} } })).toEqual([2, 3]);
      expect(await ids('doc', { NOT: { author: { is: {} } } })).toEqual([2, 3]);
      expect(await ids('badge', { member: null })).toEqual([2, 3]);
      expect(await ids('badge', { NOT: { member: null } })).toEqual([1]);
      expect(await run('member_count')).toEqual({ count: 1 });
    });
  });

  it('is absent behind the far side of a one-to-one relation, and from lists of either kind', async () => {
    // Badge 2 alone has a level.
    const { run } = serve(db, {
      member: { include: { docs: true, edited: true, badge: true, _count: { select: { docs: true } } } },
      badge: { where: { level: 1 } },
      doc: { where: { rank: null, author: { is: { score: 7 } } } },
    });
    expect(await run('member_count', { where: { badge: null } })).toEqual({ count: 2 });
    expect(await run('member_count', { where: { NOT: { badge: null } } })).toEqual({ count: 1 });
    expect(await run('member_count', { where: { badge: { isNot: { text: 'three' } } } })).toEqual({ count: 3 });
    expect(await run('member_count', { where: { NOT: { badge: { text: 'three' } } } })).toEqual({ count: 3 });
    expect(await run('member_count', { where: { docs: { every: { title: 'a' } } } })).toEqual({ count: 3 });
    expect(await run('member_count', { where: { edited: { none: { author: null } } } })).toEqual({ count: 3 });
    expect(await run('member_count', { where: { NOT: { docs: { none: { title: 'b' } } } } })).toEqual({ count: 0 });
    const { rows } = await run('member_findMany');
    expect(
      rows.map(({ badge, docs, edited, _count }: Record<string, { id: number }[] & { id: number }>) => [
        badge?.id,
        docs?.length,
        edited?.length,
        _count,
      ]),
    ).toEqual([
      [undefined, 1, 1, { docs: 1 }],
      [undefined, 0, 0, { docs: 0 }],
      [2, 0, 0, { docs: 0 }],
    ]);
  });

  // In the `where` of a write, Prisma negates a condition on a related row without SQL's NULL.
  it.each([{ member: { isNot: { score: 8 } } }, { NOT: { member: { score: 8 } } }, { NOT: [{ member: { is: { score: { gt: 7 } } } }] }])(
    'cannot be changed or deleted under %j',
    async where => {
      const models = { badge: { where, operations: ['findMany', 'update', 'delete'] } } as unknown as Record<string, ExposureLike>;
      const { run, fail } = serve(db, models);
      const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf()) as PrismaClient;
      expect((await run('badge_findMany')).rows).toMatchObject([{ id: 1 }]);
      for (const id of [2, 3]) {
        const missing = 'not found: no Badge matches where';
        expect(await fail('badge_update', { where: { id }, data: { text: 'changed' } })).toBe(missing);
        expect(await fail('badge_delete', { where: { id } })).toBe(missing);
        await expect(client.badge.update({ where: { id }, data: { text: 'changed' } })).rejects.toMatchObject({ code: 'P2025' });
        await expect(client.badge.delete({ where: { id } })).rejects.toMatchObject({ code: 'P2025' });
        await expect(
          client.badge.upsert({ where: { id }, create: { id, text: 'new' }, update: { text: 'changed' } }),
        ).rejects.toMatchObject({ code: 'P2002' });
        expect(await client.badge.updateMany({ where: { id }, data: { text: 'changed' } })).toEqual({ count: 0 });
        expect(await client.badge.deleteMany({ where: { id } })).toEqual({ count: 0 });
      }
      expect(await db.prisma.badge.findMany({ orderBy: { id: 'asc' }, select: { text: true } })).toEqual(
        ['one', 'two', 'three'].map(text => ({ text })),
      );
    },
  );
});
