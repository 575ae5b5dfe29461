import { ToolError } from '../errors.ts';
import type { Asker, Call } from '../protocol/call.ts';
import { Cancelled } from '../protocol/call.ts';
import type { InputRequest } from '../protocol/client-requests.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import { isObject } from '../protocol/definitions.ts';
import type { AnsweredQuestion, TaskQuestions } from '../protocol/tasks.ts';
import { openQuestions, relatedTask } from '../protocol/tasks.ts';
import type { Task } from '../store/store.ts';
import { ClientRefusal } from './client-questions.ts';
import type { TaskChange, TaskRows } from './task-rows.ts';

/** The options of `TaskAsker`. */
export interface TaskAskerOptions {
  readonly task: Task;
  readonly rows: TaskRows;
  /** The answers that the client has given before the task began, by key. */
  readonly answers: JsonObject;
  /** Milliseconds to wait for an answer. */
  readonly inputMs: number;
}

interface Waiting {
  resolve(answer: JsonObject): void;
  reject(error: Error): void;
}

/**
 * Asks the client of a task: a question is written to the task's row, where the client finds it, and any process writes the answer beside it. The
 * keys of questions are never used again.
 */
export class TaskAsker implements Asker {
  readonly #options: TaskAskerOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #keys = new Set<string>();
  readonly #counts = new Map<string, number>();

  constructor(options: TaskAskerOptions) {
    this.#options = options;
  }

  get answers(): JsonObject {
    return this.#options.answers;
  }

  async ask<T>(request: InputRequest<T>, { signal }: Call): Promise<T> {
    const { method, params } = request;
    const key = this.#keyOf(request);
    const given = Object.hasOwn(this.answers, key) ? this.answers[key] : undefined;
    const early = isObject(given) ? request.parse(given) : undefined;
    if (early !== undefined) return early;
    const { task, rows, inputMs } = this.#options;
    let giveUp: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = await new Promise<JsonObject>((resolve, reject) => {
        this.#waiting.set(key, { resolve, reject });
        giveUp = () => {
          void rows.change(task.id, row => withAnswers(row, { [key]: { refused: 'no longer needed' } })).catch(() => undefined);
          reject(signal.aborted ? (signal.reason as Error) : new ToolError(`The client did not answer within ${inputMs / 1000} s`));
        };
        signal.addEventListener('abort', giveUp);
        timer = setTimeout(giveUp, inputMs).unref();
        signal.throwIfAborted();
        rows.change(task.id, row => withQuestion(row, key, { method, params })).catch(reject);
      });
      const value = request.parse(answer);
      if (value === undefined) throw new ToolError(`The client's answer to ${method} does not fit what was asked`);
      return value;
    } finally {
      clearTimeout(timer);
      if (giveUp !== undefined) signal.removeEventListener('abort', giveUp);
      this.#waiting.delete(key);
    }
  }

  /** Takes the answers in a row of the task. */
  take({ questions }: Task): void {
    if (this.#waiting.size === 0) return;
    const all = JSON.parse(questions) as TaskQuestions;
    for (const [key, waiting] of this.#waiting) {
      const question = Object.hasOwn(all, key) ? all[key] : undefined;
      if (question === undefined || 'method' in question) continue;
      if ('answer' in question) waiting.resolve(question.answer);
      else waiting.reject(new ClientRefusal(question.refused));
    }
  }

  /** The key of a question: the handler's own, or the number of the question among those of its method. */
  #keyOf({ key, method }: Pick<InputRequest<unknown>, 'key' | 'method'>): string {
    const base = key ?? method.replace('/', '_');
    const count = (this.#counts.get(base) ?? 0) + 1;
    this.#counts.set(base, count);
    const own = key !== undefined && count === 1 ? key : `${base}_${count}`;
    if (this.#keys.has(own)) return this.#keyOf({ key, method });
    this.#keys.add(own);
    return own;
  }
}

type Change = TaskChange | undefined;

/** The change that answers open questions of a task; `undefined` if none of the keys is open. */
export function answered(task: Task, answers: JsonObject): Change {
  const entries = Object.entries(answers).map(([key, answer]): [string, AnsweredQuestion] => [key, toAnswer(answer)]);
  return withAnswers(task, Object.fromEntries(entries));
}

function toAnswer(answer: unknown): AnsweredQuestion {
  return answer instanceof ClientRefusal ? { refused: answer.reason } : { answer: answer as JsonObject };
}

function withQuestion(task: Task, key: string, question: TaskQuestions[string]): Change {
  const questions = JSON.parse(task.questions) as TaskQuestions;
  // A repeated write finds the question, perhaps answered.
  return Object.hasOwn(questions, key) ? undefined : toChange({ ...questions, [key]: question });
}

function withAnswers(task: Task, answers: Readonly<Record<string, AnsweredQuestion>>): Change {
  const open = openQuestions(task).filter(([key]) => Object.hasOwn(answers, key));
  if (open.length === 0) return undefined;
  const questions: Record<string, TaskQuestions[string]> = { ...(JSON.parse(task.questions) as TaskQuestions) };
  for (const [key] of open) questions[key] = answers[key] as AnsweredQuestion;
  return toChange(questions);
}

function toChange(all: TaskQuestions): Change {
  const questions = JSON.stringify(all);
  return { questions, status: openQuestions({ questions }).length > 0 ? 'input_required' : 'working' };
}

/** The capability that a client must have declared to be asked a question, by method. The row of a task does not hold the capability. */
const capabilities: Readonly<Record<InputRequest<unknown>['method'], InputRequest<unknown>['capability']>> = {
  'elicitation/create': { elicitation: {} },
  'sampling/createMessage': { sampling: {} },
  'roots/list': { roots: {} },
};

/** Passes the questions of a task on to the client of a call that waits for the task (2025-11-25). */
export class Forwarding {
  readonly #call: Call;
  readonly #answer: (key: string, answer: unknown) => Promise<unknown>;
  readonly #asked = new Map<string, Call>();
  #isEnded = false;

  /** @param answer Writes an answer, or a `ClientRefusal`. */
  constructor(call: Call, answer: (key: string, answer: unknown) => Promise<unknown>) {
    this.#call = call;
    this.#answer = answer;
  }

  /** Sends the client each open question once. Cancels the requests whose questions have been answered through another process. */
  forward(task: Task): void {
    const open = new Map(openQuestions(task));
    for (const [key, asking] of this.#asked) if (!open.has(key)) asking.abort(new Cancelled('Answered elsewhere'));
    for (const [key, { method, params }] of open) {
      if (this.#asked.has(key)) continue;
      const asking = this.#call.with({});
      this.#asked.set(key, asking);
      const request: InputRequest<JsonObject> = {
        method,
        params: { ...params, _meta: relatedTask(task.id) },
        capability: capabilities[method],
        key: undefined,
        parse: result => result,
      };
      void this.#ask(key, asking, request);
    }
  }

  /** Cancels the requests that the client has not answered. */
  end(): void {
    this.#isEnded = true;
    for (const asking of this.#asked.values()) asking.abort(new Cancelled('The task has ended'));
  }

  async #ask(key: string, asking: Call, request: InputRequest<JsonObject>): Promise<void> {
    let answer: unknown;
    try {
      answer = await asking.ask(request);
    } catch (error) {
      // A client that lacks the capability, or reads no stream, leaves the question to others.
      if (this.#isEnded || asking.aborted || !(error instanceof ClientRefusal)) return;
      answer = error;
    }
    await this.#answer(key, answer).catch((error: unknown) => void this.#call.report(error));
  }
}
