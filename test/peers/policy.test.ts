/** Postfix asks the policy service: what its clients hear, what it delivers, and what becomes of mail while the gate is away. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../freeport.ts';
import type { GateSettings } from '../gate.ts';
import { tempDir } from '../tempdir.ts';
import {
  clientsOf,
  goneAndBack,
  MAIL,
  startAskedGate,
  type AskedGate,
  type Clients,
  type Mail,
} from './asked-gate.ts';
import { startPostfix, type Postfix } from './postfix.ts';

interface Place extends AskedGate, Clients {
  readonly postfix: Postfix;
  /** So many decisions, once the log has them. */
  decided(count: number): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

async function place(
  t: TestContext,
  given: Partial<GateSettings> & { readonly postfix?: (service: string) => readonly string[] } = {},
): Promise<Place | undefined> {
  const { postfix: settings = () => [], ...own } = given;
  const dir = await tempDir(t);
  const listen = `127.0.0.1:${await freePort()}`;
  const asked = await startAskedGate(t, { door: 'policy', ...own, dir, listen });
  const service = `check_policy_service inet:${listen}`;
  const postfix = await startPostfix(t, {
    settings: [
      'virtual_mailbox_maps = inline:{user@example.org=box/, other@example.org=box/}',
      'mynetworks = 127.255.0.1/32',
      `smtpd_recipient_restrictions = reject_unauth_destination, ${service}`,
      `smtpd_data_restrictions = ${service}`,
      `smtpd_end_of_data_restrictions = ${service}`,
      'smtpd_policy_service_retry_delay = 1s',
      ...settings(service),
    ],
  });
  if (postfix === undefined) return undefined;
  return {
    ...asked,
    ...clientsOf(t, postfix.port),
    postfix,
    decided: async (count) => {
      for (const end = Date.now() + 10_000; ;) {
        const decisions = asked.gate.log().filter(({ msg }) => msg === 'decision');
        if (decisions.length >= count) return decisions;
        assert.ok(Date.now() < end, `${decisions.length} decisions of ${count}`);
        await sleep(20);
      }
    },
  };
}

describe('Postfix with check_policy_service', () => {
  it('refuses at RCPT, with our codes and words behind its own', async (t) => {
    const at = await place(t, {
      tables: `[[block]]
client = "127.0.0.9"
[[block]]
sender = "late@example.net"
[checks.client-list]
refuse_at = "earliest"
[checks.helo]
on_fail = "refuse"
`,
    });
    if (at === undefined) return;
    const cases: [string, Mail, RegExp, string?][] = [
      [
        'connect',
        {},
        /^554 5\.7\.1 <user@example\.org>: Recipient address rejected: Refused: 127\.0\.0\.9 is on our block list \(client-list\)\. Mistake\? Write to postmaster@example\.org with id \w{8}$/,
        '127.0.0.9',
      ],
      [
        'HELO',
        { helo: 'mx.example.org' },
        /^550 5\.7\.1 <.*>: .*: Refused: HELO mx\.example\.org is our own name \(helo\)/,
      ],
      [
        'MAIL',
        { from: 'late@example.net' },
        /^550 5\.7\.1 <.*>: .*: Refused: sender <late@example\.net> is on our block list/,
      ],
      [
        'an unknown mailbox',
        { to: 'nobody@example.org' },
        /^550 5\.1\.1 <nobody@example\.org>: Recipient address rejected: User unknown/,
      ],
    ];
    for (const [name, mail, text, from] of cases) {
      const sent = await at.send(mail, from);
      assert.equal(sent.step, 'rcpt', name);
      assert.match(sent.text, text, name);
    }
    const good = await at.send();
    assert.equal(good.heard.code, 250, good.text);
    assert.equal((await at.postfix.delivered(1)).length, 1);
  });

  it('puts one mark on a message to several recipients, which is one decision', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const peer = await at.connect();
    await peer.reply();
    await peer.say('EHLO client.example.net');
    for (let i = 0; i < 2; i++) {
      await peer.say(`MAIL FROM:<a${i}@example.net> SIZE=100`);
      for (const to of ['user', 'other'])
        assert.equal((await peer.say(`RCPT TO:<${to}@example.org>`)).code, 250);
      assert.equal((await peer.say('DATA')).code, 354);
      await peer.write(MAIL.message);
      assert.equal((await peer.say('.')).code, 250);
    }
    const messages = await at.postfix.delivered(4);
    assert.equal(messages.length, 4);
    for (const message of messages)
      assert.equal(message.toString().match(/^X-Postern: id=\w{8}; suspicion=/gm)?.length, 1);
    const decisions = await at.decided(2);
    assert.equal(decisions.length, 2);
    assert.deepEqual(
      decisions.map((d) => [d['outcome'], (d['to'] as string[]).length]),
      [
        ['accepted', 2],
        ['accepted', 2],
      ],
    );
    for (const { id } of decisions) assert.ok(messages.some((m) => m.includes(String(id))));
  });

  it('judges a recipient once, where several lists have the line', async (t) => {
    const at = await place(t, {
      tables: '[[block]]\nrecipient = "other@example.org"\n',
      postfix: (service) => [
        `smtpd_sender_restrictions = ${service}`,
        `smtpd_relay_restrictions = reject_unauth_destination, ${service}`,
      ],
    });
    if (at === undefined) return;
    const good = await at.send();
    assert.equal(good.heard.code, 250, good.text);
    const refused = await at.send({ to: 'other@example.org' });
    assert.equal(refused.step, 'rcpt', refused.text);
    const [message] = await at.postfix.delivered(1);
    assert.equal(String(message).match(/^X-Postern: /gm)?.length, 1);
    await at.gate.stop();
    assert.deepEqual(
      (await at.decided(2)).map((d) => [d['outcome'], d['to']]),
      [
        ['accepted', ['user@example.org']],
        ['refused', ['other@example.org']],
      ],
    );
  });

  it('judges a sender without a domain as one of host_name', async (t) => {
    const at = await place(t, { tables: '[[block]]\nsender = "root@mx.example.org"\n' });
    if (at === undefined) return;
    const refused = await at.send({ from: 'root' });
    assert.match(refused.text, /Refused: sender <root@mx\.example\.org> is on our block list/);
    const printer = await at.send({ from: 'printer' });
    assert.equal(printer.heard.code, 250, printer.text);
  });

  it('greylists only what it would take: an unknown mailbox is refused at once', async (t) => {
    const at = await place(t, {
      tables: '[checks.greylist]\nmode = "classic"\n',
      // Without it Postfix looks for the mailbox last of all, when what was put off has been put off.
      postfix: (service) => [
        `smtpd_recipient_restrictions = reject_unauth_destination, ${service}, reject_unlisted_recipient`,
      ],
    });
    if (at === undefined) return;
    const unknown = await at.send({ to: 'nobody@example.org' });
    assert.match(unknown.text, /^550 5\.1\.1 /);
    const known = await at.send();
    assert.equal(known.step, 'rcpt');
    assert.match(
      known.text,
      /^450 4\.\d\.\d <user@example\.org>: Recipient address rejected: Not now: .*greylisted.*\(greylist\)/,
    );
    const bounce = await at.send({ from: '' });
    assert.equal(bounce.heard.code >= 400, true, bounce.text);
  });
});

describe('Postfix while the policy service is away', () => {
  for (const [action, code] of [
    ['451 4.3.5 Server configuration problem', 451],
    ['DUNNO', 250],
  ] as const) {
    it(`does what smtpd_policy_service_default_action = ${action} says, and asks again when it is back`, async (t) => {
      const at = await place(t, {
        postfix: () => [
          `smtpd_policy_service_default_action = ${action}`,
          'smtpd_policy_service_try_limit = 1',
        ],
      });
      if (at === undefined) return;
      await goneAndBack(at, code, at.postfix.delivered);
    });
  }

  it('killed between two commands and back: the client does not notice', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const peer = await at.connect();
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.say('MAIL FROM:<a@example.net>');
    assert.equal((await peer.say('RCPT TO:<user@example.org>')).code, 250);
    await at.gate.kill();
    await at.restart();
    assert.equal((await peer.say('DATA')).code, 354);
    await peer.write(MAIL.message);
    assert.equal((await peer.say('.')).code, 250);
    assert.equal((await at.postfix.delivered(1)).length, 1);
  });
});
