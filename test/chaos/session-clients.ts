import { eventually } from '../processes/eventually.ts';
import type { Subscribed } from './publications.ts';
import { fence, topics } from './publications.ts';
import type { Random } from './random.ts';
import type { ChaosSession } from './session.ts';
import { openChaosSession } from './session.ts';
import { quickCall, streamedCall } from './session-calls.ts';
import { Standalone } from './standalone.ts';
import type { ChaosClient, World } from './world.ts';
import { think } from './world.ts';

/** A client of 2025-11-25 that listens, subscribes and calls. */
export function listeningClient(name: string, world: World, random: Random): ChaosClient {
  const wanted = new Map<string, Subscribed>();
  let session: ChaosSession | undefined;
  let standalone: Standalone | undefined;
  let listening: Promise<void> = Promise.resolve();
  return {
    name,
    async run() {
      session = await openChaosSession(name, world, random);
      standalone = new Standalone(world, session, random);
      listening = standalone.run();
      for (const topic of new Set([fence, random.pick(topics), random.pick(topics)])) {
        const askedAt = performance.now();
        await session.insist('resources/subscribe', { uri: topic });
        wanted.set(topic, { askedAt, answeredAt: performance.now() });
      }
      await callOn(world, session, random);
    },
    async finish() {
      if (session === undefined || standalone === undefined) return world.ledger.breach(`${name}: never opened a session`);
      const { ledger, publications } = world;
      const heard = standalone;
      await eventually(() => heard.hasHeardFence || undefined, 'the last announcement', 30_000).catch((error: Error) =>
        ledger.breach(`${name}: ${error.message}`),
      );
      for (const [topic, subscribed] of wanted) {
        const { atLeast, atMost } = publications.bounds(topic, subscribed);
        const count = heard.heard.get(topic) ?? 0;
        const isMissing = count < atLeast && heard.isComplete;
        if (isMissing || count > atMost) ledger.breach(`${name}: heard of ${topic} ${count} times, not ${atLeast} to ${atMost}`);
      }
      standalone.stop();
      await listening;
      if (random.chance(0.5)) await deleteSession(world, session);
    },
  };
}

/** A client of 2025-11-25 that only calls. */
export function callingClient(name: string, world: World, random: Random): ChaosClient {
  let session: ChaosSession | undefined;
  return {
    name,
    async run() {
      session = await openChaosSession(name, world, random);
      await callOn(world, session, random);
    },
    async finish() {
      if (session !== undefined && random.chance(0.5)) await deleteSession(world, session);
    },
  };
}

async function callOn(world: World, session: ChaosSession, random: Random): Promise<void> {
  while (!world.calling.aborted) {
    await think(world, random, 300, 2500);
    if (random.chance(0.3)) await quickCall(world, session);
    else await streamedCall(world, session, random);
  }
}

/** Ends a session, when no process is ended any more. */
async function deleteSession(world: World, { name, headers }: ChaosSession): Promise<void> {
  const response = await fetch(world.cluster.url, { method: 'DELETE', headers }).catch(() => undefined);
  if (response?.status !== 204) world.ledger.breach(`${name}: DELETE was answered ${String(response?.status)}`);
}
