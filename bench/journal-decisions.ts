/** Decisions as a gate with all of its checks on makes them, without the gate: for a journal of millions. */
import { LADDER } from '../src/checks/ladder.ts';
import type { Decision, RecipientDecision, Step } from '../src/core/decision.ts';
import type { Finding } from '../src/core/finding.ts';
import { COSTS } from '../src/core/stage.ts';
import type { Mailbox } from '../src/mail/mailbox.ts';
import { reply } from '../src/mail/reply.ts';

export const OUR_DOMAINS = ['example.org', 'example.com', 'lists.example.org'] as const;
const MAILBOXES = 400;
const CLIENTS = 300_000;
const DOMAINS = 120_000;
/** One in so many. */
const RARE = 100_000;
/** A network that came in one night and never again, and how much of the mail it brought. */
export const ATTACKER = '198.18.7.0/24';
const ATTACK_SHARE = 0.012;
export const KINDS = ['listed', 'greylisted', 'passing'] as const;
export type Kind = (typeof KINDS)[number] | 'unknown-user' | 'bare' | 'honeypot' | 'virus';

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** Few of them often, most of them seldom. */
  popular(n: number): number {
    return Math.floor(n ** this.next()) - 1;
  }
}

export const clientOf = (n: number): string =>
  `${11 + (n % 180)}.${(n >>> 3) % 256}.${(n >>> 7) % 256}.${1 + (n % 250)}`;
export const domainOf = (n: number): string => `mail${n.toString(36)}.example`;
const HEX = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const idOf = (n: number, random: Random): string =>
  `${n.toString(32).toUpperCase().padStart(5, '0')}${HEX[random.below(32)] ?? ''}${HEX[random.below(32)] ?? ''}X`;

const rungOf = new Map(LADDER.map((check) => [check.name, COSTS.indexOf(check.cost)]));

/** The steps up to and with the rung of the check that decided, or all of them. */
function stepsOf(decides: string | undefined, client: string, sender: Mailbox, r: Random): Step[] {
  const highest = decides === undefined ? COSTS.length : (rungOf.get(decides) ?? COSTS.length);
  return LADDER.filter((check) => COSTS.indexOf(check.cost) <= highest).map((check): Step => {
    const isDns = ['dns', 'dns-chain', 'network'].includes(check.cost);
    const failed = check.name === decides || (isDns && r.next() < 0.04);
    const code = Object.keys(check.codes)[0] ?? 'code';
    const finding: Finding = failed
      ? { result: 'fail', code, text: `${client} is what ${check.name} looks for`, enhanced: '5.7.1' }
      : { result: 'pass', code, text: `nothing against ${client} by ${check.name}` };
    const evidence = isDns
      ? {
          name: `${client}.${check.name}.example`,
          records: [`127.0.0.${r.below(200)}`],
          sender: sender.domain,
        }
      : null;
    return {
      stage: check.stage,
      recipient: check.stage === 'rcpt' ? 0 : undefined,
      check: check.name,
      evidence: check.gather === undefined ? undefined : evidence,
      findings: check.gather === undefined && !failed && r.next() < 0.5 ? [] : [finding],
      action:
        check.name === decides
          ? decides.startsWith('greylist')
            ? 'defer'
            : 'refuse'
          : failed
            ? 'suspect'
            : 'none',
      tookMs: isDns ? 5 + r.below(40_000) / 1000 : check.gather === undefined ? 0 : r.below(200) / 1000,
      ...(isDns ? { lookups: 1 + r.below(3) } : {}),
    };
  });
}

const DECIDES: Readonly<Record<Kind, string | undefined>> = {
  listed: 'dnsbl',
  greylisted: 'greylist',
  passing: undefined,
  'unknown-user': 'recipient-list',
  bare: undefined,
  honeypot: 'honeypot',
  virus: 'clamav',
};

function someKind(r: Random): Kind {
  const n = r.next();
  if (r.below(RARE) === 0) return 'honeypot';
  if (r.below(RARE / 10) === 0) return 'virus';
  return n < 0.5
    ? 'listed'
    : n < 0.62
      ? 'greylisted'
      : n < 0.72
        ? 'unknown-user'
        : n < 0.8
          ? 'bare'
          : 'passing';
}

/** `at`: its place in the whole, 0 to 1. */
export function someDecision(n: number, at: number, atMs: number, r: Random, only?: Kind): Decision {
  const attacks = only === undefined && at > 0.75 && at < 0.75 + ATTACK_SHARE;
  const kind = only ?? (attacks ? 'listed' : someKind(r));
  const client = attacks ? `198.18.7.${r.below(256)}` : clientOf(r.popular(CLIENTS));
  const sender = { local: `user${r.below(50)}`, domain: domainOf(r.popular(DOMAINS)) };
  const recipient = {
    local: `box${r.popular(MAILBOXES)}`,
    domain: OUR_DOMAINS[Math.min(2, r.popular(4))] ?? OUR_DOMAINS[0],
  };
  const id = idOf(n, r);
  const check = DECIDES[kind];
  const outcome =
    kind === 'bare'
      ? 'abandoned'
      : kind === 'passing'
        ? 'accepted'
        : kind === 'greylisted'
          ? 'deferred'
          : 'refused';
  const said =
    outcome === 'accepted'
      ? reply(250, '2.0.0', 'Taken')
      : reply(
          outcome === 'deferred' ? 450 : 550,
          outcome === 'deferred' ? '4.7.1' : '5.7.1',
          `${client} is refused by ${check ?? ''} (id ${id})`,
        );
  const decided =
    check === undefined
      ? {}
      : { check, code: Object.keys(LADDER.find((c) => c.name === check)?.codes ?? {})[0] };
  const told: RecipientDecision = { mailbox: recipient, outcome, reply: said, violationsSeen: 0, ...decided };
  return {
    id,
    sessionId: `S${id}`,
    atMs,
    tookMs: 40 + r.below(4000) / 10,
    session: {
      id: `S${id}`,
      door: 'gateway',
      startedAtMs: atMs - 20,
      client: { address: client, port: 1024 + r.below(60_000) },
      server: { address: '192.0.2.1', port: 25 },
      helo: { verb: 'EHLO', name: `out${r.below(9)}.${sender.domain}` },
      violations: [],
    },
    ...(kind === 'bare'
      ? {}
      : { transaction: { reversePath: r.next() < 0.03 ? null : sender, parameters: {} } }),
    recipients: kind === 'bare' ? [] : [told],
    steps: kind === 'bare' ? [] : stepsOf(check, client, sender, r),
    outcome,
    ...(kind === 'bare' ? {} : { reply: said }),
    ...decided,
    suspicion: 0,
    ...(kind === 'passing' ? { sizeOctets: 2000 + r.below(60_000), atData: 0, atMessage: 0 } : {}),
    policy: '0123456789abcdef',
  };
}
