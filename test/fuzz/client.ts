import type { Random } from '../chaos/random.ts';
import { random } from '../chaos/random.ts';
import { encodeHeader, modernRequest } from '../support/modern.ts';
import type { Sample } from './corpus.ts';
import { initialize } from './corpus.ts';
import type { ExchangeOptions, Outcome } from './exchange.ts';
import { exchange } from './exchange.ts';
import type { Draft, Wire } from './http.ts';
import { mutateHead, odd, plain } from './http.ts';
import type { Node } from './json-tree.ts';
import { mutate, toText, toTree } from './json-tree.ts';
import type { SentMessage } from './judge.ts';
import { judge, messagesOf } from './judge.ts';

/** A promise that the endpoint broke. */
export interface Failure {
  /** The number of the exchange. */
  readonly number: number;
  readonly what: string;
  /** What was sent over the socket, shortened. */
  readonly sent: string;
  readonly got: string;
}

/** Counts over all exchanges. */
export interface Tallies {
  /** HTTP requests. */
  sent: number;
  /** Of them, requests that got past parsing. */
  accepted: number;
  readonly statuses: Map<number, number>;
}

/** Sessions that many exchanges use, by path and revision. */
export class SessionPool {
  readonly #sessions = new Map<string, { id: string; uses: number }>();
  static readonly #maxUses = 30;

  take(key: string): string | undefined {
    const session = this.#sessions.get(key);
    if (session === undefined || session.uses >= SessionPool.#maxUses) return undefined;
    session.uses += 1;
    return session.id;
  }

  put(key: string, id: string): void {
    this.#sessions.set(key, { id, uses: 0 });
  }

  drop(key: string): void {
    this.#sessions.delete(key);
  }
}

/** How often a client says something odd. */
export interface Oddness {
  /** Chance that a message is changed. @default 0.75 */
  readonly json?: number;
  /** Chance that a header, the path or the verb is. @default 0.16 */
  readonly head?: number;
  /** Chance that the request is framed or sent in an odd way. @default 0.1 */
  readonly sending?: number;
}

/** The client of one exchange. What it sends is decided by its seed. */
export class FuzzClient {
  readonly number: number;
  readonly random: Random;
  readonly failures: Failure[] = [];
  sentBytes = 0;
  readonly #port: number;
  readonly #pool: SessionPool;
  readonly #tallies: Tallies;

  constructor(number: number, choices: Random, world: { port: number; pool: SessionPool; tallies: Tallies }) {
    this.number = number;
    this.random = choices;
    this.#port = world.port;
    this.#pool = world.pool;
    this.#tallies = world.tallies;
  }

  /** A session of a revision, which other exchanges may use too. @returns `undefined` if there is none, which is a failure. */
  async session(revision: string, path = '/mcp'): Promise<string | undefined> {
    const key = `${path} ${revision}`;
    const known = this.#pool.take(key);
    if (known !== undefined) return known;
    const id = await this.newSession(revision, path);
    if (id !== undefined) this.#pool.put(key, id);
    return id;
  }

  /** A session of its own. */
  async newSession(revision: string, path = '/mcp'): Promise<string | undefined> {
    // Of its own: whether an exchange opens a session must not change what it does afterwards.
    const { method, params } = initialize(random(this.number), revision);
    const draft = this.draft({ jsonrpc: '2.0', id: 'open', method, params }, { path });
    const { responses } = await this.send([plain(draft)], revision);
    return responses[0]?.headers.get('mcp-session-id');
  }

  /** A POST of a message. */
  draft(message: unknown, { path = '/mcp', headers = {} }: { path?: string; headers?: Readonly<Record<string, string>> } = {}): Draft {
    const body = typeof message === 'string' ? message : toText(toTree(message));
    return {
      verb: 'POST',
      path,
      headers: Object.entries({
        host: `127.0.0.1:${this.#port}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        ...headers,
      }),
      body,
    };
  }

  /** The text of a message, changed in up to three places, or not. */
  mutated(message: unknown, chance = 0.75): Node {
    let tree = toTree(message);
    if (!this.random.chance(chance)) return tree;
    for (let times = this.random.pick([1, 1, 1, 2, 3]); times > 0; times -= 1) tree = mutate(tree, this.random);
    return tree;
  }

  /** A POST of a session, changed. */
  ofSession(
    message: unknown,
    session: string,
    { path = '/mcp', revision, oddness = {} }: { path?: string; revision: string; oddness?: Oddness },
  ): Wire {
    const headers = { 'mcp-session-id': session, ...(this.random.chance(0.8) && { 'mcp-protocol-version': revision }) };
    return this.finish(this.draft(toText(this.mutated(message, oddness.json)), { path, headers }), oddness);
  }

  /** A POST of 2026-07-28, changed. Its headers fit what it says after the change, so that it gets past them. */
  modern(
    { method, params }: Sample,
    { id = 1, oddness = {}, path = '/mcp' }: { id?: unknown; oddness?: Oddness; path?: string } = {},
  ): Wire {
    const capabilities = this.random.pick<object>([
      {},
      { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} },
      { elicitation: { form: {} } },
    ]);
    const logLevel = this.random.chance(0.3) ? 'debug' : undefined;
    const made = modernRequest(method, { ...params }, { id, capabilities, ...(logLevel !== undefined && { logLevel }) });
    const text = toText(this.mutated(made.body, oddness.json));
    return this.finish(this.draft(text, { path, headers: { ...made.headers, ...mirrored(text) } }), oddness);
  }

  /** The bytes of a draft, whose head and framing are changed now and then. */
  finish(draft: Draft, { head = 0.16, sending = 0.1 }: Oddness = {}): Wire {
    if (this.random.chance(head)) for (let times = this.random.pick([1, 1, 2]); times > 0; times -= 1) mutateHead(draft, this.random);
    return this.random.chance(sending) ? odd(draft, this.random) : plain(draft);
  }

  /**
   * Sends requests over one socket, and judges what comes.
   *
   * @param more.sent Messages that are answered here though they were sent over other sockets. They may be added meanwhile.
   */
  async send(
    wires: readonly Wire[],
    revision: string,
    { onChange, sent = [] }: Pick<ExchangeOptions, 'onChange'> & { readonly sent?: readonly SentMessage[] } = {},
  ): Promise<Outcome> {
    const outcome = await exchange(wires, {
      port: this.#port,
      // Pieces and pauses draw from here, while other sockets of this exchange send.
      random: random(wires.some(({ delivery }) => delivery !== 'whole') ? this.random.between(0, 2 ** 31) : this.number),
      ...(onChange && { onChange }),
    });
    this.#tallies.sent += wires.length;
    this.sentBytes += wires.reduce((sum, wire) => sum + wire.bytes.length, 0);
    if (outcome.failure !== undefined) this.fail(outcome.failure, wires, outcome);
    for (const [at, response] of outcome.responses.entries()) {
      const { statuses } = this.#tallies;
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      const { failures, isAccepted } = judge(response, { sent: [...messagesOf(wires[at]?.body), ...sent], revision });
      if (isAccepted) this.#tallies.accepted += 1;
      for (const what of failures) this.fail(what, wires, outcome);
      if (response.status === 404) for (const path of ['/mcp', '/compact']) this.#pool.drop(`${path} ${revision}`);
    }
    return outcome;
  }

  private fail(what: string, wires: readonly Wire[], { responses }: Pick<Outcome, 'responses'>): void {
    this.failures.push({
      number: this.number,
      what,
      sent: wires
        .map(
          ({ bytes, delivery, body, head }) =>
            `[${delivery}] ${body === undefined || bytes.length > head.length + body.length ? bytes.toString('latin1', 0, 4000) : `${head}${body.slice(0, 4000)}`}`,
        )
        .join('\n'),
      got: responses
        .map(
          ({ status, body, events }) => `${status} ${body.slice(0, 1000)}${events.map(({ data }) => `\n  ${data.slice(0, 500)}`).join('')}`,
        )
        .join('\n'),
    });
  }
}

/** The headers that repeat what a body says. */
function mirrored(text: string): Record<string, string> {
  try {
    const { method, params } = JSON.parse(text) as { method?: unknown; params?: Record<string, unknown> };
    const name = method === 'resources/read' ? params?.['uri'] : params?.['name'];
    const version = (params?.['_meta'] as Record<string, unknown> | undefined)?.['io.modelcontextprotocol/protocolVersion'];
    const args = (params?.['arguments'] ?? {}) as Record<string, unknown>;
    const headers: Record<string, string> = {};
    for (const [header, value] of [
      ['mcp-method', method],
      ['mcp-name', name],
      ['mcp-protocol-version', version],
      ['mcp-param-region', args['region']],
      ['mcp-param-count', args['count']],
      ['mcp-param-dry', args['dry']],
    ] as const) {
      if (typeof value === 'string') headers[header] = encodeHeader(value).slice(0, 8000);
      else if (typeof value === 'number' || typeof value === 'boolean') headers[header] = String(value);
    }
    return headers;
  } catch {
    return {};
  }
}
