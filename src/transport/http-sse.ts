import type Koa from 'koa';
import { McpError } from '../errors.ts';
import type { JsonRpcRequest } from '../protocol/jsonrpc.ts';
import { errorText, parseMessage, resultText } from '../protocol/jsonrpc.ts';
import { initializeResult, parseInitialize } from '../protocol/lifecycle.ts';
import { findRevision, oldest } from '../protocol/revisions.ts';
import type { Session } from '../session/store.ts';
import type { Environment } from './environment.ts';
import { respondStream } from './event-stream.ts';
import { negotiateAnswer, notAcceptable, respondAccepted } from './respond.ts';
import { serveRequest, takeNotification } from './serve.ts';

/**
 * GET of the HTTP+SSE transport (2024-11-05): opens a session whose stream carries every message of the server.
 *
 * The first event names the endpoint for the client's messages: an absolute path, since some clients resolve it against the origin alone.
 *
 * @param messagesPath Path of the message endpoint, below what the app is mounted at.
 * @see https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
 */
export async function openSse(environment: Environment, ctx: Koa.Context, messagesPath: string): Promise<void> {
  if (!negotiateAnswer(ctx).acceptsStream) throw notAcceptable('text/event-stream');
  const { sessions, streams } = environment;
  const principal = await environment.principal(ctx);
  // Until `initialize` says more. Clients that reconnect go on without one, and the newer of them repeat what they had agreed on.
  const clientInfo = { name: 'unknown', version: '0' };
  const version = findRevision(ctx.req.headers['mcp-protocol-version']);
  const revision = version?.era === 'legacy' ? version : oldest;
  const session = await sessions.open({ transport: 'sse', revision: revision.id, principal, clientInfo, capabilities: {} });
  const release = sessions.retain(session.id);
  const stream = streams.open();
  const remove = streams.add(session.id, stream);
  stream.once('close', () => {
    release();
    remove();
    // The stream is the session: without it no answer can reach the client.
    sessions.end(session.id).catch((error: unknown) => environment.report(error, ctx));
  });
  if (ctx.res.destroyed) stream.destroy();
  stream.event('endpoint', `${prefixOf(ctx)}${messagesPath}?sessionId=${session.id}`);
  ctx.set('Mcp-Session-Id', session.id);
  respondStream(ctx, stream);
}

/**
 * POST of the HTTP+SSE transport: takes one message with 202; whatever there is to answer goes on the stream.
 *
 * @throws {McpError} 400 no session id, or no message; 404 unknown session; 409 a session whose stream is not here.
 */
export async function postSse(environment: Environment, ctx: Koa.Context, id: string | undefined): Promise<void> {
  if (id === undefined)
    throw new McpError('InvalidRequest', '`sessionId` is missing: POST to the endpoint that the stream named', { status: 400 });
  const session = await environment.sessions.find(id, await environment.principal(ctx));
  if (session === undefined || session.transport !== 'sse') {
    throw new McpError('InvalidRequest', 'Session not found: it never was, or its stream has ended; open the stream again', {
      status: 404,
    });
  }
  if (!environment.streams.has(session.id)) {
    throw new McpError('InvalidRequest', 'The stream of this session is not open here', { status: 409 });
  }
  const message = parseMessage(await environment.readBody(ctx));
  // Acknowledged before it is served: clients wait for this before they send the next, a cancellation for instance.
  respondAccepted(ctx);
  switch (message.kind) {
    case 'notification':
      return takeNotification(environment, session, message.message);
    case 'response':
      return environment.requests.settle(session.id, message.message);
    case 'request':
      serve(environment, ctx, session, message.message).catch((error: unknown) => environment.report(error, ctx));
  }
}

async function serve(environment: Environment, ctx: Koa.Context, session: Session, request: JsonRpcRequest): Promise<void> {
  const { streams } = environment;
  const response =
    request.method === 'initialize'
      ? await initialize(environment, session, request)
      : await serveRequest(environment, ctx, session, request, { send: message => streams.send(session.id, message) });
  if (response !== undefined) streams.send(session.id, response);
}

async function initialize({ sessions, server }: Environment, session: Session, { id, params }: JsonRpcRequest): Promise<string> {
  try {
    const { revision, capabilities, clientInfo } = parseInitialize(params);
    await sessions.update(session.id, { revision: revision.id, capabilities, clientInfo });
    return resultText(id, JSON.stringify(initializeResult(server.registry, revision)));
  } catch (error) {
    if (!McpError.isError(error)) throw error;
    return errorText(id, error);
  }
}

/** What stands before the app's own paths in the URL that the client sees. */
function prefixOf(ctx: Koa.Context): string {
  const forwarded = ctx.app.proxy ? ctx.get('X-Forwarded-Prefix').replace(/\/+$/u, '') : '';
  const [original = ''] = ctx.originalUrl.split('?', 1);
  const mounted = original.endsWith(ctx.path) ? original.slice(0, original.length - ctx.path.length) : '';
  return `${forwarded.startsWith('/') ? forwarded : ''}${mounted}`;
}
