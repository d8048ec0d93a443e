/** Where a listener is, and where a mail server looks for it. */
import { BlockList, isIP } from 'node:net';

export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

export function formatPlace(place: Place): string {
  return 'path' in place ? `unix:${place.path}` : `${bracketed(place.host)}:${place.port}`;
}

/** As Postfix writes it; Exim the TCP form too. */
export function formatForPostfix(place: Place): string {
  return 'path' in place ? `unix:${place.path}` : `inet:${bracketed(reachable(place.host))}:${place.port}`;
}

export function formatForSendmail(place: Place): string {
  if ('path' in place) return `unix:${place.path}`;
  const host = reachable(place.host);
  return `${host.includes(':') ? 'inet6' : 'inet'}:${place.port}@${host}`;
}

/** `[::1]:8891`, `127.0.0.1:8891`, `localhost:8891` */
export function readHostAndPort(text: string): Place | undefined {
  const m = /^(?:\[([^\]]{1,255})\]|([^:[\]]{1,255})):(\d{1,5})$/.exec(text.trim());
  return m === null ? undefined : { host: (m[1] ?? m[2] ?? '').toLowerCase(), port: Number(m[3]) };
}

/** Whether who connects to `named` meets the listener. A name other than localhost is not looked up: it may be ours. */
export function meets(listener: Place, named: Place): boolean {
  if ('path' in listener || 'path' in named)
    return 'path' in listener && 'path' in named && tidy(listener.path) === tidy(named.path);
  if (listener.port !== named.port) return false;
  if (listener.host === named.host || isWildcard(listener.host)) return true;
  return isIP(named.host) === 0 && (named.host !== 'localhost' || isLoopback(listener.host));
}

/** The address under which this machine meets the listener itself. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return isWildcard(host) ? '::1' : host;
}

const tidy = (path: string): string => path.replace(/\/{2,}/g, '/');
const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);
const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

const isLoopback = (host: string): boolean =>
  isIP(host) !== 0 && LOOPBACK.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
