import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyCheck } from '../../core/check.ts';
import { defineCheck } from '../../core/check.ts';
import { networkSet } from '../../mail/networks.ts';
import { reply } from '../../mail/reply.ts';
import { pipelining } from '../../checks/pipelining.ts';
import { recipients } from '../../checks/recipients.ts';
import { relay } from '../../checks/relay.ts';
import { DEFERS, FakeBackend, REFUSES, type Behaviour, type Call } from '../../../test/fakes/backend.ts';
import { startGateway, upToRcpt } from '../../../test/fakes/gateway.ts';
import { sendMail } from '../../../test/smtp.ts';
import { z } from 'zod';

const MESSAGE = 'Subject: x\r\nFrom: a@example.net\r\n\r\nText\r\n.leading dot\r\n\r\n';
const MAIL = { from: 'sender@example.net', to: 'user@example.org', message: MESSAGE };

/** A check of the test's own, that does at its stage what the test wants. */
function scripted(stage: AnyCheck['stage'], act: () => 'pass' | 'fail', gather?: () => Promise<null>) {
  return defineCheck({
    name: `scripted-${stage}`,
    summary: 'Does what the test says.',
    stage,
    cost: 'memory',
    codes: { pass: 'passed', fail: 'failed' },
    settings: z.strictObject({}),
    defaults: { on_fail: 'refuse', on_temperror: 'defer', weight: 0, refuse_at: 'earliest' },
    lifted: 'by-any',
    ...(gather === undefined ? {} : { cost: 'store' as const, gather }),
    judge: () => {
      const result = act();
      return [{ result, code: result, text: 'the test says so', enhanced: '5.7.1' }];
    },
  });
}

describe('a message', () => {
  it('is handed on octet for octet below the fields added', async (t) => {
    const world = await startGateway(t);
    const peer = await world.connect();
    const { step, heard } = await sendMail(peer, MAIL);
    assert.deepEqual([step, heard.code], ['message', 250]);
    const [taken] = world.backend.taken;
    const text = taken!.bytes.toString('latin1');
    assert.ok(text.endsWith(MESSAGE));
    const added = text.slice(0, -MESSAGE.length);
    const [decision] = await world.decided(1);
    assert.equal(decision!.outcome, 'accepted');
    assert.match(
      added,
      /^Received: from client\.example\.net \(unknown \[127\.0\.0\.1\]\)\r\n\tby mx\.example\.org \(Postern\) with ESMTP id \w{8}\r\n\tfor <user@example\.org>;\r\n\t.* \+0000\r\nX-Postern: id=\w{8}; suspicion=0\r\n$/,
    );
    assert.ok(added.includes(`id ${decision!.id}`) && heard.lines[0]!.includes(decision!.id));
    assert.deepEqual(taken!.recipients, ['user@example.org']);
    assert.equal(taken!.envelope.client.heloName, 'client.example.net');
    assert.equal(decision!.sizeOctets, MESSAGE.length);
    assert.deepEqual(world.standings.get('127.0.0.1'), { good: 1, bad: 0 });
  });

  it('follows another in the same session, and the verbs around it are answered', async (t) => {
    const world = await startGateway(t);
    const peer = await world.connect();
    assert.equal((await sendMail(peer, MAIL)).heard.code, 250);
    for (const [line, code] of [
      ['NOOP', 250],
      ['VRFY user', 252],
      ['HELP', 214],
      ['EXPN x', 502],
      ['MAIL FROM:<>', 250],
      ['RSET', 250],
      ['HELO again.example.net', 250],
      ['MAIL FROM:<b@example.net>', 250],
      ['RCPT TO:<Postmaster>', 250],
      ['DATA', 354],
    ] as const) {
      assert.equal((await peer.say(line)).code, code, line);
    }
    assert.equal((await peer.say('Subject: y\r\n\r\n.')).code, 250);
    assert.equal((await peer.say('QUIT')).code, 221);
    await peer.closed;
    assert.deepEqual(
      (await world.decided(3)).map((d) => d.outcome),
      ['accepted', 'abandoned', 'accepted'],
    );
    assert.deepEqual(world.backend.taken[1]!.recipients, ['Postmaster@example.org']);
    assert.match(world.backend.taken[1]!.bytes.toString(), / with SMTP id /);
  });

  const troubles: [call: Call, does: Behaviour, at: 'rcpt' | 'message', code: number][] = [
    ['begin', 'dies', 'rcpt', 450],
    ['begin', DEFERS, 'rcpt', 451],
    ['begin', REFUSES, 'rcpt', 550],
    ['begin', 'throws', 'rcpt', 450],
    ['rcpt', 'dies', 'rcpt', 450],
    ['rcpt', DEFERS, 'rcpt', 451],
    ['rcpt', REFUSES, 'rcpt', 550],
    ['rcpt', 'throws', 'rcpt', 450],
    ['send', 'dies', 'message', 451],
    ['send', DEFERS, 'message', 451],
    ['send', REFUSES, 'message', 550],
    ['send', 'throws', 'message', 421],
  ];
  for (const [call, does, at, code] of troubles) {
    const what = typeof does === 'string' ? does : `says ${does.code}`;
    it(`is ${code} at ${at} where the backend ${what} at ${call}`, async (t) => {
      const world = await startGateway(t);
      world.backend.at[call] = does;
      const peer = await world.connect();
      const { step, heard } = await sendMail(peer, MAIL);
      assert.deepEqual([step, heard.code], [at, code]);
      assert.deepEqual(world.backend.taken, []);
      peer.close();
      const [decision] = await world.decided(1);
      assert.equal(decision!.outcome, code < 500 ? 'deferred' : 'refused');
      assert.equal(decision!.recipients[0]!.outcome, decision!.outcome);
      // The gate is as well as before.
      world.backend.at[call] = 'takes';
      assert.equal(
        (await sendMail(await world.connect(), { ...MAIL, to: 'other@example.org' })).heard.code,
        250,
      );
    });
  }

  for (const [does, code] of [
    [REFUSES, 550],
    [DEFERS, 451],
    ['dies', 451],
  ] as const) {
    it(`${code} of the backend stands although the check only observes`, async (t) => {
      const world = await startGateway(t, {
        checks: [[recipients, { on_fail: 'observe', on_temperror: 'go-on' }]],
      });
      world.backend.at.rcpt = does;
      const { step, heard } = await sendMail(await world.connect(), MAIL);
      assert.deepEqual([step, heard.code], ['rcpt', code]);
      if (does === REFUSES) assert.match(heard.lines[0]!, /^550 5\.1\.1 No such mailbox$/);
    });
  }

  it('asks the backend itself where no check does', async (t) => {
    const world = await startGateway(t, { checks: [[relay]] });
    world.backend.mailboxes.set('nobody@example.org', REFUSES);
    const peer = await world.connect();
    assert.equal((await upToRcpt(peer, 'nobody@example.org')).code, 550);
    assert.equal((await peer.say('RCPT TO:<user@example.org>')).code, 250);
    assert.equal((await peer.say('DATA')).code, 354);
  });

  it('has one decision with the true outcome when the client leaves during delivery', async (t) => {
    for (const [does, outcome] of [
      ['takes', 'accepted'],
      [DEFERS, 'deferred'],
      ['throws', 'abandoned'],
    ] as const) {
      const world = await startGateway(t);
      world.backend.at.send = does;
      let release: () => void = () => undefined;
      world.backend.hold = new Promise((resolve) => (release = resolve));
      const sent = new Promise<void>((resolve) => (world.backend.onMessage = resolve));
      const peer = await world.connect();
      await upToRcpt(peer);
      await peer.say('DATA');
      await peer.write('Subject: x\r\n\r\n.\r\n');
      await sent;
      peer.socket.resetAndDestroy();
      // Long enough for the gate to see that the client has left: it is counted until its message has come to its end.
      await sleep(20);
      assert.deepEqual([world.gateway.open, world.decisions], [1, []]);
      let stopped = false;
      const stopping = world.gateway.stop().then(() => (stopped = true));
      await sleep(5);
      assert.equal(stopped, false);
      release();
      const decisions = await world.decided(1);
      await stopping;
      assert.equal(world.gateway.open, 0);
      assert.deepEqual(
        decisions.map((d) => d.outcome),
        [outcome],
      );
      assert.equal(world.backend.taken.length, does === 'takes' ? 1 : 0);
    }
  });

  it('is given up with the client that leaves before its end', async (t) => {
    const world = await startGateway(t);
    const peer = await world.connect();
    await upToRcpt(peer);
    await peer.say('DATA');
    await peer.write('Subject: x\r\n\r\nhalf');
    peer.socket.resetAndDestroy();
    const [decision] = await world.decided(1);
    assert.equal(decision!.outcome, 'abandoned');
    assert.deepEqual(world.backend.calls, ['begin', 'rcpt user@example.org', 'abort']);
  });
});

describe('recipients of one transaction', () => {
  it('that go to different backends are split with 452 4.5.3', async (t) => {
    const [one, two] = [new FakeBackend(), new FakeBackend()];
    const world = await startGateway(t, {
      backendFor: (m) => (m.domain === 'a.sub.example.org' ? two : one),
    });
    const peer = await world.connect();
    assert.equal((await upToRcpt(peer)).code, 250);
    assert.match((await peer.say('RCPT TO:<user@a.sub.example.org>')).lines[0]!, /^452 4\.5\.3 /);
    assert.equal((await peer.say('RCPT TO:<more@example.org>')).code, 250);
    await peer.say('DATA');
    assert.equal((await peer.say('\r\n.')).code, 250);
    assert.deepEqual(one.taken[0]!.recipients, ['user@example.org', 'more@example.org']);
    assert.deepEqual(two.calls, []);
    const [decision] = await world.decided(1);
    assert.deepEqual(
      decision!.recipients.map((r) => r.outcome),
      ['accepted', 'deferred', 'accepted'],
    );
  });

  it('go to their own backend although another one refused the first of them', async (t) => {
    const [one, two] = [new FakeBackend(), new FakeBackend()];
    one.at.rcpt = REFUSES;
    const world = await startGateway(t, {
      backendFor: (m) => (m.domain === 'a.sub.example.org' ? two : one),
    });
    const peer = await world.connect();
    assert.equal((await upToRcpt(peer)).code, 550);
    assert.equal((await peer.say('RCPT TO:<user@a.sub.example.org>')).code, 250);
    await peer.say('DATA');
    assert.equal((await peer.say('\r\n.')).code, 250);
    assert.deepEqual(one.calls, ['begin', 'rcpt user@example.org', 'abort']);
    assert.deepEqual(two.taken[0]!.recipients, ['user@a.sub.example.org']);
  });

  it('are one where the backend has a reply for each (LMTP)', async (t) => {
    const backend = new FakeBackend({ capabilities: { recipientsPerTransaction: 1 } });
    const world = await startGateway(t, { backend });
    const peer = await world.connect();
    assert.equal((await upToRcpt(peer)).code, 250);
    assert.match((await peer.say('RCPT TO:<more@example.org>')).lines[0]!, /^452 4\.5\.3 /);
    await peer.say('DATA');
    assert.equal((await peer.say('\r\n.')).code, 250);
    assert.deepEqual(backend.taken[0]!.recipients, ['user@example.org']);
  });

  it('with and without exemption are split with 452 4.5.3 (postmaster and a user)', async (t) => {
    const world = await startGateway(t);
    for (const [first, second] of [
      ['postmaster@example.org', 'user@example.org'],
      ['user@example.org', 'abuse@example.org'],
    ] as const) {
      const peer = await world.connect();
      assert.equal((await upToRcpt(peer, first)).code, 250);
      assert.match((await peer.say(`RCPT TO:<${second}>`)).lines[0]!, /^452 4\.5\.3 /);
      peer.close();
    }
  });

  it('elsewhere are refused, from our networks relayed', async (t) => {
    const world = await startGateway(t);
    assert.match((await upToRcpt(await world.connect(), 'a@example.com')).lines[0]!, /^554 5\.7\.1 /);
    const ours = await startGateway(t, { site: { networks: networkSet(['127.0.0.0/8']) } });
    assert.equal((await sendMail(await ours.connect(), { ...MAIL, to: 'a@example.com' })).heard.code, 250);
    assert.equal((await ours.decided(1))[0]!.outcome, 'relayed');
  });
});

describe('verdicts', () => {
  it('at connect are 554, or 421 where deferred, and the connection ends', async (t) => {
    for (const [on_fail, code, outcome] of [
      ['refuse', 554, 'refused'],
      ['defer', 421, 'deferred'],
    ] as const) {
      const world = await startGateway(t, { checks: [[scripted('connect', () => 'fail'), { on_fail }]] });
      const peer = await world.connect();
      assert.equal((await peer.reply()).code, code);
      await peer.closed;
      const [decision] = await world.decided(1);
      assert.deepEqual([decision!.outcome, decision!.check], [outcome, 'scripted-connect']);
    }
  });

  for (const [stage, lines, code] of [
    ['helo', ['EHLO a.example.net'], 550],
    ['mail', ['EHLO a.example.net', 'MAIL FROM:<a@example.net>'], 550],
  ] as const) {
    it(`at ${stage} leave the session open`, async (t) => {
      let result: 'pass' | 'fail' = 'fail';
      const world = await startGateway(t, { checks: [[scripted(stage, () => result)]] });
      const peer = await world.connect();
      await peer.reply();
      for (const [i, line] of lines.entries()) {
        assert.equal((await peer.say(line)).code, i === lines.length - 1 ? code : 250);
      }
      result = 'pass';
      for (const line of ['EHLO a.example.net', 'MAIL FROM:<a@example.net>', 'RCPT TO:<user@example.org>'])
        assert.equal((await peer.say(line)).code, 250, line);
    });
  }

  it('at DATA stand until RSET, however often the client tries', async (t) => {
    let result: 'pass' | 'fail' = 'fail';
    const world = await startGateway(t, { checks: [[scripted('data', () => result)]] });
    const peer = await world.connect();
    assert.equal((await upToRcpt(peer)).code, 250);
    assert.equal((await peer.say('DATA')).code, 550);
    const [decision] = await world.decided(1);
    assert.deepEqual([decision!.outcome, decision!.check], ['refused', 'scripted-data']);
    result = 'pass';
    assert.equal((await peer.say('DATA')).code, 550);
    assert.equal((await peer.say('RCPT TO:<more@example.org>')).code, 550);
    assert.deepEqual(world.backend.calls, ['begin', 'rcpt user@example.org', 'abort']);
    assert.equal((await peer.say('RSET')).code, 250);
    await peer.say('MAIL FROM:<a@example.net>');
    await peer.say('RCPT TO:<user@example.org>');
    assert.equal((await peer.say('DATA')).code, 354);
    assert.deepEqual(world.troubles, []);
  });

  it('at the end of the message are its reply', async (t) => {
    const world = await startGateway(t, { checks: [[scripted('endOfMessage', () => 'fail')]] });
    const { step, heard } = await sendMail(await world.connect(), MAIL);
    assert.deepEqual([step, heard.code], ['message', 550]);
    assert.deepEqual(world.backend.taken, []);
  });

  it('wait for RCPT where a client does not wait for its turn', async (t) => {
    const world = await startGateway(t);
    const peer = await world.connect();
    await peer.reply();
    await peer.write('EHLO a.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.org>\r\n');
    assert.deepEqual([(await peer.reply()).code, (await peer.reply()).code], [250, 250]);
    assert.match((await peer.reply()).lines[0]!, /^550 5\.5\.0 .*\(pipelining\)/);
    const lenient = [{ clients: networkSet(['127.0.0.1']), envelope: true, pipelining: true }];
    const other = await (await startGateway(t, { lenient, checks: [[pipelining]] })).connect();
    await other.reply();
    await other.write('EHLO a.example.net\r\nMAIL FROM: a@example.net\r\nRCPT TO:<user@example.org>\r\n');
    for (const code of [250, 250, 250]) assert.equal((await other.reply()).code, code);
  });
});

describe('a fault of ours', () => {
  const faults: [name: string, stage: AnyCheck['stage'], said: number[]][] = [
    ['connect', 'connect', [421]],
    ['mail', 'mail', [220, 250, 421]],
  ];
  for (const [name, stage, said] of faults) {
    it(`in judging at ${name} is 421 4.3.0, and the process lives`, async (t) => {
      let broken = true;
      const world = await startGateway(t, {
        checks: [
          [
            scripted(stage, () => {
              if (broken) throw new Error('a bug');
              return 'pass';
            }),
          ],
        ],
      });
      const peer = await world.connect();
      const codes = [(await peer.reply()).code];
      for (const line of ['EHLO a.example.net', 'MAIL FROM:<a@example.net>'].slice(0, said.length - 1))
        codes.push((await peer.say(line)).code);
      assert.deepEqual(codes, said);
      await peer.closed;
      await world.decided(1);
      assert.equal(world.troubles.length, 1);
      broken = false;
      assert.equal((await sendMail(await world.connect(), MAIL)).heard.code, 250);
    });
  }

  it('in asking is 4xx', async (t) => {
    const check = scripted(
      'rcpt',
      () => 'pass',
      async () => {
        throw new Error('the store is gone');
      },
    );
    const world = await startGateway(t, { checks: [[check]] });
    assert.equal((await upToRcpt(await world.connect())).code, 450);
  });

  it('in the lists is 421 at once', async (t) => {
    const lists = {
      find: () => {
        throw new Error('a bug');
      },
    };
    for (const greetPauseMs of [0, 1]) {
      const world = await startGateway(t, {
        ports: { lists },
        greetPauseMs,
        checks: [[scripted('connect', () => 'pass')]],
      });
      const peer = await world.connect();
      assert.match((await peer.reply()).lines[0]!, /^421 4\.3\.0 /);
      await peer.closed;
    }
  });

  it('in the store at the greeting makes every client a stranger, and takes its mail', async (t) => {
    const broken = () => {
      throw new Error('the store is gone');
    };
    const world = await startGateway(t, {
      ports: { standing: { of: broken, note: broken } },
      greetPauseMs: 20,
    });
    const begunMs = performance.now();
    assert.equal((await sendMail(await world.connect(), MAIL)).heard.code, 250);
    assert.ok(performance.now() - begunMs >= 18);
    assert.match(world.troubles[0]!.what, /greet pause/);
  });
});

describe('limits of a session', () => {
  it('transactions: 421 for one more', async (t) => {
    const world = await startGateway(t, { limits: { transactions: 2 } });
    const peer = await world.connect();
    await peer.reply();
    await peer.say('EHLO a.example.net');
    for (const code of [250, 250, 421]) {
      const { code: said, lines } = await peer.say('MAIL FROM:<a@example.net>');
      assert.equal(said, code);
      if (code === 250) await peer.say('RSET');
      else assert.match(lines[0]!, /^421 4\.7\.0 Too many messages in this session, /);
    }
    await peer.closed;
  });

  it('mistakes: 421 for one more', async (t) => {
    const world = await startGateway(t, { protocolLimits: { errors: 2 } });
    const peer = await world.connect();
    await peer.reply();
    assert.deepEqual(
      [(await peer.say('A')).code, (await peer.say('B')).code, (await peer.say('C')).code],
      [500, 500, 421],
    );
    await peer.closed;
  });

  it('a client that never reads is cut', async (t) => {
    const lenient = [{ clients: networkSet(['127.0.0.1']), envelope: false, pipelining: true }];
    const world = await startGateway(t, { lenient, protocolLimits: { commands: 1e9 } });
    const peer = await world.connect();
    await peer.reply();
    peer.socket.pause();
    const flood = 'HELP\r\n'.repeat(10_000);
    const gone = world.decided(1);
    while (world.decisions.length === 0) {
      await Promise.race([peer.write(flood), gone]);
      await new Promise(setImmediate);
    }
    assert.equal(world.gateway.open, 0);
  });
});

describe('the backend', () => {
  it('is told who the client is', async (t) => {
    const world = await startGateway(t);
    const peer = await world.connect();
    await upToRcpt(peer);
    const [envelope] = world.backend.envelopes;
    const { port, ...client } = envelope!.client;
    assert.deepEqual(client, {
      address: '127.0.0.1',
      network: '127.0.0.1',
      heloName: 'client.example.net',
      heloVerb: 'EHLO',
    });
    assert.equal(port, peer.socket.localPort);
    assert.deepEqual(envelope!.reversePath, { local: 'sender', domain: 'example.net' });
  });

  it('says its own words where it refuses the message', async (t) => {
    const world = await startGateway(t);
    world.backend.at.send = reply(554, '5.7.1', 'Looks like spam', 'to me');
    const { heard } = await sendMail(await world.connect(), MAIL);
    assert.deepEqual(heard.lines, ['554-5.7.1 Looks like spam', '554 5.7.1 to me']);
  });
});
