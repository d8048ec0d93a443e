import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { greylist } from '../../checks/greylist.ts';
import { recipientList } from '../../checks/recipient-list.ts';
import { recipients } from '../../checks/recipients.ts';
import type { AnyCheck } from '../../core/check.ts';
import { replies } from '../../core/replies.ts';
import type { Mta, MtaAnswer } from '../../../test/milter.ts';
import { scriptedCheck } from '../../../test/fakes/scripted-check.ts';
import { startMilter } from '../../../test/fakes/services.ts';

const MESSAGE = 'Subject: x\r\nFrom: a@example.net\r\n\r\nText\r\n';
const CLIENT = '192.0.2.7';

async function upToRcpt(mta: Mta, to = 'user@example.org'): Promise<MtaAnswer> {
  await mta.from(CLIENT);
  await mta.helo('client.example.net');
  await mta.mail('a@example.net');
  return mta.rcpt(to);
}

/** All that is asked of a message, each with the answer to it, up to the first that is no `continue`. */
async function walk(mta: Mta): Promise<readonly [string, MtaAnswer]> {
  const steps = [
    ['connect', () => mta.from(CLIENT)],
    ['helo', () => mta.helo('client.example.net')],
    ['mail', () => mta.mail('a@example.net')],
    ['rcpt', () => mta.rcpt('user@example.org')],
    ['message', () => mta.message(MESSAGE)],
  ] as const;
  for (const [name, ask] of steps) {
    const answer = await ask();
    if (answer.kind !== 'continue') return [name, answer];
  }
  return ['nowhere', { kind: 'continue', text: '', changes: [] }];
}

describe('a verdict is given at its stage, with our code and words', () => {
  const cases: [AnyCheck['stage'], string, 'fail' | 'temperror', RegExp][] = [
    [
      'connect',
      'connect',
      'fail',
      /^554 5\.7\.1 Refused: 100% scripted at connect \(scripted\)\. Mistake\? Write to postmaster@example\.org with id \w{8}$/,
    ],
    [
      'connect',
      'connect',
      'temperror',
      /^421 4\.7\.1 Not now: 100% scripted at connect \(scripted\)\. Try again later; id \w{8}$/,
    ],
    ['helo', 'helo', 'fail', /^550 5\.7\.1 Refused: 100% scripted at helo/],
    ['helo', 'helo', 'temperror', /^450 4\.7\.1 Not now: 100% scripted at helo/],
    ['mail', 'mail', 'fail', /^550 5\.7\.1 Refused: /],
    ['mail', 'mail', 'temperror', /^450 4\.7\.1 Not now: /],
    ['rcpt', 'rcpt', 'fail', /^550 5\.7\.1 Refused: /],
    ['rcpt', 'rcpt', 'temperror', /^450 4\.7\.1 Not now: /],
    ['data', 'message', 'fail', /^550 5\.7\.1 Refused: 100% scripted at data/],
    ['data', 'message', 'temperror', /^450 4\.7\.1 Not now: /],
    ['endOfMessage', 'message', 'fail', /^550 5\.7\.1 Refused: 100% scripted at endOfMessage/],
    ['endOfMessage', 'message', 'temperror', /^450 4\.7\.1 Not now: /],
  ];
  for (const [stage, where, result, text] of cases) {
    it(`${stage}: ${result}`, async (t) => {
      const world = await startMilter(t, { checks: [[scriptedCheck({ stage, act: () => result })]] });
      const mta = await world.connect();
      const [at, answer] = await walk(mta);
      assert.deepEqual([at, answer.kind], [where, 'reply']);
      assert.match(answer.text, text);
      mta.send('Q');
      const [decision] = await world.decided(1);
      assert.equal(decision?.outcome, result === 'fail' ? 'refused' : 'deferred');
      assert.equal(decision.session.door, 'milter');
      assert.ok(answer.text.includes(decision.id), `${answer.text}: ${decision.id}`);
      await mta.closed;
      assert.equal(world.decisions.length, 1);
      assert.deepEqual(world.troubles, []);
    });

    it(`${stage}: a fault of ours is temporary trouble`, async (t) => {
      const act = (): never => {
        throw new Error('a fault');
      };
      // What it asks has no fault of its own, so its judgement is the engine's own to fail.
      const world = await startMilter(t, { checks: [[scriptedCheck({ stage, act })]] });
      const mta = await world.connect();
      const [at, answer] = await walk(mta);
      assert.deepEqual([at, answer.kind], [where, 'tempfail']);
      assert.match(String(world.troubles[0]?.error), /a fault/);
      const isOver = stage === 'mail' || stage === 'data' || stage === 'endOfMessage';
      // What was open is written down when it fails, not when the MTA has something else to say.
      if (!isOver) mta.send('Q');
      const [decision] = await world.decided(1);
      const isEarly = stage === 'connect' || stage === 'helo';
      assert.equal(decision?.outcome, isEarly ? 'abandoned' : 'deferred');
      if (isEarly) return;
      const told = `Internal trouble, try again later; id ${decision.id}`;
      const reply = stage === 'rcpt' ? decision.recipients[0]?.reply : decision.reply;
      assert.deepEqual([reply?.code, reply?.lines], [421, [told]]);
    });
  }

  for (const [name, more] of [
    ['a field', ['L', Buffer.from('Subject\0 x\0')]],
    ['a piece of the body', ['B', Buffer.from('text\r\n')]],
  ] as const) {
    it(`a fault of ours at ${name} ends the message`, async (t) => {
      let fails = true;
      const incoming = () => ({
        append: () => {
          if (fails) throw new Error('a fault');
          return undefined;
        },
        finish: () => Promise.resolve({ kind: 'failed' as const, reason: 'not asked' }),
        dispose: () => undefined,
      });
      const world = await startMilter(t, {
        incoming,
        checks: [[scriptedCheck({ stage: 'endOfMessage' })]],
      });
      const mta = await world.connect();
      await upToRcpt(mta);
      const [command, ...fields] = more;
      assert.equal((await mta.ask(command, ...fields)).kind, 'tempfail');
      const [decision] = await world.decided(1);
      assert.equal(decision?.outcome, 'deferred');
      assert.equal(decision.reply?.code, 421);
      fails = false;
      assert.equal((await mta.mail('b@example.net')).kind, 'continue');
      assert.equal((await mta.rcpt('user@example.org')).kind, 'continue');
      mta.send('Q');
      assert.equal((await world.decided(2))[1]?.outcome, 'abandoned');
    });
  }

  it('a fault of ours at one recipient leaves the others', async (t) => {
    let fails = true;
    const act = () => {
      if (fails) throw new Error('a fault');
      return 'pass' as const;
    };
    const world = await startMilter(t, { checks: [[scriptedCheck({ stage: 'rcpt', act })]] });
    const mta = await world.connect();
    assert.equal((await upToRcpt(mta)).kind, 'tempfail');
    fails = false;
    assert.equal((await mta.rcpt('other@example.org')).kind, 'continue');
    assert.equal((await mta.message(MESSAGE)).kind, 'accept');
    const [decision] = await world.decided(1);
    assert.deepEqual(
      decision?.recipients.map(({ mailbox, outcome }) => [mailbox.local, outcome]),
      [
        ['user', 'deferred'],
        ['other', 'accepted'],
      ],
    );
  });

  it('nowhere: the message is let in, with the id in the journal', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    const [at, answer] = await walk(mta);
    assert.deepEqual([at, answer.kind], ['message', 'accept']);
    const [decision] = await world.decided(1);
    assert.equal(decision?.outcome, 'accepted');
    assert.deepEqual(decision.reply?.lines, [`Let in, id ${decision.id}`]);
    assert.deepEqual(world.standings.get(CLIENT), { good: 1, bad: 0 });
  });
});

describe('what the MTA knows', () => {
  it('address, server, TLS and authentication become facts', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    mta.macros('C', { j: 'mail.example.org', '{daemon_addr}': '198.51.100.25', '{daemon_port}': '25' });
    await mta.from('2001:db8::7', 'client.example.net', 54_321);
    mta.macros('H', { '{tls_version}': 'TLSv1.3', '{cipher}': 'TLS_AES_256_GCM_SHA384' });
    await mta.helo('client.example.net');
    mta.macros('M', { '{auth_type}': 'PLAIN', '{auth_authen}': 'bea' });
    await mta.mail('bea@example.org', 'SIZE=1000');
    await mta.rcpt('user@example.org');
    const { changes } = await mta.message(MESSAGE);
    assert.ok(changes[0]?.startsWith('insert 0 X-Postern: id='), changes[0]);
    assert.equal(
      changes[1],
      'insert 0 Authentication-Results: mx.example.org;\n\tauth=pass (plain) smtp.auth=bea',
    );
    const [decision] = await world.decided(1);
    const { session, transaction } = decision ?? {};
    assert.deepEqual(session?.client, { address: '2001:db8::7', port: 54_321 });
    assert.deepEqual(session.server, { address: '198.51.100.25', port: 25 });
    assert.deepEqual(session.tls, { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' });
    assert.deepEqual(session.authenticated, { identity: 'bea', mechanism: 'PLAIN' });
    assert.equal(transaction?.parameters.sizeOctets, 1000);
  });

  it('notices STARTTLS that no second HELO followed, and forgets the first (RFC 3207 4.2)', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    await mta.from(CLIENT);
    await mta.helo('in-clear.example.net');
    mta.macros('M', { '{tls_version}': 'TLSv1.3', '{cipher}': 'TLS_AES_256_GCM_SHA384' });
    await mta.mail('a@example.net');
    await mta.rcpt('user@example.org');
    await mta.message(MESSAGE);
    const [decision] = await world.decided(1);
    assert.deepEqual(decision?.session.tls, { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' });
    assert.equal(decision.session.helo, undefined);
    // With the next message nothing began anew, and what was said over TLS stays.
    mta.macros('H', { '{tls_version}': 'TLSv1.3', '{cipher}': 'TLS_AES_256_GCM_SHA384' });
    await mta.helo('client.example.net');
    mta.macros('M', { '{tls_version}': 'TLSv1.3', '{cipher}': 'TLS_AES_256_GCM_SHA384' });
    await mta.mail('a@example.net');
    mta.send('Q');
    assert.equal((await world.decided(2))[1]?.session.helo?.name, 'client.example.net');
  });

  it('says {if_addr} where it is Sendmail', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    mta.macros('C', { '{if_addr}': 'IPv6:2001:db8::25' });
    await upToRcpt(mta);
    mta.send('Q');
    const [decision] = await world.decided(1);
    assert.deepEqual(decision?.session.server, { address: '2001:db8::25', port: 0 });
  });

  it('asks for macros at each stage, and for no body that nobody reads', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    assert.match(mta.macroLists.get(0) ?? '', /\{daemon_addr\}/);
    assert.match(mta.macroLists.get(2) ?? '', /\{auth_authen\}/);
    assert.equal(mta.protocol & 0x10, 0x10);
    assert.equal(mta.protocol & 0x800, 0x800);
    world.rejudge({ checks: [[scriptedCheck({ stage: 'endOfMessage' })]] });
    const other = await world.connect();
    assert.equal(other.protocol & 0x10, 0);
    assert.equal(other.protocol & 0x800, 0);
  });

  it('takes mail that came by no network for the MTA’s own business', async (t) => {
    const world = await startMilter(t, {
      checks: [[scriptedCheck({ stage: 'connect', act: () => 'fail' })]],
    });
    const mta = await world.connect();
    assert.equal((await mta.ask('C', 'localhost', Buffer.from('L\0\0'), '/var/run/smtp')).kind, 'accept');
    assert.equal((await mta.mail('root@example.org')).kind, 'accept');
    mta.send('K');
    assert.equal((await mta.ask('C', 'localhost', Buffer.from('U'))).kind, 'accept');
    assert.deepEqual(world.troubles, []);
    assert.deepEqual(world.decisions, []);
  });

  for (const [what, mail, rcpt] of [
    ['sender', '<@example.net>', '<user@example.org>'],
    ['recipient', '<a@example.net>', '<nobody@>'],
  ] as const) {
    it(`a ${what} that is no address is deferred, and the journal has it`, async (t) => {
      const world = await startMilter(t);
      const mta = await world.connect();
      await mta.from(CLIENT);
      await mta.helo('client.example.net');
      const mailed = await mta.ask('M', mail);
      const answer = what === 'sender' ? mailed : await mta.ask('R', rcpt);
      assert.equal(answer.text, '450 4.1.0 Not now: this address cannot be judged');
      mta.send('Q');
      await mta.closed;
      await world.milter.stop();
      assert.equal(world.decisions.length, 1);
      const [decision] = world.decisions;
      assert.equal(decision?.outcome, 'deferred');
      assert.equal(decision.reply?.lines[0], 'Not now: this address cannot be judged');
      const shown =
        what === 'sender' ? decision.transaction?.reversePath : decision.recipients.map((r) => r.mailbox)[0];
      assert.deepEqual(shown, { local: what === 'sender' ? '@example.net' : 'nobody@', domain: '' });
      assert.deepEqual(world.troubles, []);
    });
  }
});

it('a sender that is no address does not hide what comes behind it', async (t) => {
  const world = await startMilter(t);
  const mta = await world.connect();
  await mta.from(CLIENT);
  await mta.helo('client.example.net');
  await mta.ask('M', `<${'x'.repeat(500)}@@>`);
  await mta.mail('a@example.net');
  await mta.rcpt('user@example.org');
  assert.equal((await mta.message(MESSAGE)).kind, 'accept');
  const decisions = await world.decided(2);
  assert.deepEqual(
    decisions.map((d) => d.outcome),
    ['deferred', 'accepted'],
  );
  assert.equal(decisions[0]?.sessionId, decisions[1]?.sessionId);
  assert.equal(decisions[0]?.transaction?.reversePath?.local.length, 256);
});

describe('whom the MTA refuses', () => {
  const REFUSED = {
    '{rcpt_mailer}': 'error',
    '{rcpt_host}': '5.1.1',
    '{rcpt_addr}': '<no@example.org>: Recipient address rejected: User unknown',
  };

  it('is a guess, and no recipient of the message; nobody else is refused for it', async (t) => {
    const world = await startMilter(t, { checks: [[recipientList], [recipients]] });
    const mta = await world.connect();
    mta.macros('R', {});
    await upToRcpt(mta);
    mta.macros('R', REFUSED);
    const answer = await mta.rcpt('no@example.org');
    assert.match(answer.text, /^550 5\.1\.1 Refused: <no@example\.org> is no mailbox here \(recipients\)/);
    await mta.message(MESSAGE);
    const [decision] = await world.decided(1);
    assert.deepEqual(
      decision?.recipients.map(({ outcome, code }) => [outcome, code]),
      [
        ['accepted', undefined],
        ['refused', 'unknown'],
      ],
    );
    assert.equal(decision.session.guesses, 1);
    // The MTA's answer costs nothing: it is asked again, and may have learnt of a new mailbox.
    mta.macros('R', { '{rcpt_mailer}': 'local' });
    await mta.mail('a@example.net');
    mta.macros('R', { '{rcpt_mailer}': 'local' });
    assert.equal((await mta.rcpt('no@example.org')).kind, 'continue');
  });

  it('is refused for us too where the check only observes', async (t) => {
    const world = await startMilter(t, { checks: [[recipients, { on_fail: 'observe' }]] });
    const mta = await world.connect();
    await mta.from(CLIENT);
    await mta.helo('client.example.net');
    await mta.mail('a@example.net');
    mta.macros('R', { ...REFUSED, '{rcpt_addr}': '550 5.1.1 <no@example.org>: User unknown' });
    assert.equal((await mta.rcpt('no@example.org')).text, '550 5.1.1 <no@example.org>: User unknown');
    mta.send('A');
    const [decision] = await world.decided(1);
    assert.equal(decision?.outcome, 'refused');
  });
});

describe('one client after the other', () => {
  it('ABORT ends the message alone, and leaves what is known of the client', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    await upToRcpt(mta);
    mta.send('A');
    assert.equal((await mta.mail('b@example.net')).kind, 'continue');
    assert.equal((await mta.rcpt('user@example.org')).kind, 'continue');
    assert.equal((await mta.message(MESSAGE)).kind, 'accept');
    const decisions = await world.decided(2);
    assert.deepEqual(
      decisions.map((d) => d.outcome),
      ['abandoned', 'accepted'],
    );
    assert.deepEqual(
      decisions.map((d) => d.session.helo?.name),
      ['client.example.net', 'client.example.net'],
    );
    assert.equal(decisions[0]?.sessionId, decisions[1]?.sessionId);
  });

  it('ABORT in the midst of a header or a body ends it as well', async (t) => {
    const world = await startMilter(t, { checks: [[scriptedCheck({ stage: 'endOfMessage' })]] });
    const mta = await world.connect();
    await upToRcpt(mta);
    await mta.header('X-Postern', ' forged');
    mta.send('A');
    await mta.mail('b@example.net');
    await mta.rcpt('user@example.org');
    await mta.ask('N');
    await mta.body('text\r\n');
    mta.send('A');
    await mta.mail('c@example.net');
    await mta.rcpt('user@example.org');
    const { kind, changes } = await mta.message(MESSAGE);
    assert.equal(kind, 'accept');
    assert.ok(changes.every((change) => change.startsWith('insert')));
    const decisions = await world.decided(3);
    assert.deepEqual(
      decisions.map((d) => d.outcome),
      ['abandoned', 'abandoned', 'accepted'],
    );
    assert.equal(decisions[2]?.sizeOctets, MESSAGE.length);
  });

  it('QUIT_NC forgets everything of the client', async (t) => {
    const world = await startMilter(t);
    const mta = await world.connect();
    mta.macros('M', { '{auth_authen}': 'bea' });
    await upToRcpt(mta);
    mta.send('K');
    await mta.from('192.0.2.8');
    await mta.helo('other.example.net');
    await mta.mail('b@example.net');
    await mta.rcpt('user@example.org');
    await mta.message(MESSAGE);
    const decisions = await world.decided(2);
    assert.deepEqual(
      decisions.map((d) => d.session.client.address),
      [CLIENT, '192.0.2.8'],
    );
    assert.equal(decisions[1]?.session.authenticated, undefined);
    assert.notEqual(decisions[0]?.sessionId, decisions[1]?.sessionId);
  });

  it('recipients that want to be treated otherwise go in a transaction of their own', async (t) => {
    const world = await startMilter(t, {
      checks: [[greylist], [recipients]],
      ports: { greylist: { attempt: () => ({ kind: 'known' }) } },
    });
    const mta = await world.connect();
    await upToRcpt(mta);
    assert.equal(
      (await mta.rcpt('postmaster@example.org')).text,
      '452 4.5.3 Send this recipient in a transaction of its own',
    );
    assert.equal((await mta.message(MESSAGE)).kind, 'accept');
    const [decision] = await world.decided(1);
    assert.deepEqual(
      decision?.recipients.map((r) => r.outcome),
      ['accepted', 'deferred'],
    );
  });

  it('DATA that was refused is refused again until the message is over', async (t) => {
    let result: 'fail' | 'pass' = 'fail';
    const world = await startMilter(t, { checks: [[scriptedCheck({ stage: 'data', act: () => result })]] });
    const mta = await world.connect();
    await upToRcpt(mta);
    const first = await mta.ask('T');
    assert.equal(first.kind, 'reply');
    assert.equal((await mta.rcpt('other@example.org')).text, first.text);
    assert.equal((await mta.ask('T')).text, first.text);
    mta.send('A');
    result = 'pass';
    await mta.mail('b@example.net');
    await mta.rcpt('user@example.org');
    assert.equal((await mta.message(MESSAGE)).kind, 'accept');
    const decisions = await world.decided(2);
    assert.deepEqual(
      decisions.map((d) => d.outcome),
      ['refused', 'accepted'],
    );
    assert.deepEqual(world.troubles, []);
  });
});

describe('load and emergency', () => {
  const REPLY = replies.tooBusy();

  it('turn a client away, whatever it says next', async (t) => {
    const world = await startMilter(t, { knock: async () => ({ kind: 'turned-away', reply: REPLY }) });
    const mta = await world.connect();
    const told = '421 4.3.2 Too busy for new connections now, try again later';
    assert.equal((await mta.from(CLIENT)).text, told);
    assert.equal((await mta.helo('client.example.net')).text, told);
    assert.equal((await mta.mail('a@example.net')).text, told);
    mta.send('Q');
    await mta.closed;
    assert.deepEqual([world.decisions, world.troubles], [[], []]);
  });

  it('defer its mail, and the next one is let in when they are over', async (t) => {
    let takes = false;
    let seats = 0;
    const knock = () => {
      seats++;
      return {
        kind: 'seat' as const,
        leave: () => {
          seats--;
        },
        takesMail: () => takes,
      };
    };
    const world = await startMilter(t, { knock });
    const mta = await world.connect();
    await mta.from(CLIENT);
    await mta.helo('client.example.net');
    assert.equal(
      (await mta.mail('a@example.net')).text,
      '451 4.3.2 Too busy for new mail now, try again later',
    );
    takes = true;
    assert.equal((await mta.mail('a@example.net')).kind, 'continue');
    assert.equal(seats, 1);
    mta.send('K');
    await mta.from(CLIENT);
    assert.equal(seats, 1);
    mta.socket.destroy();
    await world.decided(2);
    assert.equal(seats, 0);
  });
});
