import { Ajv2020 } from 'ajv/dist/2020.js';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { datamodel as postgresql } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import { operationNames } from '../../src/models/declaration/operations.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { ToolDefinition } from '../../src/protocol/definitions.ts';
import type { Json } from './served.ts';
import { callOf } from './served.ts';

type Models = Record<string, ExposureLike>;

const all = { operations: operationNames };
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });

const clientOf = (model: Datamodel): object =>
  Object.fromEntries(Object.values(model.models).map(({ key }) => [key, { findMany: () => undefined }]));

function compile(models: Models, style: 'tools' | 'compact' = 'compact', model: Datamodel = datamodel) {
  return compileModels({ name: 'test', prisma: clientOf(model), datamodel: model, models, style });
}

function toolOf(tools: readonly ToolDefinition[], name: string): ToolDefinition {
  return tools.find(tool => tool.name === name) ?? expect.fail(`no tool ${name}`);
}

/** Calls a tool, holds its result to its output schema, and gives the result. */
async function run(models: Models, name: string, args: object, style: 'tools' | 'compact' = 'compact'): Promise<Json> {
  const tool = toolOf(compile(models, style).tools, name);
  const { structuredContent, content } = await tool.call({ ...args }, callOf());
  expect(content).toEqual([{ type: 'text', text: JSON.stringify(structuredContent) }]);
  const validate = ajv.compile(tool.outputSchema ?? {});
  expect(validate(structuredContent), JSON.stringify(validate.errors)).toBe(true);
  return structuredContent;
}

const fail = (models: Models, name: string, args: object, style: 'tools' | 'compact' = 'compact'): Promise<string> =>
  run(models, name, args, style).then(
    result => expect.fail(`${name} answered ${JSON.stringify(result)}`),
    (error: Error) => (error.name === 'ToolError' ? error.message : expect.fail(error.message)),
  );

/** This many models in the shape of `Booking`, with an enum, Json, a relation and comments. */
function schemaOf(size: number): Datamodel {
  const { Booking, Client } = datamodel.models;
  if (Booking === undefined || Client === undefined) return expect.fail('the test schema has changed');
  const names = Array.from({ length: size - 1 }, (_, index) => `WarehouseBookingRecord${index}`);
  const models = names.map(name => [name, { ...Booking, name, key: name.replace('W', 'w') }]);
  const fields = Client.fields.filter(({ kind }) => kind !== 'object');
  return { models: Object.fromEntries([['Client', { ...Client, fields }], ...models]), enums: datamodel.enums };
}

const exposeAll = (model: Datamodel): Models => Object.fromEntries(Object.values(model.models).map(({ key }) => [key, all]));

describe('the tools of the style compact', () => {
  it.each([1, 2, 20, 30, 60, 120, 300])('take at most 2,000 tokens for %d models with every operation', size => {
    const model = schemaOf(size);
    const { tools } = compile({ ...exposeAll(model), client: { ...all, data: { passwordHash: 'x' } } }, 'compact', model);
    const shown = tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
    expect(tools.map(({ name }) => name)).toEqual([
      'find_models',
      'describe_model',
      'read_rows',
      'create_rows',
      'update_rows',
      'delete_rows',
    ]);
    expect(countTokens(JSON.stringify(shown))).toBeLessThanOrEqual(2000);
    for (const { description } of tools) expect(description.length).toBeLessThanOrEqual(1024);
  });

  it('name the models while their names are few', () => {
    const description = (size: number) => {
      const model = schemaOf(size);
      return toolOf(compile({ ...exposeAll(model), client: {} }, 'compact', model).tools, 'describe_model').description;
    };
    expect(description(3)).toMatch(/ Models: client, warehouseBookingRecord0, warehouseBookingRecord1\.$/);
    expect(description(300)).not.toContain('warehouse');
  });

  it('are those that some compact model needs', () => {
    const names = (models: Models) => compile(models).tools.map(({ name }) => name);
    expect(names({ booking: {}, room: {} })).toEqual(['find_models', 'describe_model', 'read_rows']);
    expect(names({ booking: { operations: ['findMany', 'update'] }, room: {} })).toEqual([
      'find_models',
      'describe_model',
      'read_rows',
      'update_rows',
    ]);
    expect(names({ booking: { operations: ['create'] } })).toEqual(['find_models', 'describe_model', 'create_rows']);
    expect(names({})).toEqual([]);
  });

  it('have the annotations of the operations that they run', () => {
    const own = compile({ booking: all }, 'tools').tools;
    const { tools } = compile({ booking: all });
    for (const tool of tools) {
      const operations = tool.inputSchema.properties?.['operation']?.enum;
      if (operations === undefined) expect(tool.annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false });
      for (const operation of operations ?? []) {
        expect(tool.annotations, tool.name).toEqual(toolOf(own, `booking_${String(operation)}`).annotations);
      }
    }
  });

  it('have valid JSON Schemas with an object at the root', () => {
    for (const { inputSchema, outputSchema = {} } of compile({ booking: all, client: {} }).tools) {
      expect(inputSchema.type).toBe('object');
      for (const schema of [inputSchema, outputSchema]) expect(() => ajv.compile(schema)).not.toThrow();
    }
  });
});

describe('the option style', () => {
  it('is overridden by the style of a model', () => {
    const names = (models: Models, style: 'tools' | 'compact') => compile(models, style).tools.map(({ name }) => name);
    expect(names({ booking: { style: 'tools', operations: ['count'] }, room: {} }, 'compact')).toEqual([
      'booking_count',
      'find_models',
      'describe_model',
      'read_rows',
    ]);
    expect(names({ booking: { style: 'compact' }, room: { operations: ['count'] } }, 'tools')).toEqual([
      'room_count',
      'find_models',
      'describe_model',
      'read_rows',
    ]);
  });

  it('changes no resource, template or completion', () => {
    const shape = (style: 'tools' | 'compact') => {
      const { resources, resourceTemplates } = compile({ booking: {}, membership: {}, room: { operations: ['create'] } }, style);
      return [resources, resourceTemplates.map(({ complete, ...rest }) => ({ ...rest, complete: Object.keys(complete ?? {}) }))].map(each =>
        JSON.stringify(each),
      );
    };
    expect(shape('compact')).toEqual(shape('tools'));
  });

  it('stops the start if it is unknown', () => {
    expect(() => compile({ booking: { style: 'small' } })).toThrow(new TypeError("models.booking.style: expected 'tools' or 'compact'"));
  });
});

describe('find_models', () => {
  const models: Models = {
    client: { omit: { phone: true } },
    booking: { operations: ['findMany', 'create'] },
    room: { style: 'tools' },
    auditLog: { description: 'Who did which change' },
    membership: {},
  };
  const find = async (query?: string): Promise<string[]> => {
    const { models: found, total } = await run(models, 'find_models', query === undefined ? {} : { query });
    expect(total).toBe(found.length);
    return found.map(({ model }: Json) => model);
  };

  it('lists all models with their operations, or with the tools that are their own', async () => {
    expect((await run(models, 'find_models', {})).models).toEqual([
      { model: 'client', description: 'A person who books rooms.', operations: ['findUnique', 'findMany', 'count'] },
      { model: 'booking', description: 'A room held for a client at a time.', operations: ['findMany', 'create'] },
      { model: 'room', tools: ['room_findUnique', 'room_findMany', 'room_count'] },
      { model: 'auditLog', description: 'Who did which change', operations: ['findUnique', 'findMany', 'count'] },
      { model: 'membership', description: "A client's standing right to a room.", operations: ['findUnique', 'findMany', 'count'] },
    ]);
  });

  it.each<[query: string, found: string[]]>([
    ['booking', ['booking', 'room', 'client']],
    ['Bookings', ['booking', 'room', 'client']],
    ['audit_log', ['auditLog']],
    ['change', ['auditLog']],
    ['email', ['client']],
    // Words that say nothing are looked for if there are no others.
    ['which', ['auditLog']],
    ['who pays the price of a room?', ['room', 'booking', 'client', 'membership', 'auditLog']],
    ['membreship', ['membership']],
    ['  ', ['client', 'booking', 'room', 'auditLog', 'membership']],
  ])('finds by words of names, descriptions and columns, best first: %s', async (query, found) => {
    expect(await find(query)).toEqual(found);
  });

  it.each(['phone', 'passwordHash', 'password hash', 'tag', 'label'])(
    'finds nothing by the name of a hidden column or model: %s',
    async query => {
      expect(await run(models, 'find_models', { query })).toEqual({
        models: [],
        total: 0,
        hint: 'No model matches. Leave query out to list all 5.',
      });
    },
  );

  it('gives pages', async () => {
    const model = schemaOf(60);
    const { tools } = compile({ ...exposeAll(model), client: {} }, 'compact', model);
    const seen: string[] = [];
    const sizes: number[] = [];
    let cursor: string | undefined;
    do {
      const page: Json = (await toolOf(tools, 'find_models').call(cursor === undefined ? {} : { cursor }, callOf())).structuredContent;
      expect(page.total).toBe(60);
      sizes.push(page.models.length);
      seen.push(...page.models.map((each: Json) => each.model));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(sizes).toEqual([25, 25, 10]);
    expect(new Set(seen).size).toBe(60);
  });

  it.each<[args: Json, message: string]>([
    [{ query: 5 }, 'query: expected words, got a number'],
    [{ cursor: 'x' }, 'cursor: not a nextCursor of this query; leave it out to start from the first model'],
    [{ search: 'x' }, 'search: unknown argument (query, cursor)'],
  ])('refuses %j', async (args, message) => {
    expect(await fail(models, 'find_models', args)).toBe(message);
  });
});

describe('describe_model', () => {
  const models: Models = {
    client: { omit: { notes: true } },
    booking: {
      operations: operationNames,
      confirm: ['delete'],
      take: 10,
      orderBy: { startsAt: 'desc' },
      include: { client: { select: { name: true } } },
    },
    membership: {},
    room: { style: 'tools' },
  };

  it('gives columns, enums, relations, keys, filters, and the arguments of each operation', async () => {
    expect(await run(models, 'describe_model', { model: 'booking' })).toEqual({
      model: 'booking',
      description: 'A room held for a client at a time.',
      columns: [
        'id Int',
        'clientId Int',
        'roomId String?',
        'startsAt DateTime (Start of the slot, UTC)',
        'status PENDING|CONFIRMED|CANCELLED',
        'price Decimal (In euros)',
        'meta Json?',
        'internalNote String? (For staff only)',
      ],
      formats: 'DateTime is an ISO 8601 string, Decimal is a string',
      relations: ['client Client', 'room Room?'],
      included: 'client (name)',
      uniqueKeys: 'id',
      filters: [
        'Int, DateTime, Decimal: equals, not, in, notIn, lt, lte, gt, gte',
        'String: equals, not, in, notIn, lt, lte, gt, gte, contains, startsWith, endsWith',
        'enum: equals, not, in, notIn',
        'Json: equals, not, path, string_contains, string_starts_with, string_ends_with, array_starts_with, array_ends_with',
        'relation to one: is, isNot',
        'AND, OR, NOT',
      ],
      operations: [
        { operation: 'findUnique', tool: 'read_rows', arguments: 'where: one unique key; select?: { column: true }' },
        {
          operation: 'findFirst',
          tool: 'read_rows',
          arguments:
            'where?: filters; select?: { column: true }; orderBy?: [{ column: "asc" }], any column but meta, or client, room as { client: { column: "asc" } }, default startsAt desc, id asc',
        },
        {
          operation: 'findMany',
          tool: 'read_rows',
          arguments:
            'where?: filters; select?: { column: true }; orderBy?: [{ column: "asc" }], any column but meta, or client, room as { client: { column: "asc" } }, default startsAt desc, id asc; ' +
            'take?: 1 to 10, default 10; cursor?: nextCursor of the page before; distinct?: ["column"], without cursor',
        },
        { operation: 'count', tool: 'read_rows', arguments: 'where?: filters' },
        {
          operation: 'aggregate',
          tool: 'read_rows',
          arguments:
            'where?: filters; _count?: true or { column: true }; _sum?, _avg?: { column: true }, of id, clientId, price; ' +
            '_min?, _max?: { column: true }, of id, clientId, roomId, startsAt, status, price, internalNote',
        },
        {
          operation: 'groupBy',
          tool: 'read_rows',
          arguments:
            'by: ["column"], any column but meta, dates also as "startsAt:week" (day, week, month, year, UTC); where?: filters; ' +
            '_count?: true or { column: true }; _sum?, _avg?: { column: true }, of id, clientId, price; ' +
            '_min?, _max?: { column: true }, of id, clientId, roomId, startsAt, status, price, internalNote; ' +
            'having?: { column: { _sum: { gt: 1 } }, _count: { gt: 1 } }; ' +
            'orderBy?: [{ column: "asc" }] of by, { _count: "desc" } or { _sum: { column: "desc" } }; take?: 1 to 10, default 10',
        },
        {
          operation: 'create',
          tool: 'create_rows',
          arguments: 'data: { clientId, startsAt, price, roomId?, status?, meta?, internalNote? }',
        },
        {
          operation: 'createMany',
          tool: 'create_rows',
          arguments: 'data: [{ clientId, startsAt, price, roomId?, status?, meta?, internalNote? }], at most 100 rows',
        },
        {
          operation: 'update',
          tool: 'update_rows',
          arguments:
            'where: one unique key; data: { clientId?, roomId?, startsAt?, status?, price?, meta?, internalNote? }, also a number { increment: 1 }',
        },
        {
          operation: 'updateMany',
          tool: 'update_rows',
          arguments:
            'where: filters; data: { clientId?, roomId?, startsAt?, status?, price?, meta?, internalNote? }, also a number { increment: 1 }; dryRun?: true; at most 100 rows',
        },
        {
          operation: 'upsert',
          tool: 'update_rows',
          arguments:
            'where: one unique key; create: { clientId, startsAt, price, roomId?, status?, meta?, internalNote? }; update: { clientId?, roomId?, startsAt?, status?, price?, meta?, internalNote? }, also a number { increment: 1 }',
        },
        { operation: 'delete', tool: 'delete_rows', arguments: 'where: one unique key; confirmation?: as asked for' },
        { operation: 'deleteMany', tool: 'delete_rows', arguments: 'where: filters; dryRun?: true; at most 100 rows' },
      ],
    });
  });

  it('takes the name that relations give, too', async () => {
    const { uniqueKeys } = await run(models, 'describe_model', { model: 'Membership' });
    expect(uniqueKeys).toBe('clientId_roomId {clientId, roomId}, roomSlot {roomId, slot}, level_slot {level, slot}');
  });

  it('names every value of a long enum', async () => {
    const values = Array.from({ length: 60 }, (_, index) => `VALUE_${index}`);
    const long = { ...datamodel, enums: { BookingStatus: { name: 'BookingStatus', values } } };
    const tool = toolOf(compile({ booking: {} }, 'compact', long).tools, 'describe_model');
    const { columns } = (await tool.call({ model: 'booking' }, callOf())).structuredContent as Json;
    expect(columns[4]).toBe(`status ${values.join('|')}`);
  });

  it('names columns where columns of one type have other filters', async () => {
    const { tools } = compile({ native: { select: { id: true, code: true, small: true } } }, 'compact', postgresql);
    const { filters } = (await toolOf(tools, 'describe_model').call({ model: 'native' }, callOf())).structuredContent as Json;
    expect(filters).toEqual([
      'id, Int: equals, not, in, notIn, lt, lte, gt, gte',
      'code: equals, not, in, notIn, lt, lte, gt, gte, contains, startsWith, endsWith, mode',
      'AND, OR, NOT',
    ]);
  });

  it('names nothing that is hidden', async () => {
    const text = JSON.stringify(await run(models, 'describe_model', { model: 'client' }));
    expect(text).not.toMatch(/notes|password|tag|audit/i);
    expect(text).not.toContain('create');
  });

  it.each<[model: Json, message: string]>([
    ['bookings', 'model: there is no model "bookings"; did you mean booking?'],
    ['tag', 'model: there is no model "tag"; find_models finds the models'],
    ['nothing', 'model: there is no model "nothing"; find_models finds the models'],
    ['room', 'model: the tools of room are room_findUnique, room_findMany, room_count'],
    ['Room', 'model: the tools of room are room_findUnique, room_findMany, room_count'],
    ['__proto__', 'model: there is no model "__proto__"; find_models finds the models'],
    [['booking'], 'model: expected the name of a model, got an array; find_models finds it'],
    [undefined, 'model: expected the name of a model, got nothing; find_models finds it'],
  ])('refuses %j', async (model, message) => {
    expect(await fail(models, 'describe_model', { model })).toBe(message);
  });
});

describe('a tool that runs operations', () => {
  const models: Models = { booking: { operations: ['findMany', 'create'] }, client: {}, room: { style: 'tools' } };

  it.each<[tool: string, args: Json, message: string]>([
    ['read_rows', { model: 'tag', operation: 'findMany' }, 'model: there is no model "tag"; find_models finds the models'],
    ['read_rows', { model: 'room', operation: 'count' }, 'model: the tools of room are room_findUnique, room_findMany, room_count'],
    [
      'read_rows',
      { model: 'booking', operation: 'count' },
      'operation: booking has no operation "count"; the tools of booking are read_rows (findMany), create_rows (create)',
    ],
    ['read_rows', { model: 'booking', operation: 'findmany' }, 'did you mean findMany?'],
    ['read_rows', { model: 'booking', operation: 'constructor' }, 'booking has no operation "constructor"'],
    ['read_rows', { model: 'booking' }, 'operation: expected an operation, got nothing; the tools of booking are read_rows (findMany),'],
    ['read_rows', { model: 'booking', operation: 'create', data: {} }, 'operation: create is an operation of the tool create_rows'],
    ['create_rows', { model: 'booking', operation: 'findMany' }, 'operation: findMany is an operation of the tool read_rows'],
    [
      'create_rows',
      { model: 'client', operation: 'create', data: {} },
      'operation: client has no operation "create"; the tools of client are',
    ],
    [
      'read_rows',
      { model: 'booking', operation: 'findMany', data: {} },
      'data: unknown argument (where, select, orderBy, take, cursor, distinct)',
    ],
  ])('%s refuses %j', async (tool, args, message) => {
    expect(await fail(models, tool, args)).toContain(message);
  });
});
