import { once } from 'node:events';
import type { ClientRequest } from 'node:http';
import { Agent, get } from 'node:http';
import { Closing } from './closing.ts';
import type { Contender } from './contender.ts';
import { startLane } from './lanes.ts';
import type { BenchOptions } from './options.ts';
import { openSession } from './requests.ts';
import type { Lane } from './workloads.ts';

/** Streams that are open at once. */
const streamCount = 2000;
const quickStreamCount = 1000;
/** Streams that come and go beforehand, so that code is compiled and buffers have grown. */
const warmUpCount = 200;

/**
 * Opens idle streams in a fresh process and gives what each of them costs it, in kB: its heap and what that holds outside, as in
 * buffers. What the system holds for a connection is the same for all. Sessions are there before.
 */
export async function measureMemory(lane: Lane, { build, quick }: BenchOptions): Promise<number> {
  await using closing = new Closing();
  const contender = await startLane(lane, build, closing);
  const count = quick ? quickStreamCount : streamCount;
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  const ids: string[] = [];
  // The same requests for every contender: they leave their traces in its heap.
  while (ids.length < count) ids.push(await openSession(contender.url));
  const open = (id: string) => openStream(contender, id, agent);
  await closeAll(await inBatches(ids.slice(0, warmUpCount), open));
  const before = await contender.used('memory');
  const streams = await inBatches(ids, open);
  const after = await contender.used('memory');
  await closeAll(streams);
  return (after.heapBytes - before.heapBytes) / count / 1000;
}

/** Opens a stream and waits for its first bytes. */
async function openStream({ url }: Contender, sessionId: string, agent: Agent): Promise<ClientRequest> {
  const headers = { accept: 'text/event-stream', 'mcp-session-id': sessionId, 'mcp-protocol-version': '2025-11-25' };
  const request = get(url, { headers, agent });
  const [response] = await once(request, 'response');
  await once(response, 'data');
  response.on('error', () => {});
  request.on('error', () => {});
  return request;
}

async function inBatches<T, R>(items: readonly T[], one: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let start = 0; start < items.length; start += 50) done.push(...(await Promise.all(items.slice(start, start + 50).map(one))));
  return done;
}

async function closeAll(requests: readonly ClientRequest[]): Promise<void> {
  const closed = requests.filter(request => !request.closed).map(request => once(request, 'close'));
  for (const request of requests) request.destroy();
  await Promise.all(closed);
}
