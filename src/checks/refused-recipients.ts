/** The backend's refusals of mailboxes, kept by `recipients` and read by `recipient-list`. */
import { after } from '../core/after.ts';
import type { Json } from '../core/check.ts';
import type { Soon, StorePort } from '../core/ports.ts';
import { isPermanent, type Reply } from '../mail/reply.ts';
import { mailboxKey, type Mailbox } from '../mail/mailbox.ts';

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
