import { createRequire } from 'node:module';
import type { Attributes, Context, Histogram, Link, MeterProvider, TextMapGetter } from '@opentelemetry/api';
import { errorTable, internalErrorText } from './errors.ts';
import type { TelemetryOptions } from './options.ts';
import type { JsonObject } from './protocol/definitions.ts';
import { isObject } from './protocol/definitions.ts';
import type { Observe, Observed } from './protocol/observed.ts';
import { hasUri, methodOf, noteThrown, targetOf } from './protocol/observed.ts';
import type { Registry } from './protocol/registry.ts';
import type { Subject } from './session/session-log.ts';
import { shortSessionId } from './session/session-log.ts';

type Api = typeof import('@opentelemetry/api');

/** Spans and metrics of one endpoint. */
export interface Telemetry {
  readonly observe: Observe;
  /** Records how long a session has lived. */
  readonly sessionEnded: (session: Subject) => void;
}

/** What `telemetry` needs. */
export interface EndpointTelemetry extends TelemetryOptions {
  readonly registry: Registry;
}

const scope = 'koa-mcp';
/** The buckets, in seconds, that the conventions advise. */
const explicitBucketBoundaries = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

/**
 * Spans and metrics by the semantic conventions for MCP; `undefined` if the app does not have the package `@opentelemetry/api`.
 *
 * A message is a span `{mcp.method.name} {target}` of kind SERVER. The run of a task is a span `execute_tool {tool}` of its own trace, which is
 * linked to the call. Neither contains arguments, results or the text of an error.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/
 */
export function telemetry(options: EndpointTelemetry): Telemetry | undefined {
  const api = loadApi();
  return api && fromApi(api, options);
}

/** The package is an optional peer, so that it cannot be imported. */
function loadApi(): Api | undefined {
  const require = createRequire(import.meta.url);
  try {
    return require('@opentelemetry/api') as Api;
  } catch (error) {
    if (isObject(error) && error['code'] === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

function fromApi(api: Api, options: EndpointTelemetry): Telemetry {
  const { context, trace, SpanStatusCode } = api;
  const tracer = trace.getTracer(scope);
  const histograms = latestHistograms(api);
  const isUnused = unusedCheck(api);
  return {
    async observe(seen, work) {
      if (isUnused()) return work();
      const startedAt = performance.now();
      const start = seen.kind === 'task' ? startOfTask(api, seen, options) : startOfMessage(api, seen, options);
      const span = tracer.startSpan(start.name, start, start.parent);
      const within = trace.setSpan(start.parent, span);
      try {
        return await context.with(within, work);
      } catch (error) {
        noteThrown(seen, error);
        throw error;
      } finally {
        const end = endAttributes(seen);
        if (span.isRecording()) {
          span.setAttributes({ ...sessionAttributes(seen), ...end, ...resultType(seen) });
          const message = descriptionOf(seen);
          if (end['error.type'] !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
        }
        span.end();
        if (seen.kind === 'message') {
          const attributes = { ...start.measured, ...versionOf(seen), ...end };
          histograms().operation.record((performance.now() - startedAt) / 1000, attributes, within);
        }
      }
    },
    sessionEnded({ createdAt, revision }) {
      if (createdAt === undefined) return;
      const seconds = Math.max(0, Date.now() - createdAt.getTime()) / 1000;
      histograms().session.record(seconds, { ...versionOf({ revision }), ...httpAttributes });
    },
  };
}

/** Makes a check of whether the app has, up to now, set up neither tracing nor metrics. Spans that nobody records would cost a third of an echo. */
function unusedCheck({ createNoopMeter, metrics, ProxyTracerProvider, trace }: Api): () => boolean {
  const noTracing = new ProxyTracerProvider().getDelegate();
  const noMeter = createNoopMeter();
  return () => {
    const provider = trace.getTracerProvider();
    const tracing = provider instanceof ProxyTracerProvider ? provider.getDelegate() : provider;
    return tracing === noTracing && metrics.getMeterProvider().getMeter(scope) === noMeter;
  };
}

/** The histograms of the app's meter provider. The app may set the provider after it has made the endpoint. */
function latestHistograms({ metrics, ValueType }: Api): () => { operation: Histogram; session: Histogram } {
  let provider: MeterProvider | undefined;
  let made: { operation: Histogram; session: Histogram } | undefined;
  const create = (current: MeterProvider) => {
    const meter = current.getMeter(scope);
    const histogram = (name: string, description: string) =>
      meter.createHistogram(name, { description, unit: 's', valueType: ValueType.DOUBLE, advice: { explicitBucketBoundaries } });
    return {
      operation: histogram(
        'mcp.server.operation.duration',
        'MCP request or notification duration as observed on the receiver from the time it was received until the result or ack is sent.',
      ),
      session: histogram('mcp.server.session.duration', 'The duration of the MCP session as observed on the MCP server.'),
    };
  };
  return () => {
    const current = metrics.getMeterProvider();
    if (made === undefined || current !== provider) made = create(current);
    provider = current;
    return made;
  };
}

/** How a span begins. */
interface SpanStart {
  readonly name: string;
  readonly kind: number;
  readonly attributes: Attributes;
  readonly links: Link[];
  readonly parent: Context;
  /** The attributes that the metric has too. */
  readonly measured: Attributes;
}

const httpAttributes: Attributes = { 'network.transport': 'tcp', 'network.protocol.name': 'http' };

function startOfMessage(api: Api, seen: Observed, { registry, clientContext, resourceUris }: EndpointTelemetry): SpanStart {
  const { id, peer, params } = seen;
  const method = methodOf(seen);
  const { tool, prompt, uri } = targetOf(registry, seen);
  const target = tool ?? prompt;
  const measured: Attributes = {
    'mcp.method.name': method,
    ...targetAttributes(tool, prompt),
    ...httpAttributes,
    'network.protocol.version': peer.httpVersion,
  };
  const attributes = {
    ...measured,
    ...sessionAttributes(seen),
    'jsonrpc.request.id': id === undefined ? undefined : String(id),
    'mcp.resource.uri': resourceUris === true ? sentUri(seen) : uri,
    'client.address': peer.address,
    'client.port': peer.port,
  };
  const name = target === undefined ? method : `${method} ${target}`;
  const meta = params?.['_meta'];
  return { name, kind: api.SpanKind.SERVER, attributes, measured, ...parentOf(api, isObject(meta) ? meta : {}, clientContext) };
}

function startOfTask(api: Api, seen: Observed, { registry }: EndpointTelemetry): SpanStart {
  const { tool } = targetOf(registry, seen);
  const measured = targetAttributes(tool, undefined);
  const active = api.context.active();
  const call = api.trace.getSpanContext(active);
  return {
    name: `execute_tool ${tool}`,
    kind: api.SpanKind.INTERNAL,
    attributes: { ...measured, ...sessionAttributes(seen) },
    links: call === undefined ? [] : [{ context: call }],
    parent: api.trace.deleteSpan(active),
    measured,
  };
}

const fromMeta: TextMapGetter<JsonObject> = {
  get: (meta, key) => {
    const value = meta[key];
    return typeof value === 'string' ? value : undefined;
  },
  keys: Object.keys,
};

/** The client's span is the parent, if its `_meta` names one, and the span of the HTTP request is linked. Otherwise the latter is the parent. */
function parentOf(
  { context, propagation, trace }: Api,
  meta: JsonObject,
  clientContext: TelemetryOptions['clientContext'],
): Pick<SpanStart, 'parent' | 'links'> {
  const active = context.active();
  const extracted = propagation.extract(active, meta, fromMeta);
  const ambient = trace.getSpanContext(active);
  const client = trace.getSpanContext(extracted);
  const isSent = client !== undefined && client !== ambient;
  if (clientContext === 'link') return { parent: active, links: isSent ? [{ context: client }] : [] };
  return { parent: extracted, links: isSent && ambient !== undefined ? [{ context: ambient }] : [] };
}

function targetAttributes(tool: string | undefined, prompt: string | undefined): Attributes {
  if (tool !== undefined) return { 'gen_ai.tool.name': tool, 'gen_ai.operation.name': 'execute_tool' };
  return prompt === undefined ? {} : { 'gen_ai.prompt.name': prompt };
}

/** What `initialize` makes known only at its end. Of the session id, only the beginning: enough to find the row. */
function sessionAttributes(seen: Observed): Attributes {
  const { sessionId } = seen;
  return { ...versionOf(seen), ...(sessionId !== undefined && { 'mcp.session.id': shortSessionId(sessionId) }) };
}

function versionOf({ revision }: Pick<Observed, 'revision'>): Attributes {
  return revision === undefined ? {} : { 'mcp.protocol.version': revision };
}

function sentUri({ method, params }: Observed): string | undefined {
  const uri = params?.['uri'];
  return typeof uri === 'string' && hasUri(method) ? uri : undefined;
}

/** What spans and the metric tell of the end. */
function endAttributes({ outcome, error }: Observed): Attributes {
  if (outcome === 'tool_error') return { 'error.type': 'tool_error' };
  if (outcome === 'cancelled') return { 'error.type': 'cancelled' };
  if (outcome !== 'error') return {};
  const code = String(error?.code ?? errorTable.InternalError.code);
  return { 'error.type': code, 'rpc.response.status_code': code };
}

/** `resultType` of 2026-07-28; older revisions have tasks too. */
function resultType({ outcome }: Observed): Attributes {
  return outcome === 'input_required' || outcome === 'task' ? { 'mcp.result.type': outcome } : {};
}

/** The client may have been told more, such as a value that it has sent. */
function descriptionOf({ outcome, error, ref }: Observed): string | undefined {
  if (outcome !== 'error' && outcome !== 'tool_error') return undefined;
  if (ref !== undefined) return internalErrorText(ref);
  return error && errorTable[error.type].message;
}
