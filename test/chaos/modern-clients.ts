import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../processes/eventually.ts';
import { modernRequest } from '../support/modern.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { Received } from '../support/sse.ts';
import { exchange } from './exchange.ts';
import { fence, Heard } from './heard.ts';
import type { Random } from './random.ts';
import { responseMs } from './session-calls.ts';
import { judgeHeard } from './session-clients.ts';
import { deafMs, lostMs } from './streams.ts';
import type { ChaosClient, World } from './world.ts';
import { think } from './world.ts';

const capabilities = { elicitation: { form: {} } };

/** A client of 2026-07-28 that calls: no session, every request for itself. */
export function modernClient(name: string, world: World, random: Random): ChaosClient {
  let nextId = 1;
  const { ledger } = world;

  /** A call to its response, if there is one; `isRefused` if nothing was done. */
  const call = async (
    tool: string,
    args: Record<string, unknown>,
    more: Record<string, unknown> = {},
  ): Promise<{ response?: WireMessage | undefined; isRefused?: boolean }> => {
    const id = nextId++;
    const key = `${name} ${id}`;
    ledger.count('calls');
    const from = performance.now();
    const params = { name: tool, arguments: tool === 'form' ? args : { ...args, key }, ...more };
    const { body, headers } = modernRequest('tools/call', params, { id, capabilities, ...(tool === 'count' && { progressToken: id }) });
    const take = ({ message }: Received) => {
      if (message.id === id && message.method === undefined) ledger.responded(key, message, { process: undefined, from });
    };
    const outcome = await exchange(ledger, `${key}: ${tool}`, { url: world.cluster.url, body, headers, onMessage: take });
    const { doing } = outcome;
    if (outcome.kind === 'refused') {
      ledger.refused(key);
      return { isRefused: true };
    }
    if (outcome.kind === 'message') ledger.responded(key, outcome.message, doing);
    if (outcome.kind === 'stream') {
      await Promise.race([outcome.reader.over, delay(responseMs)]);
      outcome.reader.close();
      const running = { process: doing.process, from };
      if (ledger.responseTo(key) !== undefined) ledger.took('modernCall', from);
      else if (ledger.incidents.mayBeCut(running)) ledger.count('lost');
      else ledger.breach(`${key}: no response, at ${ledger.incidents.describe(running)}`);
    }
    return { response: ledger.responseTo(key) };
  };

  const form = async () => {
    const asked = (await call('form', {})).response?.result;
    if (asked === undefined) return;
    const [question = ''] = Object.keys(asked.inputRequests ?? {});
    // Some people close the form.
    if (random.chance(0.2)) return;
    await think(world, random, 50, 1000);
    const inputResponses = { [question]: { action: 'accept', content: { name: 'Ada', people: 3 } } };
    const retry = () => call('form', {}, { requestState: asked.requestState, inputResponses });
    const until = performance.now() + responseMs;
    let answered = await retry();
    // Nothing was done, so it may be sent again.
    while (answered.isRefused === true && performance.now() < until) {
      await delay(random.between(50, 300));
      answered = await retry();
    }
    const text: unknown = answered.response?.result?.content?.[0]?.text;
    if (answered.response !== undefined && text !== 'Ada') ledger.breach(`${name}: the form came to ${JSON.stringify(answered.response)}`);
  };

  return {
    name,
    async run() {
      while (!world.calling.aborted) {
        await think(world, random, 300, 2500);
        const choice = random.between(0, 3);
        if (choice === 0) await form();
        else if (choice === 1) await call('count', { to: random.between(2, 8), stepMs: 100 });
        else await call('note', {});
      }
    },
    async finish() {},
  };
}

/** A client of 2026-07-28 that listens: a stream that cannot be resumed, and is opened again. */
export function modernListener(name: string, world: World, random: Random): ChaosClient {
  const { ledger, publications, streams, calling } = world;
  const judged: Promise<void>[] = [];
  const stopping = new AbortController();
  const stopped = new Promise<void>(resolve => {
    stopping.signal.addEventListener('abort', () => resolve());
  });
  let listening: Promise<void> = Promise.resolve();

  /** One stream, to its end. */
  const listen = async (number: number) => {
    const heard = new Heard();
    const topic = random.pick(publications.topics);
    const resourceSubscriptions = [fence, ...publications.upcoming(topic, 40)];
    const notifications = { toolsListChanged: true, resourceSubscriptions };
    const { body, headers } = modernRequest('subscriptions/listen', { notifications }, { id: number });
    const onMessage = ({ message }: Received) => {
      if (message.method !== 'notifications/subscriptions/acknowledged') return heard.take(message);
      for (const uri of resourceSubscriptions) heard.subscribed.set(uri, performance.now());
    };
    const what = `${name}.${number}`;
    const outcome = await exchange(ledger, `${what}: listen`, { url: world.cluster.url, body, headers, onMessage });
    if (outcome.kind === 'message') ledger.breach(`${what}: listen came to ${JSON.stringify(outcome.message)}`);
    if (outcome.kind !== 'stream') return;
    ledger.count('streamsOpened');
    const isBegun = () => heard.subscribed.size > 0 || outcome.reader.isOver || undefined;
    await eventually(isBegun, 'the acknowledgement', deafMs).catch((error: Error) => ledger.breach(`${what}: ${error.message}`));
    const closed = streams.open({ name: what, process: outcome.doing.process, openedAt: performance.now(), heard });
    await Promise.race([outcome.reader.over, stopped]);
    closed();
    // What was announced just before the end of a stream may be lost with it.
    if (!stopping.signal.aborted) heard.mustHearUntil = performance.now() - lostMs;
    judged.push(judgeHeard(world, what, heard).finally(() => outcome.reader.close()));
  };
  return {
    name,
    async run() {
      listening = (async () => {
        for (let number = 1; !stopping.signal.aborted; number += 1) {
          await listen(number);
          await delay(random.between(50, 300));
        }
      })();
      await new Promise<void>(resolve => {
        calling.addEventListener('abort', () => resolve());
      });
    },
    async finish() {
      stopping.abort();
      await listening;
      await Promise.all(judged);
    },
  };
}
