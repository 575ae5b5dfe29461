import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, get } from 'node:http';

/** The stream of a GET, open until `closeStreams`. */
export interface OpenStream {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
}

/** Streams that are opened at once: more would only wait for one another. */
const batchSize = 50;

/** Opens the stream of each session and waits for its first bytes. */
export async function openStreams(url: string, sessionIds: readonly string[]): Promise<OpenStream[]> {
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  const open: OpenStream[] = [];
  for (let start = 0; start < sessionIds.length; start += batchSize) {
    open.push(...(await Promise.all(sessionIds.slice(start, start + batchSize).map(id => openStream(url, id, agent)))));
  }
  return open;
}

/** Closes streams and waits until they are. */
export async function closeStreams(streams: readonly OpenStream[]): Promise<void> {
  const open = streams.map(({ request }) => request).filter(request => !request.closed);
  const closed = open.map(request => once(request, 'close'));
  for (const request of open) request.destroy();
  await Promise.all(closed);
}

async function openStream(url: string, sessionId: string, agent: Agent): Promise<OpenStream> {
  const headers = { accept: 'text/event-stream', 'mcp-session-id': sessionId, 'mcp-protocol-version': '2025-11-25' };
  const request = get(url, { headers, agent });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${url} answered a GET of a stream with ${response.statusCode}`);
  await once(response, 'data');
  response.on('error', () => {});
  request.on('error', () => {});
  return { request, response };
}
