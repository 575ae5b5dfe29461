import type { Delivery } from '../delivery/delivery.ts';
import { encodeStreamMail } from '../delivery/messages.ts';
import { releaseOnce } from '../delivery/release.ts';
import { sessionStreamOf, taskStreamOf } from '../delivery/stream-ids.ts';
import { McpError, StoreUnavailable } from '../errors.ts';
import { encodeError, taskStatusText } from '../protocol/tasks.ts';
import type { Task, TaskPatch } from '../store/store.ts';
import { elsewhere, hasEnded } from '../store/store.ts';
import { pause } from '../timing.ts';

/** The options of `TaskRows`. */
export interface TaskRowsOptions extends Pick<Delivery, 'store' | 'log' | 'tail' | 'nodes' | 'node' | 'lookMs' | 'onError'> {
  /** Milliseconds of silence after which a process counts as dead. */
  readonly deadMs: number;
}

/** A change of a task's row. The row notes the time itself. */
export type TaskChange = Omit<TaskPatch, 'lastUpdatedAt'>;

/** Takes a row that has changed; `undefined` if it is gone. */
export type TaskListener = (task: Task | undefined) => void;

interface Watched {
  readonly listeners: Set<TaskListener>;
  /** The row that the listeners got last. */
  task: Task | undefined;
  isReading: boolean;
  isDue: boolean;
  readonly close: () => void;
}

/** Looks at the rows of watched tasks within `deadMs`, in case a wake-up was lost. */
const looksUntilDead = 5;
/** How long the process of a task stays watched after somebody asked for the task, in `deadMs`. */
const ownerKept = 4;

const died = new McpError('InternalError', 'The process that ran the task has ended; whether the task took effect is unknown');

/**
 * The rows of tasks, as one process sees them.
 *
 * A change is an update of the version that was read. If another process was faster, the row is read again and the change decided anew. So
 * no change is lost, and a change whose outcome is unknown can be repeated.
 *
 * Each change appends a row to the task's stream in the log, so that the processes that wait for the task read it. If that row is lost, because
 * the process died between the two writes, they notice the change when they look at the versions. If the status has changed, another row has the
 * notification for the session that started the task.
 */
export class TaskRows {
  readonly #options: TaskRowsOptions;
  readonly #watched = new Map<string, Watched>();
  /** The processes of tasks that somebody waits for, each with the function that ends the watch. */
  readonly #owners = new Map<string, { release: () => void; timer: NodeJS.Timeout }>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: TaskRowsOptions) {
    this.#options = options;
  }

  /** The task, if it exists and has not expired. */
  async find(id: string): Promise<Task | undefined> {
    const task = /^[\w-]{43}$/u.test(id) ? await this.#options.store.findTask(id) : undefined;
    if (task === undefined || task.expiresAt.getTime() <= Date.now()) return undefined;
    this.#watchOwnerOf(task);
    return task;
  }

  /**
   * Changes a row.
   *
   * @param decide What to change; `undefined` changes nothing. May be asked several times. Not asked once the task has ended.
   * @returns The row as it is now, and whether this call changed it; `undefined` if it is gone.
   */
  async change(id: string, decide: (task: Task) => TaskChange | undefined): Promise<Changed | undefined> {
    for (;;) {
      const task = await this.#options.store.findTask(id);
      if (task === undefined) return undefined;
      const wanted = hasEnded(task) ? undefined : decide(task);
      if (wanted === undefined) return { task, isChanged: false };
      const patch = { ...wanted, lastUpdatedAt: new Date() };
      if (!(await this.#options.store.updateTask(id, task.version, patch))) continue;
      const changed = { ...task, ...patch, version: task.version + 1 };
      this.#tell(changed, task);
      return { task: changed, isChanged: true };
    }
  }

  /** Does the same in the background of a request: tries until the database answers, or the task has expired. */
  async changeSurely({ id, expiresAt }: Task, decide: Parameters<TaskRows['change']>[1]): Promise<void> {
    const { lookMs, onError } = this.#options;
    for (let isReported = false; ; isReported = true) {
      try {
        await this.change(id, decide);
        return;
      } catch (error) {
        if (!StoreUnavailable.isError(error)) throw error;
        if (!isReported) onError(error);
      }
      if (expiresAt.getTime() <= Date.now()) return;
      await pause(lookMs).over;
    }
  }

  /** Calls `listener` with the row now and after each change, until the returned function is called. Several changes may be told as one. */
  watch(id: string, listener: TaskListener): () => void {
    const watched = this.#watched.get(id) ?? this.#open(id);
    watched.listeners.add(listener);
    const { task } = watched;
    if (task !== undefined) queueMicrotask(() => watched.listeners.has(listener) && listener(task));
    void this.#read(id, watched);
    return releaseOnce(() => {
      watched.listeners.delete(listener);
      if (watched.listeners.size > 0) return;
      watched.close();
      this.#watched.delete(id);
    });
  }

  /** Watches the process of a task that has not ended. If it dies, its tasks fail. */
  watchOwner(node: string): void {
    const { nodes, deadMs } = this.#options;
    if (this.#isClosed || node === this.#options.node || node === elsewhere) return;
    const known = this.#owners.get(node);
    if (known !== undefined) return void known.timer.refresh();
    const unwatch = nodes.watch(node, () => void this.#failTasksOf(node));
    const release = releaseOnce(unwatch, () => {
      clearTimeout(timer);
      this.#owners.delete(node);
    });
    const timer = setTimeout(() => release(), deadMs * ownerKept).unref();
    this.#owners.set(node, { release, timer });
  }

  /** Stops looking. */
  close(): void {
    // A query may be under way whose answer would start a watch.
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const { release } of this.#owners.values()) release();
    for (const { close } of this.#watched.values()) close();
    this.#watched.clear();
  }

  #watchOwnerOf(task: Task): void {
    if (!hasEnded(task)) this.watchOwner(task.node);
  }

  async #failTasksOf(node: string): Promise<void> {
    const { store, lookMs, onError } = this.#options;
    const failed = { statusMessage: died.message, result: encodeError(died) };
    for (let isReported = false; ; isReported = true) {
      try {
        await store.failTasks(node, { ...failed, lastUpdatedAt: new Date() });
        break;
      } catch (error) {
        if (!isReported) onError(error);
        if (!StoreUnavailable.isError(error) || !this.#owners.has(node)) break;
        await pause(lookMs).over;
      }
    }
    this.#owners.get(node)?.release();
    for (const [id, watched] of this.#watched) void this.#read(id, watched);
  }

  #open(id: string): Watched {
    const { tail, deadMs } = this.#options;
    const close = releaseOnce(
      tail.hold(),
      tail.listen(taskStreamOf(id), () => void this.#read(id, watched)),
    );
    const watched: Watched = { listeners: new Set(), task: undefined, isReading: false, isDue: false, close };
    this.#watched.set(id, watched);
    this.#timer ??= setInterval(() => void this.#look(), deadMs / looksUntilDead).unref();
    return watched;
  }

  /** Reads the watched rows whose versions have changed. */
  async #look(): Promise<void> {
    if (this.#watched.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    try {
      const versions = await this.#options.store.taskVersions([...this.#watched.keys()]);
      for (const [id, watched] of this.#watched) {
        if (versions.get(id) !== watched.task?.version) void this.#read(id, watched);
        else if (watched.task !== undefined) this.#watchOwnerOf(watched.task);
      }
    } catch {
      // The tail reports that the database is away. The next look tries again.
    }
  }

  async #read(id: string, watched: Watched): Promise<void> {
    watched.isDue = true;
    if (watched.isReading) return;
    watched.isReading = true;
    try {
      while (watched.isDue) {
        watched.isDue = false;
        this.#give(watched, await this.#options.store.findTask(id));
      }
    } catch {
      // The next look finds another version, or tries again.
    } finally {
      watched.isReading = false;
    }
  }

  #give(watched: Watched, task: Task | undefined): void {
    if (task !== undefined && task.version <= (watched.task?.version ?? -1)) return;
    watched.task = task;
    if (task !== undefined) this.#watchOwnerOf(task);
    for (const listener of [...watched.listeners]) listener(task);
  }

  #tell(task: Task, before: Task): void {
    const { log, onError } = this.#options;
    const watched = this.#watched.get(task.id);
    if (watched !== undefined) this.#give(watched, task);
    const { sessionId } = task;
    if (sessionId !== null && task.status !== before.status) {
      // Before the other row, so that a process that changes the task in answer to that one adds its notification behind this one.
      const data = encodeStreamMail({ notification: taskStatusText(task) });
      log.post({ stream: sessionStreamOf(sessionId), sessionId, data }).catch(onError);
    }
    log.post({ stream: taskStreamOf(task.id), sessionId: null, data: String(task.version) }).catch(onError);
  }
}

/** A row after a change. */
export interface Changed {
  readonly task: Task;
  readonly isChanged: boolean;
}
