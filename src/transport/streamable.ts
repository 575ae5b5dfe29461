import type Koa from 'koa';
import { outboundOf, parseEventId } from '../delivery/streams.ts';
import { McpError } from '../errors.ts';
import type { Awaitable } from '../protocol/awaitable.ts';
import { andThen } from '../protocol/awaitable.ts';
import type { JsonRpcRequest, Message, RequestId } from '../protocol/jsonrpc.ts';
import { errorText, parseMessage, resultText } from '../protocol/jsonrpc.ts';
import { initializeResult, parseInitialize } from '../protocol/lifecycle.ts';
import { findRevision, revisionIds } from '../protocol/revisions.ts';
import type { Session, SessionTransport } from '../session/store.ts';
import type { Environment } from './environment.ts';
import { respondStream } from './event-stream.ts';
import { Exchange, respondAnswer } from './exchange.ts';
import type { ReplayableStream } from './replayable.ts';
import type { Accepts } from './respond.ts';
import { methodNotAllowed, negotiateAnswer, notAcceptable, respondAccepted, respondJson } from './respond.ts';
import { serveRequest, takeNotification, takeResponse } from './serve.ts';

/**
 * POST: one message, or a batch where the session's revision has batches.
 *
 * @throws {McpError} 400 no message, no session id, wrong protocol version; 404 unknown session; 406 no usable `Accept`; and those of the body.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 */
export function postStreamable(environment: Environment, ctx: Koa.Context, body: unknown): Awaitable<void> {
  const accepts = negotiateAnswer(ctx);
  if (Array.isArray(body)) return postBatch(environment, ctx, body.map(parseMessage), accepts);
  const message = parseMessage(body);
  if (isInitialize(message)) return openSession(environment, ctx, message.message, accepts);
  return andThen(requireSession(environment, ctx), session => {
    switch (message.kind) {
      case 'request':
        return postRequest(environment, ctx, session, message.message, accepts);
      case 'notification':
        return andThen(takeNotification(environment, session, message.message), () => respondAccepted(ctx));
      case 'response':
        return andThen(takeResponse(environment, session, message.message), () => respondAccepted(ctx));
    }
  });
}

function postRequest(
  environment: Environment,
  ctx: Koa.Context,
  session: Session,
  request: JsonRpcRequest,
  { acceptsJson, acceptsStream }: Accepts,
): Awaitable<void> {
  const openStream = () => openReplayable(environment, session, request.id);
  const exchange = new Exchange({ acceptsJson, acceptsStream, isBatch: false, openStream });
  const served = andThen(serveRequest(environment, ctx, session, request, exchange), response => exchange.respond(response));
  return andThen(exchange.answer(served), answer => respondAnswer(ctx, 200, answer));
}

async function postBatch(environment: Environment, ctx: Koa.Context, messages: readonly Message[], accepts: Accepts): Promise<void> {
  if (messages.length === 0) throw new McpError('InvalidRequest', 'Invalid request: an empty batch');
  if (messages.some(isInitialize)) throw new McpError('InvalidRequest', 'Invalid request: `initialize` must not be part of a batch');
  const session = await requireSession(environment, ctx);
  assertBatch(session, messages.length, environment.maxBatch);
  const openStream = () => openReplayable(environment, session, undefined);
  const exchange = new Exchange({ ...accepts, isBatch: true, openStream });
  const served = messages.map(async message => {
    if (message.kind === 'request') exchange.respond(await serveRequest(environment, ctx, session, message.message, exchange));
  });
  for (const message of messages) {
    if (message.kind === 'notification') await takeNotification(environment, session, message.message);
    if (message.kind === 'response') await takeResponse(environment, session, message.message);
  }
  respondAnswer(ctx, 200, await exchange.answer(Promise.all(served)));
}

/**
 * GET: the standalone stream of a session, for what no request has caused.
 *
 * @throws {McpError} 405 without a session id (clients of the older transport look for their stream so), 404 unknown session, 406.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server
 */
export async function getStreamable(environment: Environment, ctx: Koa.Context): Promise<void> {
  if (ctx.req.headers['mcp-session-id'] === undefined) throw methodNotAllowed(ctx, 'POST, GET, DELETE', 'GET needs an Mcp-Session-Id');
  if (!negotiateAnswer(ctx).acceptsStream) throw notAcceptable('text/event-stream');
  const session = await requireSession(environment, ctx);
  const { announcements, sessions, streams, standalone, replays } = environment;
  const lastEventId = ctx.req.headers['last-event-id'];
  const position = typeof lastEventId === 'string' && lastEventId !== '' ? parseEventId(session.id, lastEventId) : undefined;
  if (position === undefined && lastEventId) throw new McpError('InvalidRequest', 'Last-Event-ID is not of this session');
  await announcements.listen();
  const connection = streams.open();
  connection.once('close', sessions.retain(session.id));
  const primes = position === undefined && (findRevision(session.revision)?.priming ?? false);
  // Something has to be written, or the headers wait for the first message.
  if (!primes) connection.comment();
  if (position !== undefined && position.stream !== outboundOf(session.id)) {
    replays.resume(session.id, position, connection);
  } else {
    await standalone.open(session.id, connection, { from: position?.seq, primes });
  }
  respondStream(ctx, connection);
}

/** Opens a stream that outlives its connection. Its first event has an id, where the revision's clients can take one without data. */
function openReplayable({ replays, streams }: Environment, session: Session, requestId: RequestId | undefined): ReplayableStream {
  const stream = replays.open(session.id, streams.open(), requestId);
  if (findRevision(session.revision)?.priming) stream.prime();
  return stream;
}

/**
 * DELETE: ends a session; its streams end and its calls are given up.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
 */
export async function deleteSession(environment: Environment, ctx: Koa.Context): Promise<void> {
  const session = await requireSession(environment, ctx, ['streamable', 'sse']);
  await environment.sessions.end(session.id);
  ctx.status = 204;
}

const streamable: readonly SessionTransport[] = ['streamable'];

async function openSession(
  environment: Environment,
  ctx: Koa.Context,
  { id, params }: JsonRpcRequest,
  { acceptsJson }: { acceptsJson: boolean },
): Promise<void> {
  const { sessions, server } = environment;
  const principal = await environment.principal(ctx);
  const sent = sessionIdOf(ctx);
  if (sent !== undefined && (await sessions.find(sent, principal)) !== undefined) {
    throw new McpError(
      'InvalidRequest',
      'Invalid request: this session is initialized; send `initialize` without Mcp-Session-Id for a new one',
    );
  }
  let text: string;
  try {
    const { revision, capabilities, clientInfo } = parseInitialize(params);
    const session = await sessions.open({ transport: 'streamable', revision: revision.id, principal, clientInfo, capabilities });
    ctx.set('Mcp-Session-Id', session.id);
    text = resultText(id, JSON.stringify(initializeResult(server.registry, revision)));
  } catch (error) {
    if (!McpError.isError(error)) throw error;
    text = errorText(id, error);
  }
  if (acceptsJson) return respondJson(ctx, 200, text);
  const stream = environment.streams.open();
  stream.send(text);
  stream.end();
  respondStream(ctx, stream);
}

function requireSession({ sessions, principal }: Environment, ctx: Koa.Context, transports = streamable): Awaitable<Session> {
  const version = ctx.req.headers['mcp-protocol-version'];
  if (version !== undefined && findRevision(version)?.era !== 'legacy') {
    const supported = revisionIds('legacy').join(', ');
    throw new McpError('InvalidRequest', `Unsupported MCP-Protocol-Version: ${String(version)} (supported: ${supported})`, { status: 400 });
  }
  const id = sessionIdOf(ctx);
  if (id === undefined)
    throw new McpError('InvalidRequest', 'Mcp-Session-Id is missing: send `initialize` first and echo the id it is answered with');
  return andThen(principal(ctx), caller =>
    andThen(sessions.find(id, caller), session => {
      if (session !== undefined && transports.includes(session.transport)) return session;
      sessions.rejected(id, caller);
      throw new McpError('InvalidRequest', 'Session not found: it never was, has ended or expired; send `initialize` for a new one', {
        status: 404,
      });
    }),
  );
}

function sessionIdOf(ctx: Koa.Context): string | undefined {
  const id = ctx.req.headers['mcp-session-id'];
  return typeof id === 'string' ? id : undefined;
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
