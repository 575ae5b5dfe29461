import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import type { AnySchemaObject } from 'ajv';
import { installSuite, suite } from '../conformance/install.ts';

/** Where the specification's JSON Schemas are kept between runs, a file for each revision. */
export const schemaFolder: URL = new URL('../../node_modules/.cache/mcp-schemas/', import.meta.url);

/** Set-up of every run: takes the specification's JSON Schemas out of the official conformance suite, which carries them in its bundle. */
export async function setup(): Promise<void> {
  await installSuite();
  const schemas = extractSchemas(await readFile(suite.entry, 'utf8'));
  await mkdir(schemaFolder, { recursive: true });
  for (const [revision, schema] of Object.entries(schemas)) {
    const file = new URL(`${revision}.json`, schemaFolder);
    const text = JSON.stringify(schema);
    if ((await readFile(file, 'utf8').catch(() => undefined)) !== text) await writeFile(file, text);
  }
}

/** A type that came with a revision: it tells which schema is whose. */
const firstType: readonly (readonly [revision: string, type: string])[] = [
  ['2026-07-28', 'DiscoverResult'],
  ['2025-11-25', 'CreateTaskResult'],
  ['2025-06-18', 'ElicitResult'],
  ['2025-03-26', 'AudioContent'],
];

/**
 * The JSON Schemas in the text of the suite's bundle, by revision.
 *
 * @throws {Error} If one of them is not found: the suite is built in another way then.
 */
export function extractSchemas(bundle: string): Record<string, AnySchemaObject> {
  const schemas: Record<string, AnySchemaObject> = {};
  for (const { index } of bundle.matchAll(/\{\$schema:`[^`]+`,(?:definitions|\$defs):\{Annotations:/gu)) {
    const schema = runInNewContext(`(${objectAt(bundle, index)})`) as AnySchemaObject;
    const types = typesOf(schema);
    const [revision] = firstType.find(([, type]) => type in types) ?? [];
    if (revision !== undefined) schemas[revision] = correct(schema);
  }
  const missing = firstType.map(([revision]) => revision).filter(revision => !(revision in schemas));
  if (missing.length > 0) throw new Error(`the conformance suite carries no schema of ${missing.join(', ')}`);
  return { ...schemas, '2024-11-05': toOldest(schemas['2025-03-26'] as AnySchemaObject) };
}

/** Types by name, wherever the draft keeps them. */
export function typesOf(schema: AnySchemaObject): Record<string, AnySchemaObject> {
  return (schema['$defs'] ?? schema['definitions']) as Record<string, AnySchemaObject>;
}

/** The numbers of a form's field may be fractions in schema.ts of every revision; the JSON Schemas made from it once said `integer`. */
function correct(schema: AnySchemaObject): AnySchemaObject {
  const properties = typesOf(schema)['NumberSchema']?.['properties'] as Record<string, AnySchemaObject> | undefined;
  for (const name of ['default', 'minimum', 'maximum']) if (properties?.[name] !== undefined) properties[name]['type'] = 'number';
  return schema;
}

/** The suite has no schema of 2024-11-05. It is that of 2025-03-26 without what the change log of the latter names as new. */
function toOldest(schema: AnySchemaObject): AnySchemaObject {
  const older = JSON.parse(JSON.stringify(schema).replaceAll('{"$ref":"#/definitions/AudioContent"}', 'false')) as AnySchemaObject;
  const { AudioContent: _audio, ToolAnnotations: _annotations, ...types } = typesOf(older);
  delete types['Tool']?.['properties'].annotations;
  delete types['ServerCapabilities']?.['properties'].completions;
  delete types['ProgressNotification']?.['properties'].params.properties.message;
  return { ...older, definitions: types };
}

/** The object literal that begins at `start`. The bundle is minified: braces in it are code or in strings. */
function objectAt(text: string, start: number): string {
  let depth = 0;
  let quote = '';
  for (let index = start; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === '\\') index += 1;
    else if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '`' || char === '"' || char === "'") quote = char;
    else if (char === '{') depth += 1;
    else if (char === '}' && --depth === 0) return text.slice(start, index + 1);
  }
  throw new Error('an object literal of the bundle has no end');
}
