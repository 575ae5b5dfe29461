import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { compile } from '../support/compile.ts';
import type { Place } from './place.ts';

/** Times of answers, in milliseconds, and what went wrong. */
export interface QuietFigures {
  /** Of the host's own route. */
  readonly hello: number[];
  /** Of calls. */
  readonly call: number[];
  readonly failures: string[];
}

/** The quiet caller, and who asks the host's route all the time. */
export interface Quiet {
  /** Waits for the requests under way, and sends no more. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** The figures since the last time. */
  take(): Promise<QuietFigures>;
  close(): Promise<void>;
}

/** Starts both, in a thread of their own. */
export async function startQuiet({ origin, url }: Place): Promise<Quiet> {
  const worker = new Worker(await compile(new URL('quiet-worker.ts', import.meta.url)), { workerData: { origin, url } });
  await once(worker, 'message');
  const ask = async <T>(message: string): Promise<T> => {
    const answer = once(worker, 'message');
    worker.postMessage(message);
    const [answered] = (await answer) as [T];
    return answered;
  };
  return {
    pause: () => ask('pause'),
    resume: () => ask('resume'),
    take: () => ask('take'),
    close: async () => {
      await worker.terminate();
    },
  };
}
