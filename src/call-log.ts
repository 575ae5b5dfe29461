import type { ResolvedOptions } from './options.ts';
import type { Observe, Observed } from './protocol/observed.ts';
import { methodOf, noteThrown, targetOf } from './protocol/observed.ts';
import type { Registry } from './protocol/registry.ts';
import { logLine, shortClientText, shortSessionId } from './session/session-log.ts';

/** What `callLog` needs. */
export interface CallLogOptions extends Pick<ResolvedOptions, 'node'> {
  readonly log: (line: string) => unknown;
  readonly registry: Registry;
  /** Called with what `log` throws. */
  readonly onError: (error: unknown) => void;
}

/** Gives `log` one line of JSON for each message and each run of a task, when its end is known. */
export function callLog(options: CallLogOptions): Observe {
  return async (seen, work) => {
    const startedAt = performance.now();
    try {
      return await work();
    } catch (error) {
      noteThrown(seen, error);
      throw error;
    } finally {
      write(options, seen, performance.now() - startedAt);
    }
  };
}

function write({ log, node, registry, onError }: CallLogOptions, seen: Observed, ms: number): void {
  try {
    const taken = log(logLine('mcp.call', { ...toLine(registry, seen), ms: Math.round(ms * 10) / 10, node, at: new Date() }));
    if (taken instanceof Promise) taken.catch(onError);
  } catch (error) {
    onError(error);
  }
}

function toLine(registry: Registry, seen: Observed): object {
  const { kind, sessionId, principal, client, revision, outcome, error, ref } = seen;
  const { tool, prompt, uri } = targetOf(registry, seen);
  return {
    method: methodOf(seen),
    name: tool ?? prompt ?? uri,
    ...(kind === 'task' && { task: true }),
    outcome,
    code: error?.code,
    ref: outcome === 'error' || outcome === 'tool_error' ? ref : undefined,
    sessionId: sessionId === undefined ? undefined : shortSessionId(sessionId),
    principal,
    clientName: client && shortClientText(client.name),
    revision,
  };
}
