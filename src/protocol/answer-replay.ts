import type { Asker, Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { InputRequest } from './client-requests.ts';
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
 * The promise of that question never settles, so the handler does not run past it.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr
 */
export class AnswerReplay implements Asker {
  readonly #method: string;
  readonly answers: JsonObject;
  readonly #used: Record<string, JsonObject> = {};
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
    if (!call.revisionRow.inputRequired.has(this.#method)) {
      const asking = [...call.revisionRow.inputRequired].join(', ');
      return Promise.reject(new Error(`${this.#method} cannot ask the client for anything; only ${asking} can`));
    }
    const key = request.key ?? this.#nextKey(request.method);
    const answer = Object.hasOwn(this.answers, key) ? this.answers[key] : undefined;
    if (isObject(answer)) {
      const value = request.parse(answer);
      if (value !== undefined) {
        this.#used[key] = answer;
        return Promise.resolve(value);
      }
    }
    // Questions that a handler asks at the same time go into one result.
    if (Object.keys(this.#asked).length === 0) setImmediate(() => call.abort(new InputRequired(this.#asked, this.#used)));
    this.#asked[key] = { method: request.method, params: request.params };
    return new Promise(() => undefined);
  }

  #nextKey(method: string): string {
    const count = (this.#counts.get(method) ?? 0) + 1;
    this.#counts.set(method, count);
    return `${method.replace('/', '_')}_${count}`;
  }
}
