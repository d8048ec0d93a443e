/** What the gate says and obeys of a message's authentication, from the dialogue to the backend. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { arc } from '../../checks/arc.ts';
import { dkim } from '../../checks/dkim.ts';
import { dmarc } from '../../checks/dmarc.ts';
import { fcrdns } from '../../checks/fcrdns.ts';
import { spf } from '../../checks/spf.ts';
import type { ListEntry } from '../../core/lists.ts';
import { DEFAULT_CHECKS, startGateway, upToRcpt, type FakeWorld } from '../../../test/fakes/gateway.ts';
import { fakeResolver } from '../../../test/fakes/resolver.ts';
import type { Cleanup } from '../../../test/program.ts';
import { keyOf, signed } from '../../../test/signing.ts';
import { sendMail } from '../../../test/smtp.ts';

const MESSAGE = 'From: joe@a.example\r\nSubject: x\r\n\r\nbody\r\n';
const ZONE = {
  '1.0.0.127.in-addr.arpa PTR': 'mail.a.example',
  'mail.a.example A': '127.0.0.1',
  'a.example TXT': 'v=spf1 a:mail.a.example -all',
  'b.example TXT': 'v=spf1 ip4:127.0.0.1 -all',
  '_dmarc.a.example TXT': 'v=DMARC1; p=reject',
  ...keyOf('a.example'),
};
const CHECKS = [...(DEFAULT_CHECKS ?? []), [fcrdns], [spf], [dkim], [arc], [dmarc]] as const;

async function gate(t: Cleanup, entries: readonly ListEntry[] = []) {
  const dns = fakeResolver(ZONE);
  const world = await startGateway(t, { checks: CHECKS, entries, ports: { dns } });
  return { dns, world };
}
const sent = async (world: FakeWorld, from: string, message: string) =>
  (await sendMail(await world.connect(), { from, to: 'user@example.org', message })).heard;
const taken = (world: FakeWorld): string => world.backend.taken[0]?.bytes.toString('latin1') ?? '';

describe('the authentication of a message', () => {
  it('stands on top of what is handed on, in place of what claims to be ours', async (t) => {
    const { dns, world } = await gate(t);
    const forged = 'Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n';
    const heard = await sent(world, 'joe@a.example', await signed(forged + MESSAGE, 'a.example'));
    assert.equal(heard.code, 250);
    const [field = ''] = taken(world).split(/\r\n(?!\t)/);
    assert.equal(
      field.replace(/header\.b=[^;]*/, 'header.b=B'),
      'Authentication-Results: mx.example.org;\r\n' +
        '\tiprev=pass (mail.a.example) policy.iprev=127.0.0.1;\r\n' +
        '\tspf=pass smtp.mailfrom=joe@a.example;\r\n' +
        '\tdkim=pass header.d=a.example header.i=@a.example header.s=s\r\n' +
        '\t  header.a=ed25519-sha256 header.b=B;\r\n' +
        '\tarc=none;\r\n' +
        '\tdmarc=pass (p=reject) header.from=a.example policy.dmarc=reject',
    );
    assert.ok(!taken(world).includes('bank.example'));
    // DMARC took what SPF had found.
    assert.equal(dns.asked.filter((question) => question === 'a.example TXT').length, 1);
  });

  it('is asked for while the body comes in', async (t) => {
    const { dns, world } = await gate(t);
    const message = await signed(MESSAGE, 'a.example');
    const peer = await world.connect();
    await upToRcpt(peer, 'user@example.org', 'joe@a.example');
    await peer.say('DATA');
    await peer.write(message.slice(0, message.indexOf('\r\n\r\n') + 4));
    while (!dns.asked.includes('_dmarc.a.example TXT'))
      await new Promise((resolve) => setTimeout(resolve, 2));
    assert.ok(dns.asked.includes('s._domainkey.a.example TXT'));
    await peer.write('body\r\n.\r\n');
    assert.equal((await peer.reply()).code, 250);
    assert.match(taken(world), /\tdmarc=pass /);
  });

  it('refuses what the author disowns', async (t) => {
    const { world } = await gate(t);
    const heard = await sent(world, 'joe@b.example', MESSAGE);
    assert.match(heard.lines.join(), /^550 5\.7\.1 Refused: .*\(dmarc\)/);
    assert.deepEqual(world.backend.taken, []);
  });

  const source = 'postern.toml:1';
  const entries: [name: string, entry: ListEntry, code: number][] = [
    ['an allow entry', { kind: 'allow', sender: 'b.example', source }, 550],
    ['an allow entry that names it', { kind: 'allow', sender: 'b.example', lifts: ['dmarc'], source }, 250],
    ['a list host', { kind: 'list-host', client: '127.0.0.1', source }, 250],
  ];
  for (const [name, entry, code] of entries) {
    it(`under ${name}: ${code}`, async (t) => {
      const { world } = await gate(t, [entry]);
      assert.equal((await sent(world, 'joe@b.example', MESSAGE)).code, code);
      if (entry.kind === 'list-host') assert.match(taken(world), /tags=dmarc:reject\r\n/);
      const [decision] = await world.decided(1);
      assert.deepEqual(decision?.tags, entry.kind === 'list-host' ? ['dmarc:reject'] : undefined);
    });
  }

  it('is looked into by DMARC itself where an allow entry lifted the other checks', async (t) => {
    const { world } = await gate(t, [{ kind: 'allow', client: '127.0.0.1', source }]);
    assert.equal((await sent(world, 'joe@a.example', MESSAGE)).code, 250);
    assert.match(taken(world), /^Authentication-Results: mx\.example\.org;\r\n\tdmarc=pass /);
  });

  it('is told of an exempt sender too', async (t) => {
    const { world } = await gate(t, [{ kind: 'allow', sender: 'a.example', source }]);
    assert.equal((await sent(world, 'joe@a.example', MESSAGE)).code, 250);
    assert.match(
      taken(world),
      /^Authentication-Results: mx\.example\.org;\r\n\tdkim=none;\r\n\tarc=none;\r\n\tdmarc=/,
    );
  });
});
