import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder with all above it. Throws what the file system says: `mkdirSync` with `recursive` never returns where a folder that is
 * there says ENOENT to whoever would make one in it, as /proc does and as mounts that have lost their server do.
 */
export function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolder(dirname(path), mode);
    try {
      mkdirSync(path, { mode });
    } catch (again) {
      // Another program was faster.
      if (!(again instanceof Error && 'code' in again && again.code === 'EEXIST')) throw again;
    }
  }
}
