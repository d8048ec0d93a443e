/** Where we are: the path and its query, kept in the address bar, so that every page can be linked to and gone back to. */
import { useEffect, useState } from 'preact/hooks';

export interface Place {
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export function placeOf({ pathname, search }: Pick<URL, 'pathname' | 'search'>): Place {
  return {
    path: pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

const CHANGED = 'postern:place';

export function go(to: string): void {
  history.pushState(null, '', to);
  dispatchEvent(new Event(CHANGED));
}

export function usePlace(): Place {
  const [place, set] = useState(() => placeOf(location));
  useEffect(() => {
    const changed = () => set(placeOf(location));
    addEventListener('popstate', changed);
    addEventListener(CHANGED, changed);
    return () => {
      removeEventListener('popstate', changed);
      removeEventListener(CHANGED, changed);
    };
  }, []);
  return place;
}

/** Plain clicks on links of ours stay in the page; those that want a new tab get one. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (link === null || link.origin !== location.origin || link.target !== '' || link.hasAttribute('download'))
    return;
  if (link.pathname.startsWith('/api/')) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
