import type Koa from 'koa';
import { decodePosition } from '../delivery/position.ts';
import { parseCallEventId } from '../delivery/stream-ids.ts';
import { McpError } from '../errors.ts';
import type { JsonRpcRequest, Message, RequestId } from '../protocol/jsonrpc.ts';
import { parseMessage } from '../protocol/jsonrpc.ts';
import { findRevision, revisionIds } from '../protocol/revisions.ts';
import type { Session, SessionTransport } from '../store/store.ts';
import type { CallStream } from './call-stream.ts';
import type { Environment } from './environment.ts';
import type { EventStream } from './event-stream.ts';
import { respondStream } from './event-stream.ts';
import type { Accepts } from './http.ts';
import {
  Exchange,
  methodNotAllowed,
  negotiateAnswer,
  notAcceptable,
  respondAccepted,
  respondAnswer,
  respondJson,
  respondTooMany,
  sessionHeaderOf,
} from './http.ts';
import type { SessionRequest } from './serve.ts';
import { initialized, serveRequest, sessionLook, takeNotification, takeResponse } from './serve.ts';

/**
 * POST: one message, or a batch if the session's revision has batches.
 *
 * @throws {McpError} 400 no message, no session id, or a wrong protocol version; 404 unknown session; 406 no usable `Accept`; and the
 * errors of the body.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 */
export async function postStreamable(environment: Environment, ctx: Koa.Context, body: unknown): Promise<void> {
  const accepts = negotiateAnswer(ctx);
  if (Array.isArray(body)) return postBatch(environment, ctx, body.map(parseMessage), accepts);
  const message = parseMessage(body);
  if (isInitialize(message)) return openSession(environment, ctx, message.message, accepts);
  const session = await requireSession(environment, ctx);
  if (message.kind === 'request') return postRequest({ environment, ctx, session, message: message.message }, accepts);
  if (message.kind === 'notification') await takeNotification(environment, ctx, session, message.message);
  else await takeResponse(environment, session, message.message);
  respondAccepted(ctx);
}

async function postRequest(request: SessionRequest, accepts: Accepts): Promise<void> {
  const { environment, ctx, session, message } = request;
  const { principal } = session;
  const exceeded = await environment.callRate.take(principal);
  if (exceeded !== undefined) return respondTooMany(ctx, exceeded, message.id);
  environment.unsent.assertRoom(principal);
  const exchange = new Exchange(accepts, false, () => openCallStream(environment, session, message.id));
  const served = serveRequest(request, exchange).then(response => exchange.respond(response));
  const answer = await exchange.answer(served);
  respondAnswer(ctx, 200, environment.unsent.admit(ctx, answer, { principal, id: message.id }));
}

async function postBatch(environment: Environment, ctx: Koa.Context, messages: readonly Message[], accepts: Accepts): Promise<void> {
  if (messages.length === 0) throw new McpError('InvalidRequest', 'Invalid request: an empty batch');
  if (messages.some(isInitialize)) throw new McpError('InvalidRequest', 'Invalid request: `initialize` must not be part of a batch');
  const session = await requireSession(environment, ctx);
  assertBatch(session, messages.length, environment.maxBatch);
  const { principal } = session;
  const ids = messages.flatMap(({ kind, message }) => (kind === 'request' ? [message.id] : []));
  const exceeded = ids.length > 0 ? await environment.callRate.take(principal, ids.length) : undefined;
  if (exceeded !== undefined) return respondTooMany(ctx, exceeded, ids);
  environment.unsent.assertRoom(principal);
  const openStream = () => openCallStream(environment, session, undefined);
  const exchange = new Exchange(accepts, true, openStream);
  const served = messages.map(async message => {
    if (message.kind !== 'request') return;
    exchange.respond(await serveRequest({ environment, ctx, session, message: message.message }, exchange));
  });
  for (const message of messages) {
    if (message.kind === 'notification') await takeNotification(environment, ctx, session, message.message);
    if (message.kind === 'response') await takeResponse(environment, session, message.message);
  }
  const answer = await exchange.answer(Promise.all(served));
  respondAnswer(ctx, 200, environment.unsent.admit(ctx, answer, { principal, id: undefined }));
}

/**
 * GET: the stream of a session, for messages that belong to no request.
 *
 * @throws {McpError} 405 without a session id (clients of HTTP+SSE probe for their stream this way); 404 unknown session; 406 no usable
 * `Accept`.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server
 */
export async function getStreamable(environment: Environment, ctx: Koa.Context): Promise<void> {
  if (ctx.req.headers['mcp-session-id'] === undefined) throw methodNotAllowed(ctx, 'POST, GET, DELETE', 'GET needs an Mcp-Session-Id');
  if (!negotiateAnswer(ctx).acceptsStream) throw notAcceptable('text/event-stream');
  const session = await requireSession(environment, ctx);
  const connection = await openGet(environment, ctx, session);
  connection.once('close', environment.sessions.retain(session.id));
  if (ctx.res.destroyed) connection.destroy();
  respondStream(ctx, connection);
}

/** Opens the stream of the session, or resumes the stream of a call if `Last-Event-ID` names one. */
async function openGet(environment: Environment, ctx: Koa.Context, session: Session): Promise<EventStream> {
  const { streams, sessionStreams, callStreams } = environment;
  const { id, revision } = session;
  const look = sessionLook(environment, ctx, session);
  const lastEventId = ctx.req.headers['last-event-id'];
  if (typeof lastEventId !== 'string' || lastEventId === '') {
    const primes = findRevision(revision)?.priming ?? false;
    return (await sessionStreams.open(id, { from: undefined, primes, look })) ?? sessionGone(environment, id);
  }
  const position = decodePosition(id, lastEventId);
  if (position !== undefined)
    return (await sessionStreams.open(id, { from: position, primes: false, look })) ?? sessionGone(environment, id);
  const callPosition = parseCallEventId(id, lastEventId);
  if (callPosition === undefined) throw new McpError('InvalidRequest', 'Last-Event-ID is not of this session');
  return callStreams.resume(id, callPosition, () => streams.openGet(id));
}

/** @throws {McpError} 404 The session is gone. */
function sessionGone({ sessions }: Environment, id: string): never {
  sessions.endedElsewhere(id);
  throw sessionNotFound();
}

/** Opens the stream of a call. In revisions whose clients accept an event without data, the first event carries only an id. */
function openCallStream({ callStreams, streams }: Environment, session: Session, requestId: RequestId | undefined): CallStream {
  const connection = streams.open();
  const stream = callStreams.open(session.id, connection, requestId);
  if (findRevision(session.revision)?.priming) stream.prime();
  else connection.outlivesToken = true;
  return stream;
}

/**
 * DELETE: ends a session. Its streams end and its calls are aborted.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
 */
export async function deleteSession(environment: Environment, ctx: Koa.Context): Promise<void> {
  const session = await requireSession(environment, ctx, ['streamable', 'sse']);
  await environment.sessions.end(session.id);
  ctx.status = 204;
}

const streamable: readonly SessionTransport[] = ['streamable'];

async function openSession(environment: Environment, ctx: Koa.Context, message: JsonRpcRequest, { acceptsJson }: Accepts): Promise<void> {
  const { id } = message;
  const { sessions } = environment;
  const principal = await environment.principal(ctx);
  const exceeded = await environment.initializeRate.take(principal);
  if (exceeded !== undefined) return respondTooMany(ctx, exceeded, id);
  const sent = sessionHeaderOf(ctx);
  if (sent !== undefined && (await sessions.find(sent, principal)) !== undefined) {
    throw new McpError(
      'InvalidRequest',
      'Invalid request: this session is initialized; send `initialize` without Mcp-Session-Id for a new one',
    );
  }
  const text = await initialized({ environment, ctx, message, session: { principal } }, async ({ revision, capabilities, clientInfo }) => {
    const opened = { transport: 'streamable', revision: revision.id, principal, clientInfo, capabilities, connection: null } as const;
    const session = await sessions.open(opened);
    ctx.set('Mcp-Session-Id', session.id);
    return session;
  });
  if (acceptsJson) return respondJson(ctx, 200, text);
  const stream = environment.streams.open();
  stream.send(text);
  stream.end();
  respondStream(ctx, stream);
}

async function requireSession({ sessions, principal }: Environment, ctx: Koa.Context, transports = streamable): Promise<Session> {
  const version = ctx.req.headers['mcp-protocol-version'];
  if (version !== undefined && findRevision(version)?.era !== 'legacy') {
    const supported = revisionIds('legacy').join(', ');
    throw new McpError('InvalidRequest', `Unsupported MCP-Protocol-Version: ${String(version)} (supported: ${supported})`, { status: 400 });
  }
  const id = sessionHeaderOf(ctx);
  if (id === undefined)
    throw new McpError('InvalidRequest', 'Mcp-Session-Id is missing: send `initialize` first and echo the id it is answered with');
  const caller = await principal(ctx);
  const session = await sessions.find(id, caller);
  if (session !== undefined && transports.includes(session.transport)) return session;
  sessions.rejected(id, caller);
  throw sessionNotFound();
}

function sessionNotFound(): McpError {
  return new McpError('InvalidRequest', 'Session not found: it never was, has ended or expired; send `initialize` for a new one', {
    status: 404,
  });
}

function assertBatch(session: Session, length: number, maxBatch: number): void {
  if (!findRevision(session.revision)?.batches) {
    throw new McpError('InvalidRequest', `Invalid request: revision ${session.revision} has no batches; send one message a POST`);
  }
  if (length > maxBatch) throw new McpError('InvalidRequest', `Invalid request: a batch holds at most ${maxBatch} messages`);
}

function isInitialize(message: Message): message is Message & { kind: 'request' } {
  return message.kind === 'request' && message.message.method === 'initialize';
}
