import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { z } from 'zod';
import { mcp, memoryStore } from '../../src/index.ts';
import { sameLimits } from '../models/served.ts';
import { modernRequest } from '../support/modern.ts';
import { compactPath, isGeneric } from './compact-requests.ts';
import type { HuntDatabase } from './database.ts';
import { toWire } from './database.ts';
import type { Declaration } from './declaration.ts';
import { modelsOption } from './declaration.ts';
import type { Json } from './oracle.ts';
import type { Caller } from './policies.ts';
import { serverName } from './resource-requests.ts';

export const eras = ['2025-11-25', '2026-07-28'] as const;
export type Era = (typeof eras)[number];

/** What a request was answered. */
export type Outcome = { readonly kind: 'answer'; readonly value: unknown } | { readonly kind: 'refusal'; readonly text: string };

/** A real endpoint over one database. */
export interface Endpoint {
  /** Errors that the app's `error` event told. */
  readonly errors: readonly Error[];
  send(caller: Caller, era: Era, method: string, params: Json): Promise<Outcome>;
  close(): Promise<void>;
}

interface Place {
  readonly port: number;
  readonly agent: Agent;
  readonly path: string;
}

/** Serves a declaration to callers who name themselves in a header. */
export async function serve(db: HuntDatabase, declaration: Declaration, callers: readonly Caller[]): Promise<Endpoint> {
  const app = new Koa();
  const errors: Error[] = [];
  app.on('error', error => errors.push(error));
  app.use(async (ctx, next) => {
    ctx.state['caller'] = callers[Number(ctx.get('x-caller'))];
    await next();
  });
  const callerOf = (ctx: unknown): Caller => (ctx as { state: { caller: Caller } }).state.caller;
  const options = { name: serverName, prisma: db.prisma, datamodel: db.datamodel, limits: { where: sameLimits } };
  const principal = (ctx: unknown): string => `caller ${callerOf(ctx).index}`;
  const compact = mcp({
    ...options,
    path: compactPath,
    style: 'compact',
    models: modelsOption(declaration, callerOf),
    sessions: { store: memoryStore() },
    principal,
  });
  const middleware = mcp({
    ...options,
    models: modelsOption(declaration, callerOf),
    sessions: { store: memoryStore() },
    principal,
    tools: {
      query: {
        description: 'Runs a query of the scoped client',
        inputSchema: z.object({ model: z.string(), operation: z.string(), args: z.any() }),
        handler: async ({ model, operation, args }, { prisma }) => JSON.stringify(await runQuery(prisma, model, operation, args)),
      },
    },
  });
  app.use(middleware).use(compact);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A connection that the server closes while a request is on its way would fail the hunt.
  server.keepAliveTimeout = 0;
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const place: Place = { port: (server.address() as AddressInfo).port, agent, path: '/mcp' };
  const sessions = new Map<string, Promise<string>>();
  const sessionOf = (at: Place, caller: Caller) => {
    const name = `${at.path} ${caller.index}`;
    const found = sessions.get(name) ?? openSession(at, caller);
    sessions.set(name, found);
    return found;
  };
  return {
    errors,
    send: async (caller, era, method, params) => {
      const base = { 'x-caller': String(caller.index) };
      const at = isGeneric(params?.name) ? { ...place, path: compactPath } : place;
      if (era === '2026-07-28') {
        const { body, headers } = modernRequest(method, params);
        return outcomeOf(method, (await post(at, body, { ...base, ...headers })).message);
      }
      const headers = { ...base, 'mcp-session-id': await sessionOf(at, caller), 'mcp-protocol-version': era };
      return outcomeOf(method, (await post(at, { jsonrpc: '2.0', id: 1, method, params }, headers)).message);
    },
    close: async () => {
      await Promise.all([middleware, compact].map(each => each.close({ deadlineMs: 1000 })));
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What the tool of the host does with the scoped client. An error of Prisma is told by its code. */
async function runQuery(prisma: unknown, model: string, operation: string, args: Json): Promise<Json> {
  try {
    const delegates = prisma as Record<string, Record<string, (args: Json) => Promise<unknown>>>;
    return { value: toWire(await delegates[model]?.[operation]?.(args)) };
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    // Prisma's own messages quote the query, and the host's code would not show them.
    return { refused: code ?? (name === 'TypeError' || name === 'ToolError' ? `${name}: ${message}` : `unexpected ${name}: ${message}`) };
  }
}

async function openSession(place: Place, caller: Caller): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'hunter', version: '1.0.0' } };
  const headers = { 'x-caller': String(caller.index) };
  const { sessionId } = await post(place, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, headers);
  if (sessionId === undefined) throw new Error('the endpoint opened no session');
  await post(place, { jsonrpc: '2.0', method: 'notifications/initialized' }, { ...headers, 'mcp-session-id': sessionId });
  return sessionId;
}

/** Sends one message over a kept connection. `fetch` would take three times as long. */
function post(
  { port, agent, path }: Place,
  body: unknown,
  headers: Record<string, string>,
): Promise<{ message: Json; sessionId: string | undefined }> {
  const text = JSON.stringify(body);
  const options = {
    agent,
    port,
    host: '127.0.0.1',
    method: 'POST',
    path,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'content-length': Buffer.byteLength(text),
      ...headers,
    },
  };
  return new Promise((resolve, reject) => {
    const request = httpRequest(options, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const answered = Buffer.concat(chunks).toString();
        const sessionId = response.headers['mcp-session-id'];
        try {
          resolve({ message: answered === '' ? undefined : JSON.parse(answered), sessionId: sessionId as string | undefined });
        } catch {
          reject(new Error(`no JSON: ${response.statusCode} ${answered.slice(0, 200)}`));
        }
      });
    });
    request.on('error', reject);
    request.end(text);
  });
}

function outcomeOf(method: string, { result, error }: Json): Outcome {
  if (error !== undefined) return { kind: 'refusal', text: `${error.code} ${error.message}` };
  if (method === 'resources/read') {
    const [{ text }] = result.contents;
    return { kind: 'answer', value: JSON.parse(text) };
  }
  if (method === 'prompts/get') {
    const [words, { content }] = result.messages;
    return { kind: 'answer', value: { words: words.content.text, uri: content.resource.uri, row: JSON.parse(content.resource.text) } };
  }
  if (method === 'completion/complete') return { kind: 'answer', value: result.completion.values };
  if (method === 'resources/list') return { kind: 'answer', value: result.resources.map(({ name }: Json) => name) };
  if (method === 'resources/templates/list') return { kind: 'answer', value: result.resourceTemplates.map(({ name }: Json) => name) };
  if (method !== 'tools/call') return { kind: 'answer', value: {} };
  const [{ text }] = result.content;
  if (result.isError === true) return { kind: 'refusal', text };
  const structured = result.structuredContent;
  // The text of a fetched row is JSON.
  if (structured?.metadata !== undefined) return { kind: 'answer', value: { ...structured, text: JSON.parse(structured.text) } };
  if (structured !== undefined) return { kind: 'answer', value: structured };
  const { refused, value } = JSON.parse(text);
  return refused === undefined ? { kind: 'answer', value } : { kind: 'refusal', text: refused };
}
