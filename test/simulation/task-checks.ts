import { hasGoneSilent, hasGoodDatabase } from './checks.ts';
import type { SimNode } from './node.ts';
import type { TaskRecord } from './task-ledger.ts';
import type { World } from './world.ts';

/** Milliseconds within which processes have ended that were about to when everything was healed. */
const calmMs = 30_000;

/** Milliseconds within which a database that works has stored a change. */
const savedMs = 3000;

/** Holds the end of each task to what its handler and the workers did. */
export function checkTasks(world: World): void {
  for (const record of world.ledger.tasks.all) checkTask(record, world);
}

/** Holds a task that has not ended, and that somebody asks for, to the time after which that of a dead process fails. */
export function checkOwner({ key, tool, end, node: name, askedSinceMs }: TaskRecord, { ledger, nodes, settings, scheduler }: World): void {
  const isDead = nodes.find(node => node.name === name)?.isAlive === false;
  if (end !== undefined || askedSinceMs === undefined || tool === 'leave' || !isDead) return;
  const { sessions, limits } = settings;
  const waitedMs = scheduler.now - askedSinceMs;
  if (waitedMs > calmMs + 2 * sessions.deadMs + 4 * limits.storeMs)
    ledger.breach(11, 'a task of a dead process does not fail', `${key} of ${name}, asked for for ${Math.round(waitedMs)} ms`);
}

function checkTask(record: TaskRecord, world: World): void {
  const { key, end, node: name, isCancelling, tried, completed } = record;
  const { ledger, nodes } = world;
  const handled = ledger.handled.get(key);
  const node = nodes.find(each => each.name === (handled?.node ?? name));
  // The client waits for it, which is a breach of its own, or never got its id.
  if (end === undefined) return;
  const { status, text } = end;
  if (status === 'cancelled' && !isCancelling) ledger.breach(11, 'a task was cancelled that its client wanted', key);
  const isOfHandler = record.tool === 'toil' ? text === handled?.text : tried.includes(text ?? '');
  if (status === 'completed' && !isOfHandler) ledger.breach(11, 'a task has a wrong result', `${key}: ${text}`);
  if (completed !== undefined && text !== completed)
    ledger.breach(11, 'a task has a wrong result', `${key}: ${status} ${text}, though a worker was told that ${completed} ended it`);
  if (node === undefined) return;
  // What was handed over depends on its process until that is a row.
  const isRow = record.tool === 'leave' && hasGoodDatabase(world.settings);
  const to = isRow && handled?.endedMs !== undefined ? handled.endedMs + savedMs : world.scheduler.now;
  if (status === 'failed' && !isDisturbed(node, { from: record.startedMs, to }, world))
    ledger.breach(11, 'a task failed though its process lives', `${key} on ${node.name}: ${text}`);
  if (status === 'cancelled' && record.cancelledMs !== undefined) checkCancelled(record, node, world);
}

function checkCancelled({ key, cancelledMs = 0 }: TaskRecord, node: SimNode, world: World): void {
  const { endedMs = world.scheduler.now } = world.ledger.handled.get(key) ?? {};
  if (endedMs > cancelledMs + world.deafMs && !isDisturbed(node, { from: cancelledMs, to: world.scheduler.now }, world))
    world.ledger.breach(8, 'a cancellation was ignored', `the task ${key} ran on ${node.name} for ${Math.round(endedMs - cancelledMs)} ms`);
}

/** Whether a process may have been taken for dead in that time, or could not keep what it had done. */
function isDisturbed(node: SimNode, { from, to }: { from: number; to: number }, { settings }: World): boolean {
  return hasGoneSilent(node, { from, to, doneMs: undefined, deadMs: settings.sessions.deadMs });
}
