import type { Serve, Setup } from './setup.ts';

// A contender in a process of its own: `child.ts <URL of its module> <setup>`. Tells its port, then answers what it has used.
// It ends with the process that started it, however that ended.

process.on('disconnect', () => process.exit());
process.on('message', message => {
  if (message === 'memory') globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { heapUsed, external } = process.memoryUsage();
  process.send?.({ cpuMicros: user + system, heapBytes: heapUsed + external });
});

const [module = '', setup = ''] = process.argv.slice(2);
const { serve } = (await import(module)) as { serve: Serve };
process.send?.({ port: await serve(JSON.parse(setup) as Setup) });
