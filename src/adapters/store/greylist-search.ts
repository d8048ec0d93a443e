import type { StatementSync } from 'node:sqlite';
import type { GreylistRow } from '../../core/ports.ts';
import type { Batch } from './batch.ts';

/** So many of each part are looked through: those that end last. Beyond them a row is found by its whole triplet alone. */
const LOOKED = 20_000;
const MOST = 1000;

/**
 * What stands in the greylist, for people. The greylist has no index by its texts, for each would cost every message a write: so this
 * looks through the rows that end last, which for those that wait are the newest, and stops there, however many millions there are.
 */
export class GreylistSearch {
  readonly #nowMs: () => number;
  readonly #triplets: StatementSync;
  readonly #clients: StatementSync;
  readonly #clientsFrom: StatementSync;

  constructor({ db }: Batch, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#triplets = db.prepare(
      `SELECT client, sender, recipient, known, first_ms, ends_s FROM
         (SELECT * FROM greylist WHERE known = ? AND ends_s > ? ORDER BY ends_s DESC LIMIT ${LOOKED})
       WHERE ? = '' OR instr(lower(client || char(10) || sender || char(10) || recipient), ?) > 0
       ORDER BY ends_s DESC LIMIT ?`,
    );
    this.#clients = db.prepare(
      `SELECT client, counted_s, ends_s FROM
         (SELECT * FROM greylist_clients WHERE ends_s > ? ORDER BY ends_s DESC LIMIT ${LOOKED})
       WHERE passes >= ? AND (? = '' OR instr(lower(client), ?) > 0) ORDER BY ends_s DESC LIMIT ?`,
    );
    // By the key, so among all of them.
    this.#clientsFrom = db.prepare(
      `SELECT client, counted_s, ends_s FROM greylist_clients
       WHERE client >= ? AND client < ? || char(1114111) AND ends_s > ? AND passes >= ? LIMIT ?`,
    );
  }

  /**
   * With the text in client, sender or recipient: those that wait, clients that are known, triplets that are known; of each those that
   * end last first. `clientPasses`: as many make a client known for all; 0: nothing does.
   */
  search(text: string, limit: number, clientPasses: number): GreylistRow[] {
    const most = Math.min(Math.max(0, Math.floor(limit)), MOST);
    const nowS = Math.floor(this.#nowMs() / 1000);
    const part = text.trim().toLowerCase().slice(0, 320);
    const clients = new Map<string, GreylistRow>();
    const passes = clientPasses === 0 ? Number.MAX_SAFE_INTEGER : clientPasses;
    const rows = [
      ...(part === '' ? [] : this.#clientsFrom.all(part, part, nowS, passes, most)),
      ...this.#clients.all(nowS, passes, part, part, most),
    ];
    for (const row of rows) {
      const client = String(row['client']);
      clients.set(client, {
        client,
        sender: '',
        recipient: '',
        state: 'client-known',
        sinceMs: Number(row['counted_s']) * 1000,
        endsMs: Number(row['ends_s']) * 1000,
      });
    }
    const triplets = (known: 0 | 1) =>
      this.#triplets.all(known, nowS, part, part, most).map((row): GreylistRow => ({
        client: String(row['client']),
        sender: String(row['sender']),
        recipient: String(row['recipient']),
        state: known === 1 ? 'known' : 'waiting',
        sinceMs: Number(row['first_ms']),
        endsMs: Number(row['ends_s']) * 1000,
      }));
    return [...triplets(0), ...clients.values(), ...triplets(1)].slice(0, most);
  }
}
