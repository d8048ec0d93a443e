/**
 * A gate without a door: the engine, the checks that charge clients, and a store with a clock of its own. Sessions are visits.
 */
import assert from 'node:assert/strict';
import { openStore } from '../../src/adapters/store/sqlite.ts';
import { dictionaryAttack } from '../../src/checks/dictionary-attack.ts';
import { earlyTalker } from '../../src/checks/early-talker.ts';
import { helo } from '../../src/checks/helo.ts';
import { honeypot } from '../../src/checks/honeypot.ts';
import { pipelining } from '../../src/checks/pipelining.ts';
import { recipients } from '../../src/checks/recipients.ts';
import { shortTermBlock } from '../../src/checks/short-term-block.ts';
import { spamTrap } from '../../src/checks/spam-trap.ts';
import { checkSchema } from '../../src/config/checks.ts';
import { convictionsOf } from '../../src/config/convictions.ts';
import type { AnyCheck } from '../../src/core/check.ts';
import type { Violation } from '../../src/core/facts.ts';
import { buildLists, type ListEntry } from '../../src/core/lists.ts';
import type { CheckSettings, Policy } from '../../src/core/policy.ts';
import type { Ports } from '../../src/core/ports.ts';
import { replies } from '../../src/core/replies.ts';
import type { Site } from '../../src/core/site.ts';
import { Session } from '../../src/engine/session.ts';
import { reply } from '../../src/mail/reply.ts';
import { onEnd, type Cleanup } from '../program.ts';
import { emptyPorts, site } from './ask.ts';

export const HOUR = 3_600_000;
export const CLIENT = '192.0.2.7';
export const MINUTES = 60_000;
export const TRAP = 'old@example.org';
export const WILLING = reply(250, '2.1.5', 'Ok');
export const UNKNOWN = reply(550, '5.1.1', 'No such user');

const CHECKS: readonly (readonly [AnyCheck, Record<string, unknown>])[] = [
  [honeypot, {}],
  [spamTrap, { addresses: [TRAP] }],
  [earlyTalker, {}],
  [pipelining, {}],
  [helo, {}],
  [shortTermBlock, {}],
  [dictionaryAttack, {}],
  [recipients, { detect_accept_all: false }],
];

export interface GateOptions {
  /** In place of the settings of the same check above; the file's profile and the like come down to this. */
  readonly settings?: Readonly<Record<string, Record<string, unknown>>>;
  readonly site?: Partial<Site>;
  readonly entries?: readonly ListEntry[];
  readonly ports?: Partial<Ports>;
}

export interface Visit {
  readonly client?: string;
  readonly to?: readonly string[];
  /** null is the null sender. */
  readonly from?: null;
  readonly heloName?: string;
  readonly violations?: readonly Violation[];
  readonly role?: 'honeypot';
  readonly authenticated?: boolean;
  readonly transactions?: number;
}

/** A gate with a store that has a clock of its own; mailboxes are `user…`, all others do not exist. */
export function gate(t: Cleanup, options: GateOptions = {}) {
  const clock = { ms: Date.UTC(2026, 10, 21, 8) };
  const store = openStore(':memory:', { nowMs: () => clock.ms });
  onEnd(t, () => store.close());
  const checks = CHECKS.map(([check, own]) => ({
    check,
    settings: checkSchema(check).parse({ ...own, ...options.settings?.[check.name] }) as CheckSettings,
  }));
  const policy: Policy = {
    site: { ...site, ...options.site },
    checks,
    refuseAtSuspicion: 100,
    checksTimeoutMs: 1000,
    convictions: convictionsOf(checks),
    hash: 'h',
  };
  const { store: entries, standing, blocks, rates } = store;
  const troubles: unknown[] = [];
  const ports: Ports = {
    ...emptyPorts(),
    store: entries,
    standing,
    blocks,
    rates,
    lists: buildLists(options.entries ?? []),
    recipients: {
      ask: async ({ local }) => ({ kind: 'replied', reply: local.startsWith('user') ? WILLING : UNKNOWN }),
    },
    ...options.ports,
  };
  let n = 0;
  const begin = (visit: Visit = {}) =>
    new Session(
      {
        policy,
        ports,
        nowMs: () => clock.ms,
        newId: () => `ID${++n}`,
        trouble: (_what, error) => void troubles.push(error),
      },
      {
        door: 'gateway',
        client: { address: visit.client ?? CLIENT, port: 4711 },
        server: { address: '198.51.100.25', port: 25 },
        ...(visit.role === undefined ? {} : { role: visit.role }),
      },
    );
  /** A whole session; comes to the reply codes that the recipients got. */
  const visit = async (v: Visit = {}): Promise<string[]> => {
    const session = begin(v);
    const said: string[] = [];
    for (const violation of v.violations ?? []) session.violated(violation);
    await session.connect();
    await session.helo('EHLO', v.heloName ?? 'mail.example.net');
    if (v.authenticated === true) session.authenticated({ mechanism: 'PLAIN', identity: 'ann' });
    for (let i = 0; i < (v.transactions ?? 1); i++) {
      await session.mail(v.from === null ? null : { local: 'a', domain: 'example.net' }, {});
      for (const to of v.to ?? ['user@example.org']) {
        const [local = '', domain = ''] = to.split('@');
        const verdict = await session.rcpt({ local, domain }, {});
        const answer =
          verdict.kind === 'go-on'
            ? WILLING
            : verdict.kind === 'other-transaction'
              ? replies.otherTransaction()
              : verdict.reply;
        session.recipientAnswered({ local, domain }, answer);
        said.push(
          `${answer.code} ${verdict.kind === 'refuse' || verdict.kind === 'defer' ? verdict.check : ''}`.trim(),
        );
      }
      session.transactionEnded();
    }
    session.ended();
    // What is remembered through promises is remembered a moment later.
    await new Promise((resolve) => setImmediate(resolve));
    return said;
  };
  const deserve = async (client = CLIENT) => {
    for (let i = 0; i < 12; i++) {
      store.standing.note(client, 'good');
      clock.ms += HOUR;
    }
  };
  const later = (ms: number) => void (clock.ms += ms);
  return { visit, begin, later, deserve, store, blocks, ports, policy, troubles, clock };
}

/** One session with a transaction open, and what its recipients are told. */
export async function asking(session: Session) {
  await session.helo('EHLO', 'mail.example.net');
  await session.mail({ local: 'a', domain: 'example.net' }, {});
  const ask = async (to: string): Promise<string> => {
    const [local = '', domain = ''] = to.split('@');
    const verdict = await session.rcpt({ local, domain }, {});
    if (verdict.kind === 'other-transaction') assert.fail('split');
    const said = verdict.kind === 'go-on' ? WILLING : verdict.reply;
    session.recipientAnswered({ local, domain }, said);
    return `${said.code} ${verdict.kind === 'go-on' ? '' : verdict.check}`.trim();
  };
  return { ask, session };
}
