import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { z } from 'zod';
import type { PrismaClient } from '../../../generated/test/sqlite/client/client.ts';
import type { Setup } from '../setup.ts';
import type { BenchTool, ToolResult } from '../tools.ts';
import { toolsOf, toResult } from '../tools.ts';
import { openPrisma } from './prisma.ts';

/** What a hand-written server knows: enough to answer the calls of the benchmark with the bytes that koa-mcp answers, and no more. */
export interface Bare {
  readonly tools: ReadonlyMap<string, BenchTool>;
  /** The result of `tools/list`, already JSON. */
  readonly list: string;
  readonly prisma: PrismaClient | undefined;
}

/** A request as the benchmark sends it. */
export interface BareMessage {
  readonly id: number;
  readonly method: string;
  readonly params: {
    readonly name: string;
    readonly arguments: Record<string, unknown>;
    readonly _meta?: { readonly progressToken?: string };
    readonly clientInfo?: object;
  };
}

/** An answer: JSON with headers of its own, or a stream of events. */
export type BareAnswer = { readonly json: string; readonly headers?: Readonly<Record<string, string>> } | { readonly stream: PassThrough };

export const streamHeaders = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform', 'X-Accel-Buffering': 'no' };

export async function bare(setup: Setup): Promise<Bare> {
  const tools = toolsOf(setup.app);
  const list = tools.map(({ name, description, inputSchema }) => {
    const { $schema: _, ...schema } = z.toJSONSchema(inputSchema, { io: 'input' });
    return { name, description, inputSchema: schema };
  });
  return {
    tools: new Map(tools.map(tool => [tool.name, tool])),
    list: JSON.stringify({ tools: list }),
    prisma: setup.database && (await openPrisma(setup.database)),
  };
}

/** Answers a request. `revision` is its header. */
export async function answer(app: Bare, message: BareMessage, revision: unknown): Promise<BareAnswer> {
  const { id, method, params } = message;
  if (method === 'tools/list') return { json: `{"jsonrpc":"2.0","id":${id},"result":${app.list}}` };
  if (method === 'initialize') return initialize(app, id, params.clientInfo ?? {});
  if (method === 'notifications/initialized') return { json: '' };
  const tool = app.tools.get(params.name);
  if (tool === undefined) throw new Error(`no tool ${params.name}`);
  const progressToken = params._meta?.progressToken;
  if (progressToken !== undefined) return { stream: await stream(app, tool, message, progressToken) };
  const result = toResult(tool, await tool.run(params.arguments, { prisma: app.prisma, progress: () => {} }));
  return { json: JSON.stringify({ jsonrpc: '2.0', id, result: revision === '2026-07-28' ? complete(result) : result }) };
}

function complete(result: ToolResult): object {
  return { resultType: 'complete', ...result, _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'bench', version: '1.0.0' } } };
}

async function initialize({ prisma }: Bare, id: number, clientInfo: object): Promise<BareAnswer> {
  const sessionId = `mcp_${randomBytes(32).toString('base64url')}`;
  const now = new Date();
  const row = {
    id: sessionId,
    transport: 'streamable',
    revision: '2025-11-25',
    principal: null,
    clientInfo,
    capabilities: {},
    logLevel: null,
    initialized: false,
    createdAt: now,
    lastSeenAt: now,
    expiresAt: new Date(now.getTime() + 7 * 24 * 60 * 60 * 1000),
  };
  await prisma?.mcpSession.create({ data: row, select: { id: true } });
  const capabilities = { tools: { listChanged: true }, logging: {} };
  const result = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'bench', version: '1.0.0' } };
  return { json: JSON.stringify({ jsonrpc: '2.0', id, result }), headers: { 'Mcp-Session-Id': sessionId } };
}

/** Events with ids that a client could come back with, as koa-mcp sends them. */
async function stream(app: Bare, tool: BenchTool, { id, params }: BareMessage, progressToken: string): Promise<PassThrough> {
  const body = new PassThrough();
  // As long as those of koa-mcp, which name the request.
  const name = `${randomBytes(24).toString('base64url')}.MQ`;
  let seq = 0;
  const send = (message: object) => body.write(`id: ${name}_${++seq}\nevent: message\ndata: ${JSON.stringify(message)}\n\n`);
  body.write(`id: ${name}_0\ndata: \n\n`);
  const progress = (progress: number, total: number, message: string) => {
    send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress, total, message } });
  };
  const result = toResult(tool, await tool.run(params.arguments, { prisma: app.prisma, progress }));
  send({ jsonrpc: '2.0', id, result });
  body.end();
  return body;
}
