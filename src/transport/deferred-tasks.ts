import { toErrorResult, toTaskResult } from '../protocol/tools.ts';
import type { ListedTask, Task } from '../store/store.ts';
import { hasEnded } from '../store/store.ts';
import type { Environment } from './environment.ts';

/** A task, as the host sees it. */
export type TaskInfo = Omit<ListedTask, 'node' | 'version'>;

/**
 * The methods with which the host goes on with tasks that a handler has handed over by `ctx.mcp.defer()`. They work in every process that has
 * made the endpoint with the same database, also in one that serves no HTTP.
 */
export interface McpTasks {
  /** Returns a task of any caller; `undefined` if it never was or its time is over. */
  find(id: string): Promise<TaskInfo | undefined>;
  /**
   * Ends a task with what its handler would have returned. The result is checked and converted in the same way.
   *
   * @returns Whether this call ended the task; `false` if it had ended, by its client or an earlier try, or its time is over.
   * @throws {TypeError} The endpoint has no tool of its own with the name of the task's tool.
   * @throws {StoreUnavailable} The database does not answer; try again.
   */
  complete(id: string, result?: unknown): Promise<boolean>;
  /** Ends a task with what its handler would have thrown. The client is told as much of it. @returns and throws as `complete` */
  fail(id: string, error: unknown): Promise<boolean>;
  /**
   * Sets the `statusMessage` of a task. Each call writes a row and tells the clients that wait, so report a few times a minute.
   *
   * @param message Up to 1,000 characters; the rest is cut off.
   * @returns Whether the task is open. `false`: give up the work. @throws as `complete`
   */
  progress(id: string, message: string): Promise<boolean>;
}

/** Makes these methods. @param report Reports an error whose text the client must not see. Returns a reference that the client may quote. */
export function deferredTasks({ server, tasks }: Pick<Environment, 'server' | 'tasks'>, report: (error: unknown) => string): McpTasks {
  const findOpen = async (id: string): Promise<Task | undefined> => {
    const task = await tasks.get(id);
    return task === undefined || hasEnded(task) ? undefined : task;
  };
  return {
    async find(id) {
      const task = await tasks.get(id);
      if (task === undefined) return undefined;
      const { node: _node, version: _version, questions: _questions, result: _result, ...info } = task;
      return info;
    },
    async complete(id, result) {
      const task = await findOpen(id);
      if (task === undefined) return false;
      const tool = server.registry.tools.get(task.tool);
      if (tool?.toResult === undefined)
        throw new TypeError(`tasks.complete: \`tools\` has no ${task.tool}, whose task this is; make the endpoint with the same tools`);
      const { toResult } = tool;
      return tasks.end(id, () => toTaskResult({ server, report }, { ...tool, toResult }, result), report);
    },
    async fail(id, error) {
      if ((await findOpen(id)) === undefined) return false;
      return tasks.end(id, async () => toErrorResult({ server, report }, error), report);
    },
    async progress(id, message) {
      return (await findOpen(id)) !== undefined && tasks.progress(id, message);
    },
  };
}
