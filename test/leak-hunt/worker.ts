// A process that hunts in one database. `apart.ts` starts it and tells it where and how long.
import type { HuntOptions, Report } from './hunt.ts';
import { hunt } from './hunt.ts';

/** What a worker says: how far it is, and what came of the hunt. */
export interface News {
  readonly report: Report;
  readonly isOver: boolean;
}

const reportEveryMs = 500;

process.on('message', (options: HuntOptions) => void obey(options));
// The process that started this one is gone.
process.on('disconnect', () => process.exit());

async function obey(options: HuntOptions): Promise<void> {
  let saidAt = performance.now();
  const report = await hunt({
    ...options,
    onProgress: current => {
      if (performance.now() - saidAt < reportEveryMs) return;
      saidAt = performance.now();
      say({ report: current, isOver: false });
    },
  });
  say({ report, isOver: true });
}

function say(news: News): void {
  process.send?.(news);
}
