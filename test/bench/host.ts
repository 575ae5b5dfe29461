import { ask } from './answers.ts';
import { call, postOf } from './requests.ts';

/** What `announce` has done. */
export interface Announced {
  /** When it began, by `wallClock`. */
  readonly startedAt: number;
  /** How long each announcement took, one after the other. */
  readonly tookMs: readonly number[];
}

/** Announces in the process of `url` for a time, at least once. @param uri The resource that has changed; without it a list has. */
export function announce(url: string, uri: string | undefined, forMs: number): Promise<Announced> {
  return askHost<Announced>(url, 'announce', { forMs, ...(uri !== undefined && { uri }) });
}

/** How many statements the process of `url` has asked the database. */
export async function queriesOf(url: string): Promise<number> {
  return (await askHost<{ queries: number }>(url, 'queries', {})).queries;
}

/** Calls a tool of `hostTools` without a session, so that the call itself needs nothing of the database. */
async function askHost<T>(url: string, tool: string, args: object): Promise<T> {
  const { body } = await ask(url, postOf(call(tool, args), '2026-07-28'));
  const { result } = JSON.parse(body) as { result?: { structuredContent?: T } };
  if (result?.structuredContent === undefined) throw new Error(`${url} has no tool ${tool}: ${body}`);
  return result.structuredContent;
}
