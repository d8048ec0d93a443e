import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatReply, type Reply } from '../mail/reply.ts';
import { refusal, replies } from './replies.ts';

/** Every reply of the table, made with arguments of its own kind. */
const made: readonly (readonly [name: string, reply: Reply])[] = Object.entries(replies).map(
  ([name, make]) => [
    name,
    (make as (...all: unknown[]) => Reply)(/Large|Long/.test(name) ? 1000 : 'K7Q2MX4D', 'help@example.org'),
  ],
);

describe('the table of replies', () => {
  for (const [name, { code, enhanced, lines }] of made) {
    it(`${name} is fit for the wire`, () => {
      assert.ok(code >= 200 && code < 600);
      // RFC 2034 4: none in the greeting, HELO and 3yz; elsewhere the class is the code's first digit.
      if (enhanced === '') assert.ok(code < 400 && ['greeting', 'startInput'].includes(name));
      else assert.match(enhanced, new RegExp(`^${Math.floor(code / 100)}\\.\\d{1,3}\\.\\d{1,3}$`));
      assert.ok(lines.length > 0);
      for (const line of lines) assert.match(line, /^[\x20-\x7e]{2,400}$/);
      assert.ok(!lines.join('').includes('undefined'));
      assert.ok(formatReply({ code, enhanced, lines }).endsWith('\r\n'));
    });
  }

  it('names what it is given', () => {
    assert.equal(formatReply(replies.greeting('mx.example.org')), '220 mx.example.org ESMTP Postern\r\n');
    for (const make of [
      replies.delivered,
      replies.bareNewline,
      replies.mailLoop,
      replies.internalTrouble,
      replies.backendUnreachable,
    ])
      assert.ok(make('K7Q2MX4D').lines[0]!.includes('id K7Q2MX4D'));
    assert.ok(replies.messageTooLarge(1000).lines[0]!.includes('1000'));
    assert.ok(replies.badStanding('192.0.2.7', 'help@example.org').lines[0]!.includes('192.0.2.7'));
    for (const { lines } of [
      replies.onlySomeUnknown('help@example.org'),
      replies.badStanding('192.0.2.7', 'help@example.org'),
    ])
      assert.ok(lines[0]!.includes('help@example.org'));
    assert.ok(replies.tooManyFromYou('192.0.2.7').lines[0]!.includes('192.0.2.7'));
  });
});

describe('a refusal', () => {
  const signature = { contact: 'postmaster@example.org', id: 'K7Q2MX4D' };
  const cases: [
    kind: 'refuse' | 'defer',
    enhanced: string | undefined,
    replyCode: number | undefined,
    code: number,
    status: string,
  ][] = [
    ['refuse', '5.7.25', undefined, 550, '5.7.25'],
    ['refuse', '5.7.1', 554, 554, '5.7.1'],
    ['refuse', undefined, undefined, 550, '5.7.1'],
    ['refuse', '', undefined, 550, '5.7.1'],
    ['refuse', '4.2.2', undefined, 550, '5.2.2'],
    ['defer', '5.7.25', 554, 450, '4.7.25'],
    ['defer', undefined, undefined, 450, '4.7.1'],
    ['defer', '5.7.24', 451, 451, '4.7.24'],
    ['refuse', '5.7.24', 451, 550, '5.7.24'],
  ];
  for (const [kind, enhanced, replyCode, code, status] of cases) {
    it(`${kind} by ${enhanced ?? 'nothing'} and ${replyCode ?? 'nothing'} is ${code} ${status}`, () => {
      const made = refusal(
        kind,
        'fcrdns',
        {
          text: 'no name',
          ...(enhanced === undefined ? {} : { enhanced }),
          ...(replyCode === undefined ? {} : { replyCode }),
        },
        signature,
      );
      assert.deepEqual([made.code, made.enhanced], [code, status]);
      assert.deepEqual(made.lines, [
        kind === 'refuse'
          ? 'Refused: no name (fcrdns). Mistake? Write to postmaster@example.org with id K7Q2MX4D'
          : 'Not now: no name (fcrdns). Try again later; id K7Q2MX4D',
      ]);
    });
  }

  it('does not add what the mailbox behind has said itself', () => {
    for (const text of ['try again later', 'the disk is full. Try again later.'])
      assert.equal(
        refusal('defer', 'recipients', { text }, { contact: 'c', id: 'K7Q2MX4D' }).lines[0],
        `Not now: ${text} (recipients); id K7Q2MX4D`,
      );
  });
  it('says once when to come again', () => {
    const text = 'greylisted, for example.net is new; try again in 3 minutes';
    assert.deepEqual(refusal('defer', 'greylist', { text }, signature).lines, [
      'Not now: greylisted, for example.net is new; try again in 3 minutes (greylist); id K7Q2MX4D',
    ]);
  });

  it('names the page that takes reports, where there is one', () => {
    const reportUrl = 'https://mx.example.org';
    const text = 'no name';
    assert.deepEqual(refusal('refuse', 'fcrdns', { text }, { ...signature, reportUrl }).lines, [
      'Refused: no name (fcrdns). Mistake? https://mx.example.org/r/K7Q2MX4D',
    ]);
    assert.deepEqual(refusal('defer', 'fcrdns', { text }, { ...signature, reportUrl }).lines, [
      'Not now: no name (fcrdns). Try again later; id K7Q2MX4D',
    ]);
    const long = `https://${'x'.repeat(188)}.org`;
    const line = formatReply(
      refusal('refuse', 'recipients', { text: 'long '.repeat(200) }, { ...signature, reportUrl: long }),
    );
    assert.ok(line.length <= 512, `${line.length}`);
    assert.ok(line.endsWith(`... (recipients). Mistake? ${long}/r/K7Q2MX4D\r\n`));
  });

  it('cuts what was found, and not what the sender needs', () => {
    for (const kind of ['refuse', 'defer'] as const) {
      const made = refusal(kind, 'recipients', { text: 'long '.repeat(200) }, signature);
      const line = formatReply(made);
      assert.ok(line.length <= 512, `${line.length}`);
      assert.match(line, /\.\.\. \(recipients\).* id K7Q2MX4D\r\n$/);
    }
  });
});
