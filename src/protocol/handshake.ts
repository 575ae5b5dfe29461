import { McpError } from '../errors.ts';
import type { Call } from './call.ts';
import type { Implementation, JsonObject } from './definitions.ts';
import { isObject } from './definitions.ts';
import { pickFields } from './project.ts';
import type { Registry } from './registry.ts';
import { capabilitiesOf } from './registry.ts';
import type { Revision } from './revisions.ts';
import { negotiate, revisionIds } from './revisions.ts';

/** `params` of `initialize`, with the negotiated revision. */
export interface InitializeParams {
  readonly revision: Revision;
  readonly capabilities: JsonObject;
  readonly clientInfo: Implementation;
}

/**
 * Reads the params of `initialize` and negotiates the revision.
 *
 * @throws {McpError} -32602, naming the member. An unknown `protocolVersion` is negotiated, never an error.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
 */
export function parseInitialize(params: JsonObject | undefined): InitializeParams {
  const { protocolVersion, capabilities, clientInfo } = params ?? {};
  if (typeof protocolVersion !== 'string') throw invalid('`protocolVersion` must be a string');
  if (!isObject(capabilities)) throw invalid('`capabilities` must be an object');
  if (!isImplementation(clientInfo)) throw invalid('`clientInfo` must have a `name` and a `version`, both strings');
  return { revision: negotiate(protocolVersion), capabilities, clientInfo };
}

/** The result of `initialize`. @param principal The caller; a guest cannot list tasks. */
export function initializeResult(registry: Registry, revision: Revision, principal: string | null): JsonObject {
  const { tasks, ...capabilities } = capabilitiesOf(registry, revision);
  return {
    protocolVersion: revision.id,
    capabilities: { ...capabilities, ...(isObject(tasks) && { tasks: principal === null ? { ...tasks, list: undefined } : tasks }) },
    serverInfo: pickFields(registry.info, revision.fields.implementation),
    ...(registry.instructions !== undefined && { instructions: registry.instructions }),
  };
}

/** `server/discover`: the modern counterpart of the result of `initialize`. */
export function discover(call: Call): JsonObject {
  const { registry } = call.server;
  return {
    supportedVersions: revisionIds('modern'),
    capabilities: capabilitiesOf(registry, call.revisionRow),
    ...(registry.instructions !== undefined && { instructions: registry.instructions }),
  };
}

function isImplementation(value: unknown): value is Implementation {
  return isObject(value) && typeof value['name'] === 'string' && typeof value['version'] === 'string';
}

function invalid(what: string): McpError {
  return new McpError('InvalidParams', `Invalid params: ${what}`);
}
