import './engine/builtins.ts';
import type { Random } from '../chaos/random.ts';
import { random as createRandom } from '../chaos/random.ts';
import { checkCall, checkChannel } from './checks.ts';
import type { Client } from './clients/client.ts';
import { ListeningClient } from './clients/listener.ts';
import { SseClient } from './clients/sse.ts';
import { StreamableClient } from './clients/streamable.ts';
import { TaskClient } from './clients/tasks.ts';
import { Disturber } from './disturb.ts';
import { simulateBuiltins } from './engine/builtins.ts';
import { Scheduler } from './engine/scheduler.ts';
import { Counts } from './faults.ts';
import { exchange } from './http.ts';
import type { Breach } from './ledger.ts';
import { Ledger } from './ledger.ts';
import { chooseUris, fence, hot, lists } from './publications.ts';
import { chooseSettings } from './settings.ts';
import { queriesAllowed } from './store.ts';
import { checkTasks } from './task-checks.ts';
import { workOff } from './workers.ts';
import { World } from './world.ts';

/** What one seed led to. */
export interface ScheduleResult extends Happenings {
  readonly seed: number;
  readonly breaches: readonly Breach[];
}

/** How much happened in one schedule, or in several. */
export interface Happenings {
  readonly calls: number;
  readonly responses: number;
  /** Tasks that a client got the id of. */
  readonly tasks: number;
  readonly publications: number;
  readonly events: number;
  readonly steps: number;
  /** Faults that were injected, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Two runs of the same seeds give the same. */
  readonly hash: number;
}

const kinds = { streamable: StreamableClient, sse: SseClient, listener: ListeningClient };

/** Virtual milliseconds in which everything that was under way must come to an end once nothing is broken any more. */
const settleMs = 240_000;
/** And in which the last event must have reached everybody. */
const fenceMs = 60_000;

/** And for which a client stays away, so that what was published meanwhile is kept no more when it comes back. */
const absenceMs = 700_000;
/** And in which every row has outlived its time, some minutes for clocks that differ included. */
const forgetMs = 1_500_000;

/** Runs the schedule of one seed and checks what its clients saw. @param print Takes a line for each event. */
export async function runSchedule(seed: number, print?: (line: string) => void): Promise<ScheduleResult> {
  const scheduler = new Scheduler({ print });
  const random = createRandom(seed);
  const ofTasks = createRandom(seed ^ 0x7a5c);
  const settings = chooseSettings(random, ofTasks);
  print?.(JSON.stringify(settings));
  const fork = () => createRandom(random.between(0, 2 ** 31));
  const forkOfTasks = () => createRandom(ofTasks.between(0, 2 ** 31));
  const ledger = new Ledger(scheduler);
  const counts = new Counts();
  simulateBuiltins({ scheduler, random: fork() });
  const world = new World({ scheduler, random: fork(), settings, ledger, counts });
  const onRejection = (reason: unknown) => {
    ledger.breach(6, 'an unhandled rejection', `${scheduler.owner.name}: ${reason instanceof Error ? reason.stack : String(reason)}`);
  };
  const onWarning = (warning: Error) => {
    if (warning.name === 'MaxListenersExceededWarning') ledger.breach(6, 'a leak of listeners', warning.message);
  };
  scheduler.onUncaught = (error, owner) =>
    ledger.breach(6, 'an uncaught exception', `${owner.name}: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('unhandledRejection', onRejection);
  process.on('warning', onWarning);
  try {
    await play(world, fork, forkOfTasks);
  } finally {
    for (const node of world.nodes) for (const connection of [...node.connections]) connection.destroy();
    await scheduler.run(() => true);
    await new Promise(resolve => process.nextTick(resolve));
    simulateBuiltins(undefined);
    process.off('unhandledRejection', onRejection);
    process.off('warning', onWarning);
  }
  return {
    seed,
    breaches: ledger.breaches,
    faults: counts.toJSON(),
    calls: ledger.calls.length,
    responses: ledger.responses,
    tasks: ledger.tasks.all.filter(({ taskId }) => taskId !== '').length,
    publications: ledger.publications.length,
    events: ledger.events,
    steps: scheduler.steps,
    hash: scheduler.hash,
  };
}

async function play(world: World, fork: () => Random, forkOfTasks: () => Random): Promise<void> {
  const { scheduler, settings, ledger } = world;
  const harness = scheduler.owner;
  const never = () => false;
  const uris = chooseUris(Math.ceil(settings.actMs / settings.publishEveryMs));
  for (let index = 1; index <= settings.nodes; index += 1) world.start(`n${index}.1`);
  const clients = settings.clients.map((kind, index): Client => {
    return new kinds[kind](`${kind}${index + 1}`, world, { random: fork(), uris });
  });
  for (let index = 1; index <= settings.taskClients; index += 1) clients.push(new TaskClient(`tasks${index}`, world, forkOfTasks()));
  for (const client of clients) client.start();
  const disturber = new Disturber(world, fork());
  scheduler.owner = harness;
  disturber.schedule();
  const publisher = scheduler.createOwner('publisher');
  scheduler.at(0, publisher, 'starts', () => void publish(world, fork(), uris));
  if (settings.taskClients > 0) scheduler.at(0, scheduler.createOwner('workers'), 'start', () => void workOff(world, forkOfTasks()));

  await scheduler.run(never, settings.actMs);
  scheduler.owner = harness;
  world.isActing = false;
  disturber.heal();
  ledger.tasks.isHealed = true;
  scheduler.trace('healed');
  const isSettled = () => clients.every(({ isIdle, underWay, unanswered }) => isIdle && underWay.size === 0 && unanswered.length === 0);
  await scheduler.run(isSettled, scheduler.now + settleMs);
  for (const request of clients.flatMap(({ unanswered }) => unanswered))
    ledger.breach(4, 'an acknowledged request was never answered', request);
  for (const client of clients) {
    if (!client.isIdle) ledger.breach(6, 'a client waits for ever', client.name);
    for (const call of client.underWay)
      if (call.cancelledMs !== undefined) ledger.breach(6, 'the stream of a cancelled call stays open', call.key);
  }
  for (const call of ledger.calls) checkCall(call, { ledger, nodes: world.nodes, settings });
  checkTasks(world);
  await scheduler.run(() => world.serving.length > 0, scheduler.now + settleMs);
  await scheduler.run(never, scheduler.now + 5000);
  await fenceAll(world, clients, fork());
  const underWay = () =>
    ledger.publications.filter(({ node: name, resolvedAt, failure }) => {
      return resolvedAt === undefined && failure === undefined && world.living.some(node => node.name === name);
    });
  await scheduler.run(() => underWay().length === 0, scheduler.now + settleMs);
  for (const { what, node } of underWay()) ledger.breach(6, 'a publication is never done', `${what} on ${node}`);
  // What was published last may still be on its way.
  await scheduler.run(never, scheduler.now + 5000);
  for (const channel of ledger.channels) checkChannel(channel, { publications: ledger.publications, ledger });
  await inTurn(world, clients, client => client.probe());
  await probeNodes(world);
  await beAbsent(world, clients, fork());
  await leave(world, clients, disturber);
}

/** Publishes on whichever process, until the action is over. */
async function publish(world: World, random: Random, uris: readonly string[]): Promise<void> {
  const { scheduler, settings } = world;
  let next = 0;
  while (world.isActing) {
    await scheduler.sleep(random.between(1, settings.publishEveryMs));
    const burst = random.chance(0.1) ? random.between(2, 5) : 1;
    const node = random.pick(world.living.length > 0 ? world.living : world.nodes);
    for (let index = 0; index < burst; index += 1) {
      const kind = random.next();
      const what = kind < 0.15 ? `list:${random.pick(lists)}` : kind < 0.25 ? hot : uris[next];
      if (what === undefined) break;
      if (kind >= 0.25) next += 1;
      if (node.isAlive && !node.isClosing) void world.publish(node, what);
    }
  }
}

/** Tells everybody one last thing, which must reach them all, and counts what it takes. */
async function fenceAll(world: World, clients: readonly Client[], random: Random): Promise<void> {
  const { scheduler, ledger, database } = world;
  const node = random.pick(world.serving);
  const owner = scheduler.createOwner('fence');
  let doneMs: number | undefined;
  const sentMs = scheduler.now;
  scheduler.at(0, owner, 'fence', () => {
    void world.publish(node, fence).then(() => {
      doneMs = scheduler.now;
    });
  });
  const hasHeard = (client: Client) => client.hasHeard(fence, ledger.publications.at(-1)?.calledAt ?? 0);
  const isHeard = () => doneMs !== undefined && clients.every(hasHeard);
  await scheduler.run(isHeard, scheduler.now + fenceMs);
  if (doneMs === undefined || doneMs - sentMs > world.settings.limits.storeMs)
    ledger.breach(6, 'a publication is slow', `the fence on ${node.name}`);
  for (const client of clients) if (!hasHeard(client)) ledger.breach(2, 'a stream is deaf', client.name);
  const rows = database.broadcastsWith(fence);
  if (rows > 1) ledger.breach(9, 'an update is more than one row', `${rows} rows for ${clients.length} clients`);
}

/** Lets each client do something, and waits for all. */
async function inTurn(world: World, clients: readonly Client[], work: (client: Client) => Promise<void>): Promise<void> {
  const { scheduler, ledger } = world;
  const done = new Set<Client>();
  for (const client of clients) {
    scheduler.at(0, client.owner, 'its turn', () => {
      work(client).then(
        () => done.add(client),
        (error: unknown) =>
          ledger.breach(0, 'the harness failed', `${client.name}: ${error instanceof Error ? error.stack : String(error)}`),
      );
    });
  }
  await scheduler.run(() => done.size === clients.length, scheduler.now + 300_000);
  for (const client of clients) if (!done.has(client)) ledger.breach(6, 'a client waits for ever', client.name);
}

/** Asks each process whether it can serve, and counts what it asks the database while nothing happens. */
async function probeNodes(world: World): Promise<void> {
  const { scheduler, ledger, settings, serving } = world;
  const idleMs = 20_000;
  let before: number[] = [];
  // Clients that came back late may still subscribe.
  for (let requests = -1, tries = 0; requests !== world.network.requests && tries < 10; tries += 1) {
    requests = world.network.requests;
    before = serving.map(({ queries }) => queries);
    await scheduler.run(() => false, scheduler.now + idleMs);
  }
  const allowed = queriesAllowed(settings, idleMs);
  for (const [index, node] of serving.entries()) {
    const asked = node.queries - (before[index] ?? 0);
    if (asked > allowed)
      ledger.breach(9, 'idle streams cost queries', `${node.name} asked ${asked} in ${idleMs} ms, ${allowed} are enough`);
  }
  const owner = scheduler.createOwner('probe');
  let left = serving.length;
  for (const node of serving) {
    scheduler.at(0, owner, 'probe', () => {
      const { outcome } = exchange(world.network, node, { method: 'GET', path: '/mcp/health' });
      void outcome.then(answer => {
        left -= 1;
        if (answer.kind !== 'answer' || answer.status !== 200)
          ledger.breach(6, 'a healthy process does not serve', `${node.name}: health: ${JSON.stringify(answer)}`);
      });
    });
  }
  await scheduler.run(() => left === 0, scheduler.now + 5000);
  if (left > 0) ledger.breach(6, 'a request waited too long', 'health');
}

/** Lets a client stay away for longer than events are kept. What it missed it is told all the same, or that it may have missed something. */
async function beAbsent(world: World, clients: readonly Client[], random: Random): Promise<void> {
  const { scheduler, ledger, settings } = world;
  const absent = clients.filter(client => client instanceof StreamableClient);
  if (!settings.isAbsenceLong || absent.length === 0) return;
  const { steps } = scheduler;
  // What may have changed is told under one id.
  for (const client of absent) client.channel.isDoubled = true;
  const publisher = scheduler.createOwner('publisher');
  await inTurn(world, absent, async client => (client as StreamableClient).stayAway());
  await scheduler.run(() => false, scheduler.now + 5000);
  // The newest event is kept for ever.
  for (const what of [hot, fence]) {
    scheduler.at(0, publisher, 'publishes', () => void world.publish(random.pick(world.serving), what));
    await scheduler.run(() => false, scheduler.now + absenceMs / 2);
  }
  await inTurn(world, absent, async client => (client as StreamableClient).returns());
  await scheduler.run(() => false, scheduler.now + 20_000);
  for (const { channel, name } of absent) {
    const isWanted = channel.isOpen && channel.subscribedAt.has(hot) && !channel.unsubscribed.has(hot);
    if (isWanted && !channel.seen.get(hot)?.some(step => step > steps))
      ledger.breach(1, 'an event was lost', `${name} never heard of ${hot}, which changed while it was away`);
  }
}

/** All clients go; then all rows must go, and processes must come to rest. */
async function leave(world: World, clients: readonly Client[], disturber: Disturber): Promise<void> {
  const { scheduler, ledger, database, settings } = world;
  world.isLeaving = true;
  await inTurn(world, clients, client => client.leave());
  const [first, ...others] = world.serving;
  for (const node of others) disturber.close(node, { restartMs: 0, deadlineMs: 2000 });
  await scheduler.run(() => false, scheduler.now + forgetMs + (settings.isAbsenceLong ? 3_600_000 : 0));
  // A query may be under way.
  await scheduler.run(() => first === undefined || first.owner.timers.size <= first.timersAtStart, scheduler.now + 10_000);
  if (first !== undefined && first.owner.timers.size > first.timersAtStart)
    ledger.breach(
      6,
      'timers without clients',
      `${first.name}: ${[...first.owner.timers].map(({ what }) => what).join('; ')}, ${first.timersAtStart} at its start`,
    );
  if (first !== undefined && first.bus.subscriptions > 2)
    ledger.breach(6, 'subscriptions without clients', `${first.name}: ${first.bus.subscriptions}`);
  if (first !== undefined && first.connections.size > 0)
    ledger.breach(6, 'connections without clients', `${first.name}: ${first.connections.size}`);
  for (const [table, rows] of Object.entries(await database.sweepAll()))
    if (rows > 0) ledger.breach(10, `rows of ${table} stay`, `${rows}`);
  if (first === undefined) return;
  world.conditions.reach = 'silent';
  disturber.close(first, { restartMs: 0, deadlineMs: 2000 });
  await scheduler.run(() => !first.isAlive, scheduler.now + 15_000);
}
