import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ToolError } from '../../src/errors.ts';
import { assertCapability, formRequest, formSchema, pageRequest, rootsRequest, sampleRequest } from '../../src/protocol/client-requests.ts';
import type { JsonSchema } from '../../src/protocol/json-schema.ts';
import type { Revision } from '../../src/protocol/revisions.ts';
import { findRevision, revisions } from '../../src/protocol/revisions.ts';
import { assertType } from '../support/revision-schemas.ts';

const eliciting = revisions.filter(({ asks }) => asks.has('elicitation/create'));
const newest = findRevision('2025-11-25') as Revision;
const simple = findRevision('2025-06-18') as Revision;
const titled = {
  type: 'string',
  oneOf: [
    { const: 's', title: 'Small' },
    { const: 'l', title: 'Large' },
  ],
};
const form = (field: JsonSchema): JsonSchema => ({ type: 'object', properties: { field } });

describe.each(eliciting.map(row => [row.id, row] as const))('a form of %s', (id, row) => {
  const zod = z.object({
    name: z.string().min(1).max(20).describe('Who'),
    mail: z.email().optional(),
    site: z.url().optional(),
    day: z.iso.date().optional(),
    at: z.iso.datetime().optional(),
    count: z.int().min(0).max(9),
    share: z.number().default(0.5),
    agree: z.boolean().default(false),
    size: z.enum(['s', 'm', 'l']).default('m'),
  });

  it('made from a zod object is one that the specification knows', () => {
    const { schema } = formSchema(zod, row);
    assertForm(id, schema);
    expect(schema.required).toContain('name');
    expect(schema.properties?.['name']).toEqual({ type: 'string', description: 'Who', minLength: 1, maxLength: 20 });
  });

  it.each<[string, JsonSchema]>([
    ['titled choices', titled],
    ['choices with names', { type: 'string', enum: ['a'], enumNames: ['A'] }],
    ['choices with a default', { ...titled, default: 's' }],
    ['a number with a default', { type: 'number', default: 1, minimum: 0 }],
    ['a boolean with a default', { type: 'boolean', default: true }],
    ['text with a pattern', { type: 'string', pattern: '^a' }],
  ])('with %s is one that the specification knows', (_, field) => {
    assertForm(id, formSchema(form(field), row).schema);
  });
});

describe('lists of choices', () => {
  it.each<[string, JsonSchema]>([
    ['plain', { type: 'array', items: { type: 'string', enum: ['a', 'b'] }, minItems: 1, maxItems: 2, default: ['a'] }],
    ['titled', { type: 'array', items: { anyOf: [{ const: 'a', title: 'A' }] } }],
  ])('%s, are known since 2025-11-25', (_, field) => {
    const { schema } = formSchema(form(field), newest);
    expect(schema.properties?.['field']).toEqual(field);
    assertForm(newest.id, schema);
    expect(() => formSchema(form(field), simple)).toThrow(ToolError);
  });

  it('come from a zod array of an enum', () => {
    const { schema, validate } = formSchema(z.object({ extras: z.array(z.enum(['tea', 'cake'])).max(2) }), newest);
    assertForm(newest.id, schema);
    expect([validate({ extras: ['tea'] }), validate({ extras: ['beer'] }), validate({ extras: 'tea' })]).toEqual([
      { extras: ['tea'] },
      undefined,
      undefined,
    ]);
  });
});

describe('what comes back', () => {
  it('is made what the zod object says', () => {
    const { validate } = formSchema(z.object({ day: z.iso.date(), count: z.int().default(3) }), newest);
    expect(validate({ day: '2026-01-01' })).toEqual({ day: '2026-01-01', count: 3 });
  });

  it.each<[string, JsonSchema, unknown, boolean]>([
    ['text', { type: 'string' }, 'x', true],
    ['a number for text', { type: 'string' }, 5, false],
    ['text too long', { type: 'string', maxLength: 2 }, 'abc', false],
    ['an unknown choice', { type: 'string', enum: ['a'] }, 'b', false],
    ['an unknown titled choice', titled, 'x', false],
    ['a titled choice', titled, 'l', true],
    ['a fraction for an integer', { type: 'integer' }, 1.5, false],
    ['a number below its bound', { type: 'number', minimum: 1 }, 0, false],
    ['text for a boolean', { type: 'boolean' }, 'true', false],
    ['an address that is none', { type: 'string', format: 'email' }, 'nobody', false],
  ])('is held to a JSON Schema: %s', (_, field, value, fits) => {
    const { validate } = formSchema({ ...form(field), required: ['field'] }, newest);
    expect(validate({ field: value }) !== undefined).toBe(fits);
    expect(validate({})).toBeUndefined();
  });

  it.each([null, 5, 'x', []])('is refused when it is %j', content => {
    expect(formSchema(z.object({}), newest).validate(content)).toBeUndefined();
  });

  it('keeps the titles that an older client chose from as values', () => {
    const { schema, validate } = formSchema(form({ ...titled, default: 's' }), simple);
    expect(schema.properties?.['field']).toEqual({ type: 'string', enum: ['s', 'l'], enumNames: ['Small', 'Large'] });
    expect(validate({ field: 'l' })).toEqual({ field: 'l' });
  });
});

describe('what no form can have is the host’s mistake', () => {
  it.each<[string, JsonSchema]>([
    ['an object', { type: 'object' }],
    ['a list of text', { type: 'array', items: { type: 'string' } }],
    ['a list of anything', { type: 'array' }],
    ['no type', {}],
    ['null', { type: 'null' }],
    ['several types', { type: ['string', 'number'] }],
  ])('%s', (_, field) => {
    expect(() => formSchema(form(field), newest)).toThrow(/^requestedSchema\.field: a form has/);
  });

  it('a root that is no object', () => {
    expect(() => formSchema({ type: 'string' }, newest)).toThrow('requestedSchema: the root must be an object');
    expect(() => formSchema(z.string(), newest)).toThrow('requestedSchema: the root must be an object');
  });
});

function assertForm(revision: string, requestedSchema: JsonSchema): void {
  assertType(revision, 'ElicitRequest', { jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message: 'm', requestedSchema } });
}

describe('what a client must be able to do', () => {
  const params = { messages: [], maxTokens: 1 };
  const requests = {
    form: formRequest({ message: '?', requestedSchema: z.object({}) }, newest),
    page: pageRequest({ message: '?', url: 'https://example.com' }, newest, 'id'),
    model: sampleRequest(params),
    tools: sampleRequest({ ...params, tools: [] }),
    roots: rootsRequest(undefined),
  };

  it.each([
    [{}, []],
    [{ elicitation: {} }, ['form']],
    [{ elicitation: { form: {} } }, ['form']],
    [{ elicitation: { url: {} } }, ['page']],
    [{ elicitation: { form: {}, url: {} } }, ['form', 'page']],
    [{ elicitation: true, sampling: null, roots: [] }, []],
    [{ sampling: {} }, ['model']],
    [{ sampling: { context: {} } }, ['model']],
    [{ sampling: { tools: {} } }, ['model', 'tools']],
    [{ roots: { listChanged: true } }, ['roots']],
  ])('with the capabilities %j allows %j', (declared, allowed) => {
    const allows = Object.entries(requests).filter(([, request]) => {
      try {
        assertCapability(request, declared, newest);
        return true;
      } catch (error) {
        expect(error).toBeInstanceOf(ToolError);
        return false;
      }
    });
    expect(allows.map(([name]) => name)).toEqual(allowed);
  });
});
