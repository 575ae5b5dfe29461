// A thread with the requests whose latency is measured: those of a caller who asks now and then, and of the host's own route. The event loop of the
// load is busy, so it would measure itself. `quiet.ts` starts it.
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { lastMessage, openSession, send } from './http.ts';
import type { QuietFigures } from './quiet.ts';

const { origin, url } = workerData as { origin: string; url: string };
const agent = new Agent({ keepAlive: true });
const pauseMs = 10;
const session = await openSession({ url, agent }, 'quiet', '2025-11-25');
let figures = empty();
let isPaused = false;
let underWay = 0;

const kinds = {
  hello: async () => {
    const { status, text } = await send({ url: `${origin}/hello`, agent });
    if (text !== 'hello') throw new Error(`/hello was answered ${status}`);
  },
  call: async () => {
    const answered = await send({ url, agent, ...session.make('tools/call', { name: 'echo', arguments: { text: 'quiet' } }) });
    if (!JSON.stringify(lastMessage(answered)?.result)?.includes('quiet'))
      throw new Error(`a call was answered ${answered.status}: ${answered.text}`);
  },
};

for (const kind of ['hello', 'call'] as const) void ask(kind);
parentPort?.on('message', (message: 'pause' | 'resume' | 'take') => void obey(message));
parentPort?.postMessage('ready');

async function ask(kind: 'hello' | 'call'): Promise<void> {
  for (;;) {
    await delay(pauseMs);
    if (isPaused) continue;
    const startedAt = performance.now();
    underWay += 1;
    try {
      await kinds[kind]();
      figures[kind].push(performance.now() - startedAt);
    } catch (error) {
      figures.failures.push(String(error));
    }
    underWay -= 1;
  }
}

async function obey(message: 'pause' | 'resume' | 'take'): Promise<void> {
  isPaused = message === 'pause';
  while (isPaused && underWay > 0) await delay(1);
  parentPort?.postMessage(message === 'take' ? figures : message);
  if (message === 'take') figures = empty();
}

function empty(): QuietFigures {
  return { hello: [], call: [], failures: [] };
}
