import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import { listen, settle, untilReady } from './woken.ts';

/** Buses that reach each other, each as a process of its own would have it. */
export interface Network {
  /** One more process's bus. */
  bus(options: { onError: (error: Error) => void }): Promise<Bus>;
  /** Whether a listener is only woken for a reason, and not at times. */
  readonly isQuiet: boolean;
  close(): Promise<void>;
}

/** What every `Bus` must do. */
export function busSuite(name: string, make: () => Promise<Network>): void {
  describe(`bus: ${name}`, () => {
    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    let network: Network;
    let a: Bus;
    let b: Bus;
    let c: Bus;
    beforeAll(async () => {
      network = await make();
      [a, b, c] = [await network.bus({ onError }), await network.bus({ onError }), await network.bus({ onError })];
      await untilReady(a, b, c);
    });
    afterAll(async () => {
      await Promise.all([a, b, c].map(bus => bus.close()));
      await network.close();
      expect(errors).toEqual([]);
    });
    const errorsSince = async (act: () => unknown) => {
      await act();
      return errors.splice(0).map(({ name: kind, message }) => `${kind}: ${message}`);
    };

    it('wakes the subscribers of every process, its own among them', async () => {
      const topic = randomUUID();
      const woken = [a, b, c, a].map(bus => listen(bus, topic));
      b.publish(topic);
      await Promise.all(woken.map(each => each.times(1)));
      for (const each of woken) each.stop();
    });

    it('wakes nobody for another topic', async () => {
      const [near, far] = [listen(a), listen(b)];
      for (const topic of [`${near.topic}x`, near.topic.slice(1), near.topic.toUpperCase().replace(/^/, ' ')]) a.publish(topic);
      await settle(a, a);
      await settle(a, b);
      if (network.isQuiet) expect([near.count, far.count]).toEqual([0, 0]);
      near.stop();
      far.stop();
    });

    it('makes one call out of many wake-ups of one turn', async () => {
      const topic = randomUUID();
      const [near, far] = [listen(a, topic), listen(b, topic)];
      for (let i = 0; i < 500; i++) a.publish(topic);
      await Promise.all([near.times(1), far.times(1)]);
      await settle(a, a);
      await settle(a, b);
      const most = network.isQuiet ? 1 : 50;
      expect(near.count).toBeLessThanOrEqual(most);
      expect(far.count).toBeLessThanOrEqual(most);
      near.stop();
      far.stop();
    });

    it('calls no listener within publish', async () => {
      const near = listen(a);
      a.publish(near.topic);
      expect(near.count).toBe(0);
      await near.times(1);
      near.stop();
    });

    it('wakes again for what is published while a listener runs', async () => {
      const topic = randomUUID();
      let calls = 0;
      await new Promise<void>(resolve => {
        const stop = b.subscribe(topic, () => {
          calls += 1;
          if (calls < 5) {
            b.publish(topic);
            return;
          }
          stop();
          resolve();
        });
        a.publish(topic);
      });
      expect(calls).toBe(5);
    });

    it('stops calling a listener that was taken out, and only that one', async () => {
      const topic = randomUUID();
      const [gone, stays] = [listen(b, topic), listen(b, topic)];
      a.publish(topic);
      await Promise.all([gone.times(1), stays.times(1)]);
      gone.stop();
      gone.stop();
      const { count } = gone;
      a.publish(topic);
      await stays.next();
      await settle(a, b);
      expect(gone.count).toBe(count);
      stays.stop();
    });

    it('does not call a listener that was taken out after the wake-up', async () => {
      const near = listen(a);
      a.publish(near.topic);
      near.stop();
      await settle(a, a);
      expect(near.count).toBe(0);
    });

    it('does not call a listener that another one takes out in the same turn', async () => {
      const topic = randomUUID();
      const last = vi.fn();
      const stopFirst = a.subscribe(topic, () => stopLast());
      const stopLast = a.subscribe(topic, last);
      a.publish(topic);
      await settle(a, a);
      expect(last).not.toHaveBeenCalled();
      stopFirst();
    });

    it('calls a listener that is added by another one only from the next wake-up on', async () => {
      const topic = randomUUID();
      const added: (() => void)[] = [];
      const stop = a.subscribe(topic, function add() {
        if (added.length < 1_000) added.push(a.subscribe(topic, add));
      });
      a.publish(topic);
      await settle(a, a);
      expect(added.length).toBeLessThan(1_000);
      for (const stopAdded of [stop, ...added]) stopAdded();
    });

    it('keeps two subscriptions of one function apart', async () => {
      const topic = randomUUID();
      const listener = vi.fn();
      const [first, second] = [a.subscribe(topic, listener), a.subscribe(topic, listener)];
      first();
      a.publish(topic);
      await settle(a, a);
      expect(listener).toHaveBeenCalled();
      second();
    });

    it('wakes the others when a listener throws or rejects, and reports both', async () => {
      const topic = randomUUID();
      const before = listen(b, topic);
      // A function that returns a promise is a `() => void` too.
      const reject: () => unknown = async () => {
        stops[1]?.();
        throw new Error('rejected by a listener');
      };
      const stops: (() => void)[] = [
        b.subscribe(topic, () => {
          stops[0]?.();
          throw new Error('thrown by a listener');
        }),
        b.subscribe(topic, reject),
      ];
      const after = listen(b, topic);
      const reported = await errorsSince(async () => {
        a.publish(topic);
        await Promise.all([before.times(1), after.times(1)]);
        await settle(a, b);
      });
      expect(reported.sort()).toEqual(['Error: rejected by a listener', 'Error: thrown by a listener']);
      before.stop();
      after.stop();
    });

    it('carries topics with quotes, colons, control characters and any script, up to 200 characters', async () => {
      const topics = [
        `it's "quoted" \\ $1 $$ ; DROP TABLE session; --`,
        'session:1:stream:2',
        'Größe/日本/🦊',
        '\u0000\n\r\t\u2028',
        '\ud800 alone',
        ' ',
        '__proto__',
        'all',
        'x'.repeat(200),
        '字'.repeat(200),
        '\u0001'.repeat(200),
      ];
      const woken = topics.map(topic => listen(b, topic));
      for (const topic of topics) a.publish(topic);
      await Promise.all(woken.map(each => each.times(1)));
      for (const each of woken) each.stop();
    });

    it('reports an impossible topic when it is published, and throws when it is subscribed', async () => {
      for (const topic of ['', 'x'.repeat(201)]) {
        const reported = await errorsSince(() => a.publish(topic));
        expect(reported).toEqual([
          `RangeError: A topic has 1 to 200 characters, this one has ${topic.length}; use an id, and keep what it is about in the database`,
        ]);
        expect(() => a.subscribe(topic, () => {})).toThrow(RangeError);
      }
    });

    it('carries 1,000 topics at once', async () => {
      const woken = Array.from({ length: 1000 }, () => listen(b));
      for (const { topic } of woken) a.publish(topic);
      await Promise.all(woken.map(each => each.times(1)));
      if (network.isQuiet) expect(woken.map(each => each.count)).toEqual(woken.map(() => 1));
      for (const each of woken) each.stop();
    });

    it('loses nothing of 8 processes that publish at the same time', async () => {
      const publishers = await Promise.all(Array.from({ length: 8 }, () => network.bus({ onError })));
      await untilReady(...publishers);
      const woken = publishers.map(() => Array.from({ length: 50 }, () => listen(a)));
      await Promise.all(
        publishers.map(async (bus, i) => {
          for (const { topic } of woken[i] ?? []) {
            bus.publish(topic);
            await new Promise(setImmediate);
          }
        }),
      );
      await Promise.all(woken.flat().map(each => each.times(1)));
      for (const each of woken.flat()) each.stop();
      await Promise.all(publishers.filter(bus => bus !== a).map(bus => bus.close()));
    });

    it('sends what was published before it was closed, and then does nothing more', async () => {
      const bus = await network.bus({ onError });
      if (bus === a) return;
      await untilReady(bus);
      const [near, far] = [listen(bus), listen(a)];
      bus.publish(far.topic);
      await Promise.all([bus.close(), bus.close()]);
      await far.times(1);
      expect(bus.ready).toBe(false);
      bus.publish(near.topic);
      bus.subscribe(near.topic, () => expect.unreachable())();
      a.publish(near.topic);
      await settle(a, a);
      expect(near.count).toBe(0);
      far.stop();
    });
  });
}
