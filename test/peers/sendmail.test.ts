import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { freePort } from '../freeport.ts';
import { tempDir } from '../tempdir.ts';
import {
  clientsOf,
  codesOf,
  goneAndBack,
  idsIn,
  killedInMessage,
  MAIL,
  servesAgain,
  startAskedGate,
  UNDATED,
  type AskedGate,
  type Clients,
} from './asked-gate.ts';
import { guideLines } from './guide.ts';
import { startSendmail, type Sendmail } from './sendmail.ts';

interface Place extends AskedGate, Clients {
  readonly sendmail: Sendmail;
}

/** `failure`: what F= says in place of the guide's T. `more`: lines of sendmail.mc beside the guide's. */
async function place(
  t: TestContext,
  tables: string,
  { failure = 'T', unix = false, more = '' } = {},
): Promise<Place | undefined> {
  const dir = await tempDir(t);
  const port = await freePort();
  const socket = join(dir, 'milter.sock');
  const asked = await startAskedGate(t, {
    dir,
    door: 'milter',
    listen: unix ? `unix:${socket}` : `127.0.0.1:${port}`,
    listener: unix ? 'group = "nogroup"' : '',
    tables,
  });
  const lines = (await guideLines('sendmail', 'INPUT_MAIL_FILTER'))
    .replace('inet:10035@127.0.0.1', unix ? `local:${socket}` : `inet:${port}@127.0.0.1`)
    .replace(' F=T,', failure === '' ? '' : ` F=${failure},`);
  const sendmail = await startSendmail(t, `${more}${lines}`);
  return sendmail === undefined ? undefined : { ...asked, ...clientsOf(t, sendmail.port), sendmail };
}

const STAGES = `[[block]]
client = "127.31.7.7"
[[block]]
sender = "50%off@example.net"
[[block]]
recipient = "closed@example.org"
[checks.client-list]
refuse_at = "earliest"
[checks.helo]
refuse_at = "earliest"
[checks.sender-domain]
refuse_at = "earliest"
[checks.header-form]
on_fail = "refuse"
`;

describe('Sendmail with INPUT_MAIL_FILTER', () => {
  it('that takes senders without a domain has them judged as of host_name', async (t) => {
    const at = await place(t, '[[block]]\nsender = "root@mx.example.org"\n', {
      more: "FEATURE(`accept_unqualified_senders')dnl\n",
    });
    if (at === undefined) return;
    const refused = await at.send({ from: 'root' });
    assert.match(refused.text, /^550 5\.7\.1 .*Refused: sender <root@mx\.example\.org> is on our block list/);
    const printer = await at.send({ from: 'printer' });
    assert.equal(printer.heard.code, 250, printer.text);
  });

  it('refuses at each stage with our code and words, and passes the rest', async (t) => {
    const at = await place(t, STAGES);
    if (at === undefined) return;
    for (const [i, { mail, step, line }] of (
      [
        // Sendmail tells of HELO at MAIL, and puts the address in question before our words.
        {
          mail: { helo: 'mx.example.org' },
          step: 'mail',
          line: /^550 5\.7\.1 Refused: HELO mx\.example\.org /,
        },
        {
          mail: { from: 'a@nowhere.invalid' },
          step: 'mail',
          line: /^550 5\.1\.8 <a@nowhere\.invalid>\.\.\. Refused: sender domain nowhere\.invalid does not exist /,
        },
        {
          mail: { from: '50%off@example.net' },
          step: 'rcpt',
          line: /^550 5\.7\.1 <user@example\.org>\.\.\. Refused: sender <50%off@example\.net> is on our block list \(envelope-list\)\. .* id \w{8}$/,
        },
        {
          mail: { to: 'closed@example.org' },
          step: 'rcpt',
          line: /^550 5\.7\.1 <closed@example\.org>\.\.\. Refused: closed@example\.org takes no mail from you /,
        },
        {
          mail: { message: UNDATED },
          step: 'message',
          line: /^550 5\.6\.0 Refused: the header has no Date field \(header-form\)\. /,
        },
        { mail: {}, step: 'message', line: /^250 2\.0\.0 .* Message accepted/ },
      ] as const
    ).entries()) {
      const heard = await at.send(mail, `127.31.8.${i}`);
      assert.match(heard.text, line);
      assert.equal(heard.step, step);
    }
    // What is refused at the connection itself Sendmail puts into words of its own.
    const connection = await at.send({}, '127.31.7.7');
    assert.deepEqual([connection.step, connection.heard.code], ['banner', 554]);
    assert.equal((await at.sendmail.messages()).length, 1);
    assert.deepEqual(await at.sendmail.queued(), []);
  });

  it('greylists, and bounces at DATA', async (t) => {
    const at = await place(t, '[checks.greylist]\nmode = "classic"\n');
    if (at === undefined) return;
    const first = await at.send();
    assert.equal(first.step, 'rcpt');
    assert.match(first.text, /^450 4\.7\.1 <user@example\.org>\.\.\. Not now: /);
    const bounce = await at.send({ from: '' });
    assert.equal(bounce.step, 'data');
    assert.match(bounce.text, /^450 4\.7\.1 Not now: /);
  });

  it('adds our header fields and takes forged ones out', async (t) => {
    const at = await place(t, '');
    if (at === undefined) return;
    const forged = [
      'Authentication-Results: mx.example.org; spf=pass',
      'X-Postern: id=FORGED11',
      'Authentication-Results: other.example.net; spf=pass',
      'X-Postern: id=FORGED22;\r\n\tsuspicion=0',
    ];
    const { heard } = await at.send({ message: `${forged.join('\r\n')}\r\n${MAIL.message}` });
    assert.equal(heard.code, 250, heard.lines.join());
    const [message = '', ...others] = await at.sendmail.messages();
    assert.equal(others.length, 0);
    assert.match(
      message,
      /^Return-Path: .*\nAuthentication-Results: mx\.example\.org;\n(?:\t.*\n)+X-Postern: id=\w{8}; suspicion=.*\n(?:\t.*\n)*Received: /,
    );
    assert.equal(message.match(/^X-Postern:/gm)?.length, 1);
    assert.ok(!message.includes('FORGED'));
    assert.deepEqual(message.match(/^Authentication-Results: (\S+);/gm), [
      'Authentication-Results: mx.example.org;',
      'Authentication-Results: other.example.net;',
    ]);
    assert.ok(message.endsWith('\nSubject: hello\n\nHello\n'), message);
  });

  it('speaks through a Unix socket', async (t) => {
    // By its group: this Sendmail is no root when it opens it.
    const at = await place(t, '', { unix: true });
    if (at === undefined) return;
    const { heard } = await at.send();
    assert.equal(heard.code, 250, heard.lines.join());
    assert.match((await at.sendmail.messages()).join(), /^X-Postern: /m);
  });

  it('takes message after message on one connection, each with its own verdict', async (t) => {
    const at = await place(t, STAGES);
    if (at === undefined) return;
    const codes = await codesOf(at, [
      { from: 'a@example.net', to: 'user@example.org', end: 'message' },
      { from: 'a@example.net', to: 'closed@example.org', end: 'RSET' },
      { from: '50%off@example.net', to: 'user@example.org', end: 'RSET' },
      { from: 'b@example.net', to: 'user@example.org', end: 'RSET' },
      { from: 'b@example.net', to: 'other@example.org', end: 'message' },
    ]);
    assert.deepEqual(codes, [
      [250, 250, 354, 250],
      [250, 550, 250],
      [250, 550, 250],
      [250, 250, 250],
      [250, 250, 354, 250],
    ]);
    const ids = idsIn(await at.sendmail.messages());
    assert.equal(new Set(ids).size, 2, ids.join());
  });

  describe('with the gate gone', () => {
    for (const { failure, step, code } of [
      { failure: 'T', step: 'mail', code: 451 },
      { failure: '4', step: 'banner', code: 421 },
      { failure: 'R', step: 'banner', code: 554 },
      { failure: '', step: 'message', code: 250 },
    ]) {
      it(failure === '' ? 'passes without F=' : `does what F=${failure} says`, async (t) => {
        const at = await place(t, '', { failure });
        if (at === undefined) return;
        const gone = await goneAndBack(at, code, at.sendmail.messages);
        assert.equal(gone.step, step, gone.text);
        assert.deepEqual(await at.sendmail.queued(), []);
      });
    }

    it('in the middle of a message: it is deferred, and the next attempt is delivered', async (t) => {
      const at = await place(t, '');
      if (at === undefined) return;
      const heard = await killedInMessage(at);
      assert.equal(Math.floor(heard.code / 100), 4, heard.lines.join());
      assert.deepEqual([await at.sendmail.messages(), await at.sendmail.queued()], [[], []]);
      await servesAgain(at);
      assert.equal((await at.sendmail.messages()).length, 1);
    });
  });
});
