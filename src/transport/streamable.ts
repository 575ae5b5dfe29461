import type Koa from 'koa';
import { McpError } from '../errors.ts';
import type { JsonRpcRequest, Message } from '../protocol/jsonrpc.ts';
import { errorText, parseMessage, resultText } from '../protocol/jsonrpc.ts';
import { initializeResult, parseInitialize } from '../protocol/lifecycle.ts';
import { findRevision, revisionIds } from '../protocol/revisions.ts';
import type { Session, SessionTransport } from '../session/store.ts';
import type { Environment } from './environment.ts';
import type { EventStream } from './event-stream.ts';
import { respondStream } from './event-stream.ts';
import { Exchange } from './exchange.ts';
import type { ReplayableStream } from './replayable.ts';
import { parseEventId } from './replayable.ts';
import { methodNotAllowed, negotiateAnswer, notAcceptable, respondAccepted, respondJson } from './respond.ts';
import { serveRequest, takeNotification } from './serve.ts';

/**
 * POST: one message, or a batch where the session's revision has batches.
 *
 * @throws {McpError} 400 no message, no session id, wrong protocol version; 404 unknown session; 406 no usable `Accept`; and those of the body.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 */
export async function postStreamable(environment: Environment, ctx: Koa.Context, body: unknown): Promise<void> {
  const accepts = negotiateAnswer(ctx);
  const messages = Array.isArray(body) ? body.map(parseMessage) : [parseMessage(body)];
  const [first] = messages;
  if (first === undefined) throw new McpError('InvalidRequest', 'Invalid request: an empty batch');
  const initialize = messages.find((message): message is Message & { kind: 'request' } => isInitialize(message));
  if (initialize !== undefined) {
    if (Array.isArray(body)) throw new McpError('InvalidRequest', 'Invalid request: `initialize` must not be part of a batch');
    return openSession(environment, ctx, initialize.message, accepts);
  }
  const session = await requireSession(environment, ctx);
  if (Array.isArray(body)) assertBatch(session, messages.length, environment.maxBatch);
  const exchange = new Exchange({
    ...accepts,
    isBatch: Array.isArray(body),
    openStream: () => openReplayable(environment, session, false),
  });
  const served = messages.map(async message => {
    if (message.kind === 'request') exchange.respond(await serveRequest(environment, ctx, session, message.message, exchange));
  });
  for (const message of messages) {
    if (message.kind === 'notification') await takeNotification(environment, session, message.message);
    if (message.kind === 'response') environment.requests.settle(session.id, message.message);
  }
  const answer = await exchange.answer(served.length === 1 ? (served[0] as Promise<void>) : Promise.all(served));
  if (answer.kind === 'stream') respondStream(ctx, answer.stream);
  else if (answer.kind === 'json') respondJson(ctx, 200, answer.text);
  else respondAccepted(ctx);
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
  const { sessions, streams, replays } = environment;
  const lastEventId = ctx.req.headers['last-event-id'];
  let connection: EventStream;
  if (typeof lastEventId === 'string' && lastEventId !== '') {
    const position = parseEventId(session.id, lastEventId);
    if (position === undefined) throw new McpError('InvalidRequest', 'Last-Event-ID is not of this session');
    connection = streams.open();
    replays.resume(position, connection);
  } else {
    const stream = openReplayable(environment, session, true);
    connection = stream.body;
    stream.onClose(streams.add(session.id, stream));
  }
  connection.once('close', sessions.retain(session.id));
  // Something has to be written, or the headers wait for the first message.
  if (!findRevision(session.revision)?.priming || typeof lastEventId === 'string') connection.comment();
  respondStream(ctx, connection);
}

/** Opens a stream that outlives its connection. Its first event has an id, where the revision's clients can take one without data. */
function openReplayable({ replays, streams }: Environment, session: Session, isStandalone: boolean): ReplayableStream {
  const stream = replays.open(session.id, streams.open(), { isStandalone });
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

async function requireSession({ sessions, principal }: Environment, ctx: Koa.Context, transports = streamable): Promise<Session> {
  const version = ctx.req.headers['mcp-protocol-version'];
  if (version !== undefined && findRevision(version)?.era !== 'legacy') {
    const supported = revisionIds('legacy').join(', ');
    throw new McpError('InvalidRequest', `Unsupported MCP-Protocol-Version: ${String(version)} (supported: ${supported})`, { status: 400 });
  }
  const id = sessionIdOf(ctx);
  if (id === undefined)
    throw new McpError('InvalidRequest', 'Mcp-Session-Id is missing: send `initialize` first and echo the id it is answered with');
  const caller = await principal(ctx);
  const found = sessions.find(id, caller);
  const session = found instanceof Promise ? await found : found;
  if (session === undefined || !transports.includes(session.transport)) {
    throw new McpError('InvalidRequest', 'Session not found: it never was, has ended or expired; send `initialize` for a new one', {
      status: 404,
    });
  }
  return session;
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

function isInitialize(message: Message): boolean {
  return message.kind === 'request' && message.message.method === 'initialize';
}
