/**
 * The backend's refusals of mailboxes, kept by `recipients` and read by `recipient-list`; and how a mailbox that does not exist is
 * refused, whoever knows it.
 */
import { after } from '../core/after.ts';
import type { Json } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { Soon, StorePort } from '../core/ports.ts';
import { isPermanent, type Reply } from '../mail/reply.ts';
import { formatMailbox, mailboxKey, type Mailbox } from '../mail/mailbox.ts';

const SPACE = 'recipients';

export function recallRefusal(store: StorePort, mailbox: Mailbox): Soon<Reply | undefined> {
  return after(store.recall(SPACE, mailboxKey(mailbox)), (value) => (isRefusal(value) ? value : undefined));
}

export function rememberRefusal(
  store: StorePort,
  mailbox: Mailbox,
  refusal: Reply,
  keptMs: number,
): Soon<void> {
  return store.remember(SPACE, mailboxKey(mailbox), { ...refusal }, keptMs);
}

// RFC 3463 3.2: X.1.1 bad mailbox, X.1.6 mailbox has moved; X.1.10 is Exchange's "recipient not found".
export const saysUnknown = (said: Reply): boolean =>
  isPermanent(said) && /^5\.1\.(?:1|6|10)$/.test(said.enhanced);

/**
 * RFC 5321 4.2.3: what a server without status codes says of mailboxes that it does not have. It says much else with the same codes, of
 * clients and of its rules, so its words have to speak of the mailbox; 551 does by itself.
 */
export const saysNoMore = ({ code, enhanced, lines }: Reply): boolean =>
  enhanced === '' &&
  (code === 551 ||
    ((code === 550 || code === 553) && OF_THE_MAILBOX.test(lines.join(' ').slice(0, MAX_READ))));

const OF_THE_MAILBOX = /\b(?:users?|mailbox|recipients?|unknown|address(?:ee)?|accounts?|exists?|no such)\b/i;
const MAX_READ = 1000;

/**
 * The same words, code and name for all of them, so that nobody learns by asking which address is a trap. What the backend has to
 * say beyond that, of a mailbox that has moved (551, X.1.6), is passed on.
 */
export function noMailbox(
  mailbox: Mailbox,
  said?: Reply,
): Pick<Finding, 'enhanced' | 'replyCode' | 'shownAs' | 'shownText'> {
  if (said !== undefined && (said.code === 551 || said.enhanced === '5.1.6'))
    return { enhanced: said.enhanced || '5.1.6', replyCode: said.code, shownAs: SHOWN_AS };
  const name = `<${formatMailbox(mailbox).replace(/[^\x20-\x7e]/g, '?')}>`;
  return { enhanced: '5.1.1', replyCode: 550, shownAs: SHOWN_AS, shownText: `${name} is no mailbox here` };
}

const SHOWN_AS = 'recipients';

function isRefusal(value: Json | undefined): value is Json & Reply {
  if (typeof value !== 'object' || value === null) return false;
  if (!('code' in value && 'lines' in value && 'enhanced' in value)) return false;
  const { code, lines, enhanced } = value;
  return (
    typeof code === 'number' &&
    code >= 500 &&
    typeof enhanced === 'string' &&
    Array.isArray(lines) &&
    lines.every((line) => typeof line === 'string')
  );
}
