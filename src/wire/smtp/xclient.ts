/*
 * XCLIENT (Postfix, XCLIENT_README): tells a backend who the client is, so that its own rules, logs and headers see the
 * client and not us. Values come from the client and are hostile; they go as xtext (RFC 3461 4).
 */

/** XCLIENT_README: a command has at most 512 octets with its CRLF; more attributes go into another one. */
export const MAX_XCLIENT_OCTETS = 512;
/** A longer HELO name or login is none that the backend could use. */
export const MAX_XCLIENT_VALUE_OCTETS = 255;

export interface XclientIdentity {
  readonly address: string;
  readonly port: number;
  readonly heloName?: string;
  readonly heloVerb?: 'HELO' | 'EHLO' | 'LHLO';
  readonly hostName?: string;
  readonly login?: string;
}

// Both are what the backend would otherwise have kept: of us, or of the client before on the same connection.
const UNAVAILABLE = '[UNAVAILABLE]';

/** The commands without their CRLF, with those attributes only that the server offers; none where it offers none. */
export function xclientCommands(offered: readonly string[], client: XclientIdentity): readonly string[] {
  const values: readonly (readonly [string, string])[] = [
    ['NAME', bounded(client.hostName)],
    ['ADDR', client.address.includes(':') ? `IPV6:${client.address}` : client.address],
    ['PORT', String(client.port)],
    ['PROTO', client.heloVerb === 'HELO' ? 'SMTP' : 'ESMTP'],
    ['HELO', bounded(client.heloName)],
    ['LOGIN', bounded(client.login)],
  ];
  const commands: string[] = [];
  let command = 'XCLIENT';
  for (const [name, value] of values) {
    if (!offered.includes(name)) continue;
    const attribute = ` ${name}=${value}`;
    if (command.length + attribute.length + 2 > MAX_XCLIENT_OCTETS) {
      commands.push(command);
      command = 'XCLIENT';
    }
    command += attribute;
  }
  return command === 'XCLIENT' ? commands : [...commands, command];
}

function bounded(value: string | undefined): string {
  if (value === undefined || value === '') return UNAVAILABLE;
  const encoded = xtext(value);
  return encoded.length > MAX_XCLIENT_VALUE_OCTETS ? UNAVAILABLE : encoded;
}

/** RFC 3461 4: octets outside `!` to `~`, `+` and `=` as `+XX`. */
export function xtext(value: string): string {
  let out = '';
  for (const octet of Buffer.from(value)) {
    const plain = octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d;
    out += plain ? String.fromCharCode(octet) : `+${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
