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
  | { readonly do: 'close'; readonly deadlineMs: number };

/** An order on its way. */
export type Numbered = { readonly number: number; readonly order: Order };

/** What a process says. */
export type Report =
  | { readonly port: number }
  | { readonly done: number; readonly failure?: string }
  /** An error that reached the app, or a failure of the bus. */
  | { readonly problem: string };

/** The text of `big`: quotes, line breaks and more that JSON and event streams have to escape. */
export function bigText(bytes: number): string {
  const line = '"line"\n\r\n\tdata: {\\"}\u2028 ';
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}
