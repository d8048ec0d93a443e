import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { emptyPorts } from '../../test/fakes/ask.ts';
import { fakeResolver } from '../../test/fakes/resolver.ts';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { decisionLine } from '../adapters/log.ts';
import { LADDER } from '../checks/ladder.ts';
import { policyOf } from '../cli/in-force.ts';
import { load } from '../config/load.ts';
import type { Ports } from '../core/ports.ts';
import { recipientOf } from '../core/recipient.ts';
import { replies } from '../core/replies.ts';
import { reply } from '../mail/reply.ts';
import { Session } from './session.ts';

const WATCH = 'profile = "watch"\n';

/** A client without a name in DNS, whose HELO name and sender domain are in order. */
async function visit(cleanup: Cleanup, top: string, tables = '', ports: Partial<Ports> = {}) {
  const file = join(await tempDir(cleanup), 'postern.toml');
  await writeFile(
    file,
    `${top}host_name = "mx.example.org"\ndomains = ["example.org"]\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail/{user}"\n${tables}`,
  );
  const loaded = load(file, LADDER);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const policy = policyOf(loaded.config);
  const good: string[] = [];
  const session = new Session(
    {
      policy,
      ports: {
        ...emptyPorts(),
        dns: fakeResolver({
          'mail.example.net A': '1.2.3.4',
          'example.net MX': '10 mail.example.net',
        }),
        standing: {
          of: () => ({ good: 0, bad: 0 }),
          note: (_network, what) => {
            if (what === 'good') good.push(what);
          },
        },
        recipients: { ask: async () => ({ kind: 'replied', reply: reply(250, '2.1.5', 'Ok') }) },
        ...ports,
      },
      nowMs: () => 1_000_000,
      newId: () => 'ID',
      trouble: (what, error) => assert.fail(`${what}: ${String(error)}`),
    },
    {
      door: 'gateway',
      client: { address: '203.0.113.9', port: 4711 },
      server: { address: '198.51.100.25', port: 25 },
    },
  );
  await session.connect();
  await session.helo('EHLO', 'mail.example.net');
  const mail = await session.mail({ local: 'anna', domain: 'example.net' }, {});
  if (mail.kind !== 'go-on') assert.fail('refused before RCPT');
  const recipient = recipientOf({ local: 'user', domain: 'example.org' }, policy.site, 0);
  const verdict = await session.rcpt(recipient, {});
  assert.notEqual(verdict.kind, 'other-transaction');
  const said = 'reply' in verdict ? verdict.reply : replies.recipientOk();
  session.recipientAnswered(recipient, said);
  if (said.code < 400) assert.equal((await session.data()).kind, 'go-on');
  if (said.code < 400) assert.equal((await session.endOfMessage({ sizeOctets: 9 })).kind, 'go-on');
  const decision = session.transactionEnded(said.code < 400 ? replies.delivered('ID') : undefined);
  assert.ok(decision);
  return { decision, good };
}

describe('the watch profile', () => {
  const cases: [name: string, tables: string][] = [
    ['greylisting of the doubted', ''],
    ['a refusal', '[checks.fcrdns]\non_fail = "refuse"\n'],
    ['too much suspicion', '[checks.fcrdns]\nweight = 50\n'],
    [
      'a deferral below a refusal',
      '[checks.fcrdns]\non_fail = "defer"\n[checks.greylist]\non_fail = "refuse"\n',
    ],
  ];
  for (const [name, tables] of cases) {
    it(`lets in, and says what would have been: ${name}`, async (t) => {
      const { decision: normal } = await visit(t, '', tables);
      const { decision: watched, good } = await visit(t, WATCH, tables);
      assert.ok(['refused', 'deferred'].includes(normal.outcome), normal.outcome);
      assert.equal(watched.outcome, 'accepted');
      const { check, code } = normal;
      const would = {
        kind: normal.outcome === 'refused' ? 'refuse' : 'defer',
        check,
        code,
        suspicion: normal.suspicion,
      };
      assert.deepEqual(watched.recipients[0]?.would, would);
      assert.deepEqual(watched.would, would);
      assert.deepEqual(decisionLine(watched).would, would);
      assert.deepEqual([watched.suspicion, normal.would], [0, undefined]);
      assert.deepEqual(good, []);
    });
  }

  it('says what suspicion there would have been of what would have been let in', async (t) => {
    const tables = '[checks.greylist]\non_fail = "off"\n';
    const { decision: normal } = await visit(t, '', tables);
    const { decision: watched } = await visit(t, WATCH, tables);
    assert.ok(normal.suspicion > 0);
    assert.deepEqual(watched.would, { kind: 'go-on', suspicion: normal.suspicion });
    assert.equal(watched.recipients[0]?.would, undefined);
  });

  it('says nothing where nothing would have been', async (t) => {
    const off =
      '[checks.fcrdns]\non_fail = "off"\n[checks.helo-dns]\non_fail = "off"\n[checks.sender-mx]\non_fail = "off"\n';
    const { decision } = await visit(t, WATCH, off);
    assert.deepEqual(
      [decision.outcome, decision.would],
      ['accepted', undefined],
      JSON.stringify(decision.would),
    );
  });
});
