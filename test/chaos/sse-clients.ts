import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../processes/eventually.ts';
import type { SseClient } from '../processes/sse-client.ts';
import { openSseClient } from '../processes/sse-client.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { Random } from './random.ts';
import type { ChaosClient, World } from './world.ts';
import { think } from './world.ts';

const answerMs = 45_000;
const initializeParams = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'chaos', version: '1' } };

/** A client of 2024-11-05: its session is its stream, and ends with the process that holds it. */
export function sseClient(name: string, world: World, random: Random): ChaosClient {
  let current: SseStream | undefined;
  return {
    name,
    async run() {
      while (!world.calling.aborted) {
        current = await SseStream.open(name, world, random);
        while (current !== undefined && !current.isOver && !world.calling.aborted) {
          await think(world, random, 300, 2500);
          await current.call(random.between(0, 4));
        }
      }
    },
    async finish() {
      current?.close();
    },
  };
}

/** One session over HTTP+SSE. */
class SseStream {
  readonly #name: string;
  readonly #world: World;
  readonly #client: SseClient;
  readonly #process: string | undefined;
  #nextId = 1;
  #isNoted = false;

  private constructor(name: string, world: World, client: SseClient) {
    this.#name = name;
    this.#world = world;
    this.#client = client;
    this.#process = processOf(client.reader.response);
  }

  /** Opens a stream and initializes, however often that takes; `undefined` when it is time to end. */
  static async open(name: string, world: World, random: Random): Promise<SseStream | undefined> {
    while (!world.calling.aborted) {
      const client = await openSseClient(world.cluster.origin).catch(() => undefined);
      if (client !== undefined) {
        const stream = new SseStream(name, world, client);
        const { response } = await stream.#ask('initialize', initializeParams);
        if (response?.result !== undefined) {
          world.ledger.count('sessions');
          await stream.#post({ jsonrpc: '2.0', method: 'notifications/initialized' });
          return stream;
        }
        client.reader.close();
      }
      await delay(random.between(50, 300));
    }
    return undefined;
  }

  /** Whether the session has ended; it may only end with the process of its stream. */
  get isOver(): boolean {
    const { isOver } = this.#client.reader;
    if (isOver && !this.#isNoted) {
      this.#isNoted = true;
      const { ledger } = this.#world;
      if (ledger.hasEnded(this.#process)) ledger.count('sseSessionsEndedWithProcess');
      else ledger.breach(`${this.#name}: the stream ended, though its process had not: ${ledger.endOf(this.#process)}`);
    }
    return isOver;
  }

  async call(steps: number): Promise<void> {
    const { ledger } = this.#world;
    const name = steps === 0 ? 'process' : 'count';
    const id = this.#nextId;
    ledger.count('calls');
    const params = { name, arguments: steps === 0 ? {} : { to: steps, stepMs: 100 }, _meta: { progressToken: id } };
    const { status, process, response } = await this.#ask('tools/call', params);
    const isLost = this.isOver || ledger.hasEnded(process);
    if (response?.result !== undefined) ledger.count('answered');
    else if (response?.error !== undefined && ledger.wasKilled(process)) ledger.count('failedWithProcess');
    else if (status === 503) ledger.count('refused');
    else if (this.isOver || (isLost && status !== 202)) ledger.count('failedWithProcess');
    else
      ledger.breach(
        `${this.#name}: a call answered ${String(status)} by ${ledger.endOf(process)}, stream at ${ledger.endOf(this.#process)}, came to ${JSON.stringify(response)}`,
      );
    const responses = this.#client.reader.messages.filter(message => message.id === id && message.method === undefined).length;
    const progress = this.#client.reader.messages
      .filter(({ params }) => params?.['progressToken'] === id)
      .map(({ params }) => params?.['progress']);
    if (responses > 1) ledger.breach(`${this.#name}: ${responses} responses to call ${id}`);
    const expected = Array.from({ length: progress.length }, (_, index) => index + 1).join();
    if (progress.join() !== expected || (response?.result !== undefined && progress.length !== steps))
      ledger.breach(`${this.#name}: progress of call ${id}: ${progress.join()} of ${steps}`);
  }

  close(): void {
    this.#isNoted = true;
    this.#client.reader.close();
  }

  /** Posts a request and waits for its response, as long as there is hope. */
  async #ask(
    method: string,
    params: Record<string, unknown>,
  ): Promise<{ status?: number; process?: string | undefined; response?: WireMessage | undefined }> {
    const id = this.#nextId++;
    const answer = await this.#post({ jsonrpc: '2.0', id, method, params });
    if (answer?.status !== 202) {
      // The stream's process may have ended a moment ago: the end of the stream is about to come.
      if (answer?.status === 404) await eventually(() => this.#client.reader.isOver || undefined, 'the end', 5000).catch(() => undefined);
      return answer === undefined ? {} : { status: answer.status, process: processOf(answer) };
    }
    const response = () => this.#client.reader.messages.find(message => message.id === id && message.method === undefined);
    await eventually(() => response() !== undefined || this.#client.reader.isOver || undefined, 'the response', answerMs).catch(
      () => undefined,
    );
    return { status: 202, process: processOf(answer), response: response() };
  }

  async #post(message: WireMessage): Promise<Response | undefined> {
    return this.#client.post(message).catch(() => undefined);
  }
}

function processOf(response: Response): string | undefined {
  return response.headers.get('x-process') ?? undefined;
}
