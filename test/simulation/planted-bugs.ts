import type { ChangeSource } from '../support/compile.ts';

/** A bug that is put into the source before it is compiled: the simulation has to find it. */
export interface PlantedBug {
  readonly name: string;
  /** What it does. */
  readonly what: string;
  /** A file of the project. */
  readonly file: string;
  /** Text that is there once. */
  readonly find: string;
  readonly replace: string;
  /** The first schedule that finds it: a search that begins here is short. */
  readonly seed: number;
}

/** Ways to lose an event, to say something twice, to wait, to leak or to end a task wrongly. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'deaf-tail',
    what: 'the tail waits for ever for a read whose answer is lost',
    file: 'src/transport/service.ts',
    find: 'new Tail({ store, bus',
    replace: 'new Tail({ store: options.store, bus',
    seed: 5,
  },
  {
    name: 'counted-looks',
    what: 'a process counts as dead after five looks, whatever time they took',
    file: 'src/delivery/nodes.ts',
    find: 'watched.silentMs += watchedMs;',
    replace: 'watched.silentMs += this.#options.deadMs / 5;',
    seed: 19,
  },
  {
    name: 'late-accepted',
    what: 'a request of HTTP+SSE is written down as accepted half a second after its call began',
    file: 'src/transport/sse-relay.ts',
    find: 'await log.post({ ...posting({ accepted: id, by: node }), isQuiet: true }, { withinMs: storeMs });',
    replace: 'setTimeout(() => log.post(posting({ accepted: id, by: node })).catch(() => undefined), 500);',
    seed: 9,
  },
  {
    name: 'dropped-response',
    what: 'a response that could not be written within 100 ms is dropped',
    file: 'src/transport/sse-relay.ts',
    find: 'const post = (mail: StreamMail) => log.post(posting(mail));',
    replace: 'const post = (mail: StreamMail) => log.post(posting(mail), { withinMs: 100 });',
    seed: 3,
  },
  {
    name: 'new-keys',
    what: 'a write whose outcome is unknown is repeated under new keys',
    file: 'src/delivery/event-log.ts',
    find: 'store.append(batch.map(({ event }) => event))',
    replace: 'store.append(batch.map(({ event }) => ({ ...event, key: event.key + Math.random() })))',
    seed: 2,
  },
  {
    name: 'forgotten-gaps',
    what: 'an event that becomes visible after one with a greater id is skipped',
    file: 'src/delivery/tail.ts',
    find: 'this.#gaps.set(gap, now);',
    replace: 'void now;',
    seed: 21,
  },
  {
    name: 'leaking-get',
    what: 'a GET that failed does not let go of what it took',
    file: 'src/transport/session-stream.ts',
    find: 'if (this.#connection === undefined) this.#release();',
    replace: '',
    seed: 2,
  },
  {
    name: 'unknown-outage',
    what: 'a database that does not answer is not known as an outage',
    file: 'src/store/outage.ts',
    find: 'reject(new StoreUnavailable(`the store has not',
    replace: 'reject(new Error(`the store has not',
    seed: 5,
  },
  {
    name: 'no-retry',
    what: 'what could not be written is tried again with the next event only',
    file: 'src/delivery/event-log.ts',
    find: 'await this.#untilRetry(error);',
    replace: 'break;',
    seed: 5,
  },
  {
    name: 'compared-clocks',
    what: 'a session of HTTP+SSE expires by the clock of another process, though that of its own differs by less than a minute',
    file: 'src/session/sessions.ts',
    find: 'sseTouches * touchMs + clockMarginMs',
    replace: 'touchMs + 10_000',
    seed: 62,
  },
  {
    name: 'endless-close',
    what: 'close() waits for the database however long it takes',
    file: 'src/transport/service.ts',
    find: 'await doneWithin(deadlineMs, closeInOrder(performance.now() + deadlineMs).catch(onError));',
    replace: 'await closeInOrder(performance.now() + deadlineMs).catch(onError);',
    seed: 1,
  },
  {
    name: 'ended-twice',
    what: 'a task that has ended is ended again',
    file: 'src/transport/task-rows.ts',
    find: 'const wanted = hasEnded(task) ? undefined : decide(task);',
    replace: 'const wanted = decide(task);',
    seed: 11,
  },
  {
    name: 'unwatched-owner',
    what: 'nobody notices that the process of a task has died',
    file: 'src/transport/task-rows.ts',
    find: 'if (!hasEnded(task)) this.watchOwner(task.node);',
    replace: 'void hasEnded(task);',
    seed: 6,
  },
  {
    name: 'unsaved-end',
    what: 'the end of a task is not written again after the database was away',
    file: 'src/transport/tasks.ts',
    find: 'await this.#rows.changeSurely(task, () => end);',
    replace: 'await this.#rows.change(task.id, () => end);',
    seed: 29,
  },
  {
    name: 'tied-task',
    what: 'a task that was handed over still fails with the process of its handler',
    file: 'src/transport/tasks.ts',
    find: 'if (thrown instanceof Deferred) return { node: elsewhere };',
    replace: 'if (thrown instanceof Deferred) return { statusMessage: null };',
    seed: 28,
  },
];

/**
 * Puts a bug into the source.
 *
 * @throws {Error} The file does not have the text of the bug once.
 */
export function plant({ file, find, replace }: Pick<PlantedBug, 'file' | 'find' | 'replace'>): ChangeSource {
  return (name, source) => {
    if (!name.endsWith(`/${file}`)) return source;
    if (source.split(find).length !== 2) throw new Error(`${file} does not have the text of the planted bug once: ${find}`);
    return source.replace(find, () => replace);
  };
}
