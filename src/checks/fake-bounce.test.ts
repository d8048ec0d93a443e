import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import type { Recipient } from '../core/recipient.ts';
import { batvDay, signBatv } from '../mail/batv.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { fakeBounce } from './fake-bounce.ts';

const lines = (...all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');

const DAEMON = 'From: Mail Delivery System <MAILER-DAEMON@mx.example.net>';
const OURS =
  'Received: from [10.0.0.5] (unknown [10.0.0.5]) by mx.example.org (Postfix) with ESMTPSA id 4A; Sat, 21 Nov 2026 09:00:00 +0100';
const THEIRS =
  'Received: from example.org (dsl.example.com [203.0.113.9]) by mx.example.net (Postfix) with SMTP id 4B; Sat, 21 Nov 2026 09:00:00 +0100';
const REST = ['From: joe@example.org', 'Subject: x', 'Message-ID: <1@spam.example.com>'];

/** A report as RFC 3464 has it, with the header that it returns, in `type`. */
function report(
  returned: readonly string[] | undefined,
  type = 'message/rfc822',
  reportType = 'delivery-status',
): string {
  return lines(
    DAEMON,
    `Content-Type: multipart/report; report-type=${reportType}; boundary=b`,
    '',
    '--b',
    '',
    'It could not be delivered.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example.net',
    ...(returned === undefined ? [] : ['--b', `Content-Type: ${type}`, '', ...returned, '', 'the text']),
    '--b--',
  );
}

const text = (from: string, ...body: readonly string[]): string =>
  lines(from, 'Subject: failure notice', '', ...body);

describe('fake-bounce', () => {
  const cases: Record<string, [message: string, code: string, settings?: Record<string, unknown>]> = {
    'a report of a message of ours': [report([THEIRS, OURS, ...REST]), 'ours'],
    'its header alone': [report([OURS, ...REST], 'text/rfc822-headers'), 'ours'],
    'a message of others': [report([THEIRS, ...REST]), 'foreign-unsure'],
    'the same, where our names are known': [
      report([THEIRS, ...REST]),
      'foreign',
      { names: ['smtp.example.com'] },
    ],
    'header of others': [
      report([THEIRS, ...REST], 'text/rfc822-headers'),
      'foreign',
      { names: ['smtp.example.com'] },
    ],
    'a host of `names`': [
      report([THEIRS.replace('mx.example.net', 'SMTP.example.com'), ...REST]),
      'ours',
      { names: ['smtp.example.com'] },
    ],
    'a host below one of `names`': [
      report([THEIRS.replace('mx.example.net', 'a.b.example.com'), ...REST]),
      'ours',
      { names: ['.example.com'] },
    ],
    'a host of our domains': [
      report([THEIRS.replace('mx.example.net', 'mail7.example.org'), ...REST]),
      'ours',
    ],
    'a host that only looks like it': [
      report([THEIRS.replace('mx.example.net', 'badexample.org'), ...REST]),
      'foreign-unsure',
    ],
    'a client with our name': [
      report([THEIRS.replace('dsl.example.com', 'mx.example.org'), ...REST]),
      'ours',
    ],
    'a client whose name may be forged': [
      report([
        THEIRS.replace('203.0.113.9]', '203.0.113.9] (may be forged)').replace(
          'dsl.example.com',
          'mx.example.org',
        ),
        ...REST,
      ]),
      'foreign-unsure',
    ],
    'a client with our address': [report([THEIRS.replace('203.0.113.9', '198.51.100.25'), ...REST]), 'ours'],
    'a private address, which is everybody’s': [
      report([THEIRS.replace('203.0.113.9', '10.0.0.5'), ...REST]),
      'foreign-unsure',
    ],
    'a Message-ID of ours': [report([THEIRS, 'Message-ID: <a@mx.example.org>']), 'ours'],
    'a header without Received': [report(REST), 'no-trace'],
    'a report that returns nothing': [report(undefined), 'nothing-returned'],
    'a receipt': [report([THEIRS, ...REST], 'text/rfc822-headers', 'disposition-notification'), 'no-bounce'],
    'a complaint': [report([THEIRS, ...REST], 'message/rfc822', 'feedback-report'), 'no-bounce'],
    'a vacation reply': [
      text(
        'From: Ann <ann@example.net>',
        'I am away.',
        '> From: joe@example.org',
        '> Subject: x',
        '> Date: y',
      ),
      'no-bounce',
    ],
    'a vacation reply with a message in it': [
      lines('From: ann@example.net', 'Content-Type: message/rfc822', '', THEIRS, ''),
      'no-bounce',
    ],
    'a text that returns a message of ours': [
      text(
        DAEMON,
        'Hi. This is the qmail-send program.',
        '',
        '--- Below this line is a copy of the message.',
        '',
        'Return-Path: <joe@example.org>',
        OURS,
        ...REST,
        '',
        'Hi',
      ),
      'ours',
    ],
    'an automatic reply that quotes a header, where our names are known': [
      text(
        'From: Ann <ann@example.net>',
        'I got this:',
        '',
        '> Return-Path: <x@example.net>',
        `> ${THEIRS}`,
        ...REST,
      ),
      'foreign-unsure',
      { names: ['smtp.example.com'] },
    ],
    'a text of a daemon, where our names are known': [
      text(DAEMON, 'This is a copy of the message:', '', 'Return-path: <joe@example.org>', THEIRS, ...REST),
      'foreign',
      { names: ['smtp.example.com'] },
    ],
    'a text that returns a message of others': [
      text(
        'From: x@example.net',
        'This is a copy of the message:',
        '',
        'Return-path: <joe@example.org>',
        THEIRS,
        ...REST,
      ),
      'foreign-unsure',
    ],
    'the same, quoted': [text(DAEMON, `> ${THEIRS}`, ...REST.map((line) => `> ${line}`)), 'foreign-unsure'],
    'a text that returns nothing': [
      text(DAEMON, 'The mailbox <joe@example.org>: is full'),
      'nothing-returned',
    ],
    'a daemon without address': [
      text('From: MAILER-DAEMON (Mail Delivery Subsystem)', 'No.'),
      'nothing-returned',
    ],
    'an old bounce with the message attached': [
      lines(
        DAEMON,
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        'Content-Type: message/rfc822',
        '',
        THEIRS,
        ...REST,
        '',
        '--b--',
      ),
      'foreign-unsure',
    ],
    'nothing at all': ['', 'no-bounce'],
  };
  const results: Record<string, string> = {
    ours: 'pass',
    tagged: 'pass',
    'no-bounce': 'none',
    'not-null': 'none',
  };
  for (const [name, [message, code, settings = {}]] of Object.entries(cases)) {
    it(`${code}: ${name}`, async () => {
      const { findings } = await ask(
        fakeBounce,
        { from: '<>', recipients: ['joe@example.org'], message },
        {},
        settings,
      );
      assert.equal(findings.length, 1);
      assert.equal(findings[0]?.code, code);
      assert.equal(findings[0].result, results[code] ?? 'fail');
    });
  }

  it('leaves alone what has a sender', async () => {
    const message = report([THEIRS, ...REST]);
    const { findings, evidence } = await ask(fakeBounce, { from: 'a@example.net', message });
    assert.equal(findings[0]?.code, 'not-null');
    assert.equal(evidence, null);
  });

  describe('with keys', () => {
    const settings = {
      batv_keys: ['1:a new secret of ours', '0:an old secret of ours'],
      names: ['smtp.example.com'],
    };
    // The facts of the fakes are of the first day of 1970.
    const key = { number: 0, secret: 'an old secret of ours' };
    const joe = { local: 'joe', domain: 'example.org' };
    const signed = formatMailbox(signBatv(joe, key, batvDay(0))!);
    const fake = report([THEIRS, ...REST]);
    const tagCases: [name: string, recipient: string | Recipient, message: string, code: string][] = [
      ['a tag of ours, whatever is returned', { ...joe, tag: 'valid' }, fake, 'tagged'],
      ['a tag that is wrong', { ...joe, tag: 'wrong' }, report([OURS]), 'untagged'],
      ['a tag that has expired', { ...joe, tag: 'expired' }, report([OURS]), 'untagged'],
      ['a tag of a stranger', 'prvs=0123abcdef=joe@example.net', fake, 'foreign'],
      ['no tag on a bounce, even where it shows our name', 'joe@example.org', report([OURS]), 'untagged'],
      ['no tag on what is no bounce', 'joe@example.org', text('From: ann@example.net', 'Away.'), 'no-bounce'],
    ];
    for (const [name, recipient, message, code] of tagCases) {
      it(`${code}: ${name}`, async () => {
        const { findings } = await ask(
          fakeBounce,
          { from: '<>', recipients: [recipient], message },
          {},
          settings,
        );
        assert.equal(findings[0]?.code, code);
      });
    }

    it('knows a signed return path in what is returned', async () => {
      const message = report([THEIRS, `Return-Path: <${signed}>`]);
      const { findings } = await ask(
        fakeBounce,
        { from: '<>', recipients: ['x@example.net'], message },
        {},
        settings,
      );
      assert.equal(findings[0]?.code, 'ours');
    });
  });

  it('refuses only what it is sure of', () => {
    const { defaults } = fakeBounce;
    const refused = Object.keys(fakeBounce.codes).filter(
      (code) => results[code] === undefined && defaults.actions?.[code] === undefined,
    );
    assert.deepEqual(refused, ['foreign', 'untagged']);
  });

  it('wants names that are names, and keys with a number of their own', () => {
    const schema = checkSchema(fakeBounce);
    const good: object[] = [
      { names: ['A.example'] },
      { names: ['.a.example'] },
      { batv_keys: ['0:0123456789abcdef'] },
    ];
    const bad: object[] = [
      { names: ['a b'] },
      { names: ['.'] },
      { batv_keys: ['0:0123456789abcde'] },
      { batv_keys: ['x:0123456789abcdef'] },
      { batv_keys: ['0:0123456789abcdef', '0:0123456789abcdef'] },
    ];
    for (const settings of good) assert.ok(schema.safeParse(settings).success, JSON.stringify(settings));
    for (const settings of bad) assert.ok(!schema.safeParse(settings).success, JSON.stringify(settings));
  });
});
