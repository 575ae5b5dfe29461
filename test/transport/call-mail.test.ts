import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { EventLog } from '../../src/delivery/event-log.ts';
import type { CallMail } from '../../src/delivery/messages.ts';
import { callMailOf } from '../../src/delivery/stream-ids.ts';
import { Tail } from '../../src/delivery/tail.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { CallMailboxes } from '../../src/transport/call-mail.ts';
import { Calls } from '../../src/transport/calls.ts';
import { away, disturbed, withHiddenEvents } from '../delivery/fixtures.ts';
import { newEvent } from '../store/fixtures.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const sessionId = `mcp_${'a'.repeat(43)}`;
const answer: CallMail = { answer: { jsonrpc: '2.0', id: 'x', result: {} } };
const settle = () => vi.advanceTimersByTimeAsync(20);

async function open() {
  const { store: shared, hidden } = withHiddenEvents(memoryStore());
  const disturbance = disturbed(shared);
  const { store } = disturbance;
  const bus = memoryBus();
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const log = new EventLog({ store, bus, node: 'run', lookMs: 1000, replayMs: 60_000, onError });
  const tail = new Tail({ store, bus, lookMs: 1000, deadMs: 15_000, onError });
  const taken: [string, CallMail, number][] = [];
  const mail = new CallMailboxes({ store, log, tail, storeMs: 5000, lookMs: 1000, onError, take: (...args) => taken.push(args) });
  await tail.start();
  await settle();
  return { ...disturbance, hidden, bus, errors, tail, mail, taken };
}

describe('the mail of a session’s calls', () => {
  it('is taken where a mailbox is open, with its place in the log, and nowhere else', async () => {
    const { mail, taken } = await open();
    await mail.send(sessionId, { cancel: 0 });
    await settle();
    const close = mail.open(sessionId);
    await mail.send(sessionId, { cancel: 1, reason: 'why' });
    await mail.send('other', { cancel: 2 });
    await mail.send(sessionId, answer);
    await settle();
    expect(taken).toEqual([
      [sessionId, { cancel: 1, reason: 'why' }, 2],
      [sessionId, answer, 4],
    ]);
    close();
    await mail.send(sessionId, { cancel: 3 });
    await settle();
    expect(taken).toHaveLength(2);
  });

  it('is taken once, however many calls have it open, until the last lets go', async () => {
    const { mail, taken } = await open();
    const [one, two] = [mail.open(sessionId), mail.open(sessionId)];
    one();
    one();
    await mail.send(sessionId, { cancel: 1 });
    await settle();
    expect(taken).toHaveLength(1);
    two();
    await mail.send(sessionId, { cancel: 2 });
    await settle();
    expect(taken).toHaveLength(1);
    mail.open(sessionId);
    two();
    await mail.send(sessionId, { cancel: 3 });
    await settle();
    expect(taken).toHaveLength(2);
  });

  it('is taken too where it came between the begin of a call and its mailbox, and not what came before', async () => {
    const { mail, taken, tail, hidden, bus } = await open();
    await mail.send(sessionId, { cancel: 'before' });
    hidden.add(2);
    await mail.send(sessionId, { cancel: 'late' });
    await mail.send('other', { cancel: 'other' });
    await settle();
    const since = tail.position;
    expect(since).toEqual({ id: 3, gaps: [2] });
    await mail.send(sessionId, { cancel: 'between' });
    hidden.clear();
    bus.publish('log');
    await settle();
    mail.open(sessionId, since);
    await settle();
    expect(taken.map(([, sent]) => 'cancel' in sent && sent.cancel)).toEqual(['late', 'between']);
    expect(taken.map(([, , eventId]) => eventId)).toEqual([2, 4]);
  });

  it('that cannot be read late is reported once, and taken when the database is back', async () => {
    const { mail, taken, disturb, errors, tail } = await open();
    const since = tail.position;
    await mail.send(sessionId, { cancel: 'between' });
    await settle();
    const end = disturb('findEvents', away);
    mail.open(sessionId, since);
    await vi.advanceTimersByTimeAsync(5000);
    expect([taken.length, errors.length]).toEqual([0, 1]);
    end();
    await vi.advanceTimersByTimeAsync(1000);
    expect([taken.map(([, sent]) => sent), errors.length]).toEqual([[{ cancel: 'between', reason: undefined }], 1]);
  });

  it('that cannot be read late is asked for until its mailbox is closed', async () => {
    const { mail, disturb, count, tail } = await open();
    disturb('findEvents', away);
    const close = mail.open(sessionId, tail.position);
    await vi.advanceTimersByTimeAsync(3000);
    close();
    await vi.advanceTimersByTimeAsync(1000);
    const asked = count('findEvents');
    await vi.advanceTimersByTimeAsync(5000);
    expect([asked, count('findEvents')]).toEqual([4, 4]);
  });

  it('that nobody can read is skipped', async () => {
    const { mail, store, taken, errors } = await open();
    mail.open(sessionId);
    await store.append([newEvent(callMailOf(sessionId), '{'), newEvent(callMailOf(sessionId), '{"cancel":{}}')]);
    await mail.send(sessionId, { cancel: 1 });
    await settle();
    expect([taken.length, errors]).toEqual([1, []]);
  });

  it('is looked for each lookMs while a mailbox is open, and not longer', async () => {
    const { mail, count } = await open();
    const reads = count('read');
    const close = mail.open(sessionId);
    await vi.advanceTimersByTimeAsync(3000);
    expect(count('read')).toBeGreaterThanOrEqual(reads + 3);
    close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that the database does not take fails within storeMs', async () => {
    const { mail, disturb } = await open();
    disturb('append', away);
    const failed = expect(mail.send(sessionId, answer)).rejects.toThrow('within 5000 ms');
    await vi.advanceTimersByTimeAsync(5000);
    await failed;
  });
});

describe('a cancellation out of the log', () => {
  function start(position: { id: number; gaps: number[] }, id: number | string = 1, session = sessionId) {
    const retained: unknown[][] = [];
    let released = 0;
    const retain = (...args: unknown[]) => {
      retained.push(args);
      return () => {
        released += 1;
      };
    };
    const calls = new Calls({ maxCalls: 10, handlerMs: 60_000, heartbeatMs: 60_000, retain, tail: { position } });
    const aborted: unknown[] = [];
    const finish = calls.start({ id, sessionId: session, waitedMs: 0, abort: (reason: unknown) => aborted.push(reason) } as never);
    return { calls, aborted, retained, finish, released: () => released };
  }

  it.each([
    ['ahead of the call', { id: 5, gaps: [] }, 6, true],
    ['in a gap of where the call began', { id: 5, gaps: [3] }, 3, true],
    ['of an earlier call with the same id', { id: 5, gaps: [3] }, 5, false],
    ['of a much earlier call', { id: 5, gaps: [3] }, 2, false],
  ])('%s', (_, position, eventId, isCancelled) => {
    const { calls, aborted } = start(position);
    expect(calls.cancel(sessionId, 1, { reason: 'why', eventId })).toBe(isCancelled);
    expect(aborted.map(error => (error as Error).message)).toEqual(isCancelled ? ['why'] : []);
  });

  it('counts for the session and the type of the id alone', () => {
    const { calls, aborted } = start({ id: 5, gaps: [] });
    expect([calls.cancel('other', 1), calls.cancel(sessionId, '1'), calls.cancel(sessionId, 2)]).toEqual([false, false, false]);
    expect(aborted).toEqual([]);
    expect(calls.cancel(sessionId, 1)).toBe(true);
    expect((aborted[0] as Error).message).toBe('The client cancelled the request');
  });

  it('is listened for from the begin of a call on, once it takes longer than a second, until it ends', async () => {
    const position = { id: 5, gaps: [3] };
    const { calls, retained, finish, released } = start(position);
    await vi.advanceTimersByTimeAsync(999);
    expect(retained).toEqual([]);
    await vi.advanceTimersByTimeAsync(2001);
    expect(retained).toEqual([[sessionId, position]]);
    expect([calls.size, released()]).toEqual([1, 0]);
    finish();
    finish();
    expect([calls.size, released()]).toEqual([0, 1]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
