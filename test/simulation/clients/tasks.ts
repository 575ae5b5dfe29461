import { tasksExtension } from '../../../src/protocol/revisions.ts';
import type { Random } from '../../chaos/random.ts';
import type { HttpRequest, Outcome } from '../http.ts';
import { checkOwner } from '../task-checks.ts';
import type { TaskRecord, TaskSight } from '../task-ledger.ts';
import type { Message } from './client.ts';
import { Client } from './client.ts';
import { modernPost } from './modern.ts';

/** What a task of the client does. */
interface TaskPlan {
  readonly tool: 'toil' | 'leave';
  readonly args: Record<string, unknown>;
  readonly isCancelled: boolean;
}

/** Tasks that a client follows at once. */
const maxFollowed = 4;

/** A client of 2026-07-28 that starts tasks, looks at them through whichever process until they have ended, and cancels some of them. */
export class TaskClient extends Client {
  readonly #following = new Set<Promise<void>>();

  protected async run(): Promise<void> {
    while (this.world.isActing) {
      if (this.#following.size < maxFollowed) {
        const following: Promise<void> = this.#startTask().finally(() => this.#following.delete(following));
        this.#following.add(following);
      }
      await this.sleep(this.random.between(50, 3000));
    }
    await Promise.all(this.#following);
    this.isIdle = true;
  }

  async probe(): Promise<void> {}

  hasHeard(): boolean {
    return true;
  }

  async leave(): Promise<void> {}

  async #startTask(): Promise<void> {
    const { ledger, world, random } = this;
    const key = `${this.name}:${this.newId()}`;
    const plan = choosePlan(key, random, this.longMs);
    const record = ledger.tasks.record(key, plan.tool);
    const sent = await this.send(this.#request('tools/call', { name: plan.tool, arguments: plan.args }));
    const message = sent && readMessage(sent.outcome);
    record.node = sent?.node.name;
    const taskId = message?.result?.['taskId'];
    if (typeof taskId !== 'string') {
      // Whether there is a task that nobody knows of depends on where the connection broke.
      if (message !== undefined && !isRefusal(message))
        ledger.breach(6, 'an unexpected answer', `${key}: tools/call: ${JSON.stringify(message)}`);
      return;
    }
    record.started(taskId);
    if (plan.isCancelled) void this.#cancelSoon(record);
    for (let isOver = false; !isOver && !world.isLeaving; ) {
      await this.sleep(random.between(100, 3000));
      if (random.chance(0.1)) await this.#pry(record);
      isOver = (await this.#look(record))?.isEnd === true;
    }
    // Another process says the same.
    for (let looks = 0; looks < 2 && !world.isLeaving; looks += 1) {
      await this.sleep(random.between(1, 5000));
      await this.#look(record);
    }
  }

  /** Looks at a task once. `undefined` if there was no answer. */
  async #look(record: TaskRecord): Promise<TaskSight | undefined> {
    const sent = await this.send(this.#request('tasks/get', { taskId: record.taskId }));
    const message = sent && readMessage(sent.outcome);
    if (message === undefined || isRefusal(message)) return undefined;
    const sight = record.seen(message);
    checkOwner(record, this.world);
    return sight;
  }

  async #cancelSoon(record: TaskRecord): Promise<void> {
    await this.sleep(this.random.between(1, 4000));
    record.isCancelling = true;
    const sent = await this.persist(() => this.#request('tasks/cancel', { taskId: record.taskId }));
    if (sent?.outcome.status !== 200) return;
    record.cancelledMs = this.world.scheduler.now;
  }

  /** Asks for the task as somebody else. */
  async #pry(record: TaskRecord): Promise<void> {
    const sent = await this.send(this.#request('tasks/get', { taskId: record.taskId }, 'eve'));
    const message = sent && readMessage(sent.outcome);
    if (message?.result !== undefined)
      this.ledger.breach(11, 'a task of another caller is shown', `${record.key}: ${JSON.stringify(message)}`);
  }

  #request(method: string, params: Record<string, unknown>, user = this.name): HttpRequest {
    return modernPost({
      id: this.newId(),
      client: this.name,
      method,
      params,
      user,
      capabilities: { extensions: { [tasksExtension]: {} } },
    });
  }
}

function choosePlan(key: string, random: Random, longMs: number): TaskPlan {
  const kind = random.next();
  if (kind < 0.35) return { tool: 'leave', args: { key }, isCancelled: random.chance(0.2) };
  if (kind < 0.55) return { tool: 'toil', args: { key, ms: longMs }, isCancelled: true };
  return { tool: 'toil', args: { key, ms: random.pick([1, 100, 2000, 10_000]) }, isCancelled: random.chance(0.1) };
}

function readMessage(outcome: Outcome): Message | undefined {
  if (outcome.kind !== 'answer' || outcome.isStream || outcome.text === '') return undefined;
  return JSON.parse(outcome.text) as Message;
}

/** Whether the process could not do what it was asked: it is closing, or the database is away. */
function isRefusal({ error }: Message): boolean {
  return error?.code === -32603;
}
