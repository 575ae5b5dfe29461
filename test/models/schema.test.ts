import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { Datamodel } from '../../src/models/datamodel.ts';
import type { ToolDefinition } from '../../src/protocol/definitions.ts';
import type { JsonSchema } from '../../src/protocol/json-schema.ts';
import type { Json } from './served.ts';

const operations = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'];
const clientOf = (model: Datamodel): object =>
  Object.fromEntries(Object.values(model.models).map(({ key }) => [key, { findMany: () => undefined }]));
const compile = (models: Json, model: Datamodel = datamodel) =>
  compileModels({ name: 'test', prisma: clientOf(model), datamodel: model, models });
const toolsOf = (models: Json): Record<string, ToolDefinition> => Object.fromEntries(compile(models).tools.map(tool => [tool.name, tool]));

const everything = {
  client: { operations, data: { passwordHash: 'x' }, include: { bookings: true, referredBy: true, _count: { select: { tags: true } } } },
  booking: { operations, include: { client: true, room: { select: { code: true } } } },
  room: { operations },
  tag: { operations },
  auditLog: { operations },
  membership: { operations },
};

function* schemasIn(schema: JsonSchema): Generator<JsonSchema> {
  yield schema;
  for (const part of Object.values(schema.properties ?? {})) yield* schemasIn(part);
  if (typeof schema.items === 'object') yield* schemasIn(schema.items);
}

const depthOf = (schema: JsonSchema): number =>
  1 + Math.max(0, ...Object.values(schema.properties ?? {}).map(depthOf), typeof schema.items === 'object' ? depthOf(schema.items) : 0);

describe('the schemas of model tools', () => {
  const { tools } = compile(everything);
  const all = tools.flatMap(tool => [tool.inputSchema, tool.outputSchema ?? {}]);

  it('are valid JSON Schema 2020-12', () => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    for (const schema of all) expect(() => ajv.compile(schema)).not.toThrow();
  });

  it('have an object at the root, and no keyword that a model API refuses', () => {
    const plain = new Set(['type', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'description', 'minimum', 'maximum']);
    for (const root of all) {
      expect(root.type).toBe('object');
      for (const schema of schemasIn(root)) expect(Object.keys(schema).filter(keyword => !plain.has(keyword))).toEqual([]);
    }
  });

  it('refuse what they do not name', () => {
    for (const root of all) {
      for (const schema of schemasIn(root)) if (schema.properties !== undefined) expect(schema.additionalProperties).toBe(false);
    }
  });

  it('are shallow: relations are described, not spelled out', () => {
    for (const { inputSchema } of tools) expect(depthOf(inputSchema)).toBeLessThanOrEqual(4);
  });

  it('stay small: a model with every operation takes less than 9 kB', () => {
    for (const key of Object.keys(everything)) {
      const own = tools
        .filter(({ name }) => name.startsWith(`${key}_`))
        .map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
      expect(JSON.stringify(own).length, key).toBeLessThan(9_000);
    }
  });

  it('grow with the models, not with the relations among them', () => {
    const field = datamodel.models['Tag']?.fields ?? [];
    const graph = (size: number): Datamodel => {
      const names = Array.from({ length: size }, (_, index) => `M${index}`);
      const relations = (own: string) =>
        names
          .filter(name => name !== own)
          .map(name => ({
            ...field[0],
            name: name.toLowerCase(),
            kind: 'object',
            type: name,
            isList: true,
            relationName: `${own}${name}`,
          }));
      const models = names.map(name => [
        name,
        {
          ...datamodel.models['Tag'],
          name,
          key: name.toLowerCase(),
          fields: [...field.filter(({ kind }) => kind !== 'object'), ...relations(name)],
        },
      ]);
      return { models: Object.fromEntries(models), enums: {} };
    };
    const model = graph(40);
    const list = compile(Object.fromEntries(Object.values(model.models).map(({ key }) => [key, {}])), model).tools;
    const perModel = JSON.stringify(list.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }))).length / 40;
    expect(list).toHaveLength(120);
    expect(perModel).toBeLessThan(9_000);
  });
});

describe('a tool', () => {
  it('is named after its model and operation, with hints about what it does', () => {
    const tools = toolsOf({ booking: { operations } });
    const hints = Object.fromEntries(Object.entries(tools).map(([name, { annotations }]) => [name, annotations]));
    const read = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
    expect(hints).toEqual({
      booking_findUnique: read,
      booking_findMany: read,
      booking_count: read,
      booking_create: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
      booking_update: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
      booking_delete: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    });
    for (const { name, title } of Object.values(tools)) {
      expect(name).toMatch(/^[A-Za-z0-9_]{1,64}$/);
      expect(title).toMatch(/^Booking: /);
    }
  });

  it('tells a model what it reads, in which order, how many rows and which columns', () => {
    const { booking_findMany: tool } = toolsOf({
      client: { select: { name: true, id: true } },
      booking: { orderBy: { startsAt: 'desc' }, take: 10, include: { client: true }, omit: { meta: true } },
    });
    expect(tool?.description).toBe(
      'Reads Booking rows, ordered by startsAt desc, id asc, at most 10 a call; nextCursor gets the next page. A room held for a client at a time. ' +
        'Columns: id, clientId, roomId, startsAt, status, price, internalNote; with client (id, name).',
    );
  });

  it('takes the host’s description before the comment in the schema', () => {
    const { booking_count: tool } = toolsOf({ booking: { description: 'Slots at the front desk.' } });
    expect(tool?.description).toContain('Counts Booking rows. Slots at the front desk. Columns:');
  });

  it('has an input schema that says what the parser takes', () => {
    const {
      booking_create: create,
      booking_update: update,
      membership_findUnique: find,
    } = toolsOf({ booking: { operations }, membership: {} });
    expect(create?.inputSchema.properties?.['data']).toMatchObject({
      required: ['clientId', 'startsAt', 'price'],
      properties: {
        clientId: { type: 'integer' },
        roomId: { type: ['string', 'null'] },
        startsAt: { type: 'string', description: 'Start of the slot, UTC. · ISO 8601 date-time or date' },
        status: { type: 'string', enum: ['PENDING', 'CONFIRMED', 'CANCELLED'] },
        price: { type: 'string', description: 'In euros. · decimal number in a string' },
      },
    });
    expect(update?.inputSchema.properties?.['data']?.required).toBeUndefined();
    expect(update?.inputSchema.required).toEqual(['where', 'data']);
    expect(find?.inputSchema.properties?.['where']?.properties?.['clientId_roomId']).toEqual({
      type: 'object',
      properties: { clientId: { type: 'integer' }, roomId: { type: 'string' } },
      required: ['clientId', 'roomId'],
      additionalProperties: false,
    });
  });

  it('asks for no column that the host forces, and for none at all where a function does', () => {
    const data = (forced: Json): JsonSchema | undefined =>
      toolsOf({ booking: { operations, data: forced } })['booking_create']?.inputSchema.properties?.['data'];
    expect(data({ clientId: 1 })?.required).toEqual(['startsAt', 'price']);
    expect(Object.keys(data({ clientId: 1 })?.properties ?? {})).not.toContain('clientId');
    expect(data(() => ({ clientId: 1 }))?.required).toBeUndefined();
  });

  it('allows null in its output for a single row that a policy may hide', () => {
    const client = (models: Json): JsonSchema | undefined => toolsOf(models)['booking_findUnique']?.outputSchema?.properties?.['client'];
    const booking = { include: { client: true } };
    expect(client({ client: {}, booking })?.type).toBe('object');
    expect(client({ client: { where: { id: 1 } }, booking })?.type).toEqual(['object', 'null']);
  });
});
