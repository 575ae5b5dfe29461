import { errorTable, McpError } from '../errors.ts';
import type { Call, ListedTaskState, NewTask, TaskState } from './call.ts';
import type { InputRequest } from './client-requests.ts';
import type { CallToolResult, JsonObject, ToolDefinition } from './definitions.ts';
import { isObject } from './definitions.ts';
import { notificationText } from './jsonrpc.ts';
import type { Result } from './project.ts';
import { finishResult, projectToolResult, SerializedResult } from './project.ts';
import { newestLegacy, tasksExtension } from './revisions.ts';

/** What a handler has asked its client in a task, by key. A question without an answer is open. */
export type TaskQuestions = Readonly<Record<string, OpenQuestion | AnsweredQuestion>>;

/** A question that waits for its answer: `inputRequests[key]`. */
export interface OpenQuestion {
  readonly method: InputRequest<unknown>['method'];
  readonly params: JsonObject;
}

/** A question that waits no more. Its key stays taken. */
export type AnsweredQuestion =
  | { readonly answer: JsonObject }
  /** The client refused to answer, or the handler gave up. */
  | { readonly refused: string };

/** Milliseconds that a client should wait between two looks at a task. */
const pollMs = 1000;

/** The open questions of a task, as `inputRequests`. */
export function openQuestions({ questions }: Pick<TaskState, 'questions'>): [string, OpenQuestion][] {
  return Object.entries(JSON.parse(questions) as TaskQuestions).flatMap(([key, question]): [string, OpenQuestion][] =>
    'method' in question ? [[key, question]] : [],
  );
}

/**
 * Whether a call of a tool becomes a task: the `ttlMs` that the client wants, or `undefined` for a plain call.
 *
 * @throws {McpError} -32601 the tool runs only as a task, or never (2025-11-25); -32021 it runs only as a task, and the client has not declared the
 * extension (2026-07-28); -32602 `task` is malformed.
 */
export function askedTask(call: Call, tool: ToolDefinition, params: JsonObject | undefined): Pick<NewTask, 'ttlMs'> | undefined {
  const { revisionRow, server } = call;
  const support = tool.execution?.taskSupport;
  const isRequired = support === 'required';
  if (revisionRow.tasks?.decides === 'server') {
    if (support !== undefined && hasExtension(call)) return { ttlMs: undefined };
    if (isRequired) throw missingExtension();
    return undefined;
  }
  const isServed = revisionRow.tasks !== undefined && !server.registry.notOffered.has('tasks/get');
  const asked = isServed ? params?.['task'] : undefined;
  if (asked === undefined) {
    if (!isRequired) return undefined;
    throw new McpError(
      'MethodNotFound',
      isServed
        ? `${tool.name} runs only as a task; call it with \`task\``
        : `${tool.name} runs only as a task, which revision ${revisionRow.id} does not have`,
    );
  }
  if (support === undefined) throw new McpError('MethodNotFound', `${tool.name} does not run as a task; call it without \`task\``);
  const ttl = isObject(asked) ? asked['ttl'] : Number.NaN;
  if (ttl === undefined || ttl === null) return { ttlMs: undefined };
  if (typeof ttl !== 'number' || !(ttl >= 0))
    throw new McpError('InvalidParams', 'Invalid params: `task` must be an object, and `task.ttl` a number of milliseconds');
  return { ttlMs: ttl };
}

/** The result of a call that has become a task. */
export function createdResult(call: Call, task: TaskState): SerializedResult {
  const members = toMembers(call, task);
  const result = call.revisionRow.tasks?.decides === 'server' ? { resultType: 'task', ...members } : { task: members };
  return new SerializedResult(JSON.stringify(finishResult(call, 'tools/call', result)));
}

/** A task as `tasks/get` and `notifications/tasks` show it. */
export function detailedTask(call: Call, task: TaskState): JsonObject {
  const members = toMembers(call, task);
  if (call.revisionRow.tasks?.decides !== 'server') return members;
  if (task.status === 'input_required') members['inputRequests'] = Object.fromEntries(openQuestions(task));
  if (task.status === 'completed') members['result'] = toolResult(call, task);
  if (task.status === 'failed') {
    const { code, message, data } = errorOf(task);
    members['error'] = { code, message, data };
  }
  return members;
}

/** `tasks/get` @throws {McpError} -32602 the caller has no such task. */
export async function getTask(call: Call, params: JsonObject | undefined): Promise<Result> {
  return detailedTask(call, await requireTask(call, params));
}

/**
 * `tasks/result`: waits until the task has ended, and gives what a plain call would have given. What the handler asks meanwhile goes to the
 * client on the stream of this request.
 *
 * @throws {McpError} The error of the task; -32602 the caller has no such task.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks#retrieving-task-results
 */
export async function taskResult(call: Call, params: JsonObject | undefined): Promise<Result> {
  const found = await requireTask(call, params);
  const task = await call.waitForClient(() => call.race(call.server.tasks.ended(call, found.id)));
  if (task === undefined) throw unknownTask();
  if (task.status === 'cancelled') throw new McpError('InvalidRequest', 'The task was cancelled');
  if (task.status === 'failed') {
    const { type, code, message, data } = errorOf(task);
    throw new McpError(type, message, { data, ...(code !== errorTable[type].code && { code }) });
  }
  const result = toolResult(call, task);
  return { ...result, _meta: { ...(isObject(result['_meta']) && result['_meta']), ...relatedTask(task.id) } };
}

/** `tasks/list`: the caller's tasks, newest first. @throws {McpError} -32601 for a guest, who would see those of other guests. */
export async function listTasks(call: Call, params: JsonObject | undefined): Promise<Result> {
  if (call.principal === undefined) throw new McpError('MethodNotFound', 'Method not found: tasks/list is for callers who have signed in');
  const { pageSize } = call.server.limits;
  const cursor = params?.['cursor'];
  const found = await call.server.tasks.list(call.principal, pageSize + 1, cursor === undefined ? undefined : parseCursor(cursor));
  const tasks = found.slice(0, pageSize);
  const last = found.length > pageSize ? tasks.at(-1) : undefined;
  return { tasks: tasks.map(task => toMembers(call, task)), ...(last !== undefined && { nextCursor: encodeCursor(last) }) };
}

/** `tasks/cancel` @throws {McpError} -32602 the caller has no such task, or (2025-11-25) it has ended. */
export async function cancelTask(call: Call, params: JsonObject | undefined): Promise<Result> {
  const { tasks } = call.server;
  const { id } = await requireTask(call, params);
  const isCancelled = await tasks.cancel(id);
  if (call.revisionRow.tasks?.decides === 'server') return {};
  const task = await tasks.find(call.principal ?? null, id);
  if (task === undefined) throw unknownTask();
  if (!isCancelled) throw new McpError('InvalidParams', `Invalid params: the task has ended (${statusOf(call, task)})`);
  return toMembers(call, task);
}

/** `tasks/update`: answers of the client. @throws {McpError} -32602 the caller has no such task, or `inputResponses` is malformed. */
export async function updateTask(call: Call, params: JsonObject | undefined): Promise<Result> {
  const { id } = await requireTask(call, params);
  const answers = params?.['inputResponses'];
  if (!isObject(answers) || !Object.values(answers).every(isObject))
    throw new McpError('InvalidParams', 'Invalid params: `inputResponses` must be an object of results, by the keys of `inputRequests`');
  await call.server.tasks.answer(id, answers);
  return {};
}

/** Whether the client has declared the extension with this request. */
function hasExtension({ client }: Call): boolean {
  const { extensions } = client.capabilities;
  return isObject(extensions) && isObject(extensions[tasksExtension]);
}

/** @throws {McpError} -32021 the revision needs the extension, and the client has not declared it with this request. */
export function assertTasks(call: Call): void {
  if (call.revisionRow.tasks?.decides === 'server' && !hasExtension(call)) throw missingExtension();
}

function missingExtension(): McpError {
  return new McpError('MissingRequiredClientCapability', `Missing required client capability: extensions.${tasksExtension}`, {
    data: { requiredCapabilities: { extensions: { [tasksExtension]: {} } } },
  });
}

async function requireTask(call: Call, params: JsonObject | undefined): Promise<TaskState> {
  assertTasks(call);
  const id = params?.['taskId'];
  if (typeof id !== 'string') throw new McpError('InvalidParams', 'Invalid params: `taskId` must be a string');
  const task = await call.server.tasks.find(call.principal ?? null, id);
  if (task === undefined) throw unknownTask();
  return task;
}

function unknownTask(): McpError {
  return new McpError('InvalidParams', 'Unknown task: it never was, has expired, or is of another caller');
}

/** The `_meta` of messages that belong to a task. */
export function relatedTask(taskId: string): JsonObject {
  return { 'io.modelcontextprotocol/related-task': { taskId } };
}

/**
 * `notifications/tasks/status`: a task whose status has changed, for the session that started it. 2025-11-25 is the only revision with sessions and tasks.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks#task-status-notification
 */
export function taskStatusText(task: ListedTaskState): string {
  return notificationText('notifications/tasks/status', toMembers({ revisionRow: newestLegacy }, task));
}

function toMembers(call: Pick<Call, 'revisionRow'>, task: ListedTaskState): JsonObject {
  const { tasks } = call.revisionRow;
  const ttl = task.expiresAt.getTime() - task.createdAt.getTime();
  return {
    taskId: task.id,
    status: statusOf(call, task),
    ...(task.statusMessage !== null && { statusMessage: task.statusMessage }),
    createdAt: task.createdAt.toISOString(),
    lastUpdatedAt: task.lastUpdatedAt.toISOString(),
    [tasks?.ttl ?? 'ttl']: ttl,
    [tasks?.pollInterval ?? 'pollInterval']: pollMs,
  };
}

function statusOf({ revisionRow: { tasks } }: Pick<Call, 'revisionRow'>, { status, isError }: ListedTaskState): ListedTaskState['status'] {
  return isError && status === 'completed' && tasks !== undefined ? tasks.isError : status;
}

/** The result of the tool, as a plain call of this revision gets it. */
function toolResult(call: Call, task: TaskState): JsonObject {
  const result = JSON.parse(task.result ?? '{"content":[]}') as CallToolResult;
  // A new version of the app may have the tool no more.
  return { ...projectToolResult(result, call.server.registry.tools.get(task.tool), call.revisionRow) };
}

/** The error of a failed task as text, for its row. */
export function encodeError({ type, code, message, data }: McpError): string {
  return JSON.stringify({ type, code, message, data });
}

function errorOf({ result }: TaskState): Pick<McpError, 'type' | 'code' | 'message' | 'data'> {
  return JSON.parse(result ?? '{}') as ReturnType<typeof errorOf>;
}

function encodeCursor({ createdAt, id }: ListedTaskState): string {
  return Buffer.from(`tasks:${createdAt.getTime()}:${id}`).toString('base64url');
}

function parseCursor(cursor: unknown): { createdAt: Date; id: string } {
  const text = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
  const [, ms, id = ''] = /^tasks:(\d{1,15}):([\w-]{43})$/u.exec(text) ?? [];
  if (ms !== undefined) return { createdAt: new Date(Number(ms)), id };
  throw new McpError('InvalidParams', 'Invalid params: `cursor` is not one that this list gave; list again without it');
}
