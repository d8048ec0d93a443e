import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { ListEntry } from '../../core/lists.ts';
import { entryOf, unreadable } from './listed.ts';

/**
 * The entries in force that people listed, for who only asks: nothing is made or changed. A file that nobody has open is read as what
 * does not change: SQLite would put its other files beside it, and they would be this user's. None where it cannot be read.
 */
export function listedIn(file: string, nowMs = Date.now()): readonly ListEntry[] {
  if (!existsSync(file)) return [];
  let db: DatabaseSync | undefined;
  try {
    const url = pathToFileURL(file);
    if (!existsSync(`${file}-shm`)) url.searchParams.set('immutable', '1');
    db = new DatabaseSync(url, { readOnly: true });
    const find = db.prepare('SELECT * FROM listed WHERE ends_ms IS NULL OR ends_ms > ?');
    find.setReadBigInts(true);
    return find.all(nowMs).flatMap((row) => (unreadable(row) === undefined ? [entryOf(row)] : []));
  } catch {
    return [];
  } finally {
    db?.close();
  }
}
