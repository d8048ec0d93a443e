import { getServers } from 'node:dns';
import { DnsResolver } from '../adapters/dns/resolver.ts';
import type { Config } from '../config/config.ts';

// Whoever waits at a terminal waits no longer; a resolver next door answers in milliseconds.
const PATIENCE_MS = 2000;

/** Why DNS cannot be asked, or undefined where it can: one question that every resolver answers itself (RFC 6303). */
export async function resolverProblem({ dns }: Pick<Config, 'dns'>): Promise<string | undefined> {
  const servers = dns.servers.length > 0 ? dns.servers : getServers();
  if (servers.length === 0) return 'no DNS server is set, here or in the system';
  const resolver = new DnsResolver({
    servers,
    timeoutMs: Math.min(dns.timeoutMs, PATIENCE_MS),
    maxCached: 0,
  });
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const { kind } = await resolver.resolve('1.0.0.127.in-addr.arpa', 'PTR', signal);
  return kind === 'timeout' || kind === 'servfail'
    ? `no DNS server answers (${servers.join(', ')})`
    : undefined;
}
