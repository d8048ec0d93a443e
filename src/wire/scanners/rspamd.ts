/**
 * rspamd's protocol, `/checkv2`: what is said of the session in header fields, and the answer in JSON. HTTP itself is
 * the adapter's, by Node's own parser.
 *
 * The values of the fields are a stranger's words (HELO name, addresses): a line end in one would be a field of the client's own, and
 * `Settings` or `Pass` would switch the scan off. Of the answer only what is known is read, each with its bound; an action or a
 * score that is missing is a failure, never "no action".
 */
import { shown } from './reply-bytes.ts';

const MAX_RECIPIENTS = 100;
const MAX_VALUE_OCTETS = 1000;
const MAX_SCORE = 100_000;
const MAX_SYMBOLS = 100;
const MAX_MESSAGE = 120;
/** Answers name all addresses of links in a message: they are longer than one thinks. */
export const MAX_ANSWER_OCTETS = 4_194_304;

export interface RspamdQuestion {
  readonly id: string;
  readonly client: string;
  readonly helo: string | undefined;
  readonly hostName: string | undefined;
  readonly by: string;
  /** Empty: the null sender. */
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly user: string | undefined;
  readonly tls: { readonly protocol: string; readonly cipher: string } | undefined;
}

/** Header fields of the request; values as latin1 text, one character an octet, as Node writes them. */
export function questionFields(q: RspamdQuestion): Readonly<Record<string, string | string[]>> {
  return {
    'Queue-Id': clean(q.id),
    'MTA-Name': clean(q.by),
    IP: clean(q.client),
    From: clean(`<${q.sender}>`),
    ...(q.recipients.length === 0
      ? {}
      : { Rcpt: q.recipients.slice(0, MAX_RECIPIENTS).map((recipient) => clean(`<${recipient}>`)) }),
    ...(q.helo === undefined ? {} : { Helo: clean(q.helo) }),
    ...(q.hostName === undefined ? {} : { Hostname: clean(q.hostName) }),
    ...(q.user === undefined ? {} : { User: clean(q.user) }),
    ...(q.tls === undefined
      ? {}
      : { 'TLS-Version': clean(q.tls.protocol), 'TLS-Cipher': clean(q.tls.cipher) }),
  };
}

const clean = (text: string): string =>
  Buffer.from(text, 'utf8')
    .toString('latin1')
    .slice(0, MAX_VALUE_OCTETS)
    .replace(/[\0-\x1f\x7f]/g, '?');

const ACTIONS = [
  'no action',
  'greylist',
  'add header',
  'rewrite subject',
  'soft reject',
  'reject',
  'discard',
  'quarantine',
] as const;
export type RspamdAction = (typeof ACTIONS)[number] | 'other';

export type RspamdAnswer =
  | {
      readonly kind: 'scored';
      readonly action: RspamdAction;
      /** Its rules said not to look; it may have an action all the same. */
      readonly skipped: boolean;
      readonly score: number;
      /** Where spam begins: the threshold of `add header`, or else of `reject`. */
      readonly required: number;
      readonly symbols: readonly string[];
      /** What it would tell the sender. */
      readonly message?: string;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export function readAnswer(body: Buffer): RspamdAnswer {
  let said: unknown;
  try {
    said = JSON.parse(body.toString('utf8'));
  } catch {
    return failed('its answer is no JSON');
  }
  if (!isTable(said)) return failed('its answer is no table');
  // Its own trouble comes with status 200 too.
  if (typeof said['error'] === 'string') return failed(`it says: ${shown(said['error'])}`);
  const { action: word } = said;
  if (typeof word !== 'string') return failed('its answer has no action');
  const action = ACTIONS.find((known) => known === word) ?? 'other';
  const score = scoreOf(said['score']);
  const reject = scoreOf(said['required_score']);
  if (score === undefined || reject === undefined) return failed('its answer has no score');
  const thresholds = isTable(said['thresholds']) ? said['thresholds'] : {};
  const messages = isTable(said['messages']) ? said['messages'] : {};
  const { smtp_message: message } = messages;
  return {
    kind: 'scored',
    action,
    skipped: said['is_skipped'] === true,
    score,
    required: scoreOf(thresholds['add header']) ?? reject,
    symbols: symbolsOf(said['symbols']),
    ...(typeof message === 'string' && message !== '' ? { message: shown(message, MAX_MESSAGE) } : {}),
  };
}

function symbolsOf(said: unknown): readonly string[] {
  if (!isTable(said)) return [];
  const names: string[] = [];
  for (const name in said) {
    if (names.length === MAX_SYMBOLS) break;
    if (/^\w{1,64}$/.test(name)) names.push(name);
  }
  return names;
}

const scoreOf = (said: unknown): number | undefined =>
  typeof said === 'number' && Number.isFinite(said) && Math.abs(said) <= MAX_SCORE ? said : undefined;

const isTable = (said: unknown): said is Readonly<Record<string, unknown>> =>
  typeof said === 'object' && said !== null && !Array.isArray(said);

const failed = (reason: string): RspamdAnswer => ({ kind: 'failed', reason });
