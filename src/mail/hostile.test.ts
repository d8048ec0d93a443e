/**
 * Messages made to cost more than they should. What is counted is the work: octets handed about and parts told of never exceed a fixed
 * multiple of what came in, and twice the message takes about twice the time (the best of several runs, with a wide margin).
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAddressList } from './addresses.ts';
import { decodeText } from './charset.ts';
import { parseContentType, parseParameterized } from './content-type.ts';
import { parseDate } from './date.ts';
import { decodeEncodedWords } from './encoded-words.ts';
import { fields, type Header } from './header.ts';
import { MIME_BOUNDS, MimeReader, type NoteKind } from './mime.ts';
import { hopsOf, MAX_HOPS, parseReceived } from './trace.ts';

const BOUNDARY = 'Content-Type: multipart/mixed; boundary=b\r\n';

function nested(depth: number): string {
  let text = '';
  for (let i = 0; i < depth; i++) text += `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`;
  return text;
}

/** By name: a message of about so many octets, and what is said of it. */
const MESSAGES: Record<string, [make: (octets: number) => string, note?: NoteKind]> = {
  'multiparts in each other': [(n) => nested(n / 50), 'too-deep'],
  'messages in each other': [(n) => 'Content-Type: message/rfc822\r\n\r\n'.repeat(n / 32), 'too-deep'],
  'multiparts in each other, all with one boundary': [
    (n) => `${BOUNDARY}\r\n--b\r\n`.repeat(n / 48),
    'too-deep',
  ],
  'one line': [(n) => `\r\n${'x'.repeat(n)}`],
  'one line of dashes': [(n) => `${BOUNDARY}\r\n${'-'.repeat(n)}`, 'end-missing'],
  'lines of dashes': [(n) => `${BOUNDARY}\r\n${'--\r\n'.repeat(n / 4)}`, 'end-missing'],
  'almost delimiters': [(n) => `${BOUNDARY}\r\n${'--bb--\r\n'.repeat(n / 8)}`, 'end-missing'],
  'line ends': [(n) => `${BOUNDARY}\r\n${'\n'.repeat(n)}`, 'end-missing'],
  'carriage returns': [(n) => `${BOUNDARY}\r\n${'\r'.repeat(n)}`, 'end-missing'],
  parts: [(n) => `${BOUNDARY}\r\n${'--b\r\n\r\n'.repeat(n / 7)}`, 'too-many-parts'],
  'parts without header': [(n) => `${BOUNDARY}\r\n${'--b\r\n'.repeat(n / 5)}`, 'too-many-parts'],
  'parts that are never closed': [
    (n) => `${BOUNDARY}\r\n${`--b\r\n${BOUNDARY}\r\n`.repeat(n / 48)}`,
    'too-deep',
  ],
  'a boundary without end': [
    (n) => `Content-Type: multipart/mixed; boundary="${'b'.repeat(n)}\r\n\r\n`,
    'header-too-large',
  ],
  'broken base64': [(n) => `Content-Transfer-Encoding: base64\r\n\r\n${'=A!'.repeat(n / 3)}`, 'garbage'],
  'broken quoted-printable': [
    (n) => `Content-Transfer-Encoding: quoted-printable\r\n\r\n${'=4='.repeat(n / 3)}`,
    'garbage',
  ],
  'one field': [(n) => `Subject: ${'x'.repeat(n)}`, 'header-too-large'],
  'one field, folded': [(n) => `Subject: x\r\n${' x\r\n'.repeat(n / 4)}`, 'header-too-large'],
  'one field, named': [(n) => 'x'.repeat(n), 'header-unended'],
  fields: [(n) => 'A:\r\n'.repeat(n / 4), 'header-too-large'],
  'Received fields': [(n) => 'Received: by x\r\n'.repeat(n / 16), 'header-too-large'],
  'Content-Type fields': [(n) => BOUNDARY.repeat(n / 43), 'duplicate-field'],
  parameters: [(n) => `Content-Type: a/b${';x*1*=%'.repeat(n / 7)}\r\n\r\n`, 'header-too-large'],
  boundaries: [
    (n) =>
      `Content-Type: multipart/mixed${';boundary=b x;boundary=c'.repeat(20)}\r\n\r\n${'--b\r\n\r\n--c\r\n'.repeat(n / 12)}`,
    'duplicate-field',
  ],
  'lines that are no fields': [(n) => `A: b\r\n${'x\n'.repeat(n / 2)}`, 'header-unended'],
  'such lines among fields': [
    (n) => `A: b\r\n${`${'x\n'.repeat(4000)}Content-A: b\r\n`.repeat(n / 8014)}`,
    'header-unended',
  ],
  'parts of such lines': [
    (n) => `${BOUNDARY}\r\n${`--b\r\nA: b\r\n${'x\n'.repeat(100)}`.repeat(n / 211)}`,
    'header-unended',
  ],
  'comments in each other': [(n) => `Content-Type: ${'('.repeat(n)}\r\n\r\n`, 'bad-content-type'],
};

function read(
  message: Buffer,
  pieceOctets: number,
): { handed: number; parts: number; notes: ReadonlyMap<NoteKind, unknown> } {
  let handed = 0;
  let parts = 0;
  const sink = { limitOctets: Infinity, write: (octets: Buffer) => void (handed += octets.length) };
  const reader = new MimeReader({
    part(_part, { bytes }) {
      parts++;
      handed += bytes.length;
      return sink;
    },
    aside: () => sink,
  });
  for (let at = 0; at < message.length; at += pieceOctets)
    reader.write(message.subarray(at, at + pieceOctets));
  return { handed, parts, notes: reader.end().notes };
}

/** Milliseconds, the best of several runs: nothing but the work itself makes the best one longer. */
function bestOf(runs: number, work: () => void): number {
  let best = Infinity;
  for (let i = 0; i < runs; i++) {
    const begunMs = performance.now();
    work();
    best = Math.min(best, performance.now() - begunMs);
  }
  return best;
}

/** Quadratic work takes 16 times as long for 4 times as much; below a millisecond clocks and collectors are all there is to see. */
function assertLinear(make: (size: number) => () => void, size: number): void {
  const [small, large] = [make(size), make(4 * size)];
  small();
  const most = () => 10 * Math.max(1, bestOf(3, small));
  let took = bestOf(3, large);
  let bound = most();
  // A busy machine gets another chance; quadratic work never takes it.
  for (let i = 0; i < 5 && took > bound; i++) {
    took = Math.min(took, bestOf(3, large));
    bound = Math.max(bound, most());
  }
  assert.ok(took <= bound, `${took} ms for four times the size, more than ${bound}`);
}

describe('a hostile message', () => {
  const size = 262_144;
  for (const [name, [make, note]] of Object.entries(MESSAGES)) {
    it(`of ${name}`, () => {
      const message = Buffer.from(make(size));
      const found = read(message, 65_536);
      assert.deepEqual(
        note === undefined ? [] : [note],
        [...found.notes.keys()].filter((kind) => kind === note),
      );
      assert.ok(found.handed <= message.length * 1.01 + 10, `${found.handed} of ${message.length}`);
      assert.ok(found.parts <= MIME_BOUNDS.parts);
      // Cut small, so that what is held back at the end of a piece is held back often.
      const cut = read(message, 1021);
      assert.deepEqual([cut.parts, [...cut.notes.keys()]], [found.parts, [...found.notes.keys()]]);
      assertLinear((octets) => {
        const bytes = Buffer.from(make(octets));
        return () => void read(bytes, 16_384);
      }, size);
    });
  }

  it('of encoded messages in each other costs each of them once more, and no more', () => {
    let message = 'x';
    for (let i = 0; i < 10; i++)
      message = `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(message.padEnd(30_000)).toString('base64')}`;
    const { handed, notes } = read(Buffer.from(message), 65_536);
    assert.ok(notes.has('too-deep'));
    assert.ok(handed <= message.length);
  });

  const VALUES: Record<string, [make: (octets: number) => string, read: (value: string) => unknown]> = {
    'encoded-words': [(n) => '=?utf-8?Q?a?= '.repeat(n / 14), (value) => decodeEncodedWords(value)],
    'the start of encoded-words': [(n) => '=?a?q?'.repeat(n / 6), (value) => decodeEncodedWords(value)],
    'an encoded-word without end': [(n) => `=?a?q?${'x'.repeat(n)}`, (value) => decodeEncodedWords(value)],
    'marks of encoded-words': [(n) => '=?'.repeat(n / 2), (value) => decodeEncodedWords(value)],
    addresses: [(n) => 'a@b.example,'.repeat(n / 12), parseAddressList],
    commas: [(n) => ','.repeat(n), parseAddressList],
    angles: [(n) => '<'.repeat(n), parseAddressList],
    'angles and quotes': [(n) => '<"'.repeat(n / 2), parseAddressList],
    'colons behind an address': [(n) => `a@b${':'.repeat(n)}`, parseAddressList],
    groups: [(n) => 'a:'.repeat(n / 2), parseAddressList],
    comments: [(n) => '('.repeat(n), parseAddressList],
    'comments that close': [(n) => '()'.repeat(n / 2), parseAddressList],
    backslashes: [(n) => `"${'\\'.repeat(n)}`, parseAddressList],
    'blanks in an address': [(n) => `a${' '.repeat(n)}@b`, parseAddressList],
    'parentheses in a hop': [(n) => `from a ${'('.repeat(n)}`, parseReceived],
    'clauses of a hop': [(n) => 'from a by b '.repeat(n / 12), parseReceived],
    'words in a comment of a hop': [(n) => `from a (${'helo '.repeat(n / 5)})`, parseReceived],
    'semicolons of a hop': [(n) => ';'.repeat(n), parseReceived],
    parameters: [(n) => `a;${'b=c;'.repeat(n / 4)}`, parseParameterized],
    quotes: [(n) => `a;b=${'"'.repeat(n)}`, parseParameterized],
  };
  for (const [name, [make, parse]] of Object.entries(VALUES)) {
    it(`with a field of ${name}`, () => {
      assertLinear((octets) => {
        const value = make(octets);
        return () => void parse(value);
      }, 16_384);
    });
  }

  it('of whatever octets ends nothing but itself', () => {
    const words = [
      'from ',
      'by ',
      '(',
      ')',
      '[',
      ']',
      '"',
      '\\',
      ';',
      ':',
      ',',
      '<',
      '>',
      '@',
      '=?',
      '?q?',
      '?=',
      '*0*=',
      "'",
      '%4',
      '\0',
      '\xff',
      '=',
      'a/b',
      '192.0.2.1',
      ' ',
      '\r\n',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 60 }), (said) => {
        const value = said.join('');
        for (const parse of [
          decodeEncodedWords,
          parseAddressList,
          parseParameterized,
          parseContentType,
          parseReceived,
          parseDate,
        ])
          assert.doesNotThrow(() => void parse(value), value);
        assert.doesNotThrow(() => decodeText(Buffer.from(value, 'latin1'), value));
        assert.doesNotThrow(() => read(Buffer.from(`Content-Type: ${value}`, 'latin1'), 7));
      }),
      { numRuns: 500 },
    );
  });

  it('with 50,000 Received fields has as many hops as are read', () => {
    const bytes = Buffer.from(
      'Received: from a (b [192.0.2.1]) by c; Sat, 21 Nov 2026 09:00:00 +0100\r\n'.repeat(50_000),
    );
    const header: Header = { bytes, end: bytes.length, fields: [...fields(bytes, bytes.length)] };
    assert.equal(header.fields.length, 50_000);
    assert.equal(hopsOf(header).length, MAX_HOPS);
  });
});
