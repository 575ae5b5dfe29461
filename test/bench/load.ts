import { createRequire } from 'node:module';
import { peers } from './install.ts';
import type { Post } from './requests.ts';

/** What the benchmark uses of autocannon. */
type Autocannon = (options: {
  url: string;
  connections: number;
  /** Seconds. */
  duration: number;
  /** Milliseconds between samples: a run ends with one. */
  sampleInt: number;
  /** Seconds. */
  timeout: number;
  method: 'POST';
  setupClient: (client: { setRequests(requests: readonly Post[]): void }) => void;
}) => Promise<{ start: Date; finish: Date; errors: number; non2xx: number; '2xx': number; latency: { p50: number } }>;

/** What came of a while of load. */
export interface Load {
  readonly calls: number;
  readonly perSecond: number;
}

const sampleMs = 20;

/**
 * Sends requests from all connections at once, each as soon as it has its answer.
 *
 * @param posts Shared out among the connections, each of which sends its own in turn.
 * @returns Answers, and how many there were a second.
 * @throws {Error} An answer was an error.
 */
export async function measureThroughput(url: string, posts: readonly Post[], connections: number, ms: number): Promise<Load> {
  const autocannon = createRequire(new URL('package.json', peers))('autocannon') as Autocannon;
  let next = 0;
  const result = await autocannon({
    url,
    connections,
    duration: ms / 1000,
    sampleInt: sampleMs,
    timeout: 30,
    method: 'POST',
    setupClient: client => {
      const connection = next++;
      const share = posts.filter((_, index) => index % connections === connection);
      client.setRequests(share.length > 0 ? share : [posts[connection % posts.length] as Post]);
    },
  });
  if (result.errors > 0 || result.non2xx > 0) throw new Error(`${url}: ${result.errors} failed, ${result.non2xx} answered an error`);
  const calls = result['2xx'];
  if (calls === 0) throw new Error(`${url} answered nothing in ${ms} ms`);
  return { calls, perSecond: (calls * 1000) / (result.finish.getTime() - result.start.getTime()) };
}
