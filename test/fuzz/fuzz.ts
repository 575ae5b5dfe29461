import { random } from '../chaos/random.ts';
import { setup } from '../support/spec-schemas.ts';
import { runCase } from './cases.ts';
import type { Failure, Tallies } from './client.ts';
import { FuzzClient, SessionPool } from './client.ts';
import type { Place, StoreName } from './place.ts';
import { startPlace } from './place.ts';
import type { PlantedBug } from './planted.ts';

/** What is fuzzed, and with what. */
export interface FuzzOptions {
  readonly store: StoreName;
  readonly seed: number;
  readonly requests: number;
  /** The first of them. @default 0 */
  readonly from?: number;
  readonly bug?: PlantedBug | undefined;
  /** Different failures after which it ends. @default 15 */
  readonly maxFailures?: number;
  readonly onProgress?: (done: number) => void;
}

/** What came of it. */
export interface Report extends Tallies {
  /** Exchanges. */
  requests: number;
  /** How many exchanges there were of each case. */
  readonly cases: Map<string, number>;
  readonly failures: Failure[];
  /** Times that the event loop stood still and no exchange alone repeats it, in ms of processor time. */
  readonly unexplainedHolds: number[];
  /** Bytes that are in use at the end and were not after the first exchanges. */
  growthBytes: number | undefined;
}

/** Exchanges that run at once. */
const lanes = 8;
/** Exchanges after which memory is first measured: most code has run then. In a long run more of it has been compiled. */
const warmUp = 400;
const longWarmUp = 4000;
const longRun = 10_000;
/** Errors of the app that are looked into. */
const maxProblems = 5;
/** Longer than sessions, and the messages kept for them, live. Ended streams of calls, and rows of the log, stay a minute longer. */
const settleMs = 6000;
const longSettleMs = 75_000;
const maxGrowthBytes = 16 * 1024 * 1024;
/** Milliseconds of processor time without a turn of the event loop: for any request, and for each byte, because `JSON.parse` waits for nobody. */
const heldMs = 200;
const heldMsPerByte = 25 / 2 ** 20;

/** Fuzzes an endpoint in a process of its own. */
export async function fuzz({ store, seed, requests, from = 0, bug, maxFailures = 15, onProgress }: FuzzOptions): Promise<Report> {
  await setup();
  const run = new Run(await startPlace(store, bug), { seed, maxFailures });
  const { report } = run;
  const end = from + requests;
  const isLong = requests >= longRun;
  const first = Math.min(end, from + (isLong ? longWarmUp : warmUp));
  try {
    await run.exchanges(from, first, onProgress);
    const before = run.isOver || first === end ? undefined : await run.place.memory();
    await run.exchanges(first, end, done => onProgress?.(first - from + done));
    if (before !== undefined && !run.isOver) {
      await new Promise(done => setTimeout(done, isLong ? longSettleMs : settleMs));
      report.growthBytes = (await run.place.memory()) - before;
      if (report.growthBytes > maxGrowthBytes)
        run.fail(end, `${report.growthBytes} bytes more are in use than after ${first - from} exchanges, though all is closed`);
    }
    if (run.place.ended === undefined) await run.explainHolds();
    if (run.place.ended === undefined) await run.explainProblems();
    const { ended } = run.place;
    if (ended !== undefined) await run.explainEnd(ended, () => startPlace(store, bug));
  } finally {
    await run.place.close();
  }
  return report;
}

/** A moment at which the event loop stood still, and the exchanges that ran then. */
interface Hold {
  readonly cpuMs: number;
  readonly suspects: readonly number[];
}

/** An error that reached the app, and the exchanges that ran then. */
interface Problem {
  readonly text: string;
  readonly suspects: readonly number[];
}

/** The exchanges of a seed with one process. */
class Run {
  place: Place;
  readonly report: Report = {
    requests: 0,
    sent: 0,
    accepted: 0,
    statuses: new Map(),
    cases: new Map(),
    failures: [],
    unexplainedHolds: [],
    growthBytes: undefined,
  };
  readonly #seed: number;
  readonly #maxFailures: number;
  readonly #running = new Set<number>();
  readonly #holds: Hold[] = [];
  readonly #problems: Problem[] = [];
  #pool = new SessionPool();

  constructor(place: Place, { seed, maxFailures }: { seed: number; maxFailures: number }) {
    this.place = place;
    this.#seed = seed;
    this.#maxFailures = maxFailures;
    this.#listen();
  }

  /** Whether there is no use in going on. */
  get isOver(): boolean {
    return this.place.ended !== undefined || this.report.failures.length + this.#holds.length / 5 >= this.#maxFailures;
  }

  fail(number: number, what: string): void {
    this.#add({ number, what, sent: '', got: '' });
  }

  /** Runs the exchanges from `from` up to, and without, `to`, some of them at once. */
  async exchanges(from: number, to: number, onProgress?: (done: number) => void): Promise<void> {
    let next = from;
    const lane = async () => {
      while (next < to && !this.isOver) {
        const number = next++;
        await this.#exchange(number);
        onProgress?.(number - from + 1);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  /** Repeats alone what ran while the event loop stood still. A failure is what holds it again. */
  async explainHolds(): Promise<void> {
    for (const { cpuMs, suspects } of this.#holds.splice(0)) {
      let againMs = 0;
      const culprit = await this.#repeat(suspects, bytes => {
        againMs = Math.max(0, ...this.#holds.splice(0).map(hold => hold.cpuMs));
        return againMs > heldMs + bytes * heldMsPerByte;
      });
      if (culprit === undefined) this.report.unexplainedHolds.push(cpuMs);
      else this.fail(culprit, `holds the event loop for ${againMs} ms of processor time`);
    }
  }

  /** Repeats alone what ran while an error reached the app. */
  async explainProblems(): Promise<void> {
    for (const { text, suspects } of this.#problems.splice(0, maxProblems)) {
      this.#problems.length = 0;
      const culprit = await this.#repeat(suspects, () => this.#problems.length > 0);
      this.fail(
        culprit ?? -1,
        `an error reached the app: ${text}${culprit === undefined ? `\nNone of ${suspects.join(', ')} does it alone.` : ''}`,
      );
    }
  }

  /** Repeats alone, in a new process, what ran when the process ended. */
  async explainEnd(ended: string, restart: () => Promise<Place>): Promise<void> {
    const suspects = [...this.#running, ...this.#last];
    this.place = await restart();
    this.#listen();
    this.#pool = new SessionPool();
    const culprit = await this.#repeat(suspects, () => this.place.ended !== undefined);
    this.fail(culprit ?? -1, `${ended}${culprit === undefined ? `; one of ${suspects.join(', ')}, of which none does it alone` : ''}`);
  }

  /** The newest exchanges that are over. */
  readonly #last: number[] = [];

  async #repeat(numbers: readonly number[], isFound: (sentBytes: number) => boolean): Promise<number | undefined> {
    for (const number of numbers) {
      const { sentBytes } = await this.#exchange(number, true);
      // What the process says comes a little later.
      await new Promise(done => setTimeout(done, 50));
      if (isFound(sentBytes)) return number;
    }
    return undefined;
  }

  async #exchange(number: number, isRepeated = false): Promise<FuzzClient> {
    const { report } = this;
    const tallies = isRepeated ? { ...report, statuses: new Map() } : report;
    const client = new FuzzClient(number, random(this.#seed * 1_000_003 + number), { port: this.place.port, pool: this.#pool, tallies });
    this.#running.add(number);
    const name = await runCase(client);
    // A process that has ended answers nothing.
    if (this.place.ended !== undefined) return client;
    this.#running.delete(number);
    this.#last.push(number);
    if (this.#last.length > 2 * lanes) this.#last.shift();
    if (isRepeated) return client;
    report.requests += 1;
    report.cases.set(name, (report.cases.get(name) ?? 0) + 1);
    for (const failure of client.failures) this.#add(failure);
    return client;
  }

  #listen(): void {
    this.place.onNews = news => {
      if (news.kind === 'held') this.#holds.push({ cpuMs: news.cpuMs, suspects: [...this.#running, ...this.#last.slice(-3)] });
      if (news.kind === 'problem' && !this.#problems.some(({ text }) => text === news.text))
        this.#problems.push({ text: news.text, suspects: [...this.#running] });
    };
  }

  /** One failure of a kind is enough. */
  #add(failure: Failure): void {
    const kind = kindOf(failure);
    if (!this.report.failures.some(other => kindOf(other) === kind)) this.report.failures.push(failure);
  }
}

function kindOf({ what }: Failure): string {
  return what.replaceAll(/\d+|[\da-f]{8,}|"[^"]*"/gu, '#').slice(0, 200);
}
