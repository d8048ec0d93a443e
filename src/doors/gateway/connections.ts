import type { Connection } from './connection.ts';

/**
 * The connections that are open. An array in which each one's place is known, and not a Set: a Set that thousands enter and leave
 * makes itself a new table every so often, and each old table, once the collector has moved it to the old generation, holds all that
 * were open then, sockets and all, until the next full collection.
 */
export class Connections {
  readonly #open: Connection[] = [];

  get size(): number {
    return this.#open.length;
  }

  /** A copy: whoever is stopped or cut leaves while others still have their turn. */
  all(): readonly Connection[] {
    return [...this.#open];
  }

  add(connection: Connection): void {
    connection.place = this.#open.length;
    this.#open.push(connection);
  }

  /** The last one takes the place of the one that leaves. */
  delete(connection: Connection): void {
    const last = this.#open.pop();
    if (last === undefined || last === connection) return;
    this.#open[connection.place] = last;
    last.place = connection.place;
  }
}
