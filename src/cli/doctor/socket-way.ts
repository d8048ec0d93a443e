/** Whether a mail server's user gets to a Unix socket: by the permissions of all folders on the way, and its own. */
import { statSync, type Stats } from 'node:fs';
import { join } from 'node:path';

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

export type Way =
  | { readonly kind: 'open' }
  | { readonly kind: 'missing'; readonly path: string }
  /** `folder`: it may not be gone through; `socket`: it may not be written to. */
  | { readonly kind: 'closed'; readonly path: string; readonly what: 'folder' | 'socket' }
  | { readonly kind: 'no-socket'; readonly path: string }
  /** We may not look ourselves. */
  | { readonly kind: 'unknown'; readonly path: string };

/** `from`: where the user stands already; the folders above do not matter then. */
export function wayTo(path: string, user: User, from = '/'): Way {
  const inside = path === from || path.startsWith(from.endsWith('/') ? from : `${from}/`);
  const begin = inside ? from : '/';
  const steps = path
    .slice(begin.length)
    .split('/')
    .filter((step) => step !== '');
  let at = begin;
  for (const [i, step] of ['', ...steps].entries()) {
    at = join(at, step);
    const stats = look(at);
    if (typeof stats === 'string') return { kind: stats, path: at };
    if (i === steps.length) {
      if (!stats.isSocket()) return { kind: 'no-socket', path: at };
      return may(stats, user, 0o2) ? { kind: 'open' } : { kind: 'closed', path: at, what: 'socket' };
    }
    if (!may(stats, user, 0o1)) return { kind: 'closed', path: at, what: 'folder' };
  }
  return { kind: 'open' };
}

function look(path: string): Stats | 'missing' | 'unknown' {
  try {
    return statSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unknown';
  }
}

/** The first class that fits decides alone, as in the kernel: an owner who may not is not helped by "others may". */
function may(stats: Stats, { uid, gids }: User, bit: 0o1 | 0o2): boolean {
  if (uid === 0) return true;
  if (stats.uid === uid) return (stats.mode & (bit << 6)) !== 0;
  if (gids.includes(stats.gid)) return (stats.mode & (bit << 3)) !== 0;
  return (stats.mode & bit) !== 0;
}
