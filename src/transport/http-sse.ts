import type Koa from 'koa';
import { newConnectionName } from '../delivery/stream-ids.ts';
import { McpError } from '../errors.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText, parseMessage } from '../protocol/jsonrpc.ts';
import { findRevision, oldest } from '../protocol/revisions.ts';
import type { Session } from '../store/store.ts';
import type { Environment } from './environment.ts';
import { respondStream } from './event-stream.ts';
import { negotiateAnswer, notAcceptable, prefixOf, respondAccepted, respondTooMany, toMcpError, tooMany } from './http.ts';
import type { SessionRequest } from './serve.ts';
import { initialized, serveRequest, sessionLook, takeNotification, takeResponse } from './serve.ts';
import type { AcceptedRequest } from './sse-relay.ts';

/**
 * GET of the HTTP+SSE transport (2024-11-05): opens a session whose stream carries every message of the server.
 *
 * The first event names the URL for the client's messages. It is an absolute path, because some clients resolve it against the origin
 * alone.
 *
 * @param messagesPath Path of the message endpoint, relative to where the app is mounted.
 * @see https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
 */
export async function openSse(environment: Environment, ctx: Koa.Context, messagesPath: string): Promise<void> {
  if (!negotiateAnswer(ctx).acceptsStream) throw notAcceptable('text/event-stream');
  const { sessions, streams, relay } = environment;
  const principal = await environment.principal(ctx);
  const exceeded = await environment.initializeRate.take(principal);
  if (exceeded !== undefined) throw tooMany(ctx, exceeded);
  // These values hold until `initialize`. Clients that reconnect may skip `initialize`; newer ones then repeat the negotiated revision in a
  // header.
  const clientInfo = { name: 'unknown', version: '0' };
  const version = findRevision(ctx.req.headers['mcp-protocol-version']);
  const revision = version?.era === 'legacy' ? version : oldest;
  const connection = newConnectionName(environment);
  await relay.prepare();
  const session = await sessions.open({
    transport: 'sse',
    revision: revision.id,
    principal,
    clientInfo,
    capabilities: {},
    connection,
  });
  const stream = streams.open();
  const release = sessions.retain(session.id);
  stream.once('close', () => {
    release();
    // A session of this transport ends with its stream: without the stream no answer can reach the client.
    sessions.end(session.id, 'stream').catch((error: unknown) => environment.report(error, ctx));
  });
  relay.open(session.id, stream, sessionLook(environment, ctx, session));
  if (ctx.res.destroyed) stream.destroy();
  stream.event('endpoint', `${prefixOf(ctx)}${messagesPath}?sessionId=${session.id}`);
  ctx.set('Mcp-Session-Id', session.id);
  respondStream(ctx, stream);
}

/**
 * POST of the HTTP+SSE transport: takes one message and answers 202. The response goes to the session's stream, in whichever process that
 * is.
 *
 * @throws {McpError} 400 no session id, or no message; 404 unknown session; 409 the process with the stream has died; 503 that process does
 * not answer or is about to end the stream.
 * @throws {StoreUnavailable} The database does not answer.
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
  switch (message.kind) {
    case 'notification':
      await takeNotification(environment, ctx, session, message.message);
      break;
    case 'response':
      await takeResponse(environment, session, message.message);
      break;
    case 'request': {
      const request = message.message;
      const exceeded = await environment.callRate.take(principal);
      if (exceeded !== undefined) return respondTooMany(ctx, exceeded, request.id);
      const accepted = environment.relay.acceptHere(id, request.id) ?? (await accept(environment, session, request.id));
      // The 202 does not wait for the response. Clients wait for the 202 before they send the next message, for instance a cancellation.
      answerOnStream({ environment, ctx, session, message: request }, accepted).catch((error: unknown) => environment.report(error, ctx));
    }
  }
  respondAccepted(ctx);
}

/**
 * Accepts a request whose stream is in another process. If that stream is gone, the session ends.
 *
 * @throws The errors of `SseRelay.accept`.
 */
async function accept({ relay, sessions, tail }: Environment, session: Session, id: RequestId): Promise<AcceptedRequest> {
  // The log must be read before the call runs. A request that was already answered 202 must not fail because of that.
  await tail.start();
  try {
    return await relay.accept(session, id);
  } catch (error) {
    if (McpError.isError(error) && error.status === 409) await sessions.end(session.id, 'stream');
    throw error;
  }
}

/** Serves a request and sends its response to the stream. */
async function answerOnStream(request: SessionRequest, accepted: AcceptedRequest): Promise<void> {
  const { environment, ctx, message } = request;
  let response: string | undefined;
  try {
    response = message.method === 'initialize' ? await initialize(request) : await serveRequest(request, accepted);
  } catch (error) {
    response = errorText(
      message.id,
      toMcpError(error, unexposed => environment.report(unexposed, ctx)),
    );
  }
  await accepted.respond(response);
}

function initialize(request: SessionRequest): Promise<string> {
  const { environment, session } = request;
  return initialized(request, async ({ revision, capabilities, clientInfo }) => {
    await environment.sessions.update(session.id, { revision: revision.id, capabilities, clientInfo });
    return session;
  });
}
