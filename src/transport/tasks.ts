import { randomBytes } from 'node:crypto';
import { releaseOnce } from '../delivery/release.ts';
import { McpError } from '../errors.ts';
import type { Call, ListedTaskState, NewTask, TaskState, Tasks } from '../protocol/call.ts';
import { CallEnded, Cancelled, Deferred } from '../protocol/call.ts';
import type { CallToolResult, JsonObject } from '../protocol/definitions.ts';
import type { Observed } from '../protocol/observed.ts';
import { note } from '../protocol/observed.ts';
import { encodeError } from '../protocol/tasks.ts';
import { PrincipalCap } from '../session/principal-cap.ts';
import type { Task } from '../store/store.ts';
import { elsewhere, hasEnded } from '../store/store.ts';
import { runAt } from '../timing.ts';
import { InFlight } from './calls.ts';
import { toMcpError } from './http.ts';
import { answered, Forwarding, TaskAsker } from './task-questions.ts';
import type { TaskChange, TaskListener, TaskRowsOptions } from './task-rows.ts';
import { TaskRows } from './task-rows.ts';

/** The options of `TaskRuns`. */
export interface TaskRunsOptions extends TaskRowsOptions {
  /** Milliseconds that a task is kept, from its start, by default and at most. A task that still runs then is given up. */
  readonly taskMs: number;
  /** Tasks of one principal that run at the same time, and those that have ended and are kept. All guests are one principal. */
  readonly maxTasks: number;
  /** Milliseconds that a handler waits for an answer of its client. */
  readonly inputMs: number;
}

/** The shortest time that a task is kept, in ms, whatever its client asks for. */
const shortestMs = 1000;
/** The shortest time between two reports of a task's progress, in ms. */
const progressMs = 1000;

/**
 * The tasks of an endpoint. Every process finds all of them in the database. A task runs in the process that started it, and fails if that process
 * dies, unless its handler has handed the work over: then any process ends it.
 */
export class TaskRuns implements Tasks {
  readonly #options: TaskRunsOptions;
  readonly #rows: TaskRows;
  readonly #cap: PrincipalCap;
  readonly #running = new Map<string, Call>();
  readonly #inFlight = new InFlight();
  #isClosed = false;

  constructor(options: TaskRunsOptions) {
    this.#options = options;
    this.#rows = new TaskRows(options);
    const { store, maxTasks, onError } = options;
    this.#cap = new PrincipalCap({ max: maxTasks, evict: principal => store.evictTasks(principal, maxTasks), onError });
  }

  /** How many tasks run in this process. */
  get size(): number {
    return this.#inFlight.size;
  }

  async start(call: Call, { tool, ttlMs, run }: NewTask): Promise<TaskState> {
    const { store, node, nodes, tail, taskMs } = this.#options;
    const principal = call.principal ?? null;
    await this.#assertRoom(principal);
    const now = Date.now();
    const keptMs = Math.min(taskMs, Math.max(shortestMs, Math.floor(ttlMs ?? taskMs)));
    const task: Task = {
      id: randomBytes(32).toString('base64url'),
      principal,
      sessionId: call.sessionId ?? null,
      tool,
      node,
      status: 'working',
      statusMessage: null,
      isError: false,
      questions: '{}',
      result: null,
      version: 0,
      createdAt: new Date(now),
      lastUpdatedAt: new Date(now),
      expiresAt: new Date(now + keptMs),
    };
    const release = releaseOnce(nodes.hold(), tail.hold());
    try {
      await tail.start();
      await store.createTask(task);
      if (this.#isClosed) throw new McpError('InternalError', 'The server is closing, nothing was done; try again', { status: 503 });
    } catch (error) {
      // The row may be there although the answer of the database is not.
      void this.#settle(task, failed(new McpError('InternalError', 'The task was not started'))).then(release);
      throw error;
    }
    this.#cap.added(principal);
    this.#inFlight.begin();
    void this.#run(task, call, run).finally(() => {
      release();
      this.#inFlight.finish();
    });
    return task;
  }

  async find(principal: string | null, id: string): Promise<TaskState | undefined> {
    const task = await this.#rows.find(id);
    return task?.principal === principal ? task : undefined;
  }

  list(principal: string | null, take: number, after?: Pick<Task, 'createdAt' | 'id'>): Promise<ListedTaskState[]> {
    return this.#options.store.listTasks({ principal, now: new Date(), take, after });
  }

  /** The task, of whichever principal. */
  get(id: string): Promise<Task | undefined> {
    return this.#rows.find(id);
  }

  async answer(id: string, answers: JsonObject): Promise<void> {
    await this.#rows.change(id, task => answered(task, answers));
  }

  async cancel(id: string): Promise<boolean> {
    const changed = await this.#rows.change(id, () => cancelled('The client cancelled the task'));
    return changed?.isChanged === true;
  }

  async ended(call: Call, id: string): Promise<TaskState | undefined> {
    await this.#options.tail.start();
    const forwarding = new Forwarding(call, (key, answer) => this.#rows.change(id, task => answered(task, { [key]: answer })));
    let release: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        let cancelExpiry: (() => void) | undefined;
        const unwatch = this.#rows.watch(id, task => {
          if (task === undefined || hasEnded(task)) return resolve(task);
          cancelExpiry ??= runAt(task.expiresAt, () => resolve(undefined));
          forwarding.forward(task);
        });
        const abort = () => reject(call.signal.reason as Error);
        call.signal.addEventListener('abort', abort);
        release = releaseOnce(
          unwatch,
          () => cancelExpiry?.(),
          () => call.signal.removeEventListener('abort', abort),
        );
      });
    } finally {
      release?.();
      forwarding.end();
    }
  }

  /** Ends a task as its handler would, with the result of `work` or the error that it throws. Returns whether this call ended the task. */
  async end(id: string, work: () => Promise<CallToolResult>, report: (error: unknown) => string): Promise<boolean> {
    const end = await endOf(work, report);
    const changed = await this.#rows.change(id, () => end);
    return changed?.isChanged === true;
  }

  /** Sets the message of a task. Returns whether the task is open. */
  async progress(id: string, text: string): Promise<boolean> {
    const changed = await this.#rows.change(id, () => ({ statusMessage: text.slice(0, maxReport) }));
    return changed?.isChanged === true;
  }

  /** Calls `listener` with a task now and after each change, until the returned function is called. */
  watch(id: string, listener: TaskListener): () => void {
    return this.#rows.watch(id, listener);
  }

  /** Waits at most `deadlineMs` until no task runs. Tasks that still run then fail. */
  async drain(deadlineMs: number): Promise<void> {
    await this.#inFlight.idle(deadlineMs);
    this.#isClosed = true;
    const closing = new McpError('InternalError', 'The server was closed; whether the task took effect is unknown');
    for (const call of [...this.#running.values()]) call.abort(closing);
  }

  /** Waits at most `deadlineMs` until the ends of all tasks are rows, then stops looking at rows. */
  async close(deadlineMs: number): Promise<void> {
    await this.#inFlight.idle(deadlineMs);
    this.#rows.close();
    await this.#cap.settle();
  }

  /** @throws {McpError} -32600 The principal has `maxTasks` tasks that run. */
  async #assertRoom(principal: string | null): Promise<void> {
    const { store, maxTasks } = this.#options;
    const nodes = await store.runningTasks(principal, new Date(), maxTasks);
    if (nodes.length < maxTasks) return;
    // Tasks of dead processes make room.
    for (const node of new Set(nodes)) this.#rows.watchOwner(node);
    throw new McpError(
      'InvalidRequest',
      `Too many tasks at once of this caller (${maxTasks}, limits.maxTasks); wait until one has ended, or cancel one`,
    );
  }

  async #run(task: Task, call: Call, run: NewTask['run']): Promise<void> {
    const { inputMs } = this.#options;
    const asker = new TaskAsker({ task, rows: this.#rows, answers: call.answers, inputMs });
    const progress = new ProgressReports(text => void this.#report(task, text));
    // The run of a task goes on after its call was answered, so that it is observed by itself.
    const observed: Observed | undefined = call.observed && { ...call.observed, kind: 'task', outcome: 'ok' };
    const own = call.with({
      asker,
      sink: { send: () => false },
      task: { id: task.id, progress: text => progress.add(text) },
      observed,
    });
    this.#running.set(task.id, own);
    const release = releaseOnce(
      this.#rows.watch(task.id, row => {
        if (row === undefined || hasEnded(row)) own.abort(new Cancelled('The task has ended'));
        else asker.take(row);
      }),
      runAt(task.expiresAt, () => own.abort(new Cancelled('The time of the task is over'))),
    );
    const { observe } = own.server;
    const work = () =>
      endOf(
        () => run(own),
        unexposed => own.report(unexposed),
        observed,
      );
    const end = await (observe === undefined || observed === undefined ? work() : observe(observed, work));
    own.finish();
    release();
    progress.end();
    this.#running.delete(task.id);
    await this.#settle(task, end);
  }

  /** Writes the end of a task's handler, unless the task has ended in another way. */
  async #settle(task: Task, end: TaskChange): Promise<void> {
    const { onError } = this.#options;
    try {
      await this.#rows.changeSurely(task, () => end);
    } catch (error) {
      onError(error);
      const refused = failed(new McpError('InternalError', 'The database does not keep the result of the task'));
      await this.#rows.changeSurely(task, () => refused).catch(onError);
    }
  }

  async #report({ id }: Task, statusMessage: string): Promise<void> {
    // A report that is lost is followed by the next one, or by the end of the task.
    await this.#rows.change(id, () => ({ statusMessage })).catch(() => undefined);
  }
}

/** What the end of a handler changes in the row of its task. */
async function endOf(work: () => Promise<CallToolResult>, report: (error: unknown) => string, observed?: Observed): Promise<TaskChange> {
  try {
    const result = await work();
    if (result.isError === true) note(observed, { outcome: 'tool_error' });
    return completed(result);
  } catch (thrown) {
    if (thrown instanceof Deferred) return { node: elsewhere };
    if (thrown instanceof CallEnded) {
      note(observed, { outcome: 'cancelled' });
      return cancelled(thrown.message);
    }
    const error = toMcpError(thrown, report);
    note(observed, { outcome: 'error', error });
    return failed(error);
  }
}

function completed(result: CallToolResult): TaskChange {
  return { status: 'completed', statusMessage: null, isError: result.isError === true, result: JSON.stringify(result) };
}

function failed(error: McpError): TaskChange {
  return { status: 'failed', statusMessage: error.message, result: encodeError(error) };
}

function cancelled(statusMessage: string): TaskChange {
  return { status: 'cancelled', statusMessage };
}

/** Most characters of a progress report. */
const maxReport = 1000;

/** Reports progress at most once in `progressMs`. The latest report counts. */
class ProgressReports {
  readonly #report: (text: string) => void;
  #latest: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(report: (text: string) => void) {
    this.#report = report;
  }

  add(text: string): void {
    this.#latest = text.slice(0, maxReport);
    if (this.#timer === undefined) this.#next();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#latest = undefined;
  }

  #next(): void {
    const text = this.#latest;
    this.#latest = undefined;
    if (text === undefined) {
      this.#timer = undefined;
      return;
    }
    this.#report(text);
    this.#timer = setTimeout(() => this.#next(), progressMs).unref();
  }
}
