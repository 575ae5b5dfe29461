import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { EndpointParts } from '../parts.ts';
import type { Outcome } from './command-line.ts';
import type { Endpoint } from './endpoint-module.ts';
import { loadEndpoints } from './endpoint-module.ts';
import type { Finding } from './finding.ts';

/** Milliseconds within which a wake-up must go to another process and back. */
const heardMs = 2_000;
/** Milliseconds that a bus may take to connect. */
const connectMs = 10_000;
/** Milliseconds between two tries: a wake-up may be lost. */
const retryMs = 250;
const lookMs = 20;

/** Tells the second process what to listen for. */
const topicVariable = 'KOA_MCP_DOCTOR_TOPIC';
const topicOf = (base: string, index: number, what: 'there' | 'back') => `${base}:${index}:${what}`;

type Bus = NonNullable<EndpointParts['bus']>;

/** Where the endpoint comes from. */
export interface BusContext {
  /** Its place among the endpoints of the module. */
  readonly index: number;
  readonly cwd: string;
  readonly module: string;
}

/**
 * Checks whether wake-ups reach another process. A bus wakes the subscribers of its own process in any case, so that a second process loads the
 * module too and sends each wake-up back.
 */
export async function checkBus({ parts }: Endpoint, { index, cwd, module }: BusContext): Promise<Finding> {
  const check = 'bus';
  if (parts?.bus === undefined) {
    return {
      check,
      status: 'ok',
      found: 'none: wake-ups stay in their process; if the app runs as several processes, pass `bus` to mcp()',
    };
  }
  const { bus } = parts;
  const remedy = 'Check the address and the rights of the server that the bus uses; `onError` of mcp() gets its failures';
  if (!(await isReady(bus))) return { check, status: 'problem', found: `is not connected after ${connectMs / 1000} s`, remedy };
  const base = `doctor:${randomUUID()}`;
  const [, script = ''] = process.argv;
  const child = spawn(process.execPath, [...process.execArgv, script, 'doctor', module], {
    cwd,
    env: { ...process.env, [topicVariable]: base },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const [ready] = (await Promise.race([once(child.stdout, 'data'), once(child, 'close').then(() => [''])])) as [unknown];
    if (String(ready).trim() !== 'ready') return { check, status: 'problem', found: 'is not connected in a second process', remedy };
    const roundTripMs = await roundTrip(bus, base, index);
    return roundTripMs === undefined
      ? { check, status: 'problem', found: `a wake-up did not come back from another process within ${heardMs / 1000} s`, remedy }
      : { check, status: 'ok', found: `a wake-up went to another process and back in ${Math.round(roundTripMs)} ms` };
  } finally {
    child.kill();
  }
}

async function isReady(bus: Bus): Promise<boolean> {
  const until = performance.now() + connectMs;
  while (!bus.ready && performance.now() < until) await delay(lookMs);
  return bus.ready;
}

/** Milliseconds; `undefined` if nothing comes back. */
async function roundTrip(bus: Bus, base: string, index: number): Promise<number | undefined> {
  const startedAt = performance.now();
  const ended = new AbortController();
  const back = new Promise<number>(resolve => {
    const unsubscribe = bus.subscribe(topicOf(base, index, 'back'), () => resolve(performance.now() - startedAt));
    ended.signal.addEventListener('abort', unsubscribe);
  });
  const send = () => bus.publish(topicOf(base, index, 'there'));
  const timer = setInterval(send, retryMs);
  send();
  try {
    return await Promise.race([back, delay(heardMs, undefined)]);
  } finally {
    clearInterval(timer);
    ended.abort();
  }
}

/** The second process: it sends wake-ups of the first one back, until that one ends. */
export const listenForDoctor = {
  isAsked: (): boolean => process.env[topicVariable] !== undefined,
  async run(cwd: string, module: string): Promise<Outcome> {
    const base = process.env[topicVariable] ?? '';
    const endpoints = await loadEndpoints(cwd, module);
    for (const [index, { parts }] of endpoints.entries()) {
      const bus = parts?.bus;
      if (bus === undefined) continue;
      // Before, a bus that connects would wake every subscriber.
      if (!(await isReady(bus))) return { text: 'not connected\n', code: 1 };
      bus.subscribe(topicOf(base, index, 'there'), () => bus.publish(topicOf(base, index, 'back')));
    }
    process.stdout.write('ready\n');
    process.stdin.resume();
    await once(process.stdin, 'close');
    return { text: '', code: 0 };
  },
};
