import { z } from 'zod';
import { ToolError } from '../errors.ts';
import type { JsonObject } from './definitions.ts';
import type { JsonSchema } from './json-schema.ts';
import { toJsonSchema } from './json-schema.ts';
import type { Revision } from './revisions.ts';

/** A form: its JSON Schema on the wire, and the check of what comes back. */
export interface Form {
  /** `requestedSchema` in the revision's words. */
  readonly schema: JsonSchema;
  /** The content, with what the schema makes of it; `undefined` if it does not fit. */
  readonly validate: (content: unknown) => JsonObject | undefined;
}

/** Keywords of a form's fields; a zod type may bring more (`pattern`), which clients need not know. */
const keywords = [
  'type',
  'title',
  'description',
  'default',
  'minLength',
  'maxLength',
  'format',
  'minimum',
  'maximum',
  'enum',
  'enumNames',
  'oneOf',
  'items',
  'minItems',
  'maxItems',
];
const primitives = new Set<unknown>(['string', 'number', 'integer', 'boolean']);

/**
 * A form from a zod object or a JSON Schema.
 *
 * @throws {TypeError} If a field is not a primitive, an enum or a list of enum values.
 * @throws {ToolError} For such a list, if the client is older than 2025-11-25.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#requested-schema
 */
export function formSchema(requested: z.ZodType | JsonSchema, revision: Revision): Form {
  const isZod = requested instanceof z.ZodType || '_zod' in requested;
  const json = isZod ? toJsonSchema(requested as z.ZodType, 'input', 'requestedSchema') : requested;
  const type = isZod ? (requested as z.ZodType) : z.fromJSONSchema(requested as Parameters<typeof z.fromJSONSchema>[0]);
  if (json.type !== 'object') throw new TypeError('requestedSchema: the root must be an object');
  const properties = Object.fromEntries(
    Object.entries(json.properties ?? {}).map(([name, field]) => [name, formField(name, field, revision)]),
  );
  return {
    schema: { type: 'object', properties, ...(json.required !== undefined && { required: json.required }) },
    validate: content => {
      const result = type.safeParse(content);
      return result.success ? (result.data as JsonObject) : undefined;
    },
  };
}

function formField(name: string, field: JsonSchema, { elicitationEnums }: Revision): JsonSchema {
  const isList = field.type === 'array' && typeof field.items === 'object' && (field.items.enum ?? field.items.anyOf) !== undefined;
  if (!primitives.has(field.type) && !isList) {
    throw new TypeError(`requestedSchema.${name}: a form has strings, numbers, booleans, enums and lists of enum values only`);
  }
  const known = Object.fromEntries(
    keywords.filter(keyword => field[keyword] !== undefined).map(keyword => [keyword, field[keyword]]),
  ) as JsonSchema;
  return elicitationEnums ? known : simplify(known);
}

/** A field as 2025-06-18 has it: defaults of booleans only, titles in `enumNames`, no lists. */
function simplify({ default: value, oneOf, items, minItems: _, maxItems: __, ...field }: JsonSchema): JsonSchema {
  if (typeof value === 'boolean') field.default = value;
  if (oneOf !== undefined) {
    field.enum = oneOf.map(option => option.const);
    field['enumNames'] = oneOf.map(option => option.title ?? String(option.const));
  }
  if (items === undefined) return field;
  throw new ToolError('This needs a client of 2025-11-25 or newer: older ones cannot show lists of choices');
}
