import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byteByByte, cutAt, cutBySizes, whole, type Cut } from '../../../test/feed.ts';
import { EOD_VARIANTS } from '../../../test/vectors/eod-variants.ts';
import { ContentReader, MAX_HEADER_FIELDS, type ContentLimits } from './content.ts';

const LIMITS: ContentLimits = {
  messageOctets: 1000,
  headerOctets: 500,
  textLineOctets: Number.POSITIVE_INFINITY,
};

function readAll(sent: string, cut: Cut = whole, limits: Partial<ContentLimits> = {}) {
  const reader = new ContentReader({ ...LIMITS, ...limits });
  let content = '';
  let rest = '';
  for (const piece of cut(Buffer.from(sent, 'latin1'))) {
    if (reader.ended) {
      rest += piece.toString('latin1');
      continue;
    }
    const at = reader.read(piece, 0);
    content += reader.piece?.toString('latin1') ?? '';
    rest += piece.toString('latin1', at);
  }
  return { content, rest, ended: reader.ended, end: reader.endOfMessage() };
}

/** Octet by octet, as plainly as it can be said. */
function model(sent: string) {
  let content = '';
  let atLineStart = true;
  let i = 0;
  while (i < sent.length) {
    if (atLineStart && sent.startsWith('.\r\n', i)) {
      return { content, rest: sent.slice(i + 3), bareNewline: hasBareNewline(content) };
    }
    if (atLineStart && sent[i] === '.') i++;
    atLineStart = false;
    if (sent.startsWith('\r\n', i)) {
      content += '\r\n';
      i += 2;
      atLineStart = true;
    } else if (i < sent.length) {
      content += sent.charAt(i);
      i++;
    }
  }
  return undefined;
}
const hasBareNewline = (text: string) => /[\r\n]/.test(text.replaceAll('\r\n', ''));

describe('the end of a message', () => {
  for (const { id, bytes } of EOD_VARIANTS.filter((variant) => !variant.endsData)) {
    it(`is not ${id}, wherever it is cut, below the size limit and past it`, () => {
      const sent = `Subject: one\r\n\r\nbody${bytes}MAIL FROM:<evil@example.net>\r\n.\r\nNOOP\r\n`;
      const expected = model(sent);
      assert.ok(expected);
      for (let at = 0; at <= sent.length; at++) {
        const seen = readAll(sent, cutAt(at));
        assert.equal(seen.ended, true);
        assert.equal(seen.content, expected.content);
        assert.equal(seen.rest, 'NOOP\r\n');
        assert.equal(seen.end.bareNewline, !id.includes('nul'));
        const past = readAll(sent, cutAt(at), { messageOctets: 10 });
        assert.equal(past.rest, 'NOOP\r\n');
        assert.equal(past.end.tooLarge, true);
        assert.equal(past.end.sizeOctets, expected.content.length);
      }
      assert.deepEqual(readAll(sent, byteByByte), readAll(sent));
    });
  }

  const ENDS: readonly (readonly [string, string, string])[] = [
    ['CR LF . CR LF', 'a\r\n.\r\n', 'a\r\n'],
    ['. CR LF as the first line', '.\r\n', ''],
    ['after an empty line', '\r\n.\r\n', '\r\n'],
    ['after a stuffed dot', '..\r\n.\r\n', '.\r\n'],
    ['after a lone CR before the CR LF', 'a\r\r\n.\r\n', 'a\r\r\n'],
    ['after a dropped dot with a lone CR', '.\r\r\n.\r\n', '\r\r\n'],
  ];
  for (const [name, sent, content] of ENDS) {
    it(`is ${name}`, () => {
      for (const cut of [whole, byteByByte]) {
        const seen = readAll(`${sent}QUIT\r\n`, cut);
        assert.equal(seen.content, content);
        assert.equal(seen.rest, 'QUIT\r\n');
        assert.equal(seen.end.sizeOctets, content.length);
      }
    });
  }

  it('and everything before it agrees with the model, however it is cut', () => {
    const text = fc
      .array(fc.constantFrom('\r', '\n', '\r\n', '.', 'a', 'bc', '\0', '\r\n.', '\r\n..'), { maxLength: 30 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 8 }), (body, sizes) => {
        const sent = `${body}\r\n.\r\nREST`;
        const expected = model(sent);
        assert.ok(expected);
        for (const cut of [whole, byteByByte, cutBySizes(sizes)]) {
          const seen = readAll(sent, cut);
          assert.equal(seen.content, expected.content);
          assert.equal(seen.rest, expected.rest);
          assert.equal(seen.end.bareNewline, expected.bareNewline);
          assert.equal(seen.end.sizeOctets, expected.content.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('content', () => {
  it('is a slice of what came in, unless a dot or a cut comes between', () => {
    const bytes = Buffer.from('one\r\ntwo\r\n.\r\n');
    const reader = new ContentReader(LIMITS);
    reader.read(bytes, 0);
    assert.equal(reader.piece?.buffer, bytes.buffer);
    assert.equal(reader.piece.byteOffset, bytes.byteOffset);
  });

  it('comes in one piece a chunk however many dots are in it', () => {
    const reader = new ContentReader({ ...LIMITS, messageOctets: 100_000 });
    reader.read(Buffer.from('..\r\n'.repeat(1000)), 0);
    assert.equal(reader.piece?.toString(), '.\r\n'.repeat(1000));
  });

  it('is too large from one octet past the limit', () => {
    for (const [messageOctets, tooLarge] of [
      [4, true],
      [5, false],
      [6, false],
    ] as const) {
      for (const cut of [whole, byteByByte]) {
        const { end } = readAll('abc\r\n.\r\n', cut, { messageOctets });
        assert.deepEqual([end.tooLarge, end.sizeOctets], [tooLarge, 5]);
      }
    }
  });

  it('tells a header past its limit, also one that never ends', () => {
    for (const [sent, headerOctets, tooLarge] of [
      ['A: b\r\nC: d\r\n\r\nbody body body\r\n.\r\n', 12, false],
      ['A: b\r\nC: d\r\n\r\nbody body body\r\n.\r\n', 11, true],
      ['A: b\r\nC: d\r\n.\r\n', 11, true],
      ['\r\nbody body\r\n.\r\n', 1, false],
    ] as const) {
      for (const cut of [whole, byteByByte]) {
        assert.equal(readAll(sent, cut, { headerOctets }).end.headerTooLarge, tooLarge);
      }
    }
  });

  it('tells a header with too many fields: neither folds nor lines of the body are any', () => {
    const header = (fields: number) => 'A: b\r\n c\r\n\td\r\n'.repeat(fields);
    const text = 'A: b\r\n'.repeat(10);
    for (const [sent, tooMany] of [
      [`${header(MAX_HEADER_FIELDS)}\r\n${text}.\r\n`, false],
      [`${header(MAX_HEADER_FIELDS)}.\r\n`, false],
      [`${header(MAX_HEADER_FIELDS + 1)}\r\n${text}.\r\n`, true],
      [`${header(MAX_HEADER_FIELDS + 1)}.\r\n`, true],
      [`${header(MAX_HEADER_FIELDS)}no field\r\n\r\n.\r\n`, true],
      [`${header(MAX_HEADER_FIELDS)}..\r\n\r\n.\r\n`, true],
      [`${header(MAX_HEADER_FIELDS)}. fold\r\n\r\n.\r\n`, false],
    ] as const) {
      for (const cut of [whole, byteByByte]) {
        const { tooManyFields, headerTooLarge } = readAll(sent, cut, {
          messageOctets: 1e6,
          headerOctets: 1e6,
        }).end;
        assert.deepEqual([tooManyFields, headerTooLarge], [tooMany, false]);
      }
    }
  });

  it('tells a line past its limit, without its CR LF and its stuffing', () => {
    for (const [sent, tooLong] of [
      ['1234\r\n', false],
      ['12345\r\n', true],
      ['..234\r\n', false],
      ['..2345\r\n', true],
      ['1\n34\r\n', false],
      ['12\n45\r\n', true],
      ['.\r23\r\n', false],
      ['.\r2345\r\n', true],
      ['12\r45\r\n', true],
    ] as const) {
      for (const cut of [whole, byteByByte]) {
        assert.equal(readAll(`${sent}.\r\n`, cut, { textLineOctets: 4 }).end.lineTooLong, tooLong, sent);
      }
    }
  });
});
