import type Koa from 'koa';
import type { Server } from '../protocol/call.ts';
import type { McpContext } from '../protocol/context.ts';
import type { CallContext } from '../protocol/definitions.ts';
import type { Continuations } from '../session/continuations.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Announcements } from './announcements.ts';
import type { ReadBody } from './body.ts';
import type { Calls } from './calls.ts';
import type { Health } from './health.ts';
import type { Inbounds } from './inbound.ts';
import type { Listeners } from './listeners.ts';
import type { ReplayStreams } from './replay-streams.ts';
import type { Requests } from './requests.ts';
import type { StandaloneStreams } from './standalone.ts';
import type { Streams } from './streams.ts';

/** What all transports of one endpoint share. */
export interface Environment {
  readonly server: Server;
  readonly sessions: Sessions;
  readonly continuations: Continuations;
  readonly announcements: Announcements;
  readonly calls: Calls;
  readonly health: Health;
  readonly inbounds: Inbounds;
  readonly listeners: Listeners;
  readonly replays: ReplayStreams;
  readonly requests: Requests;
  readonly standalone: StandaloneStreams;
  readonly streams: Streams;
  readonly readBody: ReadBody;
  readonly maxBatch: number;
  /** Whether the service is ending: nothing new is taken. */
  isClosing: boolean;
  /** Who is calling; `null` is a guest. */
  readonly principal: (ctx: Koa.Context) => string | null | Promise<string | null>;
  readonly createContext: (ctx: Koa.Context, mcp: McpContext) => CallContext;
  /** Takes an error that no client is shown; answers with a reference to quote. */
  readonly report: (error: unknown, ctx: Koa.Context) => string;
}
