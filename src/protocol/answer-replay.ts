import { ToolError } from '../errors.ts';
import type { Asker, Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { Elicited, InputRequest } from './client-requests.ts';
import type { JsonObject } from './definitions.ts';
import { isObject } from './definitions.ts';

/** The client's answers, by the keys of the requests. */
type InputResponses = Readonly<Record<string, JsonObject>>;

/** Ends a call that waits for answers of its client; the retry brings them. */
export class InputRequired extends CallEnded {
  override readonly name = 'InputRequired';
  /** `inputRequests` of the result. */
  readonly requests: Readonly<Record<string, { method: string; params: JsonObject }>>;
  /** The answers used so far, which the client will not send again. */
  readonly answers: InputResponses;

  constructor(requests: InputRequired['requests'], answers: InputResponses) {
    super('The call goes on when the client has answered');
    this.requests = requests;
    this.answers = answers;
  }
}

/**
 * Replays the recorded answers to a handler that runs again. At the first question without an answer the call ends with `input_required`.
 * That question rejects, so the handler does not run past it, and closes what it has opened.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr
 */
export class AnswerReplay implements Asker {
  readonly #method: string;
  readonly answers: JsonObject;
  readonly #used: Record<string, JsonObject> = {};
  readonly #unanswered: ((reason: Error) => void)[] = [];
  readonly #asked: Record<string, { method: string; params: JsonObject }> = {};
  readonly #counts = new Map<string, number>();

  /**
   * @param method The method of the request. Only those in the revision's `inputRequired` may ask.
   * @param answers The client's answers, by the keys of the requests. One that does not fit its request counts as missing.
   */
  constructor(method: string, answers: JsonObject) {
    this.#method = method;
    this.answers = answers;
  }

  ask<T>(request: InputRequest<T>, call: Call): Promise<T> {
    const refused = this.#refusal(call);
    if (refused !== undefined) return Promise.reject(refused);
    const key = request.key ?? this.#nextKey(request.method);
    const answer = this.#answer(key);
    const value = answer && request.parse(answer);
    if (answer !== undefined && value !== undefined) {
      this.#used[key] = answer;
      return Promise.resolve(value);
    }
    // Questions that a handler asks at the same time go into one result.
    if (this.#unanswered.length === 0) setImmediate(() => this.#end(call));
    this.#asked[key] = { method: request.method, params: request.params };
    return new Promise((_, reject) => this.#unanswered.push(reject));
  }

  #end(call: Call): void {
    const ended = new InputRequired(this.#asked, this.#used);
    call.suspend(ended);
    // The call may have ended in another way meanwhile.
    for (const reject of this.#unanswered) reject(call.aborted ? (call.signal.reason as Error) : ended);
  }

  askAgain(requests: readonly InputRequest<Elicited>[], call: Call): Error {
    const refused = this.#refusal(call);
    if (refused !== undefined) return refused;
    const asked: Record<string, { method: string; params: JsonObject }> = {};
    for (const { key = this.#nextKey('elicitation/create'), method, params, parse } of requests) {
      const answer = this.#answer(key);
      const said = answer && parse(answer);
      if (said !== undefined && said.action !== 'accept')
        return new ToolError(`The user did not open a page: ${String(params['message'])}`);
      asked[key] = { method, params };
    }
    return new InputRequired(asked, this.#used);
  }

  /** The error of a request that may not ask. */
  #refusal({ revisionRow: { inputRequired } }: Call): Error | undefined {
    if (inputRequired.has(this.#method)) return undefined;
    return new Error(`${this.#method} cannot ask the client for anything; only ${[...inputRequired].join(', ')} can`);
  }

  #answer(key: string): JsonObject | undefined {
    const answer = Object.hasOwn(this.answers, key) ? this.answers[key] : undefined;
    return isObject(answer) ? answer : undefined;
  }

  #nextKey(method: string): string {
    const count = (this.#counts.get(method) ?? 0) + 1;
    this.#counts.set(method, count);
    return `${method.replace('/', '_')}_${count}`;
  }
}
