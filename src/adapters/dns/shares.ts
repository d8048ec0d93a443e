/**
 * One resolver for all clients, and a bounded share of its open questions for each client network: whoever has us ask a zone
 * that never answers, over and over, uses up his own share and leaves the others theirs.
 */
import type { DnsAnswer, DnsPort, DnsRecords, DnsType } from '../../core/ports.ts';

// A tenth of what the resolver takes. An honest client has some tens open at a time, however many connections it has.
const MAX_OPEN = 1000;

export class DnsShares {
  readonly #dns: DnsPort;
  readonly #maxOpen: number;
  /** By network; only of those that have any. */
  readonly #open = new Map<string, number>();

  constructor(dns: DnsPort, maxOpen = MAX_OPEN) {
    this.#dns = dns;
    this.#maxOpen = maxOpen;
  }

  /** Beyond the share an answer is `timeout` at once: temporary trouble of this client alone (P3). */
  of(network: string): DnsPort {
    return { resolve: (name, type, signal) => this.#resolve(network, name, type, signal) };
  }

  async #resolve<T extends DnsType>(
    network: string,
    name: string,
    type: T,
    signal: AbortSignal,
  ): Promise<DnsAnswer<DnsRecords[T]>> {
    const open = this.#open.get(network) ?? 0;
    if (open >= this.#maxOpen) return { kind: 'timeout' };
    this.#open.set(network, open + 1);
    try {
      return await this.#dns.resolve(name, type, signal);
    } finally {
      const left = (this.#open.get(network) ?? 1) - 1;
      if (left === 0) this.#open.delete(network);
      else this.#open.set(network, left);
    }
  }
}
