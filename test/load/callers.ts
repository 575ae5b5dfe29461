import { Agent } from 'node:http';
import { random } from '../chaos/random.ts';
import type { Caller } from './http.ts';
import { lastMessage, openSession, send, statelessCaller } from './http.ts';
import type { Place } from './place.ts';
import { rowCount } from './place.ts';

/** A call, and whether its result is right. */
interface Kind {
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly isRight: (result: Result) => boolean;
}
interface Result {
  readonly content?: readonly { readonly text?: string }[];
  readonly contents?: readonly { readonly text?: string }[];
  readonly tools?: readonly unknown[];
}

const revisions = ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'] as const;
export const kindNames = ['echo', 'findMany', 'findUnique', 'create', 'read', 'list', 'progress'] as const;

/** Callers that send one request after the other, of all kinds and several revisions. */
export class Callers {
  readonly #place: Place;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  readonly #loops: Promise<void>[] = [];
  #isOver = false;
  /** Calls that were answered rightly, by kind. */
  readonly counts: Map<string, number> = new Map();
  /** Calls that were not, the first twenty in words. */
  readonly failures: string[] = [];
  failed = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Opens the sessions of callers, and lets them begin. */
  async start(count: number, seed: number): Promise<void> {
    const { url } = this.#place;
    const sent = { url, agent: this.#agent };
    const callers: Caller[] = [];
    for (let number = 0; number < count; number += 1) {
      const revision = revisions[number % revisions.length] as string;
      const user = `caller ${number}`;
      callers.push(revision === '2026-07-28' ? statelessCaller(user) : await openSession(sent, user, revision));
    }
    for (const [number, caller] of callers.entries()) this.#loops.push(this.#call(caller, seed + number));
  }

  get answered(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Lets every caller end the call that it makes. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }

  async #call(caller: Caller, seed: number): Promise<void> {
    const { between, pick } = random(seed);
    for (let turn = 0; !this.#isOver; turn += 1) {
      const name = pick(kindNames);
      const { method, params, isRight } = kindOf(name, between(1, rowCount), turn);
      try {
        const answered = await send({ url: this.#place.url, agent: this.#agent, ...caller.make(method, params) });
        const message = lastMessage(answered);
        if (message?.result !== undefined && isRight(message.result as Result)) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
        else this.#fail(`${name} (${caller.revision}) was answered ${answered.status}: ${answered.text.slice(-300)}`);
      } catch (error) {
        this.#fail(`${name} (${caller.revision}): ${String(error)}`);
      }
    }
  }

  #fail(what: string): void {
    this.failed += 1;
    if (this.failures.length < 20) this.failures.push(what);
  }
}

function kindOf(name: (typeof kindNames)[number], id: number, turn: number): Kind {
  const tool = (tool: string, args: object, isRight: Kind['isRight'], _meta?: object): Kind => ({
    method: 'tools/call',
    params: { name: tool, arguments: args, ...(_meta && { _meta }) },
    isRight,
  });
  switch (name) {
    case 'echo':
      return tool('echo', { text: `text ${turn}` }, ({ content }) => content?.[0]?.text === `text ${turn}`);
    case 'findMany':
      return tool('booking_findMany', { where: { id: { lte: id } }, orderBy: [{ id: 'desc' }], take: 10 }, result => {
        const { rows } = rowsOf(result);
        return rows?.length === Math.min(10, id) && rows[0]?.id === id;
      });
    case 'findUnique':
      return tool('booking_findUnique', { where: { id } }, result => rowsOf(result).id === id);
    case 'create':
      return tool(
        'booking_create',
        { data: { clientId: 1, startsAt: '2027-01-01T00:00:00.000Z', price: `${id}` } },
        result => Number(rowsOf(result).id) > rowCount,
      );
    case 'read':
      return { method: 'resources/read', params: { uri: 'load://hours' }, isRight: ({ contents }) => contents?.[0]?.text === '9 to 5' };
    case 'list':
      return { method: 'tools/list', params: {}, isRight: ({ tools = [] }) => tools.length > 5 };
    case 'progress':
      return tool('steps', {}, ({ content }) => content?.[0]?.text === 'done', { progressToken: turn });
  }
}

/** What a tool of a model gives. Revisions before 2025-06-18 have it as text only. */
function rowsOf({ content }: Result): { id?: number; rows?: { id: number }[] } {
  return JSON.parse(content?.[0]?.text ?? '{}');
}
