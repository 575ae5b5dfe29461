import { McpError } from '../errors.ts';
import type { Implementation, JsonObject, LogLevel } from './definitions.ts';
import { isLogLevel, isObject, logLevels } from './definitions.ts';
import type { JsonSchema } from './json-schema.ts';
import type { JsonRpcRequest } from './jsonrpc.ts';
import type { Revision } from './revisions.ts';
import { findRevision, revisionIds, versionKey } from './revisions.ts';

const prefix = 'io.modelcontextprotocol/';

/** `params._meta` of a stateless request. */
export interface Envelope {
  readonly meta: JsonObject;
  readonly revision: Revision;
  readonly capabilities: JsonObject;
  readonly clientInfo: Implementation | undefined;
  /** `undefined`: no log messages for this request. */
  readonly logLevel: LogLevel | undefined;
}

/** Request headers, by lower-case name, as Node gives them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** The member of `params` that `Mcp-Name` repeats, by method. */
const namedBy: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/**
 * Reads the envelope of a stateless request and compares the mirrored headers with the body.
 *
 * @throws {McpError} In this order: -32602 no or malformed envelope; -32020 `MCP-Protocol-Version` is not the body's; -32022 a version that is
 * not served, with `supported`; -32020 `Mcp-Method` or `Mcp-Name` is missing, malformed or not the body's. All with HTTP 400.
 */
export function parseEnvelope({ method, params }: JsonRpcRequest, headers: Headers): Envelope {
  const meta = params?.['_meta'];
  if (!isObject(meta)) throw invalid('`params._meta` is missing');
  const version = meta[versionKey];
  const capabilities = meta[`${prefix}clientCapabilities`];
  const logLevel = meta[`${prefix}logLevel`];
  if (typeof version !== 'string') throw invalid(`\`params._meta["${versionKey}"]\` must be a string`);
  if (!isObject(capabilities)) throw invalid(`\`params._meta["${prefix}clientCapabilities"]\` must be an object`);
  if (logLevel !== undefined && !isLogLevel(logLevel)) {
    throw invalid(`\`params._meta["${prefix}logLevel"]\` must be one of ${logLevels.join(', ')}`);
  }
  assertHeader(headers, 'MCP-Protocol-Version', version);
  const revision = findRevision(version);
  if (revision?.era !== 'modern') throw unsupported(version);
  assertHeader(headers, 'Mcp-Method', method);
  const member = namedBy.get(method);
  const name = member === undefined ? undefined : params?.[member];
  if (typeof name === 'string') assertHeader(headers, 'Mcp-Name', name);
  // The method refuses a request without the member. A malformed header is refused before that.
  else if (member !== undefined) readHeader(headers, 'Mcp-Name');
  const info = meta[`${prefix}clientInfo`];
  const clientInfo = isObject(info) && typeof info['name'] === 'string' ? (info as Implementation) : undefined;
  return { meta, revision, capabilities, clientInfo, logLevel };
}

/** Checks that a header is present and, decoded, equals the body's value. @throws {McpError} -32020 */
export function assertHeader(headers: Headers, name: string, expected: string): void {
  const value = readHeader(headers, name);
  if (value === undefined) throw mismatch(`${name} is missing`);
  if (value !== expected) throw mismatch(`${name} does not match the body`);
}

/** RFC 9110 §5.5: visible ASCII, blanks and tabs. */
const fieldValue = /^[\t\x20-\x7E]*$/u;

/** The decoded text of a header; `undefined` if the request does not have it. @throws {McpError} -32020 The header is malformed. */
function readHeader(headers: Headers, name: string): string | undefined {
  const sent = headers[name.toLowerCase()];
  if (sent === undefined) return undefined;
  if (typeof sent !== 'string' || !fieldValue.test(sent)) throw mismatch(`${name} must be visible ASCII; encode other text in base64`);
  if (!sent.includes('=?')) return trimmed(sent);
  const value = decodeHeader(sent);
  if (value === undefined) throw mismatch(`${name} is not valid base64 of UTF-8`);
  return value;
}

/** -32020, with HTTP 400. */
function mismatch(what: string): McpError {
  return new McpError('HeaderMismatch', `Header mismatch: ${what}`);
}

function unsupported(requested: string): McpError {
  const supported = revisionIds('modern');
  return new McpError('UnsupportedProtocolVersion', `Unsupported protocol version: ${requested} (supported: ${supported.join(', ')})`, {
    data: { supported, requested },
  });
}

function invalid(what: string): McpError {
  const supported = [...revisionIds('modern'), ...revisionIds('legacy')].join(', ');
  return new McpError('InvalidParams', `Invalid params: ${what} (this server speaks ${supported})`, { status: 400 });
}

/**
 * The text of a header value, decoded if it has the form `=?base64?…?=`.
 *
 * `=?base64?SsO2cmc=?=` → `Jörg`; `undefined` if the text between the question marks is not canonical base64 of UTF-8.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#value-encoding
 */
export function decodeHeader(value: string): string | undefined {
  const text = trimmed(value);
  const encoded = sentinel.exec(text)?.[1];
  if (encoded === undefined) return text;
  const bytes = Buffer.from(encoded, 'base64');
  // `Buffer` skips characters that are not base64; encoding again reveals them.
  if (bytes.toString('base64') !== encoded) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function trimmed(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/gu, '');
}

const sentinel = /^=\?base64\?(.*)\?=$/su;

/** An argument that a header repeats. */
export interface ParamHeader {
  /** `Mcp-Param-Region` */
  readonly header: string;
  /** The names that lead to the argument. */
  readonly path: readonly string[];
  readonly type: 'string' | 'integer' | 'boolean';
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/u;

/**
 * The arguments of a tool that are mirrored to headers: those whose schema has `x-mcp-header`.
 *
 * @throws {TypeError} For an annotation that makes clients drop the tool: not an RFC 9110 token, used twice, on a property that is not a
 * string, integer or boolean, or not reached through `properties` alone.
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/tools#x-mcp-header
 */
export function paramHeaders(tool: string, schema: JsonSchema): ParamHeader[] {
  const annotations = count(schema);
  if (annotations === 0) return [];
  const found = collect(tool, schema, []);
  const names = new Set<string>();
  for (const { header } of found) {
    if (names.has(header.toLowerCase())) throw new TypeError(`tool ${tool}: x-mcp-header ${header} stands twice`);
    names.add(header.toLowerCase());
  }
  if (found.length !== annotations) {
    throw new TypeError(`tool ${tool}: x-mcp-header may stand only on a property reached through \`properties\` alone`);
  }
  return found;
}

/**
 * Compares the mirrored headers with the arguments. An argument that is absent or `null` has no header: what decides by the header must not see
 * another value than the tool.
 *
 * @throws {McpError} -32020
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#server-behavior-for-custom-headers
 */
export function assertParamHeaders(mirrored: readonly ParamHeader[], args: unknown, headers: Headers): void {
  for (const { header, path, type } of mirrored) {
    const value = path.reduce<unknown>(
      (parent, name) => (isObject(parent) && Object.hasOwn(parent, name) ? parent[name] : undefined),
      args,
    );
    if (value === undefined || value === null) assertAbsent(headers, header);
    else if (type === 'integer' && typeof value === 'number') assertInteger(headers, header, value);
    // An object or array matches no header. The tool's own schema refuses it too.
    else assertHeader(headers, header, typeof value === 'string' ? value : JSON.stringify(value));
  }
}

function assertAbsent(headers: Headers, header: string): void {
  if (readHeader(headers, header) !== undefined) throw mismatch(`${header} repeats an argument that the body does not have`);
}

function assertInteger(headers: Headers, header: string, expected: number): void {
  const value = readHeader(headers, header);
  // `42.0` equals 42. Text that is not a JSON number is refused.
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
    const { type } = property;
    if (!isMirrored(type))
      throw new TypeError(`tool ${tool}: x-mcp-header ${header} stands on a property that is not a string, integer or boolean`);
    return [{ header: `Mcp-Param-${header}`, path: [...path, name], type }, ...below];
  });
}

function isMirrored(type: unknown): type is ParamHeader['type'] {
  return type === 'string' || type === 'integer' || type === 'boolean';
}

/** Counts the annotations anywhere in a schema. A property that is named `x-mcp-header` is none. */
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
