import { expect, it } from 'vitest';
import { simulate } from './simulate.ts';

it('finds no promise broken in 300 schedules', async () => {
  // Behind those of `simulation.test.ts`.
  const { breaches, schedules } = await simulate({ from: 81, seeds: 300 });
  expect(breaches).toEqual([]);
  expect(schedules).toBe(300);
}, 900_000);
