import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Revision } from '../../src/protocol/revisions.ts';
import { ModernClient } from '../support/modern.ts';
import type { WireMessage } from '../support/schemas.ts';
import { openReader } from '../support/sse.ts';
import type { House } from './house.ts';
import { victim } from './house.ts';
import type { Answer, Party } from './party.ts';
import { connect, isRefused } from './party.ts';
import type { Theft } from './theft.ts';

/** The key of a booking of the victim, and one that never was. They look like nothing else in an answer. */
const key = '730001';
const noKey = '790009';

/** A booking of the victim, whose key an intruder has learned. */
async function bookingStolen({ server, prisma }: House, revision: Revision) {
  const data = { clientId: victim, startsAt: new Date('2026-06-01T09:00:00Z'), price: '30' };
  await prisma.booking.upsert({ where: { id: Number(key) }, create: { id: Number(key), ...data }, update: data });
  return {
    owner: await connect(server, { row: revision, user: victim }),
    thing: key,
    unknown: noKey,
    price: async () => String((await prisma.booking.findUniqueOrThrow({ where: { id: Number(key) } })).price),
  };
}

const uriOf = (id: string): string => `test://booking/${id}`;
const call = (by: Party, name: string, args: object): Promise<Answer> => by.request('tools/call', { name, arguments: args });

export async function row(house: House, revision: Revision): Promise<Theft> {
  const { price, ...stolen } = await bookingStolen(house, revision);
  const { owner } = stolen;
  const where = (id: string) => ({ where: { id: Number(id) } });
  return {
    ...stolen,
    uses: {
      findUnique: (by, id) => call(by, 'booking_findUnique', where(id)),
      update: (by, id) => call(by, 'booking_update', { ...where(id), data: { price: '1' } }),
    },
    stillWorks: async () => {
      expect(await price()).toBe('30');
      const { isError } = await owner.result('tools/call', { name: 'booking_findUnique', arguments: where(key) });
      expect(isError).toBeUndefined();
    },
  };
}

export async function resource(house: House, revision: Revision): Promise<Theft> {
  const stolen = await bookingStolen(house, revision);
  const { owner } = stolen;
  return {
    ...stolen,
    uses: { 'resources/read': (by, id) => by.request('resources/read', { uri: uriOf(id) }) },
    stillWorks: async () => {
      const { contents } = await owner.result('resources/read', { uri: uriOf(key) });
      expect(JSON.parse(contents[0].text).id).toBe(Number(key));
    },
  };
}

export async function completion(house: House, revision: Revision): Promise<Theft> {
  const stolen = await bookingStolen(house, revision);
  const { owner } = stolen;
  const params = (value: string) => ({ ref: { type: 'ref/resource', uri: 'test://booking/{id}' }, argument: { name: 'id', value } });
  return {
    ...stolen,
    uses: { 'completion/complete': (by, id) => by.request('completion/complete', params(id)) },
    isHarmless: answer => isRefused(answer) || JSON.parse(answer.body).result.completion.values.length === 0,
    stillWorks: async () => expect((await owner.result('completion/complete', params(key))).completion.values).toEqual([key]),
  };
}

/** The victim is subscribed. An intruder who asks for the same resource gets no subscription. */
export async function subscription(house: House, revision: Revision): Promise<Theft> {
  const stolen = await bookingStolen(house, revision);
  const { owner } = stolen;
  return {
    ...stolen,
    uses: { subscribing: (by, id) => subscribe(by, uriOf(id)) },
    isHarmless: answer => isRefused(answer) || JSON.stringify(JSON.parse(answer.body).params.notifications) === '{}',
    stillWorks: await subscribed(house, owner),
  };
}

function subscribe(by: Party, uri: string): Promise<Answer> {
  if (by.row.era === 'legacy') return by.request('resources/subscribe', { uri });
  return by.request('subscriptions/listen', { notifications: { resourceSubscriptions: [uri] } });
}

export async function unsubscription(house: House, revision: Revision): Promise<Theft> {
  const stolen = await bookingStolen(house, revision);
  const { owner } = stolen;
  return {
    ...stolen,
    uses: { 'resources/unsubscribe': (by, id) => by.request('resources/unsubscribe', { uri: uriOf(id) }) },
    // A session may unsubscribe from what it is not subscribed to.
    isHarmless: answer => isRefused(answer) || JSON.stringify(JSON.parse(answer.body).result) === '{}',
    stillWorks: await subscribed(house, owner),
  };
}

/** Subscribes the victim. The returned function waits for the notification of a change. */
async function subscribed({ server, prisma }: House, owner: Party): Promise<() => Promise<void>> {
  const uri = uriOf(key);
  const next = await streamOf(server.url, owner, [uri]);
  return async () => {
    await prisma.booking.update({ where: { id: Number(key) }, data: { price: { increment: 1 } } });
    expect((await next()).params).toMatchObject({ uri });
  };
}

/** The intruder is subscribed to its own list of bookings. A change of a booking of the victim is a change of other rows. */
export async function change(house: House, revision: Revision): Promise<Theft> {
  const stolen = await bookingStolen(house, revision);
  const { owner } = stolen;
  return {
    ...stolen,
    uses: {
      'a subscription to the list': async (by, id) => {
        const heard = await listTo(house, by);
        if (id === key) await (await subscribed(house, owner))();
        return { status: 200, headers: {}, body: JSON.stringify(await heard()) };
      },
    },
    isHarmless: ({ body }) => body === '[]',
    stillWorks: async () => (await subscribed(house, await connect(house.server, { row: revision, user: victim })))(),
  };
}

/** Subscribes to the list of bookings. The returned function gives what was heard of it since then. */
async function listTo({ server, prisma }: House, { row, user }: Party): Promise<() => Promise<WireMessage[]>> {
  const list = 'test://booking';
  const mark = `test://mark/${randomBytes(6).toString('hex')}`;
  const next = await streamOf(server.url, await connect(server, { row, user }), [list, mark]);
  if (user !== undefined) {
    const { id } = await prisma.booking.findFirstOrThrow({ where: { clientId: user }, orderBy: { id: 'asc' } });
    await prisma.booking.update({ where: { id }, data: { price: { increment: 1 } } });
    expect((await next()).params).toMatchObject({ uri: list });
  }
  return async () => {
    await server.mcp.resourceUpdated(mark);
    const heard: WireMessage[] = [];
    for (let message = await next(); message.params?.['uri'] !== mark; message = await next()) heard.push(message);
    return heard;
  };
}

/** Subscribes to resources and opens the stream that is told of them. The returned function waits for the next change. */
async function streamOf(url: string, by: Party, uris: readonly string[]): Promise<() => Promise<WireMessage>> {
  const receive = by.row.era === 'modern' ? await listen(url, by, uris) : await get(url, by, uris);
  return async () => {
    for (let message = await receive(); message !== undefined; message = await receive())
      if (message.method === 'notifications/resources/updated') return message;
    throw new Error('the stream is over');
  };
}

async function listen(url: string, { headers, row }: Party, resourceSubscriptions: readonly string[]) {
  const { authorization } = headers;
  const stream = await new ModernClient(url, { headers: { authorization }, revision: row.id }).listen({ resourceSubscriptions });
  return () => stream.next();
}

async function get(url: string, by: Party, uris: readonly string[]) {
  const reader = await openReader({ url, headers: { ...by.headers, accept: 'text/event-stream' } });
  for (const uri of uris) await by.result('resources/subscribe', { uri });
  let index = 0;
  return () => reader.at(index++);
}

/** A session of the victim on the routes of operators. */
export async function listedSession({ server }: House, revision: Revision): Promise<Theft> {
  const owner = await connect(server, { row: revision, user: victim });
  return {
    owner,
    thing: owner.sessionId,
    unknown: `mcp_${randomBytes(32).toString('base64url')}`,
    uses: {
      'GET of sessions': by => by.send({ path: '/sessions', method: 'GET' }),
      'GET of the sessions of a principal': by => by.send({ path: `/sessions?principal=${victim}`, method: 'GET' }),
      'GET of sessions after one': (by, id) => by.send({ path: `/sessions?after=${encodeURIComponent(`0.${id}`)}`, method: 'GET' }),
      'DELETE of a session': (by, id) => by.send({ path: `/sessions/${encodeURIComponent(id)}`, method: 'DELETE' }),
    },
    stillWorks: async () => expect((await owner.result('tools/call', { name: 'whoami', arguments: {} })).isError).toBeUndefined(),
  };
}
