import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import { isDomainName } from '../mail/domain.ts';
import { formatMailbox, mailboxKey, type ReversePath } from '../mail/mailbox.ts';
import { noMailbox } from './refused-recipients.ts';

// Addresses that were never given to anybody, or have been dead for years; nobody has more than some thousand.
const MAX_ADDRESSES = 10_000;
// RFC 5321 4.5.1, RFC 2142: those whom we refuse by mistake write to them.
const NEVER_TRAPS = /^(?:postmaster|abuse)@/;

const trap = z
  .string()
  .transform((text, ctx) => {
    const at = text.lastIndexOf('@');
    const key = text.toLowerCase();
    if (at === -1 || !isDomainName(key.slice(at + 1)) || /[\0-\x20<>"]/.test(text)) {
      ctx.addIssue({
        code: 'custom',
        message: 'wants an address or @domain, such as "old.name@example.org"',
      });
      return z.NEVER;
    }
    if (!NEVER_TRAPS.test(key)) return key;
    ctx.addIssue({ code: 'custom', message: 'wants no address that everybody may write to' });
    return z.NEVER;
  })
  .meta({ wants: 'an address or @domain', example: 'old.name@example.org' });

/**
 * E9: nobody has a reason to write to a trap, so whoever does is convicted. It answers as an unknown mailbox does. The null sender is
 * refused as well, but not convicted: spam that forges a trap as its sender makes honest servers bounce to it, or ask whether it exists.
 */
export const spamTrap = defineCheck({
  name: 'spam-trap',
  summary: 'The recipient is a trap that nobody has a reason to write to.',
  stage: 'rcpt',
  cost: 'memory',
  codes: {
    'no-trap': 'the recipient is no trap',
    trap: 'the recipient is a trap',
    bounce: 'the recipient is a trap, and the sender is the null sender: an honest server may do that',
    verification: 'the recipient is a trap, and the sender is one that servers verify addresses with',
  },
  settings: z.strictObject({
    addresses: z.array(trap).max(MAX_ADDRESSES).prefault([]).meta({
      description: 'The traps: addresses, or @domain for all of a domain.',
      example: '["old.name@example.org", "@trap.example.org"]',
      default: '[]',
    }),
  }),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 5, refuse_at: 'rcpt' },
  lifted: 'by-any',
  charges: { trap: 'conviction' },
  idle: ({ addresses }) => (addresses.length === 0 ? 'no traps are listed' : undefined),
  judge({ transaction, recipient }, _evidence, { addresses }) {
    const { mailbox } = recipient;
    const name = `<${formatMailbox(mailbox).replace(/[^\x20-\x7e]/g, '?')}>`;
    const traps = setOf(addresses);
    if (!traps.has(mailboxKey(mailbox)) && !traps.has(`@${mailbox.domain}`))
      return [{ result: 'pass', code: 'no-trap', text: `${name} is no trap` }];
    const code = codeFor(transaction.reversePath);
    return [{ result: 'fail', code, text: `${name} is no mailbox here`, ...noMailbox(mailbox) }];
  },
});

// Postfix asks with `double-bounce`, where wanted with a suffix that changes (ADDRESS_VERIFICATION_README); Exim and others may ask
// as postmaster, and some servers bounce as their mailer-daemon.
const VERIFIERS = /^(?:double-bounce[a-z0-9]{0,32}|postmaster|mailer-daemon)$/i;

function codeFor(sender: ReversePath): 'bounce' | 'verification' | 'trap' {
  if (sender === null) return 'bounce';
  return VERIFIERS.test(sender.local) ? 'verification' : 'trap';
}

// The settings are the same array for as long as a configuration is in force.
const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

function setOf(addresses: readonly string[]): ReadonlySet<string> {
  let set = sets.get(addresses);
  if (set === undefined) sets.set(addresses, (set = new Set(addresses)));
  return set;
}
