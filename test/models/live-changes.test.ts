import { describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/leak-hunt/sqlite/mcp/datamodel.ts';
import { live } from '../../src/index.ts';
import { compileModels } from '../../src/models/compile.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import { rowListener } from '../../src/models/live/row-changes.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import { callOf, seeded } from './served.ts';

/** The changes after which the row with these variables may differ. */
async function changesOf(db: TestDatabase, models: object, name: string, variables: Record<string, string>): Promise<string[]> {
  const compiled = compileModels({ name: 'test', prisma: live(db.prisma), datamodel: db.datamodel, models: models as never });
  const template = compiled.resourceTemplates.find(known => known.name === name);
  const read = await template?.live?.(`test://${name}`, variables, callOf(1));
  expect(read?.result).toBeDefined();
  return [...new Set(read?.changes)].toSorted();
}

describeDatabases('a row that is live', provider => {
  it('may differ after changes of included rows, and of the rows that their policies filter by', async () => {
    await using db = await seeded(provider);
    const include = { client: { select: { name: true } } };
    const booking = { include };
    const plain = await changesOf(db, { booking, client: {} }, 'booking', { id: '1' });
    expect(plain).toEqual(['booking:*', 'booking:1', 'client']);
    const client = { where: { memberships: { some: { room: { is: { active: true } } } } } };
    const policed = await changesOf(db, { booking, client }, 'booking', { id: '1' });
    expect(policed).toEqual(['booking:*', 'booking:1', 'client', 'membership', 'room']);
  });

  it('may differ after any change of its model where texts that differ can be one key', async () => {
    await using db = await seeded(provider);
    expect(await changesOf(db, { room: {} }, 'room', { id: 'red' })).toEqual(['room:*', 'room:red']);
    const { models, ...rest } = db.datamodel;
    const fields = models['Room']?.fields.map(field => (field.name === 'id' ? { ...field, nativeType: 'Char(4)' } : field));
    const narrow = { ...rest, models: { ...models, Room: { ...models['Room'], fields } as never } };
    expect(await changesOf({ ...db, datamodel: narrow }, { room: {} }, 'room', { id: 'red' })).toEqual(['room']);
  });
});

describe('a deletion', () => {
  it('tells of all models whose rows the database may delete with the row, one through another', () => {
    const graph = modelGraph(datamodel);
    resolveExposures({ team: {} }, graph);
    const listener = rowListener(graph, { committed: () => undefined, onError: () => undefined });
    const changes = listener.prepare('team', 'delete', { where: { id: 1 } })?.changesOf({ id: 1 });
    // A document refers to a person, who refers to the team.
    expect(changes).toEqual(expect.arrayContaining(['team:1', 'person:*', 'doc:*']));
  });
});
