import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fence, Heard } from './heard.ts';
import { Incidents } from './incidents.ts';
import { Ledger } from './ledger.ts';
import type { Load } from './load.ts';
import { Publications } from './publications.ts';
import { OpenStreams } from './streams.ts';

const idle: Load = { isOverloaded: () => false, stalledMs: () => 0, [Symbol.dispose]: () => {} };
const newLedger = () => new Ledger(new Incidents({ storeMs: 5000, deadMs: 15_000 }, idle), 'test');
const now = () => performance.now();
const lost = { jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'The process has ended' } } as const;
const odd = { jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'Internal error (ref 1)' } } as const;
const done = { jsonrpc: '2.0', id: 1, result: {} } as const;
/** What was done by process a1 in the last nine seconds. */
const doing = () => ({ process: 'a1', from: now() - 9000, until: now() });

function expectBreaches({ broken }: Ledger, ...patterns: RegExp[]): void {
  expect(broken).toEqual(patterns.map(pattern => expect.stringMatching(pattern)));
}

describe('the ledger', () => {
  it('takes one response to a call, and none after it', () => {
    const ledger = newLedger();
    ledger.responded('call', done, doing());
    expect([ledger.broken, ledger.figures.results]).toEqual([[], 1]);
    ledger.incidents.begin('killed', 'a1');
    ledger.responded('call', lost, doing());
    ledger.responded('call', done, doing());
    expectBreaches(ledger, /got a second response/u, /got a second response/u);
  });

  it('lets a call end with an error only if its process was killed or silent', async () => {
    const befallen = (blow: 'killed' | 'closed' | 'flaky', process: string) => {
      const ledger = newLedger();
      ledger.incidents.begin(blow, process);
      ledger.responded('call', lost, doing());
      return ledger.broken.length;
    };
    expect([befallen('killed', 'a1'), befallen('killed', 'b2'), befallen('closed', 'a1'), befallen('flaky', 'a1')]).toEqual([0, 1, 1, 1]);

    // Silence, and at most three since the last sign of life.
    const silent = new Ledger(new Incidents({ storeMs: 5000, deadMs: 3050 }, idle), 'test');
    silent.incidents.begin('paused', 'a1');
    silent.responded('too early', lost, doing());
    await delay(60);
    silent.responded('dead', lost, doing());
    silent.responded('elsewhere', lost, { ...doing(), process: 'b2' });
    silent.responded('odd', odd, doing());
    expectBreaches(silent, /too early got/u, /elsewhere got/u, /odd got/u);
  });

  it('lets requests be refused while the database is away and a while after, and lets none wait', () => {
    const ledger = newLedger();
    ledger.answered('early', { kind: 'refused', doing: doing() });
    const heals = ledger.incidents.begin('away');
    ledger.answered('meanwhile', { kind: 'refused', doing: doing() });
    heals();
    ledger.answered('after', { kind: 'refused', doing: { process: 'a1', from: now() + 5000, until: now() + 6000 } });
    ledger.answered('long after', { kind: 'refused', doing: { process: 'a1', from: now() + 60_000, until: now() + 61_000 } });
    ledger.answered('slow', { kind: 'accepted', doing: { process: 'a1', from: now() - 15_100 } });
    expectBreaches(ledger, /early was refused/u, /long after was refused/u, /slow waited/u);
    expect(ledger.figures.refused).toBe(4);
  });

  it('lets a request wait for a process that stands still, and for no other', () => {
    const ledger = newLedger();
    ledger.incidents.begin('paused', 'a1');
    const from = now();
    const waited = (process: string) => ledger.waited(process, { process, from: from - 5000, until: from + 14_000 });
    waited('a1');
    waited('b2');
    expectBreaches(ledger, /b2 waited 19000 ms/u);
  });

  it('lets connections be cut by a kill alone', () => {
    const ledger = newLedger();
    ledger.incidents.begin('killed', 'a1')();
    ledger.incidents.begin('closed', 'b2')();
    const later = { from: now() + 1000, until: now() + 2000 };
    ledger.answered('killed', { kind: 'cut', doing: { process: 'a1', ...later } });
    ledger.answered('closed', { kind: 'cut', doing: { process: 'b2', ...later } });
    ledger.answered('unknown', { kind: 'cut', doing: { process: undefined, ...later } });
    ledger.answered('odd', { kind: 'failed', status: 500, text: 'oops', doing: { process: 'a1', ...later } });
    expectBreaches(ledger, /closed was cut/u, /unknown was cut/u, /odd was answered 500 oops/u);
  });

  it('lets a call be begun once, and not at all if it was refused', () => {
    const ledger = newLedger();
    ledger.refused('refused');
    ledger.judgeRuns(['one', 'two', 'refused', 'one']);
    expect(ledger.broken).toEqual(['[test] call refused was begun, though it was answered 503', '[test] call one was begun twice']);
  });

  it('lets streams of sessions end with their process, in the middle of a call only if that was killed or silent', () => {
    const { incidents } = newLedger();
    const may = (process: string) => {
      const at = { ...doing(), process };
      return [incidents.mayEndSession(at), incidents.mayEndInCall(at)];
    };
    incidents.begin('closed', 'b1');
    incidents.begin('flaky', 'c1');
    expect([may('b1'), may('c1'), may('a2')]).toEqual([
      [true, false],
      [false, false],
      [false, false],
    ]);
    // Of two that happen at once, neither can know of the other.
    const at = { process: 'b1', from: now() };
    expect([incidents.mayEndInCall({ ...at, until: now() + 400 }), incidents.mayEndInCall({ ...at, until: now() + 600 })]).toEqual([
      true,
      false,
    ]);
    // What could not be written until the deadline of close() is lost.
    incidents.begin('away', 'b1');
    expect(may('b1')).toEqual([true, true]);
    // Until it is known that a process is dead, streams wait for its responses.
    incidents.begin('closed', 'd1');
    expect(may('d1')).toEqual([true, false]);
    incidents.begin('killed', 'a1');
    expect([may('a1'), may('d1')]).toEqual([
      [true, true],
      [true, true],
    ]);
  });

  it('lets a response on a stream that ends be an error where the stream may end in the middle of a call', () => {
    const ledger = newLedger();
    ledger.incidents.begin('killed', 'a1');
    const at = (process: string) => ({ ...doing(), process });
    ledger.responded('lost', lost, at('b1'), at('a1'));
    ledger.responded('broken', lost, at('b1'), at('b1'));
    expectBreaches(ledger, /broken got/u);
    expect(ledger.figures.lost).toBe(1);
  });

  it('counts by what went wrong at the time', () => {
    const ledger = newLedger();
    ledger.count('calls');
    ledger.enter('kill');
    ledger.count('calls', 2);
    ledger.took('wait', now() - 100);
    ledger.enter('test');
    ledger.count('calls');
    expect(ledger.figures.calls).toBe(4);
    expect(ledger.phases).toMatchObject({ test: { calls: 2, turns: 1 }, kill: { calls: 2, turns: 1, durations: { wait: { p50: 100 } } } });
  });
});

describe('what was announced', () => {
  const updated = (uri: string) => ({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }) as const;
  /** A listener that subscribed to some URIs a moment ago, and heard some. */
  const listener = (subscribed: readonly string[], heard: readonly string[]) => {
    const made = new Heard();
    for (const uri of subscribed) made.subscribed.set(uri, now());
    for (const uri of heard) made.take(updated(uri));
    return made;
  };
  const start = async () => {
    const publications = new Publications();
    const [one, two, three] = [publications.take(0), publications.take(0), publications.take(0)];
    const silent = listener([one, two, three], []);
    await publications.note(one, 'a1', async () => {});
    await publications.note(two, 'a1', async () => {});
    await publications.note(three, 'b1', () => Promise.reject(new Error('its process has ended')));
    return { publications, uris: [one, two, three] as const, silent };
  };

  it('must be heard by whoever subscribed before, if it was done', async () => {
    const { publications, uris, silent } = await start();
    expect(publications.missing(silent)).toEqual([uris[0], uris[1]]);
    expect(publications.missing(listener(uris, []))).toEqual([]);
    silent.take(updated(uris[1]));
    expect(publications.missing(silent)).toEqual([uris[0]]);
    silent.mustHearUntil = now() - 1000;
    expect(publications.missing(silent)).toEqual([]);
  });

  it('is heard once, in the order in which one process announced it', async () => {
    const { publications, uris } = await start();
    const [one, two, three] = uris;
    expect(publications.oddities(listener(uris, [one, two, three]))).toEqual([]);
    expect(publications.oddities(listener(uris, [three, one, two]))).toEqual([]);
    expect(publications.oddities(listener(uris, [two, one]))).toEqual([`heard of ${two} before ${one}`]);
    expect(publications.oddities(listener(uris, [one, two, one]))).toContain(`heard of ${one} 2 times`);
    expect(publications.oddities(listener(uris, ['test://item/other']))).toEqual(['heard of test://item/other, which nobody announced']);
    // Who comes back without a position may hear things again.
    expect(publications.oddities(Object.assign(listener(uris, [two, one, two]), { isExact: false }))).toEqual([]);
  });

  it('is carried by every stream that was open, or the stream is deaf', () => {
    const streams = new OpenStreams();
    const openedAt = now();
    const [deaf, hearing, closing] = [listener([fence], []), listener([fence], []), listener([fence], [])];
    streams.open({ name: 'deaf', process: 'a1', openedAt, heard: deaf });
    streams.open({ name: 'hearing', process: 'a1', openedAt, heard: hearing });
    streams.open({ name: 'closing', process: 'a1', openedAt, heard: closing })();
    const at = now();
    streams.open({ name: 'late', process: 'a1', openedAt: now(), heard: listener([], []) });
    expect(streams.deafSince(at).map(({ name }) => name)).toEqual(['deaf', 'hearing']);
    hearing.take(updated(fence));
    expect(streams.deafSince(at).map(({ name }) => name)).toEqual(['deaf', 'hearing']);
    hearing.take({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
    expect(streams.deafSince(at).map(({ name }) => name)).toEqual(['deaf']);
  });
});
