import type Koa from 'koa';
import { expect } from 'vitest';
import { tasksExtension } from '../../src/protocol/revisions.ts';
import type { Store } from '../../src/store/store.ts';
import type { DisturbedStore } from '../delivery/fixtures.ts';
import { disturbed } from '../delivery/fixtures.ts';
import { ModernClient } from '../support/modern.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { events, open, WireSession } from '../support/wire.ts';

/** Names the caller of a request. */
const principal = (ctx: Koa.Context) => ctx.get('x-user') || undefined;

/** Makes processes of an app with these tools, each of which finds what others left by looking. */
export function endpointsWith(tools: NonNullable<Parameters<typeof start>[0]['tools']>) {
  return async (
    shared: Store,
    { limits = {}, sessions = {}, ...options }: Parameters<typeof start>[0] = {},
  ): Promise<TestServer & DisturbedStore> => {
    const disturbance = disturbed(shared);
    const server = await start({
      tools,
      principal,
      sessions: { store: disturbance.store, lookMs: 20, deadMs: 1000, cacheMs: 50, ...sessions },
      limits: { storeMs: 500, ...limits },
      ...options,
    });
    return Object.assign(server, disturbance);
  };
}

const capabilities = { elicitation: { form: {} }, extensions: { [tasksExtension]: {} } };

/** A client of 2026-07-28 that can have tasks. */
export function client({ url }: TestServer, user = 'ada'): ModernClient {
  return new ModernClient(url, { capabilities, headers: { 'x-user': user } });
}

/** A session of 2025-11-25. */
export function session({ url }: TestServer, user = 'ada'): Promise<WireSession> {
  return open(url, { capabilities: { elicitation: {} }, headers: { 'x-user': user } });
}

/** The same session of 2025-11-25, as its client uses it at another process. */
export function at({ url }: TestServer, { id, initialized, headers, answered }: WireSession): WireSession {
  return new WireSession(url, id, initialized, headers, answered);
}

/** Starts a task. Returns its id. */
export async function startTask(of: ModernClient, name: string, args?: object): Promise<string> {
  return (await of.call(name, args)).taskId;
}

export async function statusOf(of: ModernClient, taskId: string): Promise<string> {
  return (await of.result('tasks/get', { taskId })).status;
}

/** Polls until a task has a status. */
export async function until(of: ModernClient, taskId: string, status: string): Promise<void> {
  await expect.poll(() => statusOf(of, taskId), { timeout: 10_000 }).toBe(status);
}

/** The messages of a `tasks/result` that a session sends to one process. */
export async function resultStream(of: WireSession, at: TestServer, taskId: string): Promise<AsyncGenerator<WireMessage>> {
  return events(await postTo(at, of, { jsonrpc: '2.0', id: 'result', method: 'tasks/result', params: { taskId } }));
}

/** Posts a message of a session to one process. */
export function postTo({ url }: Pick<TestServer, 'url'>, { headers }: WireSession, message: object): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify(message),
  });
}
