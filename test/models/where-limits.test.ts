import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { mcp } from '../../src/index.ts';
import type { WhereLimits } from '../../src/models/arguments/where.ts';
import { parseWhere, resolveWhereLimits } from '../../src/models/arguments/where.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { TestDatabase } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import type { Json } from './served.ts';
import { serve } from './served.ts';

const exposures = resolveExposures({ member: {}, doc: {}, badge: {} }, modelGraph(datamodel));
const parse = (model: string, where: Json, limits: WhereLimits): Json =>
  parseWhere(exposures.find(({ node }) => node.key === model) as Exposure, where, limits).where;
const sqlite = resolveWhereLimits(undefined, 'sqlite');
const postgresql = resolveWhereLimits(undefined, 'postgresql');
const repeat = <T>(times: number, value: T): T[] => Array.from({ length: times }, () => value);
const some = { docs: { some: { title: 'x' } } };
const someInSome = { team: { some: some } };
const remedy = 'look up the related rows in a call of their own, then filter by their keys';

describe('a where over a limit', () => {
  it.each<[title: string, where: Json, message: string]>([
    [
      'a list filter inside another',
      someInSome,
      `where.team.some.docs: a list filter inside another (limits.where.maxListHops: 1); ${remedy}`,
    ],
    [
      'a list filter behind a list filter and a single row',
      { docs: { none: { editor: { edited: { every: {} } } } } },
      `where.docs.none.editor.edited: a list filter inside another (limits.where.maxListHops: 1); ${remedy}`,
    ],
    [
      'two list filters, wherever they are',
      { OR: [some, { NOT: { lead: { docs: { none: {} } } } }] },
      `where.OR[1].NOT.lead.docs.none: more than 1 list filters (some, every, none) in one where (limits.where.maxListFilters); ${remedy}`,
    ],
    ['some and none of one list', { docs: { some: {}, none: {} } }, 'where.docs.none: more than 1 list filters'],
    [
      'a condition behind four relations',
      { lead: { lead: { is: { lead: { lead: { id: 1 } } } } } },
      `where.lead.lead.is.lead.lead: behind more than 3 relations (limits.where.maxHops); ${remedy}`,
    ],
    [
      '21 relation filters',
      { OR: repeat(21, { lead: null }) },
      'where.OR[20].lead: more than 20 relation filters in one where (limits.where.maxRelations); filter by fewer relations, in several calls',
    ],
    [
      '11 wildcards in two texts',
      { nick: { contains: '%_'.repeat(2) }, label: { startsWith: '%'.repeat(7) } },
      'where.label.startsWith: more than 10 wildcards (% and _) in one where (limits.where.maxWildcards); look for a plain part of the text',
    ],
    [
      'texts of 1001 characters',
      { OR: repeat(7, { nick: { contains: String.fromCodePoint(...Array.from({ length: 143 }, (_, index) => 0x4e00 + index)) } }) },
      'where.OR[6].nick.contains: more than 1000 characters of text to look for in one where (limits.where.maxPatternCharacters); look for a part of the text',
    ],
    [
      'a text that repeats one letter 31 times, in either case',
      { nick: { contains: `${'aA'.repeat(15)}ab` } },
      'where.nick.contains: more than 30 units of text search in one where (limits.where.maxTextWork); look for fewer or less repetitive texts',
    ],
    [
      'such a text with wildcards between its letters, at the end of a text',
      { nick: { endsWith: `${'a'.repeat(12)}_${'a'.repeat(12)}%${'a'.repeat(6)}` } },
      'where.nick.endsWith: more than 30 units of text search',
    ],
    [
      'four texts inside a list filter',
      { docs: { some: { OR: repeat(4, { title: { contains: 'x' } }) } } },
      'where.docs.some.OR[3].title.contains: more than 30 units of text search',
    ],
    [
      'a repetitive text inside a list filter',
      { docs: { none: { editor: { nick: { contains: 'abababab' } } } } },
      'where.docs.none.editor.nick.contains: more than 30 units of text search',
    ],
    [
      '101 conditions',
      { AND: repeat(51, { id: 1 }) },
      'where.AND[49]: more than 100 conditions in one where (limits.where.maxConditions); give fewer, in several calls',
    ],
    [
      '101 conditions, with those inside Json',
      { AND: repeat(20, { extra: { path: ['a'], equals: 1, not: 2 } }) },
      'where.AND[19].extra: more than 100 conditions in one where (limits.where.maxConditions)',
    ],
    [
      '201 values',
      { id: { in: repeat(201, 1) } },
      'where.id.in: more than 200 values (limits.where.maxValues); give fewer, in several calls',
    ],
    [
      'seven levels',
      { NOT: { NOT: { NOT: { NOT: { NOT: { NOT: { NOT: { id: 1 } } } } } } } },
      'nested deeper than 6 levels (limits.where.maxDepth); ask in several calls',
    ],
  ])('%s is refused with the limit and a remedy', (_title, where, message) => {
    expect(() => parse('member', where, sqlite)).toThrow(message);
  });

  it('is taken up to the limit', () => {
    for (const where of [
      { lead: { docs: { none: { title: 'x' } } } },
      { lead: { lead: { lead: { id: 1 } } } },
      { OR: repeat(20, { lead: null }) },
      { nick: { contains: '%'.repeat(10) } },
      { docs: { some: { author: { lead: { id: 1 } } } } },
    ]) {
      expect(parse('member', where, sqlite)).toBeDefined();
    }
  });

  it('may have more lists where the database is a server, and as many as the host says', () => {
    expect(parse('member', { team: { some: { team: { some } } } }, postgresql)).toBeDefined();
    expect(parse('member', { OR: repeat(10, some) }, postgresql)).toBeDefined();
    expect(() => parse('member', { OR: repeat(11, some) }, postgresql)).toThrow('more than 10 list filters');
    expect(() => parse('member', { team: { some: { team: { some: someInSome } } } }, postgresql)).toThrow(
      /behind more than 3 relations|more than 3 list filters/,
    );
    expect(parse('member', someInSome, resolveWhereLimits({ maxListHops: 2, maxListFilters: 2 }, 'sqlite'))).toBeDefined();
    expect(() => parse('member', { lead: { id: 1 } }, { ...sqlite, maxDepth: 0 })).toThrow('nested deeper than 0 levels');
  });
});

describe('the option limits.where', () => {
  it('is checked at the start', () => {
    expect(() => mcp({ name: 'x', limits: { where: { maxHop: 1 } as never } })).toThrow('limits.where.maxHop: no such option (maxDepth,');
    expect(() => mcp({ name: 'x', limits: { where: { maxHops: 0 } } })).toThrow('limits.where.maxHops: 0 must be a positive integer');
  });
});

describe('on a large table without an index, in SQLite', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await openDatabase('sqlite', { record: true });
    const ids = Array.from({ length: 300 }, (_, index) => index + 1);
    await db.prisma.member.createMany({ data: ids.map(id => ({ id, nick: `${id}`, facts: {} })) });
    await db.prisma.doc.createMany({ data: ids.map(id => ({ id, title: 'a'.repeat(200), authorId: id, editorId: id })) });
  });
  afterAll(() => db.close());

  it('a refused where does not reach the database', async () => {
    const served = serve(db, { member: {}, doc: {} });
    db.queries.length = 0;
    for (const [tool, where] of [
      ['doc_count', { OR: repeat(8, { author: { docs: { some: { editor: { edited: { some: { title: 'x' } } } } } } }) }],
      ['doc_count', { OR: repeat(30, { title: { contains: '%a'.repeat(480) } }) }],
    ] as const) {
      expect(await served.fail(tool, { where })).toContain('limits.where.max');
    }
    expect(db.queries).toEqual([]);
    expect(await served.run('doc_count', { where: { author: { docs: { none: { title: 'x' } } } } })).toEqual({ count: 300 });
  });
});
