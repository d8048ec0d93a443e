/** What the MTA knows beyond the dialogue, told by macros. */
import type { SessionFacts } from '../../core/facts.ts';
import { canonicalAddress } from '../../mail/ip.ts';
import { reply, type Reply } from '../../mail/reply.ts';

/** With its braces. */
export type Macro = (name: string) => string | undefined;

/** Where the client came in; empty where the MTA does not say. Postfix says `{daemon_addr}`, Sendmail `{if_addr}`. */
export function serverOf(macro: Macro): SessionFacts['server'] {
  const said = (macro('{daemon_addr}') ?? macro('{if_addr}') ?? '').replace(/^IPv6:/i, '');
  const port = macro('{daemon_port}') ?? '';
  return { address: canonicalAddress(said) ?? '', port: /^\d{1,5}$/.test(port) ? Number(port) : 0 };
}

export function tlsOf(macro: Macro): SessionFacts['tls'] {
  const protocol = macro('{tls_version}');
  if (protocol === undefined || protocol === '') return undefined;
  return { protocol, cipher: macro('{cipher}') ?? '' };
}

export function authenticationOf(macro: Macro): SessionFacts['authenticated'] {
  const identity = macro('{auth_authen}');
  if (identity === undefined || identity === '') return undefined;
  return { identity, mechanism: macro('{auth_type}') ?? '' };
}

const ENHANCED = /^[45]\.\d{1,3}\.\d{1,3}$/;

/**
 * With SMFIP_RCPT_REJ an MTA tells of recipients that it refuses by itself too, and its reasons: `{rcpt_mailer}` is `error`,
 * `{rcpt_host}` the enhanced status code, `{rcpt_addr}` the text (Postfix's smtpd_milter.c, Sendmail's giveresponse).
 * Undefined: it takes the recipient.
 */
export function refusalOfRecipient(macro: Macro): Reply | undefined {
  if (macro('{rcpt_mailer}') !== 'error') return undefined;
  const said = macro('{rcpt_host}') ?? '';
  const enhanced = ENHANCED.test(said) ? said : '5.0.0';
  // Some put the code and the status before the text.
  const text = (macro('{rcpt_addr}') ?? '')
    .replace(/^[45]\d\d[ -]/, '')
    .replace(/^[45]\.\d{1,3}\.\d{1,3} /, '');
  return reply(
    enhanced.startsWith('4') ? 450 : 550,
    enhanced,
    text === '' ? 'refused by the mail server' : text,
  );
}
