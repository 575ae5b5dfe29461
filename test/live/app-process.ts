// One process of the app: started and told what to write by processes.test.ts.
import pg from 'pg';
import { postgresBus } from '../../src/index.ts';
import { startLiveApp } from './app.ts';
import type { Write } from './writes.ts';

/** What the process is started with, as JSON. */
export interface LiveProcessSettings {
  readonly databaseUrl: string;
  readonly channel: string;
  readonly lookMs: number;
}

/** What the process says. */
export type LiveReport =
  | { readonly url: string }
  | { readonly done: number; readonly failure?: string }
  /** An error that reached the app. */
  | { readonly problem: string };

const { databaseUrl, channel, lookMs } = JSON.parse(process.argv[2] ?? '') as LiveProcessSettings;
const bus = postgresBus({ connect: () => new pg.Client(databaseUrl), channel });
const app = await startLiveApp({ databaseUrl, bus, lookMs, onError: error => say({ problem: String(error) }) });

process.on('message', ({ number, write }: { number: number; write: Write }) => {
  app.write(write).then(
    () => say({ done: number }),
    (error: unknown) => say({ done: number, failure: String(error) }),
  );
});
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
say({ url: app.url });

function say(report: LiveReport): void {
  if (process.connected) process.send?.(report);
}
