import { describe, expect, it } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { busSuite } from './suite.ts';
import { listen, settle } from './woken.ts';

busSuite('memory', async () => {
  let report: ((error: Error) => void) | undefined;
  const bus = memoryBus({ onError: error => report?.(error) });
  return {
    isQuiet: true,
    // Within a process there is one.
    bus: async ({ onError }) => {
      report ??= onError;
      return bus;
    },
    close: async () => {},
  };
});

describe('memoryBus', () => {
  it('is ready until it is closed, and calls nobody afterwards', async () => {
    const bus = memoryBus();
    const woken = listen(bus);
    expect(bus.ready).toBe(true);
    bus.publish(woken.topic);
    await bus.close();
    bus.publish(woken.topic);
    expect(bus.subscribe('late', () => {})).toBeTypeOf('function');
    await new Promise(setImmediate);
    expect([woken.count, bus.ready]).toEqual([0, false]);
  });

  it('reports to whoever listens, until that stops', async () => {
    const bus = memoryBus();
    const errors: Error[] = [];
    const stop = bus.onError?.(error => errors.push(error));
    bus.publish('');
    expect(errors).toHaveLength(1);
    stop?.();
    const warning = new Promise<Error>(resolve => process.once('warning', resolve));
    bus.publish('');
    expect(await warning).toMatchObject({ name: 'KoaMcpWarning' });
    expect(errors).toHaveLength(1);
  });

  it('reports to the host’s own `onError` alone', () => {
    const [own, others]: [Error[], Error[]] = [[], []];
    const bus = memoryBus({ onError: error => own.push(error) });
    bus.onError?.(error => others.push(error));
    bus.publish('');
    expect([own.length, others.length]).toEqual([1, 0]);
  });

  it.each([
    ['there is none', undefined],
    [
      'it throws itself',
      () => {
        throw new Error('onError is broken');
      },
    ],
  ])('warns of a failure where `onError` is missing: %s', async (_, onError) => {
    const warning = new Promise<Error>(resolve => process.once('warning', resolve));
    const bus = memoryBus(onError && { onError });
    bus.publish('');
    expect(await warning).toMatchObject({ name: 'KoaMcpWarning', message: expect.stringContaining('A topic has 1 to 200 characters') });
    await settle(bus, bus);
  });
});
