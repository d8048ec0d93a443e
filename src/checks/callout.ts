import { z } from 'zod';
import { defineCheck, type Json } from '../core/check.ts';
import type { Clues } from '../core/clues.ts';
import type { Finding } from '../core/finding.ts';
import type { CalloutAnswer, DnsPort, Ports } from '../core/ports.ts';
import { count, duration } from '../core/settings.ts';
import { isOurDomain } from '../core/site.ts';
import { organizationalDomain } from '../mail/domain.ts';
import { formatMailbox, mailboxKey, type Mailbox } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';
import { saysNoMore } from './refused-recipients.ts';

const SKIPPED = {
  'null-sender': 'a bounce has no sender to ask about',
  literal: "the sender's domain is an address literal",
  ours: "the sender's domain is one of ours",
  'spf-decided': 'SPF has said whether the client may send for the domain',
  'greylist-decided': 'greylisting has seen the client come again',
  'no-mx': 'no host takes mail for the domain',
} as const;

const OUTCOMES = ['takes', 'accepts-all', 'no-mailbox', 'refuses-bounces', 'deferred', 'undecided'] as const;

/** What the servers made of the question. `said`: their words, made harmless. */
interface Outcome {
  readonly kind: (typeof OUTCOMES)[number] | 'unreachable' | 'limited';
  readonly said: string;
}

type Evidence =
  | { readonly skipped: keyof typeof SKIPPED }
  /** The question for MX records was not answered. */
  | { readonly trouble: 'servfail' | 'timeout' }
  | { readonly outcome: Outcome; readonly remembered: boolean };

/** Of addresses, by mailbox; of domains, by name; and how often a domain was asked. */
const ADDRESSES = 'callout-addresses';
const DOMAINS = 'callout-domains';
const ASKED = 'callout-asked';

const MAX_HOSTS = 3;

/** E6: a sender to whom nothing can be sent back is none. */
export const callout = defineCheck({
  name: 'callout',
  summary: "Asks the sender domain's own server whether it would take a bounce for the address.",
  stage: 'mail',
  cost: 'network',
  codes: {
    takes: 'It would, and it would not for just any address.',
    'accepts-all': 'It takes any address of the domain: its yes says nothing.',
    'no-mailbox': 'It says that there is no such mailbox.',
    'refuses-bounces': 'It takes no bounces at all, which RFC 5321 4.5.5 forbids.',
    deferred: 'It does not say for now.',
    undecided: 'It refused for a reason that says nothing of the address: its opinion of us, mostly.',
    unreachable: 'No server of the domain could be asked.',
    'spf-decided': 'SPF passed or failed: there is nothing left to ask.',
    'greylist-decided': 'Greylisting has decided about the client.',
    limited:
      'Nobody was asked: the domain or its servers were asked often enough, or too many are being asked.',
    'no-mx': 'No host takes mail for the domain; see `sender-domain`.',
    ours: 'The domain is one of ours.',
    'null-sender': 'The null sender has no address.',
    literal: "The sender's domain is an address literal.",
    temperror: 'DNS did not answer.',
  },
  settings: z.object({
    good_kept: duration('7d', '1h', '90d', 'How long an address that was taken is not asked about again.'),
    bad_kept: duration('2h', '1m', '7d', 'How long a refusal stands without asking again.'),
    domain_kept: duration('7d', '1h', '90d', 'How long it is remembered whether a domain takes any address.'),
    per_domain: count(
      20,
      1,
      10_000,
      'How often one domain, with all below it, is asked at most within `per_domain_window`.',
    ),
    per_domain_window: duration('1h', '1m', '1d', 'The time that `per_domain` counts in.'),
    per_server: count(
      30,
      1,
      10_000,
      'How often a mail server, with its neighbours (IPv4 /24, IPv6 /48), is asked at most within a minute, for whatever domains.',
    ),
  }),
  defaults: {
    on_fail: 'off',
    on_temperror: 'go-on',
    weight: 2,
    refuse_at: 'rcpt',
    actions: { 'refuses-bounces': 'suspect' },
  },
  lifted: 'by-any',
  // P6: strangers' servers are asked only where the operator said so, and a default action for one finding is not his word.
  idle: ({ on_fail }) =>
    on_fail === 'off'
      ? 'it asks other people\'s servers, so it waits for a word of yours: on_fail = "refuse"'
      : undefined,
  gather: async ({ transaction }, ports, settings, signal, site, clues): Promise<Evidence> => {
    const sender = transaction.reversePath;
    if (sender === null) return { skipped: 'null-sender' };
    if (sender.domain.startsWith('[')) return { skipped: 'literal' };
    if (isOurDomain(site, sender.domain)) return { skipped: 'ours' };
    const decided = decidedBelow(clues);
    if (decided !== undefined) return { skipped: decided };

    const [ofDomain, ofAddress] = await Promise.all([
      ports.store.recall(DOMAINS, sender.domain),
      ports.store.recall(ADDRESSES, mailboxKey(sender)),
    ]);
    const known = outcomeIn(ofDomain) ?? outcomeIn(ofAddress);
    if (known !== undefined) return { outcome: known, remembered: true };

    const found = await hostsOf(ports.dns, sender.domain, site.hostName, signal);
    if (!('hosts' in found)) return found;
    // Names below a domain are its owner's to make up, without end, and their MX records may name anybody's server.
    const owner = organizationalDomain(sender.domain);
    const asked = await ports.rates.add(ASKED, owner, settings.per_domain_window);
    if (asked > settings.per_domain) {
      const said = `${clipped(owner)} was asked ${settings.per_domain} times lately`;
      return { outcome: { kind: 'limited', said }, remembered: false };
    }
    const stranger = { local: strangerFor(transaction.id), domain: sender.domain };
    const answers = await ports.callout.ask(
      found.hosts,
      ofDomain === PICKS ? [sender] : [sender, stranger],
      signal,
    );
    const outcome = outcomeOf(answers);
    await keep(ports, sender, outcome, answers[1], settings);
    return { outcome, remembered: false };
  },
  again: (evidence, _facts, _settings, _site, clues) => {
    // What needs no question, with DNS or without.
    if ('skipped' in evidence && !isDecidedBelow(evidence.skipped)) return { evidence };
    const skipped = decidedBelow(clues);
    if (skipped !== undefined) return { evidence: { skipped } };
    return 'skipped' in evidence ? { unasked: true } : { evidence };
  },
  judge: ({ transaction }, evidence): readonly Finding[] => {
    if ('skipped' in evidence) {
      const { skipped } = evidence;
      return [{ result: 'none', code: skipped, text: SKIPPED[skipped] }];
    }
    const sender = transaction.reversePath ?? { local: '', domain: '' };
    const address = `<${clipped(formatMailbox(sender))}>`;
    const server = `the mail server of ${clipped(sender.domain)}`;
    if ('trouble' in evidence) {
      const text = `the mail servers of ${clipped(sender.domain)} could not be looked up`;
      return [{ result: 'temperror', code: 'temperror', text, enhanced: '5.4.3' }];
    }
    const { kind, said } = evidence.outcome;
    const words = said === '' ? '' : `: ${said}`;
    switch (kind) {
      case 'takes':
        return [{ result: 'pass', code: kind, text: `${server} takes bounces for ${address}` }];
      case 'accepts-all':
        return [{ result: 'none', code: kind, text: `${server} takes any address` }];
      case 'no-mailbox': {
        // RFC 3463 3.2: X.1.7, bad sender's mailbox address; X.1.8, bad sender's system address.
        const text = `${server} says of ${address}${words === '' ? ' that there is no such mailbox' : words}`;
        return [{ result: 'fail', code: kind, text, enhanced: '5.1.7' }];
      }
      case 'refuses-bounces':
        return [
          { result: 'fail', code: kind, text: `${server} takes no bounces${words}`, enhanced: '5.1.8' },
        ];
      case 'deferred':
        return [
          { result: 'temperror', code: kind, text: `${server} does not say now${words}`, enhanced: '5.1.7' },
        ];
      case 'undecided':
        return [{ result: 'none', code: kind, text: `${server} says nothing of ${address}${words}` }];
      case 'limited': {
        // RFC 3463 3.5: X.4.5, mail system congestion.
        const text = `${server} was not asked${words}`;
        return [{ result: 'temperror', code: kind, text, enhanced: '5.4.5' }];
      }
      case 'unreachable': {
        const text = `${server} could not be asked${words}`;
        return [{ result: 'temperror', code: kind, text, enhanced: '5.4.1' }];
      }
      default:
        return kind satisfies never;
    }
  },
});

const isDecidedBelow = (skipped: keyof typeof SKIPPED): boolean =>
  skipped === 'spf-decided' || skipped === 'greylist-decided';

/** Both are surer than a stranger's word, and cost that stranger nothing. */
function decidedBelow(clues: Clues): 'spf-decided' | 'greylist-decided' | undefined {
  if (clues.found('spf').some(({ code }) => code === 'pass' || code === 'fail')) return 'spf-decided';
  const greylisted = clues.found('greylist');
  return greylisted.some(({ result }) => result === 'pass' || result === 'fail')
    ? 'greylist-decided'
    : undefined;
}

/** RFC 5321 5.1: by preference; without MX records the domain itself. */
async function hostsOf(
  dns: DnsPort,
  domain: string,
  ourName: string,
  signal: AbortSignal,
): Promise<Evidence | { readonly hosts: readonly string[] }> {
  const mx = await dns.resolve(domain, 'MX', signal);
  if (mx.kind === 'servfail' || mx.kind === 'timeout') return { trouble: mx.kind };
  if (mx.kind === 'nxdomain') return { skipped: 'no-mx' };
  if (mx.kind === 'no-data') return { hosts: [domain] };
  const hosts = mx.records
    // RFC 7505: the null MX has no name. Where we are one of the servers ourselves, we need not ask us.
    .filter(({ exchange }) => exchange !== '' && exchange !== ourName)
    .toSorted((a, b) => a.priority - b.priority || (a.exchange < b.exchange ? -1 : 1))
    .map(({ exchange }) => exchange);
  return hosts.length === 0 ? { skipped: 'no-mx' } : { hosts: [...new Set(hosts)].slice(0, MAX_HOSTS) };
}

/** A local part that nobody has; from the transaction, whose id nobody can guess. No delimiter may make an extension of it. */
const strangerFor = (id: string): string => `nobody${id.toLowerCase()}`;

function outcomeOf([first, stranger]: readonly CalloutAnswer[]): Outcome {
  if (first === undefined) return { kind: 'unreachable', said: '' };
  if (first.kind === 'limited') return { kind: 'limited', said: harmless(first.reason) };
  if (first.kind === 'unreachable') return { kind: 'unreachable', said: harmless(first.reason) };
  const { reply } = first;
  const said = words(reply);
  if (reply.code < 300) {
    const takesAny = stranger?.kind === 'replied' && stranger.reply.code < 300;
    return { kind: takesAny ? 'accepts-all' : 'takes', said: '' };
  }
  if (reply.code < 400) return { kind: 'undecided', said };
  if (reply.code < 500) return { kind: 'deferred', said };
  if (first.of === 'transaction')
    return { kind: isOfTheNullSender(reply) ? 'refuses-bounces' : 'undecided', said };
  // Postfix holds what it has against a sender back until RCPT.
  if (isBadSender(reply)) return { kind: 'refuses-bounces', said };
  return { kind: isOfTheMailbox(reply) ? 'no-mailbox' : 'undecided', said };
}

// RFC 3463 3.2: X.1.7 and X.1.8 are about the sender, that is about our own null one.
const isBadSender = ({ enhanced }: Reply): boolean => enhanced === '5.1.7' || enhanced === '5.1.8';

// A refusal is the address's only where nothing points elsewhere.
function isOfTheMailbox(reply: Reply): boolean {
  const { code, enhanced, lines } = reply;
  if (code !== 550 && code !== 551 && code !== 553) return false;
  if (enhanced !== '') return enhanced.startsWith('5.1.');
  return saysNoMore(reply) && !ABOUT_US.test(lines.join(' ').slice(0, MAX_READ));
}

function isOfTheNullSender(reply: Reply): boolean {
  const { code, enhanced, lines } = reply;
  if (code !== 501 && code !== 550 && code !== 553 && code !== 554) return false;
  if (enhanced !== '') return isBadSender(reply) || enhanced === '5.1.0';
  return !ABOUT_US.test(lines.join(' ').slice(0, MAX_READ));
}

// Servers without status codes refuse clients that they do not like in the same 550 as mailboxes that they do not have.
const ABOUT_US =
  /\b(?:black|block|rbl|dnsbl|listed|spamhaus|spamcop|reputation|policy|relay|greylist|rate|rdns|ptr|reverse|helo|ehlo|tls|authenticat)|\byour (?:ip|host|server|address)\b|\bclient\b|#?5\.7\.\d/i;
const MAX_READ = 1000;

async function keep(
  { store }: Ports,
  sender: Mailbox,
  outcome: Outcome,
  stranger: CalloutAnswer | undefined,
  kept: { readonly good_kept: number; readonly bad_kept: number; readonly domain_kept: number },
): Promise<void> {
  const address = mailboxKey(sender);
  switch (outcome.kind) {
    case 'takes':
      await store.remember(ADDRESSES, address, { ...outcome }, kept.good_kept);
      if (stranger?.kind === 'replied' && stranger.reply.code >= 500)
        await store.remember(DOMAINS, sender.domain, PICKS, kept.domain_kept);
      return;
    case 'no-mailbox':
      await store.remember(ADDRESSES, address, { ...outcome }, kept.bad_kept);
      return;
    case 'accepts-all':
      await store.remember(DOMAINS, sender.domain, { ...outcome }, kept.domain_kept);
      return;
    case 'refuses-bounces':
      await store.remember(DOMAINS, sender.domain, { ...outcome }, kept.bad_kept);
      return;
    // What says nothing for certain is asked again, as often as `per_domain` allows.
    case 'deferred':
    case 'undecided':
    case 'unreachable':
    case 'limited':
      return;
    default:
      outcome.kind satisfies never;
  }
}

/** Remembered of a domain that refuses addresses which do not exist: its yes is worth something. */
const PICKS = 'picks';

function outcomeIn(value: Json | undefined): Outcome | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('said' in value))
    return undefined;
  const { kind: name, said } = value;
  const kind = OUTCOMES.find((known) => known === name);
  return kind === undefined || typeof said !== 'string' ? undefined : { kind, said };
}

// The reply holds 512 octets, and what a stranger's server says goes into logs.
const MAX_SHOWN = 80;
const MAX_SAID = 120;
const clipped = (name: string): string =>
  printable(name.length > MAX_SHOWN ? `...${name.slice(-MAX_SHOWN)}` : name);
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
const harmless = (text: string): string => printable(text.slice(0, MAX_SAID)).replace(/[\s.]{1,120}$/, '');
const words = ({ code, enhanced, lines }: Reply): string =>
  harmless(`${code} ${enhanced === '' ? '' : `${enhanced} `}${lines.join(' ').slice(0, MAX_SAID)}`);
