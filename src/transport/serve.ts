import type Koa from 'koa';
import { isRequestIdOf } from '../delivery/streams.ts';
import { McpError } from '../errors.ts';
import type { Awaitable } from '../protocol/awaitable.ts';
import { andThen, attempt, lastly } from '../protocol/awaitable.ts';
import type { Outlet, SessionPort } from '../protocol/call.ts';
import { Call, Cancelled } from '../protocol/call.ts';
import { dispatch } from '../protocol/dispatch.ts';
import type { JsonRpcNotification, JsonRpcRequest, JsonRpcResponse } from '../protocol/jsonrpc.ts';
import { errorText, isObject, isRequestId, resultText } from '../protocol/jsonrpc.ts';
import { assumedRevision, findRevision } from '../protocol/revisions.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Session } from '../session/store.ts';
import type { Environment } from './environment.ts';

/**
 * Serves one request of a session, whatever transport it came by.
 *
 * @returns The response, already JSON; `undefined` if the call was cancelled and nobody waits for one.
 */
export function serveRequest(
  environment: Environment,
  ctx: Koa.Context,
  session: Session,
  request: JsonRpcRequest,
  outlet: Outlet,
): Awaitable<string | undefined> {
  const { id, method, params } = request;
  const serve = () => {
    const call = createCall(environment, ctx, session, request, outlet);
    const finish = environment.calls.start(call);
    return lastly(() => andThen(dispatch(call, method, params), result => resultText(id, result)), finish);
  };
  return attempt(serve, error => {
    if (error instanceof Cancelled) return undefined;
    return errorText(
      id,
      McpError.isError(error) ? error : new McpError('InternalError', `Internal error (ref ${environment.report(error, ctx)})`),
    );
  });
}

/**
 * Takes one notification of a session. Notifications are never answered; unknown and malformed ones are ignored.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation
 */
export async function takeNotification(
  { sessions, calls, inbounds }: Environment,
  session: Session,
  { method, params }: JsonRpcNotification,
): Promise<void> {
  if (method === 'notifications/initialized' && !session.initialized) await sessions.update(session.id, { initialized: true });
  if (method === 'notifications/cancelled') {
    const { requestId, reason: given } = params ?? {};
    const reason = typeof given === 'string' ? given : undefined;
    // The call may run in another process.
    if (isRequestId(requestId) && !calls.cancel(session.id, requestId, { reason }))
      await inbounds.send(session.id, { kind: 'cancel', requestId, reason });
  }
}

/** Takes a client's answer to a request of the server, whichever process asked. One that nobody waits for is dropped. */
export async function takeResponse({ requests, inbounds }: Environment, session: Session, message: JsonRpcResponse): Promise<void> {
  if (requests.settle(session.id, message) || !isRequestIdOf(session.id, message.id)) return;
  await inbounds.send(session.id, { kind: 'response', message });
}

function createCall(environment: Environment, ctx: Koa.Context, session: Session, { id, params }: JsonRpcRequest, outlet: Outlet): Call {
  const meta = params?.['_meta'];
  return new Call({
    server: environment.server,
    revision: findRevision(session.revision) ?? assumedRevision,
    id,
    meta: isObject(meta) ? meta : undefined,
    session: sessionPort(environment.sessions, session),
    logLevel: session.logLevel ?? 'debug',
    peer: environment.requests.peer(session.id, outlet),
    principal: session.principal ?? undefined,
    client: { info: session.clientInfo, capabilities: session.capabilities },
    outlet,
    createContext: mcp => environment.createContext(ctx, mcp),
    report: error => environment.report(error, ctx),
  });
}

function sessionPort(sessions: Sessions, { id }: Session): SessionPort {
  return {
    id,
    setLogLevel: async level => void (await sessions.update(id, { logLevel: level })),
    subscribe: async uri => void (await sessions.subscribe(id, uri)),
    unsubscribe: uri => sessions.unsubscribe(id, uri),
  };
}
