import { z } from 'zod';
import { ToolError } from '../errors.ts';

/** A JSON Schema 2020-12 document, as sent in `inputSchema` and `outputSchema`. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema | boolean;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  description?: string;
  title?: string;
  default?: unknown;
  format?: string;
  [keyword: string]: unknown;
}

/**
 * The arguments of a handler: the output of its schema, or `Unchecked` without a schema. `S` has no constraint: with one, TypeScript would
 * infer no member of an option any more as soon as one member has no schema.
 */
export type Args<S, Unchecked> = S extends z.ZodType ? z.output<S> : Unchecked;

/**
 * The JSON Schema of a zod schema, as `inputSchema` and `outputSchema` carry it: no `$schema`, no bounds that only say "safe integer".
 *
 * `z.object({ id: z.int() })` → `{ type: 'object', properties: { id: { type: 'integer' } }, required: ['id'], additionalProperties: false }`
 *
 * @throws {TypeError} For a zod type that JSON cannot carry, naming `path`.
 */
export function toJsonSchema(schema: z.ZodType, io: 'input' | 'output', path: string): JsonSchema {
  let json: JsonSchema;
  try {
    json = z.toJSONSchema(schema, {
      io,
      reused: 'inline',
      override: ({ jsonSchema }) => trimBounds(jsonSchema),
    }) as JsonSchema;
  } catch (cause) {
    throw new TypeError(`${path}: ${cause instanceof Error ? cause.message : String(cause)}; use a type that JSON can carry`, { cause });
  }
  const { $schema, ...rest } = json;
  const declared = z.globalRegistry.get(schema)?.['$schema'];
  return declared === undefined ? rest : { $schema: declared, ...rest };
}

/** Schemas with an asynchronous part, as a failed synchronous parse has shown. */
const asynchronous = new WeakSet<z.ZodType>();

/** Parses synchronously, which is several times faster, unless the schema has an asynchronous part. */
async function safeParse<T>(schema: z.ZodType<T>, value: unknown): Promise<z.ZodSafeParseResult<T>> {
  if (asynchronous.has(schema)) return schema.safeParseAsync(value);
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof z.core.$ZodAsyncError)) throw error;
    asynchronous.add(schema);
    return schema.safeParseAsync(value);
  }
}

/**
 * Validates with a zod schema.
 *
 * @throws {ToolError} Naming each member that is wrong: `id: Invalid input: expected number, received string`.
 */
export async function parseWith<T>(schema: z.ZodType<T>, value: unknown, what: string): Promise<T> {
  const result = await safeParse(schema, value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  throw new ToolError(`${what}: ${issues.join('; ')}`);
}

function trimBounds(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}
