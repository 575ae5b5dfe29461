import { randomBytes } from 'node:crypto';
import type { AppProcess } from './app-process.ts';
import { startProcess } from './app-process.ts';
import type { Settings } from './protocol.ts';
import type { RoundRobin } from './round-robin.ts';
import { openRoundRobin } from './round-robin.ts';

/** Names of the places behind the load balancer; a process that is started again takes the place of the one before. */
export type Place = 'a' | 'b' | 'c';
export const places: readonly Place[] = ['a', 'b', 'c'];

/** Three processes of one app behind a load balancer. */
export interface Cluster {
  /** Of the load balancer. */
  readonly origin: string;
  /** The endpoint there. */
  readonly url: string;
  at(place: Place): AppProcess;
  /** Ends the process of a place, which gets no requests any more. */
  stop(place: Place, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Starts a process in every place whose last one has ended or closed. */
  restore(): Promise<void>;
  /** Processes that take requests. */
  running(): AppProcess[];
  /** Every process that was started, those that have ended included. */
  started(): readonly AppProcess[];
  /** What went wrong in all processes; it is asked once. */
  takeProblems(): string[];
  [Symbol.asyncDispose](): Promise<void>;
}

export type ClusterSettings = Omit<Settings, 'name' | 'channel'>;

export interface ClusterOptions {
  /** @default one of its own */
  readonly proxy?: RoundRobin;
  /** What is different for the next process of a place. @default nothing */
  readonly settingsOf?: (place: Place) => Partial<ClusterSettings>;
}

/** Starts the processes; `await using` ends them. */
export async function startCluster(settings: ClusterSettings, options: ClusterOptions = {}): Promise<Cluster> {
  const { proxy = await openRoundRobin(), settingsOf } = options;
  const channel = `test_${randomBytes(8).toString('hex')}`;
  const processes = new Map<Place, AppProcess>();
  const all: AppProcess[] = [];
  const problems: string[] = [];
  let incarnation = 0;
  const at = (place: Place) => {
    const found = processes.get(place);
    if (found === undefined) throw new Error(`no process was started at ${place}`);
    return found;
  };
  const start = async (place: Place) => {
    incarnation += 1;
    const started = await startProcess({ ...settings, ...settingsOf?.(place), channel, name: `${place}${incarnation}` }, exit =>
      problems.push(exit),
    );
    processes.set(place, started);
    all.push(started);
    await started.order({ do: 'ready' });
    proxy.targets.set(place, started);
  };
  const stop = async (place: Place, signal: 'SIGKILL' | 'SIGTERM') => {
    // A deployment takes a process out before it ends it; one that is killed is missed afterwards.
    if (signal === 'SIGTERM') proxy.targets.delete(place);
    await at(place).stop(signal);
    proxy.targets.delete(place);
  };
  await Promise.all(places.map(start));
  return {
    origin: proxy.origin,
    url: `${proxy.origin}/mcp`,
    at,
    async restore() {
      for (const place of places.filter(place => at(place).isDone())) {
        await stop(place, 'SIGKILL');
        await start(place);
      }
    },
    stop,
    running: () => places.filter(place => proxy.targets.has(place)).map(at),
    started: () => all,
    takeProblems: () => [...problems.splice(0), ...all.flatMap(each => each.problems.splice(0))],
    async [Symbol.asyncDispose]() {
      await Promise.all([...processes.values()].map(each => each.stop('SIGKILL')));
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Headers that send a request to one place instead of the next. */
export function to(place: Place, more: Record<string, string> = {}): { headers: Record<string, string> } {
  return { headers: { 'x-to': place, ...more } };
}
