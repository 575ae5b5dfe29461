import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { random } from '../chaos/random.ts';
import type { PrismaClient } from '../support/database.ts';
import { ModernClient } from '../support/modern.ts';
import { initializeParams, openReader, openSse } from '../support/sse.ts';
import { open, post } from '../support/wire.ts';
import type { Promises } from './ledger.ts';
import { LiveLedger } from './ledger.ts';
import type { Write } from './writes.ts';
import { firstRows, owners, randomWrites } from './writes.ts';

/** A process of the app, here or elsewhere. */
export interface Writer {
  readonly url: string;
  write(write: Write): Promise<void>;
}

/** What a scenario runs with. */
export interface Scenario extends Omit<Promises, 'slackMs'> {
  /** Does something small with the database. How late it is tells how busy the machine is. */
  readonly probe: () => Promise<unknown>;
  readonly seed: number;
  readonly writes: number;
  /** Longest pause between two writes, in milliseconds. */
  readonly pauseMs: number;
}

/** Makes the clients and the first rows. */
export async function fillDatabase(prisma: PrismaClient): Promise<void> {
  const startsAt = new Date('2027-01-01T09:00:00Z');
  await prisma.client.createMany({
    data: owners.map(id => ({ id, email: `${id}@example.com`, name: `${id}`, passwordHash: 'x' })),
  });
  await prisma.booking.createMany({
    data: Array.from(firstRows, ([id, { owner, price, note }]) => ({ id, clientId: owner, price, internalNote: note, startsAt })),
  });
}

/** Subscribers of every transport at different processes, random writes by all processes; then the ledger says whether all was as promised. */
export async function runScenario(processes: readonly Writer[], { seed, writes, pauseMs, probe, ...times }: Scenario): Promise<void> {
  const choices = random(seed);
  const ledger = new LiveLedger();
  const at = (index: number) => (processes[index % processes.length] as Writer).url;
  const closing: (() => void)[] = [];
  for (const owner of [1, 2]) {
    const uris = ['live://booking', ...[...firstRows].filter(([, row]) => row.owner === owner).map(([id]) => `live://booking/${id}`)];
    const headers = { 'x-user': `${owner}` };
    closing.push(await listenStreamable(at(owner), at(owner + 1), { headers, uris, tell: ledger.subscriber(owner, uris) }));
    closing.push(await listenSse(at(owner + 1), { headers, uris, tell: ledger.subscriber(owner, uris) }));
    closing.push(await listenModern(at(owner + 2), { headers, uris, tell: ledger.subscriber(owner, uris) }));
  }
  const lateness = measureLateness(probe);
  let rows = firstRows;
  for (const { write, after } of randomWrites(choices, writes)) {
    const orderedAt = performance.now();
    await choices.pick(processes).write(write);
    ledger.committed(rows, after, { orderedAt, doneAt: performance.now() });
    rows = after;
    if (choices.chance(0.5)) await delay(choices.between(0, pauseMs));
    // Now and then everybody is told of everything, on however slow a machine.
    if (choices.chance(0.05)) await expect.poll(() => ledger.unsettled(), { timeout: 15_000, interval: 20 }).toEqual([]);
  }
  await delay(times.withinMs + 500 + lateness.slackMs(0, performance.now()) / 2);
  await lateness.end();
  for (const close of closing) close();
  const promises: Promises = { ...times, slackMs: lateness.slackMs };
  const { problems, told, steps, unseen } = ledger.verify(promises);
  expect(problems.slice(0, 10), `${problems.length} problems in ${steps} changes and ${told} notifications`).toEqual([]);
  // Most changes are far enough from the next one to be told, and all kinds of subscribers were told of some.
  expect(told).toBeGreaterThan(writes / 5);
  expect(unseen).toBeLessThan(steps / 2);
}

/** A commit becomes a notification in about as many steps that wait for the database or a socket. */
const stepsOfNotification = 12;
const probeEveryMs = 50;

/** Measures how late a timer and a small query are, as long as the scenario runs. */
function measureLateness(probe: () => Promise<unknown>): { slackMs: Promises['slackMs']; end: () => Promise<void> } {
  const samples: { readonly from: number; readonly to: number }[] = [];
  let isRunning = true;
  const run = async () => {
    while (isRunning) {
      const from = performance.now();
      await delay(probeEveryMs);
      await probe();
      samples.push({ from, to: performance.now() });
    }
  };
  const running = run();
  return {
    slackMs: (from, to) => {
      const during = samples.filter(sample => sample.to >= from && sample.from <= to);
      return Math.max(0, ...during.map(sample => sample.to - sample.from - probeEveryMs)) * stepsOfNotification;
    },
    end: () => {
      isRunning = false;
      return running;
    },
  };
}

interface Listening {
  readonly headers: Record<string, string>;
  readonly uris: readonly string[];
  readonly tell: (uri: string, at: number) => void;
}

/** A session whose stream is at one process and which subscribes at another. */
async function listenStreamable(url: string, other: string, { headers, uris, tell }: Listening): Promise<() => void> {
  const session = await open(url, { headers });
  const reader = await openReader({ url, headers: session.headers, onMessage: ({ message }) => note(message, tell) });
  for (const [index, uri] of uris.entries()) {
    const { response } = await post(
      other,
      { jsonrpc: '2.0', id: index + 1, method: 'resources/subscribe', params: { uri } },
      { headers: session.headers },
    );
    expect(response.result).toEqual({});
  }
  return () => reader.close();
}

async function listenSse(url: string, { headers, uris, tell }: Listening): Promise<() => void> {
  const session = await openSse(`${url}/sse`, { headers, onMessage: ({ message }) => note(message, tell) });
  await session.request('initialize', initializeParams);
  for (const uri of uris) expect((await session.request('resources/subscribe', { uri })).result).toEqual({});
  return () => session.close();
}

async function listenModern(url: string, { headers, uris, tell }: Listening): Promise<() => void> {
  const stream = await new ModernClient(url, { headers }).listen({ resourceSubscriptions: uris });
  expect(stream.acknowledged.params?.['notifications']).toEqual({ resourceSubscriptions: uris });
  const read = async () => {
    for (let message = await stream.next(); message !== undefined; message = await stream.next()) note(message, tell);
  };
  read().catch(() => undefined);
  return () => stream.close();
}

function note({ method, params }: { method?: string; params?: Record<string, unknown> }, tell: Listening['tell']): void {
  if (method === 'notifications/resources/updated') tell(String(params?.['uri']), performance.now());
}
