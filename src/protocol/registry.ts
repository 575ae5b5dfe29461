import type {
  Definitions,
  Implementation,
  JsonObject,
  PromptDefinition,
  ResourceDefinition,
  ResourceTemplateDefinition,
  ToolDefinition,
} from './definitions.ts';
import type { ParamHeader } from './envelope.ts';
import { paramHeaders } from './envelope.ts';
import type { Revision } from './revisions.ts';
import type { UriTemplate } from './uri-template.ts';
import { uriTemplate } from './uri-template.ts';

/** The server's name and instructions for its clients. */
export interface ServerInfo {
  readonly info: Implementation;
  readonly instructions?: string | undefined;
}

/** What one endpoint serves, indexed for look-up by names from the wire. */
export interface Registry extends ServerInfo {
  readonly tools: ReadonlyMap<string, ToolDefinition>;
  readonly resources: ReadonlyMap<string, ResourceDefinition>;
  readonly resourceTemplates: readonly (ResourceTemplateDefinition & { readonly matcher: UriTemplate })[];
  readonly prompts: ReadonlyMap<string, PromptDefinition>;
  readonly unknownToolHint: Definitions['unknownToolHint'];
  /** Arguments that headers repeat, by tool. Other tools have no entry. */
  readonly paramHeaders: ReadonlyMap<string, readonly ParamHeader[]>;
}

/**
 * Indexes the definitions of an endpoint.
 *
 * @throws {TypeError} For a name or URI that is empty, malformed or defined twice.
 */
export function registry(server: ServerInfo, definitions: Definitions): Registry {
  return {
    ...server,
    tools: index('tool', definitions.tools, tool => tool.name, /^[A-Za-z0-9_.-]{1,128}$/u),
    resources: index('resource', definitions.resources, resource => resource.uri, /^[A-Za-z][A-Za-z0-9+.-]*:/u),
    resourceTemplates: definitions.resourceTemplates.map(template => ({ ...template, matcher: uriTemplate(template.uriTemplate) })),
    prompts: index('prompt', definitions.prompts, prompt => prompt.name, /^.{1,128}$/u),
    unknownToolHint: definitions.unknownToolHint,
    paramHeaders: new Map(
      definitions.tools
        .map(tool => [tool.name, paramHeaders(tool.name, tool.inputSchema)] as const)
        .filter(([, mirrored]) => mirrored.length > 0),
    ),
  };
}

/**
 * The capabilities that the server declares in a revision: those that it serves and the revision defines.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#capability-negotiation
 */
export function capabilitiesOf(registry: Registry, revision: Revision): JsonObject {
  const capabilities: JsonObject = {};
  for (const [name, { isOffered, value }] of capabilityTable) {
    if (revision.capabilities.has(name) && isOffered(registry)) capabilities[name] = value;
  }
  return capabilities;
}

/** Whether the server offers a method. It offers no method of a capability that it does not declare. */
export function isOffered(registry: Registry, method: string): boolean {
  const capability = capabilityOf.get(method);
  return capability === undefined || (capabilityTable.get(capability)?.isOffered(registry) ?? false);
}

interface Capability {
  readonly value: JsonObject;
  readonly isOffered: (registry: Registry) => boolean;
}

const capabilityTable: ReadonlyMap<string, Capability> = new Map<string, Capability>([
  ['tools', { value: { listChanged: true }, isOffered: ({ tools }) => tools.size > 0 }],
  [
    'resources',
    {
      value: { subscribe: true, listChanged: true },
      isOffered: ({ resources, resourceTemplates }) => resources.size + resourceTemplates.length > 0,
    },
  ],
  ['prompts', { value: { listChanged: true }, isOffered: ({ prompts }) => prompts.size > 0 }],
  ['completions', { value: {}, isOffered: ({ resourceTemplates, prompts }) => resourceTemplates.length + prompts.size > 0 }],
  ['logging', { value: {}, isOffered: () => true }],
]);

/** The capability that a method belongs to. */
const capabilityOf: ReadonlyMap<string, string> = new Map([
  ['tools/list', 'tools'],
  ['tools/call', 'tools'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resources'],
  ['resources/read', 'resources'],
  ['resources/subscribe', 'resources'],
  ['resources/unsubscribe', 'resources'],
  ['prompts/list', 'prompts'],
  ['prompts/get', 'prompts'],
]);

function index<T>(kind: string, items: readonly T[], keyOf: (item: T) => string, syntax: RegExp): Map<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    if (!syntax.test(key)) throw new TypeError(`${kind} ${JSON.stringify(key)}: the name must match ${syntax}`);
    if (map.has(key)) throw new TypeError(`${kind} ${JSON.stringify(key)} is defined twice; rename one of the two`);
    map.set(key, item);
  }
  return map;
}
