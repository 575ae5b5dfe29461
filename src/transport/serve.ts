import { randomUUID } from 'node:crypto';
import type Koa from 'koa';
import { isRequestIdOf, newRequestId } from '../delivery/stream-ids.ts';
import { InsufficientScope, McpError, StoreUnavailable } from '../errors.ts';
import type { MessageSink, SessionPort } from '../protocol/call.ts';
import { Call, Cancelled } from '../protocol/call.ts';
import { isObject } from '../protocol/definitions.ts';
import { dispatch } from '../protocol/dispatch.ts';
import type { InitializeParams } from '../protocol/handshake.ts';
import { initializeResult, parseInitialize } from '../protocol/handshake.ts';
import type { JsonRpcNotification, JsonRpcRequest, JsonRpcResponse } from '../protocol/jsonrpc.ts';
import { errorText, isRequestId, resultText } from '../protocol/jsonrpc.ts';
import type { Observed } from '../protocol/observed.ts';
import { note } from '../protocol/observed.ts';
import { lookAt } from '../protocol/resources.ts';
import { assumedRevision, findRevision } from '../protocol/revisions.ts';
import type { Session } from '../store/store.ts';
import type { Environment } from './environment.ts';
import { toMcpError } from './http.ts';
import type { Look } from './live-subscriptions.ts';

/** One request of a session. */
export interface SessionRequest {
  readonly environment: Environment;
  readonly ctx: Koa.Context;
  readonly session: Session;
  readonly message: JsonRpcRequest;
}

/**
 * Serves one request of a session, for every transport.
 *
 * @returns The response, already JSON; `undefined` if the call was cancelled, so that it gets no response.
 * @throws {McpError} 503 The database does not answer, and nothing was sent yet; or this process is closing, and nothing was done yet.
 * @throws {InsufficientScope} The caller's token lacks scopes, and nothing was sent yet.
 */
export function serveRequest(request: SessionRequest, sink: MessageSink): Promise<string | undefined> {
  const { environment, ctx, session, message } = request;
  return observing(
    environment,
    () => toObserved(ctx, message, session),
    observed => serve(request, sink, observed),
  );
}

async function serve(request: SessionRequest, sink: MessageSink, observed: Observed | undefined): Promise<string | undefined> {
  const { environment, message } = request;
  const { id, method, params } = message;
  let finish: (() => void) | undefined;
  try {
    // Answers, cancellations and reconnecting clients reach a call through the log. A call that ran before the log is read would miss them.
    await environment.tail.start();
    const call = sessionCall(request, sink, observed);
    finish = environment.calls.start(call);
    return resultText(id, await dispatch(call, method, params));
  } catch (error) {
    if (error instanceof Cancelled) {
      note(observed, { outcome: 'cancelled' });
      return undefined;
    }
    const isRefused = McpError.isError(error) && error.status === 503 && finish === undefined;
    // Nothing was sent yet, so the whole request is answered 503.
    if ((StoreUnavailable.isError(error) || error instanceof InsufficientScope || isRefused) && sink.isSilent)
      throw errorForClient(request, error, observed);
    return errorText(id, errorForClient(request, error, observed));
  } finally {
    finish?.();
  }
}

/** Serves a message under the eyes of the endpoint's observers. Without observers it only does `work`. */
export function observing<T>(
  { server }: Pick<Environment, 'server'>,
  toSeen: () => Observed,
  work: (observed: Observed | undefined) => Promise<T>,
): Promise<T> {
  const { observe } = server;
  if (observe === undefined) return work(undefined);
  const seen = toSeen();
  return observe(seen, () => work(seen));
}

/** What is known of the sender of a message. @default principal: a guest */
export type Caller = { readonly [K in 'id' | 'principal' | 'clientInfo' | 'revision']?: Session[K] | undefined };

/** A message as observers see it. */
export function toObserved(
  ctx: Koa.Context,
  { id, method, params }: JsonRpcRequest | (JsonRpcNotification & { id?: undefined }),
  { id: sessionId, principal = null, clientInfo, revision }: Caller,
): Observed {
  return {
    kind: 'message',
    method,
    id,
    params,
    sessionId,
    principal,
    client: clientInfo,
    revision,
    peer: {
      address: ctx.ip === '' ? undefined : ctx.ip,
      port: ctx.app.proxy ? undefined : ctx.req.socket.remotePort,
      httpVersion: ctx.req.httpVersion,
    },
    outcome: 'ok',
  };
}

/** The error for the client of a message. Reports an error that clients must not see, and tells the observers. */
export function errorForClient(
  { environment, ctx }: Pick<SessionRequest, 'environment' | 'ctx'>,
  thrown: unknown,
  observed: Observed | undefined,
): McpError {
  const error = toMcpError(thrown, unexposed => {
    const ref = environment.report(unexposed, ctx);
    note(observed, { ref });
    return ref;
  });
  note(observed, { outcome: 'error', error });
  return error;
}

/**
 * Answers `initialize`, for every transport.
 *
 * @param open Opens the session, or sets what it lacks.
 * @returns The response, already JSON. @throws What `open` throws, unless it is an {McpError}.
 */
export function initialized(
  { environment, ctx, message, session: { principal } }: InitializeRequest,
  open: (params: InitializeParams) => Promise<Pick<Session, 'id'>>,
): Promise<string> {
  const { id, params } = message;
  const answer = async (observed: Observed | undefined) => {
    try {
      const asked = parseInitialize(params);
      const session = await open(asked);
      if (observed !== undefined) Object.assign(observed, { sessionId: session.id, client: asked.clientInfo, revision: asked.revision.id });
      return resultText(id, JSON.stringify(initializeResult(environment.server.registry, asked.revision, principal)));
    } catch (error) {
      if (!McpError.isError(error)) throw error;
      note(observed, { outcome: 'error', error });
      return errorText(id, error);
    }
  };
  return observing(environment, () => toObserved(ctx, message, { principal }), answer);
}

/** `initialize`, and who has sent it. */
export interface InitializeRequest extends Omit<SessionRequest, 'session'> {
  readonly session: Pick<Session, 'principal'>;
}

/**
 * Handles one notification of a session. Notifications are never answered. Unknown and malformed ones are ignored.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation
 */
export function takeNotification(
  environment: Environment,
  ctx: Koa.Context,
  session: Session,
  message: JsonRpcNotification,
): Promise<void> {
  return observing(
    environment,
    () => toObserved(ctx, message, session),
    () => take(environment, ctx, session, message),
  );
}

async function take(environment: Environment, ctx: Koa.Context, session: Session, { method, params }: JsonRpcNotification): Promise<void> {
  const { sessions, calls, callMail, rootsChanges } = environment;
  if (method === 'notifications/initialized' && !session.initialized) await sessions.update(session.id, { initialized: true });
  if (method === 'notifications/roots/list_changed' && rootsChanges !== undefined) {
    await rootsChanges.changed(session, sink => sessionCall({ environment, ctx, session, message: noRequest() }, sink));
  }
  if (method === 'notifications/cancelled') {
    const { requestId, reason: given } = params ?? {};
    const reason = typeof given === 'string' ? given : undefined;
    // The call may run in another process.
    if (isRequestId(requestId) && !calls.cancel(session.id, requestId, { reason }))
      await callMail.send(session.id, { cancel: requestId, reason });
  }
}

/** Takes a client's answer to a request of the server, made by this process or another. An answer without a waiting request is dropped. */
export async function takeResponse({ clientQuestions, callMail }: Environment, session: Session, message: JsonRpcResponse): Promise<void> {
  if (clientQuestions.settle(session.id, message) || !isRequestIdOf(session.id, message.id)) return;
  await callMail.send(session.id, { answer: message });
}

/** Reads live resources as the client of a session, in the context of the request that opened its stream. */
export function sessionLook(environment: Environment, ctx: Koa.Context, session: Session): Look {
  const message = noRequest();
  return uri => lookAt(sessionCall({ environment, ctx, session, message }, { send: () => false }), uri);
}

/** Stands for the request of a call that the client has not asked for. The client cannot cancel it, since it does not know its id. */
function noRequest(): JsonRpcRequest {
  return { jsonrpc: '2.0', id: randomUUID(), method: '' };
}

function sessionCall({ environment, ctx, session, message }: SessionRequest, sink: MessageSink, observed?: Observed): Call {
  const meta = message.params?.['_meta'];
  return new Call({
    server: environment.server,
    revision: findRevision(session.revision) ?? assumedRevision,
    id: message.id,
    meta: isObject(meta) ? meta : undefined,
    session: sessionPort(environment, session),
    logLevel: session.logLevel ?? 'debug',
    asker: environment.clientQuestions,
    principal: session.principal ?? undefined,
    scopes: environment.authorization?.scopesOf(ctx),
    client: { info: session.clientInfo, capabilities: session.capabilities },
    sink,
    observed,
    createContext: mcp => environment.createContext(ctx, mcp),
    report: error => environment.report(error, ctx),
  });
}

function sessionPort({ sessions, setSubscribed }: Environment, { id }: Session): SessionPort {
  return {
    id,
    elicitations: { newId: () => newRequestId(id), isId: given => isRequestIdOf(id, given) },
    setLogLevel: async level => void (await sessions.update(id, { logLevel: level })),
    subscribe: async (uri, sight) => {
      if (await sessions.subscribe(id, uri)) await setSubscribed(id, uri, { isSubscribed: true, sight });
    },
    unsubscribe: async uri => {
      await sessions.unsubscribe(id, uri);
      await setSubscribed(id, uri, { isSubscribed: false });
    },
  };
}
