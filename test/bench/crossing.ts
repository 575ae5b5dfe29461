import pg from 'pg';
import type { Closing } from './closing.ts';
import type { Contender } from './contender.ts';
import { startContender } from './contender.ts';
import type { BenchDatabase } from './databases.ts';
import { makeDatabase } from './databases.ts';
import { durableSender, durableTable, followDurably } from './durable-path.ts';
import type { Turn } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { call, initialize, postOf } from './requests.ts';
import type { ContenderName, Setup } from './setup.ts';
import { openSse, postMessage } from './sse.ts';
import { spreadOf } from './statistics.ts';
import type { ToolResult } from './tools.ts';
import { wallClock } from './tools.ts';
import type { Workload } from './workloads.ts';

/** A way between processes. */
interface Way {
  /** Sends one message; the milliseconds from when there was one to when it has arrived. */
  deliver(): Promise<number>;
  /** Processor time of both ends so far, in microseconds. */
  used(): Promise<number>;
}

/** Makes the way that each lane delivers on; a figure is the median of the milliseconds that a message took. */
export async function crossings({ lanes }: Workload, { build }: BenchOptions, closing: Closing): Promise<Turn> {
  const ways = new Map<string, Way>();
  for (const lane of lanes) {
    const database = closing.use(await makeDatabase('postgresql'));
    const setup = { ...lane.setup, ...(build && { build }), database: { provider: database.provider, url: database.url } };
    ways.set(lane.name, lane.contender === 'http' ? await byHand(database, closing) : await overProcesses(lane.contender, setup, closing));
  }
  return async (lane, forMs) => {
    const way = ways.get(lane.name) as Way;
    const usedBefore = await way.used();
    const taken: number[] = [];
    for (const startedAt = performance.now(); performance.now() - startedAt < forMs; ) {
      taken.push(await way.deliver());
    }
    return { figure: spreadOf(taken).median, cpuMicros: ((await way.used()) - usedBefore) / taken.length };
  };
}

/** An HTTP+SSE session whose stream one process holds, while another one takes its calls. */
async function overProcesses(name: ContenderName, setup: Setup, closing: Closing): Promise<Way> {
  const holder = closing.use(await startContender(name, setup));
  const worker = closing.use(await startContender(name, setup));
  const stream = closing.use(await openSse(new URL('/mcp/sse', holder.url)));
  const messages = new URL(await stream.next(), worker.url);
  // Read as it arrives: its own acknowledgement may come later.
  const send = async (body: string) => {
    const answered = stream.next().then(event => ({ event, at: wallClock() }));
    await postMessage(messages, body);
    return answered;
  };
  const { params } = initialize;
  await send(postOf({ ...initialize, params: { ...params, protocolVersion: '2024-11-05' } }, '2025-11-25').body);
  await postMessage(messages, JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }));
  const { body } = postOf(call('clock', {}), '2025-11-25');
  const usedBy = async (contender: Contender) => (await contender.used('time')).cpuMicros;
  return {
    deliver: async () => {
      const { event, at } = await send(body);
      return at - Number((JSON.parse(event) as { result: ToolResult }).result.content[0].text);
    },
    used: async () => (await usedBy(holder)) + (await usedBy(worker)),
  };
}

/** The same message between two clients of `pg`, without anything around it. */
async function byHand({ url }: BenchDatabase, closing: Closing): Promise<Way> {
  const connect = async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    closing.use({ [Symbol.asyncDispose]: () => client.end() });
    return client;
  };
  const [sender, receiver] = [await connect(), await connect()];
  await sender.query(durableTable);
  const send = durableSender(sender, 'stream');
  let arrived = () => {};
  await followDurably(receiver, 'stream', () => arrived());
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'across' }] } });
  const deliver = async () => {
    const sentAt = performance.now();
    const arrival = new Promise<number>(resolve => {
      arrived = () => resolve(performance.now() - sentAt);
    });
    await send(message);
    return arrival;
  };
  const used = async () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  };
  return { deliver, used };
}
