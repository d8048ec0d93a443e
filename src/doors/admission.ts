export interface AdmissionLimits {
  /** Connections at one time. */
  readonly connections: number;
  readonly connectionsPerClient: number;
  readonly connectionsPerMinute: number;
  /** Per cent of `connections` kept for our own and for clients in good standing. */
  readonly reservedForGood: number;
  /** Per cent of `connections` from which time-outs tighten and standing counts. */
  readonly stressAt: number;
}

/** Who goes first where not all can be served. */
export type Rank = 'ours' | 'good' | 'unknown' | 'bad';

/** A connection that is counted; `release` it once. */
export interface Place {
  readonly kind: 'welcome';
  release(): void;
}

export type Admitted = Place | { readonly kind: 'full' | 'client-full' | 'client-too-fast' };

interface Client {
  open: number;
  /** New connections in the minute that began at `windowMs`. */
  recent: number;
  windowMs: number;
}

const WINDOW_MS = 60_000;
// What a flood from ever new addresses can make us remember; past it the oldest windows are dropped.
const MAX_CLIENTS = 100_000;

/** Counts connections, in all and by client network (C5). */
export class Admission {
  readonly #clients = new Map<string, Client>();
  #open = 0;

  get open(): number {
    return this.#open;
  }

  stressed(limits: AdmissionLimits): boolean {
    return this.#open * 100 >= limits.connections * limits.stressAt;
  }

  /** Connections are where only the reserve is left: what is open includes the one in question. */
  inReserve(limits: AdmissionLimits): boolean {
    return this.#open > limits.connections - reserved(limits);
  }

  admit(network: string, limits: AdmissionLimits, nowMs: number): Admitted {
    if (this.#open >= limits.connections) return FULL;
    let client = this.#clients.get(network);
    if (client === undefined) {
      if (this.#clients.size >= MAX_CLIENTS) this.#forgetOldest();
      client = { open: 0, recent: 0, windowMs: nowMs };
      this.#clients.set(network, client);
    }
    if (nowMs - client.windowMs >= WINDOW_MS) {
      client.recent = 0;
      client.windowMs = nowMs;
    }
    if (client.open >= limits.connectionsPerClient) return CLIENT_FULL;
    if (client.recent >= limits.connectionsPerMinute) return CLIENT_TOO_FAST;
    client.open++;
    client.recent++;
    this.#open++;
    const counted = client;
    return {
      kind: 'welcome',
      release: () => {
        counted.open--;
        this.#open--;
      },
    };
  }

  #forgetOldest(): void {
    for (const [network, client] of this.#clients) {
      if (client.open > 0) continue;
      this.#clients.delete(network);
      return;
    }
  }

  /** Forgets clients without connections whose minute is over. */
  forgetIdle(nowMs: number): void {
    for (const [network, client] of this.#clients) {
      if (client.open <= 0 && nowMs - client.windowMs >= WINDOW_MS) this.#clients.delete(network);
    }
  }
}

const FULL: Admitted = { kind: 'full' };
const CLIENT_FULL: Admitted = { kind: 'client-full' };
const CLIENT_TOO_FAST: Admitted = { kind: 'client-too-fast' };

/** Connections kept for those in good standing. */
export function reserved(limits: Pick<AdmissionLimits, 'connections' | 'reservedForGood'>): number {
  return Math.floor((limits.connections * limits.reservedForGood) / 100);
}
