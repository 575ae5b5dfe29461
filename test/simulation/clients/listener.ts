import type { Random } from '../../chaos/random.ts';
import type { HttpRequest, SseEvent } from '../http.ts';
import type { Channel } from '../ledger.ts';
import { fence, hot, lists } from '../publications.ts';
import type { World } from '../world.ts';
import type { Message, Sent } from './client.ts';
import { Client, chooseCall, heardOn, newsOf, readResponse } from './client.ts';
import { modernPost } from './modern.ts';

/** A client of 2026-07-28: listens to what it subscribed to, and calls. */
export class ListeningClient extends Client {
  readonly #uris: readonly string[];
  #channel: Channel | undefined;
  #stream: Sent | undefined;

  constructor(name: string, world: World, { random, uris }: { random: Random; uris: readonly string[] }) {
    super(name, world, random);
    this.#uris = [...uris.filter(() => random.chance(0.7)), hot, fence];
  }

  protected async run(): Promise<void> {
    void this.#listen();
    while (this.world.isActing) {
      if (this.underWay.size < 2 && this.random.chance(0.5)) void this.#call();
      await this.sleep(this.random.between(50, 3000));
    }
    this.isIdle = true;
  }

  async probe(): Promise<void> {}

  hasHeard(what: string, publishedAt: number): boolean {
    return this.#channel === undefined || heardOn(this.#channel, what, publishedAt);
  }

  async leave(): Promise<void> {
    this.#stream?.exchange.close();
  }

  #request(method: string, params: Record<string, unknown>, id = this.newId()): HttpRequest {
    return modernPost({ id, client: this.name, method, params });
  }

  async #listen(): Promise<void> {
    const { world } = this;
    for (let index = 1; !world.isLeaving; index += 1) {
      const channel = this.ledger.channel(`${this.name}/${index}`, 'ends');
      const node = world.route(this.random);
      const notifications = { resourceSubscriptions: this.#uris, toolsListChanged: true, resourcesListChanged: true };
      const sent = await this.send(this.#request('subscriptions/listen', { notifications }), {
        onEvent: event => this.#take(channel, event, node?.name ?? ''),
        node,
      });
      if (sent?.outcome.kind === 'answer' && sent.outcome.isStream) {
        this.#stream = sent;
        this.#channel = channel;
        channel.isOpen = true;
        if (this.random.chance(0.2)) {
          world.scheduler.at(this.random.between(100, 10_000), this.owner, 'stops listening', () => {
            if (world.isActing) sent.exchange.close(this.random.pick([1, 100, 5000]));
          });
        }
        await sent.exchange.ended;
      } else if (sent?.outcome.kind === 'answer' && sent.outcome.status !== 503) {
        this.ledger.breach(6, 'an unexpected answer', `${this.name}: listen: ${sent.outcome.status} ${sent.outcome.text}`);
      }
      channel.isOpen = false;
      channel.isOver = true;
      await this.sleep(this.random.between(50, 1000));
    }
  }

  #take(channel: Channel, { data }: SseEvent, carrier: string): void {
    const message = JSON.parse(data) as Message;
    if (message.method === 'notifications/subscriptions/acknowledged') {
      channel.opened(carrier);
      for (const what of [...this.#uris, ...lists.map(list => `list:${list}`)]) channel.subscribed(what);
      return;
    }
    const what = newsOf(message);
    if (what !== undefined) channel.heard(what, undefined);
    else if (message.result === undefined) this.ledger.breach(3, 'a message on the wrong stream', `${channel.name}: ${data}`);
  }

  /** A call of this era is one exchange: where that breaks, the call was cancelled. */
  async #call(): Promise<void> {
    const id = this.newId();
    const key = `${this.name}:${id}`;
    const plan = chooseCall(key, this.random, this.longMs);
    if (plan.isCancelled || plan.tool === 'ask') return;
    const record = this.ledger.call(key, this.name);
    this.underWay.add(record);
    const request = this.#request('tools/call', { name: plan.tool, arguments: plan.args }, id);
    const onEvent = ({ data }: SseEvent) => {
      const message = JSON.parse(data) as Message;
      if (message.method === undefined) record.respond(readResponse(message));
    };
    const sent = await this.send(request, { onEvent, workMs: plan.workMs });
    const { outcome } = sent ?? {};
    record.node = sent?.node.name;
    record.isBroken = outcome?.kind === 'broken';
    if (outcome?.kind === 'answer' && !outcome.isStream && outcome.status !== 503)
      record.respond(readResponse(JSON.parse(outcome.text) as Message));
    if (outcome?.kind === 'answer' && outcome.isStream) {
      const isComplete = await sent?.exchange.ended;
      record.isBroken = !isComplete;
      if (isComplete && record.response === undefined && sent?.node.isClosing === false)
        this.ledger.breach(3, 'a call without a response', `${key}: the answer of ${sent.node.name} ended`);
    }
    if (record.response === undefined) record.isUnknown = true;
    this.underWay.delete(record);
  }
}
