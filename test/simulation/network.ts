import type http from 'node:http';
import { Duplex } from 'node:stream';
import type { Random } from '../chaos/random.ts';
import type { Owner, Scheduler } from './engine/scheduler.ts';

/** Who can be connected to. */
export interface Host {
  readonly owner: Owner;
  readonly server: http.Server;
  isListening: boolean;
  readonly connections: Set<Connection>;
}

/** What a client hears of its connection. */
export interface ConnectionEvents {
  readonly onText: (text: string) => void;
  /** Nothing more will come. */
  readonly onEnd: (why: 'refused' | 'ended' | 'broken') => void;
}

/** Milliseconds that bytes take, at most. */
export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly latencyMs: number;
}

/** The network between clients and processes. */
export class Network {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly owner: Owner;
  readonly #latencyMs: number;
  /** How many were sent so far. */
  requests = 0;

  constructor({ scheduler, random, latencyMs }: NetworkOptions) {
    this.scheduler = scheduler;
    this.random = random;
    this.#latencyMs = latencyMs;
    this.owner = scheduler.createOwner('network');
  }

  delay(): number {
    return 0.05 + this.random.next() * this.#latencyMs;
  }

  /** Opens a connection for the running client and sends one request on it. */
  connect(host: Host, request: string, events: ConnectionEvents): Connection {
    this.requests += 1;
    const connection = new Connection(this, host, this.scheduler.owner, events);
    this.scheduler.at(this.delay(), this.owner, `syn ${host.owner.name}`, () => connection.arrive(request));
    return connection;
  }
}

/** One connection of a client to a process, with one request and one answer. */
export class Connection {
  readonly #network: Network;
  readonly host: Host;
  readonly #client: Owner;
  readonly #events: ConnectionEvents;
  #socket: ServerSocket | undefined;
  /** Bytes on their way to the client. */
  readonly #inFlight: { text: string }[] = [];
  #lastArrival = 0;
  /** No byte gets through any more, though not everybody knows. */
  isCut = false;
  #hasClientEnd = false;
  /** What the process wrote and the client did not get. */
  lost = '';

  constructor(network: Network, host: Host, client: Owner, events: ConnectionEvents) {
    this.#network = network;
    this.host = host;
    this.#client = client;
    this.#events = events;
  }

  get isOpen(): boolean {
    return !this.isCut && !this.#hasClientEnd;
  }

  arrive(request: string): void {
    const { host } = this;
    if (this.isCut) return;
    if (host.owner.isDead || !host.isListening) {
      this.isCut = true;
      this.#tellClient('refused', this.#network.delay());
      return;
    }
    host.connections.add(this);
    this.#network.scheduler.at(0, host.owner, 'request', () => {
      if (this.isCut) return;
      this.#socket = new ServerSocket({
        onText: text => this.#send(text),
        onEnd: () => this.#end(),
        onClose: () => host.connections.delete(this),
      });
      host.server.emit('connection', this.#socket);
      this.#socket.push(request);
    });
  }

  /** The client goes away; the process learns of it after some time. */
  close(serverLearnsMs = this.#network.delay()): void {
    if (this.#hasClientEnd) return;
    this.#hasClientEnd = true;
    this.isCut = true;
    this.#dropInFlight();
    this.#tellServer(serverLearnsMs);
  }

  /** Cuts the connection on the way. Of what was under way the client may get a part. */
  cut({ clientLearnsMs, serverLearnsMs }: { clientLearnsMs: number; serverLearnsMs: number }): void {
    if (this.isCut) return;
    this.isCut = true;
    const text = this.#inFlight.map(piece => piece.text).join('');
    const got = this.#network.random.chance(0.5) ? this.#network.random.between(0, text.length) : 0;
    this.#inFlight.length = 0;
    this.lost += text.slice(got);
    const { scheduler } = this.#network;
    if (got > 0) scheduler.at(0, this.#client, 'gets a part', () => !this.#hasClientEnd && this.#events.onText(text.slice(0, got)));
    this.#tellClient('broken', clientLearnsMs);
    this.#tellServer(serverLearnsMs);
  }

  /** Lets go of what the process keeps for it: for the end of a schedule. */
  destroy(): void {
    this.isCut = true;
    this.#socket?.destroy();
  }

  #tellClient(why: 'refused' | 'broken', afterMs: number): void {
    this.#network.scheduler.at(afterMs, this.#client, why, () => {
      if (this.#hasClientEnd) return;
      this.#hasClientEnd = true;
      this.#events.onEnd(why);
    });
  }

  #tellServer(afterMs: number): void {
    const isReset = this.#network.random.chance(0.5);
    this.#network.scheduler.at(afterMs, this.host.owner, isReset ? 'reset' : 'fin', () => {
      const socket = this.#socket;
      if (socket === undefined) this.host.connections.delete(this);
      else if (isReset) socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
      else if (!socket.destroyed) socket.push(null);
    });
  }

  #send(text: string): void {
    if (this.isCut) {
      this.lost += text;
      return;
    }
    const piece = { text };
    this.#inFlight.push(piece);
    this.#deliver('bytes', () => {
      const index = this.#inFlight.indexOf(piece);
      if (index < 0) return;
      this.#inFlight.splice(index, 1);
      this.#events.onText(text);
    });
  }

  #end(): void {
    if (this.isCut) return;
    this.#deliver('end of bytes', () => {
      if (this.isCut || this.#hasClientEnd) return;
      this.#hasClientEnd = true;
      this.isCut = true;
      this.#events.onEnd('ended');
    });
  }

  /** In the order of the calls. */
  #deliver(label: string, run: () => void): void {
    const { scheduler } = this.#network;
    this.#lastArrival = Math.max(this.#lastArrival, scheduler.now + this.#network.delay());
    scheduler.at(this.#lastArrival - scheduler.now, this.#client, label, run);
  }

  #dropInFlight(): void {
    for (const { text } of this.#inFlight.splice(0)) this.lost += text;
  }
}

interface SocketEvents {
  readonly onText: (text: string) => void;
  readonly onEnd: () => void;
  readonly onClose: () => void;
}

/** A process's end of a connection, as Node's HTTP server takes it. */
class ServerSocket extends Duplex {
  readonly #events: SocketEvents;

  constructor(events: SocketEvents) {
    super({ decodeStrings: false });
    this.#events = events;
    this.on('error', () => {});
  }

  override _read(): void {}

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#events.onText(chunk.toString());
    done();
  }

  override _final(done: () => void): void {
    this.#events.onEnd();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#events.onEnd();
    this.#events.onClose();
    done(error);
  }

  /** As that of `net.Socket`. */
  destroySoon(): void {
    this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }
}
