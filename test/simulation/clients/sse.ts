import type { Random } from '../../chaos/random.ts';
import { hasGoneSilent } from '../checks.ts';
import type { HttpRequest, SseEvent } from '../http.ts';
import type { CallRecord, Channel } from '../ledger.ts';
import type { SimNode } from '../node.ts';
import { fence, hot, lists } from '../publications.ts';
import type { World } from '../world.ts';
import type { Message, Sent } from './client.ts';
import { Client, chooseCall, heardOn, newsOf, readResponse } from './client.ts';

/** Milliseconds in which a stream that no longer works has to break, once nothing else is broken. */
const visibleMs = 60_000;

/** A client of HTTP+SSE: its stream is its session; POSTs go to whichever process. */
export class SseClient extends Client {
  readonly #uris: readonly string[];
  #session: SseSession | undefined;

  constructor(name: string, world: World, { random, uris }: { random: Random; uris: readonly string[] }) {
    super(name, world, random);
    this.#uris = [...uris.filter(() => random.chance(0.5)), hot, fence];
  }

  protected async run(): Promise<void> {
    const { world } = this;
    void this.#becomeIdle();
    for (let index = 1; !world.isLeaving; index += 1) {
      const session = new SseSession(this, index);
      this.#session = session;
      if (await session.open()) {
        void this.#use(session);
        await session.ended;
      }
      await this.sleep(this.random.between(50, 1000));
    }
  }

  async probe(): Promise<void> {
    const session = this.#session;
    if (session === undefined || !session.channel.isOpen || !session.isReady) return;
    for (const node of this.world.serving) {
      let status = await session.probe(node);
      const until = this.world.scheduler.now + visibleMs;
      while (session.channel.isOpen && this.world.scheduler.now < until && status.problem() !== undefined) {
        await this.sleep(1000);
        // A query of either process may have hung.
        if (status.isRefused) status = await session.probe(node);
      }
      if (session.channel.isOpen && status.problem() !== undefined)
        this.ledger.breach(2, 'a stream is open and of no use', `${session.channel.name}: a POST to ${node.name} ${status.problem()}`);
    }
  }

  override get unanswered(): readonly string[] {
    return this.#session?.unanswered ?? [];
  }

  hasHeard(what: string, publishedAt: number): boolean {
    return this.#session === undefined || heardOn(this.#session.channel, what, publishedAt);
  }

  async leave(): Promise<void> {
    this.#session?.close();
  }

  async #becomeIdle(): Promise<void> {
    while (this.world.isActing) await this.sleep(500);
    this.isIdle = true;
  }

  async #use(session: SseSession): Promise<void> {
    const { world } = this;
    if (!(await session.initialize())) return;
    for (const uri of this.#uris) await session.subscribe(uri);
    while (world.isActing && session.channel.isOpen) {
      if (this.underWay.size < 3) void session.call();
      if (this.random.chance(0.03)) session.close(this.random.pick([1, 100, 5000]));
      await this.sleep(this.random.between(50, 3000));
    }
  }
}

/** Whether the stream ends before the response. */
function isEndOfStream({ error }: Message): boolean {
  return error?.message.startsWith('The stream of this session ends') ?? false;
}

/** One stream, and the session that lives as long as it does. */
class SseSession {
  readonly channel: Channel;
  readonly #client: SseClient;
  #stream: Sent | undefined;
  #endpoint: string | undefined;
  #onEndpoint: (() => void) | undefined;
  isReady = false;
  readonly #waiting = new Map<string | number, (message: Message) => void>();
  /** Methods of requests that were acknowledged, by id. */
  readonly #acknowledged = new Map<string | number, string>();
  readonly #answered = new Set<string | number>();
  readonly #calls = new Map<string | number, CallRecord>();
  #settleEnded: () => void = () => {};
  readonly ended = new Promise<void>(resolve => {
    this.#settleEnded = resolve;
  });

  constructor(client: SseClient, index: number) {
    this.#client = client;
    this.channel = client.ledger.channel(`${client.name}/${index}`, 'ends');
  }

  get unanswered(): readonly string[] {
    return this.channel.isOpen ? [...this.#acknowledged].map(([id, method]) => `${method} ${id} of ${this.channel.name}`) : [];
  }

  /** Opens the stream and waits for the name of its endpoint; whether it came. */
  async open(): Promise<boolean> {
    const client = this.#client;
    const sent = await client.send({ method: 'GET', path: '/mcp/sse' }, { onEvent: event => this.#take(event) });
    if (sent?.outcome.kind !== 'answer' || !sent.outcome.isStream) return false;
    this.#stream = sent;
    this.channel.opened(sent.node.name);
    void sent.exchange.ended.then(() => this.#end());
    if (this.#endpoint === undefined) {
      await Promise.race([
        this.ended,
        new Promise<void>(resolve => {
          this.#onEndpoint = resolve;
        }),
      ]);
    }
    return this.#endpoint !== undefined;
  }

  async initialize(): Promise<boolean> {
    const { name } = this.#client;
    const params = { protocolVersion: '2025-03-26', capabilities: { roots: {} }, clientInfo: { name, version: '1' } };
    const answer = await this.#request('initialize', params);
    if (answer?.result === undefined) {
      this.close();
      return false;
    }
    if (!(await this.#post({ method: 'notifications/initialized' }))) return false;
    for (const list of lists) this.channel.subscribed(`list:${list}`);
    this.isReady = true;
    return true;
  }

  async subscribe(uri: string): Promise<void> {
    const message = await this.#request('resources/subscribe', { uri });
    if (message?.result !== undefined) this.channel.subscribed(uri);
  }

  async call(): Promise<void> {
    const client = this.#client;
    const { ledger } = client;
    const id = client.newId();
    const key = `${client.name}:${id}`;
    const record = ledger.call(key, client.name);
    client.underWay.add(record);
    this.#calls.set(id, record);
    const plan = chooseCall(key, client.random, client.longMs);
    const params = { name: plan.tool, arguments: plan.args, _meta: { progressToken: id } };
    if (plan.isCancelled) void this.#cancelSoon(id, record);
    const message = await this.#request('tools/call', params, id);
    if (message === undefined || isEndOfStream(message)) record.isUnknown = true;
    else if (record.response?.text !== undefined && record.progress.length !== plan.steps)
      ledger.breach(1, 'progress was lost or out of order', `${key}: ${record.progress.join()} of ${plan.steps}`);
    client.underWay.delete(record);
  }

  /** Asks a process something; what is wrong so far with its answer, if anything. */
  async probe(node: Sent['node']): Promise<{ isRefused: boolean; problem: () => string | undefined }> {
    const client = this.#client;
    const id = client.newId();
    let isAnswered = false;
    this.#waiting.set(id, () => {
      isAnswered = true;
    });
    const sent = await client.send(this.#message({ id, method: 'ping' }), { node });
    const { outcome } = sent ?? {};
    const status = outcome?.kind === 'answer' ? `${outcome.status}` : outcome?.kind;
    return {
      isRefused: status === '503',
      problem: () => {
        if (status !== '202') return `was answered ${status}`;
        return isAnswered ? undefined : 'was acknowledged, and no answer came';
      },
    };
  }

  close(serverLearnsMs?: number): void {
    this.#stream?.exchange.close(serverLearnsMs);
  }

  #end(): void {
    const { channel } = this;
    channel.isOpen = false;
    channel.isOver = true;
    for (const record of this.#calls.values()) if (!record.isSettled) record.isUnknown = true;
    for (const settle of this.#waiting.values()) settle({});
    this.#settleEnded();
  }

  #message(message: object): HttpRequest {
    return { method: 'POST', path: this.#endpoint ?? '/mcp/messages', body: { jsonrpc: '2.0', ...message } };
  }

  /** Sends a request and waits for its response; `undefined` if there will be none, or nobody can know. */
  async #request(method: string, params: object, id = this.#client.newId()): Promise<Message | undefined> {
    const answer = new Promise<Message>(resolve => this.#waiting.set(id, resolve));
    const record = this.#calls.get(id);
    const sent = await this.#sendOnce({ id, method, params });
    if (record) record.node = sent?.node.name;
    const isAccepted = sent?.outcome.kind === 'answer' && sent.outcome.status === 202;
    // What was refused may have taken effect, and what was not acknowledged may have arrived.
    if (!isAccepted && !this.#answered.has(id)) return undefined;
    this.#acknowledged.set(id, method);
    const message = await answer;
    this.#acknowledged.delete(id);
    this.#waiting.delete(id);
    return message.result === undefined && message.error === undefined ? undefined : message;
  }

  /** Sends a notification or an answer until it is acknowledged; whether it was. */
  async #post(message: object): Promise<boolean> {
    const client = this.#client;
    while (this.channel.isOpen && !client.world.isLeaving) {
      const sent = await this.#sendOnce(message);
      if (sent?.outcome.kind === 'answer' && sent.outcome.status === 202) return true;
      await client.sleep(client.random.between(100, 1000));
    }
    return false;
  }

  async #sendOnce(message: object): Promise<Sent | undefined> {
    const client = this.#client;
    const sent = await client.send(this.#message(message));
    const { outcome } = sent ?? {};
    if (outcome?.kind === 'answer' && ![202, 404, 409, 503].includes(outcome.status))
      client.ledger.breach(
        6,
        'an unexpected answer',
        `${this.channel.name}: ${JSON.stringify(message)}: ${outcome.status} ${outcome.text}`,
      );
    if (outcome?.kind === 'answer' && outcome.status === 409 && this.channel.isOpen) this.#checkGone(sent?.node);
    return sent;
  }

  /** A process says that the one with the stream has died. */
  #checkGone(node: SimNode | undefined): void {
    const { world, ledger } = this.#client;
    const holder = this.#stream?.node;
    const { deadMs } = world.settings.sessions;
    const to = world.scheduler.now;
    if (holder === undefined || holder === node || hasGoneSilent(holder, { from: to - 3 * deadMs, to, doneMs: undefined, deadMs })) return;
    ledger.breach(8, 'a living process was taken for dead', `${holder.name} by ${node?.name}, for ${this.channel.name}`);
  }

  async #cancelSoon(id: number, record: CallRecord): Promise<void> {
    const client = this.#client;
    await client.sleep(client.random.between(1, 4000));
    if (record.isSettled || !client.ledger.handled.has(record.key)) return;
    record.isCancelling = true;
    if (!(await this.#post({ method: 'notifications/cancelled', params: { requestId: id } }))) return;
    record.cancelledMs = client.world.scheduler.now;
    this.#waiting.get(id)?.({});
  }

  #take({ name, data }: SseEvent): void {
    if (name === 'endpoint') {
      this.#endpoint = data;
      this.#onEndpoint?.();
      return;
    }
    const message = JSON.parse(data) as Message;
    const { id, method } = message;
    const what = newsOf(message);
    if (what !== undefined) this.channel.heard(what, undefined);
    else if (method === 'notifications/progress') this.#takeProgress(message);
    else if (method === 'roots/list' && id !== undefined) void this.#answer(id);
    else if (method === undefined && id !== undefined) this.#takeResponse(id, message);
  }

  #takeResponse(id: string | number, message: Message): void {
    const { ledger } = this.#client;
    const record = this.#calls.get(id);
    if (record !== undefined) record.respond(readResponse(message));
    else if (this.#answered.has(id)) ledger.breach(3, 'two responses to one request', `${this.channel.name}: ${JSON.stringify(message)}`);
    this.#answered.add(id);
    this.#waiting.get(id)?.(message);
  }

  #takeProgress({ params }: Message): void {
    const record = this.#calls.get(params?.['progressToken'] as number);
    const step = Number(params?.['progress']);
    if (record === undefined) return;
    if (record.response !== undefined) this.#client.ledger.breach(3, 'progress after the response', `${record.key}: ${step}`);
    if (step <= (record.progress.at(-1) ?? 0))
      this.#client.ledger.breach(1, 'progress came twice', `${record.key}: ${step} after ${record.progress.join()}`);
    record.progress.push(step);
  }

  async #answer(id: string | number): Promise<void> {
    const client = this.#client;
    await client.sleep(client.random.between(0, 2000));
    await this.#post({ id, result: { roots: [{ uri: 'file:///somewhere' }] } });
  }
}
