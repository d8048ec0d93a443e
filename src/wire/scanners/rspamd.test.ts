import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { validateHeaderValue } from 'node:http';
import fc from 'fast-check';
import { questionFields, readAnswer, type RspamdAnswer } from './rspamd.ts';

const failed = (reason: string): RspamdAnswer => ({ kind: 'failed', reason });
const NOTHING = {
  kind: 'scored',
  action: 'no action',
  skipped: false,
  score: 0,
  required: 15,
  symbols: [],
} as const;
const said = (over: object) =>
  JSON.stringify({
    is_skipped: false,
    score: 0,
    required_score: 15,
    action: 'no action',
    symbols: {},
    messages: {},
    ...over,
  });

describe("rspamd's answers", () => {
  const cases: [name: string, body: string, answer: RspamdAnswer][] = [
    ['nothing', said({}), NOTHING],
    [
      'spam',
      said({
        action: 'add header',
        score: 7.25,
        thresholds: { reject: 15, 'add header': 6 },
        symbols: { BAYES_SPAM: { score: 5 }, 'bad name': {}, R_X: null },
      }),
      { ...NOTHING, action: 'add header', score: 7.25, required: 6, symbols: ['BAYES_SPAM', 'R_X'] },
    ],
    [
      'GTUBE is skipped and refused',
      said({ is_skipped: true, action: 'reject', score: 15, messages: { smtp_message: 'Gtube pattern' } }),
      { ...NOTHING, skipped: true, action: 'reject', score: 15, message: 'Gtube pattern' },
    ],
    [
      'a message with line ends',
      said({ messages: { smtp_message: 'a\r\n250 b\xe9' } }),
      { ...NOTHING, message: 'a?250 b?' },
    ],
    ['an action of its own', said({ action: 'tarpit' }), { ...NOTHING, action: 'other' }],
    ['thresholds that are none', said({ thresholds: { 'add header': null } }), NOTHING],
    ['symbols that are a list', said({ symbols: ['A'] }), NOTHING],
    ['nonsense', 'pong', failed('its answer is no JSON')],
    ['nothing at all', '', failed('its answer is no JSON')],
    ['half of it', said({}).slice(0, -1), failed('its answer is no JSON')],
    ['null', 'null', failed('its answer is no table')],
    ['a list', '[]', failed('its answer is no table')],
    ['trouble', '{"error":"invalid\\ncommand"}', failed('it says: invalid?command')],
    ['no action', said({ action: undefined }), failed('its answer has no action')],
    ['an action that is no text', said({ action: { a: 1 } }), failed('its answer has no action')],
    ['no score', said({ score: undefined }), failed('its answer has no score')],
    ['a score that is a text', said({ score: '-5' }), failed('its answer has no score')],
    ['a score beyond measure', said({ score: 1e300 }), failed('its answer has no score')],
    [
      'a score that JSON makes infinite',
      said({}).replace('"score":0', '"score":1e999'),
      failed('its answer has no score'),
    ],
    ['no threshold', said({ required_score: null }), failed('its answer has no score')],
    [
      'a prototype',
      '{"__proto__":{"action":"no action","score":0,"required_score":15}}',
      failed('its answer has no action'),
    ],
  ];
  for (const [name, body, answer] of cases)
    it(name, () => assert.deepEqual(readAnswer(Buffer.from(body)), answer));

  it('have a hundred symbols at most', () => {
    const symbols = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`S${i}`, {}]));
    const answer = readAnswer(Buffer.from(said({ symbols })));
    assert.equal(answer.kind === 'scored' && answer.symbols.length, 100);
  });
});

describe('what rspamd is told', () => {
  const question = {
    id: 'K7Q2MX4D',
    client: '192.0.2.7',
    helo: 'mail.example.net',
    hostName: 'mail.example.net',
    by: 'mx.example.org',
    sender: 'anna@example.net',
    recipients: ['bob@example.org', 'eva@example.org'],
    user: undefined,
    tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
  };

  it('is the session and the envelope', () => {
    assert.deepEqual(questionFields(question), {
      'Queue-Id': 'K7Q2MX4D',
      'MTA-Name': 'mx.example.org',
      IP: '192.0.2.7',
      From: '<anna@example.net>',
      Rcpt: ['<bob@example.org>', '<eva@example.org>'],
      Helo: 'mail.example.net',
      Hostname: 'mail.example.net',
      'TLS-Version': 'TLSv1.3',
      'TLS-Cipher': 'TLS_AES_256_GCM_SHA384',
    });
    const least = questionFields({
      ...question,
      sender: '',
      recipients: [],
      helo: undefined,
      hostName: undefined,
      tls: undefined,
      user: 'anna',
    });
    assert.deepEqual(least, {
      'Queue-Id': 'K7Q2MX4D',
      'MTA-Name': 'mx.example.org',
      IP: '192.0.2.7',
      From: '<>',
      User: 'anna',
    });
  });

  it('names a hundred recipients at most', () => {
    const { Rcpt } = questionFields({ ...question, recipients: Array<string>(101).fill('a@example.org') });
    assert.equal(Rcpt?.length, 100);
  });

  it('holds UTF-8 addresses as octets', () => {
    const { From } = questionFields({ ...question, sender: 'j\u00f6rg@example.net' });
    assert.equal(Buffer.from(From as string, 'latin1').toString('utf8'), '<j\u00f6rg@example.net>');
  });

  it("cannot be bent by the client's words", () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (evil) => {
        const fields = questionFields({
          ...question,
          helo: evil,
          sender: evil,
          recipients: [evil],
          user: evil,
        });
        for (const value of Object.values(fields).flat()) {
          assert.ok(value.length <= 1000 && !/[\0-\x1f\x7f]/.test(value));
          validateHeaderValue('X', value);
        }
      }),
    );
  });
});
