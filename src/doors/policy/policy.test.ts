import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { scriptedCheck } from '../../../test/fakes/scripted-check.ts';
import { startPolicy, type FakePolicy } from '../../../test/fakes/services.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { dkim } from '../../checks/dkim.ts';
import { greylistNull } from '../../checks/greylist-null.ts';
import { greylist } from '../../checks/greylist.ts';
import { recipientList } from '../../checks/recipient-list.ts';
import { recipients } from '../../checks/recipients.ts';
import { relay } from '../../checks/relay.ts';
import type { AnyCheck } from '../../core/check.ts';

type Attributes = Readonly<Record<string, string | number>>;

/** As Postfix 3.7 asks. */
function request(state: string, more: Attributes = {}): Attributes {
  return {
    protocol_state: state,
    protocol_name: 'ESMTP',
    client_address: '192.0.2.7',
    client_port: 40_000,
    client_name: 'unknown',
    reverse_client_name: 'unknown',
    server_address: '198.51.100.25',
    server_port: 25,
    helo_name: 'client.example.net',
    sender: 'a@example.net',
    recipient: 'user@example.org',
    recipient_count: 0,
    queue_id: '',
    instance: '1a2b.65000000.0',
    size: 1000,
    ...more,
  };
}

const until = async (holds: () => boolean): Promise<void> => {
  const end = Date.now() + 5_000;
  while (!holds()) {
    assert.ok(Date.now() < end, 'it never came');
    await sleep(5);
  }
};

describe('a verdict is given at RCPT or where the MTA asks', () => {
  const cases: [AnyCheck['stage'], 'fail' | 'temperror', RegExp][] = [
    [
      'connect',
      'fail',
      /^550 5\.7\.1 Refused: 100% scripted at connect \(scripted\)\. Mistake\? Write to postmaster@example\.org with id \w{8}$/,
    ],
    [
      'connect',
      'temperror',
      /^450 4\.7\.1 Not now: 100% scripted at connect \(scripted\)\. Try again later; id \w{8}$/,
    ],
    ['helo', 'fail', /^550 5\.7\.1 Refused: /],
    ['mail', 'fail', /^550 5\.7\.1 Refused: /],
    ['mail', 'temperror', /^450 4\.7\.1 Not now: /],
    ['rcpt', 'fail', /^550 5\.7\.1 Refused: /],
    ['rcpt', 'temperror', /^450 4\.7\.1 Not now: /],
  ];
  for (const [stage, result, text] of cases) {
    it(`${stage}: ${result}`, async (t) => {
      const world = await startPolicy(t, { checks: [[scriptedCheck({ stage, act: () => result })]] });
      const client = await world.connect();
      const said = (await client.ask(request('RCPT'))) ?? '';
      assert.match(said, text);
      await world.service.stop();
      const [decision] = world.decisions;
      assert.equal(decision?.outcome, result === 'fail' ? 'refused' : 'deferred');
      assert.ok(said.includes(decision.id));
      assert.equal(world.decisions.length, 1);
    });
  }

  it('data: at DATA, and at the end of the message where the MTA does not ask at DATA', async (t) => {
    for (const state of ['DATA', 'END-OF-MESSAGE']) {
      const check = scriptedCheck({ stage: 'data', act: () => 'fail' });
      const world = await startPolicy(t, { checks: [[check]] });
      const client = await world.connect();
      assert.match((await client.ask(request('RCPT'))) ?? '', /^PREPEND X-Postern: /);
      assert.match((await client.ask(request(state))) ?? '', /^550 5\.7\.1 Refused: 100% scripted at data/);
      assert.equal((await world.decided(1))[0]?.outcome, 'refused');
    }
  });

  it('at the earliest state, and again whenever it is asked for more of the same message', async (t) => {
    const check = scriptedCheck({ stage: 'helo', act: () => 'fail' });
    const client = await (await startPolicy(t, { checks: [[check]] })).connect();
    assert.equal(await client.ask(request('CONNECT', { helo_name: '', sender: '', recipient: '' })), 'DUNNO');
    const first = await client.ask(request('EHLO', { sender: '', recipient: '' }));
    assert.match(first ?? '', /^550 /);
    assert.equal(await client.ask(request('RCPT')), first);
    assert.equal(await client.ask(request('RCPT', { recipient: 'other@example.org' })), first);
  });

  it('never on what it is not shown', async (t) => {
    const seen = scriptedCheck({ stage: 'endOfMessage', act: () => 'fail' });
    const world = await startPolicy(t, { checks: [[seen], [dkim], [relay], [recipients]] });
    const client = await world.connect();
    assert.match(
      (await client.ask(request('RCPT', { recipient: 'u@elsewhere.example' }))) ?? '',
      /^PREPEND /,
    );
    assert.equal(await client.ask(request('END-OF-MESSAGE', { recipient_count: 1 })), 'DUNNO');
    const [decision] = await world.decided(1);
    assert.deepEqual(decision?.steps, []);
  });

  it('who has authenticated is exempt from the first check on', async (t) => {
    const check = scriptedCheck({ stage: 'connect', act: () => 'fail' });
    const world = await startPolicy(t, { checks: [[check]] });
    const client = await world.connect();
    const as = {
      sasl_method: 'PLAIN',
      sasl_username: 'bea',
      encryption_protocol: 'TLSv1.3',
      encryption_cipher: 'X',
    };
    assert.match((await client.ask(request('RCPT', as))) ?? '', /^PREPEND /);
    await world.service.stop();
    const { session } = world.decisions[0] ?? {};
    assert.deepEqual(session?.authenticated, { identity: 'bea', mechanism: 'PLAIN' });
    assert.deepEqual(session.tls, { protocol: 'TLSv1.3', cipher: 'X' });
    assert.deepEqual(session.helo, { verb: 'EHLO', name: 'client.example.net' });
    assert.deepEqual(session.server, { address: '198.51.100.25', port: 25 });
  });
});

describe('greylisting', () => {
  const world = (t: Parameters<typeof startPolicy>[0]) =>
    startPolicy(t, {
      checks: [
        [recipientList, { known_only: true }],
        [greylist, { mode: 'classic' }],
        [greylistNull, { mode: 'classic' }],
      ],
      entries: [{ kind: 'mailbox', recipient: 'user@example.org', source: 'known:1' }],
    });

  it('defers only if nothing else refuses', async (t) => {
    const client = await (await world(t)).connect();
    const said = (await client.ask(request('RCPT', { client_address: '192.0.2.77' }))) ?? '';
    assert.match(said, /^DEFER_IF_PERMIT 4\.\d\.\d Not now: .* \(greylist\).*; id \w{8}$/);
    const unknown = await client.ask(request('RCPT', { recipient: 'no@example.org' }));
    assert.match(unknown ?? '', /^550 5\.1\.1 Refused: <no@example\.org> is no mailbox here/);
  });

  it('of the null sender too, at DATA', async (t) => {
    const client = await (await world(t)).connect();
    assert.match((await client.ask(request('RCPT', { sender: '' }))) ?? '', /^PREPEND /);
    assert.match(
      (await client.ask(request('DATA', { sender: '' }))) ?? '',
      /^DEFER_IF_PERMIT 4\.\d\.\d Not now: .* \(greylist-null\)/,
    );
  });
});

describe('the requests of one message', () => {
  it('make one decision, and one mark', async (t) => {
    const world = await startPolicy(t, { checks: [[scriptedCheck({ stage: 'rcpt' })]] });
    const client = await world.connect();
    assert.equal(await client.ask(request('MAIL', { recipient: '' })), 'DUNNO');
    const mark = await client.ask(request('RCPT'));
    assert.match(mark ?? '', /^PREPEND X-Postern: id=\w{8}; suspicion=0$/);
    assert.equal(await client.ask(request('RCPT', { recipient: 'other@example.org' })), 'DUNNO');
    assert.equal(await client.ask(request('DATA', { recipient: '', recipient_count: 2 })), 'DUNNO');
    assert.equal(await client.ask(request('END-OF-MESSAGE', { recipient: '', size: 2000 })), 'DUNNO');
    const [decision] = await world.decided(1);
    assert.ok(mark?.includes(decision?.id ?? '-'));
    assert.equal(decision?.outcome, 'accepted');
    assert.equal(decision.sizeOctets, 2000);
    assert.deepEqual(
      decision.recipients.map((r) => r.mailbox.local),
      ['user', 'other'],
    );
  });

  it('speak for the client only once the MTA has said that the message came', async (t) => {
    const world = await startPolicy(t);
    const client = await world.connect();
    await client.ask(request('RCPT'));
    await client.ask(request('RCPT', { instance: 'next' }));
    assert.equal((await world.decided(1))[0]?.outcome, 'accepted');
    assert.deepEqual([...world.standings], []);
    await client.ask(request('END-OF-MESSAGE', { instance: 'next' }));
    assert.equal((await world.decided(2))[1]?.outcome, 'accepted');
    assert.deepEqual([...world.standings], [['192.0.2.7', { good: 1, bad: 0 }]]);
  });

  it('end with the first of the next message on the same connection', async (t) => {
    const world = await startPolicy(t);
    const client = await world.connect();
    await client.ask(request('RCPT'));
    await client.ask(request('RCPT', { instance: '1a2b.65000000.1', sender: 'b@example.net' }));
    const [decision] = await world.decided(1);
    assert.equal(decision?.outcome, 'accepted');
    assert.equal(decision.recipients.length, 1);
    assert.equal(world.service.open, 1);
  });

  it('belong together on several connections as well', async (t) => {
    const world = await startPolicy(t);
    const [one, other] = [await world.connect(), await world.connect()];
    assert.match((await one.ask(request('RCPT'))) ?? '', /^PREPEND /);
    const both = [
      other.ask(request('RCPT', { recipient: 'b@example.org' })),
      one.ask(request('RCPT', { recipient: 'c@example.org' })),
    ];
    assert.deepEqual(await Promise.all(both), ['DUNNO', 'DUNNO']);
    await other.ask(request('END-OF-MESSAGE'));
    const [decision] = await world.decided(1);
    assert.equal(decision?.recipients.length, 3);
  });

  it('are told apart by the client too: an instance is for the MTA to choose', async (t) => {
    const check = scriptedCheck({ stage: 'rcpt' });
    const world = await startPolicy(t, { checks: [[check]] });
    const [one, other] = [await world.connect(), await world.connect()];
    const theirs = { client_address: '192.0.2.8', helo_name: 'other.example.net' };
    assert.match((await one.ask(request('RCPT'))) ?? '', /^PREPEND /);
    assert.match((await other.ask(request('RCPT', theirs))) ?? '', /^PREPEND /);
    assert.equal(await one.ask(request('END-OF-MESSAGE')), 'DUNNO');
    assert.equal(await other.ask(request('END-OF-MESSAGE', theirs)), 'DUNNO');
    // Over one connection as well.
    assert.match((await one.ask(request('RCPT'))) ?? '', /^PREPEND /);
    assert.match((await one.ask(request('RCPT', theirs))) ?? '', /^PREPEND /);
    assert.deepEqual(
      (await world.decided(3)).map((d) => [d.session.client.address, d.session.helo?.name, d.outcome]),
      [
        ['192.0.2.7', 'client.example.net', 'accepted'],
        ['192.0.2.8', 'other.example.net', 'accepted'],
        ['192.0.2.7', 'client.example.net', 'accepted'],
      ],
    );
  });

  it('are judged once a recipient, however many of the MTA’s lists name us', async (t) => {
    let asked = 0;
    const act = () => (++asked === 2 ? 'fail' : 'pass');
    const world = await startPolicy(t, { checks: [[scriptedCheck({ stage: 'rcpt', act })]] });
    const client = await world.connect();
    assert.match((await client.ask(request('RCPT'))) ?? '', /^PREPEND /);
    assert.equal(await client.ask(request('RCPT')), 'DUNNO');
    const other = request('RCPT', { recipient: 'other@example.org' });
    const refused = await client.ask(other);
    assert.match(refused ?? '', /^550 /);
    assert.equal(await client.ask(other), refused);
    assert.equal(await client.ask(request('RCPT')), 'DUNNO');
    assert.equal(asked, 2);
    await client.ask(request('END-OF-MESSAGE', { recipient: '' }));
    const [decision] = await world.decided(1);
    assert.deepEqual(
      decision?.recipients.map((r) => [r.mailbox.local, r.outcome]),
      [
        ['user', 'accepted'],
        ['other', 'refused'],
      ],
    );
    assert.equal(decision.steps.filter(({ stage }) => stage === 'rcpt').length, 2);
    // Another message is another matter.
    await client.ask(request('RCPT', { instance: 'next' }));
    assert.equal(asked, 3);
  });

  it('count a guess once', async (t) => {
    const world = await startPolicy(t, {
      checks: [[recipientList, { known_only: true }]],
      entries: [{ kind: 'mailbox', recipient: 'user@example.org', source: 'known:1' }],
    });
    const client = await world.connect();
    const nobody = request('RCPT', { recipient: 'nobody@example.org' });
    const refused = await client.ask(nobody);
    assert.match(refused ?? '', /^550 5\.1\.1 /);
    assert.equal(await client.ask(nobody), refused);
    await client.ask(request('RCPT', { instance: 'next' }));
    const [decision] = await world.decided(1);
    assert.equal(decision?.recipients.length, 1);
    assert.equal(decision.session.guesses, 1);
  });

  for (const end of ['the connection is lost', 'the service stops'] as const) {
    it(`without an instance end when ${end}`, async (t) => {
      let aborted = false;
      let note = (): void => undefined;
      const asked = new Promise<void>((resolve) => (note = resolve));
      const gather = (signal: AbortSignal) => {
        signal.addEventListener('abort', () => (aborted = true));
        note();
        return new Promise<null>(() => undefined);
      };
      const world = await startPolicy(t, {
        checks: [[scriptedCheck({ stage: 'rcpt', gather })]],
        limits: { drainTimeoutMs: 20 },
      });
      const client = await world.connect();
      const answer = client.ask(request('RCPT', { instance: '' }));
      await asked;
      if (end === 'the service stops') await world.service.stop();
      else client.socket.resetAndDestroy();
      assert.equal(await answer, undefined);
      const [decision] = await world.decided(1);
      assert.equal(decision?.outcome, 'abandoned');
      await until(() => aborted);
      await sleep(10);
      assert.equal(world.decisions.length, 1);
      assert.deepEqual(world.troubles, []);
    });
  }

  it('without an instance are a message each', async (t) => {
    const world = await startPolicy(t);
    const client = await world.connect();
    for (let i = 0; i < 2; i++)
      assert.match((await client.ask(request('RCPT', { instance: '' }))) ?? '', /^PREPEND /);
    assert.equal((await world.decided(2)).length, 2);
  });

  it('begin before DATA: what the MTA took without asking is not judged at its end', async (t) => {
    for (const state of ['DATA', 'END-OF-MESSAGE']) {
      const check = scriptedCheck({ stage: 'rcpt', act: () => 'fail' });
      const world = await startPolicy(t, { checks: [[check]] });
      assert.equal(await (await world.connect()).ask(request(state)), 'DUNNO');
      assert.equal(world.decisions.length, 0);
    }
  });

  it('are forgotten when nobody has asked for long, and later where a message is expected', async (t) => {
    const world = await startPolicy(t);
    const client = await world.connect();
    await client.ask(request('MAIL', { instance: 'early' }));
    const other = await world.connect();
    await other.ask(request('RCPT'));
    world.later(301_000);
    world.service.forgetIdle();
    assert.equal((await world.decided(1))[0]?.outcome, 'abandoned');
    world.later(6_000_000);
    world.service.forgetIdle();
    assert.equal(world.decisions.length, 1);
    world.later(1_000_000);
    world.service.forgetIdle();
    assert.equal((await world.decided(2))[1]?.outcome, 'accepted');
  });

  it('are bounded: the oldest goes', async (t) => {
    const world = await startPolicy(t, { visits: 3 });
    const client = async (n: number) =>
      (await world.connect()).ask(request('RCPT', { instance: `i${n}`, client_address: `192.0.2.${n}` }));
    for (let n = 1; n <= 3; n++) await client(n);
    assert.equal(world.decisions.length, 0);
    await client(1);
    await client(4);
    assert.deepEqual(
      (await world.decided(1)).map((d) => d.session.client.address),
      ['192.0.2.2'],
    );
  });
});

describe('what is not for us', () => {
  const cases: [string, Attributes][] = [
    ['local mail', request('RCPT', { client_address: '' })],
    ['a client that the MTA does not know', request('RCPT', { client_address: 'unknown' })],
    ['VRFY', request('VRFY')],
    ['ETRN', request('ETRN')],
    ['a state of a newer Postfix', request('NEWER')],
  ];
  for (const [name, attributes] of cases) {
    it(`is left to the MTA: ${name}`, async (t) => {
      const check = scriptedCheck({ stage: 'connect', act: () => 'fail' });
      const world = await startPolicy(t, { checks: [[check]] });
      assert.equal(await (await world.connect()).ask(attributes), 'DUNNO');
    });
  }

  for (const [what, more] of [
    ['sender', { sender: '@' }],
    ['recipient', { recipient: 'nobody@' }],
  ] as const) {
    it(`is deferred: a ${what} that is no address; the journal has it once`, async (t) => {
      const world = await startPolicy(t);
      const client = await world.connect();
      for (let i = 0; i < 2; i++)
        assert.equal(
          await client.ask(request('RCPT', more)),
          '450 4.1.0 Not now: this address cannot be judged',
        );
      await world.service.stop();
      assert.equal(world.decisions.length, 1);
      const [decision] = world.decisions;
      assert.equal(decision?.outcome, 'deferred');
      assert.equal(decision.reply?.lines[0], 'Not now: this address cannot be judged');
      const shown =
        what === 'sender' ? decision.transaction?.reversePath : decision.recipients.map((r) => r.mailbox)[0];
      assert.deepEqual(shown, { local: what === 'sender' ? '@' : 'nobody@', domain: '' });
    });
  }
});

describe('the policy door', () => {
  it('closes without an answer at a bad request, and tells the operator', async (t) => {
    for (const bad of [
      'EHLO client.example.net\r\n',
      '\n',
      'request=other\n\n',
      'x\n',
      `${'x'.repeat(9000)}=`,
    ]) {
      const world = await startPolicy(t);
      const client = await world.connect();
      client.socket.write(bad);
      assert.equal(await client.answer(), undefined);
      assert.equal(world.troubles.length, 1);
    }
  });

  it('closes without an answer at a fault of ours: the MTA asks again, and defers', async (t) => {
    const act = (): never => {
      throw new Error('a fault');
    };
    const world = await startPolicy(t, { checks: [[scriptedCheck({ stage: 'rcpt', act })]] });
    const client = await world.connect();
    assert.equal(await client.ask(request('RCPT')), undefined);
    assert.match(String(world.troubles[0]?.error), /a fault/);
  });

  it('serves a thousand connections at a time', async (t) => {
    const world = await startPolicy(t);
    const clients = await Promise.all(Array.from({ length: 1000 }, () => world.connect()));
    const ask = (client: Awaited<ReturnType<FakePolicy['connect']>>, i: number) =>
      client.ask(request('RCPT', { instance: `i${i}` }));
    const said = await Promise.all(clients.map(ask));
    assert.ok(said.every((action) => action?.startsWith('PREPEND ')));
    assert.equal(world.service.open, 1000);
    for (const client of clients) client.socket.end();
    await until(() => world.service.open === 0);
    assert.deepEqual(world.troubles, []);
  });

  it('stops: what is asked is answered, what is open is written down', async (t) => {
    let go = (): void => undefined;
    let note = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      note = resolve;
    });
    const gather = () => {
      note();
      return new Promise<null>((resolve) => (go = () => resolve(null)));
    };
    const world = await startPolicy(t, { checks: [[scriptedCheck({ stage: 'rcpt', gather })]] });
    const idle = await world.connect();
    const client = await world.connect();
    const answer = client.ask(request('RCPT'));
    await asked;
    const stopped = world.service.stop();
    await idle.closed;
    go();
    assert.match((await answer) ?? '', /^PREPEND /);
    await stopped;
    await client.closed;
    assert.equal(world.decisions[0]?.outcome, 'accepted');
  });

  it('judges the next message by what a reload brought', async (t) => {
    const world = await startPolicy(t);
    const client = await world.connect();
    await client.ask(request('RCPT'));
    world.rejudge({ checks: [[scriptedCheck({ stage: 'rcpt', act: () => 'fail' })]] });
    assert.equal(await client.ask(request('RCPT', { recipient: 'b@example.org' })), 'DUNNO');
    assert.match((await client.ask(request('RCPT', { instance: 'next' }))) ?? '', /^550 /);
  });

  it('listens on a Unix socket', async (t) => {
    const path = join(await tempDir(t), 'policy.sock');
    const world = await startPolicy(t, { at: { path, mode: 0o600 } });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.match((await (await world.connect()).ask(request('RCPT'))) ?? '', /^PREPEND /);
  });
});
