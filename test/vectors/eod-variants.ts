/**
 * Every known false end of data (SMTP smuggling): byte sequences that some server took for CRLF.CRLF. Only `ok` ends a
 * message (RFC 5321 4.1.1.4). From the public scanners (smtpsmug, SEC Consult's), chasquid's dialogs and Exim's tests.
 */
export interface EodVariant {
  readonly id: string;
  readonly bytes: string;
  readonly endsData: boolean;
}

const not = (id: string, bytes: string): EodVariant => ({ id, bytes, endsData: false });

export const EOD_VARIANTS: readonly EodVariant[] = [
  { id: 'ok', bytes: '\r\n.\r\n', endsData: true },
  not('lf_dot_lf', '\n.\n'),
  not('lf_dot_cr', '\n.\r'),
  not('cr_dot_lf', '\r.\n'),
  not('cr_dot_cr', '\r.\r'),
  // The one that most servers accepted: Postfix, Sendmail, Exim.
  not('lf_dot_crlf', '\n.\r\n'),
  not('cr_dot_crlf', '\r.\r\n'),
  not('crlf_dot_lf', '\r\n.\n'),
  not('crlf_dot_cr', '\r\n.\r'),
  not('crlf_nul_dot_crlf', '\r\n\0.\r\n'),
  not('crlf_dot_nul_crlf', '\r\n.\0\r\n'),
  // Matters on the sending side of a proxy, which might drop the bare CR and make a true end of it.
  not('crlf_dot_crcrlf', '\r\n.\r\r\n'),
  not('crcrlf_dot_crcrlf', '\r\r\n.\r\r\n'),
  not('lf_dot_lf_after_text', 'xxx\n.\n'),
];

/** Ways to send them that are tests of their own. */
export const EOD_SCENARIOS = {
  split: 'every variant, the stream cut at each byte into two TCP segments',
  too_big: 'the variant right after the size limit was passed: discarding follows the same rule',
  bdat_lf_dot_lf: 'BDAT is length-framed: dots inside a chunk never end the message (CVE-2023-51766)',
} as const;
