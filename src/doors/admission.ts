import { formatNetwork, networkAround, parseIp } from '../mail/ip.ts';

export interface AdmissionLimits {
  /** Connections at one time. */
  readonly connections: number;
  readonly connectionsPerClient: number;
  readonly connectionsPerMinute: number;
  readonly clientPrefixV4: number;
  readonly clientPrefixV6: number;
  /** Per cent of `connections` from which time-outs tighten. */
  readonly stressAt: number;
}

export type Admitted = 'welcome' | 'full' | 'client-full' | 'client-too-fast';

interface Client {
  open: number;
  /** New connections in the minute that began at `windowMs`. */
  recent: number;
  windowMs: number;
}

const WINDOW_MS = 60_000;
// What a flood from ever new addresses can make us remember; past it the oldest windows are dropped.
const MAX_CLIENTS = 100_000;

/** Counts connections, in all and by client network (C5). Every `admit` that is answered `welcome` wants one `release`. */
export class Admission {
  readonly #clients = new Map<string, Client>();
  #open = 0;

  get open(): number {
    return this.#open;
  }

  stressed(limits: AdmissionLimits): boolean {
    return this.#open * 100 >= limits.connections * limits.stressAt;
  }

  admit(address: string, limits: AdmissionLimits, nowMs: number): Admitted {
    if (this.#open >= limits.connections) return 'full';
    const key = clientKey(address, limits);
    let client = this.#clients.get(key);
    if (client === undefined) {
      if (this.#clients.size >= MAX_CLIENTS) this.#forgetOldest();
      client = { open: 0, recent: 0, windowMs: nowMs };
      this.#clients.set(key, client);
    }
    if (nowMs - client.windowMs >= WINDOW_MS) {
      client.recent = 0;
      client.windowMs = nowMs;
    }
    if (client.open >= limits.connectionsPerClient) return 'client-full';
    if (client.recent >= limits.connectionsPerMinute) return 'client-too-fast';
    client.open++;
    client.recent++;
    this.#open++;
    return 'welcome';
  }

  release(address: string, limits: AdmissionLimits): void {
    const client = this.#clients.get(clientKey(address, limits));
    this.#open--;
    if (client !== undefined) client.open--;
  }

  #forgetOldest(): void {
    for (const [key, client] of this.#clients) {
      if (client.open > 0) continue;
      this.#clients.delete(key);
      return;
    }
  }

  /** Forgets clients without connections whose minute is over. */
  forgetIdle(nowMs: number): void {
    for (const [key, client] of this.#clients) {
      if (client.open <= 0 && nowMs - client.windowMs >= WINDOW_MS) this.#clients.delete(key);
    }
  }
}

function clientKey(address: string, limits: AdmissionLimits): string {
  const v4 = !address.includes(':');
  if (v4 && limits.clientPrefixV4 === 32) return address;
  const ip = parseIp(address);
  return ip === undefined
    ? address
    : formatNetwork(networkAround(ip, v4 ? limits.clientPrefixV4 : limits.clientPrefixV6));
}
