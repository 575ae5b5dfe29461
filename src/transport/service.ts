import type { Bus } from '../bus/bus.ts';
import { EventLog } from '../delivery/event-log.ts';
import { notificationText } from '../protocol/jsonrpc.ts';
import type { Registry } from '../protocol/registry.ts';
import type { ListName } from '../protocol/subscriptions.ts';
import { Continuations } from '../session/continuations.ts';
import { LOG } from '../session/events.ts';
import type { Lifecycle } from '../session/lifecycle.ts';
import type { SessionsOptions } from '../session/sessions.ts';
import { Sessions } from '../session/sessions.ts';
import type { Store } from '../session/store.ts';
import type { Announcement } from './announcements.ts';
import { Announcements } from './announcements.ts';
import { bodyReader } from './body.ts';
import { Calls } from './calls.ts';
import type { Environment } from './environment.ts';
import { Health } from './health.ts';
import type { Inbound } from './inbound.ts';
import { Inbounds } from './inbound.ts';
import { Listeners } from './listeners.ts';
import { ReplayStreams } from './replay-streams.ts';
import { Requests } from './requests.ts';
import { StandaloneStreams } from './standalone.ts';
import { Streams } from './streams.ts';

/** How long streams have at least to send what was said on them, when running calls took all the time there was. */
const lastWordsMs = 500;
/** How long clients wait before they come back after this process has closed. */
const retryMs = 1000;
/** Sessions of one page when all are told something. */
const pageSize = 500;

/** What a service is made of. */
export interface ServiceOptions extends Pick<Environment, 'principal' | 'createContext' | 'report'> {
  readonly registry: Registry;
  readonly store: Store;
  readonly bus: Bus;
  /** Name of this process. */
  readonly node: string;
  readonly sessions: Omit<SessionsOptions, 'store' | 'onError' | 'lifecycle' | 'tellOthers'> & { continuationMs: number; lookMs: number };
  readonly limits: Environment['server']['limits'] & {
    maxBodyBytes: number;
    maxDepth: number;
    maxBatch: number;
    maxCalls: number;
    maxStreams: number;
    maxListeners: number;
    maxStreamBufferBytes: number;
    inputMs: number;
    heartbeatMs: number;
    maxEvents: number;
    maxEventBytes: number;
    replayMs: number;
  };
  readonly lifecycle: Lifecycle | undefined;
  readonly onError: (error: unknown) => void;
}

/** One endpoint in this process: what its transports share, and what the host may do from outside a request. */
export interface Service {
  readonly environment: Environment;
  readonly listChanged: (list: ListName) => Promise<void>;
  readonly resourceUpdated: (uri: string) => Promise<void>;
  readonly close: (deadlineMs: number) => Promise<void>;
}

/** Opens the service of an endpoint. */
export function openService(options: ServiceOptions): Service {
  const { store, limits, node, onError, lifecycle, registry } = options;
  const { continuationMs, lookMs, ...sessionsOptions } = options.sessions;
  const log = new EventLog({ ...limits, store, bus: options.bus, lookMs, onError });
  const announcements = new Announcements({ log, take: takeAnnouncement });
  const sessions = new Sessions({
    ...sessionsOptions,
    store,
    onError,
    lifecycle,
    tellOthers: (id, what) => {
      announcements.announce(what === 'ended' ? { ended: id } : { changed: id }).catch(onError);
    },
  });
  const inbounds = new Inbounds({ log, lookMs, take: takeInbound });
  const streams = new Streams(limits);
  const standalone = new StandaloneStreams({ ...limits, log, store, inbounds, lookMs, node, onError });
  const replays = new ReplayStreams({ ...limits, log, inbounds, onError });
  const requests = new Requests({ ...limits, watch: id => inbounds.watch(id) });
  const calls = new Calls({ ...limits, retain, onRefused });
  const listeners = new Listeners({ ...limits, streams, registry, hold: () => log.hold() });
  const environment: Environment = {
    server: { registry, limits },
    sessions,
    continuations: new Continuations({ store, continuationMs }),
    announcements,
    calls,
    health: new Health({ query: () => store.last([LOG]), bus: options.bus, isClosing: () => environment.isClosing, onError }),
    inbounds,
    listeners,
    replays,
    requests,
    standalone,
    streams,
    readBody: bodyReader(limits),
    maxBatch: limits.maxBatch,
    isClosing: false,
    principal: options.principal,
    createContext: options.createContext,
    report: options.report,
  };

  sessions.onEnd(id => {
    calls.endSession(id);
    standalone.endSession(id);
    replays.endSession(id);
  });

  function onRefused({ session, principal }: { session: { readonly id: string } | undefined; principal: string | undefined }): void {
    if (session !== undefined) sessions.rejected(session.id, principal ?? null, 'limit');
  }

  function retain(id: string): () => void {
    const release = sessions.retain(id);
    const unwatch = inbounds.watch(id);
    inbounds.look(id);
    return () => {
      release();
      unwatch();
    };
  }

  function takeInbound(sessionId: string, inbound: Inbound, sentAt: number): boolean {
    switch (inbound.kind) {
      case 'response':
        return requests.settle(sessionId, inbound.message);
      case 'cancel':
        return calls.cancel(sessionId, inbound.requestId, { reason: inbound.reason, sentAt });
      case 'resume':
        return replays.leave(inbound.stream);
      case 'alive':
        return calls.has(sessionId, inbound.requestId);
    }
  }

  function takeAnnouncement(announcement: Announcement): void {
    if ('ended' in announcement) sessions.endedElsewhere(announcement.ended);
    else if ('changed' in announcement) sessions.forget(announcement.changed);
    else if ('list' in announcement) listeners.listChanged(announcement.list);
    else listeners.resourceUpdated(announcement.uri);
  }

  /** Sends one message to all the sessions of all pages. */
  async function tellSessions(message: string, readPage: (after: string | undefined) => Promise<string[]>): Promise<void> {
    let after: string | undefined;
    do {
      const page = await log.persist(() => readPage(after));
      await Promise.all(page.map(id => standalone.send(id, message)));
      after = page.length < pageSize ? undefined : page.at(-1);
    } while (after !== undefined);
  }

  return {
    environment,
    async listChanged(list) {
      const since = new Date(Date.now() - limits.replayMs);
      await Promise.all([
        announcements.announce({ list }),
        tellSessions(notificationText(`notifications/${list}/list_changed`), after => store.reachable(since, after, pageSize)),
      ]);
    },
    async resourceUpdated(uri) {
      const message = notificationText('notifications/resources/updated', { uri });
      await Promise.all([announcements.announce({ uri }), tellSessions(message, after => store.subscribedTo(uri, after, pageSize))]);
    },
    async close(deadlineMs) {
      environment.isClosing = true;
      const startedAt = Date.now();
      await calls.drain(deadlineMs);
      // Calls that have ended are about to answer.
      await new Promise(setImmediate);
      listeners.close();
      await replays.close();
      standalone.close(retryMs);
      await streams.close(Math.max(lastWordsMs, deadlineMs - (Date.now() - startedAt)));
      announcements.stop();
      await sessions.close();
      await log.close();
    },
  };
}
