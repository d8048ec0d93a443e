/**
 * A mailbox of the envelope: `local@domain`.
 * `local` is the local part without its quotes and backslashes (RFC 5321 4.1.2: `"a\b"` and `ab` are the same mailbox).
 * `domain` is lower-case, with U-labels turned into A-labels, or an address literal in its brackets; empty only for the
 * bare `<Postmaster>` of RFC 5321 4.5.1.
 */
export interface Mailbox {
  readonly local: string;
  readonly domain: string;
}

/** The null reverse-path `<>` is `null` (RFC 5321 4.5.5). */
export type ReversePath = Mailbox | null;

// RFC 5321 4.1.2: Dot-string = Atom *("." Atom); RFC 6531 3.3 adds all of UTF-8 beyond ASCII.
const DOT_STRING = /^[\w!#$%&'*+\-/=?^`{|}~\x80-\u{10ffff}]+(?:\.[\w!#$%&'*+\-/=?^`{|}~\x80-\u{10ffff}]+)*$/u;

/** `local@domain` as it stands between angle brackets, quoted where the local part needs it. */
export function formatMailbox(mailbox: Mailbox): string {
  const local = DOT_STRING.test(mailbox.local)
    ? mailbox.local
    : `"${mailbox.local.replace(/["\\]/g, '\\$&')}"`;
  return mailbox.domain === '' ? local : `${local}@${mailbox.domain}`;
}

export function formatReversePath(path: ReversePath): string {
  return path === null ? '' : formatMailbox(path);
}

/** For lists and caches: local parts are compared without case, as every list of users does. */
export function mailboxKey(mailbox: Mailbox): string {
  return `${mailbox.local.toLowerCase()}@${mailbox.domain}`;
}

/** As people write it before the `@`: in quotes, or without anything that would want them there. */
export const isLocalPart = (text: string): boolean =>
  /^(?:[^\0-\x20\x7f"@<>]+|"(?:[^\0-\x1f\x7f"\\]|\\[\x20-\x7e])*")$/.test(text);
