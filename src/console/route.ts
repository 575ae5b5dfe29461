import { useEffect, useState } from 'preact/hooks';

/** A place in the page: `#tools/echo` → `{ view: 'tools', item: 'echo' }`. */
export interface Route {
  readonly view: string;
  readonly item: string | undefined;
}

/** The address of a place. */
export function linkTo(view: string, item?: string): string {
  return `#${view}${item === undefined ? '' : `/${encodeURIComponent(item)}`}`;
}

/** Where the page is now. */
export function useRoute(): Route {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const update = () => setRoute(readRoute());
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  return route;
}

function readRoute(): Route {
  const [, view = '', item] = /^#?([^/]*)(?:\/(.*))?$/su.exec(location.hash) ?? [];
  return { view: view === '' ? 'overview' : view, item: item === undefined || item === '' ? undefined : decoded(item) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
