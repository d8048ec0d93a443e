/** E8 and E11 at the door: every pair of recipients that want differing treatments, in both orders. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientList } from '../../checks/client-list.ts';
import { earlyTalker } from '../../checks/early-talker.ts';
import { envelopeList } from '../../checks/envelope-list.ts';
import { helo } from '../../checks/helo.ts';
import { recipients } from '../../checks/recipients.ts';
import { relay } from '../../checks/relay.ts';
import type { ListEntry } from '../../core/lists.ts';
import { startGateway } from '../../../test/fakes/gateway.ts';
import { sendMail } from '../../../test/smtp.ts';

/** Code of RCPT when it comes first, and what its treatment comes to: those of one kind may share a transaction. */
const RECIPIENTS: Readonly<Record<string, { readonly alone: number; readonly kind: string }>> = {
  plain: { alone: 554, kind: 'none' },
  blocked: { alone: 554, kind: 'none' },
  friend: { alone: 250, kind: 'all' },
  postmaster: { alone: 250, kind: 'all tags' },
  abuse: { alone: 250, kind: 'all tags' },
  half: { alone: 250, kind: 'client-list' },
  quarter: { alone: 250, kind: 'client-list' },
  double: { alone: 250, kind: 'client-list helo' },
  both: { alone: 250, kind: 'client-list helo' },
  other: { alone: 554, kind: 'helo' },
  lists: { alone: 250, kind: 'tags' },
  'half-lists': { alone: 250, kind: 'client-list tags' },
};

const to = (local: string) => `${local}@example.org`;
const allow = (local: string, lifts?: string[]): ListEntry => ({
  kind: 'allow',
  client: '127.0.0.1',
  recipient: to(local),
  source: `test:${local}`,
  ...(lifts === undefined ? {} : { lifts }),
});
const ENTRIES: readonly ListEntry[] = [
  { kind: 'block', client: '127.0.0.0/8', reason: 'a test', source: 'test:1' },
  { kind: 'block', recipient: to('blocked'), source: 'test:2' },
  allow('friend'),
  allow('half', ['client-list']),
  allow('quarter', ['client-list']),
  allow('double', ['client-list']),
  allow('double', ['helo']),
  allow('both', ['helo', 'client-list']),
  allow('other', ['helo']),
  { kind: 'list-host', client: '127.0.0.1', recipient: to('lists'), source: 'test:3' },
  { kind: 'list-host', recipient: to('half-lists'), source: 'test:4' },
  allow('half-lists', ['client-list']),
];

describe('two recipients of one transaction', () => {
  const names = Object.keys(RECIPIENTS);
  for (const first of names) {
    it(`${first}, and each of the others after it`, async (t) => {
      const world = await startGateway(t, {
        checks: [[clientList], [relay], [earlyTalker], [helo], [envelopeList], [recipients]],
        entries: ENTRIES,
      });
      const peer = await world.connect();
      assert.equal((await peer.reply()).code, 220);
      assert.equal((await peer.say('EHLO client.example.net')).code, 250);
      for (const second of names) {
        const pair = `${first}, ${second}`;
        const a = RECIPIENTS[first]!;
        const b = RECIPIENTS[second]!;
        assert.equal((await peer.say('MAIL FROM:<a@example.net>')).code, 250, pair);
        assert.equal((await peer.say(`RCPT TO:<${to(first)}>`)).code, a.alone, pair);
        // Who was not let in has no say in how the next one is treated.
        const split = a.alone === 250 && a.kind !== b.kind;
        const heard = await peer.say(`RCPT TO:<${to(second)}>`);
        assert.equal(heard.code, split ? 452 : b.alone, pair);
        if (split) assert.match(heard.lines[0]!, /^452 4\.5\.3 /);
        assert.equal((await peer.say('RSET')).code, 250, pair);
      }
    });
  }

  it('that were split both get the message, in two transactions', async (t) => {
    const world = await startGateway(t, { checks: [[clientList], [relay], [recipients]], entries: ENTRIES });
    const peer = await world.connect();
    await peer.reply();
    await peer.say('EHLO client.example.net');
    await peer.say('MAIL FROM:<a@example.net>');
    assert.equal((await peer.say(`RCPT TO:<${to('postmaster')}>`)).code, 250);
    assert.equal((await peer.say(`RCPT TO:<${to('half')}>`)).code, 452);
    assert.equal((await peer.say('DATA')).code, 354);
    await peer.write('Subject: x\r\n\r\nx\r\n.\r\n');
    assert.equal((await peer.reply()).code, 250);
    // RFC 5321 4.5.3.1.10: the sender comes again with those that were put off.
    const again = await sendMail(await world.connect(), {
      from: 'a@example.net',
      to: to('half'),
      message: 'Subject: x\r\n\r\nx\r\n',
    });
    assert.equal(again.heard.code, 250);
    assert.deepEqual(
      world.backend.taken.map((taken) => taken.recipients),
      [[to('postmaster')], [to('half')]],
    );
    const [mixed] = await world.decided(2);
    assert.deepEqual(
      mixed!.recipients.map((r) => r.outcome),
      ['accepted', 'deferred'],
    );
  });
});
