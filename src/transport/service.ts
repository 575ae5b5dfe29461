import type { Bus } from '../bus/bus.ts';
import { EventLog, endedTopic } from '../delivery/event-log.ts';
import type { Broadcast, CallMail } from '../delivery/messages.ts';
import { encodeStreamMail, parseBroadcast, parseNodeMail } from '../delivery/messages.ts';
import { Nodes } from '../delivery/nodes.ts';
import type { Position } from '../delivery/position.ts';
import { encodePosition } from '../delivery/position.ts';
import { EVERYBODY, isSealedId, newNodeId, nodeMailOf, sessionStreamOf } from '../delivery/stream-ids.ts';
import { Tail } from '../delivery/tail.ts';
import type { RateLimiter } from '../options.ts';
import type { Audit, Confirmations } from '../protocol/call.ts';
import type { Observe } from '../protocol/observed.ts';
import type { Registry } from '../protocol/registry.ts';
import { hasLive, isLive } from '../protocol/resources.ts';
import type { ListName } from '../protocol/subscriptions.ts';
import { Continuations } from '../session/continuations.ts';
import { PrincipalCap } from '../session/principal-cap.ts';
import type { SessionLog } from '../session/session-log.ts';
import type { SessionsOptions } from '../session/sessions.ts';
import { Sessions } from '../session/sessions.ts';
import { bounded } from '../store/outage.ts';
import type { Store } from '../store/store.ts';
import { doneWithin } from '../timing.ts';
import { Health } from './admin.ts';
import { CallMailboxes } from './call-mail.ts';
import { CallStreams } from './call-stream.ts';
import { Calls, InFlight, Rate } from './calls.ts';
import { ClientQuestions } from './client-questions.ts';
import type { Environment, SubscriptionChange } from './environment.ts';
import { Streams } from './event-stream.ts';
import { bodyReader, UnsentAnswers } from './http.ts';
import { Listeners } from './listeners.ts';
import { LiveResources } from './live-subscriptions.ts';
import type { RootsHook } from './roots-changes.ts';
import { RootsChanges } from './roots-changes.ts';
import { RowBroadcasts } from './row-broadcasts.ts';
import { SessionStreams } from './session-stream.ts';
import { SseRelay } from './sse-relay.ts';
import { TaskRuns } from './tasks.ts';

/** The share of the time left that a step of `close()` may take; the rest is for the steps after it. */
const stepShare = 0.7;
/** Milliseconds a client should wait before it reconnects to another process. */
const clientRetryMs = 1000;
/** Milliseconds between ending two streams while this process is drained. */
const drainPauseMs = 5;
/** Milliseconds between two checks whether all calls have ended while this process is drained. */
const drainLookMs = 100;
/** The share of `lookMs` between two broadcasts of changed rows. A stream looks once in `lookMs`, so the wait here delays no look. */
const changesShare = 0.5;
/** Milliseconds within which another process writes that it has accepted a request. */
const acceptMs = 1000;

/** The options of `openService`. */
export interface ServiceOptions extends Pick<Environment, 'authorization' | 'principal' | 'createContext' | 'report'> {
  readonly registry: Registry;
  readonly explainError: Environment['server']['explainError'];
  readonly store: Store;
  readonly bus: Bus;
  /** The name of this process, for people. */
  readonly nodeName: string;
  readonly sessions: Omit<
    SessionsOptions,
    'store' | 'maxSubscriptions' | 'onError' | 'sessionLog' | 'sweepOthers' | 'tellOthers' | 'position'
  > & {
    continuationMs: number;
    lookMs: number;
    deadMs: number;
  };
  readonly limits: Environment['server']['limits'] & {
    maxBodyBytes: number;
    maxBodyValues: number;
    maxDepth: number;
    maxBatch: number;
    maxCalls: number;
    maxSubscriptions: number;
    maxStreams: number;
    maxContinuations: number;
    maxContinuationBytes: number;
    maxIdempotencyKeys: number;
    taskMs: number;
    maxTasks: number;
    maxListeners: number;
    maxListenersPerPrincipal: number;
    maxUnsentBytes: number;
    maxUnsentBytesPerPrincipal: number;
    sendMs: number;
    maxStreamBufferBytes: number;
    inputMs: number;
    heartbeatMs: number;
    maxEvents: number;
    maxEventBytes: number;
    replayMs: number;
    storeMs: number;
    callsPerMinute: number | false;
    initializesPerMinute: number | false;
  };
  readonly rateLimiters?: { readonly calls?: RateLimiter; readonly initializes?: RateLimiter } | undefined;
  /** Records calls. @default none are recorded */
  readonly audit?: (Audit & Pick<KeyRows, 'sweep'>) | undefined;
  /** Watches all messages. @default nobody does */
  readonly observe?: Observe | undefined;
  /** The rows of idempotency keys. @default there are none */
  readonly keys?: KeyRows | undefined;
  readonly sessionLog: SessionLog | undefined;
  /** Called when the roots of a client have changed. @default nothing happens */
  readonly onRootsChanged?: RootsHook | undefined;
  /** Called at the first request. */
  readonly onFirstRequest: () => void;
  readonly onError: (error: unknown) => void;
}

/** Rows of callers that a sweep and a cap bound. */
export interface KeyRows {
  /** Calls `added` after each new row. */
  listen(added: (principal: string | null) => void): void;
  /** Removes at most `limit` rows that expired at or before `now`. Returns how many were removed. */
  sweep(now: Date, limit: number): Promise<number>;
  /** Keeps the `keep` newest rows of a principal and removes the others. Returns how many are left. */
  evict(principal: string | null, keep: number): Promise<number>;
}

/** One endpoint in this process: the parts that its transports share, and the methods that the host may call outside a request. */
export interface Service {
  readonly environment: Environment;
  readonly listChanged: (list: ListName) => Promise<void>;
  readonly resourceUpdated: (uri: string) => Promise<void>;
  readonly elicitationComplete: (id: string) => Promise<void>;
  /** Tells all processes that rows were written. Resolves once that cannot be lost. */
  readonly rowsChanged: (rows: readonly string[]) => Promise<void>;
  /** Does the same soon, together with other changes. */
  readonly noteRows: (rows: readonly string[]) => void;
  readonly drain: (deadlineMs: number) => Promise<void>;
  readonly close: (deadlineMs: number) => Promise<void>;
}

/** Confirmation tokens are continuations, of calls that wait for their user instead of their client. */
function confirmationsOf(continuations: Continuations, keptMs: number): Confirmations {
  const method = 'confirmation';
  return {
    keptMs,
    give: (principal, subject) => continuations.keep({ principal, method, params: subject }, {}),
    take: async (token, principal, subject) => {
      const taken = await continuations.resume(token, { principal, method, params: subject });
      taken?.remove();
      return taken !== undefined;
    },
  };
}

/** Opens the service of an endpoint. */
export function openService(options: ServiceOptions): Service {
  const { limits, nodeName, onError, sessionLog, registry, bus, audit, rateLimiters = {} } = options;
  const { continuationMs, lookMs, deadMs, ...sessionsOptions } = options.sessions;
  const store = bounded(options.store, limits.storeMs);
  const node = newNodeId();
  const log = new EventLog({ ...limits, store, bus, node, lookMs, onError });
  const tail = new Tail({ store, bus, lookMs, deadMs, onError });
  const nodes = new Nodes({ store, node, deadMs, onError, ask: askToBeat });
  const shared = { ...limits, store, log, tail, nodes, node, nodeName, lookMs, retryMs: clientRetryMs, onError };
  const keys = options.keys && bounded(options.keys, limits.storeMs);
  const keyCap =
    keys && new PrincipalCap({ max: limits.maxIdempotencyKeys, evict: name => keys.evict(name, limits.maxIdempotencyKeys), onError });
  options.keys?.listen(principal => keyCap?.added(principal));
  const sessions = new Sessions({
    ...sessionsOptions,
    sweepOthers: [keys, audit].filter(rows => rows !== undefined).map(rows => (now, limit) => rows.sweep(now, limit)),
    maxSubscriptions: limits.maxSubscriptions,
    store,
    onError,
    sessionLog,
    position: async id => {
      await tail.start();
      return encodePosition(id, tail.position);
    },
    tellOthers: async (id, what) => {
      const told = tell(what === 'ended' ? { ended: id } : { changed: id });
      const woken = what === 'ended' ? told.then(wakeForEnd) : told;
      await doneWithin(limits.storeMs, woken.catch(onError));
    },
  });
  const continuations = new Continuations({ ...limits, store, continuationMs, onError });
  const streams = new Streams(limits);
  const live = hasLive(registry)
    ? new LiveResources({ isLive: uri => isLive(registry, uri), lookMs, storeMs: limits.storeMs, onError })
    : undefined;
  const rowBroadcasts = new RowBroadcasts({ everyMs: lookMs * changesShare, tell: rows => tell({ rows }), onError });
  const callMail = new CallMailboxes({ ...shared, take: takeCallMail });
  const sessionStreams = new SessionStreams({ ...shared, streams, live });
  const callStreams = new CallStreams(shared);
  const relay = new SseRelay({ ...shared, live });
  const clientQuestions = new ClientQuestions(limits.inputMs, id => callMail.open(id));
  const calls = new Calls({ ...limits, retain, onRefused, tail });
  const tasks = new TaskRuns({ ...shared, deadMs });
  const listeners = new Listeners({ ...limits, streams, registry, live, hold: () => tail.hold() });
  const callRate = new Rate({ what: 'requests', perMinute: limits.callsPerMinute, limiter: rateLimiters.calls, onError });
  let isDraining = false;
  const requests = new InFlight(options.onFirstRequest);
  const environment: Environment = {
    server: {
      registry,
      limits,
      explainError: options.explainError,
      confirmations: confirmationsOf(continuations, continuationMs),
      audit,
      observe: options.observe,
      tasks,
    },
    node,
    nodeName,
    sessions,
    continuations,
    tail,
    calls,
    callMail,
    callStreams,
    health: new Health({ query: () => store.latest(1), bus, isClosing: () => isDraining || environment.isClosing, onError }),
    listeners,
    relay,
    clientQuestions,
    rootsChanges:
      options.onRootsChanged && new RootsChanges({ hook: options.onRootsChanged, calls, callRate, tail, push: pushToClient, onError }),
    sessionStreams,
    streams,
    tasks,
    unsent: new UnsentAnswers(limits),
    callRate,
    initializeRate: new Rate({ what: 'new sessions', perMinute: limits.initializesPerMinute, limiter: rateLimiters.initializes, onError }),
    readBody: bodyReader(limits),
    maxBatch: limits.maxBatch,
    requests,
    isClosing: false,
    authorization: options.authorization,
    principal: options.principal,
    createContext: options.createContext,
    report: options.report,
    setSubscribed,
  };

  sessions.onEnd(id => {
    calls.endSession(id);
    sessionStreams.endSession(id);
    callStreams.endSession(id);
    relay.endSession(id);
  });
  let isOwnWakeUp = false;
  let stopLearning: (() => void) | undefined;
  tail.onStart(() => {
    // The ends of sessions whose rows were read before may be among the events that are delivered to nobody.
    sessions.forgetAll();
    stopLearning = bus.subscribe(endedTopic, () => {
      if (!isOwnWakeUp) sessions.someEndedElsewhere(tail.readNow());
    });
  });
  tail.listen(EVERYBODY, ({ id, data }) => {
    const broadcast = parseBroadcast(data);
    if (broadcast !== undefined) takeBroadcast(id, broadcast);
  });
  tail.listen(nodeMailOf(node), ({ data }) => {
    const mail = parseNodeMail(data);
    if (mail === undefined) return;
    if ('resume' in mail) callStreams.handOver(mail);
    else nodes.beat().catch(() => undefined);
  });
  tail.onDeaf(() => {
    sessionStreams.leaveAll(clientRetryMs, 0).catch(onError);
    callStreams.endFollowing();
    relay.endAll();
    listeners.endAll();
  });

  function onRefused({ session, principal }: { session: { readonly id: string } | undefined; principal: string | undefined }): void {
    if (session !== undefined) sessions.rejected(session.id, principal ?? null, 'limit');
  }

  function retain(id: string, since: Position): () => void {
    const releases = [sessions.retain(id), callMail.open(id, since)];
    return () => {
      for (const release of releases) release();
    };
  }

  function askToBeat(other: string): Promise<void> {
    return log.post({ stream: nodeMailOf(other), sessionId: null, data: JSON.stringify({ beat: true }) }, { withinMs: limits.storeMs });
  }

  function tell(broadcast: Broadcast): Promise<void> {
    return log.post({ stream: EVERYBODY, sessionId: null, data: JSON.stringify(broadcast) });
  }

  /** Wakes the processes that may serve a session that has ended here. This process knows of the end: a bus wakes its publisher at once. */
  function wakeForEnd(): void {
    isOwnWakeUp = true;
    bus.publish(endedTopic);
    queueMicrotask(() => {
      isOwnWakeUp = false;
    });
  }

  function pushToClient(sessionId: string, text: string): Promise<void> {
    return log.post({ stream: sessionStreamOf(sessionId), sessionId, data: encodeStreamMail({ push: text }) });
  }

  async function setSubscribed(sessionId: string, uri: string, { isSubscribed, sight }: SubscriptionChange): Promise<void> {
    // The change goes through the log even if the stream is in this process. So the order of the calls decides which later
    // broadcasts the session gets.
    const data = encodeStreamMail(isSubscribed ? { subscribed: uri, sight } : { unsubscribed: uri });
    await log.post({ stream: sessionStreamOf(sessionId), sessionId, data }, { withinMs: limits.storeMs });
  }

  function takeCallMail(sessionId: string, mail: CallMail, eventId: number): void {
    if ('answer' in mail) clientQuestions.settle(sessionId, mail.answer);
    else calls.cancel(sessionId, mail.cancel, { reason: mail.reason, eventId });
  }

  function takeBroadcast(eventId: number, broadcast: Broadcast): void {
    if ('ended' in broadcast) sessions.endedElsewhere(broadcast.ended);
    else if ('changed' in broadcast) sessions.forget(broadcast.changed);
    else if ('leaving' in broadcast) relay.leave(broadcast.leaving);
    else if ('rows' in broadcast) listeners.rowsChanged(eventId, broadcast.rows);
    else if ('list' in broadcast) listeners.listChanged(broadcast.list);
    else if ('uri' in broadcast) listeners.resourceUpdated(broadcast.uri);
  }

  /**
   * Tells the other processes to accept no more requests for the HTTP+SSE streams of this process. Waits until they should have read that,
   * at most half of `deadlineMs`.
   */
  async function leaveRelay(deadlineMs: number): Promise<void> {
    if (relay.size === 0) return;
    tell({ leaving: node }).catch(onError);
    await new Promise(resolve => setTimeout(resolve, Math.min(lookMs + acceptMs, deadlineMs / 2)));
  }

  async function drain(deadlineMs: number): Promise<void> {
    isDraining = true;
    const until = performance.now() + deadlineMs;
    await Promise.all([sessionStreams.leaveAll(clientRetryMs, drainPauseMs), leaveRelay(deadlineMs)]);
    for (;;) {
      // Requests that other processes have accepted may not be known here yet.
      await doneWithin(until - performance.now(), tail.catchUp());
      relay.endIdle();
      if ((calls.size === 0 && tasks.size === 0 && relay.size === 0) || performance.now() >= until) break;
      await new Promise(resolve => setTimeout(resolve, drainLookMs));
    }
  }

  /** Closes calls, then streams, then rows. Each step gets a share of the remaining time. */
  async function closeInOrder(until: number): Promise<void> {
    const leftMs = () => Math.max(0, until - performance.now());
    await Promise.all([calls.drain(leftMs() * stepShare), tasks.drain(leftMs() * stepShare)]);
    // A request that still waits for the database or for its body is no call yet, but it must be answered too.
    await requests.idle(leftMs() * stepShare);
    // Koa sends an answer after its request has called `finish`.
    await new Promise(setImmediate);
    await doneWithin(leftMs() * stepShare, rowBroadcasts.flush());
    listeners.close();
    callStreams.handOverAll();
    await sessionStreams.leaveAll(clientRetryMs, 0);
    await doneWithin(leftMs() * stepShare, tail.catchUp());
    relay.endAll();
    await streams.close(leftMs() * stepShare);
    await sessionStreams.saved();
    await Promise.all([sessions.close(), continuations.close(), tasks.close(leftMs() * stepShare), keyCap?.settle()]);
    await log.close(leftMs());
    // Everything that other processes wait for is a row by now.
    await nodes.close();
  }

  return {
    environment,
    listChanged: list => tell({ list }),
    resourceUpdated: uri => tell({ uri }),
    elicitationComplete: async id => {
      if (isSealedId(id)) await tell({ completed: id });
    },
    rowsChanged: rows => tell({ rows }),
    noteRows: rows => rowBroadcasts.add(rows),
    drain,
    async close(deadlineMs) {
      environment.isClosing = true;
      await doneWithin(deadlineMs, closeInOrder(performance.now() + deadlineMs).catch(onError));
      // These calls end whatever is still open after the deadline.
      streams.cut();
      callStreams.close();
      stopLearning?.();
      tail.close();
      await log.close(0);
    },
  };
}
