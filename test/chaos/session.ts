import { setTimeout as delay } from 'node:timers/promises';
import type { WireMessage } from '../support/schemas.ts';
import type { Outcome } from './exchange.ts';
import { exchange } from './exchange.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const clientInfo = { name: 'chaos', version: '1' };

/** A session of 2025-11-25 from the client's side, whose every request goes to the next process. */
export class ChaosSession {
  readonly name: string;
  readonly id: string;
  readonly #world: World;
  readonly #random: Random;
  #nextId = 1;

  constructor(name: string, id: string, world: World, random: Random) {
    this.name = name;
    this.id = id;
    this.#world = world;
    this.#random = random;
  }

  get headers(): Record<string, string> {
    return { 'mcp-session-id': this.id, 'mcp-protocol-version': '2025-11-25' };
  }

  nextId(): number {
    return this.#nextId++;
  }

  /** Sends a message or, without one, a GET. A session that is not found was lost. */
  async send(
    body: WireMessage | undefined,
    headers: Record<string, string> = {},
    onMessage?: Parameters<typeof exchange>[0]['onMessage'],
  ): Promise<Outcome> {
    const outcome = await exchange({
      url: this.#world.cluster.url,
      headers: { ...this.headers, ...headers },
      ...(body !== undefined && { body }),
      ...(onMessage && { onMessage }),
    });
    if (outcome.kind === 'failed')
      this.#world.ledger.breach(`${this.name}: ${body?.method ?? 'GET'} was answered ${outcome.status} ${outcome.text}`);
    return outcome;
  }

  /** Sends a request that bears repetition until it is answered. */
  async insist(method: string, params: Record<string, unknown>): Promise<void> {
    for (;;) {
      const outcome = await this.send({ jsonrpc: '2.0', id: this.nextId(), method, params });
      if (outcome.kind === 'message' && outcome.message.error === undefined) return;
      if (outcome.kind === 'failed' || outcome.kind === 'message') throw new Error(`${this.name}: ${method}: ${JSON.stringify(outcome)}`);
      await delay(this.#random.between(50, 300));
    }
  }
}

/** Initializes a session, however often that takes. */
export async function openChaosSession(name: string, world: World, random: Random): Promise<ChaosSession> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  for (;;) {
    const outcome = await exchange({ url: world.cluster.url, body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } });
    const id = outcome.kind === 'message' ? outcome.headers.get('mcp-session-id') : null;
    if (id !== null) {
      world.ledger.count('sessions');
      const session = new ChaosSession(name, id, world, random);
      while ((await session.send({ jsonrpc: '2.0', method: 'notifications/initialized' })).kind === 'cut') await delay(100);
      return session;
    }
    if (outcome.kind === 'failed') throw new Error(`${name}: initialize: ${JSON.stringify(outcome)}`);
    await delay(random.between(50, 300));
  }
}
