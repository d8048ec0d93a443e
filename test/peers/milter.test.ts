/** Postfix asks the milter: what its clients hear, what it delivers, and what becomes of mail while the gate is away. */
import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openJournal } from '../../src/adapters/journal/sqlite.ts';
import { parseReversePath } from '../../src/mail/path.ts';
import { batvDay, checkBatv } from '../../src/mail/batv.ts';
import { freePort } from '../freeport.ts';
import type { GateSettings } from '../gate.ts';
import { tempDir } from '../tempdir.ts';
import { selfSigned } from '../tls.ts';
import {
  clientsOf,
  goneAndBack,
  killedInMessage,
  MAIL,
  servesAgain,
  startAskedGate,
  UNDATED,
  type AskedGate,
  type Clients,
  type Mail,
} from './asked-gate.ts';
import { need } from './peer.ts';
import { startPostfix, type Postfix } from './postfix.ts';

interface Place extends AskedGate, Clients {
  readonly postfix: Postfix;
}

async function place(
  t: TestContext,
  given: Partial<GateSettings> & { readonly postfix?: readonly string[]; readonly milter?: string } = {},
): Promise<Place | undefined> {
  const { postfix: settings = [], milter, ...own } = given;
  const dir = own.dir ?? (await tempDir(t));
  const listen = own.listen ?? `127.0.0.1:${await freePort()}`;
  const asked = await startAskedGate(t, { door: 'milter', ...own, dir, listen });
  const postfix = await startPostfix(t, {
    settings: [
      `smtpd_milters = ${milter ?? `inet:${listen}`}`,
      'virtual_mailbox_maps = inline:{user@example.org=box/}',
      'mynetworks = 127.255.0.1/32',
      ...settings,
    ],
  });
  return postfix === undefined ? undefined : { ...asked, ...clientsOf(t, postfix.port), postfix };
}

describe('Postfix with smtpd_milters', () => {
  it('refuses where a gateway would, with our codes and words', async (t) => {
    const at = await place(t, {
      tables: `[[block]]
client = "127.0.0.9"
[[block]]
sender = "late@example.net"
recipient = "user@example.org"
[checks.client-list]
refuse_at = "earliest"
[checks.sender-domain]
refuse_at = "earliest"
[checks.helo]
on_fail = "refuse"
refuse_at = "earliest"
[checks.header-form]
on_fail = "refuse"
[checks.header-form.actions]
no-date = "refuse"
`,
    });
    if (at === undefined) return;
    const blocked = await at.connect('127.0.0.9');
    assert.equal((await blocked.reply()).code, 554);
    await blocked.say('EHLO client.example.net');
    assert.match(
      (await blocked.say('MAIL FROM:<a@example.net>')).lines.join(),
      /^554 5\.7\.1 Refused: 127\.0\.0\.9 is on our block list \(client-list\)\. Mistake\? Write to postmaster@example\.org with id \w{8}$/,
    );
    const cases: [string, Mail, string, RegExp][] = [
      [
        'HELO',
        { helo: 'mx.example.org' },
        'mail',
        /^550 5\.7\.1 Refused: HELO mx\.example\.org is our own name \(helo\)/,
      ],
      [
        'MAIL',
        { from: 'a@nowhere.invalid' },
        'mail',
        /^5\d\d 5\.\d\.\d+ Refused: sender domain nowhere\.invalid .* \(sender-domain\)/,
      ],
      [
        'RCPT',
        { from: 'late@example.net' },
        'rcpt',
        /^550 5\.7\.1 Refused: .*late@example\.net.* \(envelope-list\)/,
      ],
      [
        'an unknown mailbox',
        { to: 'nobody@example.org' },
        'rcpt',
        /^550 5\.1\.1 <nobody@example\.org>: Recipient address rejected: User unknown/,
      ],
      [
        'the end of the message',
        { message: UNDATED },
        'message',
        /^550 5\.\d\.\d Refused: .* \(header-form\)/,
      ],
      ['nothing', {}, 'message', /^250 2\.0\.0 Ok: queued as /],
    ];
    for (const [name, mail, step, text] of cases) {
      const sent = await at.send(mail);
      assert.equal(sent.step, step, name);
      assert.match(sent.text, text, name);
    }
    assert.equal((await at.postfix.delivered(1)).length, 1);
    await at.postfix.logged(/milter-reject: /, 6);
    await at.gate.process.line(/"to":\["nobody@example\.org"\].*"check":"recipients","code":"unknown"/);
  });

  it('puts our fields on top, and takes out those that only pretend to be ours', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const header =
      'X-Postern: id=FORGED00\r\nAuthentication-Results: mx.example.org; spf=pass\r\n' +
      'Authentication-Results: mail.example.net; spf=pass\r\nx-postern: id=FORGED01\r\nX-Spam-Flag: NO\r\n' +
      'Subject:  two spaces\r\nTo: one@example.org,\r\n\ttwo@example.org\r\n';
    const body = '\r\n.leading dot\r\n100% of it\r\n';
    const sent = await at.send({
      message: `${header}${MAIL.message.replace(/\r\n\r\n.*$/s, '\r\n')}${body}`,
    });
    assert.equal(sent.heard.code, 250, sent.text);
    const [message] = await at.postfix.delivered(1);
    const text = message!.toString('latin1');
    // The log is written in gathered lines, a moment later.
    const [, id] = await at.gate.process.line(/"id":"(\w{8})".*"outcome":"accepted"/);
    assert.match(
      text,
      new RegExp(`^Authentication-Results: mx\\.example\\.org;\\n(\\s.*\\n)*X-Postern: id=${id};`, 'm'),
    );
    assert.equal(text.match(/^x-postern:/gim)?.length, 1);
    assert.equal(text.match(/^authentication-results: mx\.example\.org/gim)?.length, 1);
    assert.match(text, /^Authentication-Results: mail\.example\.net; spf=pass$/m);
    assert.doesNotMatch(text, /FORGED|X-Spam-Flag/);
    assert.match(text, /^Subject: {2}two spaces\nTo: one@example\.org,\n\ttwo@example\.org\n/m);
    assert.ok(text.endsWith(body.replaceAll('\r\n', '\n')));
    assert.ok(text.indexOf('X-Postern') < text.indexOf('Received:'));
  });

  it('judges a sender without a domain as one of host_name, and defers what is no address', async (t) => {
    const at = await place(t, { tables: '[[block]]\nsender = "root@mx.example.org"\n' });
    if (at === undefined) return;
    const refused = await at.send({ from: 'root' });
    assert.match(refused.text, /^550 5\.7\.1 Refused: sender <root@mx\.example\.org> is on our block list/);
    const printer = await at.send({ from: 'printer' });
    assert.equal(printer.heard.code, 250, printer.text);
    const dotted = await at.send({ from: 'a..b@example.net' });
    assert.equal(dotted.heard.code, 250, dotted.text);
    await at.postfix.logged(/status=sent/, 2);
    const odd = await at.send({ from: '@example.net' });
    assert.match(odd.text, /^450 4\.1\.0 .*this address cannot be judged/);
    await at.gate.process.line(/"outcome":"deferred".*this address cannot be judged/);
  });

  it('tells of TLS, of who has authenticated, and of the client behind XCLIENT', async (t) => {
    const openssl = need(t, 'openssl');
    if (openssl === undefined) return;
    const dir = await tempDir(t);
    await selfSigned(t, openssl, dir);
    const at = await place(t, {
      dir,
      postfix: [
        `smtpd_tls_cert_file = ${join(dir, 'mx.pem')}`,
        `smtpd_tls_key_file = ${join(dir, 'mx.key')}`,
        'smtpd_tls_security_level = may',
      ],
    });
    if (at === undefined) return;
    const plain = await at.connect();
    await plain.reply();
    await plain.say('EHLO client.example.net');
    await plain.say('STARTTLS');
    const peer = await plain.startTls();
    await peer.say('EHLO client.example.net');
    await peer.say('MAIL FROM:<a@example.net>');
    await peer.say('RCPT TO:<user@example.org>');
    assert.equal((await peer.say('QUIT')).code, 221);
    const lazy = await at.connect();
    await lazy.reply();
    await lazy.say('EHLO in-clear.example.net');
    await lazy.say('STARTTLS');
    const silent = await lazy.startTls();
    assert.equal((await silent.say('MAIL FROM:<a@example.net>')).code, 250);
    await silent.say('RCPT TO:<user@example.org>');
    assert.equal((await silent.say('QUIT')).code, 221);
    const other = await at.connect();
    await other.reply();
    await other.say('EHLO client.example.net');
    assert.equal((await other.say('XCLIENT ADDR=192.0.2.7 NAME=[UNAVAILABLE] LOGIN=bea')).code, 220);
    const sent = await other.say('EHLO client.example.net');
    assert.equal(sent.code, 250);
    await other.say('MAIL FROM:<bea@example.org>');
    await other.say('RCPT TO:<user@example.org>');
    await other.say('QUIT');
    await at.gate.stop();
    const journal = openJournal(join(dir, 'data/journal.sqlite'), { onTrouble: () => assert.fail() });
    const decisions = (await journal.find({})).toReversed().filter((d) => d.transaction !== undefined);
    await journal.close();
    assert.deepEqual(
      decisions.map(({ session }) => [
        session.client.address,
        session.tls?.protocol,
        session.helo?.name,
        session.authenticated?.identity,
      ]),
      [
        ['127.0.0.1', 'TLSv1.3', 'client.example.net', undefined],
        ['127.0.0.1', 'TLSv1.3', undefined, undefined],
        ['192.0.2.7', undefined, 'client.example.net', 'bea'],
      ],
    );
    assert.equal(decisions[0]?.session.server.address, '127.0.0.1');
    assert.equal(decisions[0].session.server.port, at.postfix.port);
  });

  it('signs the sender of our own mail (BATV)', async (t) => {
    const secret = 'a secret of some length';
    const at = await place(t, {
      networks: ['127.0.0.0/8'],
      tables: `[checks.fake-bounce]\nbatv_keys = ["3:${secret}"]\nsign_outgoing = true\n`,
    });
    if (at === undefined) return;
    const sent = await at.send({ from: 'bea@example.org' });
    assert.equal(sent.heard.code, 250, sent.text);
    const [message] = await at.postfix.delivered(1);
    const [, path = ''] = /^Return-Path: (<.*>)$/m.exec(message!.toString()) ?? [];
    const parsed = parseReversePath(path, {});
    assert.ok(parsed.kind === 'path' && parsed.path !== null, path);
    assert.deepEqual(checkBatv(parsed.path, [{ number: 3, secret }], batvDay(Date.now())), {
      kind: 'valid',
      mailbox: { local: 'bea', domain: 'example.org' },
    });
  });

  it('asks by a Unix socket of its own group', async (t) => {
    const dir = await tempDir(t);
    await chmod(dir, 0o755);
    const path = join(dir, 'milter.sock');
    const at = await place(t, {
      dir,
      listen: `unix:${path}`,
      listener: 'mode = "0660"\ngroup = "postfix"',
      milter: `unix:${path}`,
    });
    if (at === undefined) return;
    const sent = await at.send();
    assert.equal(sent.heard.code, 250, sent.text);
    assert.match((await at.postfix.delivered(1))[0]!.toString(), /^X-Postern: id=/m);
  });
});

describe('Postfix while the gate is away', () => {
  for (const [action, code] of [
    ['tempfail', 451],
    ['accept', 250],
  ] as const) {
    it(`does what milter_default_action = ${action} says, and asks again when the gate is back`, async (t) => {
      const at = await place(t, { postfix: [`milter_default_action = ${action}`] });
      if (at === undefined) return;
      await goneAndBack(at, code, at.postfix.delivered);
    });
  }

  it('killed while it takes a message: the client hears 4xx, and its next attempt is delivered once', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const heard = await killedInMessage(at);
    assert.equal(heard.code, 451, heard.lines.join());
    await servesAgain(at);
    assert.equal((await at.postfix.delivered(1)).length, 1);
  });

  it('stopped while it takes a message: the message comes to its end', async (t) => {
    const at = await place(t);
    if (at === undefined) return;
    const peer = await at.inMessage();
    // Postfix tells its filter of the header when it has all of it, so the gate is in the midst of a message only at its end.
    const stopped = at.gate.stop();
    await peer.write(MAIL.message);
    const heard = await peer.say('.');
    assert.ok(heard.code === 250 || heard.code === 451, heard.lines.join());
    assert.equal(await stopped, 0);
    await servesAgain(at);
    const due = heard.code === 250 ? 2 : 1;
    assert.equal((await at.postfix.delivered(due)).length, due);
  });
});
