import type { McpContext } from './context.ts';
import type { JsonSchema } from './json-schema.ts';

/** Anything `JSON.parse` gives for `{…}`. */
export type JsonObject = Record<string, unknown>;

/** An icon, by its URL. */
export interface Icon {
  src: string;
  mimeType?: string;
  sizes?: string[];
  theme?: 'light' | 'dark';
}

/** Hints about a resource or content block. */
export interface Annotations {
  audience?: ('user' | 'assistant')[];
  /** 0 to 1. */
  priority?: number;
  /** ISO 8601. */
  lastModified?: string;
}

/** Hints about what a tool does; a client may not trust them. */
export interface ToolAnnotations {
  title?: string;
  readOnlyHint?: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
}

interface ContentBase {
  annotations?: Annotations;
  _meta?: JsonObject;
}
/** Text. */
export interface TextContent extends ContentBase {
  type: 'text';
  text: string;
}
/** An image, base64. */
export interface ImageContent extends ContentBase {
  type: 'image';
  data: string;
  mimeType: string;
}
/** Sound, base64. */
export interface AudioContent extends ContentBase {
  type: 'audio';
  data: string;
  mimeType: string;
}
/** A resource that the client may read. */
export interface ResourceLink extends ContentBase {
  type: 'resource_link';
  uri: string;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
  size?: number;
  icons?: Icon[];
}
/** A resource with its contents. */
export interface EmbeddedResource extends ContentBase {
  type: 'resource';
  resource: ResourceContents;
}
/** One content block of a tool result or prompt message. */
export type ContentBlock = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource;

/** Contents of a resource: `text` or `blob`. */
export interface ResourceContents {
  uri: string;
  mimeType?: string;
  text?: string;
  /** base64 */
  blob?: string;
  _meta?: JsonObject;
}

/** The result of `tools/call`. */
export interface CallToolResult {
  content: ContentBlock[];
  structuredContent?: unknown;
  isError?: boolean;
  _meta?: JsonObject;
}

/** The result of `resources/read`. */
export interface ReadResourceResult {
  contents: ResourceContents[];
  _meta?: JsonObject;
}

/** One message of a prompt. */
export interface PromptMessage {
  role: 'user' | 'assistant';
  content: ContentBlock;
}
/** The result of `prompts/get`. */
export interface GetPromptResult {
  description?: string;
  messages: PromptMessage[];
  _meta?: JsonObject;
}

/** Values that complete an argument. */
export interface Completion {
  /** At most 100 are sent. */
  values: string[];
  total?: number;
  hasMore?: boolean;
}

/**
 * What every handler, row policy and completion of a call is given: the host's own Koa context, with `ctx.mcp`.
 * The protocol knows only this part of it; `HandlerContext` is the whole.
 */
export interface CallContext {
  readonly mcp: McpContext;
}

interface Definition {
  readonly title?: string;
  readonly description?: string;
  readonly icons?: readonly Icon[];
  readonly _meta?: JsonObject;
  /** Whether this caller may see and use it; absent means everybody. */
  readonly enabled?: (ctx: CallContext) => boolean | Promise<boolean>;
}

/** A tool as the protocol serves it, whether it came from `tools` or from a model. */
export interface ToolDefinition extends Definition {
  readonly name: string;
  readonly description: string;
  /** Root is `type: "object"`. */
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations?: ToolAnnotations;
  /**
   * Validates `args` and runs. Whatever it throws becomes a result with `isError: true`, except `McpError`.
   *
   * @param args The request's `arguments`, an object, not validated.
   */
  readonly call: (args: JsonObject, ctx: CallContext) => Promise<CallToolResult>;
}

/** A resource with a fixed URI. */
export interface ResourceDefinition extends Definition {
  readonly uri: string;
  readonly name: string;
  readonly mimeType?: string;
  /** Bytes. */
  readonly size?: number;
  readonly annotations?: Annotations;
  /** `undefined` means that there is none (for this caller). */
  readonly read: (uri: string, ctx: CallContext) => Promise<ReadResourceResult | undefined>;
}

/** Completes one argument from what was typed and the arguments filled in so far. */
export type Completer = (value: string, ctx: CallContext, others: Readonly<Record<string, string>>) => Promise<Completion>;

/** A family of resources named by an RFC 6570 template. */
export interface ResourceTemplateDefinition extends Definition {
  readonly uriTemplate: string;
  readonly name: string;
  readonly mimeType?: string;
  readonly annotations?: Annotations;
  /** `undefined` means that there is no such resource (for this caller). */
  readonly read: (uri: string, variables: Readonly<Record<string, string>>, ctx: CallContext) => Promise<ReadResourceResult | undefined>;
  /** Completions by variable name. */
  readonly complete?: Readonly<Record<string, Completer>>;
}

/** One argument of a prompt; all are strings. */
export interface PromptArgument {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly required?: boolean;
}

/** A prompt as the protocol serves it. */
export interface PromptDefinition extends Definition {
  readonly name: string;
  readonly description: string;
  readonly arguments?: readonly PromptArgument[];
  /** @param args Values are strings; required ones are present. */
  readonly get: (args: Readonly<Record<string, string>>, ctx: CallContext) => Promise<GetPromptResult>;
  /** Completions by argument name. */
  readonly complete?: Readonly<Record<string, Completer>>;
}

/** All that one endpoint serves. */
export interface Definitions {
  readonly tools: readonly ToolDefinition[];
  readonly resources: readonly ResourceDefinition[];
  readonly resourceTemplates: readonly ResourceTemplateDefinition[];
  readonly prompts: readonly PromptDefinition[];
}
