import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addFindings, addSender, markedDecision, markedFindings } from './token-gate.ts';
import { fields, headerEnd } from './header.ts';
import { MAX_TOKENS, MessageTokens, Tokens, tokensOf } from './tokens.ts';

const message = (...lines: readonly string[]) => Buffer.from(lines.join('\r\n'), 'utf8');
const made = (...lines: readonly string[]) => [...tokensOf(message(...lines))];
const text = (...lines: readonly string[]) => made('Subject: x', '', ...lines);

describe('tokens of a text', () => {
  const cases: readonly [name: string, text: string, has: readonly string[], hasNot: readonly string[]][] = [
    [
      'words and pairs',
      'Buy cheap pills',
      ['buy', 'cheap', 'pills', 'buy cheap', 'cheap pills'],
      ['Buy', 'buy pills'],
    ],
    ['shouting', 'FREE offer', ['free', 'FREE', 'free offer'], ['OFFER']],
    ['numbers', 'only $1,000.50 now', ['$1,000.50'], ['$1']],
    ['many exclamation marks', 'hello!!!!', ['hello!'], ['hello!!', 'hello']],
    ['quotes and dashes around', "'quoted' --dash-- don't", ['quoted', 'dash', "don't"], ["'quoted'"]],
    ['a word without end', 'x'.repeat(100), ['long:3'], ['x'.repeat(100)]],
    ['characters of their own', 'a b c', [], ['a', 'b']],
    ['letters beyond ASCII', 'Grüße aus Köln', ['grüße', 'köln', 'aus köln'], []],
    ['no spaces between words', '特價優惠', ['特價', '價優', '優惠'], ['特價優惠']],
    [
      'a link',
      'see http://www.shop.example/buy/now?id=1 today',
      ['url:www.shop.example', 'url:shop.example', 'url:example', 'url-path:buy', 'see', 'today'],
      ['www', 'http', 'see today'],
    ],
    [
      'a link that hides',
      'http://bank.example@192.0.2.7:8080/%61',
      [
        'url:userinfo',
        'url:numeric',
        'url:192.0.2.7',
        'url:192.0.2',
        'url:192.0',
        'url:port:8080',
        'url:escaped',
      ],
      ['url:bank.example'],
    ],
    ['an address', 'write to Joe@Mail.Example', ['mail:joe@mail.example', 'mail:@example'], []],
  ];
  for (const [name, said, has, hasNot] of cases)
    it(name, () => {
      const tokens = text(said);
      for (const token of has)
        assert.ok(tokens.includes(token), `${token} is not among ${tokens.join(' | ')}`);
      for (const token of hasNot) assert.ok(!tokens.includes(token), `${token} is among them`);
    });
});

describe('tokens of HTML', () => {
  const html = (said: string) => made('Content-Type: text/html', '', said);
  const cases: readonly [name: string, html: string, has: readonly string[], hasNot: readonly string[]][] = [
    ['tags inside a word', 'vi<b></b>ag<!-- x -->ra', ['viagra', 'html:b', 'html:comments:1'], ['vi', 'ag']],
    ['tags between words', 'one<br>two', ['one', 'two', 'one two', 'html:br'], ['onetwo']],
    ['attributes', '<font color="RED" size=7>x', ['html:font color=red', 'html:font size=7'], []],
    [
      'links',
      '<a href="http://a.example/x">y</a><img src=cid:1>',
      ['url:a.example', 'html:img src:cid:'],
      [],
    ],
    ['an address to write to', '<a href="mailto:joe@a.example">', ['mail:joe@a.example'], []],
    ['entities', 'f&#114;ee&nbsp;&#x6d;oney &bogus; &#9999999;', ['free', 'money', 'free money'], []],
    ['styles are not read', '<style>p {color: blue}</style>seen', ['seen'], ['color', 'blue']],
    ['a tag that never ends', '<a href="http://b.example/', ['url:b.example'], []],
    ['a comment that never ends', 'seen <!-- hidden', ['seen'], ['hidden']],
    ['no tag at all', '1 < 2', ['mime:text/html'], ['html:']],
  ];
  for (const [name, said, has, hasNot] of cases)
    it(name, () => {
      const tokens = html(said);
      for (const token of has)
        assert.ok(tokens.includes(token), `${token} is not among ${tokens.join(' | ')}`);
      for (const token of hasNot) assert.ok(!tokens.includes(token), `${token} is among them`);
    });

  it('by its looks, where its type says otherwise', () =>
    assert.ok(text('<html><body>seen</body></html>').includes('html:body')));
});

describe('tokens of fields', () => {
  const cases: readonly [name: string, field: string, has: readonly string[]][] = [
    [
      'a subject',
      'Subject: Win NOW!',
      ['subject:win', 'subject:win now!', 'subject:shape:!', 'header:subject'],
    ],
    ['an encoded one', 'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=', ['subject:grüße']],
    ['a shouting one with a mark', 'Subject: WIN      XKCD', ['subject:shape:upper', 'subject:shape:gap']],
    [
      'an address',
      'From: Joe <joe@mail.example>',
      ['from:joe', 'from:joe@mail.example', 'from:@mail.example', 'from:@example', 'from:count:1'],
    ],
    ['no address', 'To: undisclosed-recipients:;', ['to:count:0', 'to:undisclosed-recipients']],
    [
      'an identifier',
      'Message-ID: <123.abc@host.example>',
      ['message-id:@host.example', 'message-id:shape:<9.a@a.a>'],
    ],
    [
      'a hop',
      'Received: from a.example (x [192.0.2.7]) by b',
      ['received:a.example', 'received:192.0.2.7', 'received:192.0.2', 'received:from'],
    ],
    ['a date', 'Date: Mon, 1 Jan 2024 00:00:00 -0500', ['date:0500', 'date:shape:Aa, 9 Aa 9 9:9:9 -9']],
    ['another', 'X-Mailer: Bulk 2000', ['x-mailer:bulk', 'x-mailer:bulk 2000', 'header:x-mailer']],
  ];
  for (const [name, field, has] of cases)
    it(name, () => {
      const tokens = made(field, '', '');
      for (const token of has)
        assert.ok(tokens.includes(token), `${token} is not among ${tokens.join(' | ')}`);
    });

  it('not of what the gate or a filter behind it wrote', () => {
    const tokens = made(
      'X-Postern: id=1; suspicion=9',
      'X-Spam-Status: Yes',
      'Authentication-Results: x; spf=pass',
      'Subject: y',
      '',
      '',
    );
    assert.deepEqual(
      tokens.filter((token) => /spam|postern|suspicion/.test(token)),
      [],
    );
  });

  it('not of those left out, but of the same in an attached message', () => {
    const attached = message('X-Left: out', 'Content-Type: message/rfc822', '', 'X-Left: there', '', 'text');
    const tokens = [...tokensOf(attached, { without: (field) => field === 'x-left' })];
    assert.ok(tokens.includes('x-left:there') && !tokens.includes('x-left:out'));
  });
});

it('tokens of the structure', () => {
  const tokens = made(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=KOI8-R',
    '',
    'hi there',
    '--b',
    'Content-Type: application/zip; name="Invoice 7.ZIP"',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment',
    '',
    'UEsDBAo=',
    '--b--',
    '',
  );
  for (const token of [
    'mime:multipart/mixed',
    'mime:application/zip base64',
    'mime:charset:koi8-r',
    'mime:extension:zip',
    'mime:name:invoice',
    'mime:disposition:attachment',
    'mime:parts:3',
    'hi there',
  ])
    assert.ok(tokens.includes(token), `${token} is not among ${tokens.join(' | ')}`);
});

describe('what the gate knows', () => {
  it('is the same tokens from the session as from the fields of the delivered message', () => {
    const fromSession = new Tokens();
    addSender(fromSession, {
      address: '192.0.2.7',
      helo: 'mail.a.example',
      sender: { local: 'Joe', domain: 'A.example' },
    });
    const delivered = made(
      'Return-Path: <joe@a.example>',
      'Received: from mail.a.example (unknown [192.0.2.7])',
      '',
      '',
    );
    assert.ok(fromSession.size > 5);
    for (const token of fromSession) assert.ok(delivered.includes(token), token);
  });

  it('is what the checks found, from the first mark of a delivered message', () => {
    const marked = message(
      'X-Postern: id=K7Q2MX4D; suspicion=4;',
      '\ttags=fcrdns:no-ptr,helo:forged,<b>:x',
      'X-Postern: id=2; tags=spf:fail',
      '',
      '',
    );
    const end = headerEnd(marked, true) ?? 0;
    const found = markedFindings({ bytes: marked, end, fields: [...fields(marked, end)] });
    assert.deepEqual(found, ['fcrdns:no-ptr', 'helo:forged']);
    const tokens = new Tokens();
    addFindings(tokens, found);
    assert.deepEqual([...tokens], ['check:fcrdns:no-ptr', 'check:helo:forged']);
  });

  it('is the decision that delivered it, from the same mark', () => {
    const decisionOf = (...lines: string[]) => {
      const marked = message(...lines, '', '');
      const end = headerEnd(marked, true) ?? 0;
      return markedDecision({ bytes: marked, end, fields: [...fields(marked, end)] });
    };
    assert.equal(decisionOf('X-Postern: id=K7Q2MX4D; suspicion=4', 'X-Postern: id=22222222; x'), 'K7Q2MX4D');
    assert.equal(decisionOf('Subject: x', 'x-postern:\tid=K7Q2MX4D; suspicion=0'), 'K7Q2MX4D');
    for (const none of [
      'Subject: X-Postern',
      'X-Postern: id=2; x',
      'X-Postern: id=K7Q2MX4D1; x',
      'X-Postern: y',
    ])
      assert.equal(decisionOf(none), undefined, none);
  });
});

describe('hostile messages', () => {
  const octets = 400_000;
  const cases: readonly [name: string, message: Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(octets)],
    ['all header', Buffer.from('X: y\r\n'.repeat(octets / 6))],
    ['one field', Buffer.from(`Subject: ${'a '.repeat(octets / 2)}`)],
    ['one word', Buffer.from(`\r\n${'x'.repeat(octets)}`)],
    ['no two words alike', Buffer.from(`\r\n${Array.from({ length: 60_000 }, (_, i) => `w${i}`).join(' ')}`)],
    ['at signs', Buffer.from(`\r\n${'@'.repeat(octets)}`)],
    ['long local parts', Buffer.from(`\r\n${`${'a.'.repeat(500)}@`.repeat(400)}`)],
    ['links', Buffer.from(`\r\n${'://'.repeat(octets / 3)}`)],
    ['points', Buffer.from(`\r\nhttp://${'a.'.repeat(octets / 2)}`)],
    ['tags', Buffer.from(`Content-Type: text/html\r\n\r\n${'<a '.repeat(octets / 3)}`)],
    ['attributes', Buffer.from(`Content-Type: text/html\r\n\r\n<a ${'b=" '.repeat(octets / 4)}`)],
    ['comments', Buffer.from(`Content-Type: text/html\r\n\r\n${'<!--'.repeat(octets / 4)}`)],
    ['entities', Buffer.from(`Content-Type: text/html\r\n\r\n${'&#'.repeat(octets / 2)}`)],
    ['one run of a script without spaces', Buffer.from(`\r\n${'漢字'.repeat(octets / 6)}`)],
    ['a charset nobody knows', message('Content-Type: text/plain; charset="\u0000x"', '', '\xff\xfe')],
    [
      'broken UTF-16',
      Buffer.concat([
        Buffer.from('Content-Type: text/plain; charset=utf-16\r\n\r\n'),
        Buffer.alloc(1001, 0xd8),
      ]),
    ],
  ];
  for (const [name, hostile] of cases)
    it(name, () => {
      const tokens = [...tokensOf(hostile)];
      assert.ok(tokens.length <= MAX_TOKENS && tokens.length > 0);
      for (const token of tokens) assert.ok(token.length <= 230, `${token.length} characters`);
    });

  it('wants no more once it has enough', () => {
    const reading = new MessageTokens();
    assert.equal(reading.write(Buffer.from('Subject: x\r\n\r\n')), true);
    const piece = Buffer.alloc(300_000, 'attached ');
    let pieces = 0;
    while (reading.write(piece)) pieces++;
    assert.equal(pieces, 3);
    assert.ok(reading.end().size > 0);
  });

  it('never throws, and cares not where it is cut', () =>
    fc.assert(
      fc.property(fc.array(PIECE, { maxLength: 30 }), fc.integer({ min: 1, max: 50 }), (pieces, size) => {
        const whole = Buffer.from(pieces.join(''), 'latin1');
        const reading = new MessageTokens();
        for (let at = 0; at < whole.length; at += size) reading.write(whole.subarray(at, at + size));
        assert.deepEqual([...reading.end()], [...tokensOf(whole)]);
      }),
    ));
});

const PIECE = fc.oneof(
  fc.constantFrom(
    'Content-Type: text/html\r\n',
    'Content-Type: multipart/mixed; boundary=b\r\n',
    'Subject: =?utf-8?b?',
    '?=',
    '\r\n',
    '\r\n--b\r\n',
    '--b--',
    '<a href="',
    '>',
    '<!--',
    'http://',
    '@',
    'a.b',
    '&#x',
    '\xe4\xbd\xa0',
    'Received: from ',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }).map((s) => s.replace(/[^\x00-\xff]/g, '?')),
);
