import { setTimeout as delay } from 'node:timers/promises';
import type Koa from 'koa';
import { McpError } from '../errors.ts';
import type { Outlet } from '../protocol/call.ts';
import type { JsonRpcRequest, RequestId } from '../protocol/jsonrpc.ts';
import { errorText, parseMessage, resultText } from '../protocol/jsonrpc.ts';
import { initializeResult, parseInitialize } from '../protocol/lifecycle.ts';
import { findRevision, oldest } from '../protocol/revisions.ts';
import type { Session } from '../session/store.ts';
import type { Environment } from './environment.ts';
import { respondStream } from './event-stream.ts';
import { acceptedText } from './remote-calls.ts';
import { negotiateAnswer, notAcceptable, respondAccepted } from './respond.ts';
import { serveRequest, takeNotification, takeResponse } from './serve.ts';
import type { Taker } from './taker.ts';

/** A request that is answered within this time, in milliseconds, needs no row that says it was accepted. */
const quickMs = 10;

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
  const { sessions, streams, standalone } = environment;
  const principal = await environment.principal(ctx);
  await environment.announcements.listen();
  // Until `initialize` says more. Clients that reconnect go on without one, and the newer of them repeat what they had agreed on.
  const clientInfo = { name: 'unknown', version: '0' };
  const version = findRevision(ctx.req.headers['mcp-protocol-version']);
  const revision = version?.era === 'legacy' ? version : oldest;
  const session = await sessions.open({ transport: 'sse', revision: revision.id, principal, clientInfo, capabilities: {} });
  const release = sessions.retain(session.id);
  const stream = streams.open();
  stream.once('close', () => {
    release();
    // The stream is the session: without it no answer can reach the client.
    sessions.end(session.id, 'stream').catch((error: unknown) => environment.report(error, ctx));
  });
  if (ctx.res.destroyed) stream.destroy();
  stream.event('endpoint', `${prefixOf(ctx)}${messagesPath}?sessionId=${session.id}`);
  ctx.set('Mcp-Session-Id', session.id);
  await standalone.openSse(session.id, stream);
  respondStream(ctx, stream);
}

/**
 * POST of the HTTP+SSE transport: takes one message with 202; whatever there is to answer goes on the stream, wherever that is.
 *
 * @throws {McpError} 400 no session id, or no message; 404 unknown session; 409 a session whose stream is gone.
 */
export async function postSse(environment: Environment, ctx: Koa.Context, id: string | undefined): Promise<void> {
  if (id === undefined)
    throw new McpError('InvalidRequest', '`sessionId` is missing: POST to the endpoint that the stream named', { status: 400 });
  const principal = await environment.principal(ctx);
  const session = await environment.sessions.find(id, principal);
  if (session === undefined || session.transport !== 'sse') {
    environment.sessions.rejected(id, principal);
    throw new McpError('InvalidRequest', 'Session not found: it never was, or its stream has ended; open the stream again', {
      status: 404,
    });
  }
  const message = parseMessage(await environment.readBody(ctx));
  // Acknowledged before it is served: clients wait for this before they send the next, a cancellation for instance.
  respondAccepted(ctx);
  switch (message.kind) {
    case 'notification':
      return takeNotification(environment, session, message.message);
    case 'response':
      return takeResponse(environment, session, message.message);
    case 'request': {
      const taker = environment.standalone.takerOf(session.id);
      const served = serve(environment, ctx, session, message.message).catch((error: unknown) => void environment.report(error, ctx));
      if (taker !== undefined) await accept(environment, session, message.message.id, { served, taker });
    }
  }
}

/** @returns The position of the response, where that is a row. */
async function serve(environment: Environment, ctx: Koa.Context, session: Session, request: JsonRpcRequest): Promise<number | undefined> {
  const { standalone } = environment;
  const send = async (text: string): Promise<number | undefined> =>
    standalone.sendHere(session.id, text) ? undefined : standalone.send(session.id, text);
  const outlet: Outlet = {
    send: message => {
      send(message).catch((error: unknown) => environment.report(error, ctx));
      return true;
    },
  };
  const response =
    request.method === 'initialize'
      ? await initialize(environment, session, request)
      : await serveRequest(environment, ctx, session, request, outlet);
  return response === undefined ? undefined : send(response);
}

/**
 * Acknowledges a request whose response goes through another process once it cannot get lost: that process has taken its response, or the
 * row that says it was accepted here.
 *
 * @throws {McpError} 409 if no process holds the stream.
 */
async function accept(
  { standalone }: Environment,
  session: Session,
  id: RequestId,
  { served, taker }: { served: Promise<number | undefined>; taker: Taker },
): Promise<void> {
  try {
    const quick = await Promise.race([served.then(position => ({ position })), delay(quickMs)]);
    const position = quick === undefined ? await standalone.send(session.id, acceptedText(id)) : quick.position;
    if (position === undefined || (await taker.hasTaken(position))) return;
  } finally {
    taker.stop();
  }
  const message =
    'The stream of this session is gone, so no answer can reach its client; the request may have taken effect. Open the stream again';
  throw new McpError('InvalidRequest', message, { status: 409 });
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
