import type Koa from 'koa';
import { McpError } from '../errors.ts';
import type { Outlet, SessionPort } from '../protocol/call.ts';
import { Call, Cancelled } from '../protocol/call.ts';
import { dispatch } from '../protocol/dispatch.ts';
import type { JsonRpcNotification, JsonRpcRequest } from '../protocol/jsonrpc.ts';
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
export async function serveRequest(
  environment: Environment,
  ctx: Koa.Context,
  session: Session,
  request: JsonRpcRequest,
  outlet: Outlet,
): Promise<string | undefined> {
  const { id, method, params } = request;
  try {
    const call = createCall(environment, ctx, session, request, outlet);
    const finish = environment.calls.start(call);
    try {
      return resultText(id, await dispatch(call, method, params));
    } finally {
      finish();
    }
  } catch (error) {
    if (error instanceof Cancelled) return undefined;
    return errorText(
      id,
      McpError.isError(error) ? error : new McpError('InternalError', `Internal error (ref ${environment.report(error, ctx)})`),
    );
  }
}

/**
 * Takes one notification of a session. Notifications are never answered; unknown and malformed ones are ignored.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation
 */
export async function takeNotification(
  { sessions, calls }: Environment,
  session: Session,
  { method, params }: JsonRpcNotification,
): Promise<void> {
  if (method === 'notifications/initialized' && !session.initialized) await sessions.update(session.id, { initialized: true });
  if (method === 'notifications/cancelled') {
    const { requestId, reason } = params ?? {};
    if (isRequestId(requestId)) calls.cancel(session.id, requestId, typeof reason === 'string' ? reason : undefined);
  }
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
