import type {
  CacheHints,
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
import { tasksExtension } from './revisions.ts';
import type { UriTemplate } from './uri-template.ts';
import { uriTemplate } from './uri-template.ts';

/** The server's name and instructions for its clients. */
export interface ServerInfo {
  readonly info: Implementation;
  readonly instructions?: string | undefined;
  /** Extensions that the app serves, with their settings, by identifier. @default none */
  readonly extensions?: Readonly<Record<string, JsonObject>> | undefined;
  /** Hints for the lists and `server/discover`. @default see `CacheHints` */
  readonly cache?: CacheHints | undefined;
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
  /** The capabilities that the server has definitions for, as it declares them. */
  readonly capabilities: ReadonlyMap<string, JsonObject>;
  /** The methods of the other capabilities, e.g. `prompts/get` without prompts. They are answered like unknown methods. */
  readonly notOffered: ReadonlySet<string>;
}

/**
 * Indexes the definitions of an endpoint.
 *
 * @throws {TypeError} For a name or URI that is empty, malformed or defined twice.
 */
export function registry(server: ServerInfo, definitions: Definitions): Registry {
  const table = Object.entries(capabilityTable).map(([name, { declare, methods }]) => ({
    name,
    methods,
    value: declare(definitions, server),
  }));
  return {
    ...server,
    tools: index('tool', definitions.tools, { keyOf: tool => tool.name, syntax: /^[A-Za-z0-9_.-]{1,128}$/u }),
    resources: index('resource', definitions.resources, { keyOf: resource => resource.uri, syntax: /^[A-Za-z][A-Za-z0-9+.-]*:/u }),
    resourceTemplates: definitions.resourceTemplates.map(template => ({ ...template, matcher: uriTemplate(template.uriTemplate) })),
    prompts: index('prompt', definitions.prompts, { keyOf: prompt => prompt.name, syntax: /^.{1,128}$/u }),
    unknownToolHint: definitions.unknownToolHint,
    paramHeaders: new Map(
      definitions.tools
        .map(tool => [tool.name, paramHeaders(tool.name, tool.inputSchema)] as const)
        .filter(([, mirrored]) => mirrored.length > 0),
    ),
    capabilities: new Map(table.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))),
    notOffered: new Set(table.flatMap(({ methods, value }) => (value === undefined ? methods : []))),
  };
}

/**
 * The capabilities that the server declares in a revision: those that it serves and the revision defines.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#capability-negotiation
 */
export function capabilitiesOf({ capabilities }: Registry, revision: Revision): JsonObject {
  return Object.fromEntries([...capabilities].filter(([name]) => revision.capabilities.has(name)));
}

interface Capability {
  /** The methods that need it. */
  readonly methods: readonly string[];
  /** Its value in the `capabilities` that the server declares; `undefined` if the server does not offer it. */
  readonly declare: (definitions: Definitions, server: ServerInfo) => JsonObject | undefined;
}

const capabilityTable: Readonly<Record<string, Capability>> = {
  tools: {
    methods: ['tools/list', 'tools/call'],
    declare: ({ tools }) => offered(tools.length > 0, { listChanged: true }),
  },
  resources: {
    methods: ['resources/list', 'resources/templates/list', 'resources/read', 'resources/subscribe', 'resources/unsubscribe'],
    declare: ({ resources, resourceTemplates }) =>
      offered(resources.length + resourceTemplates.length > 0, { subscribe: true, listChanged: true }),
  },
  prompts: {
    methods: ['prompts/list', 'prompts/get'],
    declare: ({ prompts }) => offered(prompts.length > 0, { listChanged: true }),
  },
  completions: {
    methods: [],
    declare: ({ resourceTemplates, prompts }) => offered(resourceTemplates.length + prompts.length > 0, {}),
  },
  logging: { methods: [], declare: () => ({}) },
  tasks: {
    methods: ['tasks/get', 'tasks/result', 'tasks/list', 'tasks/cancel', 'tasks/update'],
    declare: definitions => offered(hasTasks(definitions), { list: {}, cancel: {}, requests: { tools: { call: {} } } }),
  },
  extensions: {
    methods: [],
    declare: (definitions, { extensions = {} }) => {
      const all = { ...(hasTasks(definitions) && { [tasksExtension]: {} }), ...extensions };
      return offered(Object.keys(all).length > 0, all);
    },
  },
};

function offered(isOffered: boolean, value: JsonObject): JsonObject | undefined {
  return isOffered ? value : undefined;
}

function hasTasks({ tools }: Definitions): boolean {
  return tools.some(({ execution }) => execution !== undefined);
}

function index<T>(kind: string, items: readonly T[], { keyOf, syntax }: { keyOf: (item: T) => string; syntax: RegExp }): Map<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    if (!syntax.test(key)) throw new TypeError(`${kind} ${JSON.stringify(key)}: the name must match ${syntax}`);
    if (map.has(key)) throw new TypeError(`${kind} ${JSON.stringify(key)} is defined twice; rename one of the two`);
    map.set(key, item);
  }
  return map;
}
