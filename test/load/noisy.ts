import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answered } from './http.ts';
import { begin, lastMessage, openSession, send } from './http.ts';
import type { Place } from './place.ts';

export const noises = ['callsPerMinute', 'maxCalls', 'maxBodyBytes'] as const;
export type Noise = (typeof noises)[number];

/** A caller that is refused again and again. */
export interface NoisyCaller {
  /** Refusals up to now. */
  readonly refused: () => number;
  stop(): Promise<void>;
}

/** Requests that it has under way at once. */
const loopCount = 8;
/** One byte more than `limits.maxBodyBytes` and the rest of the request. */
const largeText = 'x'.repeat(4 * 2 ** 20);
const isRefusal: Record<Noise, (answered: Answered) => boolean> = {
  callsPerMinute: ({ status }) => status === 429,
  maxCalls: answered => lastMessage(answered)?.error?.message.startsWith('Too many requests at once') === true,
  maxBodyBytes: ({ status }) => status === 413,
};

/** Milliseconds between requests: without them the caller beyond `maxCalls` would soon be beyond `callsPerMinute`. */
const pauseMs: Record<Noise, number> = { callsPerMinute: 0, maxCalls: 10, maxBodyBytes: 0 };
/** More than `limits.maxCalls`, so that as many run whatever else the session sends meanwhile. */
const slowCalls = 110;

/** Starts a caller, and waits until it is refused. */
export async function startNoisy({ url }: Place, noise: Noise): Promise<NoisyCaller> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const sent = { url, agent };
  const session = await openSession(sent, `noisy ${noise}`, '2025-11-25');
  const text = noise === 'maxBodyBytes' ? largeText : 'again';
  const isRefused = async () =>
    isRefusal[noise](await send({ ...sent, ...session.make('tools/call', { name: 'echo', arguments: { text } }) }));
  let isOver = false;
  let refused = 0;
  const loop = async (goesOn: () => boolean) => {
    while (goesOn()) {
      if (await isRefused()) refused += 1;
      await delay(pauseMs[noise]);
    }
  };
  const width = noise === 'maxCalls' ? slowCalls : 0;
  const slow = Array.from({ length: width }, () => begin({ ...sent, ...session.make('tools/call', { name: 'slow', arguments: {} }) }));
  for (const each of slow) each.catch(() => undefined);
  await Promise.all(Array.from({ length: noise === 'maxCalls' ? 1 : loopCount }, () => loop(() => refused === 0)));
  const loops = Array.from({ length: loopCount }, () => loop(() => !isOver));
  return {
    refused: () => refused,
    stop: async () => {
      isOver = true;
      await Promise.all(loops);
      agent.destroy();
    },
  };
}
