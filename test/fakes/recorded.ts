/** Decisions as a session under a given policy makes them, for tests of what is made of them later. */
import assert from 'node:assert/strict';
import { checkSchema } from '../../src/config/checks.ts';
import { LADDER } from '../../src/checks/ladder.ts';
import type { Decision } from '../../src/core/decision.ts';
import { buildLists, type ListEntry } from '../../src/core/lists.ts';
import type { CheckSettings, Policy } from '../../src/core/policy.ts';
import type { GreylistState, Ports } from '../../src/core/ports.ts';
import { recipientOf } from '../../src/core/recipient.ts';
import { replies } from '../../src/core/replies.ts';
import { COSTS } from '../../src/core/stage.ts';
import { Session } from '../../src/engine/session.ts';
import type { Reply } from '../../src/mail/reply.ts';
import { emptyPorts, site } from './ask.ts';
import { fakeResolver } from './resolver.ts';

/** Settings by check; those that are not named are not there. */
export type Said = Readonly<Record<string, Record<string, unknown>>>;

export function policyOver(said: Said, hash: string): Policy {
  const checks = LADDER.filter(({ name }) => name in said)
    .map((check) => ({ check, settings: checkSchema(check).parse(said[check.name]) as CheckSettings }))
    .toSorted((a, b) => COSTS.indexOf(a.check.cost) - COSTS.indexOf(b.check.cost));
  return { site, checks, refuseAtSuspicion: 10, checksTimeoutMs: 1000, hash };
}

export interface Then {
  readonly said: Said;
  readonly helo?: string;
  readonly to?: readonly string[];
  readonly lists?: readonly ListEntry[];
  /** The end of it; absent: as the checks decide, and the backend takes it. */
  readonly final?: Reply;
  readonly stopsBefore?: 'mail' | 'data';
}

/** 192.0.2.7 writes from anna@example.net to user@example.org; bl.example lists it, and its SPF record forbids it. */
export async function recorded(then: Then): Promise<Decision> {
  const ports: Ports = {
    ...emptyPorts(),
    dns: fakeResolver({ '7.2.0.192.bl.example A': ['127.0.0.2'], 'example.net TXT': ['v=spf1 -all'] }),
    greylist: { attempt: (): GreylistState => ({ kind: 'new', waitMs: 180_000 }) },
    lists: buildLists(then.lists ?? []),
    recipients: { ask: async () => ({ kind: 'replied', reply: replies.recipientOk() }) },
  };
  const session = new Session(
    {
      policy: policyOver(then.said, 'then'),
      ports,
      nowMs: () => 1_000_000,
      newId: () => 'ID',
      trouble: (what, error) => assert.fail(`${what}: ${String(error)}`),
    },
    {
      door: 'gateway',
      client: { address: '192.0.2.7', port: 4711 },
      server: { address: '198.51.100.25', port: 25 },
    },
  );
  const whole = (decision: Decision | undefined): Decision => {
    assert.ok(decision);
    return JSON.parse(JSON.stringify(decision)) as Decision;
  };
  for (const ask of [
    () => session.connect(),
    () => session.helo('EHLO', then.helo ?? 'mail.example.net'),
    () => session.mail({ local: 'anna', domain: 'example.net' }, {}),
  ]) {
    const verdict = await ask();
    if (verdict.kind !== 'go-on') return whole(session.ended(verdict.reply));
    if (then.stopsBefore === 'mail') return whole(session.ended(then.final));
  }
  for (const to of then.to ?? ['user']) {
    const recipient = recipientOf({ local: to, domain: 'example.org' }, site, 0);
    const verdict = await session.rcpt(recipient, {});
    assert.notEqual(verdict.kind, 'other-transaction');
    session.recipientAnswered(recipient, 'reply' in verdict ? verdict.reply : replies.recipientOk());
  }
  if (then.stopsBefore === 'data' || session.transactionFacts.recipients.length === 0)
    return whole(session.ended(then.final));
  let verdict = await session.data();
  if (verdict.kind === 'go-on') verdict = await session.endOfMessage({ sizeOctets: 7 });
  return whole(
    session.transactionEnded(then.final ?? ('reply' in verdict ? verdict.reply : replies.delivered('ID'))),
  );
}
