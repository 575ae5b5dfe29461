import { McpError } from '../errors.ts';
import type { Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { JsonObject, ReadResourceResult } from './definitions.ts';
import { describeError, membersOf } from './handler-errors.ts';
import type { Result } from './project.ts';
import { projectContents } from './project.ts';

/**
 * `resources/read`: a fixed URI first, then the templates in their order.
 *
 * @throws {McpError} Not found, with `data.uri`: -32002 up to 2025-11-25, -32602 since 2026-07-28. -32602 for a URI that is too long.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/resources#error-handling
 */
export async function readResource(call: Call, params: JsonObject | undefined): Promise<Result> {
  const uri = parseUri(call, params);
  let result: ReadResourceResult | undefined;
  try {
    result = await call.race(read(call, uri));
  } catch (error) {
    if (McpError.isError(error) || error instanceof CallEnded) throw error;
    // `ctx.throw(404)`, or a row that the database does not have.
    if (membersOf(error)['status'] === 404 || call.server.explainError(error)?.isNotFound) throw notFound(call, uri);
    throw new McpError('InternalError', describeError(call, error), { data: { uri }, cause: error });
  }
  if (result === undefined) throw notFound(call, uri);
  const size = Buffer.byteLength(JSON.stringify(result));
  const { maxResultBytes } = call.server.limits;
  if (size > maxResultBytes) {
    throw new McpError('InternalError', `The resource is larger than ${maxResultBytes} bytes, the most this server sends`, {
      data: { uri },
    });
  }
  return { ...result, contents: result.contents.map(each => projectContents(each, call.revisionRow)) };
}

/**
 * `resources/subscribe`: this session is notified of changes of the URI from now on.
 *
 * @throws {McpError} Not found, for a URI that this caller cannot read. -32602 for a URI that is too long.
 */
export async function subscribeResource(call: Call, params: JsonObject | undefined): Promise<JsonObject> {
  const uri = parseUri(call, params);
  if (!(await mayRead(call, uri))) throw notFound(call, uri);
  await call.session?.subscribe(uri);
  return {};
}

/** `resources/unsubscribe`. Does nothing if there is no subscription. */
export async function unsubscribeResource(call: Call, params: JsonObject | undefined): Promise<JsonObject> {
  await call.session?.unsubscribe(parseUri(call, params));
  return {};
}

/**
 * Whether this caller may read a URI. A caller who may not must not be told of its changes either.
 *
 * @throws {McpError} -32602 for a URI that is too long.
 */
export async function mayRead(call: Call, uri: string): Promise<boolean> {
  assertLength(call, uri);
  const resource = call.server.registry.resources.get(uri);
  if (resource !== undefined) return call.mayUse(resource);
  try {
    return (await call.race(read(call, uri))) !== undefined;
  } catch (error) {
    if (error instanceof CallEnded) throw error;
    return false;
  }
}

async function read(call: Call, uri: string): Promise<ReadResourceResult | undefined> {
  const { resources, resourceTemplates } = call.server.registry;
  const resource = resources.get(uri);
  if (resource !== undefined) return (await call.mayUse(resource)) ? resource.read(uri, call.ctx) : undefined;
  for (const template of resourceTemplates) {
    const variables = template.matcher.match(uri);
    if (variables !== undefined && (await call.mayUse(template))) return template.read(uri, variables, call.ctx);
  }
  return undefined;
}

function parseUri(call: Call, params: JsonObject | undefined): string {
  const uri = params?.['uri'];
  if (typeof uri !== 'string' || uri === '') throw new McpError('InvalidParams', 'Invalid params: `uri` must be a non-empty string');
  assertLength(call, uri);
  return uri;
}

function assertLength({ server }: Call, uri: string): void {
  const { maxUriCharacters } = server.limits;
  if (uri.length > maxUriCharacters) {
    const message = `Invalid params: the URI of a resource has at most ${maxUriCharacters} characters here, this one has ${uri.length}`;
    throw new McpError('InvalidParams', message);
  }
}

function notFound(call: Call, uri: string): McpError {
  return new McpError(call.revisionRow.resourceNotFound, `Resource not found: ${uri}`, { data: { uri } });
}
