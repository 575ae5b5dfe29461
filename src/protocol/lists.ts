import { McpError } from '../errors.ts';
import type { Call } from './call.ts';
import type {
  Definition,
  JsonObject,
  ListedResource,
  PromptDefinition,
  ResourceDefinition,
  ResourceTemplateDefinition,
  ToolDefinition,
} from './definitions.ts';
import { waitForHandler } from './handler-errors.ts';
import { finishResult, projectPrompt, projectResource, projectTool, SerializedResult } from './project.ts';
import type { Registry } from './registry.ts';
import type { Revision } from './revisions.ts';

interface List<T extends Definition, Listed = T> {
  /** Name of the result's member. */
  readonly key: string;
  readonly items: (registry: Registry) => Iterable<T & Listed>;
  readonly project: (item: Listed, revision: Revision) => JsonObject;
  /** Further items, which are asked for at each request. */
  readonly more?: {
    readonly has: (registry: Registry) => boolean;
    readonly items: (call: Call) => Promise<readonly Listed[]>;
  };
}

const tools: List<ToolDefinition> = { key: 'tools', items: registry => registry.tools.values(), project: projectTool };
const prompts: List<PromptDefinition> = { key: 'prompts', items: registry => registry.prompts.values(), project: projectPrompt };
const resources: List<ResourceDefinition, ListedResource> = {
  key: 'resources',
  items: registry => registry.resources.values(),
  project: (resource, revision) => projectResource(resource, revision.fields.resource, revision),
  more: { has: ({ resourceTemplates }) => resourceTemplates.some(({ list }) => list !== undefined), items: listInstances },
};
const resourceTemplates: List<ResourceTemplateDefinition> = {
  key: 'resourceTemplates',
  items: registry => registry.resourceTemplates,
  project: (template, revision) => projectResource(template, revision.fields.resourceTemplate, revision),
};

/** Serialised pages of lists that are the same for every caller. A cursor begins a whole page, so each revision's items are kept once. */
const pages = new WeakMap<Registry, Map<string, SerializedResult>>();

type ListMethod = (call: Call, params: JsonObject | undefined, method: string) => Promise<SerializedResult>;

/** `tools/list`: one page of the tools that this caller may use. @throws {McpError} -32602 for a cursor that the list did not give. */
export const listTools: ListMethod = listMethod(tools);
/** `prompts/list`: one page of the prompts that this caller may use. */
export const listPrompts: ListMethod = listMethod(prompts);
/** `resources/list`: one page of the resources that this caller may read. */
export const listResources: ListMethod = listMethod(resources);
/** `resources/templates/list`: one page of the templates that this caller may read. */
export const listResourceTemplates: ListMethod = listMethod(resourceTemplates);

/** A list without `enabled` conditions, scopes and further items is the same for every caller, and is serialised once. */
function listMethod<T extends Definition, Listed = T>({ key, items, project, more }: List<T, Listed>): ListMethod {
  return async (call, params, method) => {
    const { registry, limits } = call.server;
    const cursor = params?.['cursor'];
    const cache = cacheOf(registry);
    // JSON tells no cursor from the text "undefined", and ["x"] from "x".
    const cacheKey = `${method} ${call.revision} ${JSON.stringify(cursor)}`;
    const cached = cache.get(cacheKey);
    if (cached !== undefined) return cached;
    const all = [...items(registry)];
    const isSame = more?.has(registry) !== true && all.every(item => item.enabled === undefined && item.scopes === undefined);
    const own = isSame ? all : await filterEnabled(all, call);
    const listed: readonly Listed[] = more?.has(registry) ? [...own, ...(await more.items(call))] : own;
    const page = paginate(key, listed, { cursor, pageSize: limits.pageSize });
    const result: JsonObject = { [key]: page.items.map(item => project(item, call.revisionRow)) };
    if (page.nextCursor !== undefined) result['nextCursor'] = page.nextCursor;
    const serialized = new SerializedResult(JSON.stringify(finishResult(call, method, result)));
    if (isSame) cache.set(cacheKey, serialized);
    return serialized;
  };
}

async function filterEnabled<T extends Definition>(items: readonly T[], call: Call): Promise<T[]> {
  const enabled = await Promise.all(items.map(item => call.mayUse(item)));
  return items.filter((_, index) => enabled[index]);
}

/** Registries of which the app knows that their templates list too many resources. */
const reported = new WeakSet<Registry>();

/**
 * The resources of the templates that this caller may use, at most `limits.maxInstances`. A URI that is listed already is left out.
 *
 * @throws {McpError} -32603 for an error of the app.
 */
async function listInstances(call: Call): Promise<readonly ListedResource[]> {
  const { registry, limits } = call.server;
  const instances = new Map<string, ListedResource>();
  for (const template of registry.resourceTemplates) {
    const { list } = template;
    if (list === undefined || !(await call.mayUse(template))) continue;
    for (const instance of await waitForHandler(call, () => list(call.ctx))) {
      if (registry.resources.has(instance.uri) || instances.has(instance.uri)) continue;
      if (instances.size < limits.maxInstances) instances.set(instance.uri, instance);
      else if (!reported.has(registry)) {
        reported.add(registry);
        call.report(
          new Error(`resources.${template.name}.list: resources/list leaves out all but ${limits.maxInstances} (limits.maxInstances)`),
        );
      }
    }
  }
  return [...instances.values()];
}

function cacheOf(registry: Registry): Map<string, SerializedResult> {
  const cache = pages.get(registry) ?? new Map<string, SerializedResult>();
  pages.set(registry, cache);
  return cache;
}

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | undefined;
}

/**
 * One page of a list. A cursor holds the position of a page and the list's name, nothing about the caller, so every process accepts it.
 *
 * @throws {McpError} -32602 for a cursor that this list did not give.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/pagination
 */
export function paginate<T>(list: string, items: readonly T[], { cursor, pageSize }: { cursor: unknown; pageSize: number }): Page<T> {
  const start = parseCursor(list, cursor, { length: items.length, pageSize });
  const end = start + pageSize;
  return {
    items: start === 0 && end >= items.length ? items : items.slice(start, end),
    nextCursor: end < items.length ? encodeCursor(list, end) : undefined,
  };
}

function encodeCursor(list: string, start: number): string {
  return Buffer.from(`${list}:${start}`).toString('base64url');
}

function parseCursor(list: string, cursor: unknown, { length, pageSize }: { length: number; pageSize: number }): number {
  if (cursor === undefined) return 0;
  const start =
    typeof cursor === 'string'
      ? Number(
          Buffer.from(cursor, 'base64url')
            .toString()
            .slice(list.length + 1),
        )
      : Number.NaN;
  if (!Number.isInteger(start) || start <= 0 || start >= length || start % pageSize !== 0 || encodeCursor(list, start) !== cursor) {
    throw new McpError('InvalidParams', 'Invalid params: `cursor` is not one that this list gave; list again without it');
  }
  return start;
}
