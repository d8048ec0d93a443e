import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkSet } from '../../mail/networks.ts';
import { honeypot } from '../../checks/honeypot.ts';
import { DEFAULT_CHECKS, startGateway, upToRcpt } from '../../../test/fakes/gateway.ts';

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
});
