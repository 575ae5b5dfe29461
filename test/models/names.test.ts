import { describe, expect, it } from 'vitest';
import { parseFindMany, parseUniqueWhere, whereOfVariables } from '../../src/models/arguments/arguments.ts';
import { dataParser, writableColumns } from '../../src/models/arguments/data.ts';
import { resolveWhereLimits } from '../../src/models/arguments/where.ts';
import type { Datamodel, DatamodelField } from '../../src/models/datamodel/datamodel.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import { simplifyWhere } from '../../src/models/policy/simplify-where.ts';
import { scalarField } from './fields.ts';
import { callOf } from './served.ts';

const field = (name: string, more: Partial<DatamodelField> = {}): DatamodelField => scalarField(name, 'String', more);

/** A model whose columns and relations are called like what every object has. */
const datamodel: Datamodel = {
  enums: {},
  models: {
    Odd: {
      name: 'Odd',
      key: 'odd',
      fields: [
        field('toString', { isId: true }),
        field('constructor', { isId: true }),
        field('valueOf'),
        field('hasOwnProperty', { isRequired: false }),
        field('isPrototypeOf', {
          kind: 'object',
          type: 'Odd',
          isRequired: false,
          relationName: 'A',
          relationFromFields: ['hasOwnProperty'],
          relationToFields: ['valueOf'],
        }),
        field('toLocaleString', {
          kind: 'object',
          type: 'Odd',
          isList: true,
          relationName: 'A',
          relationFromFields: [],
          relationToFields: [],
        }),
      ],
      primaryKey: ['toString', 'constructor'],
      primaryKeyName: 'propertyIsEnumerable',
      uniques: [],
    },
  },
};

function expose(declared: object): Exposure {
  const [exposure] = resolveExposures(
    { odd: { operations: ['findUnique', 'findMany', 'create', 'update'], ...declared } },
    modelGraph(datamodel),
  );
  return exposure as Exposure;
}

describe('columns called like what every object has', () => {
  it('are written, and required, like any other', async () => {
    const exposure = expose({ data: { valueOf: 'forced' } });
    expect([...writableColumns(exposure, 'create').keys()]).toEqual(['toString', 'constructor', 'hasOwnProperty']);
    const parser = dataParser(exposure, 'create', modelGraph(datamodel));
    expect(parser.required).toEqual(['toString', 'constructor']);
    await expect(parser.parse({ toString: 'a' }, callOf())).rejects.toThrow('data.constructor: is required');
    expect((await parser.parse({ toString: 'a', constructor: 'b' }, callOf())).data).toEqual({
      toString: 'a',
      constructor: 'b',
      valueOf: 'forced',
    });
  });

  it('are forced values only where they are declared', () => {
    expect([...writableColumns(expose({ data: { hasOwnProperty: null } }), 'update').keys()]).toEqual(['valueOf']);
    expect(() => expose({ omit: { valueOf: true }, data: {} })).toThrow('models.odd: create needs valueOf, which is hidden');
  });

  it('complete an order, name a row and filter', () => {
    const exposure = expose({ include: { toLocaleString: true } });
    expect(exposure.orderBy).toEqual<object[]>([{ toString: 'asc' }, { constructor: 'asc' }]);
    const limits = resolveWhereLimits(
      { maxDepth: 3, maxConditions: 10, maxValues: 3, maxHops: 12, maxListFilters: 100, maxListHops: 12, maxRelations: 100 },
      undefined,
    );
    const { orderBy } = parseFindMany(exposure, { orderBy: [{ constructor: 'desc' }] }, limits);
    expect(orderBy).toEqual<object[]>([{ constructor: 'desc' }, { toString: 'asc' }]);
    expect(() => parseUniqueWhere(exposure, { propertyIsEnumerable: { toString: 'a' } })).toThrow('constructor: is required');
    const [key] = exposure.uniques;
    expect(whereOfVariables(exposure, key as never, { toString: 'a', constructor: 'b' })).toEqual({
      propertyIsEnumerable: { toString: 'a', constructor: 'b' },
    });
    expect(simplifyWhere(exposure.node, { isPrototypeOf: { toString: 'a' } })).toEqual({ isPrototypeOf: { is: { toString: 'a' } } });
    expect([...exposure.filterable.keys()]).toEqual(['isPrototypeOf', 'toLocaleString']);
  });
});
