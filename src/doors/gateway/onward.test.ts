import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { MessageContent } from '../../core/delivery.ts';
import type { SessionFacts, TransactionFacts } from '../../core/facts.ts';
import { readHeader } from '../fields.ts';
import { addedFields, onward, onwardHeader, type TraceFacts } from './onward.ts';
import { cutBySizes, whole, type Cut } from '../../../test/feed.ts';

const US = 'mx.example.org';
const ADDED = 'X-Postern: id=K7Q2MX4D; suspicion=0\r\n';

const contentOf = (text: string, cut: Cut = whole): MessageContent => {
  const bytes = Buffer.from(text, 'latin1');
  return { sizeOctets: bytes.length, chunks: () => cut(bytes) };
};

async function sentOn(text: string, cut: Cut = whole, inside = false): Promise<string> {
  const content = contentOf(text, cut);
  const out = onward(content, ADDED, onwardHeader(await readHeader(content, 262_144), US, inside));
  const pieces: Buffer[] = [];
  for await (const piece of out.chunks()) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  assert.equal(out.sizeOctets, bytes.length);
  return bytes.toString('latin1');
}

describe('what is taken out of a header', () => {
  const forged: [name: string, field: string][] = [
    ['our mark', 'X-Postern: id=1; suspicion=-5\r\n'],
    ['our mark, folded', 'x-POSTERN: id=1;\r\n\tsuspicion=-5\r\n folded again\r\n'],
    ['a spam flag', 'X-Spam-Flag: NO\r\n'],
    ['a spam score', 'X-Spam-Score: -99\r\n'],
    ['a spam bar', 'X-Spam-Bar: ----\r\n'],
    ['a spam report', 'X-Spam-Report: nothing found\r\n'],
    ['a spam status', 'X-Spam-Status: No, score=-99.0 required=5.0\r\n\ttests=none\r\n'],
    ['a spam level, in other case', 'x-spam-LEVEL:\r\n'],
    ['results of our name', 'Authentication-Results: mx.example.org; spf=pass\r\n'],
    ['… in other case', 'AUTHENTICATION-RESULTS: MX.Example.ORG; spf=pass\r\n'],
    ['… with a final dot', 'Authentication-Results: mx.example.org.; spf=pass\r\n'],
    ['… on the next line', 'Authentication-Results:\r\n\tmx.example.org;\r\n spf=pass\r\n'],
    ['… with a version', 'Authentication-Results: mx.example.org 1; spf=pass\r\n'],
    ['… behind a comment', 'Authentication-Results: (a (b)) mx.example.org; spf=pass\r\n'],
    ['… with a comment behind', 'Authentication-Results: mx.example.org(c); spf=pass\r\n'],
    ['… behind a quoted parenthesis', 'Authentication-Results: (\\() mx.example.org; spf=pass\r\n'],
    ['… behind one that closes nothing', 'Authentication-Results: )(x) mx.example.org; spf=pass\r\n'],
    ['… quoted', 'Authentication-Results: "mx.example.org"; spf=pass\r\n'],
    ['… quoted with a backslash', 'Authentication-Results: "mx\\.example.org"; spf=pass\r\n'],
    ['… with white space before the colon', 'Authentication-Results : mx.example.org; spf=pass\r\n'],
    ['… without results', 'Authentication-Results: mx.example.org\r\n'],
    ['… with a version behind a slash', 'Authentication-Results: mx.example.org/1; spf=pass\r\n'],
  ];
  for (const [name, field] of forged) {
    it(name, async () => {
      assert.equal(
        await sentOn(`A: 1\r\n${field}B: 2\r\n\r\n${field}`),
        `${ADDED}A: 1\r\nB: 2\r\n\r\n${field}`,
      );
      assert.equal(await sentOn(field), ADDED);
    });
  }

  const kept: [name: string, field: string][] = [
    ['what others found', 'X-Spam-Scores: 1\r\nX-Spam-Flags: YES\r\nX-Spam: YES\r\n'],
    ['results of others', 'Authentication-Results: mx.example.net; spf=pass\r\n'],
    ['results of a name below ours', 'Authentication-Results: a.mx.example.org; spf=pass\r\n'],
    [
      'results that name us in a comment',
      'Authentication-Results: (mx.example.org;) mx.example.net; a=b\r\n',
    ],
    ['results of nobody', 'Authentication-Results: ; spf=pass\r\n'],
    ['other fields', 'X-Posterns: 1\r\nSubject: X-Postern: mx.example.org\r\n\tX-Postern: folded\r\n'],
  ];
  for (const [name, field] of kept) {
    it(`not ${name}`, async () => assert.equal(await sentOn(`${field}\r\nb`), `${ADDED}${field}\r\nb`));
  }

  it('up to the empty line, for some readers find fields behind a line that is none', async () => {
    const odd = 'From: a@b.example\r\nthis line is no field\r\n';
    const behind = 'X-Spam-Flag: NO\r\nAuthentication-Results: mx.example.org; dmarc=pass\r\nTo: c\r\n';
    const body = '\r\nX-Postern: in the body\r\n';
    for (const cut of [whole, cutBySizes([1]), cutBySizes([64])])
      assert.equal(await sentOn(odd + behind + body, cut), `${ADDED}${odd}To: c\r\n${body}`);
    const marks = 'Authentication-Results\r\n : mx.example.org; spf=pass\r\nX-Postern \r\n: id=1\r\n';
    assert.equal(await sentOn(`A: b\r\n${marks}B: c\r\n${body}`), `${ADDED}A: b\r\nB: c\r\n${body}`);
    // What may be text stays.
    const results = 'Authentication-Results: mx.example.org\r\n';
    assert.equal(await sentOn(`A: b\r\n${results}x; spf=pass\r\n`), `${ADDED}A: b\r\nx; spf=pass\r\n`);
    // What is behind a name that got its colon taken away must not lend it another.
    const joined = 'Authentication-Results\r\nX-Postern: x\r\n: mx.example.org; dmarc=pass\r\n';
    assert.equal(await sentOn(joined + body), ADDED + `\r\n${joined}${body}`);
    assert.equal(
      await sentOn(`A: b\r\n${joined}${body}`),
      `${ADDED}A: b\r\nAuthentication-Results\r\n${body}`,
    );
    const lent = 'Authentication-Results:\r\nX-Postern: x\r\nmx.example.org; dmarc=pass\r\n';
    assert.equal(await sentOn(lent + body), `${ADDED}Authentication-Results:\r\n${body}`);
    const text = 'this line is no field\r\nX-Postern: 1\r\n\r\nb';
    assert.equal(await sentOn(text), `${ADDED}\r\n${text}`);
  });

  it('not the tags of our own scanners', async () => {
    const tagged = 'X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=6.0 required=5.0\r\n\r\nb';
    assert.equal(await sentOn(tagged, whole, true), ADDED + tagged);
    assert.equal(await sentOn(`X-Postern: id=1\r\n${tagged}`, whole, true), ADDED + tagged);
  });

  it('whatever the cuts, whole fields go and every other octet stays', async () => {
    const field = fc.oneof(
      fc.constantFrom(...forged.map(([, text]) => ({ text, goes: true }))),
      fc.constantFrom(...kept.map(([, text]) => ({ text, goes: false }))),
      fc
        .stringMatching(/^[A-W][a-z]{0,8}: [ -~]{0,30}$/)
        .map((text) => ({ text: `${text}\r\n`, goes: false })),
    );
    const body = fc.constantFrom(
      '',
      '\r\n',
      '\r\nX-Postern: in the body\r\n',
      '\r\n\r\nb\r\n',
      'no field\r\n',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(field, { minLength: 1, maxLength: 6 }),
        body,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        async (fields, rest, sizes) => {
          const text = fields.map((f) => f.text).join('') + rest;
          const left = fields.map((f) => (f.goes ? '' : f.text)).join('') + rest;
          assert.equal(await sentOn(text, cutBySizes(sizes)), ADDED + left);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('what stands between our fields and the message', () => {
  const cases: [name: string, text: string, between: string][] = [
    ['a header', 'Subject: x\r\n\r\nb\r\n', ''],
    ['an empty header', '\r\nb\r\n', ''],
    ['nothing', '', ''],
    ['text without header', 'Hello,\r\nSubject: no\r\n', '\r\n'],
    ['text without a line end', 'Hello', '\r\n'],
    ['white space, which would continue our field', ' suspicion=-5\r\nSubject: x\r\n\r\n', '\r\n'],
    ['a tab and no line end', '\tx', '\r\n'],
    ['a lone CR', '\rx: y\r\n', '\r\n'],
  ];
  for (const [name, text, between] of cases) {
    it(name, async () => {
      assert.equal(await sentOn(text), ADDED + between + text);
      assert.equal(await sentOn(text, cutBySizes([1])), ADDED + between + text);
    });
  }
});

describe('Received fields', () => {
  it('are counted in the header alone', async () => {
    const text =
      'Received: a\r\nRECEIVED: b\r\n\tReceived: folded\r\nX-Received: c\r\n\r\nReceived: body\r\n';
    assert.equal(onwardHeader(await readHeader(contentOf(text), 1000), US).received, 2);
  });

  it('are read no further than the header may go', async () => {
    const text = 'Received: a\r\n'.repeat(1000);
    const { received } = onwardHeader(await readHeader(contentOf(text, cutBySizes([130])), 650), US);
    assert.equal(received, 60);
  });
});

describe('the fields added', () => {
  const session: SessionFacts = {
    id: 'K7Q2MX4D',
    door: 'gateway',
    startedAtMs: 0,
    client: { address: '192.0.2.7', port: 40_000 },
    server: { address: '198.51.100.25', port: 25 },
    helo: { verb: 'EHLO', name: 'mail.example.net' },
    violations: [],
  };
  const transaction: TransactionFacts = {
    id: 'K7Q2MX4E',
    startedAtMs: 0,
    reversePath: null,
    parameters: {},
    recipients: [{ local: 'user', domain: 'example.org' }],
  };
  const facts: TraceFacts = { session, transaction, by: US, tags: [], suspicion: 0, nowMs: 0 };
  const tls = { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' };
  const authenticated = { mechanism: 'PLAIN', identity: 'user' };
  const { helo: _none, ...unnamed } = session;

  it('are Received by RFC 5321 4.4 and our mark', () => {
    assert.equal(
      addedFields(facts),
      'Received: from mail.example.net (unknown [192.0.2.7])\r\n' +
        '\tby mx.example.org (Postern) with ESMTP id K7Q2MX4E\r\n' +
        '\tfor <user@example.org>;\r\n' +
        '\tThu, 01 Jan 1970 00:00:00 +0000\r\n' +
        'X-Postern: id=K7Q2MX4E; suspicion=0\r\n',
    );
  });

  const cases: [name: string, changes: Partial<TraceFacts>, has: string][] = [
    ['the confirmed name', { hostName: 'a.example.net' }, '(a.example.net [192.0.2.7])'],
    ['IPv6', { session: { ...session, client: { address: '2001:db8::7', port: 1 } } }, '[IPv6:2001:db8::7]'],
    ['no HELO', { session: unnamed }, 'from unknown ('],
    ['HELO', { session: { ...session, helo: { verb: 'HELO', name: 'a' } } }, ' with SMTP id '],
    ['TLS', { session: { ...session, tls } }, '\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n'],
    ['ESMTPS', { session: { ...session, tls } }, ' with ESMTPS id '],
    ['ESMTPA', { session: { ...session, authenticated } }, ' with ESMTPA id '],
    ['ESMTPSA', { session: { ...session, tls, authenticated } }, ' with ESMTPSA id '],
    ['UTF8SMTP', { transaction: { ...transaction, parameters: { smtputf8: true } } }, ' with UTF8SMTP id '],
    [
      'UTF8SMTPSA',
      {
        session: { ...session, tls, authenticated },
        transaction: { ...transaction, parameters: { smtputf8: true } },
      },
      ' with UTF8SMTPSA id ',
    ],
    ['tags', { tags: ['helo:syntax', 'fcrdns:none'] }, ';\r\n\ttags=helo:syntax,fcrdns:none\r\n'],
    ['a rounded sum', { suspicion: 0.1 + 0.2 }, 'suspicion=0.3\r\n'],
  ];
  for (const [name, changes, has] of cases) {
    it(name, () => {
      const text = addedFields({ ...facts, ...changes });
      assert.ok(text.includes(has), text);
    });
  }

  it('begin with what was found out about the sender, where anything was', () => {
    const authentication = [
      { method: 'spf', result: 'pass', properties: { 'smtp.mailfrom': 'joe@a.example' } },
    ] as const;
    const text = addedFields({ ...facts, authentication, session: { ...session, authenticated } });
    assert.ok(
      text.startsWith(
        'Authentication-Results: mx.example.org;\r\n' +
          '\tauth=pass (plain) smtp.auth=user;\r\n' +
          '\tspf=pass smtp.mailfrom=joe@a.example\r\n' +
          'Received: from ',
      ),
      text,
    );
  });

  it('name no recipient where there are several (RFC 5321 7.2)', () => {
    const recipients = [...transaction.recipients, { local: 'other', domain: 'example.org' }];
    assert.ok(!addedFields({ ...facts, transaction: { ...transaction, recipients } }).includes('for <'));
  });

  it("cannot be bent by the client's own words", () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (evil) => {
        const text = addedFields({
          ...facts,
          hostName: evil,
          session: { ...session, helo: { verb: 'EHLO', name: `x${evil}` } },
          transaction: { ...transaction, recipients: [{ local: evil, domain: 'example.org' }] },
        });
        const lines = text.split('\r\n');
        assert.equal(lines.length, 6);
        assert.ok(!/[\r\n\0]/.test(lines.join('')));
        assert.match(lines[0]!, /^Received: from x[^()<>\\;\s]* \([^()<>\\;\s]* \[192\.0\.2\.7\]\)$/);
        assert.match(lines[2]!, /^\tfor <[^()<>\\;\s]*>;$/);
        assert.ok(lines.every((line) => line.length <= 998));
      }),
    );
  });
});
