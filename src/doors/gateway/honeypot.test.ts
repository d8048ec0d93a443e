import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DEFAULT_CHECKS,
  startGateway,
  upToRcpt,
  type FakeWorldOptions,
} from '../../../test/fakes/gateway.ts';
import type { SmtpPeer } from '../../../test/smtp.ts';
import { clientList } from '../../checks/client-list.ts';
import { honeypot } from '../../checks/honeypot.ts';
import { TURNED_AWAY } from '../../core/charges.ts';
import type { Ports } from '../../core/ports.ts';
import { networkSet } from '../../mail/networks.ts';

const BLOCKED = { kind: 'block', client: '127.0.0.1', source: 'block.txt:1' } as const;

describe('a listener that is a honeypot', () => {
  it('defers every recipient, so that no message is ever taken', async (t) => {
    const world = await startGateway(t, {
      checks: [[honeypot], ...(DEFAULT_CHECKS ?? [])],
      site: { honeypot: true },
      listener: { role: 'honeypot' },
    });
    const peer = await world.connect();
    const said = await upToRcpt(peer);
    assert.match(said.lines[0]!, /^450 4\.3\.2 /);
    assert.equal((await peer.say('RCPT TO:<postmaster@example.org>')).code, 450);
    // RFC 5321 4.1.1.4: without a recipient there is nothing to send.
    assert.equal((await peer.say('DATA')).code, 554);
    await peer.say('QUIT');
    const [decision] = await world.decided(1);
    assert.deepEqual(
      [decision!.session.role, decision!.outcome, decision!.check, decision!.code],
      ['honeypot', 'deferred', 'honeypot', 'caught'],
    );
    assert.deepEqual(world.backend.taken, []);
  });

  it('is one behind a proxy too', async (t) => {
    const world = await startGateway(t, {
      checks: [[honeypot], ...(DEFAULT_CHECKS ?? [])],
      site: { honeypot: true },
      listener: { role: 'honeypot', proxyProtocolFrom: networkSet(['127.0.0.0/8']) },
    });
    const peer = await world.connect();
    await peer.write('PROXY TCP4 192.0.2.7 198.51.100.25 40000 25\r\n');
    assert.equal((await upToRcpt(peer)).code, 450);
    await peer.say('QUIT');
    const [decision] = await world.decided(1);
    assert.deepEqual([decision!.session.role, decision!.session.client.address], ['honeypot', '192.0.2.7']);
  });

  // A server that is sent on in the midst of its mail goes to the next MX with the rest of it (Postfix at once).
  const sentOn: [what: string, options: FakeWorldOptions, visit: (peer: SmtpPeer) => Promise<unknown>][] = [
    [
      'with the recipients of a split',
      {},
      async (peer) => {
        await upToRcpt(peer);
        assert.equal((await peer.say('RCPT TO:<postmaster@example.org>')).code, 452);
        await peer.say('DATA');
        assert.equal((await peer.say('Subject: x\r\n\r\nx\r\n.')).code, 250);
      },
    ],
    [
      'with more recipients than a transaction takes',
      { protocolLimits: { recipients: 1 } },
      async (peer) => {
        await upToRcpt(peer);
        assert.equal((await peer.say('RCPT TO:<other@example.org>')).code, 452);
        await peer.say('DATA');
        assert.equal((await peer.say('Subject: x\r\n\r\nx\r\n.')).code, 250);
      },
    ],
    [
      'with more messages than a session takes',
      { limits: { transactions: 1 } },
      async (peer) => {
        await upToRcpt(peer);
        await peer.say('DATA');
        assert.equal((await peer.say('Subject: x\r\n\r\nx\r\n.')).code, 250);
        assert.equal((await peer.say('MAIL FROM:<sender@example.net>')).code, 421);
      },
    ],
    [
      'after a refusal in the greeting',
      { checks: [[clientList, { refuse_at: 'earliest' }]], entries: [BLOCKED] },
      async (peer) => assert.equal((await peer.reply()).code, 554),
    ],
  ];
  for (const [what, options, visit] of sentOn)
    it(`knows who was sent on from the front door: ${what}`, async (t) => {
      const noted: string[] = [];
      const rates: Ports['rates'] = {
        add: (space, key) => noted.push(`${space} ${key}`),
        count: () => 0,
      };
      const world = await startGateway(t, { ...options, site: { honeypot: true }, ports: { rates } });
      await visit(await world.connect());
      await world.decided(1);
      assert.ok(noted.some((one) => one.startsWith(`${TURNED_AWAY} `)));
    });
});
