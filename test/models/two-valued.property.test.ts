import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ModelGraph, ModelNode } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveWhere } from '../../src/models/policy/host-args.ts';
import { asksJsonType, twoValued } from '../../src/models/policy/two-valued.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';
import { fillMembers, policiesOf } from './nullable.ts';
import type { Json } from './served.ts';

describeDatabases('a policy made two-valued', provider => {
  let db: TestDatabase;
  let graph: ModelGraph;
  beforeAll(async () => {
    db = await openDatabase(provider);
    graph = modelGraph(db.datamodel);
    await fillMembers(db);
  });
  afterAll(() => db.close());

  const idsOf = async (key: string, where: Json): Promise<number[]> =>
    (await (db.prisma as Json)[key].findMany({ where, select: { id: true }, orderBy: { id: 'asc' } })).map(({ id }: { id: number }) => id);

  /** The policy as the declaration resolves it; `undefined` if it would be refused there. */
  const resolved = (node: ModelNode, policy: Json): Json => {
    try {
      return resolveWhere(policy, node, 'where');
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      return undefined;
    }
  };

  const relations: ['member' | 'listing', relation: [model: string, name: string]][] = [['member', ['doc', 'author']]];
  if (provider === 'postgresql') relations.push(['listing', ['entry', 'listing']]);

  it.each(relations)(
    'is true of the same rows of a %s, and false of all others',
    async (key, [other, relation]) => {
      const node = graph.byKey.get(key) as ModelNode;
      const tally = { changed: 0, null: 0, typed: 0 };
      const tried = cases(provider === 'sqlite' ? 100 : 50);
      const all = await idsOf(key, {});
      const others = await idsOf(other, {});
      await fc.assert(
        fc.asyncProperty(policiesOf(key, db), async declared => {
          const policy = resolved(node, declared);
          fc.pre(policy !== undefined);
          const definite = twoValued(node, policy);
          const visible = await idsOf(key, policy);
          expect(await idsOf(key, definite)).toEqual(visible);
          tally.changed += definite === policy ? 0 : 1;
          if (asksJsonType(node, policy)) {
            tally.typed++;
            return;
          }
          const hidden = all.filter(id => !visible.includes(id));
          const outright = await idsOf(key, { NOT: policy });
          tally.null += outright.length < hidden.length ? 1 : 0;
          expect(await idsOf(key, { NOT: definite })).toEqual(hidden);
          const related = await idsOf(other, { [relation]: { is: definite } });
          expect(await idsOf(other, { [relation]: { isNot: definite } })).toEqual(others.filter(id => !related.includes(id)));
        }),
        tried,
      );
      expect(tally.null).toBeGreaterThan(tried.numRuns / 8);
      expect(tally.changed).toBeGreaterThan(tally.null);
      if (key === 'member') expect(tally.typed).toBeGreaterThan(tried.numRuns / 50);
    },
    propertyMs,
  );

  it('stays as it is where nothing can be NULL', () => {
    const node = graph.byKey.get('member') as ModelNode;
    for (const where of [
      { id: 1, nick: { contains: 'a' } },
      { OR: [{ score: null }, { label: { not: null } }] },
      { docs: { some: { rank: 1 } } },
    ]) {
      expect(twoValued(node, where)).toBe(where);
    }
  });

  it('asks of a nullable column that it is not NULL, once', () => {
    const node = graph.byKey.get('member') as ModelNode;
    const where = { score: 1 };
    expect(twoValued(node, where)).toEqual({ AND: [{ score: 1 }, { score: { not: null } }] });
    expect(twoValued(node, where)).toBe(twoValued(node, where));
  });
});
