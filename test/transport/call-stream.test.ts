import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { newCallStream, newNodeId, nodeMailOf, parseCallEventId } from '../../src/delivery/stream-ids.ts';
import type { CallStream } from '../../src/transport/call-stream.ts';
import type { EventStream } from '../../src/transport/event-stream.ts';
import { answerLost, away, first, silentBus } from '../delivery/fixtures.ts';
import { newEvent } from '../store/fixtures.ts';
import type { Received, TestProcess } from './service-pair.ts';
import { openPair, openProcess, receive, settle } from './service-pair.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const sessionId = `mcp_${'a'.repeat(43)}`;
const deadMs = 15_000;

const said = (text: unknown): string =>
  JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: text } });
const result = JSON.stringify({ jsonrpc: '2.0', id: 7, result: {} });

/** What was received, in short: the data of notifications, `result`, or the message of an error. */
const heard = ({ messages }: Received): unknown[] => messages.map(({ params, error }) => params?.data ?? error?.message ?? 'result');

interface Opened {
  readonly stream: CallStream;
  readonly connection: EventStream;
  readonly received: Received;
}

/** Begins a call whose answer is a stream, as POST does. */
async function begin({ environment }: TestProcess, requestId: number | undefined = 7): Promise<Opened> {
  const connection = environment.streams.open();
  const stream = environment.callStreams.open(sessionId, connection, requestId);
  stream.prime();
  const received = receive(connection);
  await settle();
  return { stream, connection, received };
}

/** Comes back with `Last-Event-ID`, as GET does. */
async function resume({ environment }: TestProcess, lastId: string | undefined): Promise<Received & { break(): void }> {
  const position = parseCallEventId(sessionId, lastId ?? '');
  if (position === undefined) throw new Error(`${lastId} is no event id`);
  const [connection] = await Promise.all([environment.callStreams.resume(sessionId, position, () => environment.streams.open()), settle()]);
  const received = receive(connection);
  await settle();
  return Object.defineProperty(received, 'break', { value: () => connection.destroy() }) as Received & { break(): void };
}

async function broken(opened: Opened): Promise<void> {
  opened.connection.destroy();
  await settle();
}

const rowsOf = async ({ store }: TestProcess, { id }: CallStream): Promise<string[]> =>
  (await store.findEvents({ streams: [id], after: 0, limit: 1000 })).map(({ data }) => data);

describe('the stream of a call', () => {
  it('carries what is said with ids, ends with the response, and is not in rows', async () => {
    const { a } = openPair();
    const { stream, received } = await begin(a);
    expect([stream.send(said(1)), stream.send(said(2)), stream.send(result, true), stream.send(said(3))]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    await settle();
    expect([heard(received), received.isOver, await rowsOf(a, stream)]).toEqual([[1, 2, 'result'], true, []]);
    const ids = received.events.map(({ id }) => parseCallEventId(sessionId, id ?? ''));
    expect(ids.map(id => [id?.seq, id?.isLast])).toEqual([
      [0, false],
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(ids[3]).toMatchObject({ stream: stream.id, node: a.environment.node, requestId: 7 });
  });

  it('goes on here where its client was, once and in order, with what it missed', async () => {
    const { a } = openPair();
    const call = await begin(a);
    call.stream.send(said(1));
    call.stream.send(said(2));
    await settle();
    await broken(call);
    call.stream.send(said(3));
    const resumed = await resume(a, call.received.events[1]?.id);
    call.stream.send(said(4));
    call.stream.send(result, true);
    await settle();
    expect([heard(resumed), resumed.isOver]).toEqual([[2, 3, 4, 'result'], true]);
  });

  it('goes on in another process where its client was, with what it missed and what comes', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    call.stream.send(said(1));
    call.stream.send(said(2));
    await settle();
    await broken(call);
    call.stream.send(said(3));
    const resumed = await resume(b, call.received.events[1]?.id);
    await settle();
    expect(heard(resumed)).toEqual([2, 3]);
    call.stream.send(said(4));
    call.stream.send(result, true);
    await settle();
    expect([heard(resumed), resumed.isOver]).toEqual([[2, 3, 4, 'result'], true]);
  });

  it('leaves its connection when the client comes back elsewhere before it broke', async () => {
    const { a, b } = openPair({ bus: silentBus });
    const call = await begin(a);
    call.stream.send(said(1));
    call.stream.send(said(2));
    await settle();
    const resumed = await resume(b, call.received.events[1]?.id);
    await vi.advanceTimersByTimeAsync(3000);
    expect([call.received.isOver, call.received.retries, heard(resumed)]).toEqual([true, [1000], [2]]);
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(1000);
    expect([heard(resumed), resumed.isOver]).toEqual([[2, 'result'], true]);
  });

  it('comes back from another process, and goes there again', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    const elsewhere = await resume(b, call.received.lastId);
    call.stream.send(said(1));
    await settle();
    expect(heard(elsewhere)).toEqual([1]);
    const here = await resume(a, elsewhere.lastId);
    call.stream.send(said(2));
    await settle();
    const again = await resume(b, here.lastId);
    call.stream.send(said(3));
    call.stream.send(result, true);
    await settle();
    expect([heard(here), heard(again)]).toEqual([[2], [3, 'result']]);
    expect([elsewhere.isOver, here.isOver, again.isOver]).toEqual([true, true, true]);
  });

  it.each(['a', 'b', 'c'] as const)('is carried by one connection: the one at b ends when its client comes back at %s', async name => {
    const bus = memoryBus();
    const pair = openPair({ bus });
    const processes = { ...pair, c: openProcess(pair.store, { bus }) };
    const call = await begin(pair.a);
    await broken(call);
    call.stream.send(said(1));
    const older = await resume(pair.b, call.received.lastId);
    const newer = await resume(processes[name], older.lastId);
    await settle();
    expect([heard(older), older.isOver, newer.isOver]).toEqual([[1], true, false]);
    call.stream.send(said(2));
    call.stream.send(result, true);
    await settle();
    expect([heard(older), heard(newer), newer.isOver]).toEqual([[1], [2, 'result'], true]);
  });

  it('is carried by the connection that comes last where two come at once', async () => {
    const bus = memoryBus();
    const { a, b, store } = openPair({ bus });
    const c = openProcess(store, { bus });
    const call = await begin(a);
    await broken(call);
    const both = await Promise.all([b, c].map(process => resume(process, call.received.lastId)));
    await settle();
    expect(both.map(({ isOver }) => isOver).toSorted()).toEqual([false, true]);
    call.stream.send(result, true);
    await settle();
    expect(both.map(heard).filter(all => all.length > 0)).toEqual([['result']]);
  });

  it.each(['a', 'b'] as const)('that ended while its client was away waits for it on process %s', async name => {
    const pair = openPair({ bus: memoryBus() });
    const call = await begin(pair.a);
    await broken(call);
    call.stream.send(said(1));
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(60_000);
    const resumed = await resume(pair[name], call.received.lastId);
    expect([heard(resumed), resumed.isOver]).toEqual([[1, 'result'], true]);
  });

  it.each(['a', 'b'] as const)('whose end was written and not received is sent again on process %s', async name => {
    const pair = openPair({ bus: memoryBus() });
    const call = await begin(pair.a);
    call.stream.send(said(1));
    call.stream.send(result, true);
    await settle();
    const resumed = await resume(pair[name], call.received.events[0]?.id);
    await settle();
    expect([heard(resumed), resumed.isOver]).toEqual([[1, 'result'], true]);
  });

  it.each(['a', 'b'] as const)('whose connection broke while its end was on the way waits for its client on process %s', async name => {
    const pair = openPair({ bus: memoryBus() });
    const connection = pair.a.environment.streams.open();
    const stream = pair.a.environment.callStreams.open(sessionId, connection, 7);
    stream.prime();
    stream.send(result, true);
    connection.destroy();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(heard(await resume(pair[name], `${stream.id}.0`))).toEqual(['result']);
  });

  it('whose end was written long ago ends with an error for who comes back to it: it is no longer kept', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    call.stream.send(said(1));
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(71_000);
    // Another call keeps the process alive.
    await begin(a);
    const resumed = await resume(b, call.received.events[1]?.id);
    await settle();
    expect([heard(resumed), resumed.isOver]).toEqual([
      ['The response is no longer kept; whether the request took effect is unknown'],
      true,
    ]);
    expect(resumed.messages[0].id).toBe(7);
  });

  it.each(['a', 'b'] as const)(
    'that was received to its end ends at once on process %s, without a question to the database',
    async name => {
      const pair = openPair();
      const call = await begin(pair.a);
      call.stream.send(result, true);
      await settle();
      const asked = pair[name].asked.length;
      const resumed = await resume(pair[name], call.received.lastId);
      expect([heard(resumed), resumed.isOver, pair[name].asked.length]).toEqual([[], true, asked]);
    },
  );

  it.each(['a', 'b'] as const)(
    'of a batch, whose last message is not known as such, ends on process %s for who has received all',
    async name => {
      const pair = openPair({ bus: memoryBus() });
      const call = await begin(pair.a, undefined);
      call.stream.send(result);
      call.stream.end();
      await settle();
      expect(call.received.isOver).toBe(true);
      const resumed = await resume(pair[name], call.received.lastId);
      await vi.advanceTimersByTimeAsync(2000);
      expect([heard(resumed), resumed.isOver]).toEqual([[], true]);
    },
  );

  it('that ends without a message ends for its client, here and elsewhere', async () => {
    for (const name of ['a', 'b'] as const) {
      const pair = openPair({ bus: memoryBus() });
      const call = await begin(pair.a);
      await broken(call);
      call.stream.send(said(1));
      const resumed = await resume(pair[name], call.received.lastId);
      call.stream.end();
      await vi.advanceTimersByTimeAsync(2000);
      expect([name, heard(resumed), resumed.isOver]).toEqual([name, [1], true]);
    }
  });

  it('is closed by the call for a while, with a hint when to come back', async () => {
    const { a } = openPair();
    const call = await begin(a);
    call.stream.disconnect(321);
    await settle();
    call.stream.send(said(1));
    expect([call.received.isOver, call.received.retries]).toEqual([true, [321]]);
    expect(heard(await resume(a, call.received.lastId))).toEqual([1]);
  });

  it('is carried by its newest connection, and the earlier one ends', async () => {
    const { a } = openPair();
    const call = await begin(a);
    call.stream.send(said(1));
    await settle();
    const newer = await resume(a, call.received.lastId);
    call.stream.send(said(2));
    await settle();
    expect([call.received.isOver, heard(call.received), heard(newer)]).toEqual([true, [1], [2]]);
  });

  it('of more rows than one page is read whole', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    const texts = Array.from({ length: 900 }, (_, index) => index);
    for (const text of texts) call.stream.send(said(text));
    await settle();
    expect(heard(await resume(b, call.received.lastId))).toEqual(texts);
  });

  it('hears what is said while its rows are read, once', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    call.stream.send(said(1));
    b.disturb(
      'findEvents',
      first(1, async run => {
        const found = await run();
        call.stream.send(said(2));
        await settle();
        return found;
      }),
    );
    const resumed = await resume(b, call.received.lastId);
    await settle();
    expect(heard(resumed)).toEqual([1, 2]);
  });
});

describe('messages that are not kept', () => {
  it.each(['a', 'b'] as const)('are said to be missing, with their number, on process %s', async name => {
    const pair = openPair({ bus: memoryBus(), maxEvents: 3 });
    const call = await begin(pair.a);
    for (let text = 1; text <= 8; text += 1) call.stream.send(said(text));
    await settle();
    await broken(call);
    const resumed = await resume(pair[name], call.received.events[2]?.id);
    await settle();
    expect(heard(resumed)).toEqual(['3 messages of this stream are no longer kept', 6, 7, 8]);
    expect(resumed.messages[0].params).toMatchObject({ level: 'warning', logger: 'koa-mcp' });
    call.stream.send(result, true);
    await settle();
    expect(heard(resumed).at(-1)).toBe('result');
  });

  it('are chosen by their length too, and the last one is always kept', async () => {
    const { a } = openPair({ maxEventBytes: 1000 });
    const call = await begin(a);
    for (const text of ['a'.repeat(600), 'b'.repeat(600), 'c'.repeat(2000)]) call.stream.send(said(text));
    await settle();
    const resumed = await resume(a, call.received.events[0]?.id);
    expect(heard(resumed)).toEqual(['2 messages of this stream are no longer kept', 'c'.repeat(2000)]);
  });

  it('are not said to be missing for who has received them', async () => {
    const { a } = openPair({ maxEvents: 3 });
    const call = await begin(a);
    for (let text = 1; text <= 8; text += 1) call.stream.send(said(text));
    await settle();
    expect(heard(await resume(a, call.received.events[6]?.id))).toEqual([7, 8]);
  });

  it.each(['a', 'b'] as const)('end the stream with one error where too many wait for a client that is away, on process %s', async name => {
    const pair = openPair({ bus: memoryBus(), maxEvents: 3 });
    const call = await begin(pair.a);
    await broken(call);
    for (let text = 1; text <= 3; text += 1) expect(call.stream.send(said(text))).toBe(true);
    call.stream.send(said(4));
    expect([call.stream.send(said(5)), call.stream.send(result, true)]).toEqual([false, false]);
    await settle();
    const resumed = await resume(pair[name], call.received.lastId);
    await settle();
    expect(heard(resumed).at(-1)).toMatch(/^More than 3 messages waited/u);
    expect([resumed.messages.at(-1).id, resumed.isOver]).toEqual([7, true]);
    expect(resumed.messages.filter(({ error }) => error !== undefined)).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(heard(await resume(pair.b, call.received.lastId)).at(-1)).toMatch(/^More than 3 messages waited/u);
  });

  it('end the stream where they are too long together', async () => {
    const { a, b } = openPair({ bus: memoryBus(), maxEventBytes: 1000 });
    const call = await begin(a);
    await broken(call);
    expect([call.stream.send(said('a'.repeat(2000))), call.stream.send(said('b')), call.stream.send(said('c'))]).toEqual([
      true,
      true,
      false,
    ]);
    await settle();
    expect(heard(await resume(b, call.received.lastId)).at(-1)).toMatch(/^More than/u);
  });

  it('are counted anew when the client comes back, and a result is never too much', async () => {
    const { a } = openPair({ maxEvents: 3 });
    const call = await begin(a);
    await broken(call);
    for (let text = 1; text <= 3; text += 1) call.stream.send(said(text));
    const resumed = await resume(a, call.received.lastId);
    resumed.break();
    await settle();
    for (let text = 4; text <= 6; text += 1) expect(call.stream.send(said(text))).toBe(true);
    expect(call.stream.send(result, true)).toBe(true);
    await settle();
    expect(heard(await resume(a, resumed.lastId))).toEqual(expect.arrayContaining(['result']));
  });

  it('are not those that a connection has taken already', async () => {
    const { a, b } = openPair({ bus: memoryBus(), maxEvents: 3 });
    const call = await begin(a);
    for (let text = 1; text <= 3; text += 1) call.stream.send(said(text));
    await settle();
    await broken(call);
    for (let text = 4; text <= 6; text += 1) expect(call.stream.send(said(text))).toBe(true);
    call.stream.send(result, true);
    await settle();
    expect(heard(await resume(b, call.received.lastId))).toEqual([4, 5, 6, 'result']);
  });
});

describe('a call whose process falls silent', () => {
  it('is answered with one error, wherever its client comes back, and its late result is not heard', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const c = openProcess(store, { bus: memoryBus() });
    const call = await begin(a);
    call.stream.send(said(1));
    await broken(call);
    const end = a.disturbAll(away);
    const [first, second] = [await resume(b, call.received.lastId), await resume(c, call.received.lastId)];
    await vi.advanceTimersByTimeAsync(deadMs - 2000);
    expect([heard(first), first.isOver, heard(second)]).toEqual([[], true, []]);
    await vi.advanceTimersByTimeAsync(10_000);
    const error = 'The process that served this request has ended; whether the request took effect is unknown';
    expect([heard(first), heard(second), second.isOver]).toEqual([[], [error], true]);
    expect(second.messages[0]).toMatchObject({ id: 7, error: { code: -32603 } });
    end();
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(5000);
    expect(heard(await resume(b, call.received.lastId))).toEqual([error]);
    expect((await rowsOf(b, call.stream)).filter(row => row.includes('!\n'))).toHaveLength(1);
  });

  it('is answered with its result where that is a row, and with no error', async () => {
    const { a, b } = openPair();
    const call = await begin(a);
    await broken(call);
    call.stream.send(result, true);
    await settle();
    a.fallSilent();
    const resumed = await resume(b, call.received.lastId);
    await vi.advanceTimersByTimeAsync(3 * deadMs);
    expect([heard(resumed), resumed.isOver]).toEqual([['result'], true]);
    expect([b.count('append'), b.count('beats')]).toEqual([0, 0]);
  });

  it('that nobody knows any more is answered with an error after deadMs', async () => {
    const { b } = openPair();
    const stream = newCallStream(sessionId, newNodeId(), 'x');
    const resumed = await resume(b, `${stream}.3`);
    await vi.advanceTimersByTimeAsync(deadMs * 1.5);
    expect([resumed.messages.map(({ id }) => id), resumed.isOver]).toEqual([['x'], true]);
  });

  it('in a batch ends without a message', async () => {
    const { b } = openPair();
    const resumed = await resume(b, `${newCallStream(sessionId, newNodeId(), undefined)}.3`);
    await vi.advanceTimersByTimeAsync(deadMs * 1.5);
    expect([heard(resumed), resumed.isOver]).toEqual([[], true]);
  });

  it('is not answered with an error while the process lives, however long the call takes', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    const resumed = await resume(b, call.received.lastId);
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect([heard(resumed), resumed.isOver]).toEqual([[], false]);
    call.stream.send(result, true);
    await settle();
    expect(heard(resumed)).toEqual(['result']);
  });
});

describe('a result whose write is not taken at once', () => {
  it('is not lost, and no error comes before or after it', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    const resumed = await resume(b, call.received.lastId);
    const end = a.disturb('append', away);
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(4 * deadMs);
    expect([heard(resumed), resumed.isOver]).toEqual([[], false]);
    end();
    await vi.advanceTimersByTimeAsync(2000);
    expect([heard(resumed), resumed.isOver]).toEqual([['result'], true]);
    await vi.advanceTimersByTimeAsync(4 * deadMs);
    expect(await rowsOf(b, call.stream)).toHaveLength(1);
  });

  it('is there once where the answers to its writes are lost', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    const resumed = await resume(b, call.received.lastId);
    a.disturb('append', first(3, answerLost));
    call.stream.send(said(1));
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(6000);
    expect([heard(resumed), await rowsOf(b, call.stream)]).toEqual([
      [1, 'result'],
      [`1\n${said(1)}`, `2!\n${result}`],
    ]);
  });

  it('keeps its process beating until it is a row', async () => {
    const { a } = openPair();
    const call = await begin(a);
    await broken(call);
    const end = a.disturb('append', away);
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(60_000);
    const beats = a.count('beat');
    await vi.advanceTimersByTimeAsync(9000);
    expect(a.count('beat')).toBeGreaterThanOrEqual(beats + 3);
    end();
    await vi.advanceTimersByTimeAsync(60_000);
    const last = a.count('beat');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(a.count('beat')).toBe(last);
  });
});

describe('nothing is left', () => {
  it('of a call that was answered on its connection', async () => {
    const { a } = openPair();
    const timers = vi.getTimerCount();
    const call = await begin(a);
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('of a call whose client never came back', async () => {
    const { a } = openPair();
    const timers = vi.getTimerCount();
    const call = await begin(a);
    await broken(call);
    call.stream.send(result, true);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('of a call that had ended when another process asked for it, while its last bytes were on their way', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const timers = vi.getTimerCount();
    const connection = a.environment.streams.open();
    const stream = a.environment.callStreams.open(sessionId, connection, 7);
    stream.prime();
    stream.send(said(1));
    stream.send(result, true);
    // The client reads nothing of it here.
    await settle();
    const resumed = await resume(b, `${stream.id}.0`);
    await settle();
    expect([heard(resumed), resumed.isOver]).toEqual([[1, 'result'], true]);
    connection.resume();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('of a follower whose client left', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    const timers = vi.getTimerCount();
    const resumed = await resume(b, call.received.lastId);
    expect(vi.getTimerCount()).toBeGreaterThan(timers);
    resumed.break();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(vi.getTimerCount()).toBe(timers);
    const looks = b.count('beats');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(b.count('beats')).toBe(looks);
  });

  it.each(['latest', 'findEvents', 'append'] as const)('of a GET that failed because of %s', async verb => {
    const { store } = openPair();
    const b = openProcess(store, { storeMs: 2000 });
    const timers = vi.getTimerCount();
    const end = b.disturb(verb, away);
    const failed = expect(resume(b, `${newCallStream(sessionId, newNodeId(), 1)}.0`)).rejects.toThrow();
    await vi.advanceTimersByTimeAsync(2000);
    await failed;
    end();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('of streams past a thousand that were written to their end: the oldest are forgotten', async () => {
    const { a } = openPair();
    const calls: Opened[] = [];
    for (let index = 0; index < 1001; index += 1) {
      const call = await begin(a);
      call.stream.send(said(index));
      call.stream.send(result, true);
      await settle();
      calls.push(call);
    }
    const beats = a.count('findEvents');
    expect(heard(await resume(a, calls[1]?.received.events[0]?.id))).toEqual([1, 'result']);
    expect(a.count('findEvents')).toBe(beats);
    const resumed = await resume(a, calls[0]?.received.events[0]?.id);
    await vi.advanceTimersByTimeAsync(2000);
    expect(heard(resumed)).toEqual(['The response is no longer kept; whether the request took effect is unknown']);
  });
});

describe('the end of a session', () => {
  it('ends its streams here, and those that are followed, and no others', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    const otherConnection = a.environment.streams.open();
    const other = receive(otherConnection);
    a.environment.callStreams.open(`mcp_${'b'.repeat(43)}`, otherConnection, 1);
    const away = await begin(a);
    await broken(away);
    const followed = await resume(b, away.received.lastId);
    b.environment.callStreams.endSession(sessionId);
    await settle();
    expect([call.received.isOver, followed.isOver]).toEqual([false, true]);
    a.environment.callStreams.endSession(sessionId);
    await settle();
    expect([call.received.isOver, followed.isOver, other.isOver]).toEqual([true, true, false]);
  });
});

describe('a process that closes', () => {
  it('leaves its clients to others, with a hint, and everything they have not received as rows', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    call.stream.send(said(1));
    await settle();
    const opened = await begin(b);
    await broken(opened);
    const followed = await resume(a, opened.received.lastId);
    const closed = a.close(5000);
    await vi.advanceTimersByTimeAsync(5000);
    await closed;
    expect([call.received.isOver, call.received.retries, followed.isOver, followed.retries]).toEqual([true, [1000], true, [1000]]);
    expect(heard(await resume(b, call.received.events[0]?.id))[0]).toBe(1);
  });

  it('gives no hint to a client that has no event id to come back with', async () => {
    const { a } = openPair();
    const connection = a.environment.streams.open();
    const stream = a.environment.callStreams.open(sessionId, connection, 7);
    const received = receive(connection);
    stream.handOver();
    await settle();
    expect([received.isOver, received.retries]).toEqual([true, []]);
  });

  it('ends what it follows where it cannot read the log', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const call = await begin(a);
    await broken(call);
    const resumed = await resume(b, call.received.lastId);
    b.disturb('read', away);
    await vi.advanceTimersByTimeAsync(deadMs + 2000);
    expect([heard(resumed), resumed.isOver]).toEqual([[], true]);
  });
});

it('streams that have ended are kept up to 64 Mi characters together, the newest in any case', async () => {
  const { a, b } = openPair({ bus: memoryBus(), maxEventBytes: 100 * 1024 * 1024, maxStreamBufferBytes: 200 * 1024 * 1024 });
  const callWith = async (megabytes: number) => {
    const call = await begin(a);
    call.stream.send(said('x'.repeat(megabytes * 1024 * 1024)));
    call.stream.send(result, true);
    await settle();
    return call;
  };
  const messagesOf = async (call: Opened, here: TestProcess) => (await resume(here, call.received.events[0]?.id)).messages.length;
  const calls: Opened[] = [];
  while (calls.length < 10) calls.push(await callWith(7));
  const huge = await callWith(70);
  expect(await messagesOf(huge, a)).toBe(2);
  // Another call keeps the process alive.
  await begin(a);
  for (const call of calls) expect(await messagesOf(call, b)).toBe(1);
});

it('streams that have ended and are not large are all kept', async () => {
  const { a, b } = openPair({ bus: memoryBus() });
  const calls: Opened[] = [];
  while (calls.length < 9) {
    const call = await begin(a);
    call.stream.send(said('x'.repeat(7 * 1024 * 1024)));
    call.stream.send(result, true);
    await settle();
    calls.push(call);
  }
  await begin(a);
  for (const call of calls) expect((await resume(b, call.received.events[0]?.id)).messages).toHaveLength(2);
});

it('a stream that has ended does not hold the memory of its connection', async () => {
  const { a } = openPair();
  const call = await begin(a);
  call.stream.send(result, true);
  await settle();
  expect(call.received.isOver).toBe(true);
  expect(() => call.stream.body).toThrow('The stream of this call is over');
  expect((await resume(a, call.received.events[0]?.id)).messages).toHaveLength(1);
});

it('mail that no process can read is skipped', async () => {
  const { a, store } = openPair();
  const call = await begin(a);
  await store.append(['', '{}', '{"resume":5}'].map(data => newEvent(nodeMailOf(a.environment.node), data)));
  await vi.advanceTimersByTimeAsync(2000);
  call.stream.send(result, true);
  await settle();
  expect([heard(call.received), a.errors]).toEqual([['result'], []]);
});

it('rows of a stream that nobody can read are skipped', async () => {
  const { a, b, store } = openPair({ bus: memoryBus() });
  const call = await begin(a);
  await broken(call);
  await store.append(['', 'x', '1'].map(data => newEvent(call.stream.id, data)));
  call.stream.send(said(1));
  await settle();
  expect(heard(await resume(b, call.received.lastId))).toEqual([1]);
});
