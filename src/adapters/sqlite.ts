import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from './folder.ts';

/**
 * Opens a database of ours and brings its tables up to date. WAL with `synchronous = NORMAL`: a crash of the program
 * loses nothing written, a power cut loses the last moments and never the database. Throws with the operator's remedy
 * where the file is damaged, in use or out of reach.
 */
export function openDatabase(file: string, migrations: readonly string[]): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    if (file !== ':memory:') {
      makeFolder(dirname(file), 0o777);
      makeClosed(file);
    }
    db = new DatabaseSync(file, { timeout: BUSY_MS });
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    migrate(db, migrations);
    return db;
  } catch (error) {
    db?.close();
    throw new Error(`${file}: ${remedyFor(error)}`, { cause: error });
  }
}

/**
 * Opens a database of ours that another program writes, and may be writing now: nothing in it changes. Above all its tables are not brought
 * up to date, for a program of the version that made them would fail on others from then on.
 */
export function openToRead(file: string, migrations: readonly string[]): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: BUSY_MS, readOnly: true });
    const version = versionOf(db);
    if (version > migrations.length) throw new Error(NEWER);
    if (version < migrations.length) throw new Error(OLDER);
    return db;
  } catch (error) {
    db?.close();
    throw new Error(`${file}: ${remedyFor(error, 'read')}`, { cause: error });
  }
}

/** Who writes to whom is nobody's business: SQLite would make it readable for all, and gives its other files the mode of this one. */
function makeClosed(file: string): void {
  try {
    closeSync(openSync(file, 'ax', 0o640));
  } catch {
    // It is there, or cannot be made: SQLite says so in a moment.
  }
}

/** How long one writer waits for another, such as `postern log` for the gate. */
const BUSY_MS = 2000;

function migrate(db: DatabaseSync, migrations: readonly string[]): void {
  // Who has nothing to bring up to date does not wait for who writes.
  if (versionOf(db) === migrations.length) return;
  // IMMEDIATE: two programs that start at once must not both find the tables missing.
  db.exec('BEGIN IMMEDIATE');
  const version = versionOf(db);
  if (version > migrations.length) throw new Error(NEWER);
  for (const step of migrations.slice(version)) db.exec(step);
  db.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`);
}

const versionOf = (db: DatabaseSync): number =>
  Number(db.prepare('PRAGMA user_version').get()?.['user_version']);

const NEWER = 'was written by a newer version of this program; use that version, or move the file away';
const OLDER =
  'was written by an older version of this program; restart the gate first, it brings the file up to date';

function remedyFor(error: unknown, to: 'read' | 'write' = 'write'): string {
  if (!(error instanceof Error)) return String(error);
  // SQLite's result codes: the low byte is the primary one.
  const code = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
  switch (code) {
    case 5:
    case 6:
      return 'is locked by another program; is a second gate running on the same data_dir?';
    case 8:
    case 14:
      return to === 'read'
        ? `cannot be opened (${error.message}); may the user that runs this read and write in data_dir?`
        : `cannot be opened for writing (${error.message}); does data_dir belong to the user that runs this?`;
    case 11:
    case 26:
      return `is damaged or is no database (${error.message}); move it away and start again, it is made anew`;
    case 13:
      return 'cannot be written: the disk is full';
    default:
      return error.message;
  }
}
