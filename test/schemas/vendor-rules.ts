import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonSchema } from '../../src/protocol/json-schema.ts';
import type { SeenTool } from './tokens.ts';

/** One thing that a vendor's API refuses in a tool. */
export interface VendorRule {
  readonly vendor: 'OpenAI' | 'Anthropic' | 'Gemini parameters' | 'Gemini parametersJsonSchema';
  readonly says: string;
  readonly breaks: (tool: SeenTool) => boolean;
  /** A tool that breaks it. */
  readonly example: SeenTool;
}

interface Place {
  readonly schema: JsonSchema;
  /** Levels of schemas above this one. */
  readonly depth: number;
}

/** A tool that no rule refuses. */
export const plainTool: SeenTool = {
  name: 'booking_count',
  description: 'Counts rows.',
  inputSchema: { type: 'object', properties: { where: { type: 'object' } } },
};

const named = (name: string): SeenTool => ({ ...plainTool, name });
const rooted = (inputSchema: JsonSchema): SeenTool => ({ ...plainTool, inputSchema });
const having = (member: JsonSchema): SeenTool => rooted({ type: 'object', properties: { member } });
const wide = (count: number, schema: JsonSchema): JsonSchema => ({
  type: 'object',
  properties: Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, schema])),
});
const deep = (levels: number): JsonSchema => (levels === 0 ? { type: 'string' } : { type: 'object', properties: { p: deep(levels - 1) } });
const listing = (count: number, chars: number): JsonSchema => ({
  type: 'string',
  enum: Array.from({ length: count }, (_, index) => `${index}`.padStart(chars, 'x')),
});

function* placesIn(schema: JsonSchema, depth = 0): Generator<Place> {
  yield { schema, depth };
  const below = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    ...(typeof schema.items === 'object' ? [schema.items] : []),
  ];
  for (const part of below) yield* placesIn(part, depth + 1);
}

const some = (tool: SeenTool, test: (schema: JsonSchema) => boolean): boolean =>
  [...placesIn(tool.inputSchema)].some(({ schema }) => test(schema));
const names = (schema: JsonSchema): string[] => Object.keys(schema.properties ?? {});
const typesOf = ({ type = [] }: JsonSchema): string[] => (Array.isArray(type) ? type : [type]);
const total = (tool: SeenTool, of: (schema: JsonSchema) => number): number =>
  [...placesIn(tool.inputSchema)].reduce((sum, { schema }) => sum + of(schema), 0);
const chars = (texts: readonly unknown[]): number => texts.reduce<number>((sum, text) => sum + String(text).length, 0);
const hasAny = (schema: JsonSchema, keywords: readonly string[]): boolean => keywords.some(keyword => Object.hasOwn(schema, keyword));

const ajv = new Ajv2020({ strict: false, logger: false });

/*
 * Functions are not strict unless an app asks for it, and then its client rewrites the schemas. The limits of strict schemas are kept here
 * anyway, so that they are no obstacle.
 */
const openAi: readonly VendorRule[] = [
  {
    // https://platform.openai.com/docs/api-reference/chat/create, tools.function.name
    vendor: 'OpenAI',
    says: 'a name has letters, digits, underscores and dashes, 64 at most',
    breaks: ({ name }) => !/^[a-zA-Z0-9_-]{1,64}$/.test(name),
    example: named('booking.count'),
  },
  {
    // The error string_above_max_length, as in https://github.com/getsentry/sentry-mcp/issues/106
    vendor: 'OpenAI',
    says: 'a description has 1,024 characters at most',
    breaks: ({ description = '' }) => description.length > 1024,
    example: { ...plainTool, description: 'x'.repeat(1025) },
  },
  {
    // "In context=(), object schema missing properties", https://github.com/spring-projects/spring-ai/issues/4776
    vendor: 'OpenAI',
    says: 'the root is an object with properties',
    breaks: ({ inputSchema }) => inputSchema.type !== 'object' || inputSchema.properties === undefined,
    example: rooted({ type: 'object' }),
  },
  {
    // "In context=('properties', …), array schema missing items", https://github.com/sigoden/aichat/pull/1049
    vendor: 'OpenAI',
    says: 'an array has items',
    breaks: tool => some(tool, schema => typesOf(schema).includes('array') && schema.items === undefined),
    example: having({ type: 'array' }),
  },
  {
    // https://platform.openai.com/docs/guides/structured-outputs#supported-schemas: the root must not be anyOf; composition is not supported
    vendor: 'OpenAI',
    says: 'the root has no alternatives, and nothing has allOf, not, if or dependent schemas',
    breaks: tool =>
      hasAny(tool.inputSchema, ['anyOf', 'oneOf', 'enum']) ||
      some(tool, schema => hasAny(schema, ['allOf', 'not', 'if', 'then', 'else', 'dependentRequired', 'dependentSchemas'])),
    example: having({ allOf: [{ type: 'string' }] }),
  },
  {
    // https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    vendor: 'OpenAI',
    says: 'a schema has 5,000 properties at most',
    breaks: tool => total(tool, schema => names(schema).length) > 5000,
    example: rooted(wide(5001, { type: 'string' })),
  },
  {
    // https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    vendor: 'OpenAI',
    says: 'objects nest in 10 levels at most',
    breaks: tool => [...placesIn(tool.inputSchema)].some(({ depth }) => depth > 10),
    example: rooted(deep(11)),
  },
  {
    // https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    vendor: 'OpenAI',
    says: 'names and enum values have 120,000 characters at most',
    breaks: tool => total(tool, schema => chars(names(schema)) + chars(schema.enum ?? [])) > 120_000,
    example: rooted(wide(10, listing(100, 130))),
  },
  {
    // https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    vendor: 'OpenAI',
    says: 'a schema has 1,000 enum values at most, and an enum of more than 250 has 15,000 characters at most',
    breaks: tool =>
      total(tool, schema => schema.enum?.length ?? 0) > 1000 ||
      some(tool, ({ enum: values = [] }) => values.length > 250 && chars(values) > 15_000),
    example: having(listing(251, 70)),
  },
];

const anthropic: readonly VendorRule[] = [
  {
    // https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools
    vendor: 'Anthropic',
    says: 'a name has letters, digits, underscores and dashes, 64 at most',
    breaks: ({ name }) => !/^[a-zA-Z0-9_-]{1,64}$/.test(name),
    example: named('n'.repeat(65)),
  },
  {
    // "input_schema does not support oneOf, allOf, or anyOf at the top level", https://github.com/anthropics/claude-code/issues/40075
    vendor: 'Anthropic',
    says: 'the root is an object without oneOf, allOf or anyOf',
    breaks: ({ inputSchema }) => inputSchema.type !== 'object' || hasAny(inputSchema, ['oneOf', 'allOf', 'anyOf']),
    example: rooted({ type: 'object', properties: {}, anyOf: [{ required: ['a'] }, { required: ['b'] }] }),
  },
  {
    // "Property keys should match pattern", https://github.com/beautyfree/appstore-connect-mcp/issues/2
    vendor: 'Anthropic',
    says: 'a property has letters, digits, underscores, dots and dashes, 64 at most',
    breaks: tool => some(tool, schema => names(schema).some(name => !/^[a-zA-Z0-9_.-]{1,64}$/.test(name))),
    example: rooted({ type: 'object', properties: { 'filter[id]': { type: 'string' } } }),
  },
  {
    // "JSON schema is invalid. It must match JSON Schema draft 2020-12", https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools
    vendor: 'Anthropic',
    says: 'the schema is valid JSON Schema 2020-12',
    breaks: ({ inputSchema }) => ajv.validateSchema(inputSchema) !== true,
    example: having({ type: 'text' }),
  },
];

/** The fields of a Schema: https://ai.google.dev/api/caching#Schema */
const geminiFields = new Set(
  (
    'type format title description nullable enum maxItems minItems properties required minProperties maxProperties minLength maxLength pattern ' +
    'example anyOf propertyOrdering default items minimum maximum'
  ).split(' '),
);

const gemini: readonly VendorRule[] = [
  {
    // https://ai.google.dev/api/caching#FunctionDeclaration: 63; Vertex AI: 64, and a letter or an underscore first
    vendor: 'Gemini parameters',
    says: 'a name begins with a letter or an underscore and has 63 characters at most',
    breaks: ({ name }) => !/^[a-zA-Z_][a-zA-Z0-9_.-]{0,62}$/.test(name),
    example: named('1st_count'),
  },
  {
    // https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/FunctionDeclaration
    vendor: 'Gemini parameters',
    says: 'an argument begins with a letter or an underscore and has letters, digits and underscores, 64 at most',
    breaks: ({ inputSchema }) => names(inputSchema).some(name => !/^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/.test(name)),
    example: rooted({ type: 'object', properties: { 'order-by': { type: 'string' } } }),
  },
  {
    // "Unknown name "additionalProperties" … Cannot find field", https://github.com/nanbingxyz/5ire/issues/42
    vendor: 'Gemini parameters',
    says: 'a schema has only the fields of Schema',
    breaks: tool => some(tool, schema => Object.keys(schema).some(keyword => !geminiFields.has(keyword))),
    example: having({ type: 'object', additionalProperties: false }),
  },
  {
    // "Unknown name "type" … Proto field is not repeating, cannot start list", https://github.com/zed-industries/zed/issues/53919
    vendor: 'Gemini parameters',
    says: 'a type is one word',
    breaks: tool => some(tool, ({ type }) => Array.isArray(type)),
    example: having({ type: ['string', 'null'] }),
  },
  {
    // "type: must be specified when not using one_of, any_of or all_of fields", https://github.com/danny-avila/LibreChat/issues/6971
    vendor: 'Gemini parameters',
    says: 'a schema without anyOf has a type',
    breaks: tool => some(tool, schema => schema.type === undefined && schema.anyOf === undefined),
    example: having({ description: 'any JSON' }),
  },
  {
    // "When using any_of, it must be the only field set", https://github.com/lambda-alpha-labs/Graphenium/issues/37
    vendor: 'Gemini parameters',
    says: 'anyOf stands alone',
    breaks: tool => some(tool, schema => schema.anyOf !== undefined && Object.keys(schema).length > 1),
    example: having({ anyOf: [{ type: 'string' }, { type: 'number' }], description: 'a number' }),
  },
  {
    // "properties: only allowed for OBJECT type", https://github.com/anomalyco/opencode/pull/11888
    vendor: 'Gemini parameters',
    says: 'only objects have properties and required, only arrays have items, only strings have an enum',
    breaks: tool =>
      some(tool, schema => schema.type !== 'object' && hasAny(schema, ['properties', 'required'])) ||
      some(tool, schema => schema.type !== 'array' && schema.items !== undefined) ||
      some(tool, schema => schema.type !== 'string' && schema.enum !== undefined),
    example: having({ type: 'integer', enum: [1, 2] }),
  },
  {
    // "required[0]: property is not defined", https://github.com/probelabs/probe/issues/569
    vendor: 'Gemini parameters',
    says: 'a required property is among the properties',
    breaks: tool => some(tool, schema => (schema.required ?? []).some(name => !names(schema).includes(name))),
    example: having({ type: 'object', properties: { a: { type: 'string' } }, required: ['b'] }),
  },
  {
    // "properties: should be non-empty for OBJECT type", https://github.com/vercel/ai/issues/3371. Newer models take an object without properties.
    vendor: 'Gemini parameters',
    says: 'properties are not empty',
    breaks: tool => some(tool, schema => schema.properties !== undefined && names(schema).length === 0),
    example: rooted({ type: 'object', properties: {} }),
  },
  {
    // "items: missing field", https://github.com/anomalyco/opencode/pull/49392
    vendor: 'Gemini parameters',
    says: 'an array has items',
    breaks: tool => some(tool, schema => schema.type === 'array' && schema.items === undefined),
    example: having({ type: 'array' }),
  },
  {
    // https://ai.google.dev/api/caching#Schema, format
    vendor: 'Gemini parameters',
    says: 'the format of a string is enum or date-time',
    breaks: tool =>
      some(tool, ({ type, format }) => type === 'string' && format !== undefined && format !== 'enum' && format !== 'date-time'),
    example: having({ type: 'string', format: 'uuid' }),
  },
  {
    // https://ai.google.dev/api/caching#FunctionDeclaration, parametersJsonSchema: an object whose properties are the parameters
    vendor: 'Gemini parametersJsonSchema',
    says: 'the root is an object',
    breaks: ({ inputSchema }) => inputSchema.type !== 'object',
    example: rooted({ type: 'array', items: { type: 'string' } }),
  },
  {
    // https://ai.google.dev/api/generate-content#FIELDS.response_json_schema: a $ref must not be recursive at the root, and refers to $defs
    vendor: 'Gemini parametersJsonSchema',
    says: 'no schema refers to another',
    breaks: tool => some(tool, schema => hasAny(schema, ['$ref', '$defs', '$schema', '$id'])),
    example: having({ $ref: '#' }),
  },
];

export const vendorRules: readonly VendorRule[] = [...openAi, ...anthropic, ...gemini];

/** What the vendors refuse in these tools: `booking_count: OpenAI: a description has 1,024 characters at most`. */
export function complaintsAbout(tools: readonly SeenTool[]): string[] {
  return tools.flatMap(tool => vendorRules.filter(rule => rule.breaks(tool)).map(({ vendor, says }) => `${tool.name}: ${vendor}: ${says}`));
}
