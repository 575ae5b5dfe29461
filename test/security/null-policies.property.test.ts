import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scopedClient } from '../../src/models/compile.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import { fillMembers, policiesOf } from '../models/nullable.ts';
import type { Json } from '../models/served.ts';
import { callOf, serve } from '../models/served.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';

const columns = { id: true, nick: true };

function modelsOf(where: Json): Record<string, ExposureLike> {
  return {
    member: {
      select: { ...columns, leadId: true },
      where,
      include: { docs: { select: { id: true } }, badge: true, lead: { select: columns }, _count: { select: { team: true } } },
    },
    doc: { omit: { rank: true }, include: { author: { select: columns }, editor: { select: columns } } },
    badge: { omit: { level: true }, include: { member: { select: columns } } },
  };
}

/** What a caller may ask, nested: the nick of a member on the far side of any relation, below any operators. */
const { member, doc, badge } = fc.letrec<Record<'member' | 'doc' | 'badge', Json>>(tie => {
  const row = (inner: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
    fc.oneof(
      inner,
      fc.record({ is: inner }),
      fc.record({ isNot: inner }),
      fc.constantFrom(null, { is: null }, { isNot: null }, { isNot: {} }),
    );
  const rows = (inner: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
    fc.oneof(fc.record({ some: inner }), fc.record({ none: inner }), fc.record({ every: inner }));
  const grouped = (name: 'member' | 'doc' | 'badge', own: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
    fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      own,
      fc.record({ NOT: tie(name) }),
      fc
        .array(tie(name), { minLength: 1, maxLength: 2 })
        .chain(parts => fc.constantFrom<Json[]>({ OR: parts }, { AND: parts }, { NOT: parts })),
    );
  const id = fc.integer({ min: 1, max: 16 }).map(value => ({ id: value }));
  const nick = fc
    .constantFrom({ startsWith: 'nick' }, { startsWith: 'hidden' }, { not: 'nick 3' }, { contains: '1' })
    .map(filter => ({ nick: filter }));
  return {
    member: grouped(
      'member',
      fc.oneof(
        nick,
        nick,
        id,
        row(tie('member')).map(lead => ({ lead })),
        rows(tie('member')).map(team => ({ team })),
        rows(tie('doc')).map(docs => ({ docs })),
        row(tie('badge')).map(part => ({ badge: part })),
      ),
    ),
    doc: grouped(
      'doc',
      fc.oneof(
        id,
        row(tie('member')).map(author => ({ author })),
        row(tie('member').filter(isFilter))
          .filter(isFilter)
          .map(editor => ({ editor })),
      ),
    ),
    badge: grouped(
      'badge',
      fc.oneof(
        id,
        row(tie('member')).map(part => ({ member: part })),
      ),
    ),
  };
});
const wheres = { member, doc, badge };

function isFilter(value: Json): boolean {
  return value !== null;
}

describeDatabases('under policies that come out as NULL', provider => {
  let worlds: TestDatabase[];
  beforeAll(async () => {
    worlds = await Promise.all([openDatabase(provider), openDatabase(provider)]);
    await Promise.all(worlds.map(fillMembers));
  });
  afterAll(() => Promise.all(worlds.map(db => db.close())));

  it(
    'nothing tells what a hidden row says, whatever is asked',
    async () => {
      const [here, there] = worlds as [TestDatabase, TestDatabase];
      const tally = { answers: 0, refused: 0, policies: 0 };
      const tried = cases(provider === 'sqlite' ? 15 : 8);
      await fc.assert(
        fc.asyncProperty(
          policiesOf('member', here),
          fc.array(
            fc.constantFrom('member', 'doc', 'badge').chain(key => wheres[key].map(where => [key, where] as const)),
            { minLength: 6, maxLength: 6 },
          ),
          async (policy, questions) => {
            let served: ReturnType<typeof serve>[];
            try {
              served = worlds.map(db => serve(db, modelsOf(policy)));
            } catch (error) {
              expect(error).toBeInstanceOf(TypeError);
              return;
            }
            const visible = await here.prisma.member.findMany({ where: policy, select: { id: true } });
            const ids = visible.map(({ id }) => id);
            if (ids.length === 16) return;
            tally.policies++;
            await there.prisma.$executeRawUnsafe(`UPDATE "Member" SET "nick" = 'nick ' || "id"`);
            await there.prisma.member.updateMany({ where: { id: { notIn: ids } }, data: { nick: 'hidden' } });
            const clients = worlds.map(
              db => scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: modelsOf(policy) })(callOf()) as Json,
            );
            const same = async (ask: (world: number) => Promise<Json>): Promise<Json> => {
              const [one, other] = await Promise.all(
                [0, 1].map(world =>
                  ask(world).catch((error: Error) => {
                    expect(error.name).toBe('ToolError');
                    return error.message;
                  }),
                ),
              );
              expect(other).toEqual(one);
              tally[typeof one === 'string' ? 'refused' : 'answers']++;
              return one;
            };
            for (const [key, where] of questions) {
              const { rows } = await same(world => served[world]?.run(`${key}_findMany`, { where }) as Promise<Json>);
              const count = await same(world => served[world]?.run(`${key}_count`, { where }) as Promise<Json>);
              const own = await same(world =>
                clients[world][key].findMany({
                  where,
                  orderBy: { id: 'asc' },
                  include: key === 'doc' ? { author: { select: { nick: true } } } : {},
                }),
              );
              if (Array.isArray(rows)) expect([count, own.length]).toEqual([{ count: rows.length }, rows.length]);
            }
            for (const id of ['1', '2', '3']) await same(world => served[world]?.read('member', { id }) as Promise<Json>);
            const docs = await here.prisma.doc.findMany({ select: { id: true, authorId: true } });
            const orphans = docs.filter(({ authorId }) => authorId === null || !ids.includes(authorId));
            const absent = await same(world => served[world]?.run('doc_count', { where: { author: null } }) as Promise<Json>);
            if (typeof absent !== 'string') {
              expect(absent).toEqual({ count: orphans.length });
              expect(await served[0]?.run('doc_count', { where: { NOT: { author: null } } })).toEqual({ count: 16 - orphans.length });
            }
          },
        ),
        tried,
      );
      expect(tally.policies).toBeGreaterThan(tried.numRuns / 2);
      expect(tally.answers).toBeGreaterThan(tried.numRuns * 5);
    },
    propertyMs,
  );
});
