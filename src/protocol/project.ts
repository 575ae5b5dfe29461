import { McpError } from '../errors.ts';
import type { Call } from './call.ts';
import type {
  Annotations,
  CallToolResult,
  ContentBlock,
  GetPromptResult,
  JsonObject,
  ListedResource,
  PromptDefinition,
  ResourceContents,
  ResourceLink,
  ResourceTemplateDefinition,
  ToolDefinition,
} from './definitions.ts';
import { isObject } from './definitions.ts';
import type { JsonSchema } from './json-schema.ts';
import type { Revision } from './revisions.ts';

/** Any result, with the members that `finishResult` looks at. */
export type Result = JsonObject | { readonly resultType?: unknown; readonly _meta?: unknown };

/** A result of `tools/call` whose content blocks have the members of a revision only. */
export type ProjectedToolResult = Omit<CallToolResult, 'content' | 'links'> & { readonly content: readonly object[] };

/** A result as JSON text. */
export class SerializedResult {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * @param about.data The `data` of the error.
 * @throws {McpError} -32603 The result has more than `limits.maxResultBytes`.
 */
export function assertSize({ server: { limits } }: Call, result: object, about: { what: 'prompt' | 'resource'; data?: JsonObject }): void {
  const { what, data } = about;
  if (Buffer.byteLength(JSON.stringify(result)) <= limits.maxResultBytes) return;
  const message = `The ${what} is larger than ${limits.maxResultBytes} bytes, the most this server sends`;
  throw new McpError('InternalError', message, data && { data });
}

/**
 * Adds what the revision has in every result: `resultType`, the server's name, cache hints.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#result-metadata
 */
export function finishResult(call: Call, method: string, result: Result): Result {
  const { revisionRow, server } = call;
  if (!revisionRow.resultType) return result;
  const { resultType = 'complete', _meta: own } = result;
  const finished: Record<string, unknown> = { resultType: 'complete' };
  if (resultType === 'complete' && revisionRow.cacheHints.has(method)) {
    // A resource has its own hints.
    const hints = method === 'resources/read' ? undefined : server.registry.cache;
    Object.assign(finished, { ttlMs: 0, cacheScope: 'private' }, hints);
  }
  Object.assign(finished, result);
  const serverInfo = { 'io.modelcontextprotocol/serverInfo': server.registry.info };
  finished['_meta'] = isObject(own) ? { ...serverInfo, ...own } : serverInfo;
  return finished;
}

/** The members of `value` that `fields` names, in the order of `fields`, without those that are `undefined`. */
export function pickFields(value: object, fields: readonly string[]): JsonObject {
  const picked: JsonObject = {};
  for (const field of fields) {
    const member: unknown = Reflect.get(value, field);
    if (member !== undefined) picked[field] = member;
  }
  return picked;
}

/** A tool as `tools/list` of the revision shows it. */
export function projectTool(tool: ToolDefinition, revision: Revision): JsonObject {
  const projected = pickFields(tool, revision.fields.tool);
  if (tool.outputSchema !== undefined && revision.structuredContent === 'object') {
    projected['outputSchema'] = wrapSchema(tool.outputSchema);
  }
  // In 2025-03-26 a tool has no `title`, but its annotations have one.
  if (tool.title !== undefined && !revision.fields.tool.includes('title') && revision.fields.tool.includes('annotations')) {
    projected['annotations'] = { title: tool.title, ...tool.annotations };
  }
  return projected;
}

/** A prompt as `prompts/list` of the revision shows it. */
export function projectPrompt(prompt: PromptDefinition, revision: Revision): JsonObject {
  const projected = pickFields(prompt, revision.fields.prompt);
  if (prompt.arguments !== undefined) {
    projected['arguments'] = prompt.arguments.map(argument => pickFields(argument, revision.fields.promptArgument));
  }
  return projected;
}

/**
 * A tool result as the revision defines it: other content types become text, `structuredContent` is wrapped or left out where it must be.
 *
 * @param tool `undefined` if the app does not have it any more.
 */
export function projectToolResult(result: CallToolResult, tool: ToolDefinition | undefined, revision: Revision): ProjectedToolResult {
  const { structuredContent, links } = result;
  if (links !== undefined) return projectToolResult(withLinks(result, links, revision), tool, revision);
  const content = projectContent(result.content, revision);
  if (structuredContent === undefined) return content === result.content ? result : { ...result, content };
  if (revision.structuredContent === 'any') return content === result.content ? result : { ...result, content };
  if (revision.structuredContent === 'absent') {
    const { structuredContent: _, ...rest } = result;
    return { ...rest, content };
  }
  const wrapped = needsWrapping(tool?.outputSchema) || !isObject(structuredContent);
  if (!wrapped && content === result.content) return result;
  return { ...result, content, structuredContent: wrapped ? { result: structuredContent } : structuredContent };
}

function withLinks({ links: _, ...result }: CallToolResult, links: readonly ResourceLink[], { contentTypes }: Revision): CallToolResult {
  return contentTypes.has('resource_link') ? { ...result, content: [...result.content, ...links] } : result;
}

/** A resource or resource template as the revision's lists show it. */
export function projectResource(
  resource: ListedResource | ResourceTemplateDefinition,
  fields: readonly string[],
  revision: Revision,
): JsonObject {
  const projected = pickFields(resource, fields);
  if (resource.annotations !== undefined) projected['annotations'] = projectAnnotations(resource.annotations, revision);
  return projected;
}

/** One item of a resource's `contents` as the revision defines it. */
export function projectContents(contents: ResourceContents, { contentFields }: Revision): object {
  const fields = contentFields?.['contents'];
  return fields === undefined ? contents : pickFields(contents, fields);
}

/** The result of `prompts/get` as the revision defines it. */
export function projectPromptResult(result: GetPromptResult, revision: Revision): Result {
  if (result.messages.every(message => isKnown(message.content, revision))) return result;
  return { ...result, messages: result.messages.map(message => ({ ...message, content: projectBlock(message.content, revision) })) };
}

function projectContent(content: ContentBlock[], revision: Revision): readonly object[] {
  return content.every(block => isKnown(block, revision)) ? content : content.map(block => projectBlock(block, revision));
}

function isKnown({ type }: ContentBlock, { contentTypes, contentFields }: Revision): boolean {
  return contentFields === undefined && contentTypes.has(type);
}

function projectBlock(block: ContentBlock, revision: Revision): object {
  if (revision.contentTypes.has(block.type)) return projectMembers(block, revision);
  switch (block.type) {
    case 'resource_link':
      return { type: 'text', text: `${block.title ?? block.name}: ${block.uri}` };
    case 'audio':
      return { type: 'text', text: `(audio, ${block.mimeType}, which this client's protocol revision cannot carry)` };
    default:
      return { type: 'text', text: `(${block.type} content, which this client's protocol revision cannot carry)` };
  }
}

function projectMembers(block: ContentBlock, revision: Revision): object {
  const fields = revision.contentFields?.[block.type];
  if (fields === undefined) return block;
  const projected = pickFields(block, fields);
  if (block.type === 'resource') projected['resource'] = projectContents(block.resource, revision);
  if (block.annotations !== undefined) projected['annotations'] = projectAnnotations(block.annotations, revision);
  return projected;
}

function projectAnnotations(annotations: Annotations, { contentFields }: Revision): Annotations {
  const fields = contentFields?.['annotations'];
  return fields === undefined ? annotations : pickFields(annotations, fields);
}

function needsWrapping(schema: JsonSchema | undefined): boolean {
  return schema !== undefined && schema.type !== 'object';
}

function wrapSchema(schema: JsonSchema): JsonSchema {
  if (!needsWrapping(schema)) return schema;
  return { type: 'object', properties: { result: relocate(schema) as JsonSchema }, required: ['result'] };
}

/** Rewrites references to the root of a schema that moves to `properties.result`. */
function relocate(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(relocate);
  if (!isObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) =>
      keyword === '$ref' && typeof value === 'string' && /^#(?:\/|$)/u.test(value)
        ? [keyword, `#/properties/result${value.slice(1)}`]
        : [keyword, relocate(value)],
    ),
  );
}
