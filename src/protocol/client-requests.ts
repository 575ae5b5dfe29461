import { z } from 'zod';
import { McpError, ToolError } from '../errors.ts';
import type { ElicitForm, ElicitResult, ElicitUrl, JsonObject, Root, SampleParams, SampleResult } from './definitions.ts';
import { isObject } from './definitions.ts';
import type { JsonSchema } from './json-schema.ts';
import { toJsonSchema } from './json-schema.ts';
import type { Revision } from './revisions.ts';

/** A request to the client as it goes on the wire, and how its result is read. */
export interface InputRequest<T> {
  readonly method: 'elicitation/create' | 'sampling/createMessage' | 'roots/list';
  readonly params: JsonObject;
  /** The capability that the client must have declared, in the form of `requiredCapabilities`. */
  readonly capability: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly key: string | undefined;
  /** The value for the handler; `undefined` if the client's result does not fit the request. */
  readonly parse: (result: JsonObject) => T | undefined;
}

/** What the user did. A page has no `content`. */
export type Elicited = ElicitResult | { readonly action: 'accept' };

/** The request that asks to open a page. @param elicitationId Sent where the revision has such ids. */
export function pageRequest(
  { message, url, key }: Omit<ElicitUrl, 'mode'>,
  revision: Revision,
  elicitationId: string,
): InputRequest<Elicited> {
  if (!revision.elicitationMode) throw new ToolError('This needs a client of 2025-11-25 or newer: older ones cannot open pages');
  return {
    method: 'elicitation/create',
    params: { mode: 'url', message, url, ...(revision.elicitationId && { elicitationId }) },
    capability: { elicitation: { url: {} } },
    key,
    parse: result => parseAction(result),
  };
}

/** The request that shows a form. */
export function formRequest(asked: ElicitForm<z.ZodType | JsonSchema>, revision: Revision): InputRequest<Elicited> {
  const { schema, validate } = formSchema(asked.requestedSchema, revision);
  return {
    method: 'elicitation/create',
    params: { ...(revision.elicitationMode && { mode: 'form' }), message: asked.message, requestedSchema: schema },
    capability: { elicitation: { form: {} } },
    key: asked.key,
    parse: result => parseAction(result, validate),
  };
}

/** The request that asks the client's model. */
export function sampleRequest({ key, ...params }: SampleParams): InputRequest<SampleResult> {
  return {
    method: 'sampling/createMessage',
    params: params,
    capability: { sampling: params.tools === undefined && params.toolChoice === undefined ? {} : { tools: {} } },
    key,
    parse: result => (isSampleResult(result) ? result : undefined),
  };
}

/** The request for the client's roots. */
export function rootsRequest(key?: string): InputRequest<Root[]> {
  return {
    method: 'roots/list',
    params: {},
    capability: { roots: {} },
    key,
    parse: ({ roots }) => (Array.isArray(roots) && roots.every(isRoot) ? roots : undefined),
  };
}

/**
 * Checks that the client has declared the capability that a request needs.
 *
 * @throws {ToolError} In legacy revisions. @throws {McpError} -32021 with `requiredCapabilities` in 2026-07-28.
 */
export function assertCapability(request: InputRequest<unknown>, declared: JsonObject, revision: Revision): void {
  const { capability } = request;
  if (isAble(request, declared, revision)) return;
  const wanted = Object.entries(capability)
    .flatMap(([name, flags]) => [name, ...Object.keys(flags)])
    .join('.');
  if (revision.era === 'legacy') throw new ToolError(`This needs a client with the capability ${wanted}, which this client does not have`);
  throw new McpError('MissingRequiredClientCapability', `Missing required client capability: ${wanted}`, {
    data: { requiredCapabilities: capability },
  });
}

/** Whether the client can show a form to its user. */
export function canElicit(declared: JsonObject, revision: Revision): boolean {
  return isAble({ method: 'elicitation/create', capability: { elicitation: { form: {} } } }, declared, revision);
}

/** Whether the client can be asked for its roots. */
export function canListRoots(declared: JsonObject, revision: Revision): boolean {
  return isAble(rootsRequest(), declared, revision);
}

function isAble(
  { method, capability }: Pick<InputRequest<unknown>, 'method' | 'capability'>,
  declared: JsonObject,
  revision: Revision,
): boolean {
  if (!revision.asks.has(method)) return false;
  return Object.entries(capability).every(([name, flags]) => {
    const has = declared[name];
    if (!isObject(has)) return false;
    // An empty `elicitation` means forms only (2025-11-25, Elicitation, Capabilities). Older revisions have nothing but forms.
    const isFormsOnly = name === 'elicitation' && (Object.keys(has).length === 0 || !revision.elicitationMode);
    const own = isFormsOnly ? { form: {} } : has;
    return Object.keys(flags).every(flag => flag in own);
  });
}

function isSampleResult(result: JsonObject): result is SampleResult {
  const { role, content } = result;
  // Since 2025-11-25 the content may be a list, for the use of tools.
  const blocks: unknown[] = Array.isArray(content) ? content : [content];
  return typeof role === 'string' && blocks.every(isObject);
}

function isRoot(value: unknown): value is Root {
  return isObject(value) && typeof value['uri'] === 'string';
}

function parseAction(result: JsonObject, validate?: (content: unknown) => JsonObject | undefined): Elicited | undefined {
  const { action, content } = result;
  if (action === 'decline' || action === 'cancel') return { action };
  if (action !== 'accept') return undefined;
  if (validate === undefined) return { action };
  const valid = validate(content ?? {});
  return valid && { action, content: valid };
}

/** A form: its JSON Schema on the wire, and the check of the user's answer. */
export interface Form {
  /** `requestedSchema` as the revision defines it. */
  readonly schema: JsonSchema;
  /** The content as the schema parses it; `undefined` if it does not fit. */
  readonly validate: (content: unknown) => JsonObject | undefined;
}

/** Keywords of a form's fields. A zod type may have more (`pattern`), which clients need not know. */
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
  const json = isZod(requested) ? toJsonSchema(requested, 'input', 'requestedSchema') : requested;
  const type = isZod(requested) ? requested : z.fromJSONSchema(requested as Parameters<typeof z.fromJSONSchema>[0]);
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

/** Recognises a zod type of a second loaded copy of zod too. */
function isZod(requested: z.ZodType | JsonSchema): requested is z.ZodType {
  return requested instanceof z.ZodType || '_zod' in requested;
}

function formField(name: string, field: JsonSchema, { elicitationEnums }: Revision): JsonSchema {
  const isList = field.type === 'array' && typeof field.items === 'object' && (field.items.enum ?? field.items.anyOf) !== undefined;
  if (!primitives.has(field.type) && !isList) {
    throw new TypeError(`requestedSchema.${name}: a form has strings, numbers, booleans, enums and lists of enum values only`);
  }
  const known: JsonSchema = {};
  for (const keyword of keywords) if (field[keyword] !== undefined) known[keyword] = field[keyword];
  return elicitationEnums ? known : simplify(known);
}

/** A field as 2025-06-18 defines it: defaults of booleans only, titles in `enumNames`, no lists. */
function simplify({ default: value, oneOf, items, minItems: _, maxItems: __, ...field }: JsonSchema): JsonSchema {
  if (typeof value === 'boolean') field.default = value;
  if (oneOf !== undefined) {
    field.enum = oneOf.map(option => option.const);
    field['enumNames'] = oneOf.map(option => option.title ?? String(option.const));
  }
  if (items === undefined) return field;
  throw new ToolError('This needs a client of 2025-11-25 or newer: older ones cannot show lists of choices');
}
