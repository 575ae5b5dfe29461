import type { ErrorName } from '../errors.ts';
import { isObject } from './definitions.ts';

/**
 * One revision of the protocol, as data. Code reads these members and never compares ids.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/changelog
 */
export interface Revision {
  /** As on the wire, e.g. `"2025-11-25"`. Ids are ISO dates, so their alphabetical order is their order in time. */
  readonly id: string;
  /** `legacy`: `initialize` and sessions. `modern`: every request stands alone. */
  readonly era: 'legacy' | 'modern';
  /** Request methods that a client may send. */
  readonly methods: ReadonlySet<string>;
  /** Server capabilities that it defines. */
  readonly capabilities: ReadonlySet<string>;
  /** Whether a POST may carry an array of messages. */
  readonly batches: boolean;
  /** Members it defines for a list's items, in order; others are not sent. */
  readonly fields: Readonly<
    Record<'tool' | 'resource' | 'resourceTemplate' | 'prompt' | 'promptArgument' | 'implementation', readonly string[]>
  >;
  /** Content block types it defines; others are sent as text. */
  readonly contentTypes: ReadonlySet<string>;
  /** Members of content blocks by type, of embedded resources (`contents`) and of `annotations`. `undefined`: all that are known today. */
  readonly contentFields: Readonly<Record<string, readonly string[]>> | undefined;
  /** What `structuredContent` may be. `object`: any other value is sent as `{ result: value }`. */
  readonly structuredContent: 'absent' | 'object' | 'any';
  /** Whether progress notifications carry `message`. */
  readonly progressMessage: boolean;
  /** Whether `completion/complete` knows `context`. */
  readonly completionContext: boolean;
  /** The error of a resource that does not exist. */
  readonly resourceNotFound: ErrorName;
  /** The requests that the server may make to the client: as JSON-RPC requests (legacy) or as `inputRequests` (modern). */
  readonly asks: ReadonlySet<string>;
  /** Whether `elicitation/create` has a `mode`, which may be `url`. */
  readonly elicitationMode: boolean;
  /** Whether a form may have titled enums, lists, and defaults of any type. */
  readonly elicitationEnums: boolean;
  /** Whether a URL elicitation has an `elicitationId`, which the error -32042 and `notifications/elicitation/complete` repeat. */
  readonly elicitationId: boolean;
  /** Whether results carry `resultType` and the server's name in `_meta`. */
  readonly resultType: boolean;
  /** Methods that may end with `input_required`. */
  readonly inputRequired: ReadonlySet<string>;
  /** Methods whose results carry `ttlMs` and `cacheScope`. */
  readonly cacheHints: ReadonlySet<string>;
  /** Whether an event stream begins with an event that has an id and no data. */
  readonly priming: boolean;
  /** How it has tasks; `undefined` if it does not. */
  readonly tasks: TasksOfRevision | undefined;
}

/** How a revision has tasks. */
export interface TasksOfRevision {
  /**
   * Who makes a task of a call. `client`: a call with `params.task`; its result has the task in `task`. `server`: the server, if the client has
   * declared the extension with the call; the members of the task are those of the result.
   */
  readonly decides: 'client' | 'server';
  /** The status of a task whose tool gave a result with `isError`. */
  readonly isError: 'failed' | 'completed';
  /** The names of the members with milliseconds. */
  readonly ttl: string;
  readonly pollInterval: string;
}

/** The extension of 2026-07-28 that has tasks. */
export const tasksExtension = 'io.modelcontextprotocol/tasks';

const methods24 = [
  'initialize',
  'ping',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel',
];
const methods11 = [...methods24, 'tasks/get', 'tasks/result', 'tasks/list', 'tasks/cancel'];
const methods26 = [
  'server/discover',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'subscriptions/listen',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
];

const fields24 = {
  tool: ['name', 'description', 'inputSchema'],
  resource: ['uri', 'name', 'description', 'mimeType', 'annotations'],
  resourceTemplate: ['uriTemplate', 'name', 'description', 'mimeType', 'annotations'],
  prompt: ['name', 'description', 'arguments'],
  promptArgument: ['name', 'description', 'required'],
  implementation: ['name', 'version'],
};
const fields03 = { ...fields24, tool: [...fields24.tool, 'annotations'], resource: [...fields24.resource, 'size'] };
const fields06 = {
  tool: ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations', '_meta'],
  resource: ['uri', 'name', 'title', 'description', 'mimeType', 'size', 'annotations', '_meta'],
  resourceTemplate: ['uriTemplate', 'name', 'title', 'description', 'mimeType', 'annotations', '_meta'],
  prompt: ['name', 'title', 'description', 'arguments', '_meta'],
  promptArgument: ['name', 'title', 'description', 'required'],
  implementation: ['name', 'version', 'title'],
};
const fields11 = {
  ...fields06,
  tool: [...fields06.tool, 'icons', 'execution'],
  resource: [...fields06.resource, 'icons'],
  resourceTemplate: [...fields06.resourceTemplate, 'icons'],
  prompt: [...fields06.prompt, 'icons'],
  implementation: [...fields06.implementation, 'description', 'icons', 'websiteUrl'],
};

const fields26 = { ...fields11, tool: [...fields06.tool, 'icons'] };

const content24 = ['text', 'image', 'resource'];
const content03 = [...content24, 'audio'];
const content06 = [...content03, 'resource_link'];

const contentFields24 = {
  text: ['type', 'text', 'annotations'],
  image: ['type', 'data', 'mimeType', 'annotations'],
  audio: ['type', 'data', 'mimeType', 'annotations'],
  resource: ['type', 'resource', 'annotations'],
  contents: ['uri', 'mimeType', 'text', 'blob'],
  annotations: ['audience', 'priority'],
};
const contentFields06 = {
  text: [...contentFields24.text, '_meta'],
  image: [...contentFields24.image, '_meta'],
  audio: [...contentFields24.audio, '_meta'],
  resource: [...contentFields24.resource, '_meta'],
  resource_link: ['type', 'uri', 'name', 'title', 'description', 'mimeType', 'size', 'annotations', '_meta'],
  contents: [...contentFields24.contents, '_meta'],
  annotations: [...contentFields24.annotations, 'lastModified'],
};

const capabilities24 = ['tools', 'resources', 'prompts', 'logging'];
const capabilities03 = [...capabilities24, 'completions'];
const capabilities11 = [...capabilities03, 'tasks'];
const capabilities26 = [...capabilities03, 'extensions'];

const r2024_11_05: Revision = {
  id: '2024-11-05',
  era: 'legacy',
  methods: new Set(methods24),
  capabilities: new Set(capabilities24),
  batches: false,
  fields: fields24,
  contentTypes: new Set(content24),
  contentFields: contentFields24,
  structuredContent: 'absent',
  progressMessage: false,
  completionContext: false,
  resourceNotFound: 'ResourceNotFound',
  asks: new Set(['sampling/createMessage', 'roots/list']),
  elicitationMode: false,
  elicitationEnums: false,
  elicitationId: false,
  resultType: false,
  inputRequired: new Set(),
  cacheHints: new Set(),
  priming: false,
  tasks: undefined,
};
const r2025_03_26: Revision = {
  ...r2024_11_05,
  id: '2025-03-26',
  capabilities: new Set(capabilities03),
  batches: true,
  fields: fields03,
  contentTypes: new Set(content03),
  progressMessage: true,
};
const r2025_06_18: Revision = {
  ...r2025_03_26,
  id: '2025-06-18',
  batches: false,
  fields: fields06,
  contentTypes: new Set(content06),
  contentFields: contentFields06,
  structuredContent: 'object',
  completionContext: true,
  asks: new Set(['sampling/createMessage', 'roots/list', 'elicitation/create']),
};
const r2025_11_25: Revision = {
  ...r2025_06_18,
  id: '2025-11-25',
  methods: new Set(methods11),
  capabilities: new Set(capabilities11),
  fields: fields11,
  contentFields: undefined,
  elicitationMode: true,
  elicitationEnums: true,
  elicitationId: true,
  priming: true,
  tasks: { decides: 'client', isError: 'failed', ttl: 'ttl', pollInterval: 'pollInterval' },
};
const r2026_07_28: Revision = {
  ...r2025_11_25,
  id: '2026-07-28',
  era: 'modern',
  methods: new Set(methods26),
  capabilities: new Set(capabilities26),
  fields: fields26,
  structuredContent: 'any',
  elicitationId: false,
  resourceNotFound: 'InvalidParams',
  resultType: true,
  inputRequired: new Set(['tools/call', 'prompts/get', 'resources/read']),
  cacheHints: new Set(['server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read']),
  priming: false,
  tasks: { decides: 'server', isError: 'completed', ttl: 'ttlMs', pollInterval: 'pollIntervalMs' },
};

/** Every revision this package knows, oldest first. */
export const revisions: readonly Revision[] = [r2024_11_05, r2025_03_26, r2025_06_18, r2025_11_25, r2026_07_28];

const byId: ReadonlyMap<unknown, Revision> = new Map(revisions.map(revision => [revision.id, revision]));

/** The newest revision with an `initialize` handshake: the counter-offer to a client that asks for an unknown one. */
export const newestLegacy: Revision = r2025_11_25;

/** The revision of the HTTP+SSE transport. */
export const oldest: Revision = r2024_11_05;

/** The revision of a legacy request that has neither a session nor a version header (2025-06-18, Transports, Protocol Version Header). */
export const assumedRevision: Revision = r2025_03_26;

/** The row of a revision id; `undefined` if there is none. */
export function findRevision(id: unknown): Revision | undefined {
  return byId.get(id);
}

/** Ids of one era, newest first. */
export function revisionIds(era: Revision['era']): string[] {
  return revisions
    .filter(revision => revision.era === era)
    .map(revision => revision.id)
    .reverse();
}

/**
 * The revision that answers an `initialize`: the requested one if it is a legacy revision, else the newest legacy one.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#version-negotiation
 */
export function negotiate(requested: unknown): Revision {
  const revision = findRevision(requested);
  return revision?.era === 'legacy' ? revision : newestLegacy;
}

/** The member of `params._meta` in which a message of the modern era names its revision. */
export const versionKey = 'io.modelcontextprotocol/protocolVersion';

/**
 * Whether a message is of the modern era: it has an envelope, or its version header names a modern revision.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#protocol-version-header
 */
export function isModern(body: unknown, version: string | undefined): boolean {
  if (findRevision(version?.trim())?.era === 'modern') return true;
  return Array.isArray(body) ? body.some(hasEnvelope) : hasEnvelope(body);
}

function hasEnvelope(message: unknown): boolean {
  if (!isObject(message) || !isObject(message['params'])) return false;
  const meta = message['params']['_meta'];
  return isObject(meta) && versionKey in meta;
}
