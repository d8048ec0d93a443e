import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byteByByte, cutBySizes, whole, type Cut } from '../../../test/feed.ts';
import { SpamdReader, symbolsRequest, traceFields, type SpamdReply } from './spamd.ts';

function read(said: string | Buffer, cut: Cut = whole): SpamdReply | undefined {
  const reader = new SpamdReader();
  for (const piece of cut(Buffer.from(said as string, 'latin1'))) reader.receive(Buffer.from(piece));
  reader.end();
  return reader.reply;
}

const failed = (reason: string): SpamdReply => ({ kind: 'failed', reason });
const scored = (
  spam: boolean,
  score: number,
  required: number,
  tests: readonly string[] = [],
): SpamdReply => ({ kind: 'scored', spam, score, required, tests });
const ok = (header: string, body = '') => `SPAMD/1.1 0 EX_OK\r\n${header}\r\n${body}`;

describe("spamd's replies", () => {
  const cases: [said: string, reply: SpamdReply][] = [
    [
      ok('Content-length: 18\r\nSpam: True ; 1004.2 / 5.0\r\n', 'GTUBE,MISSING_DATE'),
      scored(true, 1004.2, 5, ['GTUBE', 'MISSING_DATE']),
    ],
    [ok('Content-length: 0\r\nSpam: False ; -1.5 / 5.0\r\n'), scored(false, -1.5, 5)],
    [ok('Spam: Yes ; 6 / 5\r\n', 'A\r\n'), scored(true, 6, 5, ['A'])],
    [ok('spam:false;1.0/5.0\r\nX: y\r\n'), scored(false, 1, 5)],
    ['SPAMD/1.0 0 EX_OK\nSpam: False ; 1.0 / 5.0\n\n', scored(false, 1, 5)],
    [ok('Spam: True ; 9 / 5\r\n', 'A,b c,\xff,<x>,D'), scored(true, 9, 5, ['A', 'b', 'c', 'D'])],
    [
      ok('Spam: True ; 9 / 5\r\n', Array.from({ length: 300 }, (_, i) => `T${i}`).join(',')),
      scored(
        true,
        9,
        5,
        Array.from({ length: 100 }, (_, i) => `T${i}`),
      ),
    ],
    ['SPAMD/1.5 0 PONG\r\n', { kind: 'pong' }],
    ['', failed('it closed the connection without an answer')],
    ['SPAMD/1.0 76 Bad header line: (x)\r\n', failed('it says: 76 Bad header line: (x)')],
    ['SPAMD/1.0 79 Timeout: (30 second timeout)\r\n', failed('it says: 79 Timeout: (30 second timeout)')],
    ['HTTP/1.1 400 Bad Request\r\n\r\n', failed('what it says is no reply of spamd')],
    ['SPAMD/1.1 0 EX_OK', failed('what it says is no reply of spamd')],
    [ok('Spam: False ; 1 / 5\r\n').slice(0, -2), failed('its reply ends in the middle')],
    [ok('Content-length: 30\r\nSpam: False ; 1 / 5\r\n', 'A,B'), failed('its reply ends in the middle')],
    [ok('Content-length: 0\r\n'), failed('its reply has no score')],
    [ok('X: y\r\n', '\r\nSpam: False ; 1 / 5\r\n'), failed('its reply has no score')],
    [ok('Spam: Maybe ; 1 / 5\r\n'), failed('its reply has no score')],
    [ok('Spam: False ; NaN / 5\r\n'), failed('its reply has no score')],
    [ok('Spam: False ; 1.2.3 / 5\r\n'), failed('its score is no number')],
    [ok('Spam: False ; 1 / .\r\n'), failed('its score is no number')],
    [ok('Spam: False ; 999999 / 5\r\n'), failed('its score is no number')],
    [ok('Spam: False ; 1 / 5\r\n', 'x'.repeat(65_536)), failed('its reply is too long')],
  ];
  for (const [said, reply] of cases) {
    it(JSON.stringify(said.slice(0, 70)), () => {
      for (const cut of [whole, byteByByte]) assert.deepEqual(read(said, cut), reply);
    });
  }

  it('whatever comes, nothing else is a score', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
        (bytes, sizes) => {
          const framed = Buffer.concat([Buffer.from('SPAMD/1.1 0 EX_OK\r\n'), Buffer.from(bytes)]);
          assert.equal(read(framed, cutBySizes(sizes))?.kind, 'failed');
        },
      ),
    );
  });
});

describe('a request to spamd', () => {
  it('says how much comes', () => {
    assert.equal(symbolsRequest(12).toString(), 'SYMBOLS SPAMC/1.5\r\nContent-length: 12\r\n\r\n');
  });

  const trace = {
    id: 'K7Q2MX4D',
    client: '192.0.2.7',
    helo: 'mail.example.net',
    hostName: 'mail.example.net',
    by: 'mx.example.org',
    sender: 'anna@example.net',
    authenticated: false,
    atMs: 0,
  };

  it('puts the client on top, where SpamAssassin reads it', () => {
    assert.equal(
      traceFields(trace),
      'X-Envelope-From: <anna@example.net>\r\n' +
        'Received: from mail.example.net (mail.example.net [192.0.2.7])\r\n' +
        '\tby mx.example.org (Postern) with ESMTP id K7Q2MX4D;\r\n' +
        '\tThu, 01 Jan 1970 00:00:00 +0000\r\n',
    );
    const other = traceFields({
      ...trace,
      client: '2001:db8::7',
      helo: undefined,
      hostName: undefined,
      sender: '',
      authenticated: true,
    });
    assert.match(
      other,
      /^X-Envelope-From: <>\r\nReceived: from unknown \(unknown \[IPv6:2001:db8::7\]\)\r\n/,
    );
    assert.match(other, / with ESMTPA id /);
  });

  it("is not bent by the client's words", () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (evil) => {
        const text = traceFields({ ...trace, helo: evil, hostName: evil, sender: evil });
        assert.equal(text.split('\r\n').length, 5);
        assert.match(
          text,
          /^X-Envelope-From: <[^<>\s]*>\r\nReceived: from [^\s()[\]]* \([^\s()[\]]* \[192\.0\.2\.7\]\)\r\n/,
        );
      }),
    );
  });
});
