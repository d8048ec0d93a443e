import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MIME_BOUNDS, MimeReader, walk, type MimeBounds, type NoteKind, type PartEnd } from './mime.ts';

interface Read {
  /** `path type "content"`, containers without content. */
  readonly told: readonly string[];
  readonly notes: readonly NoteKind[];
  readonly ends: readonly PartEnd[];
  readonly partsSeen: number;
}

function read(message: string | Buffer, { piece = 65_536, bounds = {}, limitOctets = 1_000_000 } = {}): Read {
  const told: string[] = [];
  const ends: PartEnd[] = [];
  const sinkFor = (line: string) => {
    const index = told.push(line) - 1;
    let text = '';
    return {
      limitOctets,
      write: (octets: Buffer) => void (text += octets.toString('latin1')),
      end: (end: PartEnd) => {
        told[index] = `${line} ${JSON.stringify(text)}`;
        ends.push(end);
      },
    };
  };
  const reader = new MimeReader(
    {
      part(part) {
        const { path, contentType, names, container } = part;
        const line = [path, contentType.value, ...names].join(' ');
        if (!container) return sinkFor(line);
        told.push(line);
        return undefined;
      },
      aside: (where, of) => sinkFor(`${of.path} ${where}`),
    },
    { ...MIME_BOUNDS, ...bounds },
  );
  const bytes = typeof message === 'string' ? Buffer.from(message, 'latin1') : message;
  for (let at = 0; at < bytes.length; at += piece) reader.write(Buffer.from(bytes.subarray(at, at + piece)));
  const { notes, partsSeen, sizeOctets } = reader.end();
  assert.equal(sizeOctets, bytes.length);
  // What holds nothing but what the form needs is of no interest.
  const shown = told.filter((line) => !/ (?:preamble|epilogue) ""$/.test(line));
  return { told: shown, notes: [...notes.keys()], ends, partsSeen };
}

const lines = (...all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');
const TYPE = (type: string) => `Content-Type: ${type}`;
const MIXED = TYPE('multipart/mixed; boundary=b');
const BASE64 = 'Content-Transfer-Encoding: base64';

describe('the MIME walk', () => {
  const cases: Record<string, [message: string, told: readonly string[], notes?: readonly NoteKind[]]> = {
    'a plain message': [lines('Subject: x', '', 'Hi', '--b', ''), ['1 text/plain "Hi\\r\\n--b\\r\\n\\r\\n"']],
    'nothing at all': ['', ['1 text/plain ""']],
    'only a header': ['Subject: x', ['1 text/plain ""']],
    'no header': [lines('Hi there'), ['1 text/plain "Hi there\\r\\n"'], ['header-unended']],
    'an empty header': [lines('', 'Hi'), ['1 text/plain "Hi\\r\\n"']],
    'two parts, text around them': [
      lines(MIXED, '', 'pre', '--b', TYPE('text/html'), '', 'one', '--b', '', 'two', '', '--b--', 'post'),
      [
        '1 multipart/mixed',
        '1 preamble "pre"',
        '1.1 text/html "one"',
        '1.2 text/plain "two\\r\\n"',
        '1 epilogue "post\\r\\n"',
      ],
    ],
    'bare line feeds': [
      [MIXED, '', '--b', '', 'one', '--b--', ''].join('\n'),
      ['1 multipart/mixed', '1.1 text/plain "one"'],
    ],
    'empty parts': [
      lines(MIXED, '', '--b', '--b', '', '--b--'),
      ['1 multipart/mixed', '1.1 text/plain ""', '1.2 text/plain ""'],
    ],
    'a delimiter with white space behind it': [
      lines(MIXED, '', '--b \t ', '', 'one', '--b-- '),
      ['1 multipart/mixed', '1.1 text/plain "one"'],
    ],
    'lines that look like delimiters': [
      lines(MIXED, '', '--b', '', '--', '--bb', '-b', '--b-', ' --b', '--B', '--b--x', '--b--'),
      ['1 multipart/mixed', '1.1 text/plain "--\\r\\n--bb\\r\\n-b\\r\\n--b-\\r\\n --b\\r\\n--B\\r\\n--b--x"'],
    ],
    'a boundary that ends as the last delimiter does': [
      lines(TYPE('multipart/mixed; boundary="b--"'), '', '--b--', '', 'one', '--b----'),
      ['1 multipart/mixed', '1.1 text/plain "one"'],
    ],
    'no final delimiter': [
      lines(MIXED, '', '--b', '', 'one'),
      ['1 multipart/mixed', '1.1 text/plain "one\\r\\n"'],
      ['end-missing'],
    ],
    'an inner multipart without its end': [
      lines(
        MIXED,
        '',
        '--b',
        TYPE('multipart/alternative; boundary=c'),
        '',
        '--c',
        '',
        'in',
        '--b',
        '',
        'out',
        '--b--',
      ),
      ['1 multipart/mixed', '1.1 multipart/alternative', '1.1.1 text/plain "in"', '1.2 text/plain "out"'],
      ['end-missing'],
    ],
    'an inner multipart with the boundary of the outer one': [
      lines(MIXED, '', '--b', MIXED, '', '--b', '', 'in', '--b--', '--b', '', 'out', '--b--'),
      ['1 multipart/mixed', '1.1 multipart/mixed', '1.1.1 text/plain "in"', '1.2 text/plain "out"'],
    ],
    'a multipart without boundary': [
      lines(TYPE('multipart/mixed'), '', '--b', '', 'x'),
      ['1 multipart/mixed "--b\\r\\n\\r\\nx\\r\\n"'],
      ['no-boundary'],
    ],
    'two boundaries': [
      lines(TYPE('multipart/mixed; boundary=b; boundary=c'), '', '--b', '', 'x', '--c', '--b--'),
      ['1 multipart/mixed', '1.1 text/plain "x"', '1.2 text/plain ""'],
      ['duplicate-field'],
    ],
    ...Object.fromEntries(
      [
        'boundary=b (x)',
        'boundary=b x',
        'boundary=a; boundary=b',
        "boundary=b; boundary*=utf-8''a",
        'boundary*0=b; boundary*2=a',
        'boundary*0=a; boundary*0=b',
      ].map((said) => [
        `of two boundaries the one that comes, ${said}`,
        [
          lines(TYPE(`multipart/mixed; ${said}`), '', '--b', '', 'x', '--b', '', 'y', '--b--'),
          ['1 multipart/mixed', '1.1 text/plain "x"', '1.2 text/plain "y"'],
          ['duplicate-field'],
        ] as const,
      ]),
    ),
    'two boundaries, and a multipart with one of them within': [
      lines(
        TYPE('multipart/mixed; boundary=b; boundary=c'),
        ...['', '--b', TYPE('multipart/mixed; boundary=c'), '', '--c', '', 'x', '--c--'],
        ...['--c', '', 'y', '--b--'],
      ),
      ['1 multipart/mixed', '1.1 multipart/mixed', '1.1.1 text/plain "x"', '1.2 text/plain "y"'],
      ['duplicate-field'],
    ],
    'two types, the second a multipart': [
      lines(TYPE('text/plain'), MIXED, '', '--b', '', 'x', '--b--'),
      ['1 multipart/mixed', '1.1 text/plain "x"'],
      ['duplicate-field'],
    ],
    'two multiparts in one header': [
      lines(TYPE('multipart/mixed; boundary=a'), MIXED, '', '--b', '', 'x', '--a', '', 'y', '--b--'),
      ['1 multipart/mixed', '1.1 text/plain "x"', '1.2 text/plain "y"'],
      ['duplicate-field'],
    ],
    'two encodings': [
      lines('Content-Transfer-Encoding: 7bit', BASE64, '', 'SGk='),
      ['1 text/plain "Hi"'],
      ['duplicate-field'],
    ],
    'a line that is no field before the type': [
      lines('Subject: x', 'no field', 'nor this', MIXED, '', '--b', '', 'x', '--b--'),
      ['1 multipart/mixed', '1.1 text/plain "x"'],
      ['header-unended'],
    ],
    '… in the type': [
      lines(
        'Content-Type: multipart/mixed;',
        'no field',
        ' boundary=b',
        TYPE('a/b'),
        '',
        '--b',
        '',
        'x',
        '--b--',
      ),
      ['1 multipart/mixed', '1.1 text/plain "x"'],
      ['header-unended', 'duplicate-field'],
    ],
    '… as the first of a part': [
      lines(MIXED, '', '--b', 'no field', TYPE('text/html; name=x.js'), '', '<p>', '--b--'),
      ['1 multipart/mixed', '1.1 text/html x.js "<p>"'],
      ['header-unended'],
    ],
    '… behind which no part is told of': [
      lines(MIXED, '', '--b', TYPE('text/html'), '<p>', 'X: y', '', 'z', '--b', TYPE('a/b'), '', '--b--'),
      ['1 multipart/mixed', '1.1 text/html "<p>\\r\\nX: y\\r\\n\\r\\nz"', '1.2 a/b ""'],
      ['header-unended'],
    ],
    'a message that begins with a line that is no field': [
      lines('no field', TYPE('text/html'), '', '<p>'),
      ['1 text/plain "no field\\r\\nContent-Type: text/html\\r\\n\\r\\n<p>\\r\\n"'],
      ['header-unended'],
    ],
    'parameters beyond the bound': [
      lines(`Content-Type: a/b${'; x=y'.repeat(64)}; name=x.exe`, ''),
      ['1 a/b ""'],
      ['value-cut'],
    ],
    'as many as there may be': [
      lines(`Content-Type: a/b${'; x=y'.repeat(63)}; name=x.exe`, ''),
      ['1 a/b x.exe ""'],
    ],
    'a value beyond the bound': [
      lines(`Content-Disposition: attachment; x="${'y'.repeat(8200)}"; filename=x.exe`, ''),
      ['1 text/plain ""'],
      ['value-cut'],
    ],
    'a multipart whose boundary never comes': [
      lines(MIXED, '', 'x'),
      ['1 multipart/mixed', '1 preamble "x\\r\\n"'],
      ['end-missing', 'no-delimiter'],
    ],
    'parts behind the last delimiter': [
      lines(MIXED, '', '--b', '', 'x', '--b--', '--b', '', 'y'),
      ['1 multipart/mixed', '1.1 text/plain "x"', '1 epilogue "--b\\r\\n\\r\\ny\\r\\n"'],
    ],
    'a part whose header has no end': [
      lines(MIXED, '', '--b', TYPE('text/html'), '<p>', '--b--'),
      ['1 multipart/mixed', '1.1 text/html "<p>"'],
      ['header-unended'],
    ],
    'an attached message': [
      lines(MIXED, '', '--b', TYPE('message/rfc822'), '', 'From: a@b', TYPE('text/html'), '', 'in', '--b--'),
      ['1 multipart/mixed', '1.1 message/rfc822', '1.1.1 text/html "in"'],
    ],
    'an attached message that is empty, and one with a mailbox file’s mark': [
      lines(
        MIXED,
        '',
        '--b',
        TYPE('message/rfc822'),
        '--b',
        TYPE('message/rfc822'),
        '',
        '>From x Sat',
        TYPE('a/b'),
        '',
        '--b--',
      ),
      [
        '1 multipart/mixed',
        '1.1 message/rfc822',
        '1.1.1 text/plain ""',
        '1.2 message/rfc822',
        '1.2.1 a/b ""',
      ],
    ],
    'an attached message in base64': [
      lines(
        TYPE('message/rfc822'),
        BASE64,
        '',
        Buffer.from(lines(MIXED, '', '--b', '', 'in', '--b--')).toString('base64'),
      ),
      ['1 message/rfc822', '1.1 multipart/mixed', '1.1.1 text/plain "in"'],
    ],
    'a digest': [
      lines(
        TYPE('multipart/digest; boundary=d'),
        '',
        '--d',
        '',
        'Subject: x',
        '',
        'in',
        '--d',
        TYPE('text/plain'),
        '',
        '--d--',
      ),
      ['1 multipart/digest', '1.1 message/rfc822', '1.1.1 text/plain "in"', '1.2 text/plain ""'],
    ],
    'base64 with garbage': [lines(BASE64, '', 'SGVs!bG8', '=?', ''), ['1 text/plain "Hello"'], ['garbage']],
    'quoted-printable': [
      lines('content-transfer-encoding : "Quoted-Printable"', '', 'a=3D=', 'b=\t', 'c'),
      ['1 text/plain "a=bc\\r\\n"'],
    ],
    'an encoding that nobody knows': [
      lines('Content-Transfer-Encoding: x-y', '', 'a=3D'),
      ['1 text/plain "a=3D\\r\\n"'],
      ['unknown-encoding'],
    ],
    'a multipart that says it is encoded': [
      lines(MIXED, BASE64, '', '--b', '', 'x', '--b--'),
      ['1 multipart/mixed', '1.1 text/plain "x"'],
      ['encoded-multipart'],
    ],
    'a type that is none': [
      lines(TYPE('html; name="a.exe"'), '', 'x'),
      ['1 text/plain a.exe "x\\r\\n"'],
      ['bad-content-type'],
    ],
    'names under all their names': [
      lines(
        `Content-Type: application/pdf; name="=?utf-8?Q?b=2Eexe?="`,
        `Content-Disposition: attachment; filename*0="a"; filename*1*=%2Eexe; filename=c.exe`,
        `Content-Disposition: attachment; filename=d.exe`,
        '',
      ),
      ['1 application/pdf a.exe d.exe b.exe c.exe ""'],
      ['duplicate-field'],
    ],
    'NUL octets and eight bits in a header': [
      lines('Subject: a\0b \xe4', '', 'x'),
      ['1 text/plain "x\\r\\n"'],
      ['nul', '8-bit-header'],
    ],
    'a header that is folded before it begins': [
      lines(' folded', 'Subject: x', '', 'y'),
      ['1 text/plain " folded\\r\\nSubject: x\\r\\n\\r\\ny\\r\\n"'],
      ['header-unended'],
    ],
  };
  for (const [name, [message, told, notes = []]] of Object.entries(cases)) {
    it(name, () => {
      for (const piece of [65_536, 1, 2, 3, 7]) {
        const found = read(message, { piece });
        assert.deepEqual(found.told, told);
        assert.deepEqual(found.notes, notes);
      }
    });
  }

  it('is the same however the octets are cut', () => {
    const word = fc.constantFrom(
      '--b',
      '--b--',
      '--c',
      '-',
      '\r\n',
      '\n',
      '\r',
      MIXED,
      'x',
      '=',
      TYPE('message/rfc822'),
      '\r\n\r\n',
      TYPE('multipart/x; boundary=c'),
      'Subject: y',
      BASE64,
      ' ',
      '\0',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (words, piece) => {
        const message = `${MIXED}\r\n\r\n--b\r\n${words.join('')}`;
        assert.deepEqual(read(message, { piece }).told, read(message).told);
      }),
      { numRuns: 300 },
    );
  });

  it('gives all of a leaf back, octet for octet', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('\r', '\n', '-', 'b', 'x') }),
        fc.integer({ min: 1, max: 5 }),
        (body, piece) => {
          const { told } = read(`${MIXED}\r\n\r\n--b\r\n\r\n${body}\r\n--b--\r\n`, { piece });
          if (!/(?:^|\n)--b/.test(body)) assert.equal(told[1], `1.1 text/plain ${JSON.stringify(body)}`);
        },
      ),
    );
  });

  const nested = (depth: number): string =>
    Array.from({ length: depth }, (_, i) =>
      lines(TYPE(`multipart/mixed; boundary=b${i}`), '', `--b${i}`),
    ).join('');

  const bounds: [string, Partial<MimeBounds>, (size: number) => string, NoteKind][] = [
    ['depth', { depth: 3 }, (n) => nested(n), 'too-deep'],
    [
      'parts',
      { parts: 4 },
      (n) => lines(MIXED, '', ...Array.from({ length: n }, () => '--b\r\n')),
      'too-many-parts',
    ],
    ['headerOctets', { headerOctets: 10 }, (n) => `A: ${'x'.repeat(n)}\r\n\r\n`, 'header-too-large'],
    [
      'boundaryOctets',
      { boundaryOctets: 5 },
      (n) => lines(TYPE(`multipart/a; boundary=${'b'.repeat(n)}`), ''),
      'boundary-too-long',
    ],
  ];
  const reached: Record<string, number> = { depth: 3, parts: 3, headerOctets: 5, boundaryOctets: 5 };
  for (const [name, set, message, note] of bounds) {
    it(`keeps to the bound ${name}`, () => {
      const at = reached[name]!;
      for (const [size, over] of [
        [at - 1, false],
        [at, false],
        [at + 1, true],
      ] as const)
        assert.equal(read(message(size), { bounds: set }).notes.includes(note), over, `${size}`);
    });
  }

  it('opens encoded messages in each other up to a bound', () => {
    const wrapped = (times: number): string =>
      times === 0
        ? lines('', 'x')
        : lines(TYPE('message/rfc822'), BASE64, '', Buffer.from(wrapped(times - 1)).toString('base64'));
    for (const [times, over] of [
      [1, false],
      [2, false],
      [3, true],
    ] as const)
      assert.equal(read(wrapped(times), { bounds: { encodedMessages: 2 } }).notes.includes('too-deep'), over);
  });

  it('finds what the message is behind a header that goes on and on', () => {
    const far = `${'X-Pad: xxxxxxxxxx\r\n'.repeat(100)}${MIXED}\r\n\r\n--b\r\n\r\nin\r\n--b--\r\n`;
    const { told, notes } = read(far, { bounds: { headerOctets: 200 } });
    assert.deepEqual(told, ['1 multipart/mixed', '1.1 text/plain "in"']);
    assert.deepEqual(notes, ['header-too-large']);
  });

  it('counts the parts beyond the bound, and passes them over', () => {
    const many = lines(MIXED, '', ...Array.from({ length: 50 }, () => '--b\r\n\r\nx'), '--b--');
    const { told, partsSeen } = read(many, { bounds: { parts: 10 } });
    assert.equal(told.length, 10);
    assert.equal(partsSeen, 51);
  });

  it('stops where a sink has had enough, and says so', () => {
    const message = lines(BASE64, '', Buffer.from('abcdefgh').toString('base64'));
    for (const [limitOctets, decodedOctets, cut] of [
      [7, 7, true],
      [8, 8, false],
      [9, 8, false],
      [0, 0, true],
    ] as const)
      for (const piece of [1, 1000]) {
        const [end] = read(message, { limitOctets, piece }).ends;
        assert.deepEqual(end, { encodedOctets: 14, decodedOctets, cut, garbageOctets: 0 });
      }
  });

  it('reads chunks that have to be waited for, and ends with the signal', async () => {
    const chunk = Buffer.from(`Subject: x\r\n\r\n${'y'.repeat(300_000)}`);
    const content = {
      async *chunks() {
        yield chunk;
        yield chunk;
      },
    };
    assert.equal((await walk(content)).sizeOctets, 2 * chunk.length);
    await assert.rejects(walk(content, {}, MIME_BOUNDS, AbortSignal.abort()), { name: 'AbortError' });
  });
});
