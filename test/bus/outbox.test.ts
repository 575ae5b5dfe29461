import { describe, expect, it, vi } from 'vitest';
import { Outbox } from '../../src/bus/outbox.ts';

/** An outbox whose sending the test decides on. */
function open() {
  const onFailure = vi.fn();
  const road = { isOpen: true };
  const batches: { topics: unknown; succeed: () => void; fail: (error: Error) => void }[] = [];
  let arrived: () => void = () => {};
  const outbox = new Outbox({
    from: 'test',
    maxBytes: 1_000_000,
    canSend: () => road.isOpen,
    onFailure,
    send: ([text = '']) =>
      new Promise<void>((succeed, fail) => {
        batches.push({ topics: JSON.parse(text).topics, succeed, fail });
        arrived();
      }),
  });
  /** The n-th batch, as soon as it is sent. */
  const batch = async (n: number) => {
    for (;;) {
      const found = batches[n];
      if (found) return found;
      await new Promise<void>(resolve => {
        arrived = resolve;
      });
    }
  };
  return { outbox, road, batches, batch, onFailure };
}

const turn = () => new Promise(setImmediate);

describe('Outbox', () => {
  it('sends the topics of one turn together, each once, and the next ones when those have arrived', async () => {
    const { outbox, batch, batches } = open();
    for (const topic of ['a', 'b', 'a']) outbox.add(topic);
    expect(batches).toHaveLength(0);
    const first = await batch(0);
    expect(first.topics).toEqual(['a', 'b']);
    outbox.add('a');
    await turn();
    outbox.add('c');
    await turn();
    expect(batches).toHaveLength(1);
    first.succeed();
    expect((await batch(1)).topics).toEqual(['a', 'c']);
  });

  it('sends a batch that failed again, with what has come since, by itself', async () => {
    const { outbox, batch, onFailure } = open();
    outbox.add('a');
    const error = new Error('too many notifications');
    (await batch(0)).fail(error);
    await turn();
    outbox.add('b');
    const second = await batch(1);
    expect(new Set(second.topics as string[])).toEqual(new Set(['a', 'b']));
    second.fail(error);
    const third = await batch(2);
    expect(new Set(third.topics as string[])).toEqual(new Set(['a', 'b']));
    third.succeed();
    expect(onFailure.mock.calls).toEqual([[error], [error]]);
  });

  it('keeps what was under way when the road was cut, until it is open again', async () => {
    const { outbox, road, batch, batches } = open();
    outbox.add('a');
    const first = await batch(0);
    outbox.add('b');
    road.isOpen = false;
    first.fail(new Error('cut'));
    await turn();
    outbox.flush();
    await turn();
    expect(batches).toHaveLength(1);
    road.isOpen = true;
    outbox.flush();
    expect(new Set((await batch(1)).topics as string[])).toEqual(new Set(['a', 'b']));
  });

  it('says all instead of more than 10,000 topics, also when that fails at first, and names topics again afterwards', async () => {
    const { outbox, batch } = open();
    for (let i = 0; i < 10_000; i++) outbox.add(String(i));
    const named = await batch(0);
    expect(named.topics).toHaveLength(10_000);
    for (let i = 0; i <= 10_000; i++) outbox.add(String(i));
    named.succeed();
    const all = await batch(1);
    expect(all.topics).toBe('all');
    all.fail(new Error('cut'));
    await turn();
    outbox.add('a');
    const again = await batch(2);
    expect(again.topics).toBe('all');
    again.succeed();
    await turn();
    outbox.add('b');
    expect((await batch(3)).topics).toEqual(['b']);
  });

  it('sends when it is closed what waits for its turn and for the batch under way', async () => {
    const { outbox, batch, batches } = open();
    outbox.add('a');
    const first = await batch(0);
    outbox.add('b');
    const closed = outbox.close(60_000);
    first.succeed();
    const second = await batch(1);
    expect(second.topics).toEqual(['b']);
    second.succeed();
    await closed;
    outbox.add('c');
    outbox.flush();
    await turn();
    expect(batches).toHaveLength(2);
  });

  it('waits no longer than the deadline when it is closed, and forgets what fails later', async () => {
    const { outbox, batch, batches, onFailure } = open();
    outbox.add('a');
    const first = await batch(0);
    await outbox.close(10);
    first.fail(new Error('too late to matter'));
    await turn();
    outbox.flush();
    await turn();
    expect(batches).toHaveLength(1);
    expect(onFailure).not.toHaveBeenCalled();
  });
});
