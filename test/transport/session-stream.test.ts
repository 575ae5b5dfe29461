import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { decodePosition, encodePosition } from '../../src/delivery/position.ts';
import { EVERYBODY, nodeOf, sessionStreamOf } from '../../src/delivery/stream-ids.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Session, Store } from '../../src/store/store.ts';
import type { Look } from '../../src/transport/live-subscriptions.ts';
import { answerLost, away, first, hanging, held, silentBus, withHiddenEvents } from '../delivery/fixtures.ts';
import { newEvent } from '../store/fixtures.ts';
import type { Received, TestProcess } from './service-pair.ts';
import { addSession, mailOf, openPair, openProcess, receive, settle } from './service-pair.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const replayMs = 300_000;

type Stream = Received & { break(): void };

/** Opens the stream of a session as a GET does; `lastId` is its `Last-Event-ID`. */
function get(process: TestProcess, session: Session, lastId?: string): Promise<Stream> {
  return open(process, session, { lastId });
}

/** The same, for a client that is told of live resources if there is a `look`. */
async function open(
  process: TestProcess,
  { id }: Session,
  { lastId, look }: { lastId?: string | undefined; look?: Look },
): Promise<Stream> {
  const from = lastId === undefined ? undefined : decodePosition(id, lastId);
  const opening = process.environment.sessionStreams.open(id, { from, primes: lastId === undefined, look });
  const [connection] = await Promise.all([opening, settle()]);
  if (connection === undefined) throw new Error('the session is gone');
  const received = receive(connection);
  await settle();
  return Object.defineProperty(received, 'break', { value: () => connection.destroy() }) as Stream;
}

const uriOfRow = 't://row';
const urisOf = ({ messages }: Received): unknown[] => messages.map(({ params }) => params?.uri);
const methodsOf = ({ messages }: Received): unknown[] => messages.map(({ method }) => method.replace('notifications/', ''));

async function subscribe(store: Store, { id }: Session, ...uris: string[]): Promise<void> {
  for (const uri of uris) await store.subscribe(id, uri);
}

describe('the stream of a session', () => {
  it('hears again of a change that it could not compare before its connection closed', async () => {
    const uri = 't://row';
    const read = () => Promise.resolve({ contents: [] });
    const { a, store } = openPair({ resources: [{ uri, name: 'row', read, live: async () => ({ result: await read(), changes: [] }) }] });
    const session = await addSession(store);
    await subscribe(store, session, uri);
    let failure: Error | undefined;
    const look = () => (failure === undefined ? Promise.resolve({ digest: 'a', changes: ['row:1'] }) : Promise.reject(failure));
    const first = await open(a, session, { look });
    failure = new Error('away');
    await a.rowsChanged(['row:1']);
    // By now everything that was sent counts as received.
    await vi.advanceTimersByTimeAsync(30_000);
    expect(a.errors).toEqual([failure]);
    first.break();
    await settle();
    failure = undefined;
    const second = await open(a, session, { look });
    await vi.advanceTimersByTimeAsync(1000);
    expect([urisOf(first), urisOf(second)]).toEqual([[], [uri]]);
  });

  it.each([
    ['hears of a change since it subscribed, which nobody tells of', 'b', [uriOfRow]],
    ['hears of nothing where nothing has changed since', 'a', []],
  ])('that is opened after the subscription %s', async (_, digest, told) => {
    const read = () => Promise.resolve({ contents: [] });
    const { a, b, store } = openPair({
      bus: memoryBus(),
      resources: [{ uri: uriOfRow, name: 'row', read, live: async () => ({ result: await read(), changes: [] }) }],
    });
    const session = await addSession(store);
    await subscribe(store, session, uriOfRow);
    const sight = { digest: 'a', changes: ['row:1'] };
    await Promise.all([b.environment.setSubscribed(session.id, uriOfRow, { isSubscribed: true, sight }), settle()]);
    // The row was changed before the first look, and the change is told only later, if at all.
    const look = () => Promise.resolve({ digest, changes: ['row:1'] });
    const stream = await open(a, session, { look });
    await vi.advanceTimersByTimeAsync(5000);
    expect(urisOf(stream)).toEqual(told);
    // The next connection goes on from there.
    stream.break();
    await settle();
    const next = await open(b, session, { look });
    await vi.advanceTimersByTimeAsync(5000);
    expect(urisOf(next)).toEqual([]);
  });

  it('begins with an event id where that is wanted, and carries what everybody is told', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    await subscribe(store, session, 't://mine');
    const stream = await get(a, session);
    expect(stream.events.map(({ data }) => data)).toEqual(['']);
    await Promise.all([b.listChanged('tools'), b.resourceUpdated('t://mine'), b.resourceUpdated('t://other'), b.listChanged('prompts')]);
    await settle();
    expect(methodsOf(stream)).toEqual(['tools/list_changed', 'resources/updated', 'prompts/list_changed']);
    expect(stream.messages[1].params).toEqual({ uri: 't://mine' });
    expect(stream.events.every(({ id }) => id !== undefined && decodePosition(session.id, id) !== undefined)).toBe(true);
  });

  it('hears within lookMs what no wake-up told of', async () => {
    const { a, b, store } = openPair({ bus: silentBus });
    const session = await addSession(store);
    const stream = await get(a, session);
    await b.listChanged('tools');
    await settle();
    expect(methodsOf(stream)).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(methodsOf(stream)).toEqual(['tools/list_changed']);
  });

  it('begins without an event id where that is not wanted, yet sends something, so that the headers go', async () => {
    const { a, store } = openPair();
    const { id } = await addSession(store);
    const connection = await a.environment.sessionStreams.open(id, { from: undefined, primes: false });
    const chunks: string[] = [];
    connection?.on('data', chunk => chunks.push(String(chunk)));
    await settle();
    expect(chunks).toEqual([': \n\n']);
  });

  it('skips what it cannot read', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    const stream = await get(a, session);
    await store.append(['', 'null', '{"list":"dreams"}', '{"list":'].map(data => newEvent(EVERYBODY, data)));
    await store.append(['', '{}', '{"taken":1}'].map(data => newEvent(sessionStreamOf(session.id), data)));
    await a.listChanged('tools');
    await settle();
    expect([methodsOf(stream), a.errors]).toEqual([['tools/list_changed'], []]);
  });

  it('begins behind what happened before it was opened for the first time', async () => {
    const { a, b, store } = openPair();
    await b.listChanged('tools');
    const session = await addSession(store);
    const stream = await get(a, session);
    await a.listChanged('prompts');
    await settle();
    expect(methodsOf(stream)).toEqual(['prompts/list_changed']);
  });

  it('begins where the session began, also where that was the first thing its process did', async () => {
    const { a, b, store } = openPair();
    await b.listChanged('tools');
    const { id } = await a.environment.sessions.open({
      transport: 'streamable',
      revision: '2025-11-25',
      principal: null,
      clientInfo: { name: 'x', version: '1' },
      capabilities: {},
      connection: null,
    });
    await b.listChanged('prompts');
    for (const process of [a, b])
      expect(methodsOf(await get(process, (await store.find(id)) as Session))).toEqual(['prompts/list_changed']);
  });

  it('takes note of subscriptions in the order of the log', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    const stream = await get(a, session);
    const { environment } = b;
    await b.resourceUpdated('t://1');
    await environment.setSubscribed(session.id, 't://1', { isSubscribed: true });
    await b.resourceUpdated('t://1');
    await environment.setSubscribed(session.id, 't://1', { isSubscribed: false });
    await b.resourceUpdated('t://1');
    await b.listChanged('tools');
    await vi.advanceTimersByTimeAsync(1000);
    expect(methodsOf(stream)).toEqual(['resources/updated', 'tools/list_changed']);
  });

  it('takes note of subscriptions that change while it opens, after what is told before them', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    await subscribe(store, session, 't://kept', 't://gone');
    a.disturb('subscriptions', async run => {
      const found = await run();
      await b.resourceUpdated('t://gone');
      await b.environment.setSubscribed(session.id, 't://gone', { isSubscribed: false });
      await b.resourceUpdated('t://gone');
      await b.resourceUpdated('t://new');
      await b.environment.setSubscribed(session.id, 't://new', { isSubscribed: true });
      await b.resourceUpdated('t://new');
      await b.resourceUpdated('t://kept');
      return found;
    });
    const stream = await get(a, session);
    await settle();
    expect(urisOf(stream)).toEqual(['t://gone', 't://new', 't://kept']);
  });

  it('ends with its session', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    const stream = await get(a, session);
    a.environment.sessions.retain(session.id);
    await b.environment.sessions.end(session.id);
    await settle();
    expect(stream.isOver).toBe(true);
  });

  it('is not opened where the session is gone, and leaves nothing', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    const timers = vi.getTimerCount();
    await store.end(session.id);
    expect(await a.environment.sessionStreams.open(session.id, { from: undefined, primes: true })).toBeUndefined();
    const other = await addSession(store);
    a.disturb('update', async run => {
      await store.end(other.id);
      return run();
    });
    expect(await a.environment.sessionStreams.open(other.id, { from: undefined, primes: true })).toBeUndefined();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(vi.getTimerCount()).toBe(timers);
  });
});

describe('a client that comes back with Last-Event-ID', () => {
  it.each(['a', 'b'] as const)('hears on process %s what it missed, once and in order, and then what comes', async name => {
    const pair = openPair({ bus: memoryBus() });
    const { a, b, store } = pair;
    const session = await addSession(store);
    await subscribe(store, session, 't://1', 't://2', 't://3', 't://4');
    const stream = await get(a, session);
    await a.resourceUpdated('t://1');
    await settle();
    stream.break();
    await settle();
    await b.resourceUpdated('t://2');
    await b.resourceUpdated('t://not');
    await a.resourceUpdated('t://3');
    const resumed = await get(pair[name], session, stream.lastId);
    expect([urisOf(stream), urisOf(resumed)]).toEqual([['t://1'], ['t://2', 't://3']]);
    await a.resourceUpdated('t://4');
    await settle();
    expect(urisOf(resumed)).toEqual(['t://2', 't://3', 't://4']);
    const again = await get(pair[name], session, resumed.events.at(-3)?.id);
    expect(urisOf(again)).toEqual(['t://3', 't://4']);
  });

  it('hears more than one page of what it missed', async () => {
    const { a, b, store } = openPair();
    const session = await addSession(store);
    const uris = Array.from({ length: 1200 }, (_, index) => `t://${index}`);
    await subscribe(store, session, ...uris);
    const stream = await get(a, session);
    stream.break();
    await Promise.all(uris.map(uri => b.resourceUpdated(uri)));
    expect(urisOf(await get(b, session, stream.lastId))).toEqual(uris);
  });

  it('hears once what became visible late, also where it missed more than one page', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    const uris = Array.from({ length: 1200 }, (_, index) => `t://${index}`);
    await subscribe(store, session, ...uris);
    await store.append(uris.map(uri => newEvent(EVERYBODY, JSON.stringify({ uri }))));
    const stream = await get(a, session, encodePosition(session.id, { id: 5, gaps: [4] }));
    expect(urisOf(stream)).toEqual(['t://3', ...uris.slice(5)]);
  });

  it('hears what arrives while the missed is read, once and behind it', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    await subscribe(store, session, 't://1', 't://2', 't://3');
    const stream = await get(a, session);
    stream.break();
    await a.resourceUpdated('t://1');
    a.disturb('find', async run => {
      await b.resourceUpdated('t://2');
      return run();
    });
    a.disturb('findEvents', async run => {
      const found = await run();
      await b.resourceUpdated('t://3');
      return found;
    });
    const resumed = await get(a, session, stream.lastId);
    await settle();
    expect(urisOf(resumed)).toEqual(['t://1', 't://2', 't://3']);
  });

  it('may be ahead of the process that it comes to', async () => {
    const { a, b, store } = openPair({ bus: silentBus });
    const session = await addSession(store);
    await subscribe(store, session, 't://1', 't://2');
    await b.environment.tail.start();
    await settle();
    const stream = await get(a, session);
    await a.resourceUpdated('t://1');
    await vi.advanceTimersByTimeAsync(1000);
    expect(urisOf(stream)).toEqual(['t://1']);
    const { disturbance, proceed } = held();
    b.disturb('read', first(1, disturbance));
    const resumed = await get(b, session, stream.lastId);
    proceed();
    await a.resourceUpdated('t://2');
    await vi.advanceTimersByTimeAsync(2000);
    expect(urisOf(resumed)).toEqual(['t://2']);
  });

  it('does not fall behind what it had, where the process it comes to is behind and brings it a late event', async () => {
    const { b, store } = openPair({ bus: silentBus });
    const session = await addSession(store);
    const uris = ['t://1', 't://2', 't://3', 't://4', 't://5'];
    await subscribe(store, session, ...uris);
    const append = (...told: string[]) => store.append(told.map(uri => newEvent(EVERYBODY, JSON.stringify({ uri }))));
    await append('t://1', 't://2');
    await b.environment.tail.start();
    await settle();
    await append('t://3', 't://4', 't://5');
    const { disturbance, proceed } = held();
    b.disturb('read', first(1, disturbance));
    const resumed = await get(b, session, encodePosition(session.id, { id: 5, gaps: [4] }));
    proceed();
    await settle();
    expect(urisOf(resumed)).toEqual(['t://4']);
    expect(urisOf(await get(b, session, resumed.lastId))).toEqual([]);
  });

  it('hears events that became visible late, once, whichever process it is at then', async () => {
    const events = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), by: fc.nat(1), late: fc.boolean() }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('show' as const), nth: fc.nat(5) }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('move' as const), to: fc.nat(1), breaks: fc.boolean(), forgets: fc.nat(2) }) },
      ),
      { minLength: 5, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(events, async steps => {
        const { store, hidden } = withHiddenEvents(memoryStore());
        const bus = memoryBus();
        const processes = [openProcess(store, { bus }), openProcess(store, { bus })] as const;
        const session = await addSession(store);
        const expected = steps.flatMap((step, index) => (step.do === 'publish' ? [`t://${index}`] : []));
        await subscribe(store, session, ...expected);
        let stream = await get(processes[0], session);
        /** All that the client believes to have received: it may have lost the end of a stream that broke. */
        const kept: unknown[] = [];
        const move = async (to: number, breaks: boolean, forgets: number): Promise<void> => {
          const seen = stream.events.slice(0, Math.max(1, stream.events.length - forgets));
          kept.push(...seen.filter(({ data }) => data !== '').map(({ data }) => JSON.parse(data).params.uri));
          if (breaks) stream.break();
          stream = await get(processes[to] as TestProcess, session, seen.at(-1)?.id ?? '');
          // A resumed stream begins with what the client had.
          stream.events.unshift({ id: seen.at(-1)?.id, data: '' });
        };
        for (const [index, step] of steps.entries()) {
          if (step.do === 'publish') {
            const [latest = 0] = await store.latest(1);
            if (step.late) hidden.add(Math.max(latest, ...hidden) + 1);
            await processes[step.by]?.resourceUpdated(`t://${index}`);
          } else if (step.do === 'show') {
            const [...ids] = hidden;
            hidden.delete(ids[step.nth % Math.max(1, ids.length)] ?? 0);
          } else {
            await move(step.to, step.breaks, step.forgets);
          }
          await settle();
        }
        hidden.clear();
        await vi.advanceTimersByTimeAsync(1000);
        await move(1, true, 0);
        await move(0, false, 0);
        kept.push(...urisOf(stream));
        expect(kept.toSorted()).toEqual(expected.toSorted());
        if (!steps.some(step => step.do === 'publish' && step.late)) expect(kept).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('is told that everything may have changed, where its position is so old that events may have expired', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    await subscribe(store, session, 't://1');
    const stream = await get(a, session);
    stream.break();
    await a.resourceUpdated('t://1');
    await a.listChanged('prompts');
    await vi.advanceTimersByTimeAsync(replayMs + 1000);
    await store.sweepEvents(new Date(), 10);
    const resumed = await get(a, session, stream.lastId);
    expect(methodsOf(resumed)).toEqual([
      'tools/list_changed',
      'resources/list_changed',
      'prompts/list_changed',
      'resources/updated',
      'prompts/list_changed',
    ]);
    expect(urisOf(resumed)[3]).toBe('t://1');
  });

  it('is told nothing where its position is old and nothing has changed since', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    await a.listChanged('tools');
    const stream = await get(a, session);
    stream.break();
    await vi.advanceTimersByTimeAsync(replayMs + 1000);
    expect(methodsOf(await get(a, session, stream.lastId))).toEqual([]);
  });

  it('is told that everything may have changed though an older event is still there: clocks differ, and the later one expired first', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    await subscribe(store, session, 't://1');
    const day = 86_400_000;
    await store.append([{ ...newEvent(EVERYBODY, '{"list":"tools"}'), expiresAt: new Date(Date.now() + day) }]);
    const stream = await get(a, session);
    stream.break();
    await a.resourceUpdated('t://1');
    await vi.advanceTimersByTimeAsync(replayMs + 1000);
    await a.listChanged('prompts');
    await store.sweepEvents(new Date(), 10);
    expect(urisOf(await get(a, session, stream.lastId))).toContain('t://1');
  });

  it('is told that everything may have changed by a process that has not read the log meanwhile', async () => {
    const { a, b, store } = openPair({ bus: silentBus });
    const session = await addSession(store);
    await subscribe(store, session, 't://1');
    await a.environment.tail.start();
    const stream = await get(b, session);
    await b.listChanged('tools');
    await vi.advanceTimersByTimeAsync(2000);
    stream.break();
    await b.resourceUpdated('t://1');
    await vi.advanceTimersByTimeAsync(replayMs + 1000);
    await b.listChanged('prompts');
    await store.sweepEvents(new Date(), 10);
    a.disturb('read', hanging);
    expect(urisOf(await get(a, session, stream.lastId))).toContain('t://1');
  });

  it('is told only what it missed, where its position is young', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    const stream = await get(a, session);
    stream.break();
    await a.listChanged('prompts');
    // A position says the second it was sent in.
    await vi.advanceTimersByTimeAsync(replayMs - 2000);
    expect(methodsOf(await get(a, session, stream.lastId))).toEqual(['prompts/list_changed']);
  });
});

describe('a client that comes back without Last-Event-ID', () => {
  it.each(['a', 'b'] as const)(
    'hears on process %s what it was sent in the last ten seconds and what it missed, and nothing older',
    async name => {
      const pair = openPair({ bus: memoryBus() });
      const { a, store } = pair;
      const session = await addSession(store);
      await subscribe(store, session, 't://1', 't://2', 't://3', 't://4');
      const stream = await get(a, session);
      await a.resourceUpdated('t://1');
      await vi.advanceTimersByTimeAsync(2000);
      await a.resourceUpdated('t://2');
      await vi.advanceTimersByTimeAsync(11_000);
      await a.resourceUpdated('t://3');
      await settle();
      stream.break();
      await settle();
      await a.environment.sessionStreams.saved();
      await a.resourceUpdated('t://4');
      expect(urisOf(await get(pair[name], session))).toEqual(['t://3', 't://4']);
    },
  );

  it('hears what it was sent since the stream began, where its process died', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    await subscribe(store, session, 't://1', 't://2');
    await get(a, session);
    await b.resourceUpdated('t://1');
    a.fallSilent();
    await b.resourceUpdated('t://2');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(urisOf(await get(b, session))).toEqual(['t://1', 't://2']);
  });

  it('takes over here a stream that is open, and hears all of it again: nobody knows when the older connection broke', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    await subscribe(store, session, 't://1', 't://2');
    const stream = await get(a, session);
    await a.resourceUpdated('t://1');
    await vi.advanceTimersByTimeAsync(11_000);
    await a.resourceUpdated('t://2');
    await settle();
    const next = await get(a, session);
    await settle();
    expect([stream.isOver, urisOf(next)]).toEqual([true, ['t://1', 't://2']]);
  });

  it('is told that it may have missed something as often as it comes back, until it was long enough here to have received it', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    await subscribe(store, session, 't://1');
    await get(a, session);
    await a.listChanged('tools');
    await vi.advanceTimersByTimeAsync(700_000);
    await store.sweepEvents(new Date(), 100);
    await a.listChanged('prompts');
    for (let visit = 0; visit < 2; visit += 1) {
      const stream = await get(a, session);
      await settle();
      expect(urisOf(stream).filter(uri => uri !== undefined)).toEqual(['t://1']);
      stream.break();
      await settle();
    }
    const stream = await get(a, session);
    await vi.advanceTimersByTimeAsync(11_000);
    stream.break();
    await settle();
    expect(urisOf(await get(a, session))).toEqual([]);
  });

  it('finds the position of a stream that ended though writing it had to be waited for', async () => {
    const { a, b, store } = openPair();
    const session = await addSession(store);
    await subscribe(store, session, 't://1');
    const stream = await get(a, session);
    await a.resourceUpdated('t://1');
    await vi.advanceTimersByTimeAsync(11_000);
    const { disturbance, proceed } = held();
    a.disturb('update', disturbance);
    stream.break();
    await settle();
    let isSaved = false;
    const saved = a.environment.sessionStreams.saved().then(() => {
      isSaved = true;
    });
    await settle();
    expect(isSaved).toBe(false);
    proceed();
    await saved;
    expect(urisOf(await get(b, session))).toEqual([]);
  });

  it('is not hurt by a position that could not be written: that is reported', async () => {
    const { a, b, store } = openPair();
    const session = await addSession(store);
    const stream = await get(a, session);
    await a.listChanged('tools');
    await vi.advanceTimersByTimeAsync(11_000);
    a.disturb('update', away);
    stream.break();
    await settle();
    await a.environment.sessionStreams.saved();
    expect(a.errors).toHaveLength(1);
    expect(methodsOf(await get(b, session))).toEqual(['tools/list_changed']);
  });
});

describe('what a client has surely received', () => {
  it('is known to the second, also under a steady flow', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    const uris = Array.from({ length: 60 }, (_, index) => `t://${index}`);
    await subscribe(store, session, ...uris);
    const stream = await get(a, session);
    for (const uri of uris) {
      await a.resourceUpdated(uri);
      await vi.advanceTimersByTimeAsync(300);
    }
    stream.break();
    await settle();
    const heardAgain = urisOf(await get(a, session)).length;
    expect(heardAgain).toBeGreaterThanOrEqual(33);
    expect(heardAgain).toBeLessThanOrEqual(37);
  });
});

describe('of several connections of a session', () => {
  it.each(['a', 'b'] as const)('the newest has the stream, also on process %s, and the older one ends', async name => {
    const pair = openPair({ bus: memoryBus() });
    const { a, store } = pair;
    const session = await addSession(store);
    const older = await get(a, session);
    const newer = await get(pair[name], session, older.lastId);
    await settle();
    expect([older.isOver, newer.isOver]).toEqual([true, false]);
    expect(nodeOf((await store.find(session.id)) as Session)).toBe(pair[name].environment.node);
    await a.listChanged('tools');
    await settle();
    expect([methodsOf(older), methodsOf(newer)]).toEqual([[], ['tools/list_changed']]);
  });

  it('the older one ends within lookMs where no wake-up tells of it', async () => {
    const { a, b, store } = openPair({ bus: silentBus });
    const session = await addSession(store);
    const older = await get(a, session);
    await get(b, session);
    await vi.advanceTimersByTimeAsync(1000);
    expect(older.isOver).toBe(true);
  });

  it('the older one ends at once where the newer one is here, without a wake-up', async () => {
    const { a, store } = openPair({ bus: silentBus });
    const session = await addSession(store);
    const older = await get(a, session);
    const newer = await get(a, session);
    expect([older.isOver, newer.isOver]).toEqual([true, false]);
  });

  it('that open at the same time one stays, wherever they are', async () => {
    for (const [first, second] of [
      ['a', 'a'],
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const pair = openPair({ bus: memoryBus() });
      const session = await addSession(pair.store);
      const streams = await Promise.all([get(pair[first], session), get(pair[second], session)]);
      await vi.advanceTimersByTimeAsync(2000);
      await pair.a.listChanged('tools');
      await vi.advanceTimersByTimeAsync(2000);
      expect(streams.filter(({ isOver }) => !isOver)).toHaveLength(1);
      expect(streams.filter(stream => !stream.isOver).map(methodsOf)).toEqual([['tools/list_changed']]);
    }
  });

  it('the one whose event came later in the log stays, though it opened first', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    const { disturbance, proceed } = held();
    a.disturb('append', disturbance);
    const opening = get(a, session);
    await settle();
    const other = await get(b, session);
    proceed();
    const first = await opening;
    await settle();
    expect([first.isOver, other.isOver]).toEqual([false, true]);
  });

  it('one that was taken over while it opened ends, after what it had to say', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    const before = await get(b, session);
    before.break();
    await b.listChanged('tools');
    const { disturbance, proceed } = held();
    a.disturb('findEvents', disturbance);
    const opening = get(a, session, before.lastId);
    await settle();
    const newer = await get(b, session, before.lastId);
    proceed();
    const older = await opening;
    await settle();
    expect([older.isOver, newer.isOver, methodsOf(newer)]).toEqual([true, false, ['tools/list_changed']]);
  });

  it('one that was taken over does not write its position over that of the newer', async () => {
    const { a, b, store } = openPair({ bus: silentBus });
    const session = await addSession(store);
    const older = await get(a, session);
    await a.listChanged('tools');
    await vi.advanceTimersByTimeAsync(12_000);
    await get(b, session, older.events[0]?.id);
    const written = (await store.find(session.id))?.position;
    await vi.advanceTimersByTimeAsync(2000);
    expect(older.isOver).toBe(true);
    await a.environment.sessionStreams.saved();
    expect((await store.find(session.id))?.position).toBe(written);
  });

  it('the newest keeps its place when the older one breaks after it', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    await get(a, session);
    const newer = await get(a, session);
    await settle();
    a.environment.sessionStreams.endSession(session.id);
    await settle();
    expect(newer.isOver).toBe(true);
  });
});

describe('a GET that fails in opening', () => {
  it.each(['latest', 'find', 'update', 'subscriptions', 'append', 'findEvents'] as const)('because of %s leaves nothing', async verb => {
    const { store } = openPair();
    const session = await addSession(store);
    const start = encodePosition(session.id, { id: 0, gaps: [] });
    await store.append([newEvent(EVERYBODY, '{"list":"tools"}', { expiresAt: new Date(Date.now() + replayMs) })]);
    const a = openProcess(store, { storeMs: 2000 });
    const timers = vi.getTimerCount();
    const end = a.disturb(verb, away);
    const failed = expect(
      a.environment.sessionStreams.open(session.id, { from: decodePosition(session.id, start), primes: true }),
    ).rejects.toThrow();
    await vi.advanceTimersByTimeAsync(2000);
    await failed;
    end();
    // What waits in the log is written, and the beats of this process end.
    await vi.advanceTimersByTimeAsync(20_000);
    expect(vi.getTimerCount()).toBe(timers);
    const asked = a.asked.length;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(a.asked.length).toBe(asked);
    expect(methodsOf(await get(a, session, start))).toEqual(['tools/list_changed']);
  });

  it('leaves an open stream of its session alone, where nothing was written', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    const stream = await get(a, session);
    a.disturb('find', away);
    await expect(a.environment.sessionStreams.open(session.id, { from: undefined, primes: true })).rejects.toThrow('away');
    await settle();
    await a.listChanged('tools');
    await settle();
    expect([stream.isOver, methodsOf(stream)]).toEqual([false, ['tools/list_changed']]);
  });

  it('does so though what it wrote has arrived: the client comes back, and hears everything', async () => {
    const { a, store } = openPair();
    const session = await addSession(store);
    const stream = await get(a, session);
    await a.listChanged('tools');
    await settle();
    const end = a.disturb('update', answerLost);
    await expect(get(a, session, stream.lastId)).rejects.toThrow('lost');
    end();
    await a.listChanged('prompts');
    expect(methodsOf(await get(a, session, stream.lastId))).toEqual(['prompts/list_changed']);
  });
});

describe('a stream that is left to other processes', () => {
  it('ends with a hint when to come back, and its position is written', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const sessions = [await addSession(store), await addSession(store)];
    const streams: Received[] = [];
    for (const session of sessions) streams.push(await get(a, session));
    await a.listChanged('tools');
    await vi.advanceTimersByTimeAsync(11_000);
    await a.environment.sessionStreams.leaveAll(777, 0);
    await settle();
    await a.environment.sessionStreams.saved();
    expect(streams.map(({ isOver, retries }) => [isOver, retries])).toEqual([
      [true, [777]],
      [true, [777]],
    ]);
    for (const session of sessions) expect(methodsOf(await get(b, session))).toEqual([]);
  });

  it('is left one after the other, with a pause between', async () => {
    const { a, store } = openPair();
    const streams = [await get(a, await addSession(store)), await get(a, await addSession(store))];
    const leaving = a.environment.sessionStreams.leaveAll(1000, 50);
    await settle();
    expect(streams.map(({ isOver }) => isOver)).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(50);
    expect(streams.map(({ isOver }) => isOver)).toEqual([true, true]);
    await vi.advanceTimersByTimeAsync(50);
    await leaving;
  });

  it('lets go of everything: no timer and no query is left', async () => {
    const { a, store } = openPair();
    const timers = vi.getTimerCount();
    const session = await addSession(store);
    await get(a, session);
    await get(a, session);
    await a.environment.sessionStreams.leaveAll(1000, 0);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('is what happens to all streams of a process that cannot read the log', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    const stream = await get(a, session);
    const end = a.disturb('read', away);
    await vi.advanceTimersByTimeAsync(14_000);
    expect(stream.isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(2000);
    expect([stream.isOver, stream.retries]).toEqual([true, [1000]]);
    await b.listChanged('tools');
    expect(methodsOf(await get(b, session, stream.lastId))).toEqual(['tools/list_changed']);
    end();
  });

  it('does not mark as received what it could no longer send', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    const opening = a.environment.sessionStreams.open(session.id, { from: undefined, primes: true });
    const connection = await opening;
    // The client reads nothing for a while, so that the stream is ended but not closed.
    await a.environment.sessionStreams.leaveAll(1000, 0);
    await b.listChanged('tools');
    await vi.advanceTimersByTimeAsync(11_000);
    connection?.resume();
    await settle();
    await a.environment.sessionStreams.saved();
    expect(methodsOf(await get(b, session))).toEqual(['tools/list_changed']);
  });
});

it('a stream that was being opened when its process closed ends at once', async () => {
  const { a, store } = openPair();
  const session = await addSession(store);
  const { disturbance, proceed } = held();
  a.disturb('subscriptions', disturbance);
  const opening = get(a, session);
  await settle();
  const closed = a.close(1000);
  await vi.advanceTimersByTimeAsync(1000);
  await closed;
  proceed();
  const stream = await opening;
  expect(stream.isOver).toBe(true);
});

it('the mail of a session’s stream says who has taken it', async () => {
  const { a, store } = openPair({ nodeName: 'host:1' });
  const session = await addSession(store);
  await get(a, session);
  const name = (await store.find(session.id))?.connection;
  expect(name).toMatch(/^host:1\/[\w-]{12}\.[\w-]{8}$/u);
  expect(await mailOf(store, session.id)).toEqual([JSON.stringify({ taken: name })]);
  expect([nodeOf({ connection: null }), nodeOf({ connection: 'a/b' })]).toEqual([undefined, undefined]);
});
