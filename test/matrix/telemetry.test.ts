import { propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { tasksExtension } from '../../src/protocol/revisions.ts';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { RecordedTelemetry } from '../support/telemetry.ts';
import { recordTelemetry } from '../support/telemetry.ts';
import type { Exchange } from '../support/wire.ts';
import { everything } from './app.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions } from './revisions.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

describeRevisions('telemetry', row => {
  const { options, happened } = everything();
  const asks = row.asks.has('elicitation/create');
  let telemetry: RecordedTelemetry;
  let server: TestServer;
  let peer: Peer;
  let inHandler: { traceId: string | undefined; spanId: string | undefined; baggage: string | undefined };
  const tools = {
    ...options.tools,
    look: {
      description: 'Sees the active span',
      handler: () => {
        const active = trace.getActiveSpan()?.spanContext();
        const baggage = propagation.getActiveBaggage()?.getEntry('user')?.value;
        inHandler = { traceId: active?.traceId, spanId: active?.spanId, baggage };
        trace.getTracer('app').startSpan('of the handler').end();
      },
    },
    ask: {
      description: 'Asks for a name',
      handler: async (_: unknown, { mcp }: HandlerContext) => {
        const { action } = await mcp.elicit({ message: 'Who?', requestedSchema: z.object({ name: z.string() }) });
        return action;
      },
    },
    work: {
      description: 'A task',
      task: 'required' as const,
      handler: () => trace.getTracer('app').startSpan('of the task').end(),
    },
  };
  beforeAll(async () => {
    telemetry = recordTelemetry();
    // As an instrumentation of HTTP does it.
    const http = trace.getTracer('http');
    server = await start(
      { ...options, cache: {}, tools, principal: () => 'ada' },
      {
        before: [
          async (ctx, next) => {
            if (ctx.get('x-traced') === '') return next();
            await http.startActiveSpan('POST', async span => {
              await next();
              span.end();
            });
          },
        ],
      },
    );
    const tasks = row.tasks?.decides === 'server' ? { extensions: { [tasksExtension]: {} } } : {};
    peer = await connect(server.url, row, { elicitation: {}, ...tasks });
  });
  afterEach(() => void telemetry.take());
  afterAll(async () => {
    telemetry[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const of = (name: string): ReadableSpan => {
    const found = telemetry.spans.filter(span => span.name === name);
    expect(found, telemetry.spans.map(span => span.name).join()).toHaveLength(1);
    return found[0] as ReadableSpan;
  };
  const call = (name: string, args: object = {}) => peer.request('tools/call', { name, arguments: args }, { id: 'r-7' });
  /** Calls a tool with these members in `_meta`. */
  const callWith = (name: string, meta: object): Promise<Exchange> =>
    row.era === 'legacy'
      ? peer.raw({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name, _meta: meta } }, { 'x-traced': 'yes' })
      : new ModernClient(server.url).request('tools/call', { name }, { meta: { ...meta }, headers: { 'x-traced': 'yes' } });
  const common = () => ({
    'mcp.protocol.version': row.id,
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'network.protocol.version': '1.1',
    'client.address': '127.0.0.1',
    'client.port': expect.any(Number),
    ...(row.era === 'legacy' && { 'mcp.session.id': expect.stringMatching(/^mcp_[\w-]{8}$/u) }),
  });

  it('names the spans of a handshake, and of calls by their tools and prompts', async () => {
    const spans = telemetry.take();
    const handshake = spans.map(({ name }) => name);
    expect(handshake).toEqual(row.era === 'legacy' ? ['initialize', 'notifications/initialized'] : ['server/discover']);
    expect(spans[0]?.attributes).toMatchObject(common());

    await call('echo', { text: 'secret words' });
    expect(of('tools/call echo')).toMatchObject({ kind: SpanKind.SERVER, status: { code: SpanStatusCode.UNSET } });
    expect(of('tools/call echo').attributes).toEqual({
      ...common(),
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.name': 'echo',
      'gen_ai.operation.name': 'execute_tool',
      'jsonrpc.request.id': 'r-7',
    });
    const [prompt] = Object.keys(options.prompts ?? {});
    await peer.request('prompts/get', { name: prompt, arguments: {} });
    expect(telemetry.spans.find(({ name }) => name === `prompts/get ${prompt}`)?.attributes).toMatchObject({
      'gen_ai.prompt.name': prompt,
    });
    await peer.request('resources/read', { uri: 'test://fixed' });
    expect(of('resources/read').attributes).toMatchObject({ ...common(), 'mcp.resource.uri': 'test://fixed' });
    await peer.request('tools/list');
    expect(of('tools/list').attributes).toMatchObject({ ...common(), 'mcp.method.name': 'tools/list' });
  });

  it('has the client’s span as parent and that of HTTP as a link, and handlers see it with the client’s baggage', async () => {
    await callWith('look', { traceparent: `00-${traceId}-${parentId}-01`, tracestate: 'a=b', baggage: 'user=ada' });
    const span = of('tools/call look');
    expect(span.parentSpanContext).toMatchObject({ traceId, spanId: parentId, isRemote: true });
    expect(span.spanContext().traceState?.serialize()).toBe('a=b');
    expect(span.links.map(link => link.context.spanId)).toEqual([of('POST').spanContext().spanId]);
    expect(inHandler).toEqual({ traceId, spanId: span.spanContext().spanId, baggage: 'ada' });
    expect(of('of the handler').parentSpanContext?.spanId).toBe(span.spanContext().spanId);
  });

  it.each([
    ['nothing', {}],
    ['values that are no text', { traceparent: 1, baggage: { a: 1 }, tracestate: [] }],
    ['a malformed trace context', { traceparent: '00-xyz' }],
  ])('has the span of HTTP as parent if the client sends %s', async (_, meta) => {
    await callWith('look', meta);
    const span = of('tools/call look');
    expect(span.parentSpanContext?.spanId).toBe(of('POST').spanContext().spanId);
    expect(span.links).toEqual([]);
  });

  it('tells of errors by their codes, without what the client or the model is told', async () => {
    const failed = (name: string) => {
      const { attributes, status, events } = of(name);
      expect(events).toEqual([]);
      return [attributes['error.type'], attributes['rpc.response.status_code'], status];
    };
    const error = (message?: string) => ({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
    await call('refuse');
    expect(failed('tools/call refuse')).toEqual(['tool_error', undefined, error()]);
    await call('crash');
    const [{ ref } = { ref: '' }] = server.errors.splice(0) as (Error & { ref: string })[];
    expect(ref).toMatch(/^[\da-f]{8}$/u);
    expect(failed('tools/call crash')).toEqual(['tool_error', undefined, error(`Internal error (ref ${ref})`)]);
    await call('coded');
    expect(failed('tools/call coded')).toEqual(['4711', '4711', error('Invalid params')]);
    await call('no-such-tool');
    expect(failed('tools/call')).toEqual(['-32602', '-32602', error('Invalid params')]);
    expect(of('tools/call').attributes).not.toHaveProperty('gen_ai.tool.name');
    await peer.raw({ jsonrpc: '2.0', id: 1, method: 'made/up', params: {} });
    if (row.era === 'legacy') expect(failed('_OTHER')).toEqual(['-32601', '-32601', error('Method not found')]);
    expect(JSON.stringify(telemetry.spans.map(({ name, attributes, status }) => [name, attributes, status]))).not.toMatch(
      /hunter2|Sold out|slot|made|no-such/u,
    );
  });

  it('leaves no span open when a client cancels a call, or goes away from it', async () => {
    for (const how of ['cancel', 'disconnect'] as const) {
      const started = new Promise(resolve => happened.once('started', resolve));
      const { done, cancel, disconnect } = peer.begin('wait', how === 'cancel' ? 81 : 82);
      await started;
      expect(telemetry.open()).toEqual(['tools/call wait']);
      await (how === 'cancel' ? cancel() : disconnect());
      // A client with a session has not given the call up by going away.
      if (how === 'disconnect' && row.era === 'legacy') happened.emit('go');
      await expect.poll(() => telemetry.open()).toEqual([]);
      await done;
      const { attributes } = of('tools/call wait');
      expect(attributes['error.type']).toBe(how === 'disconnect' && row.era === 'legacy' ? undefined : 'cancelled');
      telemetry.take();
    }
  });

  it.runIf(asks)('has one span for a call that asks its client, or one for each part if the call is sent again', async () => {
    await peer.converse('ask', {}, () => ({ action: 'decline' }));
    const spans = telemetry.spans.filter(({ name }) => name === 'tools/call ask');
    expect(spans.map(({ attributes }) => attributes['mcp.result.type'])).toEqual(
      row.era === 'modern' ? ['input_required', undefined] : [undefined],
    );
    expect(spans.map(({ status }) => status.code)).toEqual(spans.map(() => SpanStatusCode.UNSET));
  });

  it.runIf(row.tasks)('has the run of a task as a trace of its own, which is linked to the call', async () => {
    await peer.request('tools/call', { name: 'work', arguments: {}, ...(row.tasks?.decides === 'client' && { task: {} }) });
    await expect.poll(() => telemetry.spans.map(({ name }) => name)).toContain('execute_tool work');
    const [started, run] = [of('tools/call work'), of('execute_tool work')];
    expect(started.attributes['mcp.result.type']).toBe('task');
    expect(run.parentSpanContext).toBeUndefined();
    expect(run.links.map(link => link.context)).toEqual([started.spanContext()]);
    expect(run.attributes).toEqual({
      'gen_ai.tool.name': 'work',
      'gen_ai.operation.name': 'execute_tool',
      'mcp.protocol.version': row.id,
      ...(row.era === 'legacy' && { 'mcp.session.id': started.attributes['mcp.session.id'] }),
    });
    expect(of('of the task').parentSpanContext?.spanId).toBe(run.spanContext().spanId);
  });

  it('records the duration of each message by method, tool and error, without the ids of requests and sessions', async () => {
    await call('refuse');
    const points = await telemetry.points('mcp.server.operation.duration');
    const refused = points.find(({ attributes }) => attributes['gen_ai.tool.name'] === 'refuse');
    expect(refused?.attributes).toEqual({
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.name': 'refuse',
      'gen_ai.operation.name': 'execute_tool',
      'mcp.protocol.version': row.id,
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'network.protocol.version': '1.1',
      'error.type': 'tool_error',
    });
    expect(refused?.value.buckets.boundaries).toEqual([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]);
  });
});
