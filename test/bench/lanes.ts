import { ask, assertSameBytes, assertSameContent } from './answers.ts';
import type { Closing } from './closing.ts';
import type { Contender } from './contender.ts';
import { startContender } from './contender.ts';
import { makeDatabase, seededSessionIds } from './databases.ts';
import type { BenchOptions } from './options.ts';
import type { Post } from './requests.ts';
import { openSession, postOf } from './requests.ts';
import type { Lane, Workload } from './workloads.ts';

/** A lane that can be measured. */
export interface Running {
  readonly lane: Lane;
  readonly contender: Contender;
  /** The request in sessions of its own; each connection has its share of them. */
  readonly posts: readonly Post[];
}

/** Starts the contender of a lane, with a database of its own where it needs one. */
export async function startLane({ contender, setup, database }: Lane, build: string | undefined, closing: Closing): Promise<Contender> {
  const made = database && closing.use(await makeDatabase(database.provider, database.seed));
  const given = { ...setup, ...(made && { database: { provider: made.provider, url: made.url } }), ...(build && { build }) };
  return closing.use(await startContender(contender, given));
}

/** Starts the lanes of a workload and opens their sessions. */
export async function startLanes(
  { lanes, request }: Pick<Workload, 'lanes' | 'request'>,
  { connections, build }: Pick<BenchOptions, 'connections' | 'build'>,
  closing: Closing,
): Promise<Running[]> {
  const started = lanes.map(async lane => {
    const contender = await startLane(lane, build, closing);
    const posts: Post[] = [];
    for (const id of await sessionsOf(lane, contender.url, request.method === 'initialize' ? 0 : connections)) {
      posts.push(postOf(request, lane.revision, id));
    }
    return { lane, contender, posts };
  });
  // All of them first: what has been started is then known to `closing`, also where one has failed.
  await Promise.allSettled(started);
  return Promise.all(started);
}

/**
 * Asks every lane once.
 *
 * @throws {Error} One answers something else: the bare ones must send the same bytes as koa-mcp, the others the same results.
 */
export async function checkAnswers(running: readonly Running[]): Promise<void> {
  const answers = await Promise.all(
    running.map(async ({ lane, contender, posts }) => ({ lane, answer: await ask(contender.url, posts[0] as Post) })),
  );
  const reference = answers.find(({ lane }) => lane.contender === 'koa-mcp');
  if (reference === undefined) throw new Error('a workload needs a lane of koa-mcp');
  for (const { lane, answer } of answers) {
    const sameBytes = lane.revision === reference.lane.revision && ownContenders.has(lane.contender);
    (sameBytes ? assertSameBytes : assertSameContent)(lane.name, answer, reference.answer);
  }
}

const bareContenders: ReadonlySet<string> = new Set(['http', 'koa']);
const ownContenders: ReadonlySet<string> = new Set([...bareContenders, 'koa-mcp']);

/** Ids of sessions to call in; `undefined` is a call without a session. */
async function sessionsOf(
  { contender, revision, database }: Lane,
  url: string,
  connections: number,
): Promise<readonly (string | undefined)[]> {
  if (revision === '2026-07-28' || connections === 0) return [undefined];
  if (database?.seed?.endsWith('sessions')) return seededSessionIds(database.seed, 1000);
  // As long as any other id.
  if (bareContenders.has(contender)) return [`mcp_${'0'.repeat(43)}`];
  const ids: string[] = [];
  while (ids.length < connections) ids.push(await openSession(url));
  return ids;
}
