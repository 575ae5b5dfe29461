import { EventEmitter, once } from 'node:events';
import Module, { createRequire } from 'node:module';
import { trace } from '@opentelemetry/api';
import type Koa from 'koa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../src/index.ts';
import { memoryStore, StoreUnavailable } from '../src/index.ts';
import { seeded } from './models/served.ts';
import type { Json } from './security/world.ts';
import { ask, openAs, signIn } from './security/world.ts';
import { ModernClient } from './support/modern.ts';
import { start } from './support/server.ts';
import { initializeParams, openSse } from './support/sse.ts';
import type { RecordedTelemetry } from './support/telemetry.ts';
import { recordTelemetry } from './support/telemetry.ts';
import { open } from './support/wire.ts';

const echo = {
  description: 'Says it again',
  inputSchema: z.object({ text: z.string().optional() }),
  handler: ({ text = '' }: { text?: string }) => text,
};
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const sent = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, baggage: 'user=ada' };

/** A span for each request, as an instrumentation of HTTP makes it. */
const traced: Koa.Middleware = (_, next) =>
  trace.getTracer('http').startActiveSpan('request', async span => {
    await next();
    span.end();
  });

let telemetry: RecordedTelemetry;
beforeEach(() => {
  telemetry = recordTelemetry();
});
afterEach(() => telemetry[Symbol.dispose]());

const names = () => telemetry.spans.map(({ name }) => name);

describe('spans', () => {
  it('are the context of the queries of ctx.prisma, of the tools of models and of policies', async () => {
    await using db = await seeded('sqlite');
    const queried: [string | undefined, string][] = [];
    const prisma = (db.prisma as Json).$extends({
      query: {
        booking: {
          $allOperations: ({ args, operation, query }: Json) => {
            queried.push([trace.getActiveSpan()?.spanContext().spanId, operation]);
            return query(args);
          },
        },
      },
    });
    const asked: (string | undefined)[] = [];
    const where = () => {
      asked.push(trace.getActiveSpan()?.spanContext().spanId);
      return { clientId: { gt: 0 } };
    };
    const tools = {
      mine: { description: 'Counts', handler: (_: unknown, ctx: HandlerContext<Json>) => ctx.prisma.booking.count() },
    };
    await using server = await start({ prisma, datamodel: db.datamodel, models: { booking: { where } }, tools } as Json);
    const session = await open(server.url);
    for (const tool of ['booking_findMany', 'mine']) {
      telemetry.take();
      queried.length = 0;
      asked.length = 0;
      expect((await session.call(tool)).isError).toBeUndefined();
      const [span] = telemetry.spans;
      expect(names()).toEqual([`tools/call ${tool}`]);
      expect(new Set([...asked, ...queried.map(([id]) => id)])).toEqual(new Set([span?.spanContext().spanId]));
      expect(queried.length).toBeGreaterThan(0);
    }
  });

  it('contain no hidden value, argument, row or text of an error, on any surface', async () => {
    await using db = await seeded('sqlite');
    const secret = 'needle-in-a-span';
    await db.prisma.booking.updateMany({ data: { internalNote: secret } });
    await db.prisma.client.updateMany({ data: { phone: secret, notes: secret } });
    const models: Json = {
      booking: {
        omit: { internalNote: true },
        operations: ['findUnique', 'findMany', 'create', 'update'],
        include: { client: true },
        where: () => ({ client: { is: { notes: secret } } }),
      },
      client: { omit: { phone: true, notes: true, passwordHash: true }, operations: ['findMany', 'update'] },
    };
    const tools = {
      fail: {
        description: 'Fails with a row',
        handler: async (_: unknown, ctx: HandlerContext<Json>) => {
          throw new Error(JSON.stringify(await ctx.prisma.booking.findFirst({ include: { client: true } })) + secret);
        },
      },
      show: { description: 'Refuses with a text', handler: (_: unknown, ctx: HandlerContext) => ctx.throw(400, secret) },
    };
    const resources = { note: { uriTemplate: 'note://{text}', handler: ({ text }: Json) => text } };
    const options = { prisma: db.prisma, datamodel: db.datamodel, models, tools, resources } as Json;
    await using server = await start(options, { before: [signIn] });
    const session = await openAs(server.url, 1);
    await ask(session, 'booking_findMany', { where: { internalNote: secret } });
    await ask(session, 'booking_findMany', { where: { client: { is: { name: secret } } } });
    await ask(session, 'client_update', { where: { id: 1 }, data: { name: secret, phone: secret } });
    await ask(session, 'client_update', { where: { id: 1 }, data: { name: secret } });
    await ask(session, 'booking_update', { where: { id: 1 }, data: { internalNote: secret } });
    await ask(session, 'booking_create', { data: { clientId: 1, price: secret, startsAt: secret } });
    await ask(session, 'fail');
    await ask(session, 'show', { [secret]: secret });
    await ask(session, secret).catch(() => undefined);
    for (const [method, params] of [
      ['resources/read', { uri: `note://${secret}` }],
      ['resources/subscribe', { uri: `note://${secret}` }],
      ['prompts/get', { name: secret, arguments: { a: secret } }],
      ['completion/complete', { ref: { type: 'ref/resource', uri: `note://${secret}` }, argument: { name: 'text', value: secret } }],
      [secret, {}],
    ] as const)
      await session.send({ jsonrpc: '2.0', id: secret.length, method, params });
    server.errors.splice(0);
    expect(telemetry.spans.length).toBeGreaterThan(10);
    const shown = telemetry.spans.map(({ name, attributes, status, events, links }) => ({ name, attributes, status, events, links }));
    expect(JSON.stringify(shown)).not.toContain(secret);
    expect(JSON.stringify(await telemetry.points('mcp.server.operation.duration'))).not.toContain(secret);
  });

  it('contain the URI of a template’s resource if the app wants them to', async () => {
    const resources = { note: { uriTemplate: 'note://{text}', handler: ({ text }: Json) => text } };
    await using server = await start({ resources, telemetry: { resourceUris: true } });
    await (await open(server.url)).result('resources/read', { uri: 'note://a' });
    expect(telemetry.spans.at(-1)).toMatchObject({ name: 'resources/read', attributes: { 'mcp.resource.uri': 'note://a' } });
  });

  it('are linked to the client’s instead of being its children, if the app wants that', async () => {
    await using server = await start({ tools: { echo }, telemetry: { clientContext: 'link' } });
    await new ModernClient(server.url).request('tools/call', { name: 'echo' }, { meta: sent });
    const [span] = telemetry.spans;
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.links.map(link => link.context.traceId)).toEqual([traceId]);
  });

  it('are not sampled if the client’s is not', async () => {
    await using server = await start({ tools: { echo } });
    await new ModernClient(server.url).request(
      'tools/call',
      { name: 'echo' },
      { meta: { traceparent: sent.traceparent.replace(/1$/u, '0') } },
    );
    expect(names()).toEqual([]);
    expect(await telemetry.points('mcp.server.operation.duration')).toHaveLength(1);
  });

  it('are the context of the app’s error event, but not of the reads of the log, which serve all requests', async () => {
    const store = memoryStore();
    const fail = {
      description: 'Fails',
      handler: () => {
        throw new Error('a fault');
      },
    };
    let inRequest = 0;
    const reads = new EventEmitter();
    const read = store.read.bind(store);
    store.read = (...args) => {
      if (trace.getActiveSpan() !== undefined) inRequest += 1;
      reads.emit('read');
      return read(...args);
    };
    await using server = await start({ tools: { fail }, sessions: { store, lookMs: 5 } }, { before: [traced] });
    const active: (string | undefined)[] = [];
    server.app.on('error', () => active.push(trace.getActiveSpan()?.spanContext().spanId));
    const session = await open(server.url);
    await session.call('fail');
    server.errors.splice(0);
    expect(active).toEqual([telemetry.spans.find(({ name }) => name === 'tools/call fail')?.spanContext().spanId]);
    const abort = new AbortController();
    await session.listen(abort.signal);
    for (let count = 0; count < 3; count += 1) await once(reads, 'read');
    abort.abort();
    expect(inRequest).toBe(0);
  });

  it('are one for each message of HTTP+SSE, and for each request of a batch', async () => {
    await using server = await start({ tools: { echo } });
    const sse = await openSse(`${server.origin}/mcp/sse`);
    await sse.request('initialize', initializeParams);
    await sse.request('tools/call', { name: 'echo' });
    await expect.poll(names).toEqual(['initialize', 'tools/call echo']);
    expect(telemetry.spans[1]?.attributes).toMatchObject({ 'mcp.protocol.version': '2024-11-05' });
    sse.close();
    const session = await open(server.url, { revision: '2025-03-26' });
    telemetry.take();
    await session.send([1, 2].map(id => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'echo' } })));
    expect(telemetry.spans.map(({ name, attributes }) => [name, attributes['jsonrpc.request.id']])).toEqual([
      ['tools/call echo', '1'],
      ['tools/call echo', '2'],
    ]);
  });

  it('end when the endpoint closes before a call has ended', async () => {
    let begun = () => {};
    const running = new Promise<void>(resolve => {
      begun = resolve;
    });
    const never = {
      description: 'Never ends',
      handler: () => {
        begun();
        return new Promise(() => {});
      },
    };
    await using server = await start({ tools: { never } });
    const session = await open(server.url);
    const answered = session.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'never' } });
    await running;
    expect(telemetry.open()).toEqual(['tools/call never']);
    await server.mcp.close({ deadlineMs: 50 });
    await answered;
    expect(telemetry.open()).toEqual([]);
    expect(telemetry.spans.at(-1)?.attributes).toMatchObject({ 'error.type': '-32603' });
  });

  it('end with -32603 and the reference if the database is away, which the client is told too', async () => {
    const store = memoryStore();
    await using server = await start({ tools: { echo }, sessions: { store } });
    const session = await open(server.url);
    store.update = () => Promise.reject(new StoreUnavailable('away'));
    const { text } = await session.send({ jsonrpc: '2.0', id: 1, method: 'logging/setLevel', params: { level: 'error' } });
    const [reported] = server.errors.splice(0) as (Error & { ref: string })[];
    expect(text).toContain(reported?.ref);
    const { attributes, status } = telemetry.spans.at(-1) ?? {};
    expect(attributes).toMatchObject({ 'mcp.method.name': 'logging/setLevel', 'error.type': '-32603' });
    expect(status?.message).toBe(`Internal error (ref ${reported?.ref})`);
  });
});

describe('mcp.server.session.duration', () => {
  it('is recorded once for each session that has ended, by its revision', async () => {
    await using server = await start({ tools: { echo } });
    const [first, second] = [await open(server.url), await open(server.url, { revision: '2025-06-18' })];
    await fetch(server.url, { method: 'DELETE', headers: first.headers });
    await server.mcp.sessions.end(second.id);
    await server.mcp.sessions.end(second.id);
    const points = await telemetry.points('mcp.server.session.duration');
    expect(points.map(({ attributes, value }) => [attributes['mcp.protocol.version'], value.count])).toEqual([
      ['2025-11-25', 1],
      ['2025-06-18', 1],
    ]);
    expect(points[0]?.value.max).toBeLessThan(60);
    expect(points[0]?.value.buckets.boundaries).toContain(0.01);
  });
});

describe('nothing is recorded', () => {
  it('with `telemetry: false`', async () => {
    await using server = await start({ tools: { echo }, telemetry: false });
    await (await open(server.url)).call('echo');
    expect(names()).toEqual([]);
    expect(await telemetry.points('mcp.server.operation.duration')).toEqual([]);
  });

  it('and nothing fails, if the app does not have the package', async () => {
    const modules = Module as Json;
    const resolve = modules._resolveFilename;
    // Another file of this worker may have loaded it, and what is loaded is not looked for again.
    const { cache, resolve: find } = createRequire(import.meta.url);
    const file = find('@opentelemetry/api');
    const loaded = cache[file];
    delete cache[file];
    modules._resolveFilename = (name: string, ...more: unknown[]) => {
      if (name === '@opentelemetry/api') throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
      return resolve.call(modules, name, ...more);
    };
    try {
      await using server = await start({ tools: { echo } });
      expect((await (await open(server.url)).call('echo', { text: 'hello' })).content).toEqual([{ type: 'text', text: 'hello' }]);
    } finally {
      modules._resolveFilename = resolve;
      cache[file] = loaded;
    }
    expect(names()).toEqual([]);
  });

  it('before the app has set OpenTelemetry up, but all from then on', async () => {
    telemetry[Symbol.dispose]();
    await using server = await start({ tools: { echo } });
    const session = await open(server.url);
    await session.call('echo');
    telemetry = recordTelemetry();
    await session.call('echo');
    expect(names()).toEqual(['tools/call echo']);
    expect(await telemetry.points('mcp.server.operation.duration')).toHaveLength(1);
  });
});
