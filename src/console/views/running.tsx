import type { JsonObject } from '../../protocol/definitions.ts';
import type { Progress, RequestOptions, TaskState } from '../client/wire.ts';
import { isAbort } from '../client/wire.ts';
import { Notice } from '../components/parts.tsx';
import { useKept } from '../kept.ts';
import { messageOf, state } from '../state.ts';

/** A request of a view: what it is doing, or how it ended. */
export interface Run {
  readonly status: 'idle' | 'running' | 'done' | 'failed' | 'cancelled';
  readonly result: JsonObject | undefined;
  readonly error: string | undefined;
  readonly ms: number;
  readonly progress: Progress | undefined;
  readonly task: TaskState | undefined;
  readonly start: (method: string, params: JsonObject, options?: RequestOptions) => Promise<void>;
  readonly cancel: () => void;
}

type Shown = Omit<Run, 'start' | 'cancel'>;
const idle: Shown = { status: 'idle', result: undefined, error: undefined, ms: 0, progress: undefined, task: undefined };

/** What runs, by the view that has started it. */
const running = new Map<string, AbortController>();

/**
 * Sends the requests of a view, one at a time. A request goes on when the user leaves the view, who finds it or its result there later.
 *
 * @param key Names the view and what it shows.
 */
export function useRun(key: string): Run {
  const [shown, change] = useKept<Shown>(`run ${key}`, () => idle);
  const start: Run['start'] = async (method, params, options = {}) => {
    running.get(key)?.abort();
    const controller = new AbortController();
    running.set(key, controller);
    const { connection } = state.values;
    const began = performance.now();
    const show = (next: Partial<Shown>) => {
      const isCurrent = running.get(key) === controller && state.values.connection === connection;
      if (isCurrent) change(before => ({ ...before, ms: performance.now() - began, ...next }));
    };
    show({ ...idle, status: 'running' });
    try {
      const result = await state.request(method, params, {
        ...options,
        signal: controller.signal,
        onProgress: progress => show({ progress }),
        onTask: task => show({ task }),
      });
      show({ status: 'done', result });
    } catch (error) {
      show(isAbort(error) ? { status: 'cancelled' } : { status: 'failed', error: messageOf(error) });
    }
  };
  return { ...shown, start, cancel: () => running.get(key)?.abort() };
}

/** How far a request is, with a way to cancel it, or how it ended if that was badly. */
export function RunState({ run }: { run: Run }) {
  const { status, progress, task, error, cancel } = run;
  return (
    <div aria-live="polite">
      {status === 'running' && (
        <div class="running">
          <div class="running-text">
            <p>{task === undefined ? 'Running …' : `Running as a task: ${task.status.replaceAll('_', ' ')}`}</p>
            {(progress?.message ?? task?.statusMessage) !== undefined && <p class="faint">{progress?.message ?? task?.statusMessage}</p>}
          </div>
          <progress
            aria-label="Progress"
            max={progress?.total ?? 1}
            value={progress?.total === undefined ? undefined : progress.progress}
          />
          <button type="button" class="button button-small" onClick={cancel}>
            Cancel the call
          </button>
        </div>
      )}
      {status === 'cancelled' && (
        <Notice title="Cancelled">
          <p>You have cancelled the call. It may have taken effect before.</p>
        </Notice>
      )}
      {status === 'failed' && (
        <Notice tone="bad" title="The server refuses">
          <p class="text">{error}</p>
        </Notice>
      )}
    </div>
  );
}

/** `1234.5` → `1.23 s` */
export function inTime(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
