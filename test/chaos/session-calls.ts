import { setTimeout as delay } from 'node:timers/promises';
import type { EventReader } from '../processes/event-reader.ts';
import { linger } from '../processes/round-robin.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { Random } from './random.ts';
import type { ChaosSession } from './session.ts';
import type { World } from './world.ts';

/** How long an answer may take before it counts as missing. */
const patienceMs = 45_000;

/** A call that is answered as one body. */
export async function quickCall(world: World, session: ChaosSession): Promise<void> {
  const { ledger } = world;
  ledger.count('calls');
  const params = { name: 'process', arguments: {} };
  const startedAt = performance.now();
  const outcome = await session.send({ jsonrpc: '2.0', id: session.nextId(), method: 'tools/call', params });
  if (outcome.kind === 'message' && outcome.message.result !== undefined) {
    ledger.count('answered');
    ledger.took('quickCall', startedAt);
  } else if (outcome.kind === 'refused') ledger.count('refused');
  else if (outcome.kind === 'cut' && ledger.hasEnded(outcome.process)) ledger.count('failedWithProcess');
  else if (outcome.kind !== 'failed') ledger.breach(`${session.name}: a quick call came to ${JSON.stringify(outcome)}`);
}

/** A call that reports its progress; its client loses the connection at times, and comes back elsewhere. */
export async function streamedCall(world: World, session: ChaosSession, random: Random): Promise<void> {
  const { ledger } = world;
  const [id, steps] = [session.nextId(), random.between(3, 10)];
  const call = new StreamedCall(id, steps);
  ledger.count('calls');
  const params = { name: 'count', arguments: { to: steps, stepMs: random.between(20, 400) }, _meta: { progressToken: id } };
  const silently = random.chance(0.5) ? linger(3000) : {};
  const begun = await session.send({ jsonrpc: '2.0', id, method: 'tools/call', params }, silently);
  if (begun.kind === 'refused') return ledger.count('refused');
  if (begun.kind === 'cut' && ledger.hasEnded(begun.process)) return ledger.count('failedWithProcess');
  if (begun.kind === 'failed') return;
  if (begun.kind !== 'stream') return ledger.breach(`${session.name}: a streamed call came to ${JSON.stringify(begun)}`);
  const { process } = begun;
  const leaves = random.chance(0.4) ? random.between(0, 2000) : undefined;
  await call.follow(begun.reader, leaves);
  const until = performance.now() + patienceMs;
  while (call.response === undefined && call.lastEventId !== undefined && performance.now() < until) {
    await delay(random.between(10, 300));
    const resumed = await session.send(undefined, { 'last-event-id': call.lastEventId });
    if (resumed.kind === 'failed') return;
    if (resumed.kind !== 'stream') continue;
    ledger.count('callsResumed');
    await call.follow(resumed.reader);
  }
  const failure = judge(call, ledger.wasKilled(process));
  if (failure !== undefined) ledger.breach(`${session.name}: call ${id} of ${ledger.endOf(process)}: ${failure}; ${call.history()}`);
  else ledger.count(call.response?.result === undefined ? 'failedWithProcess' : 'answered');
}

function judge({ lastEventId, response, responses, steps, progress }: StreamedCall, wasKilled: boolean): string | undefined {
  if (responses > 1) return `${responses} responses`;
  if (progress.some((step, index) => index > 0 && step <= (progress[index - 1] ?? 0))) return 'progress came twice or out of order';
  if (response === undefined) return lastEventId === undefined && wasKilled ? undefined : 'no response';
  if (response.error !== undefined)
    return wasKilled && response.error.code === -32603 ? undefined : 'an error though its process was not killed';
  if (response.result.content[0].text !== `${steps}`) return 'another result';
  return progress.length === steps ? undefined : 'progress is missing';
}

/** What a client has seen of its call. */
class StreamedCall {
  readonly id: number;
  readonly steps: number;
  readonly progress: number[] = [];
  lastEventId: string | undefined;
  response: WireMessage | undefined;
  responses = 0;
  readonly #seen: string[] = [];

  constructor(id: number, steps: number) {
    this.id = id;
    this.steps = steps;
  }

  /** Reads to the response, or to the end of the connection. */
  async follow(reader: EventReader, leavesAfterMs?: number): Promise<void> {
    const until = leavesAfterMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + leavesAfterMs;
    const giveUp = performance.now() + patienceMs;
    while (!reader.isOver && performance.now() < giveUp) {
      if (performance.now() > until && reader.lastEventId !== undefined) reader.close();
      await delay(10);
    }
    reader.close();
    this.lastEventId = reader.lastEventId ?? this.lastEventId;
    for (const { id, message } of reader.received) {
      this.#seen.push(id ?? '-');
      if (message.method === 'notifications/progress') this.progress.push(message.params?.['progress'] as number);
      if (message.id !== this.id || message.method !== undefined) continue;
      this.response = message;
      this.responses += 1;
    }
    this.#seen.push(reader.wasCut ? 'cut' : 'end');
  }

  /** For who looks into a failure. */
  history(): string {
    return `progress ${this.progress.join()} of ${this.steps}, events ${this.#seen.map(id => id.slice(-4)).join(' ')}, ${JSON.stringify(this.response)}`;
  }
}
