import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { startCluster } from '../processes/cluster.ts';
import { eventually } from '../processes/eventually.ts';
import type { Provider } from '../support/database.ts';
import type { Fault, FaultName } from './fault.ts';
import { chooseFaults } from './faults.ts';
import { Incidents } from './incidents.ts';
import type { Figures, PhaseReport } from './ledger.ts';
import { Ledger } from './ledger.ts';
import { watchLoad } from './load.ts';
import { modernClient, modernListener } from './modern-clients.ts';
import type { ChaosBus } from './place.ts';
import { openChaosPlace } from './place.ts';
import { Publications } from './publications.ts';
import { publish } from './publisher.ts';
import type { Random } from './random.ts';
import { random } from './random.ts';
import { recover } from './recovery.ts';
import type { Remains } from './remains.ts';
import { untilNothingRemains } from './remains.ts';
import { callingClient, listeningClient } from './session-clients.ts';
import { sseClient } from './sse-clients.ts';
import { OpenStreams } from './streams.ts';
import type { MakeClient, World } from './world.ts';
import { think } from './world.ts';

export interface ChaosOptions {
  /** It lasts longer where that is too short for each fault to have its turn. */
  readonly seconds: number;
  readonly clients: number;
  readonly seed: number;
  readonly provider: Provider;
  readonly bus: ChaosBus;
  /** @default all that apply */
  readonly faults?: readonly FaultName[] | undefined;
  readonly print: (line: string) => void;
}

export interface ChaosReport extends Figures {
  readonly seconds: number;
  readonly clients: number;
  readonly seed: number;
  readonly database: Provider;
  readonly bus: ChaosBus;
  /** Figures of each fault: `none` before the first and after the last. */
  readonly faultFigures: Readonly<Record<string, PhaseReport>>;
  /** Names of faults that this machine cannot make. */
  readonly leftOut: readonly string[];
  readonly remains: Remains;
  /** What the processes reported to their operator. */
  readonly reported: readonly string[];
  /** Calls that failed, as they may. */
  readonly allowed: readonly string[];
  /** Promises that were broken. */
  readonly broken: readonly string[];
}

/** Sessions are held to a long life: what is swept at the end is aged first. */
const sessions = { touchMs: 1000, sweepMs: 1000, maxPerPrincipal: 100_000 };
const limits = { heartbeatMs: 2000 };
/** The defaults of `limits.storeMs` and `sessions.deadMs`. */
const terms = { storeMs: 5000, deadMs: 15_000 };

/** Of ten clients. */
const kinds: readonly MakeClient[] = [
  ...Array.from({ length: 4 }, () => listeningClient),
  callingClient,
  ...Array.from({ length: 2 }, () => sseClient),
  ...Array.from({ length: 2 }, () => modernClient),
  modernListener,
];

/** Lets clients call while one thing after the other goes wrong, and holds what they see to what was promised. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seconds, clients: count, seed, provider, bus, print } = options;
  const choices = random(seed);
  const seeded = () => random(choices.between(0, 2 ** 31));
  await using place = await openChaosPlace(provider, bus);
  const { chosen, left } = chooseFaults(options.faults, place);
  for (const { name, needs } of left)
    print(`left out: ${name}, which needs ${needs ?? 'more'} of the run's own; ${place.missing.join('; ')}`);
  const clocksAheadMs: World['clocksAheadMs'] = new Map();
  await using cluster = await startCluster(
    { ...place.settings, sessions, limits },
    { settingsOf: at => ({ ...place.settingsOf(at), clockAheadMs: clocksAheadMs.get(at) ?? 0 }) },
  );
  using load = watchLoad();
  const calling = new AbortController();
  // Every client waits for it.
  setMaxListeners(0, calling.signal);
  const ledger = new Ledger(new Incidents(terms, load), 'none');
  const world: World = {
    place,
    cluster,
    ledger,
    publications: new Publications(),
    streams: new OpenStreams(),
    paused: new Set(),
    clocksAheadMs,
    calling: calling.signal,
  };
  const clients = Array.from({ length: count }, (_, index) => {
    const make = kinds[index % kinds.length] as MakeClient;
    return make(`${make.name} ${index}`, world, seeded());
  });
  const running = clients.map(async client => {
    await think(world, choices, 0, 3000);
    await client.run().catch((error: Error) => ledger.breach(`${client.name}: ${error.stack}`));
  });
  const publishing = Array.from({ length: 3 }, () => publish(world, seeded()));

  await takeTurns(world, chosen, { seconds, random: seeded(), print });
  calling.abort();
  print('calls have ended; waiting for the last announcement');
  await Promise.all([...running, ...publishing]);
  await eventually(() => world.publications.pending === 0 || undefined, 'an end to all announcements', 60_000).catch((error: Error) =>
    ledger.breach(error.message),
  );
  await Promise.all(clients.map(client => client.finish()));
  print('clients have gone; waiting until nothing remains');
  const remains = await untilNothingRemains(world, sessions.touchMs);
  ledger.judgeRuns(cluster.started().flatMap(({ ran }) => ran));
  takeProblems(world, chosen);
  return {
    seconds,
    clients: count,
    seed,
    database: provider,
    bus,
    ...ledger.figures,
    faultFigures: ledger.phases,
    leftOut: left.map(({ name }) => name),
    remains,
    reported: ledger.reports,
    allowed: ledger.allowed,
    broken: ledger.broken,
  };
}

interface TurnOptions {
  readonly seconds: number;
  readonly random: Random;
  readonly print: (line: string) => void;
}

/** Each fault has its turn; then, while there is time, one or two that the seed picks. */
async function takeTurns(world: World, chosen: readonly Fault[], { seconds, random, print }: TurnOptions): Promise<void> {
  const { ledger } = world;
  const until = performance.now() + seconds * 1000;
  // What goes wrong before anything has, is no fault's.
  await delay(4000);
  print(`no fault: recovered ${JSON.stringify(await recover(world, random))}, ${world.streams.count} streams`);
  takeProblems(world, []);
  const waiting = shuffled(chosen, random).map(fault => [fault]);
  while (waiting.length > 0 || (performance.now() < until && chosen.length > 0)) {
    const turn = waiting.shift() ?? mixed(chosen, random);
    const name = turn.map(fault => fault.name).join('+');
    ledger.enter(name);
    const startedAt = performance.now();
    const seen = ledger.broken.length;
    await Promise.all(turn.map(fault => fault.run(world, random)));
    ledger.took('fault', startedAt);
    const healedAt = performance.now();
    const recovery = await recover(world, random);
    ledger.took('recovery', healedAt);
    takeProblems(world, turn);
    const { durations, ...figures } = ledger.phases[name] as PhaseReport;
    for (const text of ledger.broken.slice(seen, seen + 5)) print(`broken: ${text}`);
    print(`${name}: ${JSON.stringify({ ...recovery, ...figures, ...durations, broken: ledger.broken.length })}`);
  }
  ledger.enter('none');
}

function mixed(chosen: readonly Fault[], random: Random): Fault[] {
  const first = random.pick(chosen);
  const others = chosen.filter(({ befalls }) => befalls !== first.befalls);
  return others.length > 0 && random.chance(0.6) ? [first, random.pick(others)] : [first];
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map(item => ({ item, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Takes what the processes reported: nothing, unless something befell them; no process may end by itself at all. */
function takeProblems({ cluster, ledger }: World, turn: readonly Fault[]): void {
  const isExpected = turn.some(({ name }) => name !== 'clock' && name !== 'latency');
  for (const problem of cluster.takeProblems()) {
    ledger.count('reports');
    ledger.reports.push(problem);
    const wasSlow = problem.includes('has not answered') && ledger.incidents.isOverloaded();
    if ((!isExpected && !wasSlow) || problem.includes('ended by itself')) ledger.breach(`a process reported: ${problem}`);
  }
}
