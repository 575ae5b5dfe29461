import { useEffect, useState } from 'preact/hooks';

const values = new Map<string, unknown>();
const listeners = new Set<(key: string) => void>();

/**
 * Like `useState`, for a value that is still there when the user comes back to the view.
 *
 * @param key Names the value in the whole page.
 */
export function useKept<T extends object | string | boolean | undefined>(
  key: string,
  start: () => T,
): [T, (change: (before: T) => T) => void] {
  const [, redraw] = useState({});
  useEffect(() => {
    const listener = (changed: string) => {
      if (changed === key) redraw({});
    };
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [key]);
  if (!values.has(key)) values.set(key, start());
  const change = (next: (before: T) => T) => {
    values.set(key, next(values.get(key) as T));
    for (const listener of listeners) listener(key);
  };
  return [values.get(key) as T, change];
}

/** Forgets all values, because they are of another connection. */
export function forgetKept(): void {
  values.clear();
}
