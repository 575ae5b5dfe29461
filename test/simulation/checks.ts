import type { CallRecord, Channel, Ledger, Publication } from './ledger.ts';
import type { SimNode } from './node.ts';
import type { Fault, Settings } from './settings.ts';

/** Holds what a channel heard to what was published. */
export function checkChannel(channel: Channel, { publications, ledger }: { publications: readonly Publication[]; ledger: Ledger }): void {
  const { name, memory, openedAt, subscribedAt, seen } = channel;
  const byWhat = grouped(publications);
  for (const what of new Set([...seen.keys(), ...subscribedAt.keys()])) {
    const published = byWhat.get(what) ?? [];
    const steps = seen.get(what) ?? [];
    if (memory !== 'forgets' && !channel.isDoubled && steps.length > published.length)
      ledger.breach(1, 'an event came twice', `${name} heard ${what} ${steps.length} times, published ${published.length} times`);
    const [first = Number.POSITIVE_INFINITY] = steps;
    if (published.every(({ calledAt }) => calledAt > first) && steps.length > 0)
      ledger.breach(1, 'an event came before it was published', `${name} heard ${what}`);
    const { begun, done } = channel.unsubscribed.get(what) ?? {};
    if (done !== undefined && steps.length > 0 && published.every(({ calledAt }) => calledAt > done))
      ledger.breach(1, 'an event came that nobody wanted any more', `${name} heard ${what}`);
    if (begun !== undefined) continue;
    if (openedAt === undefined || channel.isOver) continue;
    const since = Math.max(openedAt, subscribedAt.get(what) ?? Number.POSITIVE_INFINITY);
    const due = published.findLast(({ calledAt, resolvedAt }) => resolvedAt !== undefined && calledAt > since);
    if (due === undefined || steps.some(step => step > due.calledAt)) continue;
    // What was on its way when a connection was cut is gone for a client that does not say how far it got.
    if (memory === 'forgets' && channel.lost.includes(nameOf(what))) continue;
    ledger.breach(1, 'an event was lost', `${name} never heard ${what}, published by ${due.node}`);
  }
  checkOrder(channel, publications, ledger);
}

/** What an open stream is held to some time after a publication. */
export interface PublicationFacts {
  readonly ledger: Ledger;
  readonly nodes: readonly SimNode[];
  /** Virtual time at which it was published. */
  readonly calledMs: number;
}

/** Holds open streams to what was published on them: each has delivered it, or was ended. */
export function checkDelivered({ what, calledAt, node }: Publication, { ledger, nodes, calledMs }: PublicationFacts): void {
  const { now } = ledger.scheduler;
  for (const { name, carrier, isOpen, openSinceMs, isDoubled, subscribedAt, unsubscribed, seen } of ledger.channels) {
    const isWanted = (subscribedAt.get(what) ?? Number.POSITIVE_INFINITY) < calledAt && !unsubscribed.has(what);
    if (!isOpen || openSinceMs >= calledMs || isDoubled || !isWanted || seen.get(what)?.some(step => step > calledAt)) continue;
    const carrying = nodes.find(each => each.name === carrier);
    if (carrying?.isAlive && carrying.pausedMs(calledMs, now) === 0)
      ledger.breach(
        2,
        'an open stream is deaf',
        `${name} at ${carrier}: ${what}, published by ${node}, has not come for ${Math.round(now - calledMs)} ms`,
      );
  }
}

/** How a publication looks in a message. */
function nameOf(what: string): string {
  return what.startsWith('list:') ? `notifications/${what.slice('list:'.length)}/list_changed` : what;
}

function grouped(publications: readonly Publication[]): Map<string, Publication[]> {
  const groups = new Map<string, Publication[]>();
  for (const publication of publications) {
    const group = groups.get(publication.what);
    if (group) group.push(publication);
    else groups.set(publication.what, [publication]);
  }
  return groups;
}

function checkOrder({ name, order, subscribedAt, openedAt }: Channel, publications: readonly Publication[], ledger: Ledger): void {
  const byWhat = grouped(publications);
  const heard = order.flatMap(what => {
    const [publication, ...more] = byWhat.get(what) ?? [];
    const since = Math.max(openedAt ?? 0, subscribedAt.get(what) ?? Number.POSITIVE_INFINITY);
    return publication === undefined || more.length > 0 || publication.calledAt < since ? [] : [publication];
  });
  for (const [index, later] of heard.entries()) {
    for (const earlier of heard.slice(0, index)) {
      const isOneProcess = earlier.node === later.node && later.calledAt < earlier.calledAt;
      const isCause = later.resolvedAt !== undefined && later.resolvedAt < earlier.calledAt;
      if (!isOneProcess && !isCause) continue;
      ledger.breach(1, 'events out of order', `${name} heard ${earlier.what} before ${later.what}, which was published first`);
      return;
    }
  }
}

/** More than any call here says. */
const MANY_EVENTS = 100;

/** What the end of a call is held to. */
export interface CallFacts {
  readonly ledger: Ledger;
  readonly nodes: readonly SimNode[];
  readonly settings: Settings;
}

/** Holds the end of a call to what its handler did. */
export function checkCall(call: CallRecord, { ledger, nodes, settings }: CallFacts): void {
  const { key, response, cancelledMs } = call;
  const handled = ledger.handled.get(key);
  const node = nodes.find(({ name }) => name === (handled?.node ?? call.node));
  const isHealthy =
    node !== undefined &&
    !hasGoneSilent(node, {
      from: handled?.beganMs ?? call.sentMs,
      to: ledger.scheduler.now,
      // A process that is closed while the database works keeps what is done.
      doneMs: hasGoodDatabase(settings) ? handled?.endedMs : undefined,
      deadMs: settings.sessions.deadMs,
    });
  // The client has not fetched more than it may let wait.
  const isLimit = settings.limits.maxEvents < MANY_EVENTS && response?.error?.includes('messages waited');
  const isLost = response === undefined ? call.isBroken : response.error !== undefined && !isLimit && !call.isUnknown;
  const isDrained = node?.isDrained && isEarlier(handled?.beganMs, node.closedMs);
  if (isLost && isDrained && hasGoodDatabase(settings) && isWithoutCuts(settings))
    ledger.breach(7, 'a call was lost though its process was drained', `${key} on ${node.name}`);
  if (cancelledMs !== undefined) {
    if (handled?.text !== undefined && handled.endedMs !== undefined && handled.endedMs > cancelledMs && isHealthy)
      ledger.breach(8, 'a cancellation was ignored', `${key} ran to its end on ${node.name}`);
    if (response?.error === undefined && response !== undefined && handled?.endedMs !== undefined && handled.text === undefined)
      ledger.breach(3, 'a response to a cancelled call', `${key}: ${response.text}`);
    return;
  }
  if (response === undefined) {
    if (!call.isUnknown) ledger.breach(3, 'a call without a response', `${key}, handled by ${handled?.node ?? 'nobody'}`);
    return;
  }
  if (response.error !== undefined) {
    // The client had ended its session.
    if (isHealthy && !isLimit && !call.isUnknown)
      ledger.breach(5, 'a call was reported lost though its process lives', `${key} on ${node.name}: ${response.error}`);
    return;
  }
  if (handled !== undefined && response.text !== handled.text)
    ledger.breach(3, 'a wrong response', `${key}: ${response.text} instead of ${handled.text}`);
}

function isEarlier(ms: number | undefined, closedMs: number): boolean {
  return ms !== undefined && ms < closedMs;
}

function isWithoutCuts({ faults }: Settings): boolean {
  return faults.every(({ kind }) => kind !== 'connections cut');
}

/** Whether nothing but closing and cuts happens in a schedule. */
export function hasGoodDatabase({ faults, store, log, networkMs }: Settings): boolean {
  const { failedBefore, appliedThenFailed, late, hanging, latencyMs } = store;
  const harmless: readonly Fault['kind'][] = ['close', 'drain', 'connections cut', 'bus away', 'clock jumps'];
  const isErrorFree = failedBefore + appliedThenFailed + late + hanging + log.rolledBack + log.partlyApplied + log.lateCommit === 0;
  return isErrorFree && latencyMs + networkMs < 20 && faults.every(({ kind }) => harmless.includes(kind));
}

/** Whether others may have taken a process for dead, or it could not keep what it had done. */
export function hasGoneSilent(node: SimNode, call: { from: number; to: number; doneMs: number | undefined; deadMs: number }): boolean {
  if (isEarlier(call.doneMs, node.closedMs) && node.closedMs < Number.POSITIVE_INFINITY) return false;
  return node.disturbances.some(({ kind, since, until }) => {
    const isOver = kind === 'killed' || kind === 'closed' || until - since > call.deadMs / 2;
    return since <= call.to && until >= call.from && isOver;
  });
}
