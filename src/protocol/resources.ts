import { createHash } from 'node:crypto';
import { McpError } from '../errors.ts';
import { recorded } from './audit.ts';
import type { Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { CacheHints, JsonObject, LiveRead, ReadResourceResult, ResourceDefinition, Sight } from './definitions.ts';
import { describeError, inRevision, membersOf } from './handler-errors.ts';
import type { Result } from './project.ts';
import { assertSize, projectContents } from './project.ts';
import type { Registry } from './registry.ts';

/**
 * `resources/read`: a fixed URI first, then the templates in their order.
 *
 * @throws {McpError} Not found, with `data.uri`: -32002 up to 2025-11-25, -32602 since 2026-07-28. -32602 for a URI that is too long.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/resources#error-handling
 */
export async function readResource(call: Call, params: JsonObject | undefined): Promise<Result> {
  const uri = parseUri(call, params);
  const { result, cache } = await recorded(
    call,
    { method: 'resources/read', name: uri, arguments: () => ({}), isRead: true },
    { work: () => contentsOf(call, uri) },
  );
  assertSize(call, result, { what: 'resource', data: { uri } });
  const contents = result.contents.map(each => projectContents(each, call.revisionRow));
  // What depends on answers of a client must not be kept (2026-07-28, Caching, Cache Key).
  const isCacheable = call.revisionRow.cacheHints.has('resources/read') && !isRetry(params);
  return { ...result, contents, ...(isCacheable && cache) };
}

function isRetry(params: JsonObject | undefined): boolean {
  return params?.['requestState'] !== undefined || params?.['inputResponses'] !== undefined;
}

/** The contents of a resource, and how long they may be kept. */
interface Contents {
  readonly result: ReadResourceResult;
  readonly cache: CacheHints | undefined;
}

async function contentsOf(call: Call, uri: string): Promise<Contents> {
  let contents: Contents | undefined;
  try {
    contents = await call.race(read(call, uri));
  } catch (thrown) {
    const error = inRevision(call, thrown);
    if (McpError.isError(error) || error instanceof CallEnded) throw error;
    // `ctx.throw(404)`, or a row that the database does not have.
    if (membersOf(error)['status'] === 404 || call.server.explainError(error)?.isNotFound) throw notFound(call, uri);
    throw new McpError('InternalError', describeError(call, error), { data: { uri }, cause: error });
  }
  if (contents === undefined) throw notFound(call, uri);
  return contents;
}

/**
 * `resources/subscribe`: this session is notified of changes of the URI from now on.
 *
 * @throws {McpError} Not found, for a URI that this caller cannot read. -32602 for a URI that is too long.
 */
export async function subscribeResource(call: Call, params: JsonObject | undefined): Promise<JsonObject> {
  const uri = parseUri(call, params);
  const readable = await findReadable(call, uri);
  if (readable === undefined) throw notFound(call, uri);
  await call.session?.subscribe(uri, readable.sight);
  return {};
}

/** `resources/unsubscribe`. Does nothing if there is no subscription. */
export async function unsubscribeResource(call: Call, params: JsonObject | undefined): Promise<JsonObject> {
  await call.session?.unsubscribe(parseUri(call, params));
  return {};
}

/** A resource that a caller can read. */
export interface Readable {
  /** `undefined` if only the host knows when the resource changes, or if reading it failed. */
  readonly sight: Sight | undefined;
}

/**
 * Finds out whether this caller may read a URI; `undefined` if not. A caller who may not must not be told of its changes either.
 *
 * @throws {McpError} -32602 for a URI that is too long.
 * @throws {InsufficientScope}
 */
export async function findReadable(call: Call, uri: string): Promise<Readable | undefined> {
  assertLength(call, uri);
  const { resources, resourceTemplates } = call.server.registry;
  const resource = resources.get(uri);
  // Below, an error of reading would say that there is no such resource.
  if (resource === undefined && call.scopes !== undefined) await firstUsable(call, resourceTemplates, uri);
  if (resource !== undefined && !(await call.admits(resource))) return undefined;
  if (resource !== undefined && resource.live === undefined) return { sight: undefined };
  try {
    if (!isLive(call.server.registry, uri)) return (await call.race(read(call, uri))) && { sight: undefined };
    const sight = await call.race(lookAt(call, uri));
    return sight.digest === null ? undefined : { sight };
  } catch (error) {
    if (error instanceof CallEnded) throw error;
    // A fixed resource exists for the caller even if reading it fails just now.
    return resource && { sight: undefined };
  }
}

/** Whether any resource is live. */
export function hasLive({ resources, resourceTemplates }: Registry): boolean {
  return [...resources.values(), ...resourceTemplates].some(({ live }) => live !== undefined);
}

/** Whether changes of a URI are noticed without the host's word. */
export function isLive({ resources, resourceTemplates }: Registry, uri: string): boolean {
  const resource = resources.get(uri);
  if (resource !== undefined) return resource.live !== undefined;
  return resourceTemplates.find(({ matcher }) => matcher.match(uri) !== undefined)?.live !== undefined;
}

/** Reads a live resource as the caller. An error that reading would answer with a 4xx means that the caller has no such resource. */
export async function lookAt(call: Call, uri: string): Promise<Sight> {
  try {
    const { result, changes } = (await liveRead(call, uri)) ?? noRead;
    return { digest: result === undefined ? null : digestOf(result), changes };
  } catch (error) {
    const { status } = membersOf(error);
    if (typeof status === 'number' && status >= 400 && status < 500) return { digest: null, changes: everyChange };
    throw error;
  }
}

/** Stands for every change of any model. */
const everyChange: readonly string[] = ['*'];
const noRead: LiveRead = { result: undefined, changes: everyChange };

async function liveRead(call: Call, uri: string): Promise<LiveRead | undefined> {
  const { resources, resourceTemplates } = call.server.registry;
  const resource = resources.get(uri);
  if (resource !== undefined) return (await call.admits(resource)) ? resource.live?.(uri, call.ctx) : undefined;
  const found = await firstUsable(call, resourceTemplates, uri);
  return found?.template.live?.(uri, found.variables, call.ctx);
}

/** The first template that a URI fits and that this caller may use. @throws {InsufficientScope} */
async function firstUsable(
  call: Call,
  templates: Registry['resourceTemplates'],
  uri: string,
): Promise<{ template: Registry['resourceTemplates'][number]; variables: Readonly<Record<string, string>> } | undefined> {
  for (const template of templates) {
    const variables = template.matcher.match(uri);
    if (variables !== undefined && (await call.admits(template))) return { template, variables };
  }
  return undefined;
}

function digestOf(result: ReadResourceResult): string {
  return createHash('sha256').update(JSON.stringify(result)).digest('base64url').slice(0, 22);
}

async function read(call: Call, uri: string): Promise<Contents | undefined> {
  const { resources, resourceTemplates } = call.server.registry;
  const resource = resources.get(uri);
  if (resource !== undefined) return (await call.admits(resource)) ? toContents(resource, await resource.read(uri, call.ctx)) : undefined;
  const found = await firstUsable(call, resourceTemplates, uri);
  return found && toContents(found.template, await found.template.read(uri, found.variables, call.ctx));
}

function toContents({ cache }: Pick<ResourceDefinition, 'cache'>, result: ReadResourceResult | undefined): Contents | undefined {
  return result && { result, cache };
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
