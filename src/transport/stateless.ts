import type Koa from 'koa';
import { errorTable, InsufficientScope, McpError, StoreUnavailable } from '../errors.ts';
import { AnswerReplay, InputRequired } from '../protocol/answer-replay.ts';
import type { MessageSink } from '../protocol/call.ts';
import { Call, Cancelled } from '../protocol/call.ts';
import type { JsonObject, Sight } from '../protocol/definitions.ts';
import { isObject } from '../protocol/definitions.ts';
import { dispatch } from '../protocol/dispatch.ts';
import type { Envelope, Headers } from '../protocol/envelope.ts';
import { assertParamHeaders, parseEnvelope } from '../protocol/envelope.ts';
import type { JsonRpcRequest } from '../protocol/jsonrpc.ts';
import { errorText, parseMessage, resultText } from '../protocol/jsonrpc.ts';
import type { Observed } from '../protocol/observed.ts';
import { finishResult } from '../protocol/project.ts';
import { findReadable, lookAt } from '../protocol/resources.ts';
import { parseFilter, subscribedText } from '../protocol/subscriptions.ts';
import { assertTasks, detailedTask } from '../protocol/tasks.ts';
import type { ContinuedRequest, TakenContinuation } from '../session/continuations.ts';
import type { Environment } from './environment.ts';
import type { EventStream } from './event-stream.ts';
import { respondStream } from './event-stream.ts';
import type { Accepts } from './http.ts';
import { Exchange, negotiateAnswer, notAcceptable, respondAccepted, respondAnswer, respondJson, tooMany } from './http.ts';
import type { Caller } from './serve.ts';
import { errorForClient, observing, toObserved } from './serve.ts';

/**
 * POST of the stateless era (2026-07-28): one request that needs no session, or a notification, which is accepted and ignored.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 */
export async function postStateless(environment: Environment, ctx: Koa.Context, body: unknown): Promise<void> {
  const accepts = negotiateAnswer(ctx);
  const parsed = parseMessage(body);
  if (parsed.kind === 'notification') return respondAccepted(ctx);
  if (parsed.kind === 'response')
    throw new McpError('InvalidRequest', 'Invalid request: the server asks nothing here, so there is nothing to answer');
  const { message } = parsed;
  try {
    const request = { environment, ctx, message, envelope: parseEnvelope(message, ctx.req.headers) };
    if (message.method !== 'subscriptions/listen') return await answerRequest(request, accepts);
    if (!accepts.acceptsStream) throw notAcceptable('text/event-stream');
    const toSeen = () => toObserved(ctx, message, callerOf(request));
    await observing(environment, toSeen, observed => listen(request, observed));
  } catch (error) {
    if (!McpError.isError(error)) throw error;
    challenge(environment, ctx, error);
    respondJson(ctx, statusOf(error), errorText(message.id, error));
  }
}

/** One request of the stateless era. */
interface StatelessRequest {
  readonly environment: Environment;
  readonly ctx: Koa.Context;
  readonly message: JsonRpcRequest;
  readonly envelope: Envelope;
}

/** Returns the caller. @throws {McpError} 429 The caller sends too many requests. */
async function admitCaller({ environment, ctx }: StatelessRequest): Promise<string | null> {
  const principal = await environment.principal(ctx);
  const exceeded = await environment.callRate.take(principal);
  if (exceeded !== undefined) throw tooMany(ctx, exceeded);
  return principal;
}

async function answerRequest(request: StatelessRequest, accepts: Accepts): Promise<void> {
  const { environment, ctx, message, envelope } = request;
  const { method, params = {} } = message;
  const principal = await admitCaller(request);
  environment.unsent.assertRoom(principal);
  const continued: ContinuedRequest = { principal, method, params };
  const { answers, taken } = envelope.revision.inputRequired.has(method) ? await resume(environment, continued) : newCall;
  // A client that has closed the connection has cancelled its request.
  if (ctx.res.closed) return taken?.giveBack();
  const exchange = new Exchange(accepts, false, () => openStream(environment));
  let status = 200;
  const serve = async (observed: Observed | undefined) => {
    const call = statelessCall(request, principal, { sink: exchange, answers, observed });
    const { text, error, isUndone } = await cancelledOnClose(ctx, call, runCall(request, call, continued));
    if (error !== undefined) {
      status = statusOf(error);
      challenge(environment, ctx, error);
    }
    if (isUndone) taken?.giveBack();
    else taken?.remove();
    exchange.respond(text);
  };
  const served = observing(environment, () => toObserved(ctx, message, callerOf(request, principal)), serve);
  const reply = await exchange.answer(served);
  respondAnswer(ctx, status, environment.unsent.admit(ctx, reply, { principal, id: message.id }));
}

function openStream({ streams }: Environment): EventStream {
  const stream = streams.open();
  stream.outlivesToken = true;
  return stream;
}

/** Cancels the call when the client closes the response. This is how clients cancel in this era. No answer is sent then. */
async function cancelledOnClose<T>(ctx: Koa.Context, call: Call, served: Promise<T>): Promise<T> {
  const onClose = () => call.abort(new Cancelled('The client closed the connection'));
  ctx.res.once('close', onClose);
  try {
    return await served;
  } finally {
    ctx.res.off('close', onClose);
  }
}

/** What is known of the caller of a request, for observers. */
function callerOf({ envelope }: StatelessRequest, principal?: string | null): Caller {
  return { principal, clientInfo: envelope.clientInfo, revision: envelope.revision.id };
}

/** A response, already JSON, and the error that it reports. */
interface Served {
  readonly text: string | undefined;
  readonly error?: McpError;
  /** Whether the handler did not start, or its question to the client could not be stored. The taken continuation is then given back. */
  readonly isUndone?: boolean;
}

async function runCall(request: StatelessRequest, call: Call, continued: ContinuedRequest): Promise<Served> {
  const { environment, ctx, message } = request;
  const { id, method, params } = message;
  let finish: (() => void) | undefined;
  try {
    if (method === 'tools/call') await checkParamHeaders(call, params, ctx.req.headers);
    finish = environment.calls.start(call);
    return { text: resultText(id, await dispatchOrSuspend(environment, call, continued)) };
  } catch (thrown) {
    if (thrown instanceof Cancelled && ctx.res.closed) {
      call.note({ outcome: 'cancelled' });
      return { text: undefined };
    }
    const error = errorForClient(request, thrown, call.observed);
    return { text: errorText(id, error), error, isUndone: finish === undefined || StoreUnavailable.isError(thrown) };
  } finally {
    finish?.();
  }
}

/** The result of a call. If the handler has asked its client something, the result is `input_required`. */
async function dispatchOrSuspend({ continuations }: Environment, call: Call, continued: ContinuedRequest): Promise<string> {
  const { method, params } = continued;
  try {
    return await dispatch(call, method, params);
  } catch (thrown) {
    if (!(thrown instanceof InputRequired)) throw thrown;
    const requestState = await continuations.keep(continued, thrown.answers);
    call.note({ outcome: 'input_required' });
    return JSON.stringify(finishResult(call, method, { resultType: 'input_required', inputRequests: thrown.requests, requestState }));
  }
}

/** The recorded answers with which a handler runs again. */
interface Resumed {
  /** The answers kept from earlier rounds and the answers of this request. */
  readonly answers: JsonObject;
  readonly taken?: TakenContinuation;
}

const newCall: Resumed = { answers: {} };

/**
 * @throws {McpError} -32602 no continuation fits the `requestState`.
 * @throws {StoreUnavailable} The database does not answer.
 */
async function resume({ continuations }: Environment, continued: ContinuedRequest): Promise<Resumed> {
  const { requestState, inputResponses } = continued.params;
  const given = isObject(inputResponses) ? inputResponses : {};
  if (requestState === undefined) return { answers: given };
  const taken = typeof requestState === 'string' ? await continuations.resume(requestState, continued) : undefined;
  if (taken !== undefined) return { answers: { ...taken.answers, ...given }, taken };
  throw new McpError(
    'InvalidParams',
    'Invalid params: `requestState` is unknown, used, expired or of another request; send the request without it',
  );
}

async function listen(request: StatelessRequest, observed: Observed | undefined): Promise<void> {
  const { environment, ctx, message } = request;
  const {
    resourceSubscriptions: uris = [],
    taskIds,
    ...filter
  } = parseFilter(environment.server.registry, message.params, environment.server.limits);
  const principal = await admitCaller(request);
  if (observed !== undefined) observed.principal = principal;
  const newReadingCall = () => statelessCall(request, principal, { sink: { send: () => false }, answers: {} });
  const sights = new Map<string, Sight | undefined>();
  if (uris.length > 0) {
    const call = newReadingCall();
    for (const uri of new Set(uris)) {
      if (ctx.res.closed) return;
      const readable = await findReadable(call, uri);
      if (readable !== undefined) sights.set(uri, readable.sight);
    }
  }
  if (taskIds !== undefined) assertTasks(newReadingCall());
  const tasks: string[] = [];
  for (const id of new Set(taskIds)) if ((await environment.tasks.find(principal, id)) !== undefined) tasks.push(id);
  await environment.tail.start();
  if (ctx.res.closed) return;
  const honoured = {
    ...filter,
    ...(sights.size > 0 && { resourceSubscriptions: [...sights.keys()] }),
    ...(tasks.length > 0 && { taskIds: tasks }),
  };
  const look = (uri: string) => lookAt(newReadingCall(), uri);
  const stream = environment.listeners.open({ id: message.id, filter: honoured, principal, look, sights });
  for (const id of tasks) listenToTask(newReadingCall(), id, { environment, stream });
  respondStream(ctx, stream);
}

/** Sends a task now and after each change, so that no change between the acknowledgement and the first look is missed. */
function listenToTask(call: Call, taskId: string, { environment, stream }: { environment: Environment; stream: EventStream }): void {
  const unwatch = environment.tasks.watch(taskId, task => {
    if (task !== undefined) stream.send(subscribedText(call.id, 'notifications/tasks', detailedTask(call, task)));
  });
  stream.once('close', unwatch);
}

function statelessCall(
  { environment, ctx, message, envelope }: StatelessRequest,
  principal: string | null,
  { sink, answers, observed }: { sink: MessageSink; answers: JsonObject; observed?: Observed | undefined },
): Call {
  const { meta, revision, capabilities, clientInfo, logLevel } = envelope;
  return new Call({
    server: environment.server,
    revision,
    id: message.id,
    meta,
    session: undefined,
    principal: principal ?? undefined,
    scopes: environment.authorization?.scopesOf(ctx),
    client: { info: clientInfo, capabilities },
    logLevel,
    sink,
    observed,
    asker: new AnswerReplay(message.method, answers),
    createContext: mcp => environment.createContext(ctx, mcp),
    report: error => environment.report(error, ctx),
  });
}

/**
 * Compares the mirrored headers with the arguments. Skips tools that this caller may not use: for the caller they do not exist, so their
 * headers are not checked.
 */
async function checkParamHeaders(call: Call, params: JsonObject | undefined, headers: Headers): Promise<void> {
  const { tools, paramHeaders } = call.server.registry;
  const name = params?.['name'];
  if (typeof name !== 'string') return;
  const mirrored = paramHeaders.get(name);
  const tool = tools.get(name);
  if (mirrored === undefined || tool === undefined) return;
  if (await call.mayUse(tool)) assertParamHeaders(mirrored, params?.['arguments'], headers);
}

/** Names the scopes that the caller's token lacks. Does nothing once the headers are sent. */
function challenge({ authorization }: Environment, ctx: Koa.Context, error: McpError): void {
  if (error instanceof InsufficientScope) authorization?.challengeScopes(ctx, error);
}

function statusOf({ type, status }: McpError): number {
  const row = errorTable[type];
  return status ?? row.modernStatus ?? row.status;
}
