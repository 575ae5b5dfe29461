import type { Headers } from './envelope.ts';
import { assertHeader, mismatch } from './envelope.ts';
import { decodeHeader } from './header.ts';
import type { JsonSchema } from './json-schema.ts';
import { isObject } from './jsonrpc.ts';

/** An argument that a header repeats. */
export interface ParamHeader {
  /** `Mcp-Param-Region` */
  readonly header: string;
  /** Where the argument is. */
  readonly path: readonly string[];
  readonly type: 'string' | 'integer' | 'boolean';
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/u;
const types = new Set<unknown>(['string', 'integer', 'boolean']);

/**
 * The arguments of a tool that are mirrored to headers: those whose schema has `x-mcp-header`.
 *
 * @throws {TypeError} For an annotation that clients would drop the tool for: not an RFC 9110 token, there twice, on a property that is not a
 * string, integer or boolean, or not reached through `properties` alone.
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/tools#x-mcp-header
 */
export function paramHeaders(tool: string, schema: JsonSchema): ParamHeader[] {
  const found = collect(tool, schema, []);
  const names = new Set<string>();
  for (const { header } of found) {
    if (names.has(header.toLowerCase())) throw new TypeError(`tool ${tool}: x-mcp-header ${header} stands twice`);
    names.add(header.toLowerCase());
  }
  if (found.length !== count(schema)) {
    throw new TypeError(`tool ${tool}: x-mcp-header may stand only on a property reached through \`properties\` alone`);
  }
  return found;
}

/** Holds the headers to the arguments. An argument that is absent or `null` asks for none. @throws {McpError} -32020 */
export function assertParamHeaders(mirrored: readonly ParamHeader[], args: unknown, headers: Headers): void {
  for (const { header, path, type } of mirrored) {
    const value = path.reduce<unknown>(
      (parent, name) => (isObject(parent) && Object.hasOwn(parent, name) ? parent[name] : undefined),
      args,
    );
    if (value === undefined || value === null) continue;
    if (type === 'integer' && typeof value === 'number') assertInteger(headers, header, value);
    // What is no primitive cannot match, and fails the tool's own schema.
    else assertHeader(headers, header, typeof value === 'object' ? JSON.stringify(value) : `${value as string | number | boolean}`);
  }
}

function assertInteger(headers: Headers, header: string, expected: number): void {
  const sent = headers[header.toLowerCase()];
  const value = typeof sent === 'string' ? decodeHeader(sent) : undefined;
  // `42.0` is 42; what JSON would not take for a number is none.
  if (value === undefined || !/^-?\d+(?:\.\d+)?(?:[Ee][+-]?\d+)?$/u.test(value) || Number(value) !== expected)
    throw mismatch(`${header} is missing or does not match the body`);
}

function collect(tool: string, schema: JsonSchema, path: readonly string[]): ParamHeader[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]): ParamHeader[] => {
    const below = collect(tool, property, [...path, name]);
    const header = property['x-mcp-header'];
    if (header === undefined) return below;
    if (typeof header !== 'string' || !token.test(header))
      throw new TypeError(`tool ${tool}: x-mcp-header ${JSON.stringify(header)} is not an RFC 9110 token`);
    if (!types.has(property.type))
      throw new TypeError(`tool ${tool}: x-mcp-header ${header} stands on a property that is not a string, integer or boolean`);
    return [{ header: `Mcp-Param-${header}`, path: [...path, name], type: property.type as ParamHeader['type'] }, ...below];
  });
}

/** Annotations anywhere in a schema. Names of properties are not keywords. */
function count(schema: unknown): number {
  if (Array.isArray(schema)) return schema.reduce((sum: number, each) => sum + count(each), 0);
  if (!isObject(schema)) return 0;
  let sum = schema['x-mcp-header'] === undefined ? 0 : 1;
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'default' || keyword === 'const' || keyword === 'enum' || keyword === 'examples') continue;
    const isMap = keyword === 'properties' || keyword === '$defs' || keyword === 'patternProperties';
    sum += isMap && isObject(value) ? count(Object.values(value)) : count(value);
  }
  return sum;
}
