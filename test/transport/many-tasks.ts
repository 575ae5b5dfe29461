import { expect } from 'vitest';
import type { Store } from '../../src/index.ts';
import { client, endpointsWith, session, startTask, until } from './task-endpoints.ts';

const endpoint = endpointsWith({ quick: { description: 'Ends at once', task: 'optional', handler: () => 'done' } });

/**
 * Starts tasks in two processes and collects each result from one of them. Then starts as many whose time is a second, and waits until their rows
 * are gone and those of the others are not.
 */
export async function expectNoneLost(store: Store, count: number): Promise<void> {
  const options = {
    limits: { maxTasks: 2 * count, maxCalls: 2 * count, storeMs: 30_000 },
    sessions: { lookMs: 250, sweepMs: 250, deadMs: 60_000 },
  };
  await using a = await endpoint(store, options);
  await using b = await endpoint(store, options);
  const [here, there] = [client(a), client(b)];
  const ids = await inLanes(count, index => startTask(index % 2 === 0 ? here : there, 'quick'));
  expect(new Set(ids).size).toBe(count);
  const ended = await inLanes(count, async index => {
    const [of, taskId] = [index % 3 === 0 ? there : here, ids[index] as string];
    await until(of, taskId, 'completed');
    return (await of.result('tasks/get', { taskId })).result.content[0].text;
  });
  expect(ended).toEqual(Array(count).fill('done'));
  expect((await store.taskVersions(ids)).size).toBe(count);
  const ada = await session(a);
  const call = { name: 'quick', task: { ttl: 1000 } };
  const short = await inLanes(count, async () => (await ada.result('tools/call', call)).task.taskId as string);
  await expect.poll(async () => (await store.taskVersions(short)).size, { timeout: 60_000 }).toBe(0);
  expect((await store.taskVersions(ids)).size).toBe(count);
}

/** Calls that are under way at once. */
const lanes = 25;

/** Does some work for each index, for a few at a time. Returns the results in the order of the indexes. */
async function inLanes<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
