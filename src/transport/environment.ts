import type Koa from 'koa';
import type { Tail } from '../delivery/tail.ts';
import type { Server } from '../protocol/call.ts';
import type { CallContext, McpContext } from '../protocol/definitions.ts';
import type { Continuations } from '../session/continuations.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Health } from './admin.ts';
import type { CallMailboxes } from './call-mail.ts';
import type { CallStreams } from './call-stream.ts';
import type { Calls } from './calls.ts';
import type { ClientQuestions } from './client-questions.ts';
import type { Streams } from './event-stream.ts';
import type { ReadBody } from './http.ts';
import type { Listeners } from './listeners.ts';
import type { SessionStreams } from './session-stream.ts';
import type { SseRelay } from './sse-relay.ts';

/** What all transports of one endpoint share. */
export interface Environment {
  readonly server: Server;
  /** The run of this process. */
  readonly node: string;
  /** Its name for people. */
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
  readonly sessionStreams: SessionStreams;
  readonly streams: Streams;
  readonly readBody: ReadBody;
  readonly maxBatch: number;
  /** To be called when a request of this endpoint arrives: what is needed from the first one on begins in the background. */
  readonly begin: () => void;
  /** To be called for each `begin`, when that request has its answer, or the answer's stream. `close()` waits for it. */
  readonly finish: () => void;
  /** Whether the service is ending: nothing new is taken. */
  isClosing: boolean;
  /** Who is calling; `null` is a guest. */
  readonly principal: (ctx: Koa.Context) => Promise<string | null>;
  readonly createContext: (ctx: Koa.Context, mcp: McpContext) => CallContext;
  /** Takes an error that no client is shown; answers with a reference to quote. */
  readonly report: (error: unknown, ctx: Koa.Context) => string;
  /** Tells the stream of a session, wherever it is, what the session now wants to hear of, or no longer does. */
  readonly setSubscribed: (sessionId: string, uri: string, isSubscribed: boolean) => Promise<void>;
}
