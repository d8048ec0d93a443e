import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MimeReader, type PartSink } from './mime.ts';
import { withUuencoded } from './uuencoded.ts';

/** The names, and what the consumer beside it got. */
function read(text: string, pieceOctets = Infinity, limitOctets = Infinity) {
  const names: string[] = [];
  let got = '';
  let wasCut: boolean | undefined;
  const sink: PartSink = {
    limitOctets,
    write: (octets) => void (got += octets.toString('latin1')),
    end: ({ cut }) => void (wasCut = cut),
  };
  const reader = new MimeReader(withUuencoded({ part: () => sink }, (name) => names.push(name)));
  const octets = Buffer.from(text, 'latin1');
  for (let at = 0; at < octets.length; at += pieceOctets)
    reader.write(octets.subarray(at, Math.min(octets.length, at + pieceOctets)));
  reader.end();
  return { names, got, wasCut };
}

describe('uuencoded files in a text', () => {
  const FILE = 'begin 644 evil.exe\r\n#0V%T\r\n`\r\nend\r\n';
  const cases: Record<string, [message: string, names: string[]]> = {
    'one behind words': [`Subject: x\r\n\r\nHello\r\n\r\n${FILE}`, ['evil.exe']],
    'one at once, with bare line ends': [`\r\n${FILE.replaceAll('\r', '')}`, ['evil.exe']],
    'two, in HTML': [
      `Content-Type: text/html\r\n\r\n${FILE}${FILE.replace('evil', 'a b')}`,
      ['evil.exe', 'a b.exe'],
    ],
    'one that is encoded': [
      `Content-Transfer-Encoding: base64\r\n\r\n${Buffer.from(FILE).toString('base64')}\r\n`,
      ['evil.exe'],
    ],
    'a full line': [`\r\nbegin 0755 x\r\nM${'0V%T'.repeat(15)}\r\n`, ['x']],
    'talk about it': ['\r\nbegin 644 evil.exe\r\nis the line to look for\r\n', []],
    'the same in capitals': ['\r\nbegin 644 evil.exe\r\nIS THE LINE TO LOOK FOR\r\n', []],
    'one that ends there': ['\r\nbegin 644 evil.exe\r\n', []],
    'an empty one': ['\r\nbegin 644 evil.exe\r\n`\r\nend\r\n', []],
    'no line of its own': ['\r\nthey begin 644 evil.exe\r\n#0V%T\r\n', []],
    'a part that is no text': [`Content-Type: a/b\r\n\r\n${FILE}`, []],
  };
  for (const [name, [message, names]] of Object.entries(cases)) {
    it(name, () => {
      for (const pieces of [Infinity, 1, 7]) assert.deepEqual(read(message, pieces).names, names);
    });
  }

  it('are few, and lines of any length cost little', () => {
    assert.equal(read(`\r\n${FILE.repeat(500)}`).names.length, 100);
    assert.deepEqual(read(`\r\nbegin 644 ${'x'.repeat(1_000_000)}\r\n#0V%T\r\n`).names[0]?.length, 290);
  });

  it('are found whatever the consumer wants beside them', () => {
    assert.deepEqual(read(`\r\nHello\r\n${FILE}`, 4, 3), { names: ['evil.exe'], got: 'Hel', wasCut: true });
    const all = `Hello\r\n${FILE}`;
    assert.deepEqual(read(`\r\n${all}`, 4), { names: ['evil.exe'], got: all, wasCut: false });
  });
});
