import { setTimeout as delay } from 'node:timers/promises';
import type { WireMessage } from '../support/schemas.ts';
import type { ReaderOptions } from '../support/sse.ts';
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

  /** Sends a message or, without one, a GET. */
  send(body: WireMessage | undefined, headers: Record<string, string> = {}, onMessage?: ReaderOptions['onMessage']): Promise<Outcome> {
    return exchange(this.#world.ledger, `${this.name}: ${body?.method ?? (body === undefined ? 'GET' : 'an answer')}`, {
      url: this.#world.cluster.url,
      headers: { ...this.headers, ...headers },
      ...(body !== undefined && { body }),
      ...(onMessage && { onMessage }),
    });
  }

  /** Sends a message until it is taken; what became of it, or `undefined` when it is time to end. */
  async insist(body: WireMessage, until: AbortSignal): Promise<Outcome | undefined> {
    while (!until.aborted) {
      const outcome = await this.send(body);
      if (outcome.kind !== 'refused' && outcome.kind !== 'cut') return outcome;
      await delay(this.#random.between(50, 300));
    }
    return undefined;
  }

  /** Sends a request that bears repetition until it has its result; whether it got that before it was time to end. */
  async request(method: string, params: Record<string, unknown>, until: AbortSignal): Promise<boolean> {
    const outcome = await this.insist({ jsonrpc: '2.0', id: this.nextId(), method, params }, until);
    if (outcome?.kind === 'message' && outcome.message.result !== undefined) return true;
    if (outcome !== undefined && outcome.kind !== 'failed')
      this.#world.ledger.breach(`${this.name}: ${method} came to ${JSON.stringify(outcome).slice(0, 300)}`);
    return false;
  }
}

/** Initializes a session, however often that takes; `undefined` when it is time to end. */
export async function openChaosSession(name: string, world: World, random: Random): Promise<ChaosSession | undefined> {
  const params = { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo };
  while (!world.calling.aborted) {
    const body = { jsonrpc: '2.0', id: 0, method: 'initialize', params } as const;
    const outcome = await exchange(world.ledger, `${name}: initialize`, { url: world.cluster.url, body });
    const id = outcome.kind === 'message' ? outcome.headers.get('mcp-session-id') : null;
    if (id !== null) {
      world.ledger.count('sessions');
      const session = new ChaosSession(name, id, world, random);
      await session.insist({ jsonrpc: '2.0', method: 'notifications/initialized' }, world.calling);
      return session;
    }
    await delay(random.between(50, 300));
  }
  return undefined;
}
