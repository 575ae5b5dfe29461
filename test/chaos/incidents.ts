import type { Load } from './load.ts';

/**
 * What may befall a process.
 *
 * - `killed`: ended without a word; `closed`: told to end in good order
 * - `paused`: stands still, its connections stay
 * - `away`: its database refuses everything, or answers nothing
 * - `flaky`: single connections to its database break, single answers are lost
 */
export type Blow = 'killed' | 'closed' | 'paused' | 'away' | 'flaky';

/** A time during which something was done by a process; `undefined`: whichever it was. */
export interface Doing {
  readonly process: string | undefined;
  /** `performance.now()`. */
  readonly from: number;
  /** @default now */
  readonly until?: number;
}

interface Incident {
  readonly blow: Blow;
  /** `undefined`: all. */
  readonly process: string | undefined;
  readonly from: number;
  until: number;
}

/** What the promises are made with; the options of the processes. */
export interface Terms {
  /** Milliseconds a request waits for the database at most. */
  readonly storeMs: number;
  /** Milliseconds without a sign of life after which a process counts as dead. */
  readonly deadMs: number;
}

/** How long a process that is alive may not have shown it. */
const beatMs = 3000;
/** How long it may take to find new connections after a failure. */
const settleMs = 3000;
/** What two processes that do something at once cannot know of each other. */
const momentMs = 500;
/** How long a process may take to drain and to close. */
const leaveMs = 10_000;
/** Steps of one request that may each wait for the database; more do not happen to hang in one run. */
const maxSlowSteps = 2;
/** What a request takes beside its waiting, on a machine that does other things too. */
const marginMs = 5000;

/** What befell the processes, and which failures the promises to clients allow because of it. Everything else is a breach. */
export class Incidents {
  readonly #all: Incident[] = [];
  readonly #terms: Terms;
  readonly #load: Load;

  constructor(terms: Terms, load: Load) {
    this.#terms = terms;
    this.#load = load;
  }

  /** Notes the begin of something that lasts until the returned function is called. @param from @default now */
  begin(blow: Blow, process?: string, from = performance.now()): () => void {
    const incident: Incident = { blow, process, from, until: Number.POSITIVE_INFINITY };
    this.#all.push(incident);
    return () => {
      incident.until = performance.now();
    };
  }

  /** A connection may break before the answer if the process was killed: nobody knows what was done. */
  mayBeCut(doing: Doing): boolean {
    return this.#has(['killed'], doing);
  }

  /**
   * 503, before anything was done: the process ends, cannot reach its database, or stood still for so long that its own time ran out. On a
   * machine that is too busy, the database may take too long all by itself.
   */
  mayBeRefused(doing: Doing): boolean {
    const { storeMs } = this.#terms;
    const { from, until = performance.now() } = doing;
    const wasSlow = until - from >= storeMs / 2 && this.isOverloaded();
    return wasSlow || this.#has(['closed', 'killed', 'paused', 'away', 'flaky'], doing, storeMs + settleMs);
  }

  /**
   * A call that was begun may end with one -32603 if its process was killed, or was silent for so long that others had to take it for dead.
   * While the database is away from all, nobody is silent.
   */
  mayFail(doing: Doing): boolean {
    return (
      this.#has(['killed'], doing) || this.#wasSilent(doing).some(({ process }) => process !== undefined) || this.#closedInOutage(doing)
    );
  }

  /**
   * The stream of an HTTP+SSE session, which cannot be resumed, may end with its process, or if that was silent or could not read for so long.
   * Then, and only then, its messages may be answered 404 or 409.
   */
  mayEndSession(doing: Doing): boolean {
    return this.#has(['killed', 'closed'], doing) || this.#wasSilent(doing).length > 0;
  }

  /**
   * The stream of an HTTP+SSE session may end before the response to a call that was acknowledged, or say that it will not come; not where its
   * process is drained, unless the stream still waits for another process that was killed, or the call came while the stream ended.
   */
  mayEndInCall(doing: Doing): boolean {
    const isBadEnd = this.#has(['killed'], doing) || this.#wasSilent(doing).length > 0 || this.#closedInOutage(doing);
    return isBadEnd || this.#closedAmongDead(doing) || (this.#has(['closed'], doing) && tookMs(doing) < momentMs);
  }

  /** Milliseconds after which a request must have an answer, handlers apart. */
  boundMs(doing: Doing): number {
    const { from, until = performance.now() } = doing;
    const paused = this.#matching(['paused'], doing).map(incident => Math.min(incident.until, until) - Math.max(incident.from, from));
    return this.#terms.storeMs * maxSlowSteps + marginMs + Math.max(0, ...paused) + this.#load.stalledMs(from, until);
  }

  /** Whether the machine is so busy that the database may take too long all by itself. */
  isOverloaded(): boolean {
    return this.#load.isOverloaded();
  }

  /** Milliseconds since then that the machine was too busy, which everything may take longer. */
  loadMs(from: number): number {
    return this.#load.stalledMs(from, performance.now());
  }

  /** For who looks into a failure: what befell the process at that time, or a little before. */
  describe(doing: Doing): string {
    const found = this.#matching(['killed', 'closed', 'paused', 'away', 'flaky'], doing, 30_000).map(
      ({ blow, process, from, until }) =>
        `${process ?? 'all'} ${blow} from ${at(from)}${Number.isFinite(until) && until !== from ? ` to ${at(until)}` : ''}`,
    );
    return `${doing.process ?? 'a process'} from ${at(doing.from)} to ${at(doing.until ?? performance.now())} (${found.join('; ') || 'nothing befell it'})`;
  }

  #has(blows: readonly Blow[], doing: Doing, lingersMs = 0): boolean {
    return this.#matching(blows, doing, lingersMs).length > 0;
  }

  #matching(blows: readonly Blow[], { process, from, until = performance.now() }: Doing, lingersMs = 0): Incident[] {
    return this.#all.filter(
      incident =>
        blows.includes(incident.blow) &&
        (incident.process === undefined || process === undefined || incident.process === process) &&
        incident.from <= until &&
        (incident.until + lingersMs >= from || hasEnded(incident, process)),
    );
  }

  #wasSilent(doing: Doing): Incident[] {
    const { deadMs } = this.#terms;
    return this.#matching(['paused', 'away'], doing, deadMs).filter(
      ({ from, until }) => Math.min(until, performance.now()) - from + beatMs >= deadMs,
    );
  }

  /** `close()` has a deadline whatever the database does, so what could not be written by then is lost. */
  #closedInOutage(doing: Doing): boolean {
    const lingersMs = this.#terms.storeMs + settleMs;
    return this.#matching(['closed'], doing).some(closed =>
      this.#has(['away', 'flaky'], { process: doing.process, from: closed.from, until: closed.from + leaveMs }, lingersMs),
    );
  }

  /** A process is drained for a shorter time than it takes to know that another one is dead, and then it closes all the same. */
  #closedAmongDead(doing: Doing): boolean {
    return this.#matching(['closed'], doing).some(closed =>
      this.#has(['killed'], { process: undefined, from: closed.from - this.#terms.deadMs, until: closed.from + leaveMs }),
    );
  }
}

function tookMs({ from, until = performance.now() }: Doing): number {
  return until - from;
}

/** A process does not come back: the one that takes its place has another name. */
function hasEnded(incident: Incident, process: string | undefined): boolean {
  return process !== undefined && incident.process === process && (incident.blow === 'killed' || incident.blow === 'closed');
}

function at(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
