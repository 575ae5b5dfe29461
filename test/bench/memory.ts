import { Closing } from './closing.ts';
import { startLane } from './lanes.ts';
import type { BenchOptions } from './options.ts';
import { openSession } from './requests.ts';
import { closeStreams, openStreams } from './streams.ts';
import type { Lane } from './workloads.ts';

/** Streams that are open at once. */
const streamCount = 2000;
/** Streams that come and go beforehand, so that code is compiled and buffers have grown. */
const warmUpCount = 200;

/**
 * Opens idle streams in a fresh process and gives what each of them costs it, in kB: its heap and what that holds outside, as in
 * buffers. What the system holds for a connection is the same for all. Sessions are there before.
 */
export async function measureMemory(lane: Lane, { build }: BenchOptions): Promise<number> {
  await using closing = new Closing();
  const contender = await startLane(lane, build, closing);
  const ids: string[] = [];
  // The same requests for every contender: they leave their traces in its heap.
  while (ids.length < streamCount) ids.push(await openSession(contender.url));
  await closeStreams(await openStreams(contender.url, ids.slice(0, warmUpCount)));
  const before = await contender.used('memory');
  const streams = await openStreams(contender.url, ids);
  const after = await contender.used('memory');
  await closeStreams(streams);
  return (after.heapBytes - before.heapBytes) / streamCount / 1000;
}
