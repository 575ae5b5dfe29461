import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../processes/eventually.ts';
import { linger } from '../processes/round-robin.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { EventReader } from '../support/sse.ts';
import type { Doing } from './incidents.ts';
import type { Random } from './random.ts';
import type { ChaosSession } from './session.ts';
import type { World } from './world.ts';

/** Milliseconds until a response counts as missing: a dead process is noticed, the longest fault heals, and then some. */
export const responseMs = 60_000;

/** A call that is answered as one body. */
export async function quickCall(world: World, session: ChaosSession): Promise<void> {
  const { ledger } = world;
  const [id, startedAt] = [session.nextId(), performance.now()];
  const key = `${session.name} ${id}`;
  ledger.count('calls');
  const params = { name: 'note', arguments: { key } };
  const outcome = await session.send({ jsonrpc: '2.0', id, method: 'tools/call', params });
  if (outcome.kind === 'refused') ledger.refused(key);
  else if (outcome.kind === 'message') {
    ledger.responded(key, outcome.message, outcome.doing);
    ledger.took('quickCall', startedAt);
  } else if (outcome.kind === 'stream' || outcome.kind === 'accepted') ledger.breach(`${key}: a quick call came to ${outcome.kind}`);
}

/** A call that reports its progress; its client loses the connection at times, and comes back elsewhere. */
export async function streamedCall(world: World, session: ChaosSession, random: Random): Promise<void> {
  const steps = random.between(3, 10);
  const call = new StreamedCall(world, session, random);
  const progress: number[] = [];
  const leavesAfterMs = random.chance(0.4) ? random.between(0, 2000) : undefined;
  await call.run({
    name: 'count',
    args: { to: steps, stepMs: random.between(20, 400), key: call.key },
    leavesAfterMs,
    onMessage({ method, params }) {
      if (method === 'notifications/progress') progress.push(params?.['progress'] as number);
    },
  });
  const result = call.response?.result;
  const tell = (text: string) => world.ledger.breach(`${call.describe()}: ${text}; progress ${progress.join()} of ${steps}`);
  if (progress.some((step, index) => index > 0 && step <= (progress[index - 1] ?? 0))) tell('progress came twice or out of order');
  else if (result !== undefined && progress.length !== steps) tell('progress is missing');
  else if (result !== undefined && result.content[0].text !== `${steps}`) tell(`the result is ${JSON.stringify(result)}`);
}

/** A call that asks the user; the answer goes to the next process. */
export async function formCall(world: World, session: ChaosSession, random: Random): Promise<void> {
  const call = new StreamedCall(world, session, random);
  const asked: unknown[] = [];
  let isAccepted = false;
  await call.run({
    name: 'form',
    args: {},
    onMessage({ method, id }) {
      if (method !== 'elicitation/create') return;
      if (asked.push(id) > 1) return world.ledger.breach(`${call.describe()}: asked ${asked.length} times: ${asked.join()}`);
      const result = { action: 'accept', content: { name: 'Ada', people: 3 } };
      void session
        .insist({ jsonrpc: '2.0', id: id as number, result }, AbortSignal.timeout(responseMs))
        .then(outcome => (isAccepted = outcome?.kind === 'accepted'));
    },
  });
  const result = call.response?.result;
  if (result !== undefined && result.content[0].text !== 'Ada')
    world.ledger.breach(
      `${call.describe()}: the answer was ${isAccepted ? '' : 'not '}acknowledged, and the call came to ${JSON.stringify(result)}`,
    );
}

/** A call that its client cancels by way of the next process. */
export async function cancelledCall(world: World, session: ChaosSession, random: Random): Promise<void> {
  const { ledger, cluster } = world;
  const call = new StreamedCall(world, session, random);
  const args = { key: call.key, forMs: responseMs };
  let cancelledAt: number | undefined;
  const cancel = async () => {
    await delay(random.between(0, 500));
    const body = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: call.id, reason: 'chaos' } } as const;
    const outcome = await session.insist(body, AbortSignal.timeout(responseMs));
    if (outcome?.kind === 'accepted') cancelledAt = performance.now();
  };
  let cancelling: Promise<void> | undefined;
  const isAborted = () => cluster.started().some(({ aborted }) => aborted.has(call.key));
  await call.run({
    name: 'wait',
    args,
    onMessage({ method }) {
      if (method === 'notifications/progress') cancelling ??= cancel();
    },
    isDone: isAborted,
  });
  await cancelling;
  if (cancelledAt === undefined || ledger.incidents.mayFail(call.doing)) return;
  const until = performance.now() + ledger.incidents.boundMs(call.doing) + responseMs / 2;
  await eventually(() => isAborted() || undefined, 'an end', until - performance.now()).catch(() => undefined);
  if (!isAborted()) ledger.breach(`${call.describe()}: its cancellation was acknowledged, and it runs on`);
  else ledger.took('cancel', cancelledAt);
}

interface RunOptions {
  readonly name: string;
  readonly args: Record<string, unknown>;
  /** When its client goes away from the first stream. @default not */
  readonly leavesAfterMs?: number | undefined;
  readonly onMessage: (message: WireMessage) => void;
  /** Whether no response is waited for any more. @default only when it came */
  readonly isDone?: () => boolean;
}

/** A call whose client comes back with `Last-Event-ID` until it has its response. */
class StreamedCall {
  readonly id: number;
  readonly key: string;
  readonly #world: World;
  readonly #session: ChaosSession;
  readonly #random: Random;
  /** Ids of its events, and how its connections ended. */
  readonly #history: string[] = [];
  #doing: Doing = { process: undefined, from: performance.now() };
  #lastEventId: string | undefined;
  #isDone: () => boolean = () => false;

  constructor(world: World, session: ChaosSession, random: Random) {
    this.#world = world;
    this.#session = session;
    this.#random = random;
    this.id = session.nextId();
    this.key = `${session.name} ${this.id}`;
  }

  get response(): WireMessage | undefined {
    return this.#world.ledger.responseTo(this.key);
  }

  /** By the process that serves it, up to now. */
  get doing(): Doing {
    return { ...this.#doing, until: performance.now() };
  }

  async run({ name, args, leavesAfterMs, onMessage, isDone = () => false }: RunOptions): Promise<void> {
    const { ledger } = this.#world;
    this.#isDone = () => this.response !== undefined || isDone();
    ledger.count('calls');
    const from = performance.now();
    const params = { name, arguments: args, _meta: { progressToken: this.id } };
    const take = ({ message }: { message: WireMessage }) => this.#take(message, onMessage);
    const silently = this.#random.chance(0.5) ? linger(3000) : {};
    const begun = await this.#session.send({ jsonrpc: '2.0', id: this.id, method: 'tools/call', params }, silently, take);
    this.#doing = { process: begun.doing.process, from };
    if (begun.kind === 'refused') return ledger.refused(this.key);
    if (begun.kind === 'message') return ledger.responded(this.key, begun.message, begun.doing);
    if (begun.kind !== 'stream') return;
    await this.#stay(begun.reader, leavesAfterMs);
    const until = performance.now() + responseMs;
    while (!this.#isDone() && this.#lastEventId !== undefined && performance.now() < until) {
      await delay(this.#random.between(10, 300));
      const resumed = await this.#session.send(undefined, { 'last-event-id': this.#lastEventId }, take);
      if (resumed.kind === 'failed') return;
      if (resumed.kind !== 'stream') continue;
      ledger.count('callsResumed');
      await this.#stay(resumed.reader);
    }
    if (this.#isDone()) return ledger.took('streamedCall', from);
    // Broken before its first id: there is nothing to come back with.
    const isLost = this.#lastEventId === undefined && ledger.incidents.mayBeCut(this.doing);
    if (isLost) ledger.count('lost');
    else ledger.breach(`${this.describe()}: no response`);
  }

  /** For who looks into a failure. */
  describe(): string {
    return `call ${this.key} at ${this.#world.ledger.incidents.describe(this.doing)}, ${this.#history.join(' ')}`;
  }

  /** Reads to the response, or to the end of the connection. */
  async #stay(reader: EventReader, leavesAfterMs = responseMs): Promise<void> {
    const leavesAt = performance.now() + leavesAfterMs;
    let hasLeft = false;
    while (!reader.isOver && !this.#isDone()) {
      const mayLeave = reader.lastEventId !== undefined || performance.now() > leavesAt + responseMs;
      hasLeft = mayLeave && performance.now() > leavesAt;
      if (hasLeft) break;
      await Promise.race([reader.over, delay(50)]);
    }
    // A response ends its stream.
    if (this.response !== undefined && !reader.isOver) await Promise.race([reader.over, delay(responseMs)]);
    if (this.response !== undefined && !reader.isOver) this.#world.ledger.breach(`${this.describe()}: the stream stays open`);
    reader.close();
    this.#lastEventId = reader.lastEventId ?? this.#lastEventId;
    for (const { id } of reader.received) this.#history.push(id?.slice(-4) ?? '-');
    this.#history.push(hasLeft ? 'left' : reader.wasCut ? 'cut' : 'end');
  }

  #take(message: WireMessage, onMessage: (message: WireMessage) => void): void {
    if (message.id === this.id && message.method === undefined) this.#world.ledger.responded(this.key, message, this.doing);
    else onMessage(message);
  }
}
