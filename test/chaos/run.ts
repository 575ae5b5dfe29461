import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';

// `npm run chaos`: clients, and processes that are killed meanwhile; the figures, and as the last line all of them as JSON.

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    clients: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    bus: { type: 'string', default: 'postgres' },
  },
});
const [seconds, clients, seed] = [values.seconds, values.clients, values.seed].map(Number) as [number, number, number];
const { bus } = values;
if (bus !== 'postgres' && bus !== 'redis' && bus !== 'polling') throw new TypeError(`--bus: ${bus} is not postgres, redis or polling`);
if (!(seconds > 0 && clients > 0 && Number.isInteger(seed))) throw new TypeError('--seconds, --clients and --seed: must be numbers');

const print = (line: string) => void process.stdout.write(`${line}\n`);
const report = await runChaos({ seconds, clients, seed, bus, killEveryMs: 4000, print });
for (const text of report.broken.slice(0, 100)) print(`broken: ${text}`);
print(
  `${report.broken.length === 0 ? 'all promises were kept' : `${report.broken.length} promises were broken`}; again with --seed ${seed}`,
);
print(JSON.stringify({ ...report, broken: report.broken.length }));
process.exit(report.broken.length === 0 ? 0 : 1);
