/**
 * DNS answers of any shape lead to a finding, never out of a check: every check that asks DNS is asked through the real
 * resolver, with a server behind it that answers all questions in one hostile shape. What is only trouble refuses nobody.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { z } from 'zod';
import { DnsResolver } from '../../src/adapters/dns/resolver.ts';
import { LADDER } from '../../src/checks/ladder.ts';
import { checkSchema } from '../../src/config/checks.ts';
import type { AnyCheck } from '../../src/core/check.ts';
import { buildLists } from '../../src/core/lists.ts';
import type { CheckSettings, Policy } from '../../src/core/policy.ts';
import type { DnsPort } from '../../src/core/ports.ts';
import { UNANSWERED } from '../../src/engine/judge.ts';
import { Session } from '../../src/engine/session.ts';
import type { ReversePath } from '../../src/mail/mailbox.ts';
import { constantReply } from '../../src/mail/reply.ts';
import { emptyPorts, site } from '../fakes/ask.ts';
import { shapesOf, startHostile, type Shape } from './hostile-dns.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
// An answer from this process takes a millisecond, and many shapes are never answered.
const RESOLVER_TIMEOUT_MS = 150;
// So late that a check which waits for it is one that does not end by itself.
const STAGE_TIMEOUT_MS = 12_000;
/** A decision is kept whole in the journal. */
const MAX_EVIDENCE_OCTETS = 64 * 1024;
const MAX_TEXT = 400;
// RFC 5321 4.5.3.1.5, with CRLF.
const MAX_REPLY_LINE = 512;
const OVERHEAD = '550-5.7.25 \r\n'.length;

const CHECKS = LADDER.filter(({ cost }) => cost.startsWith('dns'));
const USER = { local: 'user', domain: 'example.org' };

interface Visit {
  readonly client: string;
  readonly sender: ReversePath;
}
const VISITS: readonly Visit[] = [
  { client: '192.0.2.7', sender: { local: 'a+b', domain: 'sender.example' } },
  { client: '2001:db8::7', sender: null },
];

// Of each, what it leads to is answered in the hostile shape; a local part with `+` makes names that c-ares does not take.
const TERMS = ['exists:', 'a:', 'mx:', 'include:', 'redirect=', 'ptr:'].flatMap((term) => [
  `${term}o.example`,
  `${term}%{l}.o.example`,
]);
const RECORDS = new Map(TERMS.map((term, i) => [`spf${i}.example`, `v=spf1 ${term}${restOf(term)}`]));

function restOf(term: string): string {
  // RFC 7208 6.1: `redirect` holds only without `all`.
  if (term.startsWith('redirect')) return '';
  // RFC 7208 5.5: a `ptr` without answer does not match, and what stands behind it holds.
  return term.startsWith('ptr') ? ' ?all' : ' ~all';
}

function configured(check: AnyCheck) {
  const hasZones = check.settings instanceof z.ZodObject && 'zones' in check.settings.shape;
  const said = hasZones ? { zones: [{ zone: 'list.example', ask_text: true }] } : {};
  return { check, settings: checkSchema(check).parse(said) as CheckSettings };
}

const policyWith = (check: AnyCheck): Policy => ({
  site,
  checks: [configured(check)],
  refuseAtSuspicion: 1000,
  checksTimeoutMs: STAGE_TIMEOUT_MS,
  hash: 'h',
});

/** One session up to RCPT with one check in force, and what is wrong with what came of it. */
async function problemsOf(check: AnyCheck, visit: Visit, dns: DnsPort, shape: Shape): Promise<string[]> {
  const policy = policyWith(check);
  const troubles: string[] = [];
  let n = 0;
  const session = new Session(
    {
      policy,
      // An entry that names a host makes the engine itself ask for the client's names.
      ports: {
        ...emptyPorts(),
        dns,
        lists: buildLists([{ kind: 'block', host: '.blocked.example', source: 'test' }]),
      },
      nowMs: () => 0,
      newId: () => `ID${++n}`,
      trouble: (what, error) => troubles.push(`${what}: ${String(error)}`),
    },
    {
      door: 'gateway',
      client: { address: visit.client, port: 4711 },
      server: { address: '198.51.100.25', port: 25 },
    },
  );
  await session.connect();
  await session.helo('EHLO', 'mail.client.example');
  await session.mail(visit.sender, {});
  const verdict = await session.rcpt(USER, {});
  assert.ok(verdict.kind !== 'other-transaction');
  const reply = verdict.kind === 'go-on' ? constantReply(250, '2.1.5', 'ok') : verdict.reply;
  session.recipientAnswered(USER, reply);
  const decision = session.transactionEnded();
  const steps = (decision?.steps ?? []).filter((step) => step.check === check.name);
  if (steps.length === 0) troubles.push('was not asked');
  for (const { findings, evidence } of steps) {
    const json = JSON.stringify(evidence) as string | undefined;
    if (json === undefined) troubles.push('has no evidence');
    else {
      assert.deepEqual(JSON.parse(json), evidence);
      if (Buffer.byteLength(json) >= MAX_EVIDENCE_OCTETS) troubles.push(`keeps ${json.length} octets`);
    }
    if (findings.length === 0) troubles.push('found nothing');
    for (const { code, text, result } of findings) {
      if (code === UNANSWERED || !(code in check.codes)) troubles.push(`says ${code}: ${text}`);
      if (!/^[\x20-\x7e]+$/.test(text) || text.length >= MAX_TEXT)
        troubles.push(`writes ${JSON.stringify(text)}`);
      if (result === 'fail' && shape.means === 'trouble')
        troubles.push(`blames the client: ${code}: ${text}`);
    }
  }
  if (verdict.kind === 'refuse' && shape.means === 'trouble') troubles.push('refuses');
  if (verdict.kind !== 'go-on') {
    const { code } = verdict.reply;
    if (Math.floor(code / 100) !== (verdict.kind === 'refuse' ? 5 : 4)) troubles.push(`says ${code}`);
    for (const line of verdict.reply.lines) {
      if (!/^[\x20-\x7e]*$/.test(line) || line.length + OVERHEAD > MAX_REPLY_LINE)
        troubles.push(`replies ${JSON.stringify(line)}`);
    }
  }
  const who = visit.sender === null ? '<>' : visit.sender.domain;
  return troubles.map((what) => `${check.name} (${who}) ${what}`);
}

describe('hostile DNS', { concurrency: 8, timeout: 60_000 }, () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  after(() => {
    process.off('unhandledRejection', onUnhandled);
    assert.deepEqual(unhandled, []);
  });

  it('meets every check that asks DNS', () => {
    assert.ok(CHECKS.length >= 10);
    for (const check of CHECKS) {
      assert.equal(check.idle?.(configured(check).settings, site), undefined, check.name);
    }
  });

  for (const shape of shapesOf(SEED)) {
    it(shape.name, async (t) => {
      t.diagnostic(`SEED=${SEED}`);
      const server = await startHostile(shape, RECORDS);
      const dns = new DnsResolver({
        servers: [`127.0.0.1:${server.port}`],
        timeoutMs: RESOLVER_TIMEOUT_MS,
      });
      t.after(async () => {
        dns.close();
        await server.stop();
      });
      const asked = CHECKS.flatMap((check) => VISITS.map((visit) => problemsOf(check, visit, dns, shape)));
      const spf = CHECKS.find(({ name }) => name === 'spf');
      assert.ok(spf !== undefined);
      for (const domain of RECORDS.keys()) {
        const visit = { client: '192.0.2.7', sender: { local: 'a+b', domain } };
        asked.push(problemsOf(spf, visit, dns, shape));
      }
      assert.deepEqual((await Promise.all(asked)).flat(), []);
      assert.ok(server.asked() > 0);
    });
  }
});
