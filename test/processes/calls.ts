/** What running calls and their test wait for, by a key that the test made up. */
export interface KeyedCalls {
  /** Resolves when a call asks for its first line. */
  began(key: string): Promise<void>;
  aborted(key: string): Promise<void>;
  /** Gives the call its next line; without one it ends. */
  feed(key: string, line: string | undefined): void;
  nextLine(key: string): Promise<string | undefined>;
  /** Notes when the call is aborted. */
  aborts(key: string, signal: AbortSignal): void;
}

export function calls(): KeyedCalls {
  const all = new Map<string, Call>();
  const of = (key: string) => {
    const call = all.get(key) ?? { began: gate(), aborted: gate(), lines: [], takers: [] };
    all.set(key, call);
    return call;
  };
  return {
    began: key => of(key).began.promise,
    aborted: key => of(key).aborted.promise,
    feed(key, line) {
      const { lines, takers } = of(key);
      const take = takers.shift();
      if (take === undefined) lines.push(line);
      else take(line);
    },
    nextLine(key) {
      const { began, lines, takers } = of(key);
      began.open();
      if (lines.length > 0) return Promise.resolve(lines.shift());
      return new Promise(resolve => {
        takers.push(resolve);
      });
    },
    aborts(key, signal) {
      signal.addEventListener('abort', of(key).aborted.open);
    },
  };
}

interface Call {
  readonly began: Gate;
  readonly aborted: Gate;
  readonly lines: (string | undefined)[];
  readonly takers: ((line: string | undefined) => void)[];
}

interface Gate {
  readonly promise: Promise<void>;
  readonly open: () => void;
}

function gate(): Gate {
  let open: (() => void) | undefined;
  const promise = new Promise<void>(resolve => {
    open = resolve;
  });
  return { promise, open: () => open?.() };
}
