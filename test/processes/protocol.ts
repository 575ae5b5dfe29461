import type { Limits, SessionOptions } from '../../src/index.ts';

/** How wake-ups travel; `none`: not at all, so that only the processes' own looks deliver. */
export type BusKind = 'postgres' | 'redis' | 'polling' | 'none';

/** What one process of the test app is started with. */
export interface Settings {
  /** Told in the header `x-process` of every answer. */
  readonly name: string;
  readonly databaseUrl: string;
  readonly bus: BusKind;
  /** Where PostgreSQL or Redis is, for a bus that needs one. */
  readonly busUrl: string;
  /** Keeps wake-ups of different tests apart. */
  readonly channel: string;
  readonly sessions: SessionOptions;
  readonly limits: Limits;
  /** Milliseconds that the wall clock of the process is ahead of the others'; timers and `performance.now()` are not. @default 0 */
  readonly clockAheadMs?: number;
}

/** What a process is told to do. */
export type Order =
  /** Announces changes, one after the other. */
  | { readonly do: 'resourceUpdated'; readonly uris: readonly string[] }
  | { readonly do: 'listChanged'; readonly list: 'tools' | 'resources' | 'prompts' }
  /** Gives a running call a line to say, or, without one, its end. */
  | { readonly do: 'feed'; readonly key: string; readonly line?: string }
  /** Waits until a call has begun, or has been aborted. */
  | { readonly do: 'began' | 'aborted'; readonly key: string }
  /** Waits until the bus is connected. */
  | { readonly do: 'ready' }
  /** Ends a task that was handed over, or sets its message: the value is whether it was open. */
  | { readonly do: 'completeTask' | 'progressTask'; readonly id: string; readonly text: string }
  /** Counts what the process keeps in memory: the value is `Kept`. */
  | { readonly do: 'count' }
  | { readonly do: 'close'; readonly deadlineMs: number };

/** An order on its way. */
export type Numbered = { readonly number: number; readonly order: Order };

/** What a process says. */
export type Report =
  | { readonly port: number }
  | { readonly done: number; readonly failure?: string; readonly value?: unknown }
  /** An error that reached the app, or a failure of the bus. */
  | { readonly problem: string }
  /** The call of this key was begun, or aborted. */
  | { readonly ran: string }
  | { readonly aborted: string };

/** What a process keeps in memory, after a garbage collection. */
export interface Kept {
  /** Answers that something still refers to: open streams, and those that leak. */
  readonly responses: number;
  /** Timers that have not fired. */
  readonly timers: number;
  readonly heapBytes: number;
}

/** The text of `big`: quotes, line breaks and more that JSON and event streams have to escape. */
export function bigText(bytes: number): string {
  const line = '"line"\n\r\n\tdata: {\\"}\u2028 ';
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}
