import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { encodeHeader, mirroredHeaders } from '../../src/console/client/headers.ts';
import { rowsIn } from '../../src/console/components/results.ts';
import { choicesOf, initialValue, isNullable, kindOf, resolve, wordsOf } from '../../src/console/components/schema.ts';
import { columnsFor, parseColumns } from '../../src/console/model-columns.ts';
import { expand, variablesOf } from '../../src/console/uri-template.ts';
import { compileModels } from '../../src/models/compile.ts';
import { decodeHeader } from '../../src/protocol/envelope.ts';
import type { JsonSchema } from '../../src/protocol/json-schema.ts';
import { toJsonSchema } from '../../src/protocol/json-schema.ts';
import { uriTemplate } from '../../src/protocol/uri-template.ts';
import { openDatabase } from '../support/database.ts';

describe('a field', () => {
  it.each([
    ['a text', 'text', z.string()],
    ['a date', 'date', z.iso.date()],
    ['a date with a time', 'date-time', z.iso.datetime()],
    ['an integer', 'integer', z.int()],
    ['a number', 'number', z.number()],
    ['a truth value', 'boolean', z.boolean()],
    ['an enum', 'choice', z.enum(['a', 'b'])],
    ['one value', 'choice', z.literal('a')],
    ['a list of enum values', 'choices', z.array(z.enum(['a', 'b']))],
    ['a list of texts', 'list', z.array(z.string())],
    ['an object', 'object', z.object({ a: z.string() })],
    ['a record', 'members', z.record(z.string(), z.string())],
    ['a union', 'variants', z.union([z.string(), z.int()])],
    ['a text or null', 'text', z.string().nullable()],
    ['anything', 'any', z.unknown()],
  ])('for %s is of the kind %s', (_, kind, type) => {
    const schema = toJsonSchema(type, 'input', 'x');
    expect(kindOf(resolve(schema, schema))).toBe(kind);
  });

  it('may be null if a variant, a type or an enum says so', () => {
    for (const schema of [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, { type: ['string', 'null'] }, { enum: ['a', null] }])
      expect(isNullable(schema)).toBe(true);
    expect(isNullable(resolve({ anyOf: [{ type: 'string' }, { type: 'null' }] }, {}))).toBe(true);
    expect(isNullable({ type: 'string' })).toBe(false);
  });

  it('has the titles of its choices in all forms that elicitation has for them', () => {
    const titled = [
      { value: 'a', label: 'First' },
      { value: 'b', label: 'Second' },
    ];
    expect(choicesOf({ oneOf: titled.map(({ value, label }) => ({ const: value, title: label })) })).toEqual(titled);
    expect(choicesOf({ enum: ['a', 'b'], enumNames: ['First', 'Second'] })).toEqual(titled);
    expect(choicesOf({ enum: [1, null] })).toEqual([
      { value: 1, label: '1' },
      { value: null, label: 'null' },
    ]);
  });

  it('of a schema that refers to itself begins without its children', () => {
    const node: JsonSchema = {
      $ref: '#/$defs/Node',
      $defs: { Node: { type: 'object', properties: { name: { type: 'string', default: 'x' }, next: { $ref: '#/$defs/Node' } } } },
    };
    expect(initialValue(node)).toEqual({ name: 'x' });
    const circle: JsonSchema = { $ref: '#/$defs/A', $defs: { A: { $ref: '#/$defs/A' } } };
    expect(initialValue(circle)).toBeUndefined();
  });

  it('has its name in words', () => {
    expect(['startsAt', 'client_id', 'x', '_count', 'URL'].map(wordsOf)).toEqual(['Starts at', 'Client id', 'X', '_count', 'URL']);
  });
});

describe('the columns of a model', () => {
  it('are read from the text that lists them', () => {
    const text =
      'id Int, startsAt DateTime (start of the slot, in UTC), code String(4)?, status (PENDING|CONFIRMED)?, tags String[], price Decimal(8,2), meta Json. Relations: client.';
    expect(parseColumns(text)).toEqual([
      { name: 'id', schema: { type: 'integer' }, isList: false, isNullable: false },
      {
        name: 'startsAt',
        schema: { type: 'string', format: 'date-time', description: 'start of the slot, in UTC' },
        isList: false,
        isNullable: false,
      },
      { name: 'code', schema: { type: 'string' }, isList: false, isNullable: true },
      { name: 'status', schema: { type: 'string', enum: ['PENDING', 'CONFIRMED'] }, isList: false, isNullable: true },
      { name: 'tags', schema: { type: 'string' }, isList: true, isNullable: false },
      { name: 'price', schema: { type: 'string', format: 'decimal' }, isList: false, isNullable: false },
      { name: 'meta', schema: {}, isList: false, isNullable: false },
    ]);
  });

  it('are those that the tools of a real model have, for each of its tools', async () => {
    await using db = await openDatabase('sqlite');
    const { tools } = compileModels({
      name: 'x',
      prisma: db.prisma,
      datamodel: db.datamodel,
      models: { booking: { operations: ['findMany', 'count', 'create'] }, client: { operations: ['count'], omit: { passwordHash: true } } },
    });
    const wire = tools.map(({ name, inputSchema, outputSchema }) => ({ name, inputSchema, ...(outputSchema && { outputSchema }) }));
    const namesOf = (name: string) =>
      columnsFor(wire.find(tool => tool.name === name) ?? { name, inputSchema: {} }, wire)?.map(column => column.name);
    const booking = ['id', 'clientId', 'roomId', 'startsAt', 'status', 'price', 'meta', 'internalNote'];
    for (const name of ['booking_findMany', 'booking_count', 'booking_create']) expect(namesOf(name), name).toEqual(booking);
    expect(namesOf('client_count')).toContain('email');
    expect(namesOf('echo')).toBeUndefined();
  });
});

it('a result has rows if it is a list of objects, or has one', () => {
  expect(rowsIn([{ id: 1 }])).toEqual({ rows: [{ id: 1 }], others: {} });
  expect(rowsIn({ rows: [], nextCursor: 'x' })).toEqual({ rows: [], others: { nextCursor: 'x' } });
  expect(rowsIn({ groups: [{ _count: 1 }], truncated: true })).toEqual({ rows: [{ _count: 1 }], others: { truncated: true } });
  for (const value of [{ id: 1 }, [1, 2], 'text', null, { a: [{}], b: [{}] }]) expect(rowsIn(value)).toBeUndefined();
});

describe('a URI template', () => {
  it.each([
    ['house://dish/{name}{?size,lang}', { name: 'crème brûlée', size: 'large' }],
    ['house://{+path}/x', { path: 'a/b' }],
    ['house://a{/b,c}', { b: '1', c: '2' }],
    ['house://a{?b}', {}],
  ])('%s with values is a URI that the server reads back', (template, values: Record<string, string>) => {
    expect(uriTemplate(template).match(expand(template, values))).toMatchObject(values);
    expect(uriTemplate(template).variables).toEqual(variablesOf(template));
  });
});

describe('a header', () => {
  it.each(['plain', 'Jörg', ' blank ', '=?base64?x?=', 'a\nb', '日本'])('carries %j', text => {
    const value = encodeHeader(text);
    expect(value).toMatch(/^[\x20-\x7E]*$/u);
    expect(decodeHeader(value)).toBe(text);
  });

  it('repeats the method, the name and the arguments that a schema marks', () => {
    const schema: JsonSchema = {
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        part: { properties: { floor: { type: 'integer', 'x-mcp-header': 'Floor' } } },
      },
    };
    const params = { name: 'echo', arguments: { region: 'Süd', part: { floor: 3 } } };
    expect(mirroredHeaders('tools/call', params, schema)).toEqual({
      'Mcp-Method': 'tools/call',
      'Mcp-Name': 'echo',
      'Mcp-Param-Region': '=?base64?U8O8ZA==?=',
      'Mcp-Param-Floor': '3',
    });
    expect(mirroredHeaders('tools/list', {}, undefined)).toEqual({ 'Mcp-Method': 'tools/list' });
  });
});
