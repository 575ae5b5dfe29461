import type { Tail } from '../delivery/tail.ts';
import type { Call, MessageSink } from '../protocol/call.ts';
import { CallEnded } from '../protocol/call.ts';
import { canListRoots } from '../protocol/client-requests.ts';
import type { CallContext } from '../protocol/definitions.ts';
import { assumedRevision, findRevision } from '../protocol/revisions.ts';
import type { Session } from '../store/store.ts';
import type { Calls, Rate } from './calls.ts';

/** Called with the context of a client whose roots have changed. */
export type RootsHook = (ctx: CallContext) => unknown;

/** The options of `RootsChanges`. */
export interface RootsChangesOptions {
  readonly hook: RootsHook;
  readonly calls: Calls;
  readonly callRate: Rate;
  readonly tail: Tail;
  /** Sends a message on the stream of a session, in whichever process that is. Resolves once the message cannot be lost. */
  readonly push: (sessionId: string, text: string) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/**
 * Tells the app of clients whose roots have changed. What the app asks such a client goes on the stream of its session, since the client waits for
 * no response.
 */
export class RootsChanges {
  readonly #options: RootsChangesOptions;
  /** Sessions for which the hook runs in this process. `true` if the roots have changed again meanwhile. */
  readonly #running = new Map<string, boolean>();

  constructor(options: RootsChangesOptions) {
    this.#options = options;
  }

  /**
   * Takes the notification of a client. Resolves at once; the hook runs afterwards. While it runs, further changes of the session make it run once
   * more. A client that sends too many requests is not listened to.
   *
   * @param newCall Makes the call of the hook, whose messages go to the sink.
   */
  async changed(session: Session, newCall: (sink: MessageSink) => Call): Promise<void> {
    const { id, principal, capabilities } = session;
    if (!canListRoots(capabilities, findRevision(session.revision) ?? assumedRevision)) return;
    if ((await this.#options.callRate.take(principal)) !== undefined) return;
    if (this.#running.has(id)) return void this.#running.set(id, true);
    const sink: MessageSink = {
      send: text => {
        this.#options.push(id, text).catch(this.#options.onError);
        return true;
      },
    };
    void this.#run(id, () => newCall(sink));
  }

  async #run(sessionId: string, newCall: () => Call): Promise<void> {
    do {
      this.#running.set(sessionId, false);
      await this.#callHook(newCall());
    } while (this.#running.get(sessionId));
    this.#running.delete(sessionId);
  }

  async #callHook(call: Call): Promise<void> {
    const { hook, calls, tail, onError } = this.#options;
    let finish: (() => void) | undefined;
    try {
      // The answers of the client may come by way of another process.
      await tail.start();
      finish = calls.start(call);
      await call.race((async () => hook(call.ctx))());
    } catch (error) {
      if (!(error instanceof CallEnded)) onError(error);
    } finally {
      finish?.();
      call.finish();
    }
  }
}
