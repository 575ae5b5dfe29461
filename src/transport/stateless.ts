import type Koa from 'koa';
import { errorTable, McpError } from '../errors.ts';
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
      return listen(environment, ctx, request);
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
    if (thrown instanceof Cancelled) return { text: undefined };
    const error = McpError.isError(thrown)
      ? thrown
      : new McpError('InternalError', `Internal error (ref ${environment.report(thrown, ctx)})`);
    return { text: errorText(id, error), error };
  }
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

function listen({ server, listeners }: Environment, ctx: Koa.Context, { id, params }: JsonRpcRequest): void {
  const filter = parseFilter(server.registry, params);
  respondStream(ctx, listeners.open(id, filter));
}

function createCall(
  environment: Environment,
  ctx: Koa.Context,
  { id, method, params }: JsonRpcRequest,
  { revision, capabilities, clientInfo, logLevel }: Envelope,
  exchange: Exchange,
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
    outlet: exchange,
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
