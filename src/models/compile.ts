import type {
  CallContext,
  PromptDefinition,
  ResourceDefinition,
  ResourceTemplateDefinition,
  ToolDefinition,
} from '../protocol/definitions.ts';
import { dataParser } from './arguments/data.ts';
import { unknownToolHint } from './arguments/hints.ts';
import type { WhereLimits } from './arguments/where.ts';
import { resolveWhereLimits } from './arguments/where.ts';
import type { Datamodel } from './datamodel/datamodel.ts';
import type { ModelGraph, ModelNode } from './datamodel/graph.ts';
import { modelGraph, rowKey } from './datamodel/graph.ts';
import type { Style } from './declaration/declaration.ts';
import type { Delegates, PrismaClientLike } from './declaration/delegates.ts';
import { baseClient } from './declaration/delegates.ts';
import type { ExposureLike } from './exposure.ts';
import { resolveExposures } from './exposure.ts';
import { compactTools } from './features/compact.ts';
import { modelPrompts } from './features/prompts.ts';
import { listResource, pageTemplate, rowTemplates } from './features/resources.ts';
import { rowLinks } from './features/row-links.ts';
import type { SearchedModel } from './features/search.ts';
import { searchTools } from './features/search.ts';
import type { ToolParts } from './features/tools.ts';
import { modelTools } from './features/tools.ts';
import type { LiveListener } from './live/live-client.ts';
import { liveWritesOf } from './live/live-client.ts';
import { changeOfKey, rowListener } from './live/row-changes.ts';
import { list } from './messages.ts';
import { bulkWriter } from './queries/bulk-writes.ts';
import type { IdempotencyOptions } from './queries/idempotency.ts';
import { assertKeyDelegate, IdempotencyKeys } from './queries/idempotency.ts';
import { reader } from './queries/reads.ts';
import { clientScope } from './queries/scoped-client.ts';
import { directly, writer } from './queries/writes.ts';
import type { ModelReport } from './report.ts';
import { reportModels } from './report.ts';

/** The client and its exposed models. */
export interface ModelOptions {
  readonly prisma: PrismaClientLike;
  readonly datamodel: Datamodel;
  /** By the client's property names. */
  readonly models: Readonly<Record<string, ExposureLike>>;
}

/** What `compileModels` needs. */
export interface CompileOptions extends ModelOptions {
  /** Scheme of the resource URIs. */
  readonly name: string;
  /** The style of models that do not name one. @default 'tools' */
  readonly style?: Style | undefined;
  readonly limits?: Partial<WhereLimits> | undefined;
  /** Bytes of one result. @default no limit */
  readonly maxResultBytes?: number | undefined;
  /** How idempotency keys are kept. @default see `IdempotencyOptions` */
  readonly idempotency?: Partial<Omit<IdempotencyOptions, 'client'>> | undefined;
}

/** The definitions that one endpoint serves for its models. */
export interface CompiledModels {
  readonly tools: ToolDefinition[];
  readonly resources: ResourceDefinition[];
  readonly resourceTemplates: ResourceTemplateDefinition[];
  readonly prompts: PromptDefinition[];
  /** For the name of a tool that does not exist: the tools of the model that was probably meant. */
  readonly unknownToolHint: (name: string) => string | undefined;
  /** `ctx.prisma`: the client, scoped to the caller of one call. */
  readonly scope: (ctx: CallContext) => PrismaClientLike;
  /** Returns a report of the exposed models, for the host. Each call computes it anew. */
  readonly report: () => ModelReport[];
  /** `undefined` if the client was not made by `live()`. */
  readonly live: LiveModels | undefined;
  /** `undefined` if no operation takes an idempotency key. */
  readonly keys: IdempotencyKeys | undefined;
}

/** The writes that an endpoint tells its subscribers of. */
export interface LiveModels {
  /** Tells the changes of each commit until the returned function is called. */
  readonly listen: (listener: Pick<LiveListener, 'committed' | 'onError'>) => () => void;
  /**
   * The change that the host names: a row by its key, or any rows of a model.
   *
   * @throws {TypeError} The model is not exposed, or `key` is not its key.
   */
  readonly changeOf: (model: string, key?: Readonly<Record<string, unknown>>) => string;
}

/**
 * Compiles the declared exposures into tools, resources, resource templates and prompts. All schemas of tools are built here, and none during a call.
 *
 * @throws {TypeError} with every mistake in the declaration, one a line: option path, fact and remedy.
 */
export function compileModels(options: CompileOptions): CompiledModels {
  const graph = modelGraph(options.datamodel);
  const exposures = resolveExposures(options.models, graph, options.style);
  const limits = resolveWhereLimits(options.limits, graph.provider);
  const client = baseClient(options.prisma);
  for (const { node } of exposures) assertDelegate(client, node);
  const keyed = exposures.find(({ idempotent }) => idempotent.size > 0);
  if (keyed !== undefined) assertKeyDelegate(client, `models.${keyed.node.key}.idempotent`);
  const keys = keyed && new IdempotencyKeys({ ...options.idempotency, client });
  const scope = clientScope(client, graph);
  const written = liveWritesOf(options.prisma);
  const compiled: CompiledModels = {
    tools: [],
    resources: [],
    resourceTemplates: [],
    prompts: [],
    unknownToolHint: unknownToolHint(exposures),
    scope,
    report: () => reportModels(exposures, options.models, graph),
    keys,
    live: written && {
      listen: listener => written.listen(rowListener(graph, listener)),
      changeOf: (model, key) => namedChange(graph, model, key),
    },
  };
  const { name, maxResultBytes = Number.POSITIVE_INFINITY } = options;
  const compact: ToolParts[] = [];
  const searched: SearchedModel[] = [];
  for (const exposure of exposures) {
    const { operations } = exposure;
    const reads = reader(exposure, client);
    const create = dataParser(exposure, 'create', graph);
    const update = dataParser(exposure, 'update', graph);
    const commit = directly(exposure, client);
    const writersOf: ToolParts['writersOf'] = way => {
      const writes = { exposure, client, create, update, commit: way };
      return { writer: writer(writes), bulkWriter: bulkWriter(writes) };
    };
    const parts: ToolParts = {
      exposure,
      reader: reads,
      ...writersOf(commit),
      commit,
      writersOf,
      keys,
      create,
      update,
      limits,
      links: rowLinks(exposure, name),
    };
    if (exposure.style === 'compact') compact.push(parts);
    else compiled.tools.push(...modelTools(parts));
    const resources = { reader: reads, name, isLive: written !== undefined };
    if (operations.has('findMany')) compiled.resources.push(listResource(exposure, resources));
    if (operations.has('findUnique')) compiled.resourceTemplates.push(...rowTemplates(exposure, resources));
    const pages = operations.has('findMany') ? pageTemplate(exposure, resources) : undefined;
    if (pages !== undefined) compiled.resourceTemplates.push(pages);
    compiled.prompts.push(...modelPrompts(exposure, reads, name));
    searched.push({ exposure, reader: reads });
  }
  compiled.tools.push(...compactTools(compact, exposures), ...searchTools(searched, { name, limits, maxResultBytes }));
  return compiled;
}

/**
 * The client of the host, held to the row policies of one caller, as `ctx.prisma` is: for code outside a call, such as a route of the app.
 *
 * @throws {TypeError} with every mistake in the declaration, one a line.
 */
export function scopedClient({ prisma, datamodel, models }: ModelOptions): (ctx: CallContext) => PrismaClientLike {
  const graph = modelGraph(datamodel);
  resolveExposures(models, graph);
  return clientScope(baseClient(prisma), graph);
}

function namedChange(graph: ModelGraph, model: string, key: Readonly<Record<string, unknown>> | undefined): string {
  const node = graph.byKey.get(model);
  if (node?.exposure === undefined) {
    const exposed = [...graph.byKey.values()].filter(({ exposure }) => exposure !== undefined).map(each => each.key);
    throw new TypeError(`rowsChanged: \`models\` has no \`${model}\` (${list(exposed)})`);
  }
  const { fields } = rowKey(node);
  const isKey = key === undefined || (Object.keys(key).length === fields.length && fields.every(field => key[field] !== undefined));
  if (!isKey) throw new TypeError(`rowsChanged: the key of \`${model}\` is { ${fields.join(', ')} }; leave it out for any rows`);
  return changeOfKey(node, key);
}

/** @throws {TypeError} if the client was generated without this model. */
function assertDelegate(client: Delegates, { key, name, model }: ModelNode): void {
  const delegate: unknown = client[key];
  if (typeof delegate === 'object' && delegate !== null && 'findMany' in delegate) return;
  throw new TypeError(
    `models.${key}: the Prisma client has no \`${key}\`, though the datamodel has ${name} (${list(model.fields.map(field => field.name))}); run \`prisma generate\``,
  );
}
