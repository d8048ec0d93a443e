/**
 * The paths and parameters of MAIL and RCPT as the gateway knows them, read by the same code, so that all doors judge the same facts.
 * The MTA has taken them already: a parameter that we do not know, or would refuse, is passed over.
 */
import type { Mailbox, ReversePath } from '../../mail/mailbox.ts';
import type { MailParameters, RcptParameters } from '../../mail/parameters.ts';
import { parseForwardPath, parseReversePath, type PathOptions, type PathResult } from '../../mail/path.ts';
import { takenAddress } from '../../mail/taken-address.ts';
import { readMail, readRcpt, type EnvelopeContext } from '../smtp/commands.ts';

export interface EnvelopeWords {
  readonly path: string;
  readonly parameters: readonly string[];
}

/** Undefined where no MTA could make an address of it. A domain that is missing is for the caller to add. */
export function readSender(
  { path, parameters }: EnvelopeWords,
  options: Pick<PathOptions, 'localPartOctets'> = {},
): { readonly reversePath: ReversePath; readonly parameters: MailParameters } | undefined {
  const result = parseReversePath(path, { ...options, lenient: true });
  const reversePath = isWhole(result) ? result.path : taken(path, options);
  if (reversePath === undefined) return undefined;
  const read = parameters.map((word) => readMail(`FROM:<> ${word}`, TAKES_ALL));
  const known = read.flatMap((r) => (typeof r === 'string' ? [] : [r.parameters]));
  return { reversePath, parameters: firstOfEach(known) };
}

export function readRecipient(
  { path, parameters }: EnvelopeWords,
  options: Pick<PathOptions, 'localPartOctets'> = {},
): { readonly forwardPath: Mailbox; readonly parameters: RcptParameters } | undefined {
  const result = parseForwardPath(path, { ...options, lenient: true });
  const forwardPath = isWhole(result) ? result.path : taken(path, options);
  if (forwardPath === undefined) return undefined;
  const read = parameters.map((word) => readRcpt(`TO:<postmaster> ${word}`, TAKES_ALL, true));
  const known = read.flatMap((r) => (typeof r === 'string' ? [] : [r.parameters]));
  return { forwardPath, parameters: firstOfEach(known) };
}

function isWhole<P>(result: PathResult<P>): result is PathResult<P> & { readonly kind: 'path' } {
  return result.kind === 'path' && result.rest === '';
}

// One address in angle brackets at the end, with a phrase before it or not; or no brackets at all.
const TAKEN = /^[^<>]*<([^<>]+)>$|^([^<>]+)$/;

/** MTAs take more than the grammar has (Postfix without strict_rfc821_envelopes, Sendmail), and hand on what the client wrote. */
function taken(path: string, { localPartOctets }: Pick<PathOptions, 'localPartOctets'>): Mailbox | undefined {
  const words = TAKEN.exec(path);
  return words === null ? undefined : takenAddress(words[1] ?? words[2] ?? '', localPartOctets);
}

const TAKES_ALL: EnvelopeContext = {
  offer: { hostName: '', sizeOctets: 0, starttls: false, auth: ['PLAIN'], smtputf8: true, dsn: true },
  maxSizeOctets: Number.POSITIVE_INFINITY,
};

function firstOfEach<P extends object>(known: readonly P[]): P {
  return Object.assign({}, ...known.toReversed()) as P;
}
