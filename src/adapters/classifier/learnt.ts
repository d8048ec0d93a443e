import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { Counts } from '../../core/classifier.ts';

const NOTHING: Counts = { ham: 0, spam: 0 };

/**
 * How much has been learnt, for who only asks: nothing is made or changed. A file that nobody has open is read as what does not
 * change: SQLite would put its other files beside it, and they would be this user's. Undefined where it cannot be read.
 */
export function learntIn(file: string): Counts | undefined {
  if (!existsSync(file)) return NOTHING;
  let db: DatabaseSync | undefined;
  try {
    const url = pathToFileURL(file);
    if (!existsSync(`${file}-shm`)) url.searchParams.set('immutable', '1');
    db = new DatabaseSync(url, { readOnly: true });
    const read = db.prepare('SELECT value FROM state WHERE name = ?');
    const count = (kind: keyof Counts): number => Number(read.get(kind)?.['value'] ?? 0);
    return { ham: count('ham'), spam: count('spam') };
  } catch {
    return undefined;
  } finally {
    db?.close();
  }
}
