import type { Random } from '../chaos/random.ts';
import type { World } from './world.ts';

/** Milliseconds after which a queue gives a job to another worker. */
const retryMs = 8000;

/** Works off the jobs of tasks that handlers have handed over: each in whichever process lives, again in another one if that one fails. */
export async function workOff(world: World, random: Random): Promise<void> {
  const { scheduler, ledger } = world;
  while (!world.isLeaving) {
    for (const [key, taskId] of [...ledger.tasks.handedOver]) {
      ledger.tasks.handedOver.delete(key);
      void work({ world, random, key, taskId });
    }
    await scheduler.sleep(200);
  }
}

interface Job {
  readonly world: World;
  readonly random: Random;
  readonly key: string;
  readonly taskId: string;
}

async function work({ world, random, key, taskId }: Job): Promise<void> {
  const { scheduler, ledger } = world;
  const record = ledger.tasks.of(key);
  await scheduler.sleep(random.pick([1, 100, 2000, 8000, 60_000]));
  for (let run = 1; record !== undefined && !world.isLeaving; run += 1) {
    const text = `${key} in run ${run}`;
    record.tried.push(text);
    const node = world.living.length > 0 ? random.pick(world.living) : undefined;
    // It never settles if the process dies.
    const completing = node && scheduler.ask(node.owner, `complete ${key}`, () => node.mcp.tasks.complete(taskId, text));
    const noted = completing?.then(
      hasEnded => {
        if (hasEnded) record.completes(text);
        return hasEnded;
      },
      () => undefined,
    );
    const hasEnded = await Promise.race([noted, scheduler.sleep(retryMs)]);
    if (typeof hasEnded === 'boolean') return;
    await scheduler.sleep(random.between(100, 2000));
  }
}
