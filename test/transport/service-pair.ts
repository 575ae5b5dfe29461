import { createParser } from 'eventsource-parser';
import { vi } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import { memoryBus } from '../../src/bus/bus.ts';
import { sessionStreamOf } from '../../src/delivery/stream-ids.ts';
import { defaults } from '../../src/options.ts';
import type { ResourceDefinition } from '../../src/protocol/definitions.ts';
import { registry } from '../../src/protocol/registry.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Session, Store } from '../../src/store/store.ts';
import type { EventStream } from '../../src/transport/event-stream.ts';
import type { Service } from '../../src/transport/service.ts';
import { openService } from '../../src/transport/service.ts';
import type { DisturbedStore } from '../delivery/fixtures.ts';
import { disturbed, hanging } from '../delivery/fixtures.ts';
import { newSession } from '../store/fixtures.ts';

type Limits = typeof defaults.limits;

export interface ProcessOptions extends Partial<Limits> {
  readonly bus?: Bus;
  readonly nodeName?: string;
  readonly resources?: readonly ResourceDefinition[];
}

/** The service of one endpoint without HTTP, over a store of its own view that a test can disturb. */
export interface TestProcess extends DisturbedStore, Service {
  readonly errors: unknown[];
  /** From here on its database never answers: to others it is dead. */
  fallSilent(): void;
}

export function openProcess(shared: Store = memoryStore(), options: ProcessOptions = {}): TestProcess {
  const { bus = memoryBus(), nodeName = 'node', resources = [], ...limits } = options;
  const disturbance = disturbed(shared);
  const errors: unknown[] = [];
  const service = openService({
    registry: registry(
      { info: { name: 'test', version: '1' } },
      { tools: [], resources: [...resources], resourceTemplates: [], prompts: [] },
    ),
    explainError: () => undefined,
    store: disturbance.store,
    bus,
    nodeName,
    sessions: defaults.sessions,
    limits: { ...defaults.limits, ...limits },
    sessionLog: undefined,
    onError: error => errors.push(error),
    authorization: undefined,
    principal: () => Promise.resolve(null),
    createContext: () => ({}) as never,
    onFirstRequest: () => undefined,
    report: error => String(errors.push(error)),
  });
  return { ...disturbance, ...service, errors, fallSilent: () => void disturbance.disturbAll(hanging) };
}

/** Two processes over one store; each has a bus of its own, unless one is given. */
export function openPair(options: ProcessOptions = {}): { store: Store; a: TestProcess; b: TestProcess } {
  const store = memoryStore();
  return { store, a: openProcess(store, { nodeName: 'a', ...options }), b: openProcess(store, { nodeName: 'b', ...options }) };
}

/** A row of a session that does not expire soon. */
export async function addSession(store: Store, overrides: Partial<Session> = {}): Promise<Session> {
  const session = newSession({ principal: null, expiresAt: new Date(Date.now() + 86_400_000), lastSeenAt: new Date(), ...overrides });
  await store.create(session);
  return session;
}

/** What is under way comes to its end, also in a process that holds nothing and so reads the log a little later. */
export const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(20);

/** What a client has received so far. */
export interface Received {
  readonly events: { readonly id?: string | undefined; readonly data: string }[];
  /** The messages, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: looked into freely
  readonly messages: any[];
  readonly retries: number[];
  /** `Last-Event-ID` as a client has it. */
  readonly lastId: string | undefined;
  readonly isOver: boolean;
}

/** Reads a stream as its client does. */
export function receive(stream: EventStream): Received {
  const events: { id?: string | undefined; data: string }[] = [];
  const retries: number[] = [];
  let isOver = false;
  const parser = createParser({ onEvent: ({ id, data }) => events.push({ id, data }), onRetry: retryMs => retries.push(retryMs) });
  stream.on('data', chunk => parser.feed(String(chunk)));
  stream.once('close', () => {
    isOver = true;
  });
  return {
    events,
    retries,
    get messages() {
      return events.filter(({ data }) => data !== '').map(({ data }) => JSON.parse(data));
    },
    get lastId() {
      return events.findLast(({ id }) => id !== undefined)?.id;
    },
    get isOver() {
      return isOver;
    },
  };
}

/** Mail on the stream of a session, oldest first. */
export async function mailOf(store: Store, sessionId: string): Promise<string[]> {
  return (await store.findEvents({ streams: [sessionStreamOf(sessionId)], after: 0, limit: 1000 })).map(({ data }) => data);
}
