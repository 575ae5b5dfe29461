import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Revision } from '../../src/protocol/revisions.ts';
import type { Json } from '../security/world.ts';
import type { House } from './house.ts';
import { victim } from './house.ts';
import type { Answer, Party } from './party.ts';
import { connect, isRefused } from './party.ts';
import type { Theft } from './theft.ts';

const call = (by: Party, name: string, args: object): Promise<Answer> => by.request('tools/call', { name, arguments: args });
const unknownToken = (): string => randomBytes(32).toString('base64url');
/** A cursor of rows that names a row which never was. */
const cursorOfNoRow = Buffer.from('[0]').toString('base64url');

/** The JSON that a tool has answered, or that a resource contains. */
function jsonOf({ body }: Answer): Json {
  const { result } = JSON.parse(body);
  return JSON.parse(result.content?.[0].text ?? result.contents[0].text);
}

/** A cursor names a row, and anybody may make one: it must show nobody the rows of others. */
function showsOwnRows(answer: Answer, by: Party): boolean {
  return isRefused(answer) || jsonOf(answer).rows.every((row: Json) => row.clientId === by.user);
}

/** A cursor of a list whose further pages only the victim has. */
export async function listCursor({ server }: House, row: Revision): Promise<Theft> {
  const owner = await connect(server, { row, user: victim });
  const { nextCursor } = await owner.result('tools/list');
  expect(nextCursor).toBeTypeOf('string');
  return {
    owner,
    thing: nextCursor,
    unknown: Buffer.from('tools:90').toString('base64url'),
    uses: { 'tools/list': (by, cursor) => by.request('tools/list', { cursor }) },
    stillWorks: async () => {
      const { tools } = await owner.result('tools/list', { cursor: nextCursor });
      expect(tools.map(({ name }: { name: string }) => name)).toContain('own_5');
    },
  };
}

export async function pageCursor({ server }: House, row: Revision): Promise<Theft> {
  const owner = await connect(server, { row, user: victim });
  const read = async (args: object) =>
    JSON.parse((await owner.result('tools/call', { name: 'booking_findMany', arguments: args })).content[0].text);
  const { nextCursor } = await read({ take: 1 });
  return {
    owner,
    thing: nextCursor,
    unknown: cursorOfNoRow,
    uses: { booking_findMany: (by, cursor) => call(by, 'booking_findMany', { cursor }) },
    isHarmless: showsOwnRows,
    stillWorks: async () => expect((await read({ take: 1, cursor: nextCursor })).rows).toHaveLength(1),
  };
}

export async function resourceCursor({ server }: House, row: Revision): Promise<Theft> {
  const owner = await connect(server, { row, user: victim });
  const read = async (uri: string) => JSON.parse((await owner.result('resources/read', { uri })).contents[0].text);
  const { next } = await read('test://booking');
  const uriOf = (cursor: string): string => `test://booking?cursor=${encodeURIComponent(cursor)}`;
  const thing = new URL(next).searchParams.get('cursor') ?? '';
  return {
    owner,
    thing,
    unknown: cursorOfNoRow,
    uses: { 'resources/read': (by, cursor) => by.request('resources/read', { uri: uriOf(cursor) }) },
    isHarmless: showsOwnRows,
    stillWorks: async () => expect((await read(next)).rows).not.toEqual([]),
  };
}

export async function requestState({ server }: House, row: Revision): Promise<Theft> {
  const owner = await connect(server, { row, user: victim, capabilities: { elicitation: { form: {} } } });
  const params = { name: 'form', arguments: {} };
  const { requestState: thing, inputRequests } = await owner.result('tools/call', params);
  const [key = ''] = Object.keys(inputRequests);
  const answered = (action: object) => ({ ...params, inputResponses: { [key]: action } });
  const right = { action: 'accept', content: { sure: true } };
  return {
    owner,
    thing,
    unknown: unknownToken(),
    uses: {
      'an answer to the question': (by, state) => by.request('tools/call', { ...answered({ action: 'decline' }), requestState: state }),
      'no answer': (by, state) => by.request('tools/call', { ...params, requestState: state }),
      'another call': (by, state) => by.request('tools/call', { name: 'whoami', arguments: {}, requestState: state }),
    },
    stillWorks: async () => {
      const { content } = await owner.result('tools/call', { ...answered(right), requestState: thing });
      expect(content[0].text).toBe(JSON.stringify(right));
    },
  };
}

/** The token of a write that everybody may make, so that nothing but the token can be refused. */
export async function confirmation({ server, prisma }: House, row: Revision): Promise<Theft> {
  const owner = await connect(server, { row, user: victim });
  const { capacity } = await prisma.room.findUniqueOrThrow({ where: { id: 'red' } });
  const args = { where: { id: 'red' }, data: { capacity: capacity + 1 } };
  const ask = async (more: object) =>
    (await owner.result('tools/call', { name: 'room_update', arguments: { ...args, ...more } })).content[0].text;
  const thing = JSON.parse(await ask({}))._unconfirmed.confirmation;
  return {
    owner,
    thing,
    unknown: unknownToken(),
    uses: {
      'the same write': (by, token) => call(by, 'room_update', { ...args, confirmation: token }),
      'another write': (by, token) => call(by, 'room_update', { ...args, data: { capacity: 99 }, confirmation: token }),
    },
    stillWorks: async () => {
      expect((await prisma.room.findUniqueOrThrow({ where: { id: 'red' } })).capacity).toBe(capacity);
      await ask({ confirmation: thing });
      expect((await prisma.room.findUniqueOrThrow({ where: { id: 'red' } })).capacity).toBe(capacity + 1);
    },
  };
}

/** The key of a booking that the victim has made. Keys are chosen by callers: with the same one, an intruder makes a write of its own. */
export async function idempotencyKey({ server, prisma }: House, row: Revision): Promise<Theft> {
  const owner = await connect(server, { row, user: victim });
  const thing = randomBytes(8).toString('hex');
  const booking = (clientId: number | undefined) => ({ clientId: clientId ?? -1, startsAt: '2026-05-01T09:00:00Z', price: '1' });
  const repeat = async (): Promise<Json> =>
    (await owner.result('tools/call', { name: 'booking_create', arguments: { data: booking(victim), idempotencyKey: thing } })).content;
  const first = await repeat();
  const count = () => prisma.booking.count({ where: { clientId: victim } });
  const before = await count();
  return {
    owner,
    thing,
    unknown: randomBytes(8).toString('hex'),
    uses: {
      'a write of its own': (by, key) => call(by, 'booking_create', { data: booking(by.user), idempotencyKey: key }),
      'the same write': (by, key) => call(by, 'booking_create', { data: booking(victim), idempotencyKey: key }),
    },
    isHarmless: (answer, by) => isRefused(answer) || jsonOf(answer).clientId === by.user,
    differs: /\\+"id\\+":\d+|booking\/\d+|"content-length":"\d+"/u,
    stillWorks: async () => {
      expect(await repeat()).toEqual(first);
      expect(await count()).toBe(before);
    },
  };
}
