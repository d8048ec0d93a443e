/** A real Postfix is asked whom it would take bounces for, and for whom it takes mail at all. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { AcceptAllWatch } from '../../src/adapters/backends/accept-all.ts';
import { openBackend } from '../../src/adapters/backends/open.ts';
import { Callout } from '../../src/adapters/callout.ts';
import { callout } from '../../src/checks/callout.ts';
import { isFailure } from '../../src/core/delivery.ts';
import { ask, emptyPorts } from '../fakes/ask.ts';
import { fakeResolver } from '../fakes/resolver.ts';
import { startPostfix } from './postfix.ts';

// Postfix tells at RCPT what it thinks of the sender (`smtpd_delay_reject`), so a recipient can stand for a server's mind here.
const SETTINGS = [
  'virtual_mailbox_domains = example.net example.com',
  'virtual_mailbox_maps = inline:{{anna@example.net=box/}, {@example.com=box/}}',
  'smtpd_restriction_classes = no_bounces',
  'no_bounces = check_sender_access inline:{{<>=550 5.1.7 No bounces}}',
  'smtpd_recipient_restrictions = check_recipient_access inline:{' +
    '{later@example.net=450 4.2.0 Later}, {blocked@example.net=REJECT}, {no-bounces@example.net=no_bounces}' +
    '}, permit_mynetworks, reject_unauth_destination',
];

it('Postfix is understood', async (t) => {
  const postfix = await startPostfix(t, { deliver: 'discard', settings: SETTINGS });
  if (postfix === undefined) return;
  const { port } = postfix;

  const dns = fakeResolver({
    'example.net MX': '10 mx.example.net',
    'example.com MX': '10 mx.example.net',
    'mx.example.net A': '127.0.0.1',
  });
  const adapter = new Callout({
    hostName: 'mx.example.org',
    dns,
    port,
    anyAddress: true,
    rates: { add: () => 1 },
  });
  for (const [from, code] of [
    ['anna@example.net', 'takes'],
    ['berta@example.net', 'no-mailbox'],
    ['later@example.net', 'deferred'],
    ['blocked@example.net', 'undecided'],
    ['no-bounces@example.net', 'refuses-bounces'],
    ['anna@example.com', 'accepts-all'],
  ] as const) {
    await t.test(`a callout for ${from}: ${code}`, async () => {
      const { findings } = await ask(callout, { from }, { dns, callout: adapter }, { on_fail: 'refuse' });
      assert.deepEqual(
        findings.map((f) => f.code),
        [code],
        findings[0]!.text,
      );
    });
  }

  for (const [domain, acceptsAll] of [
    ['example.com', true],
    ['example.net', false],
  ] as const) {
    await t.test(`as a backend of ${domain}: ${acceptsAll ? 'takes any' : 'picks'}`, async () => {
      const kept: unknown[] = [];
      const told: string[] = [];
      const watch = new AcceptAllWatch({
        store: { ...emptyPorts().store, remember: (_space, _key, value) => void kept.push(value) },
        hostName: 'mx.example.org',
        isOurs: () => true,
        everyMs: 1000,
        nowMs: () => 5,
        newId: () => 'K7Q2MX4D',
        onAcceptAll: (name) => void told.push(name),
        onTrouble: (what, error) => assert.fail(`${what}: ${String(error)}`),
      });
      const address = { kind: 'smtp', host: '127.0.0.1', port } as const;
      const backend = watch.watching(openBackend(address, { hostName: 'mx.example.org', xclient: true }));
      const signal = new AbortController().signal;
      const client = { address: '192.0.2.7', port: 4000, heloName: 'client.example.com' };
      const reversePath = { local: 'a', domain: 'example.com' };
      const begun = await backend.begin({ reversePath, parameters: {}, client }, signal);
      assert.ok(!isFailure(begun));
      const answer = await begun.rcpt({ local: 'anna', domain }, {}, signal);
      assert.equal(answer.kind === 'replied' && answer.reply.code, 250);
      await watch.idle();
      begun.abort();
      await backend.close();
      assert.deepEqual(kept, [{ acceptsAll, askedAtMs: 5 }]);
      assert.deepEqual(told, acceptsAll ? [domain] : []);
    });
  }
  await postfix.stop();
});
