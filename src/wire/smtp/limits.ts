import type { ServerLimits } from './events.ts';

/**
 * Limits of RFC 5321 4.5.3 and ours where it gives none. All may be tightened (`tightened`); a server that takes less than the
 * RFC's figures refuses honest mail.
 */
export const DEFAULT_LIMITS: ServerLimits = {
  // RFC 5321 4.5.3.1.4.
  commandLineOctets: 512,
  // The growth that the extensions claim: AUTH= 500 (RFC 4954 3), ORCPT= 500 (RFC 3461 5.4), SIZE 26, SMTPUTF8 10, BODY 17, and
  // room for ENVID and NOTIFY.
  envelopeLineOctets: 1536,
  // RFC 4954 4: 12288, for mechanisms with tickets.
  authLineOctets: 12_288,
  // An unasked-for group of commands fits, a message does not.
  earlyInputOctets: 16_384,
  // 1,000 recipients in one group.
  pipelinedInputOctets: 131_072,
  // RFC 5321 4.5.3.1.1 promises 64, and 4.5.3 would have no limits at all: honest VERP and SRS senders go beyond it.
  localPartOctets: 128,
  // RFC 5321 4.5.3.1.8: at least 100.
  recipients: 100,
  // As Postfix's smtpd_hard_error_limit.
  errors: 20,
  commands: 1000,
  messageOctets: 52_428_800,
  headerOctets: 262_144,
  // RFC 5321 4.5.3.1.6 says 998, and much honest mail is longer: told at the end of the message only where the operator wants it.
  textLineOctets: Number.POSITIVE_INFINITY,
  // RFC 5321 4.5.3.2.7.
  commandMs: 300_000,
  // RFC 5321 4.5.3.2.5.
  contentMs: 180_000,
};

/** Whichever is less, figure by figure. */
export function tightened(limits: ServerLimits, by: Partial<ServerLimits>): ServerLimits {
  const lower = (a: number, b: number | undefined) => (b === undefined ? a : Math.min(a, b));
  return Object.fromEntries(
    Object.entries(limits).map(([name, value]) => [
      name,
      lower(value as number, by[name as keyof ServerLimits]),
    ]),
  ) as unknown as ServerLimits;
}
