import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { freePort } from '../freeport.ts';
import type { Heard } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import {
  clientsOf,
  codesOf,
  goneAndBack,
  idsIn,
  killedInMessage,
  servesAgain,
  startAskedGate,
  type AskedGate,
  type Clients,
} from './asked-gate.ts';
import { OWN_HOST, startExim, type Exim } from './exim.ts';
import { guideLines } from './guide.ts';

interface Place extends AskedGate, Clients {
  readonly exim: Exim;
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
  const asked = await startAskedGate(t, {
    dir,
    door: 'policy',
    listen: unix ? `unix:${path}` : `127.0.0.1:${port}`,
    // Exim gives root up, so it is by the group that it may connect.
    listener: unix && process.getuid?.() === 0 ? 'group = "nogroup"' : '',
    tables,
  });
  const main = await guideLines('exim', 'POSTERN_SOCKET = ');
  const exim = await startExim(t, {
    main: main
      .replace('inet:127.0.0.1:10036', unix ? path : `inet:127.0.0.1:${port}`)
      .replace(/^POSTERN_AWAY.*\n/m, (line) => away ?? line),
    acl: await guideLines('exim', 'acl_postern:'),
    rcpt: await guideLines('exim', 'require acl = acl_postern RCPT'),
    data: await guideLines('exim', 'require acl = acl_postern END-OF-MESSAGE'),
  });
  return exim === undefined ? undefined : { ...asked, ...clientsOf(t, exim.port), exim };
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
    const peer = await at.inMessage({
      from: '"a b"@example.net',
      to: ['user@example.org', 'other@example.org'],
    });
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
    const codes = await codesOf(at, [
      { from: 'a@example.net', to: 'user@example.org', end: 'message' },
      { from: '50%off@example.net', to: 'user@example.org', end: 'RSET' },
      { from: 'a@example.net', to: 'closed@example.org', end: 'RSET' },
      { from: 'b@example.net', to: 'user@example.org', end: 'message' },
    ]);
    assert.deepEqual(codes, [
      [250, 250, 354, 250],
      [250, 550, 250],
      [250, 550, 250],
      [250, 250, 354, 250],
    ]);
    const ids = idsIn(await at.exim.delivered(2));
    assert.equal(new Set(ids).size, 2, ids.join());
  });

  it('speaks through a Unix socket', async (t) => {
    const at = await place(t, '', { unix: true });
    if (at === undefined) return;
    assert.equal((await at.send()).heard.code, 250);
    assert.match((await at.exim.delivered(1)).join(), /^X-Postern: id=/m);
  });

  describe('with the gate gone', () => {
    for (const { does, away, code } of [
      { does: 'defers, as the guide has it', code: 450 },
      { does: 'passes when told so', away: 'POSTERN_AWAY = DUNNO\n', code: 250 },
    ]) {
      it(does, async (t) => {
        const at = await place(t, '', away === undefined ? {} : { away });
        if (at !== undefined) await goneAndBack(at, code, at.exim.delivered);
      });
    }

    it('in the middle of a message: it is deferred, and the next attempt is delivered', async (t) => {
      const at = await place(t, '');
      if (at === undefined) return;
      assert.match(said(await killedInMessage(at)), /^450 4\.3\.0 Temporary trouble/);
      assert.deepEqual([await at.exim.messages(), await at.exim.queued()], [[], []]);
      await servesAgain(at);
      assert.equal((await at.exim.delivered(1)).length, 1);
    });
  });
});
