import type { Random } from '../../chaos/random.ts';
import type { Owner } from '../engine/scheduler.ts';
import type { Exchange, HttpRequest, Outcome, StreamEvents } from '../http.ts';
import { exchange } from '../http.ts';
import type { CallRecord, Channel, Ledger } from '../ledger.ts';
import type { SimNode } from '../node.ts';
import type { World } from '../world.ts';

/** A JSON-RPC message. */
export interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
}

/** What became of a request. */
export interface Sent {
  readonly outcome: Outcome;
  readonly exchange: Exchange;
  readonly node: SimNode;
}

/** What `send` may be told. */
export interface SendOptions extends StreamEvents {
  /** The process to ask. @default the load balancer's choice */
  readonly node?: SimNode | undefined;
  /** What the handler takes beyond what the database may; `undefined` if nobody can say. @default 0 */
  readonly workMs?: number | undefined;
}

/** Milliseconds after which a client gives up on an answer. */
const patienceMs = 60_000;

/** What all clients do. Their methods run as the client. */
export abstract class Client {
  readonly name: string;
  readonly world: World;
  readonly owner: Owner;
  readonly random: Random;
  /** Whether it has done all it wanted to. */
  isIdle = false;
  /** Its calls that are under way. */
  readonly underWay = new Set<CallRecord>();
  #nextId = 1;

  constructor(name: string, world: World, random: Random) {
    this.name = name;
    this.world = world;
    this.random = random;
    this.owner = world.scheduler.createOwner(name);
  }

  get ledger(): Ledger {
    return this.world.ledger;
  }

  /** Begins, at a moment of its own. */
  start(): void {
    this.world.scheduler.at(this.random.between(0, 1500), this.owner, 'starts', () => {
      this.run().catch((error: unknown) => {
        this.ledger.breach(0, 'the harness failed', `${this.name}: ${error instanceof Error ? error.stack : String(error)}`);
      });
    });
  }

  protected abstract run(): Promise<void>;
  /** Checks that everything works for it, now that nothing is broken. */
  abstract probe(): Promise<void>;
  /** Whether it has heard an event, or need not: it had not subscribed, or had another stream, at that step. */
  abstract hasHeard(what: string, publishedAt: number): boolean;
  /** Goes away. */
  abstract leave(): Promise<void>;

  sleep(ms: number): Promise<void> {
    return this.world.scheduler.sleep(ms);
  }

  newId(): number {
    return this.#nextId++;
  }

  /** Sends one request and waits for its answer, or the head of its stream. */
  async send(request: HttpRequest, { node: wanted, workMs = 0, ...events }: SendOptions = {}): Promise<Sent | undefined> {
    const { world } = this;
    const { scheduler } = world;
    const node = wanted ?? world.route(this.random);
    if (node === undefined) return undefined;
    const sentMs = scheduler.now;
    const what = `${request.method} ${describe(request)}`;
    scheduler.trace(`> ${what} to ${node.name}`);
    const sending = exchange(world.network, node, request, events);
    const late = scheduler.at(patienceMs + (workMs ?? 0), this.owner, 'gives up', () => {
      if (node.isAlive && sending.connection.isOpen && workMs !== undefined) world.checkWait(node, what, { sentMs, workMs });
      sending.close();
    });
    const outcome = await sending.outcome;
    late.isCancelled = true;
    scheduler.trace(outcome.kind === 'answer' ? `${outcome.status}` : outcome.kind);
    if (outcome.kind === 'answer') {
      if (workMs !== undefined) world.checkWait(node, what, { sentMs, workMs });
      if (outcome.status === 500) this.ledger.breach(6, 'an answer 500', `${what} on ${node.name}: ${outcome.text}`);
      if (outcome.status === 503 && outcome.headers['retry-after'] === undefined)
        this.ledger.breach(6, 'a 503 without Retry-After', `${what} on ${node.name}: ${outcome.text}`);
    }
    return { outcome, exchange: sending, node };
  }

  /**
   * Sends until it is answered with anything but 503; `undefined` when it is time to go.
   *
   * @param create Makes each try.
   */
  async persist(create: () => HttpRequest, options?: SendOptions): Promise<(Sent & { outcome: Outcome & { kind: 'answer' } }) | undefined> {
    while (!this.world.isLeaving) {
      const sent = await this.send(create(), options);
      if (sent?.outcome.kind === 'answer' && sent.outcome.status !== 503) return { ...sent, outcome: sent.outcome };
      await this.sleep(this.random.between(100, 1000));
    }
    return undefined;
  }

  /** Requests that were acknowledged and not answered so far, on a stream that is open. */
  get unanswered(): readonly string[] {
    return [];
  }

  /** Milliseconds until everything is over, at least, for a call that must not end by itself. */
  get longMs(): number {
    const { settings, scheduler } = this.world;
    return Math.ceil(Math.max(0, settings.actMs - scheduler.now)) + 90_000;
  }
}

function describe({ path, body }: HttpRequest): string {
  const { method, params, result } = (body ?? {}) as Message;
  const tool = params?.['name'];
  return `${method ?? (result ? 'answer' : path)}${typeof tool === 'string' ? ` ${tool}` : ''}`;
}

/** What a response says, as the ledger compares it. */
export function readResponse({ result, error }: Message): { text: string | undefined; error: string | undefined } {
  if (error !== undefined) return { text: undefined, error: `${error.code} ${error.message}` };
  const [content] = (result?.['content'] as { text?: string }[] | undefined) ?? [];
  if (result?.['isError']) return { text: undefined, error: `tool error: ${content?.text}` };
  return { text: content?.text, error: undefined };
}

/** Whether a channel has heard an event that was published at a step, or need not. */
export function heardOn({ isOpen, subscribedAt, seen }: Channel, what: string, publishedAt: number): boolean {
  return !isOpen || !((subscribedAt.get(what) ?? Number.POSITIVE_INFINITY) < publishedAt) || seen.has(what);
}

/** The URI or list that a notification is about; `undefined` if it is about none. */
export function newsOf({ method, params }: Message): string | undefined {
  if (method === 'notifications/resources/updated') return String(params?.['uri']);
  const [, list] = /^notifications\/(\w+)\/list_changed$/u.exec(method ?? '') ?? [];
  return list === undefined ? undefined : `list:${list}`;
}

/** What a client calls. */
export interface CallPlan {
  readonly tool: 'echo' | 'work' | 'ask' | 'hold';
  readonly args: Record<string, unknown>;
  /** Milliseconds the handler takes; `undefined` if that depends on the client. */
  readonly workMs: number | undefined;
  readonly isCancelled: boolean;
  readonly steps: number;
}

/** Chooses what to call. */
export function chooseCall(key: string, random: Random, longMs: number): CallPlan {
  const plain = { isCancelled: false, steps: 0 };
  switch (random.between(0, 9)) {
    case 0:
    case 1:
      return { ...plain, tool: 'echo', args: { text: key }, workMs: 0 };
    case 2:
    case 3:
      return { ...plain, tool: 'ask', args: { key }, workMs: undefined };
    case 4:
      return { ...plain, tool: 'hold', args: { key, ms: longMs }, workMs: longMs, isCancelled: true };
    case 5: {
      const ms = random.between(10, 5000);
      return { ...plain, tool: 'hold', args: { key, ms }, workMs: ms };
    }
    default: {
      const steps = random.between(1, 5);
      const stepMs = random.pick([1, 50, 500, 2000]);
      const doesDrop = random.chance(0.2);
      return { ...plain, steps, tool: 'work', args: { key, steps, stepMs, doesDrop }, workMs: steps * stepMs };
    }
  }
}
