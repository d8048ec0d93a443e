import type { Reply } from '../../mail/reply.ts';

/** The extensions that a server's EHLO or LHLO reply names, as far as we use them (RFC 5321 4.1.1.1). */
export interface Offered {
  readonly startTls: boolean;
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly smtputf8: boolean;
  readonly dsn: boolean;
  /** RFC 1870: SIZE is known at all. */
  readonly size: boolean;
  /** The largest message; absent where SIZE has no number or 0, which both mean "no fixed limit". */
  readonly sizeOctets?: number;
  /** Postfix: the attributes XCLIENT takes here; absent where it is not offered to us. */
  readonly xclient?: readonly string[];
}

/** What a server that only knows HELO has. */
export const NOTHING_OFFERED: Offered = {
  startTls: false,
  pipelining: false,
  eightBitMime: false,
  smtputf8: false,
  dsn: false,
  size: false,
};

export function parseOffered(ehlo: Reply): Offered {
  const keywords = new Map<string, readonly string[]>();
  // The first line is the greeting.
  for (const line of ehlo.lines.slice(1)) {
    const [keyword = '', ...parameters] = line.trim().split(/[ \t]+/);
    keywords.set(keyword.toUpperCase(), parameters);
  }
  const largest = keywords.get('SIZE')?.[0] ?? '';
  const sizeOctets = /^\d{1,15}$/.test(largest) ? Number(largest) : 0;
  const xclient = keywords.get('XCLIENT')?.map((attribute) => attribute.toUpperCase());
  return {
    startTls: keywords.has('STARTTLS'),
    pipelining: keywords.has('PIPELINING'),
    eightBitMime: keywords.has('8BITMIME'),
    smtputf8: keywords.has('SMTPUTF8'),
    dsn: keywords.has('DSN'),
    size: keywords.has('SIZE'),
    ...(sizeOctets > 0 ? { sizeOctets } : {}),
    ...(xclient === undefined ? {} : { xclient }),
  };
}
