import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { Answers, WireMessages } from './wire-messages.ts';

/** A road to a PostgreSQL server that knows what it carries, with everything that can happen on a road. */
export interface WireProxy extends AsyncDisposable {
  readonly port: number;
  /** Milliseconds that everything takes longer, each way. @default 0 */
  latencyMs: number;
  /** Asked about each write that the server has committed: if so, its answer is not forwarded and its connection is reset. @default never */
  losesAnswer: () => boolean;
  /** How many answers were lost. */
  readonly lostAnswers: number;
  /** Resets all connections; how many. */
  cut(): number;
  /** Resets the next connection on which a query or an answer comes, in the middle of that. */
  cutNext(what: 'query' | 'answer'): void;
  /** Carries nothing, and says nothing, until the returned function is called: then all of it arrives, late, or the connections are reset. */
  swallow(): (then: 'deliver' | 'reset') => void;
}

export async function openWireProxy(target: { host: string; port: number }): Promise<WireProxy> {
  const roads = new Set<Road>();
  const state: RoadState = { latencyMs: 0, losesAnswer: () => false, lostAnswers: 0, isSwallowing: false, cutsNext: undefined };
  const server = createServer(client => {
    const road = new Road(client, connect(target), state);
    roads.add(road);
    road.onClose = () => roads.delete(road);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const resetAll = () => {
    const all = [...roads];
    for (const road of all) road.reset();
    return all.length;
  };
  return {
    port: (server.address() as AddressInfo).port,
    get latencyMs() {
      return state.latencyMs;
    },
    set latencyMs(ms) {
      state.latencyMs = ms;
    },
    get losesAnswer() {
      return state.losesAnswer;
    },
    set losesAnswer(decide) {
      state.losesAnswer = decide;
    },
    get lostAnswers() {
      return state.lostAnswers;
    },
    cut: resetAll,
    cutNext(what) {
      state.cutsNext = what;
    },
    swallow() {
      state.isSwallowing = true;
      return then => {
        state.isSwallowing = false;
        if (then === 'reset') resetAll();
        else for (const road of roads) road.goOn();
      };
    },
    async [Symbol.asyncDispose]() {
      resetAll();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What all connections of a proxy go by. */
interface RoadState {
  latencyMs: number;
  losesAnswer: () => boolean;
  lostAnswers: number;
  isSwallowing: boolean;
  cutsNext: 'query' | 'answer' | undefined;
}

/** One connection. */
class Road {
  onClose: () => void = () => {};
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #state: RoadState;
  readonly #lanes: readonly Lane[];
  readonly #messages = new WireMessages();
  readonly #answers = new Answers();

  constructor(client: Socket, server: Socket, state: RoadState) {
    this.#client = client;
    this.#server = server;
    this.#state = state;
    const queries = new Lane(client, server, state);
    const answers = new Lane(server, client, state);
    this.#lanes = [queries, answers];
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.on('data', chunk => this.#forward(queries, 'query', chunk));
    server.on('data', chunk => this.#answer(answers, chunk));
    for (const socket of [client, server]) {
      socket.on('error', () => {});
      // Where everything is swallowed, so is the end.
      socket.on('close', () => state.isSwallowing || this.#end());
    }
  }

  /** Ends both connections at once. */
  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.destroy();
    this.#end();
  }

  /** Carries what was swallowed. */
  goOn(): void {
    for (const lane of this.#lanes) lane.flush();
    if (this.#client.destroyed || this.#server.destroyed) this.#end();
  }

  #answer(lane: Lane, chunk: Buffer): void {
    const complete: Buffer[] = [];
    for (const message of this.#messages.take(chunk)) {
      const { forward, isCommittedWrite } = this.#answers.take(message);
      if (isCommittedWrite && this.#state.losesAnswer()) {
        this.#state.lostAnswers += 1;
        return void this.reset();
      }
      complete.push(...forward);
    }
    if (complete.length > 0) this.#forward(lane, 'answer', Buffer.concat(complete));
  }

  #forward(lane: Lane, what: 'query' | 'answer', bytes: Buffer): void {
    if (this.#client.destroyed && this.#server.destroyed) return;
    if (this.#state.cutsNext === what && !this.#state.isSwallowing) {
      this.#state.cutsNext = undefined;
      lane.push(bytes.subarray(0, bytes.length >> 1), () => this.reset());
    } else lane.push(bytes);
  }

  /** Ends the other connection when what was said on the first has been forwarded. */
  #end(): void {
    for (const lane of this.#lanes) lane.end();
    this.onClose();
  }
}

/** One direction of a connection: it keeps the order, whatever the latency. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #state: RoadState;
  readonly #waiting: { readonly bytes: Buffer; readonly dueAt: number; readonly sent: (() => void) | undefined }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isEnding = false;

  constructor(from: Socket, to: Socket, state: RoadState) {
    this.#from = from;
    this.#to = to;
    this.#state = state;
  }

  push(bytes: Buffer, sent?: () => void): void {
    this.#waiting.push({ bytes, dueAt: performance.now() + this.#state.latencyMs, sent });
    this.flush();
  }

  end(): void {
    this.#isEnding = true;
    this.flush();
  }

  flush(): void {
    if (this.#state.isSwallowing) return;
    for (let next = this.#waiting[0]; next !== undefined && next.dueAt <= performance.now(); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#write(next.bytes, next.sent);
    }
    clearTimeout(this.#timer);
    const [next] = this.#waiting;
    if (next !== undefined) this.#timer = setTimeout(() => this.flush(), Math.ceil(next.dueAt - performance.now()));
    else if (this.#isEnding) this.#to.destroySoon();
  }

  #write(bytes: Buffer, sent?: () => void): void {
    if (this.#to.destroyed) return;
    if (!this.#to.write(bytes, () => sent?.())) {
      this.#from.pause();
      this.#to.once('drain', () => this.#from.resume());
    }
  }
}
