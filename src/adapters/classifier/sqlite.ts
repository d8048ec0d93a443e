/**
 * What the site's own spam filter has learnt (M6): a SQLite file of tokens, each with the number of ham and spam messages that had it
 * and the day it was learnt last. A token is kept as a number only: the file does not hold the words of anybody's mail, and the
 * messages learnt are known by their hash. The gate reads while `postern learn` writes, one transaction a message.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Counts, TokenCounts } from '../../core/classifier.ts';
import type { ClassifierPort, Recalled } from '../../core/ports.ts';
import { openDatabase } from '../sqlite.ts';
import { TokenCache } from './token-cache.ts';
import { tokenKey } from './token-key.ts';

/** Never changed, only added to. */
const MIGRATIONS = [
  `CREATE TABLE tokens (
     key INTEGER PRIMARY KEY, ham INTEGER NOT NULL, spam INTEGER NOT NULL, day INTEGER NOT NULL
   );
   CREATE TABLE learnt (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, kind TEXT NOT NULL);
   CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
   INSERT INTO state VALUES ('ham', 0), ('spam', 0), ('tokens', 0), ('messages', 0), ('swept', -1);`,
];

export type Kind = keyof Counts;

export interface ClassifierOptions {
  /** Makes no file where there is none: a trial then knows nothing. */
  readonly trial?: boolean;
  readonly nowMs?: () => number;
  /** The look-ups of a gate; `learn` does without. */
  readonly cache?: boolean;
  /** How long a write waits for another program's. */
  readonly waitMs?: number;
  /** At the bound no new token is learnt until old ones have been forgotten. About 25 octets each. */
  readonly maxTokens?: number;
  /** Messages whose hash is kept; of older ones it is no longer known that they were learnt. About 90 octets each. */
  readonly maxMessages?: number;
  /** A token that was seen in few messages is forgotten when it was in none for so long. */
  readonly keptDays?: number;
}

const DAY_MS = 86_400_000;
const KEPT_DAYS = 365;
/** What was seen in more messages than this is kept for good. */
const RARE = 2;
/** From this part of the bound on, the days that rare tokens are kept grow fewer. */
const CROWDED = 0.75;
/** With each message learnt the next so many tokens are looked at, whether they can be forgotten. */
const SWEEP_ROWS = 2000;
/** With each look-up the next so many keys are read for the cache, until it knows them all. */
const READ_ROWS = 2000;
/** What a command learns is heard by the gate so much later: while it learns thousands, the cache would be emptied with each. */
const STALE_MS = 1000;
const CACHE_KIB = 65_536;
const MAX_KEY = 2 ** 53 - 1;

/** Opens the file, and makes it where there is none. Throws with the remedy where it cannot be used. */
export function openClassifier(file: string, options: ClassifierOptions = {}): ClassifierStore {
  const db = openDatabase(options.trial === true && !existsSync(file) ? ':memory:' : file, MIGRATIONS);
  // Two programs that make it at once: the first one's seed counts.
  if (db.prepare("SELECT 1 FROM state WHERE name = 'seed'").get() === undefined)
    db.prepare("INSERT OR IGNORE INTO state (name, value) VALUES ('seed', ?)").run(
      randomBytes(4).readUInt32LE(),
    );
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA busy_timeout = ${options.waitMs ?? 50}`);
  return new ClassifierStore(db, options);
}

export class ClassifierStore implements ClassifierPort {
  readonly #db: DatabaseSync;
  readonly #options: ClassifierOptions;
  readonly #nowMs: () => number;
  readonly #cache: TokenCache | undefined;
  readonly #seed: number;
  readonly #version: StatementSync;
  readonly #find: StatementSync;
  readonly #next: StatementSync;
  #seenVersion: unknown;
  #freshMs = 0;
  #trained: Counts = { ham: 0, spam: 0 };

  constructor(db: DatabaseSync, options: ClassifierOptions) {
    this.#db = db;
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#cache = options.cache === false ? undefined : new TokenCache();
    this.#version = db.prepare('PRAGMA data_version');
    this.#find = db.prepare(
      'SELECT t.key, t.ham, t.spam FROM json_each(?) AS j CROSS JOIN tokens AS t ON t.key = j.value',
    );
    this.#next = db.prepare('SELECT key, ham, spam FROM tokens WHERE key > ? ORDER BY key LIMIT ?');
    for (const statement of [this.#find, this.#next]) statement.setReturnArrays(true);
    this.#seed = this.#state('seed');
    this.#refresh();
  }

  get trained(): Counts {
    this.#refresh();
    return this.#trained;
  }

  recall(tokens: Iterable<string>): Recalled {
    this.#refresh();
    const seen: TokenCounts[] = [];
    const asked = new Map<number, string>();
    for (const token of tokens) {
      const key = tokenKey(token, this.#seed);
      if (this.#cache?.isAbsent(key) === true) continue;
      const counts = this.#cache?.find(key);
      if (counts === undefined) asked.set(key, token);
      else seen.push({ token, ham: counts.ham, spam: counts.spam });
    }
    if (asked.size > 0) {
      for (const [key, ham, spam] of rowsOf(this.#find.all(listOf(asked.keys())))) {
        this.#cache?.put(key, ham, spam);
        seen.push({ token: asked.get(key) ?? '', ham, spam });
      }
    }
    if (seen.length > 0 || asked.size > 0) this.#readOn();
    return { trained: this.#trained, seen };
  }

  /** What the message was learnt as, where it is known. `hash` is of its content. */
  learntAs(hash: Uint8Array): Kind | undefined {
    const kind = this.#db.prepare('SELECT kind FROM learnt WHERE hash = ?').get(hash)?.['kind'];
    return kind === 'ham' || kind === 'spam' ? kind : undefined;
  }

  /** One transaction. A message is learnt once; one that was learnt as the other kind changes over. */
  learn(kind: Kind, hash: Uint8Array, tokens: Iterable<string>): 'learnt' | 'known' | 'changed' {
    return this.learnKeys(kind, hash, this.keysOf(tokens));
  }

  /** The same, of a message whose words nobody has any more. */
  learnKeys(kind: Kind, hash: Uint8Array, numbers: Iterable<number>): 'learnt' | 'known' | 'changed' {
    return this.#write(() => {
      const before = this.learntAs(hash);
      if (before === kind) return 'known';
      const keys = listOf(numbers);
      if (before !== undefined) this.#unlearn(before, hash, keys);
      this.#addTokens(kind, keys);
      this.#change(kind, 1);
      this.#db.prepare('INSERT INTO learnt (hash, kind) VALUES (?, ?)').run(hash, kind);
      this.#change('messages', 1);
      this.#dropOldest();
      this.#sweep();
      return before === undefined ? 'learnt' : 'changed';
    });
  }

  /** Takes back what was learnt of a message; what it was learnt as, or undefined where it is not known. */
  forget(hash: Uint8Array, tokens: Iterable<string>): Kind | undefined {
    return this.#write(() => {
      const before = this.learntAs(hash);
      if (before !== undefined) this.#unlearn(before, hash, listOf(this.keysOf(tokens)));
      return before;
    });
  }

  /** Tokens kept. */
  get size(): number {
    return this.#state('tokens');
  }

  close(): void {
    this.#db.close();
  }

  #addTokens(kind: Kind, keys: string): void {
    const today = this.#today();
    const ham = kind === 'ham' ? 1 : 0;
    this.#db
      .prepare(
        'UPDATE tokens SET ham = ham + ?, spam = spam + ?, day = ? WHERE key IN (SELECT value FROM json_each(?))',
      )
      .run(ham, 1 - ham, today, keys);
    const room = Math.max(0, (this.#options.maxTokens ?? MAX_TOKENS) - this.size);
    const { changes } = this.#db
      .prepare(
        'INSERT OR IGNORE INTO tokens (key, ham, spam, day) SELECT value, ?, ?, ? FROM json_each(?) AS j LIMIT ?',
      )
      .run(ham, 1 - ham, today, keys, room);
    this.#change('tokens', Number(changes));
  }

  #unlearn(kind: Kind, hash: Uint8Array, keys: string): void {
    const among = 'key IN (SELECT value FROM json_each(?))';
    this.#db.prepare(`UPDATE tokens SET ${kind} = max(0, ${kind} - 1) WHERE ${among}`).run(keys);
    const { changes } = this.#db
      .prepare(`DELETE FROM tokens WHERE ${among} AND ham = 0 AND spam = 0`)
      .run(keys);
    this.#change('tokens', -Number(changes));
    this.#change(kind, -1);
    this.#change('messages', -1);
    this.#db.prepare('DELETE FROM learnt WHERE hash = ?').run(hash);
  }

  #dropOldest(): void {
    const over = this.#state('messages') - (this.#options.maxMessages ?? MAX_MESSAGES);
    if (over <= 0) return;
    const { changes } = this.#db
      .prepare('DELETE FROM learnt WHERE id IN (SELECT id FROM learnt ORDER BY id LIMIT ?)')
      .run(over);
    this.#change('messages', -Number(changes));
  }

  /** Forgetting is paid by learning: each message takes the next step through the table, and the next round begins behind its end. */
  #sweep(): void {
    const from = this.#state('swept');
    const keys = rowsOf(this.#next.all(from, SWEEP_ROWS));
    const last = keys.length < SWEEP_ROWS ? MAX_KEY : (keys.at(-1)?.[0] ?? MAX_KEY);
    const { changes } = this.#db
      .prepare('DELETE FROM tokens WHERE key > ? AND key <= ? AND day <= ? AND ham + spam <= ?')
      .run(from, last, this.#today() - this.#keptDays(), RARE);
    this.#change('tokens', -Number(changes));
    this.#db.prepare("UPDATE state SET value = ? WHERE name = 'swept'").run(last === MAX_KEY ? -1 : last);
  }

  #keptDays(): number {
    const { keptDays = KEPT_DAYS, maxTokens = MAX_TOKENS } = this.#options;
    const crowd = (this.size / maxTokens - CROWDED) / (1 - CROWDED);
    // Never what was learnt today: nothing that is learnt now must go for it.
    return Math.max(1, Math.round(keptDays * Math.min(1, 1 - crowd)));
  }

  #write<T>(step: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const done = step();
      this.#db.exec('COMMIT');
      this.#seenVersion = undefined;
      return done;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Another program may have learnt something: then what is in memory is old. */
  #refresh(): void {
    const nowMs = this.#nowMs();
    const isFresh = this.#seenVersion !== undefined && Math.abs(nowMs - this.#freshMs) < STALE_MS;
    if (this.#cache !== undefined && isFresh) return;
    this.#freshMs = nowMs;
    const version = this.#version.get()?.['data_version'];
    if (version === this.#seenVersion) return;
    this.#cache?.clear();
    this.#trained = { ham: this.#state('ham'), spam: this.#state('spam') };
    this.#seenVersion = version;
  }

  #readOn(): void {
    const cache = this.#cache;
    if (cache === undefined || cache.knownTo === MAX_KEY) return;
    const rows = rowsOf(this.#next.all(cache.knownTo, READ_ROWS));
    for (const [key, ham, spam] of rows) cache.know(key, ham, spam);
    cache.knows(rows.length < READ_ROWS ? MAX_KEY : (rows.at(-1)?.[0] ?? MAX_KEY));
  }

  /** The numbers that stand for the tokens in this file. */
  *keysOf(tokens: Iterable<string>): Iterable<number> {
    for (const token of tokens) yield tokenKey(token, this.#seed);
  }

  #state(name: string): number {
    return Number(this.#db.prepare('SELECT value FROM state WHERE name = ?').get(name)?.['value'] ?? 0);
  }

  #change(name: string, by: number): void {
    this.#db.prepare('UPDATE state SET value = max(0, value + ?) WHERE name = ?').run(by, name);
  }

  #today(): number {
    return Math.floor(this.#nowMs() / DAY_MS);
  }
}

const MAX_TOKENS = 5_000_000;
const MAX_MESSAGES = 1_000_000;

/** One parameter for all of a message's tokens. */
const listOf = (keys: Iterable<number>): string => `[${[...keys].join(',')}]`;

// `setReturnArrays` is not in the types of `all`.
const rowsOf = (rows: unknown): readonly [number, number, number][] => rows as [number, number, number][];
