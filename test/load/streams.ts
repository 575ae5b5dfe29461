import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Sent } from './http.ts';
import { begin, openSession, statelessCaller } from './http.ts';
import type { Place } from './place.ts';

/** An idle stream. */
export interface IdleStream {
  readonly kind: StreamKind;
  readonly request: ClientRequest;
  /** Why it is over; `undefined` while it is open. */
  ended: string | undefined;
  isTold: boolean;
}
const kinds = ['session', 'session', 'listen', 'sse'] as const;
type StreamKind = (typeof kinds)[number];

/** Streams that are opened at once: more would only wait for one another. */
const batchSize = 50;
/** Users whom the streams belong to. With the default limits one user may have 100 streams of `subscriptions/listen`. */
const users = 100;
const listChanged = 'notifications/tools/list_changed';

/** Opens streams, half of them GETs of sessions, a quarter `subscriptions/listen` and a quarter HTTP+SSE. */
export async function openStreams({ url }: Place, count: number): Promise<IdleStream[]> {
  const open: IdleStream[] = [];
  while (open.length < count) {
    const batch = Array.from({ length: Math.min(batchSize, count - open.length) }, (_, at) => openStream(url, open.length + at));
    open.push(...(await Promise.all(batch)));
  }
  return open;
}

async function openStream(url: string, number: number): Promise<IdleStream> {
  const kind = kinds[number % kinds.length] as StreamKind;
  const user = `listener ${number % users}`;
  const { request, response } = await begin(await requestOf(kind, url, user));
  if (response.statusCode !== 200 || response.headers['content-type'] !== 'text/event-stream')
    throw new Error(`a stream (${kind}) was answered ${response.statusCode}`);
  // Comments keep it from standing still, but a busy machine may be late.
  request.setTimeout(0);
  const stream: IdleStream = { kind, request, ended: undefined, isTold: false };
  watch(stream, response);
  return stream;
}

async function requestOf(kind: StreamKind, url: string, user: string): Promise<Sent> {
  const common = { url, agent: false } as const;
  switch (kind) {
    case 'session':
      return {
        ...common,
        headers: { ...(await openSession(common, user, '2025-11-25')).make('', {}).headers, accept: 'text/event-stream' },
      };
    case 'listen':
      return { ...common, ...statelessCaller(user).make('subscriptions/listen', { notifications: { toolsListChanged: true } }) };
    case 'sse':
      return { ...common, url: `${url}/sse`, headers: { accept: 'text/event-stream', 'x-user': user } };
  }
}

function watch(stream: IdleStream, response: IncomingMessage): void {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (part: string) => {
    text += part;
    stream.isTold ||= text.includes(listChanged);
    text = text.slice(-listChanged.length);
  });
  const end = (why: string) => {
    stream.ended ??= why;
  };
  response.on('error', error => end(error.message));
  response.on('close', () => end('closed'));
  stream.request.on('error', error => end(error.message));
}

/** Closes streams. */
export function closeStreams(streams: readonly IdleStream[]): void {
  for (const { request } of streams) request.destroy();
}
