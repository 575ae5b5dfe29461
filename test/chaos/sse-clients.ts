import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../processes/eventually.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { EventReader } from '../support/sse.ts';
import { exchange, patienceMs } from './exchange.ts';
import { fence, Heard } from './heard.ts';
import type { Doing } from './incidents.ts';
import type { Random } from './random.ts';
import { responseMs } from './session-calls.ts';
import { ahead, judgeHeard } from './session-clients.ts';
import { lostMs } from './streams.ts';
import type { ChaosClient, World } from './world.ts';
import { think } from './world.ts';

const initializeParams = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'chaos', version: '1' } };

/** A client of 2024-11-05: its session is its stream, and ends with the process that holds it. */
export function sseClient(name: string, world: World, random: Random): ChaosClient {
  const judged: Promise<void>[] = [];
  let current: SseStream | undefined;
  return {
    name,
    async run() {
      for (let number = 1; !world.calling.aborted; number += 1) {
        current = await SseStream.open(`${name}.${number}`, world, random);
        if (current === undefined) return;
        const topic = random.pick(world.publications.topics);
        while (!current.isOver && !world.calling.aborted) {
          await think(world, random, 300, 2500);
          await current.subscribe(topic);
          await current.call(random.between(0, 4));
        }
        if (current.isOver) judged.push(current.judge());
      }
    },
    async finish() {
      if (current?.isOver === false) judged.push(current.judge());
      await Promise.all(judged);
      current?.close();
    },
  };
}

/** What became of a message that was posted. */
type Posted = { readonly status: number | undefined; readonly doing: Doing };

/** One session over HTTP+SSE. */
class SseStream {
  readonly #name: string;
  readonly #world: World;
  readonly #reader: EventReader;
  readonly #heard = new Heard();
  /** Of the stream. */
  readonly #doing: Doing;
  /** By id of a request, who serves it, as soon as that is known. */
  readonly #asked = new Map<unknown, Doing>();
  #nextId = 1;
  #isClosing = false;

  private constructor(name: string, world: World, reader: EventReader) {
    this.#name = name;
    this.#world = world;
    this.#reader = reader;
    this.#doing = { process: processOf(reader.response), from: performance.now() };
  }

  /** Opens a stream and initializes, however often that takes; `undefined` when it is time to end. */
  static async open(name: string, world: World, random: Random): Promise<SseStream | undefined> {
    while (!world.calling.aborted) {
      const url = `${world.cluster.origin}/mcp/sse`;
      let stream: SseStream | undefined;
      const outcome = await exchange(world.ledger, `${name}: GET`, { url, onMessage: ({ message }) => stream?.take(message) });
      if (outcome.kind === 'stream' && (await hasEndpoint(world, name, outcome.reader))) {
        const opened = new SseStream(name, world, outcome.reader);
        stream = opened;
        opened.#watch();
        const { response } = await opened.#ask('initialize', initializeParams);
        if (response?.result !== undefined) {
          world.ledger.count('sessions');
          await opened.#insist({ jsonrpc: '2.0', method: 'notifications/initialized' });
          return opened;
        }
        opened.close();
      }
      await delay(random.between(50, 300));
    }
    return undefined;
  }

  get isOver(): boolean {
    return this.#reader.isOver;
  }

  /** Keeps the session subscribed to the fence, and to what is announced next. */
  async subscribe(topic: number): Promise<void> {
    for (const uri of [fence, ...this.#world.publications.upcoming(topic, ahead)]) {
      if (this.#heard.subscribed.has(uri) || this.isOver || this.#world.calling.aborted) continue;
      const { response } = await this.#ask('resources/subscribe', { uri });
      if (response?.result !== undefined) this.#heard.subscribed.set(uri, performance.now());
    }
  }

  async call(steps: number): Promise<void> {
    const { ledger } = this.#world;
    const key = `${this.#name} ${this.#nextId}`;
    const progressToken = this.#nextId;
    ledger.count('calls');
    const startedAt = performance.now();
    const [name, args] = steps === 0 ? ['note', { key }] : ['count', { to: steps, stepMs: 100, key }];
    const { status, doing, response } = await this.#ask('tools/call', { name, arguments: args, _meta: { progressToken } });
    if (status === 503) ledger.refused(key);
    if (response === undefined) return;
    ledger.took('sseCall', startedAt);
    const progress = this.#reader.messages
      .filter(({ params }) => params?.['progressToken'] === progressToken)
      .map(({ params }) => params?.['progress']);
    const expected = Array.from({ length: progress.length }, (_, index) => index + 1).join();
    if (progress.join() !== expected || (response.result !== undefined && progress.length !== steps))
      ledger.breach(`${this.#name}: progress of ${key}: ${progress.join()} of ${steps}, at ${ledger.incidents.describe(doing)}`);
  }

  /** Holds what was heard to what was announced, up to the end of the stream or to the end of all. */
  judge(): Promise<void> {
    if (this.isOver) this.#heard.mustHearUntil = Math.min(this.#heard.mustHearUntil, performance.now() - lostMs);
    return judgeHeard(this.#world, this.#name, this.#heard);
  }

  close(): void {
    this.#isClosing = true;
    this.#reader.close();
  }

  /** Notes the end of the stream: it may only end with its process. */
  #watch(): void {
    const { ledger, streams } = this.#world;
    const { process } = this.#doing;
    const closed = streams.open({ name: this.#name, process, openedAt: performance.now(), heard: this.#heard });
    ledger.count('streamsOpened');
    void this.#reader.over.then(() => {
      closed();
      this.#heard.mustHearUntil = performance.now() - lostMs;
      if (this.#isClosing) return;
      ledger.count('sessionsEnded');
      const doing = { process, from: performance.now() };
      if (!ledger.incidents.mayEndSession(doing)) ledger.breach(`${this.#name}: the stream ended at ${ledger.incidents.describe(doing)}`);
    });
  }

  take(message: WireMessage): void {
    const { ledger } = this.#world;
    ledger.count('events');
    const call = `${this.#name} ${String(message.id)}`;
    if (message.method !== undefined) return void this.#heard.take(message);
    const { process, from } = this.#asked.get(message.id) ?? this.#doing;
    ledger.responded(call, message, { process, from }, { process: this.#doing.process, from });
  }

  /** Posts a request; what it was answered with, and its response if that came. */
  async #ask(method: string, params: Record<string, unknown>): Promise<Posted & { response?: WireMessage | undefined }> {
    const { ledger } = this.#world;
    const id = this.#nextId++;
    this.#asked.set(id, { process: undefined, from: performance.now() });
    const posted = await this.#post({ jsonrpc: '2.0', id, method, params });
    this.#asked.set(id, posted.doing);
    if (posted.status !== 202) return posted;
    const response = () => ledger.responseTo(`${this.#name} ${id}`);
    const look = () => response() !== undefined || this.isOver || undefined;
    await eventually(look, 'the response', responseMs).catch(() => {
      const doing = { ...posted.doing, until: performance.now() };
      ledger.breach(
        `${this.#name}: ${method} ${id} was acknowledged and has no response, at ${ledger.incidents.describe(doing)}, the stream at ${String(this.#doing.process)}`,
      );
    });
    const stream = { process: this.#doing.process, from: posted.doing.until ?? posted.doing.from, until: performance.now() };
    if (response() === undefined && this.isOver) {
      ledger.count('lost');
      const describe = ledger.incidents.describe(stream);
      if (!ledger.incidents.mayEndInCall(stream))
        ledger.breach(`${this.#name}: the stream ended before the response to ${method} ${id}, at ${describe}`);
    }
    return { ...posted, response: response() };
  }

  /** Posts a message until it is taken, or the stream is over. */
  async #insist(message: WireMessage): Promise<void> {
    while (!this.isOver && (await this.#post(message)).status !== 202) await delay(200);
  }

  /** Posts a message, and holds how it is answered against the promises. */
  async #post(message: WireMessage): Promise<Posted> {
    const { ledger } = this.#world;
    const from = performance.now();
    const answer = await this.#send(message).catch(() => undefined);
    await answer?.arrayBuffer().catch(() => undefined);
    const doing = { process: answer === undefined ? undefined : processOf(answer), from, until: performance.now() };
    const what = `${this.#name}: ${message.method ?? 'an answer'}`;
    const status = answer?.headers.has('x-not-sent') ? 503 : answer?.status;
    if (status === 404 || status === 409) {
      ledger.waited(what, doing);
      await this.#judgeGone(`${what} was answered ${status} at ${ledger.incidents.describe(doing)}`);
    } else if (status === 202) ledger.answered(what, { kind: 'accepted', doing });
    else if (status === 503) ledger.answered(what, { kind: 'refused', doing }, { ...doing, process: this.#doing.process });
    else if (status === undefined || status === 502) ledger.answered(what, { kind: 'cut', doing });
    else ledger.answered(what, { kind: 'failed', status, text: '', doing });
    return { status, doing };
  }

  #send(message: WireMessage): Promise<Response> {
    return fetch(new URL(this.#reader.endpoint ?? '', this.#world.cluster.origin), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
      signal: AbortSignal.timeout(patienceMs),
    });
  }

  /** Nobody has the stream: then it must end, and its process must have. */
  async #judgeGone(text: string): Promise<void> {
    const { ledger } = this.#world;
    const { process, from } = this.#doing;
    const stream = { process, from, until: performance.now() };
    if (!ledger.incidents.mayEndSession(stream))
      ledger.breach(`${text}, though the process of its stream is alive: ${ledger.incidents.describe(stream)}`);
    const isSeen = await Promise.race([this.#reader.over.then(() => true), delay(responseMs).then(() => false)]);
    if (!isSeen) ledger.breach(`${text}, and the stream stays open`);
  }
}

/** Waits for the first event of a stream; `false` if the stream ended without it. */
async function hasEndpoint({ ledger }: World, name: string, reader: EventReader): Promise<boolean> {
  const doing = { process: processOf(reader.response), from: performance.now() };
  const look = () => reader.endpoint !== undefined || reader.isOver || undefined;
  await eventually(look, 'the endpoint', ledger.incidents.boundMs(doing)).catch(() => {
    reader.close();
    ledger.breach(`${name}: a stream began without naming its endpoint, at ${ledger.incidents.describe(doing)}`);
  });
  return reader.endpoint !== undefined && !reader.isOver;
}

function processOf(response: Response): string | undefined {
  return response.headers.get('x-process') ?? undefined;
}
