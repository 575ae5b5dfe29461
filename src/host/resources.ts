import type { z } from 'zod';
import type {
  Annotations,
  CacheHints,
  CallContext,
  Completer,
  Icon,
  JsonObject,
  ListedResource,
  ReadResourceResult,
  ResourceContents,
  ResourceDefinition,
  ResourceTemplateDefinition,
} from '../protocol/definitions.ts';
import { isObject } from '../protocol/definitions.ts';
import type { Args } from '../protocol/json-schema.ts';
import { parseWith } from '../protocol/json-schema.ts';
import { uriTemplate as compileTemplate } from '../protocol/uri-template.ts';
import type { Complete } from './completion.ts';
import { assertCompletes, compileCompleters } from './completion.ts';
import { toJsonText } from './json.ts';

/** The variables of a template, typed by its `argsSchema`. */
export type TemplateVariables<S> = S extends z.ZodType
  ? { readonly [K in keyof z.output<S>]: string | number | bigint | boolean | undefined }
  : Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/** A resource of a template that `list` gives: its URI, or the variables that make it. */
export type TemplateInstance<S = unknown> = Omit<ListedResource, 'uri'> &
  ({ readonly uri: string; readonly variables?: never } | { readonly uri?: never; readonly variables: TemplateVariables<S> });

/** A resource of the host's own: fixed (`uri`) or a family (`uriTemplate`). */
export interface Resource<S = unknown, Ctx = CallContext> {
  /** Fixed URI, e.g. `reservations://opening-hours`. Exactly one of `uri` and `uriTemplate`. */
  uri?: string;
  /** RFC 6570 template up to level 3, e.g. `reservations://invoice/{id}`. */
  uriTemplate?: string;
  title?: string;
  description?: string;
  /** @default `text/plain` for a string, `application/json` for rows, `application/octet-stream` for bytes */
  mimeType?: string;
  /** Bytes of its contents, for clients that plan their context; only with `uri`. @default not told */
  size?: number;
  annotations?: Annotations;
  /** How long clients may keep what was read, and whether they may share it. @default `{ ttlMs: 0, cacheScope: 'private' }` */
  cache?: CacheHints;
  icons?: Icon[];
  _meta?: JsonObject;
  /** A zod object for the template's variables, which arrive as strings: `z.object({ id: z.coerce.number() })`. */
  argsSchema?: S & z.ZodType;
  /** Completions by variable. */
  complete?: Readonly<Record<string, Complete<Ctx>>>;
  /**
   * The resources of the template that this caller has, for `resources/list`; only with `uriTemplate`. Called for each page, after `enabled`. At most
   * `limits.maxInstances` are listed. Call `listChanged('resources')` when they change.
   *
   * @default none are listed
   */
  list?: (ctx: Ctx) => readonly TemplateInstance<S>[] | Promise<readonly TemplateInstance<S>[]>;
  /** Scopes that the caller's token needs for the resource; needs the option `auth`. A call without them is answered 403. @default none */
  scopes?: readonly string[];
  /** Whether this caller may see and read the resource. @default everybody */
  enabled?: (ctx: Ctx) => boolean | Promise<boolean>;
  /** Reads the resource: a string, bytes, a row, an array, or a complete `{ contents }`. `null` and `undefined`: there is no such resource. */
  handler: (args: Args<S, Record<string, string>>, ctx: Ctx) => unknown;
}

/**
 * Compiles the host's `resources`; the keys are their names.
 *
 * @throws {TypeError} Naming the option: neither or both of `uri` and `uriTemplate`, a completion for no variable.
 */
export function compileResources(resources: Readonly<Record<string, Resource>>): {
  resources: ResourceDefinition[];
  resourceTemplates: ResourceTemplateDefinition[];
} {
  const fixed: ResourceDefinition[] = [];
  const templates: ResourceTemplateDefinition[] = [];
  for (const [name, resource] of Object.entries(resources)) {
    const { uri, uriTemplate } = resource;
    if ((uri === undefined) === (uriTemplate === undefined))
      throw new TypeError(`resources.${name}: give exactly one of \`uri\` and \`uriTemplate\``);
    assertCompletes(`resources.${name}`, resource.complete, uriTemplate === undefined ? [] : compileTemplate(uriTemplate).variables);
    const shared = { name, ...metadata(resource) };
    const read = reader(resource);
    const { size, list } = resource;
    if (list !== undefined && (typeof list !== 'function' || uriTemplate === undefined))
      throw new TypeError(`resources.${name}.list: must be a function (ctx) => [{ variables, name }], of a resource with \`uriTemplate\``);
    if (size !== undefined && (uri === undefined || !Number.isSafeInteger(size) || size < 0))
      throw new TypeError(`resources.${name}.size: must be a number of bytes, of a resource with \`uri\``);
    if (uri !== undefined) fixed.push({ ...shared, uri, ...(size !== undefined && { size }), read: (asked, ctx) => read(asked, {}, ctx) });
    if (uriTemplate !== undefined) {
      const complete: Record<string, Completer> | undefined = resource.complete && compileCompleters(resource.complete);
      templates.push({
        ...shared,
        uriTemplate,
        read,
        ...(complete !== undefined && { complete }),
        ...(list !== undefined && { list: lister(`resources.${name}.list`, list, { uriTemplate, mimeType: shared.mimeType }) }),
      });
    }
  }
  return { resources: fixed, resourceTemplates: templates };
}

function metadata({ title, description, mimeType, annotations, cache, icons, _meta, scopes = [], enabled }: Resource) {
  return {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(mimeType !== undefined && { mimeType }),
    ...(annotations !== undefined && { annotations }),
    ...(cache !== undefined && { cache }),
    ...(icons !== undefined && { icons }),
    ...(_meta !== undefined && { _meta }),
    ...(scopes.length > 0 && { scopes: [scopes] }),
    ...(enabled !== undefined && { enabled }),
  };
}

function reader({ argsSchema, mimeType, handler }: Resource): ResourceTemplateDefinition['read'] {
  return async (uri, variables, ctx) => {
    const args = argsSchema === undefined ? variables : await parseWith(argsSchema, variables, `Invalid URI ${uri}`);
    return toContents(await handler(args as Record<string, string>, ctx), uri, mimeType);
  };
}

function lister(
  path: string,
  list: NonNullable<Resource['list']>,
  { uriTemplate, mimeType }: { readonly uriTemplate: string; readonly mimeType: string | undefined },
): NonNullable<ResourceTemplateDefinition['list']> {
  const template = compileTemplate(uriTemplate);
  return async ctx => {
    const instances: unknown = await list(ctx);
    if (!Array.isArray(instances)) throw new TypeError(`${path}: must give an array`);
    return instances.map((instance: unknown, index) => {
      if (!isInstance(instance)) throw new TypeError(`${path}: item ${index} must have a \`name\`, and \`variables\` or a \`uri\``);
      const { uri, variables, ...members } = instance;
      if (uri !== undefined && template.match(uri) === undefined)
        throw new TypeError(`${path}: ${JSON.stringify(uri)} is no URI of ${JSON.stringify(uriTemplate)}`);
      return { ...(mimeType !== undefined && { mimeType }), ...members, uri: uri ?? template.expand(variables) };
    });
  };
}

function isInstance(value: unknown): value is TemplateInstance {
  if (!isObject(value)) return false;
  const { name, uri, variables } = value;
  return typeof name === 'string' && (uri === undefined ? isObject(variables) : typeof uri === 'string');
}

function toContents(value: unknown, uri: string, mimeType: string | undefined): ReadResourceResult | undefined {
  if (value === undefined || value === null) return undefined;
  if (isReadResult(value)) return value;
  return { contents: [toContent(value, uri, mimeType)] };
}

function isReadResult(value: unknown): value is ReadResourceResult {
  return isObject(value) && Array.isArray(value['contents']);
}

function toContent(value: unknown, uri: string, mimeType: string | undefined): ResourceContents {
  if (typeof value === 'string') return { uri, mimeType: mimeType ?? 'text/plain', text: value };
  if (value instanceof Uint8Array) {
    const blob = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
    return { uri, mimeType: mimeType ?? 'application/octet-stream', blob };
  }
  return { uri, mimeType: mimeType ?? 'application/json', text: toJsonText(value) };
}
