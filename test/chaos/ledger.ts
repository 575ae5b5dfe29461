import type { WireMessage } from '../support/schemas.ts';
import type { Outcome } from './exchange.ts';
import type { Doing, Incidents } from './incidents.ts';

const figures = {
  /** Times that a fault was made: processes ended, connections cut, answers lost. */
  faults: 0,
  sessions: 0,
  /** Sessions of HTTP+SSE that ended because the process of their stream did. */
  sessionsEnded: 0,
  calls: 0,
  /** Calls that came to their result. */
  results: 0,
  /** Calls that came to nothing or to an error, as was allowed. */
  lost: 0,
  /** Requests whose connection broke before the answer. */
  cut: 0,
  /** Requests that were answered 503, before anything was done. */
  refused: 0,
  callsResumed: 0,
  streamsOpened: 0,
  events: 0,
  publishes: 0,
  /** Errors that the processes reported to their operator. */
  reports: 0,
};

/** What is counted. */
export type Figures = typeof figures;

/** Milliseconds at the median and the 95th percentile. */
export interface Durations {
  readonly [what: string]: { readonly p50: number; readonly p95: number };
}

/** One fault, or several together, with all its turns. */
export interface PhaseReport extends Figures {
  readonly turns: number;
  readonly durations: Durations;
}

/** What happened, and which promises were broken. */
export class Ledger {
  readonly incidents: Incidents;
  readonly broken: string[] = [];
  /** What the processes reported to their operator. */
  readonly reports: string[] = [];
  /** Failures that were allowed. */
  readonly allowed: string[] = [];
  readonly #phases = new Map<string, Phase>();
  readonly #responses = new Map<string, WireMessage>();
  readonly #refusedKeys = new Set<string>();
  #phase: Phase;
  #phaseName: string;

  constructor(incidents: Incidents, phase: string) {
    this.incidents = incidents;
    this.#phaseName = phase;
    this.#phase = this.#phaseOf(phase);
  }

  /** Everything from here on is counted under this name. */
  enter(phase: string): void {
    this.#phaseName = phase;
    this.#phase = this.#phaseOf(phase);
    this.#phase.turns += 1;
  }

  count(figure: keyof Figures, by = 1): void {
    this.#phase.figures[figure] += by;
  }

  /** Notes that a promise was broken. */
  breach(text: string): void {
    this.broken.push(`[${this.#phaseName}] ${text}`);
  }

  /** Notes how long something took that began at `startedAt`. */
  took(what: string, startedAt: number): void {
    const { durationsMs } = this.#phase;
    const all = durationsMs.get(what) ?? [];
    durationsMs.set(what, all);
    all.push(performance.now() - startedAt);
  }

  /**
   * Holds what a request came to against the promises that are made for every request.
   *
   * @param needed Who else it needed: the process with the stream of an HTTP+SSE session.
   */
  answered(what: string, outcome: Outcome, needed: Doing = outcome.doing): void {
    const { doing, kind } = outcome;
    const { incidents } = this;
    const tell = (text: string) => this.breach(`${what} ${text}, at ${incidents.describe(doing)}`);
    this.waited(what, doing);
    if (kind === 'refused') {
      this.count('refused');
      if (!incidents.mayBeRefused(doing) && !incidents.mayBeRefused(needed)) tell('was refused');
    } else if (kind === 'cut') {
      this.count('cut');
      if (!incidents.mayBeCut(doing)) tell('was cut off');
    } else if (kind === 'failed') tell(`was answered ${outcome.status} ${outcome.text.slice(0, 200)}`);
  }

  /** Holds the time that a request waited for its answer against the promises. */
  waited(what: string, doing: Doing): void {
    const waitedMs = (doing.until ?? performance.now()) - doing.from;
    const boundMs = this.incidents.boundMs(doing);
    this.took('wait', doing.from);
    if (waitedMs <= boundMs) return;
    this.breach(`${what} waited ${Math.round(waitedMs)} ms, more than ${Math.round(boundMs)} ms, at ${this.incidents.describe(doing)}`);
  }

  /**
   * Takes the response to a call, from whichever stream: there may be one.
   *
   * @param stream The stream of an HTTP+SSE session that it came on.
   */
  responded(call: string, message: WireMessage, doing: Doing, stream?: Doing): void {
    const before = this.#responses.get(call);
    this.#responses.set(call, before ?? message);
    const tell = (text: string) => this.breach(`${call} ${text}, at ${this.incidents.describe(doing)}`);
    if (before !== undefined) tell(`got a second response: ${short(before)}, then ${short(message)}`);
    else if (message.error === undefined) this.count('results');
    else if (isRefusal(message) && this.incidents.mayBeRefused(doing)) this.count('refused');
    else if (isLoss(message) && (this.incidents.mayFail(doing) || (stream !== undefined && this.incidents.mayEndInCall(stream)))) {
      this.count('lost');
      this.allowed.push(`[${this.#phaseName}] ${call} got ${short(message)}, at ${this.incidents.describe(doing)}`);
    } else tell(`got ${short(message)}`);
  }

  /** The response that a call has had. */
  responseTo(call: string): WireMessage | undefined {
    return this.#responses.get(call);
  }

  /** Notes that the call of this key was refused: it may not have been begun. */
  refused(key: string): void {
    this.#refusedKeys.add(key);
  }

  /** Holds what was begun against what was answered. @param ran Keys of calls, each time one was begun. */
  judgeRuns(ran: readonly string[]): void {
    const seen = new Set<string>();
    for (const key of ran) {
      if (seen.has(key)) this.breach(`call ${key} was begun twice`);
      if (this.#refusedKeys.has(key)) this.breach(`call ${key} was begun, though it was answered 503`);
      seen.add(key);
    }
  }

  /** Sums of all phases. */
  get figures(): Figures {
    const sum = { ...figures };
    for (const phase of this.#phases.values())
      for (const name of Object.keys(figures) as (keyof Figures)[]) sum[name] += phase.figures[name];
    return sum;
  }

  get phases(): Record<string, PhaseReport> {
    return Object.fromEntries(
      [...this.#phases].map(([name, { turns, figures, durationsMs }]) => [name, { turns, ...figures, durations: summary(durationsMs) }]),
    );
  }

  #phaseOf(name: string): Phase {
    const phase = this.#phases.get(name) ?? { turns: 0, figures: { ...figures }, durationsMs: new Map() };
    this.#phases.set(name, phase);
    return phase;
  }
}

interface Phase {
  turns: number;
  readonly figures: Figures;
  readonly durationsMs: Map<string, number[]>;
}

function summary(durationsMs: ReadonlyMap<string, readonly number[]>): Durations {
  return Object.fromEntries(
    [...durationsMs].map(([what, all]) => {
      const sorted = all.toSorted((a, b) => a - b);
      const at = (share: number) => Math.round(sorted[Math.floor(share * sorted.length)] ?? 0);
      return [what, { p50: at(0.5), p95: at(0.95) }];
    }),
  );
}

/** The client is told that its call is lost, and not that something else went wrong. */
function isLoss({ error }: WireMessage): boolean {
  return error?.code === -32603 && !error.message.startsWith('Internal error');
}

/** Where 202 was said already, only the response can say what 503 would: that the database is away, and that it may be sent again. */
function isRefusal({ error }: WireMessage): boolean {
  return error?.code === -32603 && /database/iu.test(error.message);
}

function short(message: WireMessage): string {
  return JSON.stringify(message.error ?? message.result).slice(0, 200);
}
