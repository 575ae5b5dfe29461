import type Koa from 'koa';
import type { ExposureLike } from '../../src/models/exposure.ts';
import { sameLimits } from '../models/served.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import { open } from '../support/wire.ts';

/** JSON of any shape: what it looks like is what the tests assert. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Json = any;

/** Signs in by `Authorization: Bearer <client id>`; nobody without one. */
export const signIn: Koa.Middleware = async (ctx, next) => {
  const [, id] = /^Bearer (\d+)$/.exec(ctx.get('authorization')) ?? [];
  if (id !== undefined) ctx.state['user'] = { id, clientId: Number(id) };
  await next();
};

/** Serves models of a database, written as JavaScript would, to whom `signIn` lets in. */
export function serve(db: TestDatabase, models: Record<string, ExposureLike>, tools: object = {}): Promise<TestServer> {
  const { prisma, datamodel } = db;
  const limits = { where: sameLimits };
  return start({ prisma, datamodel, models: models as never, tools: tools as never, limits }, { before: [signIn] });
}

/** Who calls, as a policy sees it; -1 is a guest. */
export function callerOf(ctx: unknown): number {
  return (ctx as { state: { user?: { clientId: number } } }).state.user?.clientId ?? -1;
}

/** A session of the client with this id, or of a guest. */
export function openAs(url: string, clientId?: number): Promise<WireSession> {
  return open(url, clientId === undefined ? {} : { headers: bearer(clientId) });
}

/** The header that signs a client in. */
export function bearer(clientId: number): Record<string, string> {
  return { authorization: `Bearer ${clientId}` };
}

/** A tool's answer: its structured result, or the text of its error after `error: `. */
export async function ask(session: WireSession, tool: string, args: object = {}): Promise<Json> {
  const { isError, content, structuredContent } = await session.call(tool, args);
  return isError === true ? `error: ${content[0].text}` : structuredContent;
}

/** The same for arguments that no JSON writer would make, such as `1e400`. */
export async function askText(session: WireSession, tool: string, argsText: string): Promise<Json> {
  const response = await fetch(session.url, {
    method: 'POST',
    headers: { ...session.headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(tool)},"arguments":${argsText}}}`,
  });
  const { result, error } = (await response.json()) as Json;
  if (error !== undefined) return `error: ${error.message}`;
  return result.isError === true ? `error: ${result.content[0].text}` : result.structuredContent;
}

/** What no answer may say, whatever was asked. */
export const internals =
  /internal error|prisma|invocation|select "|select `|insert into|sqlite|postgres|constraint "|\bat \/|node_modules|\.ts:\d|secret/i;

/**
 * Three clients, two rooms, six bookings. Every text says where it is from, as `booking:4:internalNote`, so that a leak can be told by its words.
 *
 * @param other Changes what is hidden from client 2: the columns that `hidden` names, and the rows of others.
 */
export async function fill(prisma: PrismaClient, { other = false }: { other?: boolean } = {}): Promise<void> {
  const salt = other ? 'b' : 'a';
  const text = (model: string, id: number | string, column: string): string => `${model}:${id}:${column}:${salt}`;
  const at = (day: number): Date => new Date(Date.UTC(2026, 2, day, 9));
  for (const id of [1, 2, 3]) {
    const isForeign = id === 1;
    await prisma.client.create({
      data: {
        email: text('client', id, 'email'),
        name: isForeign ? text('client', id, 'name') : `Client ${id}`,
        phone: other && id === 2 ? null : text('client', id, 'phone'),
        notes: other ? null : text('client', id, 'notes'),
        passwordHash: text('client', id, 'passwordHash'),
        joinedAt: at(isForeign && other ? 20 : id),
        updatedAt: at(other ? 25 : 26),
        referredById: id === 3 ? (other ? 2 : null) : null,
      },
    });
  }
  await prisma.room.createMany({
    data: [
      { id: 'blue', code: 'B', capacity: 8 },
      { id: 'red', code: 'R', capacity: 2 },
    ],
  });
  for (const [index, clientId] of [1, 2, 2, 2, 3, 1].entries()) {
    const id = index + 1;
    const isForeign = clientId !== 2;
    await prisma.booking.create({
      data: {
        clientId: isForeign && other ? 4 - clientId : clientId,
        roomId: (index % 2 === 0) === other ? 'red' : 'blue',
        startsAt: at(isForeign && other ? 21 + index : 1 + index),
        status: isForeign && other ? 'CANCELLED' : index % 2 === 0 ? 'PENDING' : 'CONFIRMED',
        price: isForeign && other ? '99' : `${10 + index}`,
        meta: { from: isForeign ? text('booking', id, 'meta') : 'plain' },
        internalNote: text('booking', id, 'internalNote'),
      },
    });
  }
  await prisma.membership.createMany({
    data: [
      { clientId: 1, roomId: 'red', level: other ? 'half' : 'full', slot: other ? 7 : 1 },
      { clientId: 2, roomId: 'red', level: 'full', slot: 2 },
      { clientId: 2, roomId: 'blue', level: 'half', slot: 3 },
    ],
  });
}
