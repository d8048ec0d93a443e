import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { flag } from '../core/settings.ts';
import { isOurDomain } from '../core/site.ts';
import { batvDay, type BatvKey } from '../mail/batv.ts';
import { isDomainName } from '../mail/domain.ts';
import { formatMailbox, type Mailbox } from '../mail/mailbox.ts';
import { returnedBy, type Returned } from './returned-header.ts';

const MAX_NAMES = 1000;
// One digit numbers them.
const MAX_KEYS = 10;

const name = z
  .string()
  .transform((text, ctx) => {
    const said = text.toLowerCase();
    if (isDomainName(said.replace(/^\./, ''))) return said;
    ctx.addIssue({
      code: 'custom',
      message: 'wants a host name, such as "smtp.example.org" or ".example.net"',
    });
    return z.NEVER;
  })
  .meta({ wants: 'a host name', example: 'smtp.example.org' });

const key = z
  .string()
  .transform((text, ctx): BatvKey => {
    const m = /^(\d):(.{16,200})$/.exec(text);
    if (m !== null) return { number: Number(m[1]), secret: m[2] ?? '' };
    const message = 'wants a digit, a colon and a secret of 16 characters or more';
    ctx.addIssue({ code: 'custom', message, params: { secret: true } });
    return z.NEVER;
  })
  .meta({ wants: 'a digit, a colon and a secret', example: '0:a long random secret' });

/**
 * M2: spam that forges an address of ours as its sender comes back as bounces of mail that we never sent. A bounce that shows the header
 * of what it returns is refused where nothing in that header is ours. What returns nothing can be as honest as not.
 */
export const fakeBounce = defineCheck({
  name: 'fake-bounce',
  summary: 'A bounce shows that what it returns was sent by us.',
  stage: 'endOfMessage',
  cost: 'parse',
  codes: {
    'not-null': 'it is not from the null sender',
    'no-bounce': 'it is from the null sender and no bounce: a vacation reply, a receipt',
    ours: 'it returns a message that came through us',
    tagged: 'it answers mail that we signed',
    foreign: 'it returns a message that never came through us, as far as `names` says who we are',
    'foreign-unsure':
      'the same, but `names` is empty (our mail may leave by hosts that nobody told us of), or only a header in its text makes it a bounce',
    'no-trace': 'what it returns has no Received field and nothing else of ours',
    'nothing-returned': 'it does not show what it returns',
    untagged:
      'it is a bounce to an address that we do not send from: `batv_keys` are set, and it has no good tag',
  },
  settings: z.strictObject({
    names: z.array(name).max(MAX_NAMES).prefault([]).meta({
      description:
        'All hosts that send mail for our domains, besides `host_name` and those below `domains`. A leading dot takes all names below. Once it is set, fake bounces are refused.',
      example: '["smtp.example.net", ".mail.example.com"]',
      default: '[]',
    }),
    batv_keys: z
      .array(key)
      .max(MAX_KEYS)
      .refine((keys) => new Set(keys.map(({ number }) => number)).size === keys.length, {
        message: 'wants each number once',
      })
      .prefault([])
      .meta({
        description:
          'Keys by which reverse-paths of outgoing mail are signed (BATV), the one in use first; the others are still good for what they signed. Where it is set, all mail of our domains has to be signed.',
        example: '["1:new secret, 16 or more", "0:old secret, 16 or more"]',
        default: '[]',
      }),
    sign_outgoing: flag(
      false,
      'Signs outgoing mail of our own networks and of those who authenticate with the first of the keys: at a gateway and at a milter. A policy service cannot.',
    ),
  }),
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'go-on',
    weight: 2,
    refuse_at: 'rcpt',
    actions: { 'foreign-unsure': 'suspect', 'no-trace': 'suspect', 'nothing-returned': 'suspect' },
  },
  lifted: 'by-any',
  gather({ transaction }, { message }, { names, batv_keys }, signal, site): Promise<Returned> | null {
    if (transaction.reversePath !== null || message === undefined) return null;
    const today = batvDay(transaction.startedAtMs);
    return returnedBy(message, { site, names, batvKeys: batv_keys, today }, signal);
  },
  judge({ transaction }, returned, { names, batv_keys }, site): readonly Finding[] {
    if (returned === null || transaction.reversePath !== null)
      return [{ result: 'none', code: 'not-null', text: 'it is not from the null sender' }];
    const fail = (code: string, text: string): readonly Finding[] => [
      { result: 'fail', code, text, enhanced: '5.7.1' },
    ];
    if (transaction.recipients.some(({ tag }) => tag === 'valid'))
      return [{ result: 'pass', code: 'tagged', text: 'it answers mail that we signed' }];
    if (returned.kind === 'other')
      return [{ result: 'none', code: 'no-bounce', text: 'it is from the null sender and returns nothing' }];
    const ours = transaction.recipients.find(({ domain }) => isOurDomain(site, domain));
    if (batv_keys.length > 0 && ours !== undefined)
      return fail('untagged', `<${shown(ours)}> sends no mail, so there is nothing to return to it`);
    if (returned.ours !== undefined)
      return [{ result: 'pass', code: 'ours', text: `the returned message is ours by its ${returned.ours}` }];
    if (!returned.header) return fail('nothing-returned', 'the bounce does not show what it returns');
    if (!returned.received) return fail('no-trace', 'nothing in the returned header shows that it was ours');
    return fail(
      names.length > 0 && returned.formal ? 'foreign' : 'foreign-unsure',
      'the returned message was not sent by us: no Received field of it names a host of ours',
    );
  },
});

const shown = (mailbox: Mailbox): string =>
  formatMailbox(mailbox)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 200);
