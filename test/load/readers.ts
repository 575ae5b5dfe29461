import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Caller } from './http.ts';
import { openSession, send, statelessCaller } from './http.ts';
import type { Place } from './place.ts';
import { longUri } from './place.ts';

const kinds = ['big', 'big', 'flood', 'updates'] as const;
/** Users whom the readers belong to: few enough that some of them have more unread bytes than one caller may. */
const users = 20;

/**
 * Opens connections whose answers nobody reads: half of them get JSON of many megabytes, a quarter a call's stream with as much progress, and a
 * quarter a stream with updates of a resource.
 */
export async function openReaders(place: Place, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let number = 0; number < count; number += 1) {
    const kind = kinds[number % kinds.length] as (typeof kinds)[number];
    const user = `reader ${number % users}`;
    const socket = connect(Number(new URL(place.origin).port), '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.pause();
    socket.write(await requestOf(kind, user, { place, isSession: number % 8 === 3 }));
  }
  return sockets;
}

async function requestOf(
  kind: (typeof kinds)[number],
  user: string,
  { place, isSession }: { place: Place; isSession: boolean },
): Promise<string> {
  const stateless = statelessCaller(user);
  switch (kind) {
    case 'big':
      return raw(stateless.make('tools/call', { name: 'big', arguments: {} }));
    case 'flood':
      return raw(stateless.make('tools/call', { name: 'flood', arguments: {}, _meta: { progressToken: 1 } }));
    case 'updates': {
      if (!isSession) return raw(stateless.make('subscriptions/listen', { notifications: { resourceSubscriptions: [longUri] } }));
      const sent = { url: place.url, agent: false } as const;
      const session = await openSession(sent, user, '2025-11-25');
      const subscribed = await send({ ...sent, ...session.make('resources/subscribe', { uri: longUri }) });
      if (subscribed.status !== 200) throw new Error(`resources/subscribe was answered ${subscribed.status}: ${subscribed.text}`);
      return raw({ body: undefined, headers: session.make('', {}).headers });
    }
  }
}

function raw({ body, headers }: { body: string | undefined; headers: ReturnType<Caller['make']>['headers'] }): string {
  const all = {
    host: '127.0.0.1',
    accept: body === undefined ? 'text/event-stream' : 'application/json, text/event-stream',
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${body === undefined ? 'GET' : 'POST'} /mcp HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`;
}
