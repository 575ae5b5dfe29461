import { describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { ModelNode } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { isAlways, simplifyWhere } from '../../src/models/policy/simplify-where.ts';
import type { Json } from './served.ts';

const graph = modelGraph(datamodel);
const nodeOf = (key: string): ModelNode => graph.byKey.get(key) as ModelNode;
const nothing = { id: { in: [] } };

describe('simplifying what does not depend on the row', () => {
  it.each<[key: string, where: Json, simple: Json]>([
    ['client', {}, {}],
    ['client', { AND: [] }, {}],
    ['client', { AND: {} }, {}],
    ['client', { AND: [{}, { id: 1 }] }, { AND: [{ id: 1 }] }],
    ['client', { OR: [] }, nothing],
    ['client', { AND: [{ OR: [] }, { id: 1 }] }, nothing],
    ['client', { OR: [{ OR: [] }, { id: 1 }] }, { OR: [{ id: 1 }] }],
    ['client', { OR: [{}, { id: 1 }] }, {}],
    ['client', { id: 1, OR: [{ AND: [] }] }, { id: 1 }],
    ['client', { NOT: [] }, {}],
    ['client', { NOT: {} }, nothing],
    ['client', { NOT: [{ id: 1 }, {}] }, nothing],
    ['client', { NOT: { OR: [] } }, {}],
    ['client', { NOT: { id: 1 } }, { NOT: [{ id: 1 }] }],
    ['client', { id: undefined }, {}],
    ['client', { phone: null }, { phone: null }],
    ['room', { active: true }, { active: true }],
    ['room', { active: false, AND: [{ active: true }] }, { active: false, AND: [{ active: true }] }],
    ['client', { bookings: { some: {} } }, { bookings: { some: {} } }],
    ['client', { bookings: { some: { AND: [] } } }, { bookings: { some: {} } }],
    ['client', { bookings: { some: { OR: [] } } }, nothing],
    ['client', { bookings: { none: { OR: [] } } }, {}],
    ['client', { bookings: { none: { NOT: [] } } }, { bookings: { none: {} } }],
    ['client', { bookings: { every: {} } }, {}],
    ['client', { bookings: { every: { OR: [] }, none: { id: 1 } } }, { bookings: { none: {} } }],
    ['client', { bookings: { every: { id: 1 } } }, { bookings: { every: { id: 1 } } }],
    ['booking', { client: { is: { OR: [] } } }, nothing],
    ['booking', { client: { OR: [] } }, nothing],
    ['booking', { room: {} }, { room: { is: {} } }],
    ['booking', { room: { isNot: { OR: [] } } }, {}],
    ['booking', { room: { isNot: {} } }, { room: { isNot: {} } }],
    ['booking', { room: null }, { room: null }],
    ['booking', { room: { is: null } }, { room: { is: null } }],
    ['membership', { OR: [] }, { clientId: { in: [] } }],
  ])('%s: %o', (key, where, simple) => {
    expect(simplifyWhere(nodeOf(key), where)).toEqual(simple);
    expect(simplifyWhere(nodeOf(key), simplifyWhere(nodeOf(key), where))).toEqual(simple);
  });

  it('says whether every row meets it', () => {
    expect(isAlways(nodeOf('client'), { NOT: [], AND: [{ OR: [{}] }] })).toBe(true);
    expect(isAlways(nodeOf('client'), { OR: [] })).toBe(false);
    expect(isAlways(nodeOf('room'), { active: true })).toBe(false);
  });
});
