/**
 * The paths and parameters of MAIL and RCPT as the gateway knows them, read by the same code, so that all doors judge the same facts.
 * The MTA has taken them already: a parameter that we do not know, or would refuse, is passed over.
 */
import type { Mailbox, ReversePath } from '../../mail/mailbox.ts';
import type { MailParameters, RcptParameters } from '../../mail/parameters.ts';
import { parseForwardPath, parseReversePath, type PathOptions } from '../../mail/path.ts';
import { readMail, readRcpt, type EnvelopeContext } from '../smtp/commands.ts';

export interface EnvelopeWords {
  readonly path: string;
  readonly parameters: readonly string[];
}

/** Undefined where the path is none that could have come by SMTP. */
export function readSender(
  { path, parameters }: EnvelopeWords,
  options: Pick<PathOptions, 'localPartOctets'> = {},
): { readonly reversePath: ReversePath; readonly parameters: MailParameters } | undefined {
  const result = parseReversePath(path, { ...options, lenient: true });
  if (result.kind === 'error' || result.rest !== '') return undefined;
  const read = parameters.map((word) => readMail(`FROM:<> ${word}`, TAKES_ALL));
  const known = read.flatMap((r) => (typeof r === 'string' ? [] : [r.parameters]));
  return { reversePath: result.path, parameters: firstOfEach(known) };
}

export function readRecipient(
  { path, parameters }: EnvelopeWords,
  options: Pick<PathOptions, 'localPartOctets'> = {},
): { readonly forwardPath: Mailbox; readonly parameters: RcptParameters } | undefined {
  const result = parseForwardPath(path, { ...options, lenient: true });
  if (result.kind === 'error' || result.rest !== '') return undefined;
  const read = parameters.map((word) => readRcpt(`TO:<postmaster> ${word}`, TAKES_ALL, true));
  const known = read.flatMap((r) => (typeof r === 'string' ? [] : [r.parameters]));
  return { forwardPath: result.path, parameters: firstOfEach(known) };
}

const TAKES_ALL: EnvelopeContext = {
  offer: { hostName: '', sizeOctets: 0, starttls: false, auth: ['PLAIN'], smtputf8: true, dsn: true },
  maxSizeOctets: Number.POSITIVE_INFINITY,
};

function firstOfEach<P extends object>(known: readonly P[]): P {
  return Object.assign({}, ...known.toReversed()) as P;
}
