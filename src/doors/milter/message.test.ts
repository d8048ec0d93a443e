import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scriptedCheck } from '../../../test/fakes/scripted-check.ts';
import { startMilter, type FakeServiceOptions } from '../../../test/fakes/services.ts';
import type { Mta, MtaAnswer, MtaOptions } from '../../../test/milter.ts';
import type { Cleanup } from '../../../test/program.ts';
import type { AnyCheck } from '../../core/check.ts';
import type { Ports } from '../../core/ports.ts';
import { checkBatv, batvDay } from '../../mail/batv.ts';
import { parseReversePath } from '../../mail/path.ts';
import { networkSet } from '../../mail/networks.ts';
import { MAX_HEADER_FIELDS } from '../../wire/smtp/content.ts';
import type { IncomingContent } from '../session.ts';

async function upToRcpt(mta: Mta, client = '192.0.2.7', from = 'a@example.net'): Promise<void> {
  await mta.from(client);
  await mta.helo('client.example.net');
  await mta.mail(from);
  await mta.rcpt('user@example.org');
}

async function send(
  t: Cleanup,
  message: string,
  options: FakeServiceOptions & { readonly client?: string; readonly mta?: Partial<MtaOptions> } = {},
): Promise<MtaAnswer & { readonly id: string; readonly troubles: readonly unknown[] }> {
  const world = await startMilter(t, options);
  const mta = await world.connect(options.mta);
  await upToRcpt(mta, options.client);
  const answer = await mta.message(message);
  const [decision] = await world.decided(1);
  return { ...answer, id: decision?.id ?? '', troubles: world.troubles };
}

/** A check that keeps the message as the checks see it. */
function reader(seen: Buffer[]): AnyCheck {
  const gather = async (_signal: AbortSignal, { message }: Ports) => {
    for await (const chunk of message?.content.chunks() ?? []) seen.push(chunk);
    return null;
  };
  return scriptedCheck({ stage: 'endOfMessage', gather });
}

describe('header fields', () => {
  it('of ours go on top, in the order in which a gateway has them', async (t) => {
    const { kind, changes, id } = await send(t, 'Subject: x\r\n\r\nText\r\n');
    assert.equal(kind, 'accept');
    assert.deepEqual(changes, [`insert 0 X-Postern: id=${id}; suspicion=0`]);
  });

  it('have no space before them where the MTA puts one itself', async (t) => {
    const { changes, id } = await send(t, 'Subject: x\r\n\r\nText\r\n', {
      mta: { protocol: 0x1fffff & ~0x100000 },
    });
    assert.deepEqual(changes, [`insert 0 X-Postern:id=${id}; suspicion=0`]);
  });

  const FORGED =
    'X-Postern: id=FORGED00\r\n' +
    'Authentication-Results: mail.example.net; spf=pass\r\n' +
    'authentication-results: MX.example.org;\r\n\tspf=pass\r\n' +
    'Subject: x\r\n' +
    'X-Spam-Flag: NO\r\n' +
    'x-postern: id=FORGED01\r\n' +
    'Authentication-Results: (a \\) comment) "mx.example.org" 1; dkim=pass\r\n' +
    'X-Postern-Other: stays\r\n\r\nText\r\n';

  it('that are forged are taken out, the last of a name first', async (t) => {
    const { changes } = await send(t, FORGED);
    assert.deepEqual(changes.slice(0, -1), [
      'change 3 Authentication-Results:',
      'change 2 x-postern:',
      'change 1 X-Spam-Flag:',
      'change 2 authentication-results:',
      'change 1 X-Postern:',
    ]);
    assert.match(changes.at(-1) ?? '', /^insert 0 X-Postern: id=/);
  });

  it('of our own scanners behind us stay on mail from inside', async (t) => {
    const { changes } = await send(t, FORGED, { client: '10.1.2.3' });
    assert.ok(!changes.some((change) => change.includes('X-Spam-Flag')));
    assert.ok(changes.includes('change 1 X-Postern:'));
  });

  it('are counted as the MTA counts them, behind a name that is none for us too', async (t) => {
    const { changes } = await send(t, 'S\xfcbject: x\r\nX-Postern: forged\r\n\r\nText\r\n');
    assert.equal(changes[0], 'change 1 X-Postern:');
  });

  it('of a message that is refused stay as they are', async (t) => {
    const { kind, changes } = await send(t, FORGED, {
      checks: [[scriptedCheck({ stage: 'endOfMessage', act: () => 'fail' })]],
    });
    assert.deepEqual([kind, changes], ['reply', []]);
  });

  it('are not changed where the MTA does not allow it, and the mail goes through', async (t) => {
    const { kind, changes } = await send(t, FORGED, { mta: { actions: 0x1 } });
    assert.equal(kind, 'accept');
    assert.equal(changes.length, 1);
  });

  it('tell of the score where a scanner gave one', async (t) => {
    const also = { spam: { isSpam: true, score: 7.1, required: 5, tests: ['A_TEST', 'B_TEST'] } };
    const { changes } = await send(t, 'Subject: x\r\n\r\nText\r\n', {
      checks: [[scriptedCheck({ stage: 'endOfMessage', also })]],
    });
    assert.deepEqual(changes.slice(0, 2), [
      'insert 0 X-Spam-Status: Yes, score=7.1 required=5.0\n\ttests=A_TEST,B_TEST',
      'insert 0 X-Spam-Flag: YES',
    ]);
    assert.match(changes[2] ?? '', /^insert 0 X-Postern: /);
  });
});

describe('the message as the checks see it', () => {
  const MESSAGES: [string, string][] = [
    ['folded fields', 'Subject: a\r\n b\r\n\tc\r\nTo:\r\n u@example.org\r\n\r\nText\r\n'],
    ['no space behind the colon', 'Subject:a\r\nX:\r\nY:  two\r\n\r\nText\r\n'],
    ['no body', 'Subject: a\r\n\r\n'],
    ['a body of more than one piece', `Subject: a\r\n\r\n${'0123456789\r\n'.repeat(12_000)}`],
    ['octets above 127', 'Subject: \xe4\r\n\r\n\xff\xfe\r\n'],
  ];
  for (const [name, message] of MESSAGES) {
    it(`is what came, octet for octet: ${name}`, async (t) => {
      const seen: Buffer[] = [];
      const { kind } = await send(t, message, { checks: [[reader(seen)]] });
      assert.equal(kind, 'accept');
      assert.equal(Buffer.concat(seen).toString('latin1'), message);
    });
  }

  it('has one space behind each colon where the MTA keeps it to itself', async (t) => {
    const seen: Buffer[] = [];
    const world = await startMilter(t, { checks: [[reader(seen)]] });
    const mta = await world.connect({ protocol: 0x1fffff & ~0x100000 });
    await upToRcpt(mta);
    await mta.header('Subject', 'x');
    await mta.ask('N');
    await mta.endOfMessage();
    assert.equal(Buffer.concat(seen).toString('latin1'), 'Subject: x\r\n\r\n');
  });

  it('has a body that came along with its end', async (t) => {
    const seen: Buffer[] = [];
    const world = await startMilter(t, { checks: [[reader(seen)]] });
    const mta = await world.connect();
    await upToRcpt(mta);
    await mta.header('Subject', ' x');
    await mta.ask('N');
    assert.equal((await mta.ask('E', Buffer.from('Text\r\n'))).kind, 'accept');
    assert.equal(Buffer.concat(seen).toString('latin1'), 'Subject: x\r\n\r\nText\r\n');
  });
});

describe('limits', () => {
  const BODY = [[scriptedCheck({ stage: 'endOfMessage' })]] as const;
  for (const [octets, kind] of [
    [999, 'accept'],
    [1000, 'accept'],
    [1001, 'reply'],
  ] as const) {
    it(`a message of ${octets} octets, where 1000 are the most`, async (t) => {
      const head = 'Subject: x\r\n\r\n';
      const message = head + 'x'.repeat(octets - head.length);
      const limits = { messageOctets: 1000 };
      const answer = await send(t, message, { checks: BODY, limits });
      assert.equal(answer.kind, kind);
      if (kind === 'reply')
        assert.equal(answer.text, '552 5.3.4 Refused: the message is larger than 1000 octets');
    });

    it(`a header of ${octets} octets, where 1000 are the most`, async (t) => {
      const message = `Subject: ${'x'.repeat(octets - 11)}\r\n\r\nText\r\n`;
      const answer = await send(t, message, { checks: BODY, limits: { headerOctets: 1000 } });
      assert.equal(answer.kind, kind);
      if (kind === 'reply')
        assert.equal(answer.text, '552 5.3.4 Refused: the header is larger than 1000 octets');
    });
  }

  for (const [more, kind] of [
    [0, 'accept'],
    [1, 'reply'],
  ] as const) {
    it(`a header of ${more} fields more than there may be`, async (t) => {
      const message = `${'A: b\r\n'.repeat(MAX_HEADER_FIELDS + more)}\r\nText\r\n`;
      const answer = await send(t, message, { checks: BODY });
      assert.equal(answer.kind, kind);
      if (kind === 'reply')
        assert.equal(answer.text, '552 5.3.4 Refused: the header has more than 2000 fields');
    });
  }

  it('what is past the limit is neither kept nor asked for', async (t) => {
    let kept = 0;
    const incoming = (): IncomingContent => ({
      append: (bytes) => void (kept += bytes.length),
      finish: async () => ({ kind: 'failed', reason: 'not asked' }),
      dispose: () => undefined,
    });
    const world = await startMilter(t, { checks: BODY, incoming, limits: { messageOctets: 1000 } });
    const mta = await world.connect();
    await upToRcpt(mta);
    await mta.header('Subject', ' x');
    await mta.ask('N');
    assert.equal((await mta.body('x'.repeat(900))).kind, 'continue');
    assert.equal((await mta.body('x'.repeat(900))).kind, 'skip');
    assert.ok(kept < 1000);
    assert.match((await mta.endOfMessage()).text, /^552 5\.3\.4 /);
    const [decision] = await world.decided(1);
    assert.equal(decision?.outcome, 'refused');
  });
});

describe('a spool in trouble', () => {
  for (const trouble of [{ kind: 'disk-full' }, { kind: 'failed', reason: 'no more' }] as const) {
    it(`defers: ${trouble.kind}`, async (t) => {
      let disposed = 0;
      const incoming = (): IncomingContent => ({
        append: () => undefined,
        finish: async () => trouble,
        dispose: () => {
          disposed++;
        },
      });
      const { text, troubles } = await send(t, 'Subject: x\r\n\r\nText\r\n', { incoming });
      assert.equal(text, '452 4.3.1 No room for the message now, try again later');
      assert.equal(troubles.length, 1);
      assert.equal(disposed, 1);
    });
  }
});

describe('a sender of ours', () => {
  const KEY = { number: 3, secret: 'a secret of some length' };
  const SIGNING = { batvKeys: [KEY], signsOutgoing: true, networks: networkSet(['10.0.0.0/8']) };
  const from = async (
    t: Cleanup,
    client: string,
    sender: string,
    options: FakeServiceOptions = { site: SIGNING },
    login?: string,
  ) => {
    const world = await startMilter(t, options);
    const mta = await world.connect();
    await mta.from(client);
    await mta.helo('client.example.net');
    if (login !== undefined) mta.macros('M', { '{auth_authen}': login });
    await mta.mail(sender);
    await mta.rcpt('user@example.net');
    const { kind, changes } = await mta.message('Subject: x\r\n\r\nText\r\n');
    assert.equal(kind, 'accept');
    return changes.filter((change) => change.startsWith('sender'));
  };

  for (const [name, client, login] of [
    ['in our own networks', '10.1.2.3', undefined],
    ['that has authenticated', '192.0.2.7', 'bea'],
  ] as const) {
    it(`is signed for a client ${name}`, async (t) => {
      const [signed = ''] = await from(t, client, 'bea@example.org', undefined, login);
      const path = parseReversePath(signed.slice('sender '.length), {});
      assert.ok(path.kind === 'path' && path.path !== null, signed);
      const result = checkBatv(path.path, [KEY], batvDay(Date.now()));
      assert.deepEqual(result, { kind: 'valid', mailbox: { local: 'bea', domain: 'example.org' } });
    });
  }

  for (const [name, client, sender, site] of [
    ['a stranger', '192.0.2.7', 'bea@example.org', SIGNING],
    ['a sender elsewhere', '10.1.2.3', 'a@example.net', SIGNING],
    ['the null sender', '10.1.2.3', '', SIGNING],
    ['no key', '10.1.2.3', 'bea@example.org', { ...SIGNING, batvKeys: [] }],
    ['keys that only check', '10.1.2.3', 'bea@example.org', { ...SIGNING, signsOutgoing: false }],
    ['no room for a tag', '10.1.2.3', `${'b'.repeat(60)}@example.org`, SIGNING],
  ] as const) {
    it(`is not signed: ${name}`, async (t) => {
      assert.deepEqual(await from(t, client, sender, { site }), []);
    });
  }
});
