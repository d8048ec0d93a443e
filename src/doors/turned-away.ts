/**
 * Whom the door turns away leaves no decision behind: a flood must not cost a record for every connection. They are summed up, and the
 * operator hears of them once a minute.
 */

/**
 * `full`: all connections are taken, but for the reserve. `client`: its network has too many, or opens them too fast. `load`, `emergency`:
 * as they say. `standing`: what came from it before, while there is no room for all or in an emergency.
 */
export type TurnAwayReason = 'full' | 'client' | 'load' | 'emergency' | 'standing';

export interface TurnedAway {
  readonly reason: TurnAwayReason;
  readonly connections: number;
  /** Some of those that were turned away. */
  readonly networks: readonly string[];
}

const MAX_NETWORKS = 5;

/** Since the last `take`. */
export class TurnedAwayCounts {
  readonly #byReason = new Map<TurnAwayReason, { connections: number; networks: string[] }>();

  add(reason: TurnAwayReason, network: string): void {
    let counted = this.#byReason.get(reason);
    if (counted === undefined) this.#byReason.set(reason, (counted = { connections: 0, networks: [] }));
    counted.connections++;
    const { networks } = counted;
    if (networks.length < MAX_NETWORKS && !networks.includes(network)) networks.push(network);
  }

  take(): readonly TurnedAway[] {
    const taken = [...this.#byReason].map(([reason, counted]) => ({ reason, ...counted }));
    this.#byReason.clear();
    return taken;
  }
}
