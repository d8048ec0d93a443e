import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startDns } from '../dns.ts';
import { freePort } from '../freeport.ts';
import { startGate, type Gate } from '../gate.ts';
import { connectSmtp, sendMail, type Heard } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { OWN_HOST, startExim, type Exim } from './exim.ts';
import { guideLines } from './guide.ts';

const MAIL = {
  from: 'a@example.net',
  to: 'user@example.org',
  message: 'From: a@example.net\r\nSubject: hello\r\n\r\nHello\r\n',
};

interface Place {
  readonly exim: Exim;
  readonly gate: Gate;
  /** The gate at the same place again. */
  restart(): Promise<Gate>;
  send(mail?: Partial<typeof MAIL & { helo: string }>, localAddress?: string): ReturnType<typeof sendMail>;
}

/** `away`: the guide's line for a gate that is not there, or another. */
async function place(
  t: TestContext,
  tables: string,
  { away, unix = false }: { away?: string; unix?: boolean } = {},
): Promise<Place | undefined> {
  const dir = await tempDir(t);
  const path = join(dir, 'policy.sock');
  const port = await freePort();
  // Exim gives root up, so it is by the group that it may connect.
  const group = process.getuid?.() === 0 ? '\ngroup = "nogroup"' : '';
  const dns = await startDns(t);
  const start = async () => {
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'unused')}`,
      dns,
      tables: `[[listen]]\ndoor = "policy"\n${unix ? `address = "unix:${path}"${group}` : `address = "127.0.0.1:${port}"`}\n${tables}`,
    });
    await gate.process.line(/"msg":"listening".*"door":"policy"/);
    return gate;
  };
  const gate = await start();
  const main = await guideLines('exim', 'POSTERN_SOCKET = ');
  const exim = await startExim(t, {
    main: main
      .replace('inet:127.0.0.1:10036', unix ? path : `inet:127.0.0.1:${port}`)
      .replace(/^POSTERN_AWAY.*\n/m, (line) => away ?? line),
    acl: await guideLines('exim', 'acl_postern:'),
    rcpt: await guideLines('exim', 'require acl = acl_postern RCPT'),
    data: await guideLines('exim', 'require acl = acl_postern END-OF-MESSAGE'),
  });
  if (exim === undefined) return undefined;
  return {
    exim,
    gate,
    restart: start,
    send: async (mail, localAddress = '127.0.0.1') =>
      sendMail(await connectSmtp({ port: exim.port, localAddress }, t), { ...MAIL, ...mail }),
  };
}

const LISTS = `[[block]]
client = "127.31.7.7"
reason = '$sender {x} \\N a: b'
[[block]]
sender = "50%off@example.net"
[[block]]
recipient = "closed@example.org"
`;

/** Exim breaks long replies into lines at colons and spaces. */
const said = ({ lines }: Heard): string =>
  `${lines[0]?.slice(0, 3)} ${lines.map((line, i) => line.slice(i === 0 ? 4 : 10)).join(' ')}`;

describe('Exim with the ACL of the guide', () => {
  it('refuses with our code and words, after its own refusals, and passes the rest', async (t) => {
    const at = await place(t, LISTS);
    if (at === undefined) return;
    for (const [i, { mail, line }] of (
      [
        {
          mail: { from: '50%off@example.net' },
          line: /^550 5\.7\.1 Refused: sender <50%off@example\.net> is on our block list \(envelope-list\)\. .* id \w{8}$/,
        },
        {
          mail: { from: 'a@nowhere.invalid' },
          line: /^550 5\.1\.8 Refused: sender domain nowhere\.invalid /,
        },
        {
          mail: { helo: 'mx.example.org' },
          line: /^550 5\.7\.1 Refused: HELO mx\.example\.org is our own name /,
        },
        {
          mail: { to: 'closed@example.org' },
          line: /^550 5\.7\.1 Refused: closed@example\.org takes no mail /,
        },
        { mail: { to: 'nobody@example.org' }, line: /^550 Unrouteable address/ },
        { mail: { to: 'user@example.com' }, line: /^550 relay not permitted/ },
      ] as const
    ).entries()) {
      const { step, heard } = await at.send(mail, `127.31.8.${i}`);
      assert.match(said(heard), line);
      assert.equal(step, 'rcpt');
    }
    const listed = await at.send({}, '127.31.7.7');
    assert.match(
      said(listed.heard),
      /^554 5\.7\.1 Refused: 127\.31\.7\.7 is on our block list: \$sender \{x\} \\N a: b \(client-list\)/,
    );
    const passed = await at.send({}, '127.31.9.9');
    assert.deepEqual([passed.step, passed.heard.code], ['message', 250], said(passed.heard));
    const own = await at.send({ from: '50%off@example.net' }, OWN_HOST);
    assert.equal(own.heard.code, 250, said(own.heard));
    assert.equal((await at.exim.delivered(2)).length, 2);
  });

  it('greylists without hiding that a recipient does not exist, and bounces after DATA', async (t) => {
    const at = await place(t, '[checks.greylist]\nmode = "classic"\n');
    if (at === undefined) return;
    const unknown = await at.send({ to: 'nobody@example.org' });
    assert.match(said(unknown.heard), /^550 /);
    const first = await at.send();
    assert.equal(first.step, 'rcpt');
    assert.match(said(first.heard), /^450 4\.7\.1 Not now: .* \(greylist\)/);
    const bounce = await at.send({ from: '' });
    assert.equal(bounce.step, 'message');
    assert.match(said(bounce.heard), /^450 4\.7\.1 Not now: .* \(greylist-null\)/);
    assert.deepEqual([await at.exim.messages(), await at.exim.queued()], [[], []]);
  });

  it('puts one X-Postern on what it passes, whatever the number of recipients, and takes forged ones out', async (t) => {
    const at = await place(t, '');
    if (at === undefined) return;
    const peer = await connectSmtp({ port: at.exim.port }, t);
    await peer.reply();
    for (const line of [
      'EHLO client.example.net',
      'MAIL FROM:<"a b"@example.net>',
      'RCPT TO:<user@example.org>',
      'RCPT TO:<other@example.org>',
      'DATA',
    ])
      await peer.say(line);
    const forged = 'X-Postern: id=FORGED11\r\nSubject: one\r\nX-Postern: id=FORGED22;\r\n\ttags=none\r\n';
    assert.equal((await peer.say(`${forged}\r\nHello\r\n.`)).code, 250);
    const messages = await at.exim.delivered(2);
    for (const message of messages) {
      assert.equal(message.match(/^X-Postern: id=\w{8}; suspicion=\S+/gm)?.length, 1, message);
      assert.ok(!message.includes('FORGED'), message);
      assert.match(message, /^Subject: one\n/m);
    }
  });

  it('asks about each message of a connection anew', async (t) => {
    const at = await place(t, LISTS);
    if (at === undefined) return;
    const peer = await connectSmtp({ port: at.exim.port }, t);
    await peer.reply();
    await peer.say('EHLO client.example.net');
    const codes: number[][] = [];
    for (const { from, to, end } of [
      { from: 'a@example.net', to: 'user@example.org', end: 'message' },
      { from: '50%off@example.net', to: 'user@example.org', end: 'RSET' },
      { from: 'a@example.net', to: 'closed@example.org', end: 'RSET' },
      { from: 'b@example.net', to: 'user@example.org', end: 'message' },
    ]) {
      const heard = [await peer.say(`MAIL FROM:<${from}>`), await peer.say(`RCPT TO:<${to}>`)];
      if (end === 'RSET') heard.push(await peer.say('RSET'));
      else heard.push(await peer.say('DATA'), await peer.say(`${MAIL.message}.`));
      codes.push(heard.map(({ code }) => code));
    }
    assert.deepEqual(codes, [
      [250, 250, 354, 250],
      [250, 550, 250],
      [250, 550, 250],
      [250, 250, 354, 250],
    ]);
    const ids = (await at.exim.delivered(2)).map((message) => /^X-Postern: id=(\w+)/m.exec(message)?.[1]);
    assert.equal(new Set(ids).size, 2, ids.join());
  });

  it('speaks through a Unix socket', async (t) => {
    const at = await place(t, '', { unix: true });
    if (at === undefined) return;
    assert.equal((await at.send()).heard.code, 250);
    assert.match((await at.exim.delivered(1)).join(), /^X-Postern: id=/m);
  });

  describe('with the gate gone', () => {
    for (const { does, away, code, delivered } of [
      { does: 'defers, as the guide has it', code: 450, delivered: 0 },
      { does: 'passes when told so', away: 'POSTERN_AWAY = DUNNO\n', code: 250, delivered: 1 },
    ]) {
      it(does, async (t) => {
        const at = await place(t, '', away === undefined ? {} : { away });
        if (at === undefined) return;
        await at.gate.kill();
        const gone = await at.send();
        assert.equal(gone.heard.code, code, said(gone.heard));
        await at.restart();
        const back = await at.send({ from: 'b@example.net' });
        assert.equal(back.heard.code, 250, said(back.heard));
        const messages = await at.exim.delivered(delivered + 1);
        assert.equal(messages.length, delivered + 1);
        assert.equal(messages.filter((message) => /^X-Postern: /m.test(message)).length, 1);
      });
    }

    it('in the middle of a message: it is deferred, and the next attempt is delivered', async (t) => {
      const at = await place(t, '');
      if (at === undefined) return;
      const peer = await connectSmtp({ port: at.exim.port }, t);
      await peer.reply();
      for (const line of [
        'EHLO client.example.net',
        'MAIL FROM:<a@example.net>',
        'RCPT TO:<user@example.org>',
        'DATA',
      ])
        await peer.say(line);
      await at.gate.kill();
      const heard = await peer.say(`${MAIL.message}.`);
      assert.match(said(heard), /^450 4\.3\.0 Temporary trouble/);
      assert.deepEqual([await at.exim.messages(), await at.exim.queued()], [[], []]);
      await at.restart();
      assert.equal((await at.send()).heard.code, 250);
      assert.equal((await at.exim.delivered(1)).length, 1);
    });
  });
});
