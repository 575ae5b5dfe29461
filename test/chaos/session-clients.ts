import { eventually } from '../processes/eventually.ts';
import type { Heard } from './heard.ts';
import { fence } from './heard.ts';
import type { Random } from './random.ts';
import type { ChaosSession } from './session.ts';
import { openChaosSession } from './session.ts';
import { cancelledCall, formCall, quickCall, streamedCall } from './session-calls.ts';
import { SessionStream } from './session-stream.ts';
import type { ChaosClient, World } from './world.ts';
import { think } from './world.ts';

/** How many URIs that are announced next a client is subscribed to. */
export const ahead = 5;
/** Milliseconds until what was announced must have been heard, once nothing disturbs. */
export const hearMs = 30_000;

/** A client of 2025-11-25 that listens, subscribes and calls. */
export function listeningClient(name: string, world: World, random: Random): ChaosClient {
  let session: ChaosSession | undefined;
  let stream: SessionStream | undefined;
  let listening: Promise<void> = Promise.resolve();
  return {
    name,
    async run() {
      session = await openChaosSession(name, world, random);
      if (session === undefined) return;
      const listener = new SessionStream(world, session, random);
      stream = listener;
      await new Promise<void>(resolve => {
        listening = listener.run(resolve);
        void listening.then(resolve);
      });
      await Promise.all([subscribe(world, session, { heard: listener.heard, random }), callOn(world, session, random)]);
    },
    async finish() {
      if (session === undefined || stream === undefined) return;
      await judgeHeard(world, name, stream.heard);
      stream.stop();
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
      if (session !== undefined) await callOn(world, session, random);
    },
    async finish() {
      if (session !== undefined && random.chance(0.5)) await deleteSession(world, session);
    },
  };
}

/** Waits until a listener has heard all it must, and holds what it has heard to what was announced. */
export async function judgeHeard({ ledger, publications }: World, name: string, heard: Heard): Promise<void> {
  const isMissing = () => publications.missing(heard).length > 0;
  await eventually(() => !isMissing() || undefined, 'all announcements', hearMs).catch(() => undefined);
  const missing = publications.missing(heard).map(uri => publications.describe(uri));
  const history = heard.history.slice(-20).join(', ');
  if (missing.length > 0) ledger.breach(`${name}: never heard of ${missing.length} URIs: ${missing.slice(0, 5).join(', ')}; ${history}`);
  for (const odd of publications.oddities(heard)) ledger.breach(`${name}: ${odd}; ${history}`);
}

/** Keeps a session subscribed to what is announced next; now and then it gives up what was heard. */
async function subscribe(world: World, session: ChaosSession, { heard, random }: { heard: Heard; random: Random }): Promise<void> {
  const { publications, calling } = world;
  const topic = random.pick(publications.topics);
  const add = async (uri: string) => {
    if (await session.request('resources/subscribe', { uri }, calling)) heard.subscribed.set(uri, performance.now());
  };
  await add(fence);
  const given = new Set<string>();
  while (!calling.aborted) {
    for (const uri of publications.upcoming(topic, ahead)) if (!heard.subscribed.has(uri)) await add(uri);
    const [old] = heard.uris.filter(uri => uri !== fence && heard.subscribed.has(uri) && !given.has(uri));
    if (old !== undefined && random.chance(0.3)) {
      given.add(old);
      await session.request('resources/unsubscribe', { uri: old }, calling);
    }
    await think(world, random, 200, 1000);
  }
}

async function callOn(world: World, session: ChaosSession, random: Random): Promise<void> {
  while (!world.calling.aborted) {
    await think(world, random, 300, 2500);
    const choice = random.next();
    if (choice < 0.35) await quickCall(world, session);
    else if (choice < 0.8) await streamedCall(world, session, random);
    else if (choice < 0.9) await formCall(world, session, random);
    else await cancelledCall(world, session, random);
  }
}

/** Ends a session, when nothing is disturbed any more. */
async function deleteSession(world: World, { name, headers }: ChaosSession): Promise<void> {
  const response = await fetch(world.cluster.url, { method: 'DELETE', headers }).catch(() => undefined);
  if (response?.status !== 204) world.ledger.breach(`${name}: DELETE was answered ${String(response?.status)}`);
}
