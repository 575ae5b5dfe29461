import type { Message } from './clients/client.ts';
import type { Ledger } from './ledger.ts';

/** What a client saw of a task at one look. */
export interface TaskSight {
  readonly status: string;
  /** The text of the result, or the message of the error. */
  readonly text: string | undefined;
  readonly isEnd: boolean;
}

/** What is known of one task. */
export class TaskRecord {
  readonly key: string;
  readonly tool: 'toil' | 'leave';
  readonly #ledger: Ledger;
  /** `''` until the client knows it. */
  taskId = '';
  /** The process that the call was sent to. */
  node: string | undefined;
  /** Virtual time at which the client got the id. */
  startedMs = 0;
  /** Whether its client has begun to cancel it. */
  isCancelling = false;
  /** Virtual time at which its cancellation was acknowledged. */
  cancelledMs: number | undefined;
  /** How it ended, as somebody saw it first. */
  end: TaskSight | undefined;
  /** The text with which a worker ended it, if it was told that it did. */
  completed: string | undefined;
  /** Texts with which workers tried to end it. */
  readonly tried: string[] = [];
  /** Since when somebody is asking for it although nothing is broken any more; virtual time. */
  askedSinceMs: number | undefined;

  constructor(key: string, tool: 'toil' | 'leave', ledger: Ledger) {
    this.key = key;
    this.tool = tool;
    this.#ledger = ledger;
  }

  started(taskId: string): void {
    this.taskId = taskId;
    this.startedMs = this.#ledger.scheduler.now;
  }

  /** Takes that a worker was told that it has ended the task. */
  completes(text: string): void {
    if (this.completed !== undefined)
      this.#ledger.breach(11, 'a task was completed twice', `${this.key}: with ${this.completed}, then with ${text}`);
    this.completed ??= text;
  }

  /** Takes the answer to a `tasks/get`. */
  seen({ result, error }: Message): TaskSight | undefined {
    const ledger = this.#ledger;
    if (result === undefined) {
      ledger.breach(11, 'a task was lost', `${this.key}: ${error?.code} ${error?.message}`);
      return undefined;
    }
    const sight = readTask(result);
    ledger.scheduler.trace(`${this.key} is seen ${sight.status} ${sight.text ?? ''}`);
    const { end } = this;
    if (end !== undefined && (end.status !== sight.status || end.text !== sight.text))
      ledger.breach(11, 'a task ended twice', `${this.key}: ${end.status} ${end.text}, then ${sight.status} ${sight.text}`);
    if (sight.isEnd) this.end ??= sight;
    if (ledger.tasks.isHealed) this.askedSinceMs ??= ledger.scheduler.now;
    return sight;
  }
}

/** The tasks of a schedule. */
export class TaskLedger {
  readonly #ledger: Ledger;
  readonly all: TaskRecord[] = [];
  /** Tasks that handlers have handed over and no worker has taken, by key. */
  readonly handedOver = new Map<string, string>();
  /** Whether nothing is broken any more. */
  isHealed = false;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  record(key: string, tool: TaskRecord['tool']): TaskRecord {
    const record = new TaskRecord(key, tool, this.#ledger);
    this.all.push(record);
    return record;
  }

  of(key: string): TaskRecord | undefined {
    return this.all.find(record => record.key === key);
  }
}

function readTask(task: Record<string, unknown>): TaskSight {
  const status = String(task['status']);
  const result = task['result'] as { content?: { text?: string }[] } | undefined;
  const error = task['error'] as { message?: string } | undefined;
  const text = result?.content?.[0]?.text ?? error?.message;
  return { status, text, isEnd: ['completed', 'failed', 'cancelled'].includes(status) };
}
