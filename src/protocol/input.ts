import type { z } from 'zod';
import { McpError, ToolError } from '../errors.ts';
import type { ContentBlock, JsonObject } from './definitions.ts';
import { formSchema } from './form.ts';
import type { JsonSchema } from './json-schema.ts';
import { isObject } from './jsonrpc.ts';
import type { Revision } from './revisions.ts';

/** A form that the client shows to its user. */
export interface ElicitForm<S> {
  message: string;
  /** A flat object of primitives: a zod object or a JSON Schema. Never ask for secrets with a form. */
  requestedSchema: S;
  /** Names the question across a replay, where a handler asks several of one kind. @default by order */
  key?: string;
}

/** A page that the client's user is asked to open. */
export interface ElicitUrl {
  mode: 'url';
  message: string;
  /** `https:`; no secrets or personal data in it, and the page must check that its visitor is the caller. */
  url: string;
  key?: string;
}

/** What the user did: `content` has passed the schema. */
export type ElicitResult<T = JsonObject> = { action: 'accept'; content: T } | { action: 'decline' } | { action: 'cancel' };

/** One message for the client's model. */
export interface SamplingMessage {
  role: 'user' | 'assistant';
  content: ContentBlock | JsonObject | (ContentBlock | JsonObject)[];
}
/** `params` of `sampling/createMessage`, plus `key`. */
export interface SampleParams {
  messages: SamplingMessage[];
  maxTokens: number;
  systemPrompt?: string;
  temperature?: number;
  stopSequences?: string[];
  modelPreferences?: JsonObject;
  metadata?: JsonObject;
  tools?: JsonObject[];
  toolChoice?: JsonObject;
  /** As for `ElicitForm`. */
  key?: string;
}
/** What the client's model said. */
export interface SampleResult {
  role: 'user' | 'assistant';
  content: ContentBlock;
  model: string;
  stopReason?: string;
  [member: string]: unknown;
}
/** A folder or file that the client works in. */
export interface Root {
  /** `file://` */
  uri: string;
  name?: string;
}

/** What a handler may ask of the client. One way to write it, whatever the revision makes of it. */
export interface Asking {
  /**
   * Asks the user. Declining and cancelling are values, not errors.
   *
   * Where the revision has no requests from the server (2026-07-28) the handler runs again from its start once the answer is there: what it
   * does before asking must bear repetition.
   *
   * @throws The error of its revision if the client cannot: nothing is sent then.
   */
  elicit<S extends z.ZodType>(form: ElicitForm<S>): Promise<ElicitResult<z.output<S>>>;
  elicit(form: ElicitForm<JsonSchema>): Promise<ElicitResult>;
  elicit(page: ElicitUrl): Promise<{ action: 'accept' | 'decline' | 'cancel' }>;
  /** Asks the client's model. @throws as `elicit`; also if its user refuses. */
  sample(params: SampleParams): Promise<SampleResult>;
  /** Asks which folders the client works in. Advice, not access control. `key` as for `ElicitForm`. @throws as `elicit` */
  roots(options?: { key?: string }): Promise<Root[]>;
}

/** A request to the client as it goes on the wire, and how its result is read. */
export interface InputRequest<T> {
  readonly method: 'elicitation/create' | 'sampling/createMessage' | 'roots/list';
  readonly params: JsonObject;
  /** What the client must have declared for it, as `requiredCapabilities` says it. */
  readonly capability: JsonObject;
  readonly key: string | undefined;
  /** The value for the handler; `undefined` if the client's result is not one. */
  readonly parse: (result: JsonObject) => T | undefined;
}

/** The request that shows a form or asks to open a page. */
export function elicitRequest(asked: ElicitForm<z.ZodType | JsonSchema> | ElicitUrl, revision: Revision): InputRequest<ElicitResult> {
  if ('mode' in asked) {
    const { message, url } = asked;
    if (!revision.elicitationMode) throw new ToolError('This needs a client of 2025-11-25 or newer: older ones cannot open pages');
    const params = { mode: 'url', message, url, ...(revision.elicitationId && { elicitationId: crypto.randomUUID() }) };
    return {
      method: 'elicitation/create',
      params,
      capability: { elicitation: { url: {} } },
      key: asked.key,
      parse: result => parseAction(result),
    };
  }
  const { schema, validate } = formSchema(asked.requestedSchema, revision);
  return {
    method: 'elicitation/create',
    params: { ...(revision.elicitationMode && { mode: 'form' }), message: asked.message, requestedSchema: schema },
    capability: { elicitation: { form: {} } },
    key: asked.key,
    parse: result => parseAction(result, validate),
  };
}

/** The request that asks the client's model. */
export function sampleRequest({ key, ...params }: SampleParams): InputRequest<SampleResult> {
  return {
    method: 'sampling/createMessage',
    params: params,
    capability: { sampling: params.tools === undefined && params.toolChoice === undefined ? {} : { tools: {} } },
    key,
    parse: result =>
      typeof result['role'] === 'string' && typeof result['content'] === 'object' ? (result as unknown as SampleResult) : undefined,
  };
}

/** The request for the client's roots. */
export function rootsRequest(key?: string): InputRequest<Root[]> {
  return {
    method: 'roots/list',
    params: {},
    capability: { roots: {} },
    key,
    parse: ({ roots }) =>
      Array.isArray(roots) && roots.every(root => isObject(root) && typeof root['uri'] === 'string') ? (roots as Root[]) : undefined,
  };
}

/**
 * Holds a request to what the client declared.
 *
 * @throws {ToolError} Legacy. @throws {McpError} -32021 with `requiredCapabilities` in 2026-07-28.
 */
export function assertCapability({ method, capability }: InputRequest<unknown>, declared: JsonObject, revision: Revision): void {
  if (revision.asks.has(method) && isDeclared(capability, declared)) return;
  const [[name, flags] = ['']] = Object.entries(capability);
  const wanted = [name, ...Object.keys(flags as JsonObject)].join('.');
  if (revision.era === 'legacy') throw new ToolError(`This needs a client with the capability ${wanted}, which this client does not have`);
  throw new McpError('MissingRequiredClientCapability', `Missing required client capability: ${wanted}`, {
    data: { requiredCapabilities: capability },
  });
}

function isDeclared(capability: JsonObject, declared: JsonObject): boolean {
  return Object.entries(capability).every(([name, flags]) => {
    const has = declared[name];
    if (!isObject(has)) return false;
    // An empty `elicitation` means forms only (2025-11-25, Elicitation, Capabilities).
    const own = name === 'elicitation' && Object.keys(has).length === 0 ? { form: {} } : has;
    return Object.keys(flags as JsonObject).every(flag => flag in own);
  });
}

function parseAction(result: JsonObject, validate?: (content: unknown) => JsonObject | undefined): ElicitResult | undefined {
  const { action, content } = result;
  if (action === 'decline' || action === 'cancel') return { action };
  if (action !== 'accept') return undefined;
  if (validate === undefined) return { action } as ElicitResult;
  const valid = validate(content ?? {});
  return valid && { action, content: valid };
}
