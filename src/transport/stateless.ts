import type Koa from 'koa';
import { errorTable, McpError } from '../errors.ts';
import type { Awaitable } from '../protocol/awaitable.ts';
import { andThen, attempt, lastly } from '../protocol/awaitable.ts';
import type { Outlet } from '../protocol/call.ts';
import { Call, Cancelled } from '../protocol/call.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import { dispatch } from '../protocol/dispatch.ts';
import type { Envelope, Headers } from '../protocol/envelope.ts';
import { parseEnvelope } from '../protocol/envelope.ts';
import type { JsonRpcRequest } from '../protocol/jsonrpc.ts';
import { errorText, isObject, parseMessage, resultText } from '../protocol/jsonrpc.ts';
import { isEnabled } from '../protocol/list.ts';
import { assertParamHeaders } from '../protocol/param-headers.ts';
import type { InputResponses } from '../protocol/replay.ts';
import { InputRequired, Replay } from '../protocol/replay.ts';
import { mayRead } from '../protocol/resources.ts';
import { finishResult } from '../protocol/result.ts';
import { parseFilter } from '../protocol/subscriptions.ts';
import type { ContinuedRequest } from '../session/continuations.ts';
import type { Environment } from './environment.ts';
import { respondStream } from './event-stream.ts';
import { Exchange, respondAnswer } from './exchange.ts';
import type { Accepts } from './respond.ts';
import { negotiateAnswer, notAcceptable, respondAccepted, respondJson } from './respond.ts';

/**
 * POST of the stateless era (2026-07-28): one request that says everything itself, or a notification, which has nothing to do.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 */
export function postStateless(environment: Environment, ctx: Koa.Context, body: unknown): Awaitable<void> {
  const accepts = negotiateAnswer(ctx);
  const parsed = parseMessage(body);
  if (parsed.kind === 'notification') return respondAccepted(ctx);
  if (parsed.kind === 'response')
    throw new McpError('InvalidRequest', 'Invalid request: the server asks nothing here, so there is nothing to answer');
  const request = parsed.message;
  const serveRequest = () => {
    const envelope = parseEnvelope(request, ctx.req.headers);
    if (request.method !== 'subscriptions/listen') return answer(environment, ctx, request, envelope, accepts);
    if (!accepts.acceptsStream) throw notAcceptable('text/event-stream');
    return listen(environment, ctx, request, envelope);
  };
  return attempt(serveRequest, error => {
    if (!McpError.isError(error)) throw error;
    respondJson(ctx, statusOf(error), errorText(request.id, error));
  });
}

function answer(
  environment: Environment,
  ctx: Koa.Context,
  request: JsonRpcRequest,
  envelope: Envelope,
  { acceptsJson, acceptsStream }: Accepts,
): Awaitable<void> {
  const { method, params = {} } = request;
  return andThen(environment.principal(ctx), principal => {
    const continued: ContinuedRequest = { principal, method, params };
    return andThen(envelope.revision.inputRequired.has(method) ? readAnswers(environment, continued) : {}, answers => {
      // Whoever has gone by now has cancelled.
      if (ctx.res.closed) return;
      const exchange = new Exchange({ acceptsJson, acceptsStream, isBatch: false, openStream: () => environment.streams.open() });
      const call = createCall(environment, ctx, request, envelope, exchange, principal, answers);
      let status = 200;
      const served = andThen(serve(environment, call, request, continued, ctx), ({ text, error }) => {
        if (error !== undefined) status = statusOf(error);
        exchange.respond(text);
      });
      if (served instanceof Promise) cancelOnClose(ctx, call, served);
      return andThen(exchange.answer(served), reply => respondAnswer(ctx, status, reply));
    });
  });
}

/** Closing the response is how a client cancels: there is nothing it could be told after that. */
function cancelOnClose(ctx: Koa.Context, call: Call, served: Promise<void>): void {
  const onClose = () => call.abort(new Cancelled('The client closed the connection'));
  ctx.res.once('close', onClose);
  void served.then(() => ctx.res.off('close', onClose));
}

/** A response, already JSON, and the error that it tells of. */
interface Served {
  readonly text: string | undefined;
  readonly error?: McpError;
}

function serve(
  environment: Environment,
  call: Call,
  request: JsonRpcRequest,
  continued: ContinuedRequest,
  ctx: Koa.Context,
): Awaitable<Served> {
  const { id, method, params } = request;
  const dispatchCounted = () => {
    const finish = environment.calls.start(call);
    return lastly(
      () =>
        attempt(
          () => dispatch(call, method, params),
          thrown => suspend(environment, call, continued, thrown),
        ),
      finish,
    );
  };
  return attempt(
    () => {
      const checked = method === 'tools/call' ? checkParamHeaders(call, params, ctx.req.headers) : undefined;
      return andThen(andThen(checked, dispatchCounted), (result): Served => ({ text: resultText(id, result) }));
    },
    (thrown): Served => {
      if (thrown instanceof Cancelled && ctx.res.closed) return { text: undefined };
      const error = toMcpError(thrown, unexposed => environment.report(unexposed, ctx));
      return { text: errorText(id, error), error };
    },
  );
}

function toMcpError(thrown: unknown, report: (error: unknown) => string): McpError {
  if (McpError.isError(thrown)) return thrown;
  return new McpError('InternalError', `Internal error (ref ${report(thrown)})`);
}

/** Ends a call that has asked its client something. @throws Whatever else ended it. */
async function suspend({ continuations }: Environment, call: Call, continued: ContinuedRequest, thrown: unknown): Promise<string> {
  if (!(thrown instanceof InputRequired)) throw thrown;
  const { requests, answers } = thrown;
  const requestState = await continuations.keep(continued, answers);
  return JSON.stringify(finishResult(call, continued.method, { resultType: 'input_required', inputRequests: requests, requestState }));
}

/** The answers a retry brings: those kept from earlier rounds and those of this one. @throws {McpError} -32602 */
function readAnswers(environment: Environment, continued: ContinuedRequest): Awaitable<InputResponses> {
  const { requestState, inputResponses } = continued.params;
  return andThen(requestState === undefined ? {} : resume(environment, continued, requestState), kept =>
    isObject(inputResponses) ? ({ ...kept, ...inputResponses } as InputResponses) : kept,
  );
}

async function resume({ continuations }: Environment, continued: ContinuedRequest, requestState: unknown): Promise<InputResponses> {
  const kept = typeof requestState === 'string' ? await continuations.resume(requestState, continued) : undefined;
  if (kept !== undefined) return kept;
  throw new McpError(
    'InvalidParams',
    'Invalid params: `requestState` is unknown, used, expired or of another request; send the request without it',
  );
}

async function listen(environment: Environment, ctx: Koa.Context, request: JsonRpcRequest, envelope: Envelope): Promise<void> {
  const { resourceSubscriptions: uris = [], ...filter } = parseFilter(environment.server.registry, request.params);
  const readable: string[] = [];
  if (uris.length > 0) {
    const principal = await environment.principal(ctx);
    const call = createCall(environment, ctx, request, envelope, { send: () => false }, principal, {});
    for (const uri of uris) if (await mayRead(call, uri)) readable.push(uri);
  }
  await environment.announcements.listen();
  if (ctx.res.closed) return;
  respondStream(
    ctx,
    environment.listeners.open(request.id, { ...filter, ...(readable.length > 0 && { resourceSubscriptions: readable }) }),
  );
}

function createCall(
  environment: Environment,
  ctx: Koa.Context,
  { id, method, params }: JsonRpcRequest,
  { revision, capabilities, clientInfo, logLevel }: Envelope,
  outlet: Outlet,
  principal: string | null,
  answers: InputResponses,
): Call {
  return new Call({
    server: environment.server,
    revision,
    id,
    meta: params?.['_meta'] as JsonObject,
    session: undefined,
    principal: principal ?? undefined,
    client: { info: clientInfo, capabilities },
    logLevel,
    outlet,
    peer: new Replay(method, answers),
    createContext: mcp => environment.createContext(ctx, mcp),
    report: error => environment.report(error, ctx),
  });
}

/** A tool that this caller may not use is unknown, whatever its headers. */
function checkParamHeaders(call: Call, params: JsonObject | undefined, headers: Headers): Awaitable<void> {
  const { tools, paramHeaders } = call.server.registry;
  const name = params?.['name'];
  const mirrored = typeof name === 'string' ? paramHeaders.get(name) : undefined;
  const tool = mirrored && tools.get(name as string);
  if (mirrored === undefined || tool === undefined) return;
  return andThen(isEnabled(tool, call), enabled => {
    if (enabled) assertParamHeaders(mirrored, params?.['arguments'], headers);
  });
}

function statusOf({ type, status }: McpError): number {
  const row = errorTable[type];
  return status ?? row.modernStatus ?? row.status;
}
