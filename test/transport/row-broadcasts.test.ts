import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RowBroadcasts } from '../../src/transport/row-broadcasts.ts';

const everyMs = 1000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function open(fail?: Error) {
  const told: (readonly string[])[] = [];
  const errors: unknown[] = [];
  const broadcasts = new RowBroadcasts({
    everyMs,
    tell: rows => {
      told.push(rows);
      return fail === undefined ? Promise.resolve() : Promise.reject(fail);
    },
    onError: error => void errors.push(error),
  });
  return { broadcasts, told, errors };
}

it('broadcasts the first change at once, and later ones together, each once', async () => {
  const { broadcasts, told } = open();
  broadcasts.add(['booking:1']);
  await after(0);
  broadcasts.add(['booking:1', 'booking:2']);
  await after(everyMs / 2);
  broadcasts.add(['booking:2']);
  expect(told).toEqual([['booking:1']]);
  await after(everyMs / 2);
  expect(told).toEqual([['booking:1'], ['booking:1', 'booking:2']]);
});

it('tells more than 500 changes as changes of their models', async () => {
  const { broadcasts, told } = open();
  broadcasts.add([...Array.from({ length: 500 }, (_, id) => `booking:${id}`), 'client:a:b']);
  await after(0);
  expect(told).toEqual([['booking:*', 'client:*']]);
});

it('reports a broadcast that fails, and goes on', async () => {
  const failure = new Error('away');
  const { broadcasts, told, errors } = open(failure);
  broadcasts.add(['booking:1']);
  await after(0);
  expect(errors).toEqual([failure]);
  broadcasts.add(['booking:2']);
  await broadcasts.flush();
  expect(told).toEqual([['booking:1'], ['booking:2']]);
});
