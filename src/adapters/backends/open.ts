import { hostname } from 'node:os';
import type { Backend } from '../../core/delivery.ts';
import { MaildirBackend } from './maildir.ts';
import { SmtpBackend, type SmtpBackendSettings } from './smtp.ts';

/** Where a backend is, as the configuration has read it from its URL. */
export type BackendAddress =
  | { readonly kind: 'smtp' | 'lmtp'; readonly host: string; readonly port: number }
  | { readonly kind: 'lmtp+unix'; readonly path: string }
  | { readonly kind: 'maildir'; readonly path: string };

export const BACKEND_DEFAULTS = {
  tls: 'opportunistic',
  xclient: false,
  maxConnections: 20,
  maxWaitMs: 30_000,
  connectTimeoutMs: 30_000,
  commandTimeoutMs: 300_000,
  dataTimeoutMs: 600_000,
  idleTimeoutMs: 30_000,
} as const satisfies Omit<SmtpBackendSettings, 'hostName'>;

/** Nothing is opened yet but the object: the first connection is made by the first transaction. */
export function openBackend(
  address: BackendAddress,
  settings: Partial<SmtpBackendSettings> & Pick<SmtpBackendSettings, 'hostName'>,
  onTrouble: (what: string, error: unknown) => void = () => undefined,
): Backend {
  const all = { ...BACKEND_DEFAULTS, ...settings };
  const url = formatAddress(address);
  switch (address.kind) {
    case 'maildir':
      return new MaildirBackend(url, address.path, {
        hostName: hostname(),
        timeoutMs: all.dataTimeoutMs,
        onTrouble,
      });
    case 'lmtp+unix':
      return new SmtpBackend(url, { protocol: 'lmtp', address: { path: address.path } }, all);
    case 'smtp':
    case 'lmtp': {
      const { host, port } = address;
      return new SmtpBackend(url, { protocol: address.kind, address: { host, port } }, all);
    }
  }
}

function formatAddress(address: BackendAddress): string {
  if ('path' in address) return `${address.kind}:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.kind}://${host}:${address.port}`;
}
