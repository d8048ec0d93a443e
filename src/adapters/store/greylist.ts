import { hash } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import type { GreylistAttempt, GreylistPort, GreylistRow, GreylistState } from '../../core/ports.ts';
import type { Batch } from './batch.ts';
import { GreylistSearch } from './greylist-search.ts';
import { Rows } from './rows.ts';

// A triplet is filed under 64 bits of its hash, so that the index by end holds a number and not the texts a second time.
export const GREYLIST = `
  CREATE TABLE greylist (
    id INTEGER PRIMARY KEY, client TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    known INTEGER NOT NULL, first_ms INTEGER NOT NULL, ends_s INTEGER NOT NULL
  );
  CREATE INDEX greylist_by_end ON greylist (known, ends_s);
  CREATE TABLE greylist_clients (
    client TEXT PRIMARY KEY, passes INTEGER NOT NULL, counted_s INTEGER NOT NULL, ends_s INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX greylist_clients_by_end ON greylist_clients (ends_s);`;

/** How long a client that passed is kept after its last use. */
const CLIENT_KEPT_MS = 36 * 86_400_000;
/** Passes of one client count once in this time: a burst of retries proves no more than one. */
const PASS_COUNTS_EVERY_S = 3600;
/** A use that moves the end by less is not written. */
const WORTH_WRITING_S = 86_400;

export interface GreylistBounds {
  readonly maxTriplets: number;
  readonly maxClients: number;
}

interface Triplet {
  readonly known: boolean;
  readonly firstMs: number;
  readonly endsS: number;
}

interface Client {
  readonly passes: number;
  readonly countedS: number;
  readonly endsS: number;
}

/** Who has tried what, and who came back (E7). About 160 octets of the file for a triplet. */
export class Greylist implements GreylistPort {
  readonly triplets: Rows;
  readonly clients: Rows;
  readonly #batch: Batch;
  readonly #nowMs: () => number;
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #begin: StatementSync;
  readonly #pass: StatementSync;
  readonly #use: StatementSync;
  readonly #findClient: StatementSync;
  readonly #insertClient: StatementSync;
  readonly #updateClient: StatementSync;
  readonly #inAll: StatementSync;
  #search: GreylistSearch | undefined;

  constructor(batch: Batch, nowMs: () => number, { maxTriplets, maxClients }: GreylistBounds) {
    const { db } = batch;
    this.#batch = batch;
    this.#nowMs = nowMs;
    this.triplets = new Rows(batch, nowMs, {
      table: 'greylist',
      key: 'id',
      end: 'ends_s',
      unitMs: 1000,
      // Triplets that never came back go before those that proved themselves.
      parts: ['known = 0', 'known = 1'],
      max: maxTriplets,
    });
    this.clients = new Rows(batch, nowMs, {
      table: 'greylist_clients',
      key: 'client',
      end: 'ends_s',
      unitMs: 1000,
      max: maxClients,
    });
    // The texts are compared too: nobody gets another's row by finding a hash like it.
    this.#find = db.prepare(
      'SELECT known, first_ms, ends_s FROM greylist WHERE id = ? AND client = ? AND sender = ? AND recipient = ?',
    );
    this.#insert = db.prepare(
      `INSERT OR IGNORE INTO greylist (id, client, sender, recipient, known, first_ms, ends_s)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#begin = db.prepare(
      'UPDATE greylist SET client = ?, sender = ?, recipient = ?, known = ?, first_ms = ?, ends_s = ? WHERE id = ?',
    );
    this.#pass = db.prepare('UPDATE greylist SET known = 1, ends_s = ? WHERE id = ?');
    this.#use = db.prepare('UPDATE greylist SET ends_s = ? WHERE id = ?');
    this.#findClient = db.prepare(
      'SELECT passes, counted_s, ends_s FROM greylist_clients WHERE client = ? AND ends_s > ?',
    );
    this.#insertClient = db.prepare(
      'INSERT OR IGNORE INTO greylist_clients (client, passes, counted_s, ends_s) VALUES (?, ?, ?, ?)',
    );
    this.#updateClient = db.prepare(
      'UPDATE greylist_clients SET passes = ?, counted_s = ?, ends_s = ? WHERE client = ?',
    );
    this.#inAll = db.prepare("SELECT n FROM counts WHERE name = 'greylist'");
  }

  attempt(attempt: GreylistAttempt): GreylistState {
    const nowMs = this.#nowMs();
    const client = this.#client(attempt.client, nowMs);
    // 0 turns it off: else nobody would ever be held up.
    if (client !== undefined && attempt.clientPasses > 0 && client.passes >= attempt.clientPasses) {
      this.#useClient(attempt.client, client, nowMs);
      return { kind: 'client-known' };
    }
    const id = idOf(attempt);
    const triplet = this.#triplet(id, attempt);
    const sinceFirstMs = triplet === undefined ? -1 : nowMs - triplet.firstMs;
    const running =
      triplet !== undefined &&
      (triplet.known
        ? triplet.endsS * 1000 > nowMs
        : // A clock that was set back makes it new: nobody waits for more than the delay.
          sinceFirstMs >= 0 && sinceFirstMs <= attempt.retryWindowMs);
    if (!running) {
      if (attempt.seedOnly) {
        this.#batch.write(() => {
          this.#note(id, attempt, nowMs, true);
          this.#countPass(attempt.client, client, nowMs);
        }, 2);
        return { kind: 'passed', sinceFirstMs: 0 };
      }
      this.#batch.write(() => this.#note(id, attempt, nowMs, false));
      return { kind: 'new', waitMs: attempt.delayMs };
    }
    const endsS = inSeconds(nowMs + attempt.keptMs);
    if (triplet.known) {
      if (Math.abs(endsS - triplet.endsS) >= WORTH_WRITING_S)
        this.#batch.write(() => this.#use.run(endsS, id));
      return { kind: 'known' };
    }
    if (!attempt.seedOnly) {
      if (sinceFirstMs < attempt.delayMs)
        return { kind: 'early', waitMs: attempt.delayMs - sinceFirstMs, sinceFirstMs };
      // Who waits on an open connection proves no queue. It may come again at once, with another.
      if (attempt.sessionSinceMs <= triplet.firstMs)
        return { kind: 'early', waitMs: 0, sinceFirstMs, sameSession: true };
    }
    this.#batch.write(() => {
      this.#pass.run(endsS, id);
      this.#countPass(attempt.client, client, nowMs);
    }, 2);
    return { kind: 'passed', sinceFirstMs };
  }

  /** For people: see `GreylistSearch`. */
  search(text: string, limit: number, clientPasses: number): readonly GreylistRow[] {
    this.#search ??= new GreylistSearch(this.#batch, this.#nowMs);
    return this.#search.search(text, limit, clientPasses);
  }

  /** Triplets, as of the last writer's last batch. */
  inAll(): number {
    return Number(this.#inAll.get()?.['n'] ?? 0);
  }

  /** Forgets a triplet; without sender and recipient what its client is known for. False where there was none. */
  remove(row: Pick<GreylistAttempt, 'client' | 'sender' | 'recipient'>): boolean {
    const isClient = row.sender === '' && row.recipient === '';
    let removed = false;
    this.#batch.write(() => {
      const { db } = this.#batch;
      const { changes } = isClient
        ? db.prepare('DELETE FROM greylist_clients WHERE client = ?').run(row.client)
        : db
            .prepare('DELETE FROM greylist WHERE id = ? AND client = ? AND sender = ? AND recipient = ?')
            .run(idOf(row), row.client, row.sender, row.recipient);
      (isClient ? this.clients : this.triplets).removed(changes);
      removed = changes !== 0;
    });
    return removed;
  }

  #triplet(id: bigint, { client, sender, recipient }: GreylistAttempt): Triplet | undefined {
    const row = this.#find.get(id, client, sender, recipient);
    if (row === undefined) return undefined;
    return {
      known: row['known'] === 1,
      firstMs: Number(row['first_ms']),
      endsS: Number(row['ends_s']),
    };
  }

  #note(id: bigint, attempt: GreylistAttempt, nowMs: number, known: boolean): void {
    const { client, sender, recipient } = attempt;
    const endsS = inSeconds(nowMs + (known ? attempt.keptMs : attempt.retryWindowMs));
    const flag = known ? 1 : 0;
    const firstMs = Math.floor(nowMs);
    if (this.#insert.run(id, client, sender, recipient, flag, firstMs, endsS).changes === 0)
      this.#begin.run(client, sender, recipient, flag, firstMs, endsS, id);
    else this.triplets.added();
  }

  #client(client: string, nowMs: number): Client | undefined {
    const row = this.#findClient.get(client, Math.floor(nowMs / 1000));
    if (row === undefined) return undefined;
    return {
      passes: Number(row['passes']),
      countedS: Number(row['counted_s']),
      endsS: Number(row['ends_s']),
    };
  }

  #useClient(name: string, { passes, countedS, endsS }: Client, nowMs: number): void {
    const ends = inSeconds(nowMs + CLIENT_KEPT_MS);
    if (ends - endsS >= WORTH_WRITING_S)
      this.#batch.write(() => this.#updateClient.run(passes, countedS, ends, name));
  }

  #countPass(name: string, client: Client | undefined, nowMs: number): void {
    const nowS = Math.floor(nowMs / 1000);
    const endsS = inSeconds(nowMs + CLIENT_KEPT_MS);
    if (client !== undefined && Math.abs(nowS - client.countedS) < PASS_COUNTS_EVERY_S) return;
    const passes = (client?.passes ?? 0) + 1;
    // One that ended and was not collected yet begins again.
    if (this.#insertClient.run(name, passes, nowS, endsS).changes === 0)
      this.#updateClient.run(passes, nowS, endsS, name);
    else this.clients.added();
  }
}

/** Rounded up: nothing is collected before its time. */
const inSeconds = (ms: number): number => Math.ceil(ms / 1000);

function idOf({
  client,
  sender,
  recipient,
}: Pick<GreylistAttempt, 'client' | 'sender' | 'recipient'>): bigint {
  return hash('sha1', `${client}\n${sender}\n${recipient}`, 'buffer').readBigInt64BE(0);
}
