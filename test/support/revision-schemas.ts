import { readFileSync } from 'node:fs';
import type { AnySchemaObject, ValidateFunction } from 'ajv';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { schemaFolder, typesOf } from './spec-schemas.ts';

interface RevisionSchema {
  readonly ajv: Ajv;
  /** `#/definitions/` or `#/$defs/` */
  readonly prefix: string;
  readonly names: ReadonlySet<string>;
}

const loaded = new Map<string, RevisionSchema>();

/** Whether the specification's schema of a revision defines a type of that name. */
export function hasType(revision: string, type: string): boolean {
  return load(revision).names.has(type);
}

/** The members that the specification's schema of a revision gives a type; none if it has no such type. */
export function membersOf(revision: string, type: string): string[] {
  return Object.keys(typesOf(read(revision))[type]?.['properties'] ?? {});
}

/**
 * Holds a value to a type of the specification's own JSON Schema of a revision. The types are closed: a member that the revision does not
 * define is refused, which the schema as published would let pass.
 *
 * @throws {Error} With the schema's complaint.
 */
export function assertType(revision: string, type: string, value: unknown): void {
  const { ajv, prefix } = load(revision);
  const validate = ajv.getSchema(revision + prefix + type) as ValidateFunction | undefined;
  if (validate === undefined) throw new Error(`the schema of ${revision} has no ${type}`);
  if (!validate(value)) {
    const [error] = validate.errors?.filter(({ keyword }) => keyword === 'additionalProperties') ?? [];
    const complaint = ajv.errorsText(error === undefined ? validate.errors : [error, ...(validate.errors ?? [])]);
    throw new Error(`${revision} has no such ${type}: ${complaint} in ${JSON.stringify(value).slice(0, 500)}`);
  }
}

function read(revision: string): AnySchemaObject {
  return JSON.parse(readFileSync(new URL(`${revision}.json`, schemaFolder), 'utf8')) as AnySchemaObject;
}

function load(revision: string): RevisionSchema {
  const known = loaded.get(revision);
  if (known !== undefined) return known;
  const schema = read(revision);
  const keyword = '$defs' in schema ? '$defs' : 'definitions';
  const types = schema[keyword] as Record<string, AnySchemaObject>;
  const ajv = new (keyword === '$defs' ? Ajv2020 : Ajv)({ strict: false, allErrors: true });
  for (const [format, isValid] of Object.entries(formats)) ajv.addFormat(format, isValid);
  ajv.addSchema(
    {
      ...schema,
      [keyword]: Object.fromEntries(
        Object.entries(types).map(([name, type]) => [name, name.endsWith('MetaObject') ? type : close(merged(type, types))]),
      ),
    },
    revision,
  );
  const made = { ajv, prefix: `#/${keyword}/`, names: new Set(Object.keys(types)) };
  loaded.set(revision, made);
  return made;
}

/** The formats that the specification's schemas name. */
const formats: Readonly<Record<string, (text: string) => boolean>> = {
  byte: text => Buffer.from(text, 'base64').toString('base64') === text,
  uri: text => URL.canParse(text),
  'uri-template': text => URL.canParse(text.replace(/\{[^{}]+\}/gu, 'x')),
};

/** A type that is several others at once, as one object: each of them, closed, would refuse the members of the others. */
function merged(type: AnySchemaObject, types: Readonly<Record<string, AnySchemaObject>>): AnySchemaObject {
  const parts = (type as { allOf?: { $ref?: string }[] }).allOf?.map(({ $ref }) => types[$ref?.split('/').at(-1) ?? '']);
  if (parts === undefined || parts.includes(undefined)) return type;
  const all = parts as { properties?: object; required?: string[] }[];
  const { allOf: _, ...rest } = type;
  return {
    ...rest,
    type: 'object',
    properties: Object.assign({}, ...all.map(({ properties }) => properties)),
    required: all.flatMap(({ required = [] }) => required),
  };
}

/** Schemas inside messages are as their authors wrote them. */
const open = new Set(['inputSchema', 'outputSchema', '_meta']);

function close(schema: AnySchemaObject): AnySchemaObject {
  const { properties, additionalProperties } = schema as { properties?: Record<string, AnySchemaObject>; additionalProperties?: unknown };
  if (properties === undefined || additionalProperties !== undefined) return schema;
  const closed = Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, open.has(name) ? member : close(member)]));
  // Up to 2025-06-18 the types of requests and notifications leave out what every JSON-RPC message has.
  const frame = 'method' in properties ? { jsonrpc: {}, id: {} } : {};
  return { ...schema, properties: { ...frame, ...closed }, additionalProperties: false };
}
