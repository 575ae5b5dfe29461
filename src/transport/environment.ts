import type Koa from 'koa';
import type { Tail } from '../delivery/tail.ts';
import type { Server } from '../protocol/call.ts';
import type { CallContext, McpContext, Sight } from '../protocol/definitions.ts';
import type { Continuations } from '../session/continuations.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Health } from './admin.ts';
import type { Authorization } from './authorization.ts';
import type { CallMailboxes } from './call-mail.ts';
import type { CallStreams } from './call-stream.ts';
import type { Calls, InFlight, Rate } from './calls.ts';
import type { ClientQuestions } from './client-questions.ts';
import type { Streams } from './event-stream.ts';
import type { ReadBody, UnsentAnswers } from './http.ts';
import type { Listeners } from './listeners.ts';
import type { RootsChanges } from './roots-changes.ts';
import type { SessionStreams } from './session-stream.ts';
import type { SseRelay } from './sse-relay.ts';
import type { TaskRuns } from './tasks.ts';

/** The parts that all transports of one endpoint share. */
export interface Environment {
  readonly server: Server;
  /** The id of this process's run. */
  readonly node: string;
  /** The name of this process, for people. */
  readonly nodeName: string;
  readonly sessions: Sessions;
  readonly continuations: Continuations;
  readonly tail: Tail;
  readonly calls: Calls;
  readonly callMail: CallMailboxes;
  readonly callStreams: CallStreams;
  readonly health: Health;
  readonly listeners: Listeners;
  readonly relay: SseRelay;
  readonly clientQuestions: ClientQuestions;
  /** `undefined` if the app does not want to hear of changed roots. */
  readonly rootsChanges: RootsChanges | undefined;
  readonly sessionStreams: SessionStreams;
  readonly streams: Streams;
  readonly tasks: TaskRuns;
  readonly unsent: UnsentAnswers;
  /** Requests with an id. */
  readonly callRate: Rate;
  /** Sessions that are opened. */
  readonly initializeRate: Rate;
  readonly readBody: ReadBody;
  readonly maxBatch: number;
  /** The requests of this endpoint that have neither their answer nor the stream of their answer yet. `close()` waits for them. */
  readonly requests: InFlight;
  /** Whether the service is closing. New requests are then refused. */
  isClosing: boolean;
  /** `undefined` if the app has authenticated the caller. */
  readonly authorization: Authorization | undefined;
  /** Returns the caller; `null` is a guest. */
  readonly principal: (ctx: Koa.Context) => Promise<string | null>;
  readonly createContext: (ctx: Koa.Context, mcp: McpContext) => CallContext;
  /** Reports an error that clients must not see. Returns a reference that the client can quote. */
  readonly report: (error: unknown, ctx: Koa.Context) => string;
  /** Tells the stream of a session, in any process, that the session has subscribed to a resource or unsubscribed from it. */
  readonly setSubscribed: (sessionId: string, uri: string, change: SubscriptionChange) => Promise<void>;
}

/** A session has subscribed to a resource, or unsubscribed from it. */
export interface SubscriptionChange {
  readonly isSubscribed: boolean;
  /** What the client got of a live resource when it subscribed. */
  readonly sight?: Sight | undefined;
}
