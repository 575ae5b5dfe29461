import { McpError } from '../errors.ts';
import type { Call } from './call.ts';
import type {
  Definition,
  JsonObject,
  PromptDefinition,
  ResourceDefinition,
  ResourceTemplateDefinition,
  ToolDefinition,
} from './definitions.ts';
import { finishResult, projectPrompt, projectResource, projectTool, SerializedResult } from './project.ts';
import type { Registry } from './registry.ts';
import type { Revision } from './revisions.ts';

interface List<T extends Definition> {
  /** Name of the result's member. */
  readonly key: string;
  readonly items: (registry: Registry) => Iterable<T>;
  readonly project: (item: T, revision: Revision) => JsonObject;
}

const tools: List<ToolDefinition> = { key: 'tools', items: registry => registry.tools.values(), project: projectTool };
const prompts: List<PromptDefinition> = { key: 'prompts', items: registry => registry.prompts.values(), project: projectPrompt };
const resources: List<ResourceDefinition> = {
  key: 'resources',
  items: registry => registry.resources.values(),
  project: (resource, revision) => projectResource(resource, revision.fields.resource, revision),
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
export const listTools: ListMethod = (call, params, method) => list(tools, call, params, method);
/** `prompts/list`: one page of the prompts that this caller may use. */
export const listPrompts: ListMethod = (call, params, method) => list(prompts, call, params, method);
/** `resources/list`: one page of the resources that this caller may read. */
export const listResources: ListMethod = (call, params, method) => list(resources, call, params, method);
/** `resources/templates/list`: one page of the templates that this caller may read. */
export const listResourceTemplates: ListMethod = (call, params, method) => list(resourceTemplates, call, params, method);

/** A list without `enabled` conditions is the same for every caller, and is serialised once. */
async function list<T extends Definition>(
  list: List<T>,
  call: Call,
  params: JsonObject | undefined,
  method: string,
): Promise<SerializedResult> {
  const { registry } = call.server;
  const cache = cacheOf(registry);
  // JSON tells no cursor from the text "undefined", and ["x"] from "x".
  const cacheKey = `${method} ${call.revision} ${JSON.stringify(params?.['cursor'])}`;
  const cached = cache.get(cacheKey);
  if (cached !== undefined) return cached;
  const all = [...list.items(registry)];
  if (all.some(item => item.enabled !== undefined)) {
    return toPage(list, await filterEnabled(all, call), call, params, method);
  }
  const page = toPage(list, all, call, params, method);
  cache.set(cacheKey, page);
  return page;
}

function toPage<T extends Definition>(
  { key, project }: List<T>,
  visible: readonly T[],
  call: Call,
  params: JsonObject | undefined,
  method: string,
): SerializedResult {
  const page = paginate(key, visible, params, call.server.limits.pageSize);
  const result: JsonObject = { [key]: page.items.map(item => project(item, call.revisionRow)) };
  if (page.nextCursor !== undefined) result['nextCursor'] = page.nextCursor;
  return new SerializedResult(JSON.stringify(finishResult(call, method, result)));
}

async function filterEnabled<T extends Definition>(items: readonly T[], call: Call): Promise<T[]> {
  const enabled = await Promise.all(items.map(item => call.mayUse(item)));
  return items.filter((_, index) => enabled[index]);
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
export function paginate<T>(list: string, items: readonly T[], params: JsonObject | undefined, pageSize: number): Page<T> {
  const start = parseCursor(list, params?.['cursor'], { length: items.length, pageSize });
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
