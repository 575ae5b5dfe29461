import type { KnownRows } from './writes.ts';

/** The contents of a resource for a subscriber; `null` if the subscriber has no such resource. */
type Contents = string | null;

/** A commit after which the subscriber gets something else. Times are by `performance.now()` of the test. */
interface Step {
  /** When the write was ordered. */
  readonly orderedAt: number;
  /** When the write was known to be done. */
  readonly doneAt: number;
  readonly before: Contents;
  readonly after: Contents;
}

/** What one subscriber was told of one resource. */
interface Account {
  readonly owner: number;
  readonly uri: string;
  readonly steps: Step[];
  readonly toldAt: number[];
}

/** Times that the subscribers are promised, in milliseconds. */
export interface Promises {
  /** From the commit to the notification at most. */
  readonly withinMs: number;
  /** Between two notifications of one resource at least. */
  readonly apartMs: number;
  /** How much longer things may take between two times, because the machine is busy. */
  readonly slackMs: (from: number, to: number) => number;
}

/**
 * Holds what subscribers were told to what they could see. It knows the rows from the writes alone, and the row policy from the names of
 * the owners; it uses nothing of the package.
 */
export class LiveLedger {
  readonly #accounts: Account[] = [];

  /** Adds a subscriber. Returns the function that takes its notifications. */
  subscriber(owner: number, uris: readonly string[]): (uri: string, at: number) => void {
    const own = new Map(uris.map((uri): [string, Account] => [uri, { owner, uri, steps: [], toldAt: [] }]));
    this.#accounts.push(...own.values());
    return (uri, at) => {
      const account = own.get(uri);
      if (account === undefined) throw new Error(`owner ${owner} was told of ${uri}, which nobody subscribed to`);
      account.toldAt.push(at);
    };
  }

  /** Notes a commit. */
  committed(before: KnownRows, after: KnownRows, { orderedAt, doneAt }: Pick<Step, 'orderedAt' | 'doneAt'>): void {
    for (const { owner, uri, steps } of this.#accounts) {
      const step = { orderedAt, doneAt, before: contentsOf(before, owner, uri), after: contentsOf(after, owner, uri) };
      if (step.before !== step.after) steps.push(step);
    }
  }

  /** The resources that a subscriber still has to be told of. While nothing is written, there are soon none. */
  unsettled(): string[] {
    return this.#accounts.flatMap(({ owner, uri, steps, toldAt }) => {
      const left = steps.findIndex(({ orderedAt }) => orderedAt > (toldAt.at(-1) ?? Number.NEGATIVE_INFINITY));
      const last = steps.at(-1);
      // A look that was made between two changes is not told if the later one undid the earlier one.
      const isUndone = steps.slice(Math.max(0, left - 2)).some(({ before }) => before === last?.after);
      return left === -1 || isUndone ? [] : [`owner ${owner} was never told of the last change of ${uri}`];
    });
  }

  /** Everything that was not as promised, and the number of notifications. */
  verify(promises: Promises): {
    readonly problems: readonly string[];
    readonly told: number;
    readonly steps: number;
    readonly unseen: number;
  } {
    const problems = this.#accounts.flatMap(account => [
      ...groundless(account, promises),
      ...tooClose(account, promises),
      ...silent(account, promises)
        .filter(({ isExcused }) => !isExcused)
        .map(({ text }) => text),
    ]);
    const unseen = this.#accounts.flatMap(account => silent(account, promises)).filter(({ isExcused }) => isExcused).length;
    const count = (of: 'steps' | 'toldAt') => this.#accounts.reduce((sum, account) => sum + account[of].length, 0);
    return { problems, told: count('toldAt'), steps: count('steps'), unseen };
  }
}

/** Milliseconds that a notification is on its way, from the read in the app's process to this one. */
const travelMs = 400;

/** Notifications without a change since the one before. */
function groundless({ owner, uri, steps, toldAt }: Account, { slackMs }: Promises): string[] {
  return toldAt.flatMap((at, index) => {
    const before = toldAt[index - 1] ?? Number.NEGATIVE_INFINITY;
    const since = before - travelMs - slackMs(before - travelMs, before);
    const isGrounded = steps.some(({ orderedAt, doneAt }) => orderedAt <= at && doneAt >= since);
    return isGrounded ? [] : [`owner ${owner} was told of ${uri} at ${at.toFixed()} without a change that it can see`];
  });
}

function tooClose({ owner, uri, toldAt }: Account, { apartMs, slackMs }: Promises): string[] {
  return toldAt.flatMap((at, index) => {
    const before = toldAt[index - 1] ?? Number.NEGATIVE_INFINITY;
    const gapMs = at - before;
    // The first of the two may have been late.
    return gapMs >= apartMs - slackMs(before - travelMs, before)
      ? []
      : [`owner ${owner} was told of ${uri} twice within ${gapMs.toFixed()} ms`];
  });
}

/**
 * Changes that no notification followed in time. A change is excused if the resource was, within that time, as it had been shortly before:
 * two looks that have nothing but the change between them see no difference.
 */
function silent({ owner, uri, steps, toldAt }: Account, { withinMs, slackMs }: Promises): { text: string; isExcused: boolean }[] {
  return steps.flatMap(({ orderedAt, doneAt }, index) => {
    const until = doneAt + withinMs + slackMs(orderedAt, doneAt + withinMs);
    if (toldAt.some(at => at >= orderedAt && at <= until)) return [];
    const since = orderedAt - withinMs - slackMs(orderedAt - withinMs, orderedAt);
    const earlier = steps.slice(0, index + 1).filter(step => step.doneAt >= since);
    const isExcused = steps.slice(index).some(later => later.orderedAt <= until && earlier.some(({ before }) => before === later.after));
    const next = toldAt.find(at => at > until);
    const text = `owner ${owner} was not told of ${uri} within ${withinMs} ms of ${doneAt.toFixed()}, but ${next === undefined ? 'never' : `after ${(next - doneAt).toFixed()} ms`}`;
    return [{ text, isExcused }];
  });
}

/** What the subscriber would read. */
function contentsOf(rows: KnownRows, owner: number, uri: string): Contents {
  const id = /\/(\d+)$/u.exec(uri)?.[1];
  const visible = [...rows].filter(([, row]) => row.owner === owner).map(([key, { price }]) => `${key}: ${price}`);
  if (id === undefined) return visible.toSorted().join();
  return visible.find(text => text.startsWith(`${id}: `)) ?? null;
}
