import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { canonicalAddress, parseNetwork } from '../mail/ip.ts';
import { isLocalPart } from '../mail/mailbox.ts';

/**
 * Values of the configuration file that are more than a string. Each says what it wants in words that end a sentence
 * beginning "wants", and gives an example; the reference and every complaint are printed from these.
 */
export function value<T>(wants: string, example: string, read: (text: string) => T | undefined) {
  return z
    .string()
    .transform((text, ctx) => {
      const out = read(text);
      if (out !== undefined) return out;
      const hint = aLabels(text);
      ctx.addIssue({ code: 'custom', message: `wants ${wants}, such as "${hint ?? example}"` });
      return z.NEVER;
    })
    .meta({ wants, example });
}

/** An internationalised domain as DNS and SMTP know it (RFC 5890 2.3.2.1); undefined for all else. */
export function aLabels(text: string): string | undefined {
  const [, before = '', domain = ''] = /^(.*@|\.|)([^@]+)$/.exec(text) ?? [];
  if (/^[\0-\x7f]*$/.test(domain)) return undefined;
  const ascii = domainToASCII(domain);
  return isHostName(ascii) ? before + ascii : undefined;
}

export const hostName = value('a full host name', 'mx.example.org', (text) => {
  const name = text.toLowerCase();
  return isHostName(name) && name.includes('.') && isIP(name) === 0 ? name : undefined;
});

export const domain = value('a domain, or .domain for all below it', 'example.org', (text) => {
  const name = text.toLowerCase();
  return isHostName(name.startsWith('.') ? name.slice(1) : name) && isIP(name) === 0 ? name : undefined;
});

export const network = z
  .string()
  .transform((text, ctx) => {
    const parsed = parseNetwork(text);
    if (parsed.kind === 'network') return text;
    ctx.addIssue({
      code: 'custom',
      message: `wants an address or a network in CIDR form; ${parsed.problem}`,
    });
    return z.NEVER;
  })
  .meta({ wants: 'an address or a network in CIDR form', example: '192.0.2.0/24' });

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** `192.0.2.1:25`, `[2001:db8::1]:25`. */
export const formatSocketAddress = ({ address, port }: SocketAddress): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

export interface SocketFile {
  readonly path: string;
}

// sockaddr_un has 108 octets, with the final NUL.
const MAX_SOCKET_PATH_OCTETS = 107;

export const listenAddress = value(
  'an address with a port, or unix: and a path of 107 octets at most',
  '0.0.0.0:25',
  (text): SocketAddress | SocketFile | undefined => {
    if (!text.startsWith('unix:')) return readSocketAddress(text);
    const file = text.slice('unix:'.length);
    const fits = file !== '' && !file.includes('\0') && Buffer.byteLength(file) <= MAX_SOCKET_PATH_OCTETS;
    return fits ? { path: file } : undefined;
  },
);

export const socketAddress = value('an address with a port', '127.0.0.1:8025', readSocketAddress);

/** Without a slash at its end. */
export const webAddress = value(
  'an address that begins with https:// or http://',
  'https://mx.example.org',
  (text) => {
    const url = URL.parse(text);
    if (url === null || !/^https?:$/.test(url.protocol) || url.hash !== '' || url.username !== '')
      return undefined;
    return url.href.replace(/\/+$/, '');
  },
);

export const headerName = value('a header name without spaces', 'X-Remote-User', (text) =>
  /^[A-Za-z][A-Za-z0-9-]{0,60}$/.test(text) ? text : undefined,
);

/** Minutes since midnight. */
export const timeOfDay = value('a time of day', '07:00', (text) => {
  const m = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  return m === null ? undefined : Number(m[1]) * 60 + Number(m[2]);
});

export const permissions = value('permissions in octal digits', '0660', (text) =>
  /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : undefined,
);

export const groupName = value('the name of a group', 'postfix', (text) =>
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?$/.test(text) ? text : undefined,
);

export const dnsServer = value(
  'the address of a DNS server, with or without its port',
  '127.0.0.1:53',
  (text) => (isIP(text) > 0 || readSocketAddress(text) !== undefined ? text : undefined),
);

export type BackendUrl =
  | { readonly kind: 'smtp' | 'lmtp'; readonly host: string; readonly port: number }
  | { readonly kind: 'lmtp+unix'; readonly path: string }
  /** `{user}` in the path stands for the local part. */
  | { readonly kind: 'maildir'; readonly path: string };

export const backendUrl = value(
  'smtp://HOST:PORT, lmtp://HOST:PORT, lmtp+unix:PATH or maildir:PATH',
  'smtp://127.0.0.1:2526',
  (text): BackendUrl | undefined => {
    const file = /^(lmtp\+unix|maildir):(?:\/\/(?=\/))?([^\0]+)$/.exec(text);
    if (file !== null) return { kind: file[1] === 'maildir' ? 'maildir' : 'lmtp+unix', path: file[2] ?? '' };
    const peer = /^(smtp|lmtp):\/\/(?:\[([0-9a-fA-F:.]{2,45})\]|([\w.-]{1,253}))(?::(\d{1,5}))?\/?$/.exec(
      text,
    );
    if (peer === null) return undefined;
    const kind = peer[1] === 'smtp' ? 'smtp' : 'lmtp';
    const host = (peer[2] ?? peer[3] ?? '').toLowerCase();
    const port = Number(peer[4] ?? (kind === 'smtp' ? 25 : 24));
    const isHost = peer[2] === undefined ? isHostName(host) : isIP(host) === 6;
    return isHost && port >= 1 && port <= 65_535 ? { kind, host, port } : undefined;
  },
);

/** `user@example.net`, `example.net`, `.example.net`, `<>`; what a `ListEntry` names as sender or recipient. */
export const mailPattern = value(
  'a mail address, a domain, .domain for all below it, or <> for bounces',
  'user@example.net',
  (text) => {
    if (text === '<>') return text;
    const at = text.lastIndexOf('@');
    const name = text.slice(at + 1).toLowerCase();
    if (/[\0-\x20<>]/.test(text)) return undefined;
    if (at === -1) return isHostName(name.startsWith('.') ? name.slice(1) : name) ? name : undefined;
    return isHostName(name) && isLocalPart(text.slice(0, at)) ? `${text.slice(0, at)}@${name}` : undefined;
  },
);

export const mailAddress = value('a mail address', 'postmaster@example.org', (text) => {
  const at = text.lastIndexOf('@');
  const isLocal = /^[^\0-\x20<>",:;()[\]\\@]{1,64}$/.test(text.slice(0, Math.max(at, 0)));
  return isLocal && isHostName(text.slice(at + 1))
    ? `${text.slice(0, at)}@${text.slice(at + 1).toLowerCase()}`
    : undefined;
});

export const hostPattern = value('a host name, or .domain for all below it', '.dyn.example.net', (text) => {
  const name = text.toLowerCase();
  return isHostName(name.startsWith('.') ? name.slice(1) : name) ? name : undefined;
});

export const path = value('the path of a file', '/etc/postern/file', (text) =>
  text !== '' && !text.includes('\0') ? text : undefined,
);

/** RFC 1123 2.1, with the underscore that real names have. */
export function isHostName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/i.test(name);
}

function readSocketAddress(text: string): SocketAddress | undefined {
  const m = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([\d.]{7,15})):(\d{1,5})$/.exec(text);
  if (m === null) return undefined;
  const address = m[1] ?? m[2] ?? '';
  const port = Number(m[3]);
  if (isIP(address) !== (m[1] === undefined ? 4 : 6) || port > 65_535) return undefined;
  // An IPv4 address mapped into IPv6 is bound, and compared, as what it is.
  return { address: canonicalAddress(address) ?? address, port };
}
