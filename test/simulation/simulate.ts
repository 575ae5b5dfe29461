import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { compile, compileChanged } from '../support/compile.ts';
import type { Breach } from './ledger.ts';
import type { PlantedBug } from './planted-bugs.ts';
import { plant } from './planted-bugs.ts';
import type { Happenings } from './schedule.ts';

/** What is to be simulated. */
export interface SimulateOptions {
  readonly from: number;
  readonly seeds: number;
  /** Processes that run schedules. @default 2 */
  readonly workers?: number;
  /** A bug to put into the source first. */
  readonly bug?: PlantedBug | undefined;
  /** Whether the first breach ends it. @default false */
  readonly stopsAtBreach?: boolean;
  /** Takes a line for each breach, and now and then how far it is. @default nobody */
  readonly print?: (line: string) => void;
}

/** What was simulated, and found. */
export interface Report extends Happenings {
  readonly schedules: number;
  readonly breaches: readonly (Breach & { readonly seed: number })[];
}

/** What a worker is told. */
export interface Order {
  readonly from: number;
  readonly seeds: number;
  readonly stopsAtBreach: boolean;
}

/** What a worker says: which seed it begins, or what came of an order. */
export type News = { readonly begins: number } | { readonly report: Report };

/** Seeds of one order. */
const ORDER = 20;
/** Milliseconds of the machine's time in which a schedule that comes to an end is done. */
const hungMs = 120_000;
const reportEveryMs = 10_000;

/** Runs schedules in processes of their own. */
export async function simulate({ from, seeds, workers = 2, bug, stopsAtBreach = false, print }: SimulateOptions): Promise<Report> {
  let total = emptyReport;
  let next = from;
  let isOver = false;
  const startedAt = performance.now();
  const progress = setInterval(() => {
    const seconds = (performance.now() - startedAt) / 1000;
    print?.(`${total.schedules} of ${seeds} schedules in ${seconds.toFixed(0)} s, ${total.breaches.length} breaches`);
  }, reportEveryMs);
  const givenBack: Order[] = [];
  const take = (): Order | undefined => {
    const [left] = isOver ? [] : givenBack.splice(0, 1);
    return left ?? takeNew();
  };
  const giveBack = (first: number, { from: start, seeds: ordered }: Order) => {
    const end = start + ordered;
    if (first < end) givenBack.push({ from: first, seeds: end - first, stopsAtBreach });
  };
  const takeNew = (): Order | undefined => {
    const left = from + seeds - next;
    if (left <= 0 || isOver) return undefined;
    const order = { from: next, seeds: Math.min(ORDER, left), stopsAtBreach };
    next += order.seeds;
    return order;
  };
  const add = (report: Report) => {
    total = sum(total, report);
    for (const { seed, promise, kind, text } of report.breaches) print?.(`seed ${seed}: promise ${promise}: ${kind}: ${text}`);
    if (stopsAtBreach && report.breaches.length > 0) isOver = true;
  };
  const count = Math.max(1, Math.min(workers, Math.ceil(seeds / ORDER)));
  try {
    await Promise.all(Array.from({ length: count }, () => employ({ bug, giveBack, take, add, isOver: () => isOver })));
  } finally {
    clearInterval(progress);
  }
  return total;
}

interface Employment {
  readonly bug: PlantedBug | undefined;
  readonly giveBack: (from: number, order: Order) => void;
  readonly take: () => Order | undefined;
  readonly add: (report: Report) => void;
  readonly isOver: () => boolean;
}

/** Lets one process after the other work until there is nothing left to do. */
async function employ({ bug, giveBack, take, add, isOver }: Employment): Promise<void> {
  for (let order = take(); order !== undefined; order = take()) {
    const worker = await hire(bug);
    let seed: number | undefined;
    try {
      while (order !== undefined) {
        const report = await obey(worker, order, begun => {
          seed = begun;
        });
        add(report);
        order = isOver() ? undefined : take();
      }
    } catch (error) {
      if (seed === undefined || order === undefined) throw error;
      const text = error instanceof Error ? error.message : String(error);
      giveBack(seed + 1, order);
      add({ ...emptyReport, breaches: [{ seed, promise: 6, kind: 'the schedule did not come to an end', text, atMs: 0 }] });
    } finally {
      worker.kill('SIGKILL');
    }
  }
}

async function hire(bug: PlantedBug | undefined): Promise<ChildProcess> {
  const script = new URL('worker.ts', import.meta.url);
  const file = await (bug === undefined ? compile(script) : compileChanged(script, plant(bug)));
  return fork(file, { execArgv: ['--no-warnings', '--enable-source-maps'], env: { ...process.env, NODE_ENV: 'test' } });
}

/** @throws {Error} The worker ended, or has not finished a schedule for a long time. */
function obey(worker: ChildProcess, order: Order, onBegin: (seed: number) => void): Promise<Report> {
  return new Promise((resolve, reject) => {
    const fail = () => done(() => reject(new Error(`no end in ${hungMs / 1000} s`)));
    let timer = setTimeout(fail, hungMs);
    const done = (settle: () => void) => {
      clearTimeout(timer);
      worker.off('message', hear);
      worker.off('exit', end);
      settle();
    };
    const hear = (news: News) => {
      if ('report' in news) return done(() => resolve(news.report));
      clearTimeout(timer);
      timer = setTimeout(fail, hungMs);
      onBegin(news.begins);
    };
    const end = (code: number | null) => done(() => reject(new Error(`the worker ended with ${code}`)));
    worker.on('message', hear);
    worker.on('exit', end);
    worker.send(order);
  });
}

const emptyReport: Report = {
  schedules: 0,
  calls: 0,
  responses: 0,
  tasks: 0,
  publications: 0,
  events: 0,
  steps: 0,
  hash: 0,
  faults: {},
  breaches: [],
};

/** Both together. */
export function sum(a: Report, b: Report): Report {
  const faults = { ...a.faults };
  for (const [kind, times] of Object.entries(b.faults)) faults[kind] = (faults[kind] ?? 0) + times;
  return {
    schedules: a.schedules + b.schedules,
    calls: a.calls + b.calls,
    responses: a.responses + b.responses,
    tasks: a.tasks + b.tasks,
    publications: a.publications + b.publications,
    events: a.events + b.events,
    steps: a.steps + b.steps,
    hash: (a.hash + b.hash) >>> 0,
    faults,
    breaches: [...a.breaches, ...b.breaches],
  };
}
