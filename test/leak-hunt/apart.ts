import { fork } from 'node:child_process';
import { plant } from '../simulation/planted-bugs.ts';
import { compile, compileChanged } from '../support/compile.ts';
import type { HuntOptions, Report } from './hunt.ts';
import type { PlantedBug } from './planted.ts';
import type { News } from './worker.ts';

/** A hunt in a process of its own. */
export interface ApartOptions extends HuntOptions {
  /** A bug to put into the source first. */
  readonly bug?: PlantedBug | undefined;
}

/**
 * Hunts in a process of its own: the hunts in two databases share no thread, and a planted bug stays out of this process.
 *
 * @throws {Error} The process ended before the hunt.
 */
export async function huntApart({ bug, onProgress, ...options }: ApartOptions): Promise<Report> {
  const script = new URL('worker.ts', import.meta.url);
  const file = await (bug === undefined ? compile(script) : compileChanged(script, plant(bug)));
  const worker = fork(file, {
    execArgv: ['--no-warnings', '--enable-source-maps'],
    env: { ...process.env, NODE_ENV: 'test' },
    // Findings hold BigInt, dates and bytes.
    serialization: 'advanced',
  });
  return new Promise<Report>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', code => reject(new Error(`the hunt in ${options.provider} ended with ${code}`)));
    worker.on('message', ({ report, isOver }: News) => {
      if (isOver) resolve(report);
      else onProgress?.(report);
    });
    worker.send(options);
  }).finally(() => worker.kill());
}
