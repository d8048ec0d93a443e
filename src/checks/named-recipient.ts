import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import { parseAddressList } from '../mail/addresses.ts';
import { batvOriginal } from '../mail/batv.ts';
import { isDomainName } from '../mail/domain.ts';
import { fieldValue, type Header } from '../mail/header.ts';
import { mailboxKey, type Mailbox } from '../mail/mailbox.ts';

const MAX_ALIASES = 10_000;
// Of one message, all its fields together; who writes to more people in one message uses a list.
const MAX_NAMED = 2000;

const alias = z
  .string()
  .transform((text, ctx) => {
    const key = text.toLowerCase();
    const at = key.lastIndexOf('@');
    if (at >= 0 && isDomainName(key.slice(at + 1))) return key;
    ctx.addIssue({ code: 'custom', message: 'wants an address or @domain, such as "staff@example.org"' });
    return z.NEVER;
  })
  .meta({ wants: 'an address or @domain', example: 'staff@example.org' });

interface Naming {
  readonly named: boolean;
  /** Addresses in To and Cc, and the like. */
  readonly addresses: number;
  readonly list: boolean;
}

/** M3, the Bcc filter: who writes to somebody names him, save for lists, bounces, and those who are hidden for a reason. */
export const namedRecipient = defineCheck({
  name: 'named-recipient',
  summary: 'A recipient of the message is named in its To or Cc field.',
  stage: 'endOfMessage',
  cost: 'parse',
  codes: {
    named: 'a recipient, or an address of `aliases`, is named in To or Cc',
    list: 'nobody is named, and it comes from a mailing list',
    bounce: 'nobody is named, and it is from the null sender',
    unnamed: 'To and Cc name others',
    'nobody-named': 'To and Cc name nobody at all, or are missing',
  },
  settings: z.strictObject({
    aliases: z.array(alias).max(MAX_ALIASES).prefault([]).meta({
      description:
        'Addresses, or @domain for all of a domain, that stand for your recipients: who writes to them names somebody.',
      example: '["staff@example.org", "@lists.example.org"]',
      default: '[]',
    }),
  }),
  defaults: { on_fail: 'off', on_temperror: 'go-on', weight: 2, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: ({ transaction }, { message }, { aliases }): Naming | null =>
    message === undefined ? null : namingOf(message.header, transaction.recipients, setOf(aliases)),
  judge({ transaction }, naming) {
    if (naming === null) return [{ result: 'none', code: 'named', text: 'there is no message to look at' }];
    if (naming.named) return [{ result: 'pass', code: 'named', text: 'a recipient is named in To or Cc' }];
    if (transaction.reversePath === null)
      return [{ result: 'none', code: 'bounce', text: 'a bounce need not name its recipient' }];
    if (naming.list)
      return [{ result: 'none', code: 'list', text: 'a mailing list need not name its members' }];
    const fail = (code: string, text: string) => [{ result: 'fail' as const, code, text, enhanced: '5.7.1' }];
    return naming.addresses === 0
      ? fail('nobody-named', 'the message names no recipient in To or Cc')
      : fail('unnamed', 'the message names others in To and Cc, not its recipient');
  },
});

// RFC 5322 3.6.3 and 3.6.6; Apparently-To is what old Sendmails add.
const NAMING = /^(?:resent-)?(?:to|cc|bcc)$|^apparently-to$/i;
// RFC 2919, RFC 2369, and what came before them.
const LIST = /^(?:list-(?:id|post|unsubscribe)|mailing-list)$/i;

function namingOf(header: Header, recipients: readonly Mailbox[], aliases: ReadonlySet<string>): Naming {
  const wanted = new Set(recipients.map(plainKey));
  let addresses = 0;
  let named = false;
  let list = false;
  for (const field of header.fields) {
    if (LIST.test(field.name)) list = true;
    const precedence = field.name.toLowerCase() === 'precedence';
    if (precedence && /^\s*list\s*$/i.test(fieldValue(header.bytes, field).slice(0, 100))) list = true;
    if (!NAMING.test(field.name) || named || addresses >= MAX_NAMED) continue;
    const { mailboxes } = parseAddressList(fieldValue(header.bytes, field));
    addresses += mailboxes.length;
    named = mailboxes.some(
      ({ mailbox }) =>
        wanted.has(plainKey(mailbox)) ||
        aliases.has(mailboxKey(mailbox)) ||
        aliases.has(`@${mailbox.domain}`),
    );
  }
  return { named, addresses, list };
}

/** Without tag and detail (RFC 5233): `joe+shop@` and `joe@` are the same reader. */
function plainKey(mailbox: Mailbox): string {
  const original = batvOriginal(mailbox);
  const plus = original.local.indexOf('+');
  return mailboxKey(plus > 0 ? { ...original, local: original.local.slice(0, plus) } : original);
}

// The settings are the same array for as long as a configuration is in force.
const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

function setOf(aliases: readonly string[]): ReadonlySet<string> {
  let set = sets.get(aliases);
  if (set === undefined) sets.set(aliases, (set = new Set(aliases)));
  return set;
}
