import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Revision } from '../../src/protocol/revisions.ts';
import type { EventReader } from '../support/sse.ts';
import { openReader, openSse } from '../support/sse.ts';
import type { House } from './house.ts';
import { victim } from './house.ts';
import type { Answer, Party } from './party.ts';
import { connect } from './party.ts';
import type { Theft } from './theft.ts';
import { forgeries } from './theft.ts';

const unknownSession = (): string => `mcp_${randomBytes(32).toString('base64url')}`;
const whoami = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: {} } };
const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
const clientInfo = { name: 'intruder', version: '1' };
const initialize = (revision: string) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: revision, capabilities: {}, clientInfo },
});

/** Every request that may name a session. */
const usesOfSession: Theft['uses'] = {
  'POST of a request': (by, id) => by.send({ headers: { 'mcp-session-id': id }, body: whoami }),
  'POST of a batch': (by, id) => by.send({ headers: { 'mcp-session-id': id }, body: [whoami, whoami] }),
  'POST of a notification': (by, id) => by.send({ headers: { 'mcp-session-id': id }, body: cancelled }),
  'POST of a response': (by, id) => by.send({ headers: { 'mcp-session-id': id }, body: { jsonrpc: '2.0', id: 1, result: {} } }),
  GET: (by, id) => by.send({ method: 'GET', headers: { 'mcp-session-id': id } }),
  DELETE: (by, id) => by.send({ method: 'DELETE', headers: { 'mcp-session-id': id } }),
  'POST to messages': (by, id) => by.send({ path: `/messages?sessionId=${encodeURIComponent(id)}`, body: whoami }),
  'POST to messages with the header': (by, id) => by.send({ path: '/messages', headers: { 'mcp-session-id': id }, body: whoami }),
  'POST to sse': (by, id) => by.send({ path: `/sse?sessionId=${encodeURIComponent(id)}`, body: whoami }),
  'POST to sse with the header': (by, id) => by.send({ path: '/sse', headers: { 'mcp-session-id': id }, body: whoami }),
  'DELETE of sse': (by, id) => by.send({ path: '/sse', method: 'DELETE', headers: { 'mcp-session-id': id } }),
};

export async function sessionId(house: House, row: Revision): Promise<Theft> {
  const owner = await connect(house.server, { row, user: victim });
  const stream = await openStream(house, owner);
  return { owner, thing: owner.sessionId, unknown: unknownSession(), uses: usesOfSession, stillWorks: () => hears(house, owner, stream) };
}

/** The stream that a client opens with GET. */
function openStream({ server }: House, { headers }: Party, more: Record<string, string> = {}): Promise<EventReader> {
  return openReader({ url: server.url, headers: { ...headers, accept: 'text/event-stream', ...more } });
}

async function hears({ server }: House, owner: Party, stream: EventReader): Promise<void> {
  expect((await owner.result('tools/call', { name: 'whoami', arguments: {} })).content[0].text).toBe(String(victim));
  expect(stream.isOver).toBe(false);
  await server.mcp.listChanged('tools');
  await stream.until(({ method }) => method === 'notifications/tools/list_changed', 'what the session is told');
  stream.close();
}

export async function sseSessionId({ server }: House, row: Revision): Promise<Theft> {
  const owner = await connect(server, { row, user: victim });
  const session = await openSse(`${server.url}/sse`, { headers: { authorization: `Bearer ${victim}` } });
  await session.request('initialize', initialize(row.id).params);
  return {
    owner,
    thing: session.sessionId,
    unknown: unknownSession(),
    uses: usesOfSession,
    stillWorks: async () => {
      expect((await session.request('tools/call', whoami.params)).result.content[0].text).toBe(String(victim));
      session.close();
    },
  };
}

/** The last event id of the stream of a session; the stream has broken then. */
export async function sessionStreamEvent(house: House, row: Revision): Promise<Theft> {
  const owner = await connect(house.server, { row, user: victim });
  const stream = await openStream(house, owner);
  await house.server.mcp.listChanged('tools');
  await stream.count(1);
  const thing = stream.lastEventId ?? '';
  expect(thing).not.toBe('');
  stream.close();
  await stream.over;
  return {
    owner,
    ...ofEvent(thing),
    stillWorks: async () => {
      await house.server.mcp.listChanged('prompts');
      const resumed = await openStream(house, owner, { 'last-event-id': thing });
      const first = await resumed.until(() => true);
      expect(first.method).toBe('notifications/prompts/list_changed');
      resumed.close();
    },
  };
}

/** The event id of the first message of a call, whose client has not read the others. */
export async function callStreamEvent(house: House, row: Revision): Promise<Theft> {
  const owner = await connect(house.server, { row, user: victim });
  const body = { ...whoami, params: { name: 'talk', arguments: {} } };
  const stream = await openReader({ url: house.server.url, headers: { ...owner.headers }, body });
  await stream.end();
  const thing = stream.received.find(({ message }) => message.params?.['data'] === 'first')?.id ?? '';
  expect(thing).not.toBe('');
  return {
    owner,
    ...ofEvent(thing),
    stillWorks: async () => {
      const resumed = await openStream(house, owner, { 'last-event-id': thing });
      const messages = await resumed.end();
      expect(messages.map(({ params, result }) => params?.['data'] ?? result.content[0].text)).toEqual(['second', 'talked']);
    },
  };
}

function ofEvent(thing: string): Pick<Theft, 'thing' | 'unknown' | 'uses' | 'forgeries'> {
  // An empty Last-Event-ID is none. The number of an event in a call is not sealed: a client may read its own stream again.
  const { empty: _, 'the last bit changed': __, ...others } = forgeries(thing);
  // An event id ends with a seal of 16 characters or, for a call, with the number of the event behind the seal.
  const seal = /[\w-]{16}(?=(?:\.\d+!?)?$)/u;
  const other = randomBytes(12).toString('base64url');
  return { thing, unknown: thing.replace(seal, other), uses: { 'GET in the own session': resume }, forgeries: others };
}

function resume(by: Party, eventId: string): Promise<Answer> {
  return by.send({ method: 'GET', headers: { ...by.headers, 'last-event-id': eventId } });
}

export async function callOfAnother(house: House, row: Revision): Promise<Theft> {
  const owner = await connect(house.server, { row, user: victim });
  const key = randomBytes(6).toString('hex');
  const answered = owner.result('tools/call', { name: 'wait', arguments: { key } });
  await house.began(key);
  // `Party.result` counts its requests from 1.
  return {
    owner,
    thing: '1',
    unknown: '8',
    uses: {
      'notifications/cancelled': (by, requestId) =>
        by.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: Number(requestId) } }),
    },
    isHarmless: ({ status, body }) => status === 202 && body === '',
    stillWorks: async () => {
      house.finish(key);
      expect((await answered).content[0].text).toBe('finished');
    },
  };
}

/** The id of a sampling request, which every revision with sessions has; from 2025-06-18 on of an elicitation, too. */
export async function questionOfAnother(house: House, row: Revision): Promise<Theft> {
  const owner = await connect(house.server, { row, user: victim, capabilities: { sampling: {}, elicitation: {} } });
  const elicits = row.asks.has('elicitation/create');
  const body = { ...whoami, params: { name: elicits ? 'form' : 'think', arguments: {} } };
  const stream = await openReader({ url: house.server.url, headers: { ...owner.headers }, body });
  const { id } = await stream.until(({ method }) => method !== undefined, 'the question');
  const right = elicits
    ? { action: 'accept', content: { sure: true } }
    : { role: 'assistant', content: { type: 'text', text: 'yes' }, model: 'the victim’s' };
  const wrong = elicits ? { action: 'decline' } : { role: 'assistant', content: { type: 'text', text: 'no' }, model: 'the intruder’s' };
  return {
    owner,
    thing: String(id),
    unknown: randomBytes(24).toString('base64url'),
    uses: {
      'a result': (by, asked) => by.post({ jsonrpc: '2.0', id: asked, result: wrong }),
      'an error': (by, asked) => by.post({ jsonrpc: '2.0', id: asked, error: { code: -1, message: 'no' } }),
    },
    // A response is accepted without a word, whatever it answers.
    isHarmless: ({ status, body: said }) => status === 202 && said === '',
    stillWorks: async () => {
      expect((await owner.post({ jsonrpc: '2.0', id, result: right })).status).toBe(202);
      const { result } = await stream.until(({ method }) => method === undefined, 'the result');
      expect(result.content[0].text).toBe(elicits ? JSON.stringify(right) : 'the victim’s');
    },
  };
}
