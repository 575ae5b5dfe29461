import { parseArgs } from 'node:util';
import { print, wholeNumber } from '../support/command-line.ts';
import { providers } from '../support/database.ts';
import { runLoad } from './load.ts';

// `npm run load`: many streams, callers and readers that read nothing, against one process; the figures, and as the last line all of them as JSON.

const usage = `npm run load -- [options]
  --seconds N      how long the callers call (default 180)
  --streams N      idle streams (default 2000)
  --callers N      callers, each of whom sends one request after the other (default 200)
  --readers N      readers that never read (default 500)
  --seed S         what decides the calls (default 1)
  --database NAME  postgresql or sqlite (default postgresql)`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '180' },
    streams: { type: 'string', default: '2000' },
    callers: { type: 'string', default: '200' },
    readers: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    database: { type: 'string', default: 'postgresql' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  print(usage);
  process.exit();
}
const provider = providers.find(name => name === values.database);
if (provider === undefined) throw new TypeError(`--database: ${values.database} is not one of ${providers.join(', ')}`);
const [seconds, streams, callers, readers, seed] = (['seconds', 'streams', 'callers', 'readers', 'seed'] as const).map(name =>
  wholeNumber(name, values[name]),
) as [number, number, number, number, number];
const options = { seconds, streams, callers, readers, seed };

const { broken, ...figures } = await runLoad({ ...options, provider, print });
for (const what of broken) print(`BROKEN: ${what}`);
print(JSON.stringify({ ...options, database: provider, node: process.version, ...figures, broken: broken.length }));
process.exit(broken.length === 0 ? 0 : 1);
