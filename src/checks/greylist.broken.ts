/**
 * Senders that greylisting loses or holds up beyond reason, as reported by postmasters. They are told by a domain that vouches for the
 * client: one whose SPF record permits it, or that of its confirmed name; the domain itself or any name below it. No
 * addresses: they change hands, and a list that ships with a program is old when it is read.
 * Senders with many addresses need no entry as long as one domain vouches for all of them.
 */
export interface BrokenServer {
  readonly domain: string;
  readonly fault: 'no-retry' | 'gives-up-early' | 'slow' | 'unsteady';
  /** Follows "because it". */
  readonly reason: string;
}

export const BROKEN_SERVERS: readonly BrokenServer[] = [
  {
    domain: 'southwest.com',
    fault: 'no-retry',
    reason: 'does not come again, and writes each message from a sender of its own',
  },
  { domain: 'roche.com', fault: 'no-retry', reason: 'has gateways that do not come again' },
  { domain: 'swissre.com', fault: 'no-retry', reason: 'does not come again' },
  { domain: 'netsolmail.com', fault: 'no-retry', reason: 'does not come again' },
  { domain: 'cs.columbia.edu', fault: 'no-retry', reason: 'does not come again' },
  { domain: 'abb.com', fault: 'gives-up-early', reason: 'comes again only once' },
  { domain: 'liberal.ca', fault: 'gives-up-early', reason: 'gives up after four and a half minutes' },
  { domain: 'accor-hotels.com', fault: 'slow', reason: 'comes again after six hours' },
  { domain: 'telekom.de', fault: 'slow', reason: 'comes again after six hours' },
  { domain: 'hu-berlin.de', fault: 'slow', reason: 'comes again after six hours' },
  { domain: 'citigroup.com', fault: 'slow', reason: 'comes again after hours' },
  { domain: 'thehartford.com', fault: 'slow', reason: 'comes again late and from other networks' },
  { domain: 'isp.belgacom.be', fault: 'unsteady', reason: 'comes again at times that nobody can foresee' },
];
