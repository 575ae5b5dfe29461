import type { Random } from '../../chaos/random.ts';
import type { HttpRequest, Outcome, SseEvent } from '../http.ts';
import type { CallRecord, Channel } from '../ledger.ts';
import type { SimNode } from '../node.ts';
import { fence, hot, lists } from '../publications.ts';
import type { World } from '../world.ts';
import type { Message, Sent } from './client.ts';
import { Client, chooseCall, newsOf, readResponse } from './client.ts';

const path = '/mcp';

/** A client of Streamable HTTP: one session, its GET stream, and calls, each to whichever process. */
export class StreamableClient extends Client {
  readonly #revision: string;
  /** Whether it comes back with `Last-Event-ID`. */
  readonly #remembers: boolean;
  readonly #uris: readonly string[];
  readonly channel: Channel;
  #sessionId = '';
  #hasEnded = false;
  #stream: Sent | undefined;
  /** Streams that the client has given up for another one, without closing them. */
  readonly #forsaken: Sent[] = [];
  #isAway = false;
  #lastEventId: string | undefined;

  constructor(name: string, world: World, { random, uris }: { random: Random; uris: readonly string[] }) {
    super(name, world, random);
    this.#revision = random.chance(0.8) ? '2025-11-25' : '2025-06-18';
    this.#remembers = random.chance(0.7);
    this.#uris = [...uris.filter(() => random.chance(0.7)), hot, fence];
    this.channel = world.ledger.channel(name, this.#remembers ? 'remembers' : 'forgets');
  }

  protected async run(): Promise<void> {
    await this.#initialize();
    if (this.#sessionId === '') {
      this.isIdle = true;
      return;
    }
    const isEarly = this.random.chance(0.5);
    if (isEarly) void this.#listen();
    for (const uri of this.#uris) await this.#subscribe(uri);
    if (!isEarly) void this.#listen();
    const quitsMs = this.random.chance(0.1) ? this.world.scheduler.now + this.random.between(500, 15_000) : Number.POSITIVE_INFINITY;
    while (this.world.isActing && this.world.scheduler.now < quitsMs) {
      if (this.underWay.size < 3) void this.#call();
      if (this.random.chance(0.05)) void this.#unsubscribe(this.random.pick(this.#uris));
      await this.sleep(this.random.between(50, 3000));
    }
    if (this.world.isActing) await this.#quit();
    this.isIdle = true;
  }

  async probe(): Promise<void> {
    if (this.#sessionId === '' || this.#hasEnded) return;
    for (const stream of this.#forsaken)
      if (stream.exchange.connection.isOpen) this.ledger.breach(2, 'a stream that another one has taken over stays open', this.name);
    for (const node of this.world.serving) {
      const key = `${this.name}:${this.newId()}`;
      const sent = await this.send(this.#request('tools/call', { name: 'echo', arguments: { text: key } }), { node });
      const { outcome } = sent ?? {};
      const message = outcome?.kind === 'answer' && outcome.text !== '' ? (JSON.parse(outcome.text) as Message) : undefined;
      if (message === undefined || readResponse(message).text !== key)
        this.ledger.breach(6, 'a healthy process does not serve', `${this.name}: echo on ${node.name}: ${JSON.stringify(outcome)}`);
    }
  }

  hasHeard(what: string): boolean {
    // Its stream goes on for as long as its session does.
    return this.#sessionId === '' || this.#hasEnded || !this.channel.subscribedAt.has(what) || this.channel.seen.has(what);
  }

  /** Closes its stream and stays away until `returns`. */
  stayAway(): void {
    this.#isAway = true;
    this.#stream?.exchange.close();
  }

  returns(): void {
    this.#isAway = false;
  }

  async leave(): Promise<void> {
    for (const stream of this.#forsaken) stream.exchange.close();
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#sessionId !== '' && this.random.chance(0.5)) {
      const sent = await this.send({ method: 'DELETE', path, headers: this.#headers }, { node: this.random.pick(this.world.serving) });
      const { outcome } = sent ?? {};
      if (outcome?.kind !== 'answer' || outcome.status !== 204)
        this.ledger.breach(6, 'a healthy process does not serve', `${this.name}: DELETE: ${JSON.stringify(outcome)}`);
      await this.sleep(5000);
      if (this.channel.isOpen) this.ledger.breach(2, 'a stream outlives its session', this.name);
    }
    this.#stream?.exchange.close();
  }

  get #hasStream(): boolean {
    return this.channel.isOpen || this.#forsaken.some(({ exchange }) => exchange.connection.isOpen);
  }

  get #headers(): Record<string, string> {
    return { 'mcp-session-id': this.#sessionId, 'mcp-protocol-version': this.#revision };
  }

  #request(method: string, params?: object, id: number = this.newId()): HttpRequest {
    return { method: 'POST', path, headers: this.#headers, body: { jsonrpc: '2.0', id, method, params } };
  }

  async #initialize(): Promise<void> {
    const params = { protocolVersion: this.#revision, capabilities: { roots: {} }, clientInfo: { name: this.name, version: '1' } };
    const sent = await this.persist(() => ({ ...this.#request('initialize', params), headers: {} }));
    if (sent === undefined) return;
    const sessionId = sent.outcome.headers['mcp-session-id'];
    if (sessionId === undefined)
      return this.ledger.breach(6, 'initialize failed', `${this.name}: ${sent.outcome.status} ${sent.outcome.text}`);
    this.#sessionId = sessionId;
    await this.#notify('notifications/initialized');
    for (const list of lists) this.channel.subscribed(`list:${list}`);
  }

  async #notify(method: string, params?: object): Promise<void> {
    const sent = await this.persist(() => ({ method: 'POST', path, headers: this.#headers, body: { jsonrpc: '2.0', method, params } }));
    if (sent !== undefined) this.#expect(sent.outcome, 202, method);
  }

  async #subscribe(uri: string): Promise<void> {
    if (await this.#ask('resources/subscribe', { uri })) this.channel.subscribed(uri);
  }

  async #unsubscribe(uri: string): Promise<void> {
    const { channel, world } = this;
    if (uri === fence || !channel.subscribedAt.has(uri) || channel.unsubscribed.has(uri)) return;
    const given = { begun: world.scheduler.steps, done: undefined as number | undefined };
    channel.unsubscribed.set(uri, given);
    if (await this.#ask('resources/unsubscribe', { uri })) given.done = world.scheduler.steps;
  }

  /** Sends a request until it has a result. One that takes long is answered on a stream, which may end with an error or be cut. */
  async #ask(method: string, params: { uri: string }): Promise<boolean> {
    while (!this.world.isLeaving) {
      const id = this.newId();
      let response: Message | undefined;
      const onEvent = ({ data }: SseEvent) => {
        const message = data === '' ? undefined : (JSON.parse(data) as Message);
        if (message?.id === id) response = message;
      };
      const sent = await this.persist(() => this.#request(method, params, id), { onEvent });
      if (sent === undefined) return false;
      if (!sent.outcome.isStream) return this.#expect(sent.outcome, 200, `${method} ${params.uri}`);
      await sent.exchange.ended;
      if (response?.result !== undefined) return true;
      await this.sleep(this.random.between(100, 1000));
    }
    return false;
  }

  /** Ends its session while its calls run and its stream is open. */
  async #quit(): Promise<void> {
    const { world, channel } = this;
    this.#hasEnded = true;
    for (const record of this.underWay) record.isUnknown = true;
    const sent = await this.persist(() => ({ method: 'DELETE', path, headers: this.#headers }));
    // It may have been carried out the first time.
    if (sent !== undefined && sent.outcome.status !== 204 && sent.outcome.status !== 404)
      this.ledger.breach(6, 'an unexpected answer', `${this.name}: DELETE: ${sent.outcome.status} ${sent.outcome.text}`);
    while (world.isActing) await this.sleep(500);
    const until = world.scheduler.now + 60_000;
    while (this.#hasStream && world.scheduler.now < until) await this.sleep(500);
    if (this.#hasStream) this.ledger.breach(2, 'a stream outlives its session', this.name);
    channel.isOver = true;
  }

  #expect(outcome: Outcome & { kind: 'answer' }, status: number, what: string): boolean {
    const { error } = outcome.text === '' ? {} : (JSON.parse(outcome.text) as Message);
    if (outcome.status === status && error === undefined) return true;
    if (outcome.status === 404 && this.#hasEnded) return false;
    this.ledger.breach(
      outcome.status === 404 ? 2 : 6,
      outcome.status === 404 ? 'a session is gone' : 'an unexpected answer',
      `${this.name}: ${what}: ${outcome.status} ${outcome.text}`,
    );
    return false;
  }

  /** Keeps the GET stream open. */
  async #listen(): Promise<void> {
    const { channel } = this;
    while (!this.world.isLeaving && !this.#hasEnded) {
      if (this.#isAway) {
        await this.sleep(1000);
        continue;
      }
      let retryMs = this.random.between(50, 1000);
      const headers = {
        ...this.#headers,
        ...(this.#remembers && this.#lastEventId !== undefined && { 'last-event-id': this.#lastEventId }),
      };
      let isNewest = true;
      const onEvent = ({ id, data }: SseEvent) => {
        if (id !== undefined && isNewest) this.#lastEventId = id;
        if (data === '') return;
        const message = JSON.parse(data) as Message;
        const what = newsOf(message);
        if (what === undefined) this.ledger.breach(3, 'a message on the wrong stream', `${this.name}: ${data}`);
        else channel.heard(what, id);
      };
      const onRetry = (ms: number) => {
        retryMs = ms;
      };
      const sent = await this.send({ method: 'GET', path, headers }, { onEvent, onRetry });
      if (sent?.outcome.kind === 'answer' && sent.outcome.isStream) {
        this.#stream = sent;
        channel.opened(sent.node.name);
        const isForsaken = await Promise.race([sent.exchange.ended.then(() => false), this.#leaveAtTimes(sent)]);
        if (isForsaken) {
          isNewest = false;
          channel.isDoubled = true;
          channel.isOpen = false;
          this.#forsaken.push(sent);
          continue;
        }
        channel.isOpen = false;
        channel.lost += sent.exchange.connection.lost;
      } else if (sent?.outcome.kind === 'answer' && sent.outcome.status !== 503) {
        if (this.#hasEnded) return;
        this.#expect(sent.outcome, 200, 'GET');
        return;
      }
      await this.sleep(retryMs + this.random.between(0, 100));
    }
  }

  /** Clients come and go: sometimes the process learns of it late, or never. Resolves if the client leaves a stream as it is. */
  #leaveAtTimes({ exchange }: Sent): Promise<true> {
    return new Promise(resolve => {
      if (!this.random.chance(0.35)) return;
      const doesForsake = this.random.chance(0.15);
      this.world.scheduler.at(this.random.between(10, 8000), this.owner, 'lets go of its stream', () => {
        if (!this.world.isActing || !exchange.connection.isOpen || this.#hasEnded) return;
        if (doesForsake) resolve(true);
        else exchange.close(this.random.pick([1, 100, 5000]));
      });
    });
  }

  async #call(): Promise<void> {
    const id = this.newId();
    const key = `${this.name}:${id}`;
    const record = this.ledger.call(key, this.name);
    this.underWay.add(record);
    const plan = chooseCall(key, this.random, this.longMs);
    const call = new CallStream(this, record, { sessionHeaders: this.#headers, remembers: this.#remembers });
    if (plan.isCancelled) void this.#cancelSoon(id, record);
    const request = this.#request('tools/call', { name: plan.tool, arguments: plan.args, _meta: { progressToken: id } }, id);
    await call.run(request, plan.workMs);
    if (record.response?.text !== undefined && !record.isCurtailed) this.#checkProgress(record, plan.steps);
    this.underWay.delete(record);
  }

  async #cancelSoon(id: number, record: CallRecord): Promise<void> {
    await this.sleep(this.random.between(1, 4000));
    if (record.isSettled || !this.ledger.handled.has(record.key)) return;
    record.isCancelling = true;
    const sent = await this.persist(() => {
      const body = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'no longer wanted' } };
      return { method: 'POST', path, headers: this.#headers, body };
    });
    if (sent === undefined || !this.#expect(sent.outcome, 202, 'cancelled')) return;
    record.cancelledMs = this.world.scheduler.now;
  }

  #checkProgress({ key, progress }: CallRecord, steps: number): void {
    const isRepeated = new Set(progress).size < progress.length;
    if (isRepeated) this.ledger.breach(1, 'progress came twice', `${key}: ${progress.join()}`);
    else if (progress.some((step, index) => step !== index + 1) || progress.length !== steps)
      this.ledger.breach(1, 'progress was lost or out of order', `${key}: ${progress.join()} of ${steps}`);
  }

  /** Answers a request of the server, on whichever process. */
  async answer(id: string | number, name: string): Promise<void> {
    await this.sleep(this.random.between(0, 2000));
    const result = { roots: [{ uri: `file:///${name}` }] };
    const sent = await this.persist(() => ({ method: 'POST', path, headers: this.#headers, body: { jsonrpc: '2.0', id, result } }));
    if (sent !== undefined) this.#expect(sent.outcome, 202, 'answer');
  }
}

/** One call and its stream, over all connections that carry it. */
class CallStream {
  readonly #client: StreamableClient;
  readonly #record: CallRecord;
  readonly #headers: Record<string, string>;
  readonly #remembers: boolean;
  #lastEventId: string | undefined;
  #retryMs = 200;
  readonly #asked = new Set<string | number>();

  constructor(client: StreamableClient, record: CallRecord, options: { sessionHeaders: Record<string, string>; remembers: boolean }) {
    this.#client = client;
    this.#record = record;
    this.#headers = options.sessionHeaders;
    this.#remembers = options.remembers;
  }

  /** Sends the call and reads on, wherever it must, to its response. */
  async run(request: HttpRequest, workMs: number | undefined): Promise<void> {
    const { ledger, world } = this.#client;
    const record = this.#record;
    const sent = await this.#client.send(request, { ...this.#events, workMs });
    const { outcome } = sent ?? {};
    record.node = sent?.node.name;
    if (sent === undefined || outcome?.kind !== 'answer' || outcome.status === 503) {
      record.isUnknown = true;
      record.isBroken = outcome?.kind === 'broken';
      return;
    }
    if (!outcome.isStream) {
      if (outcome.text !== '') record.respond(readResponse(JSON.parse(outcome.text) as Message));
      else if (!record.isSettled) await this.#expectCancellation(sent.node);
      return;
    }
    let isComplete = await sent.exchange.ended;
    let { node } = sent;
    while (!record.isSettled) {
      if (this.#lastEventId === undefined || !this.#remembers) {
        if (isComplete && this.#lastEventId === undefined) await this.#expectCancellation(node);
        record.isUnknown = true;
        record.isBroken = !isComplete;
        return;
      }
      await this.#client.sleep(this.#retryMs);
      if (world.isLeaving) return;
      const resumed = await this.#client.send(
        { method: 'GET', path, headers: { ...this.#headers, 'last-event-id': this.#lastEventId } },
        this.#events,
      );
      if (resumed?.outcome.kind !== 'answer' || resumed.outcome.status === 503) continue;
      if (!resumed.outcome.isStream && record.isUnknown) return;
      if (!resumed.outcome.isStream) {
        ledger.breach(2, 'a stream cannot be resumed', `${record.key}: ${resumed.outcome.status} ${resumed.outcome.text}`);
        return;
      }
      isComplete = await resumed.exchange.ended;
      node = resumed.node;
    }
  }

  get #events() {
    return {
      onEvent: (event: SseEvent) => this.#take(event),
      onRetry: (ms: number) => {
        this.#retryMs = ms;
      },
    };
  }

  #take({ id, data }: SseEvent): void {
    const { ledger } = this.#client;
    if (id !== undefined) this.#lastEventId = id;
    if (data === '') return;
    const message = JSON.parse(data) as Message;
    const { method, params } = message;
    if (method === 'notifications/progress') {
      this.#record.progress.push(Number(params?.['progress']));
    } else if (method === 'roots/list' && message.id !== undefined) {
      if (this.#asked.has(message.id)) ledger.breach(1, 'a question came twice', `${this.#record.key}: ${data}`);
      else void this.#client.answer(message.id, this.#record.key);
      this.#asked.add(message.id);
    } else if (method === undefined) {
      if (`${this.#record.client}:${message.id}` !== this.#record.key)
        ledger.breach(3, 'a message on the wrong stream', `${this.#record.key}: ${data}`);
      this.#record.respond(readResponse(message));
    } else if (method === 'notifications/message') {
      this.#record.isCurtailed = true;
    } else if (method !== 'notifications/cancelled') {
      ledger.breach(3, 'a message on the wrong stream', `${this.#record.key}: ${data}`);
    }
  }

  /** The answer ended without a response: right only for a call that is being cancelled, or whose process was ending. */
  async #expectCancellation(node: SimNode): Promise<void> {
    const { ledger, world } = this.#client;
    const record = this.#record;
    // The cancellation may be on its way.
    await this.#client.sleep(5000);
    if (!record.isCancelling && !record.isUnknown && !node.isClosing && node.isAlive && !world.isLeaving)
      ledger.breach(3, 'a call without a response', `${record.key}: the answer of ${node.name} ended`);
    record.isUnknown = true;
  }
}
