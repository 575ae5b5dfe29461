import type Koa from 'koa';
import { errorTable, McpError } from '../errors.ts';
import type { Outlet } from '../protocol/call.ts';
import { Call, Cancelled } from '../protocol/call.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import { dispatch } from '../protocol/dispatch.ts';
import type { Envelope } from '../protocol/envelope.ts';
import { parseEnvelope } from '../protocol/envelope.ts';
import type { JsonRpcRequest } from '../protocol/jsonrpc.ts';
import { errorText, isObject, parseMessage, resultText } from '../protocol/jsonrpc.ts';
import { isEnabled } from '../protocol/list.ts';
import type { ParamHeader } from '../protocol/param-headers.ts';
import { assertParamHeaders } from '../protocol/param-headers.ts';
import type { InputResponses } from '../protocol/replay.ts';
import { InputRequired, Replay } from '../protocol/replay.ts';
import { mayRead } from '../protocol/resources.ts';
import { finishResult } from '../protocol/result.ts';
import { parseFilter } from '../protocol/subscriptions.ts';
import type { ContinuedRequest } from '../session/continuations.ts';
import type { Environment } from './environment.ts';
import { respondStream } from './event-stream.ts';
import { Exchange } from './exchange.ts';
import { negotiateAnswer, notAcceptable, respondAccepted, respondJson } from './respond.ts';

/**
 * POST of the stateless era (2026-07-28): one request that says everything itself, or a notification, which has nothing to do.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 */
export async function postStateless(environment: Environment, ctx: Koa.Context, body: unknown): Promise<void> {
  const accepts = negotiateAnswer(ctx);
  const parsed = parseMessage(body);
  if (parsed.kind === 'notification') return respondAccepted(ctx);
  if (parsed.kind === 'response')
    throw new McpError('InvalidRequest', 'Invalid request: the server asks nothing here, so there is nothing to answer');
  const request = parsed.message;
  try {
    const envelope = parseEnvelope(request, ctx.req.headers);
    if (request.method === 'subscriptions/listen') {
      if (!accepts.acceptsStream) throw notAcceptable('text/event-stream');
      return await listen(environment, ctx, request, envelope);
    }
    const exchange = new Exchange({ ...accepts, isBatch: false, openStream: () => environment.streams.open() });
    await answer(environment, ctx, request, envelope, exchange);
  } catch (error) {
    if (!McpError.isError(error)) throw error;
    respondJson(ctx, statusOf(error), errorText(request.id, error));
  }
}

async function answer(
  environment: Environment,
  ctx: Koa.Context,
  request: JsonRpcRequest,
  envelope: Envelope,
  exchange: Exchange,
): Promise<void> {
  const principal = await environment.principal(ctx);
  const continued: ContinuedRequest = { principal, method: request.method, params: request.params ?? {} };
  const answers = envelope.revision.inputRequired.has(request.method) ? await readAnswers(environment, continued) : {};
  // Whoever has gone by now has cancelled.
  if (ctx.res.closed) return;
  const call = createCall(environment, ctx, request, envelope, exchange, principal, answers);
  // Closing the response is how a client cancels: there is nothing it could be told after that.
  const onClose = () => call.abort(new Cancelled('The client closed the connection'));
  ctx.res.once('close', onClose);
  let status = 200;
  const served = serve(environment, call, request, continued, ctx).then(({ text, error }) => {
    ctx.res.off('close', onClose);
    if (error !== undefined) status = statusOf(error);
    exchange.respond(text);
  });
  const reply = await exchange.answer(served);
  if (reply.kind === 'stream') respondStream(ctx, reply.stream);
  else if (reply.kind === 'json') respondJson(ctx, status, reply.text);
  else respondAccepted(ctx);
}

async function serve(
  environment: Environment,
  call: Call,
  request: JsonRpcRequest,
  continued: ContinuedRequest,
  ctx: Koa.Context,
): Promise<{ text: string | undefined; error?: McpError }> {
  const { id, method, params } = request;
  try {
    if (method === 'tools/call') assertParamHeaders(await mirroredOf(call, params), params?.['arguments'], ctx.req.headers);
    const finish = environment.calls.start(call);
    try {
      return { text: resultText(id, await dispatch(call, method, params)) };
    } catch (thrown) {
      if (!(thrown instanceof InputRequired)) throw thrown;
      return { text: resultText(id, await suspend(environment, call, continued, thrown)) };
    } finally {
      finish();
    }
  } catch (thrown) {
    if (thrown instanceof Cancelled && ctx.res.closed) return { text: undefined };
    const error = toMcpError(thrown, unexposed => environment.report(unexposed, ctx));
    return { text: errorText(id, error), error };
  }
}

function toMcpError(thrown: unknown, report: (error: unknown) => string): McpError {
  if (McpError.isError(thrown)) return thrown;
  // Its client is still there, so it is the server that gave the call up.
  if (thrown instanceof Cancelled) return new McpError('InternalError', 'The server is closing; send the request again', { status: 503 });
  return new McpError('InternalError', `Internal error (ref ${report(thrown)})`);
}

async function suspend(
  { continuations }: Environment,
  call: Call,
  continued: ContinuedRequest,
  { requests, answers }: InputRequired,
): Promise<string> {
  const requestState = await continuations.keep(continued, answers);
  return JSON.stringify(finishResult(call, continued.method, { resultType: 'input_required', inputRequests: requests, requestState }));
}

/** The answers a retry brings: those kept from earlier rounds and those of this one. @throws {McpError} -32602 */
async function readAnswers({ continuations }: Environment, continued: ContinuedRequest): Promise<InputResponses> {
  const { requestState, inputResponses } = continued.params;
  let kept: InputResponses = {};
  if (requestState !== undefined) {
    const resumed = typeof requestState === 'string' ? await continuations.resume(requestState, continued) : undefined;
    if (resumed === undefined) {
      throw new McpError(
        'InvalidParams',
        'Invalid params: `requestState` is unknown, used, expired or of another request; send the request without it',
      );
    }
    kept = resumed;
  }
  return isObject(inputResponses) ? ({ ...kept, ...inputResponses } as InputResponses) : kept;
}

async function listen(environment: Environment, ctx: Koa.Context, request: JsonRpcRequest, envelope: Envelope): Promise<void> {
  const { resourceSubscriptions: uris = [], ...filter } = parseFilter(environment.server.registry, request.params);
  const readable: string[] = [];
  if (uris.length > 0) {
    const principal = await environment.principal(ctx);
    const call = createCall(environment, ctx, request, envelope, { send: () => false }, principal, {});
    for (const uri of uris) if (await mayRead(call, uri)) readable.push(uri);
  }
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
async function mirroredOf(call: Call, params: JsonObject | undefined): Promise<readonly ParamHeader[]> {
  const { tools, paramHeaders } = call.server.registry;
  const name = params?.['name'];
  const mirrored = typeof name === 'string' ? paramHeaders.get(name) : undefined;
  const tool = mirrored && tools.get(name as string);
  return mirrored !== undefined && tool !== undefined && (await isEnabled(tool, call)) ? mirrored : [];
}

function statusOf({ type, status }: McpError): number {
  const row = errorTable[type];
  return status ?? row.modernStatus ?? row.status;
}
