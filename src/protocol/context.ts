import type { JsonObject } from './definitions.ts';
import type { Asking } from './input.ts';

/** RFC 5424 severities, least severe first. */
export const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;
/** Severity of a log message. */
export type LogLevel = (typeof logLevels)[number];

/** What a client or server says of itself. */
export interface Implementation {
  name: string;
  version: string;
  title?: string;
  [key: string]: unknown;
}

/** `ctx.mcp`: the MCP side of the call a handler serves. */
export interface McpContext extends Asking {
  /** Aborts when the client cancels, its session ends, or the handler's time is up. */
  readonly signal: AbortSignal;
  /** The revision this call is served in, e.g. `"2025-11-25"`. */
  readonly revision: string;
  /** The session of the legacy revisions; `undefined` where the revision has none. */
  readonly sessionId: string | undefined;
  /** What the client says of itself; never a proof of identity. */
  readonly client: { readonly info: Implementation | undefined; readonly capabilities: JsonObject };
  /** Who the host says is calling: the session's principal; `undefined` for a guest. */
  readonly principal: string | undefined;
  /**
   * Reports progress, if the client asked for it; otherwise does nothing.
   *
   * @param progress Must grow with each report; one that does not is dropped.
   */
  progress(progress: number, total?: number, message?: string): void;
  /**
   * Ends the connection of this call's stream, not the call: the client comes back for the rest, so that nobody holds a connection for long.
   * Only clients of 2025-11-25 can; for others it does nothing.
   *
   * @param options.retryMs How long the client is to wait. @default 1000
   * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
   */
  closeStream(options?: { retryMs?: number }): void;
  /** Sends a log message to the client, if its level admits it. `data` is any JSON. */
  log(level: LogLevel, data: unknown, logger?: string): void;
}
