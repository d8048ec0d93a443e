/** What carries a tag of ours (BATV) is the plain user for all that comes after RCPT. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startBackend } from '../../../test/delivery.ts';
import { FakeBackend } from '../../../test/fakes/backend.ts';
import type { Script } from '../../../test/fakes/scripted-backend.ts';
import { startGateway } from '../../../test/fakes/gateway.ts';
import { maildirMessages } from '../../../test/maildir.ts';
import { sendMail } from '../../../test/smtp.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { openBackend } from '../../adapters/backends/open.ts';
import { bounceTag } from '../../checks/bounce-tag.ts';
import { envelopeList } from '../../checks/envelope-list.ts';
import { fakeBounce } from '../../checks/fake-bounce.ts';
import { recipientList } from '../../checks/recipient-list.ts';
import { recipients } from '../../checks/recipients.ts';
import { relay } from '../../checks/relay.ts';
import { spamTrap } from '../../checks/spam-trap.ts';
import type { Backend } from '../../core/delivery.ts';
import { batvDay, checkBatv, signBatv } from '../../mail/batv.ts';
import { formatMailbox } from '../../mail/mailbox.ts';
import { networkSet } from '../../mail/networks.ts';

const KEY = { number: 1, secret: 'a secret of this test' };
const DAY = 86_400_000;

function tagged(local: string, atMs = Date.now()): string {
  const signed = signBatv({ local, domain: 'example.org' }, KEY, batvDay(atMs));
  assert.ok(signed);
  return formatMailbox(signed);
}

const JOE = tagged('joe');
const EXPIRED = tagged('joe', Date.now() - 9 * DAY);
const WRONG = JOE.replace('=joe@', '=ann@');

/** As Postfix answers that has no tags in its tables. */
const KNOWS_JOE: Script = {
  RCPT: (line) =>
    /<(?:joe|postmaster)@example\.org>/i.test(line) ? '250 2.1.5 Ok\r\n' : '550 5.1.1 User unknown\r\n',
};

const start = (t: TestContext, backend: Backend, batvKeys = [KEY]) =>
  startGateway(t, {
    checks: [
      [relay],
      [spamTrap, { addresses: ['trap@example.org'] }],
      [envelopeList],
      [bounceTag],
      [recipientList, { known_only: true }],
      [recipients],
      [fakeBounce, { batv_keys: [`${KEY.number}:${KEY.secret}`], names: ['smtp.example.net'] }],
    ],
    site: { batvKeys },
    backendFor: () => backend,
    entries: [
      ...['joe', 'ann', 'blocked', 'postmaster'].map((local) => ({
        kind: 'mailbox' as const,
        recipient: `${local}@example.org`,
        source: 'known.txt:1',
      })),
      { kind: 'block', recipient: 'blocked@example.org', source: 'block.txt:1' },
    ],
  });

describe('a recipient with a bounce address tag', () => {
  const cases: [name: string, from: string, to: string, code: number, check?: string][] = [
    ['ours and good, a bounce', '', JOE, 250],
    ['… a message with a sender', 'a@example.net', JOE, 250],
    ['… in capitals', '', JOE.toUpperCase(), 250],
    ['ours and expired, a bounce', '', EXPIRED, 550, 'bounce-tag expired'],
    ['… a message with a sender', 'a@example.net', EXPIRED, 250],
    ['forged, a bounce', '', WRONG, 550, 'bounce-tag wrong'],
    ['… a message with a sender', 'a@example.net', WRONG, 550, 'recipient-list unlisted'],
    ['of a trap', 'a@example.net', tagged('trap'), 550, 'spam-trap trap'],
    ['of one on the block list', 'a@example.net', tagged('blocked'), 550, 'envelope-list recipient'],
    ['of nobody', 'a@example.net', tagged('nobody'), 550, 'recipient-list unlisted'],
    ['of one that the backend does not have', 'a@example.net', tagged('ann'), 550, 'recipients unknown'],
    ['of postmaster, and expired', '', tagged('postmaster', Date.now() - 9 * DAY), 250],
  ];
  for (const [name, from, to, code, check] of cases) {
    it(`${name}: ${code}`, async (t) => {
      const { server, backend } = await startBackend(t, KNOWS_JOE);
      const world = await start(t, backend);
      const message = 'From: MAILER-DAEMON@example.net\r\n\r\nNo.\r\n';
      const peer = await world.connect();
      const { heard } = await sendMail(peer, { from, to, message });
      peer.close();
      assert.equal(heard.code, code, heard.lines.join());
      const [decision] = await world.decided(1);
      assert.equal(check, decision?.check === undefined ? undefined : `${decision.check} ${decision.code}`);
      if (check?.startsWith('bounce-tag') === true)
        assert.match(
          heard.lines[0] ?? '',
          /^550 5\.7\.1 Refused: .*(?:has expired|no bounce address).*\(bounce-tag\)/,
        );
      const asked = server.heard.filter((line) => line.startsWith('RCPT'));
      for (const line of asked) assert.match(line, /^RCPT TO:<[a-z]+@example\.org>$/i);
      assert.equal(asked.length > 0, code === 250 || check === 'recipients unknown');
      if (code === 250) assert.match(server.messages[0] ?? '', /for <(?:joe|JOE|postmaster)@example\.org>;/);
    });
  }

  it('that is ours and good has any bounce, and a plain one none', async (t) => {
    const { backend } = await startBackend(t, KNOWS_JOE);
    const world = await start(t, backend);
    const codes: Record<string, string> = {};
    const message = 'From: MAILER-DAEMON@example.net\r\n\r\nNo.\r\n';
    for (const to of [JOE, 'joe@example.org'])
      await sendMail(await world.connect(), { from: '', to, message });
    for (const {
      recipients: [recipient],
      outcome,
      code,
    } of await world.decided(2))
      codes[recipient?.mailbox.tag ?? 'none'] = `${outcome} ${code ?? ''}`.trim();
    assert.deepEqual(codes, { valid: 'accepted', none: 'refused untagged' });
  });

  it('is what it says where there are no keys', async (t) => {
    const { backend } = await startBackend(t, KNOWS_JOE);
    const world = await start(t, backend, []);
    const mail = { from: 'a@example.net', to: JOE, message: 'Subject: x\r\n\r\nx\r\n' };
    const peer = await world.connect();
    assert.equal((await sendMail(peer, mail)).heard.code, 550);
    peer.close();
    const [decision] = await world.decided(1);
    assert.equal(decision?.check, 'recipient-list');
  });

  it('has the Maildir of the user', async (t) => {
    const dir = await tempDir(t);
    await mkdir(join(dir, 'joe'));
    const backend = openBackend(
      { kind: 'maildir', path: join(dir, '{user}') },
      { hostName: 'mx.example.org' },
    );
    const world = await start(t, backend);
    const mail = { from: '', to: JOE, message: 'Subject: x\r\n\r\nx\r\n' };
    assert.equal((await sendMail(await world.connect(), mail)).heard.code, 250);
    assert.equal((await maildirMessages(join(dir, 'joe'))).length, 1);
  });

  it('is put on the sender of our own mail, and of nobody else’s', async (t) => {
    const backend = new FakeBackend();
    for (const [networks, from, isSigned] of [
      [['127.0.0.0/8'], 'joe@example.org', true],
      [['127.0.0.0/8'], 'a@example.net', false],
      [[], 'joe@example.org', false],
    ] as const) {
      const site = { batvKeys: [KEY], signsOutgoing: true, networks: networkSet(networks) };
      const world = await startGateway(t, { backend, site });
      const message = 'Subject: x\r\n\r\nx\r\n';
      const { heard } = await sendMail(await world.connect(), { from, to: 'ann@example.org', message });
      assert.equal(heard.code, 250, heard.lines.join());
      const path = backend.envelopes.at(-1)?.reversePath ?? assert.fail();
      assert.equal(checkBatv(path, [KEY], batvDay(Date.now())).kind, isSigned ? 'valid' : 'untagged');
      const { reversePath } = (await world.decided(1))[0]?.transaction ?? {};
      assert.equal(reversePath && formatMailbox(reversePath), from);
    }
  });
});
