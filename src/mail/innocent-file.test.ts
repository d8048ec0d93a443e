import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INNOCENT_OCTETS, innocentTypeOf } from './innocent-file.ts';

const link = (...lines: string[]): string => ['[InternetShortcut]', ...lines, ''].join('\r\n');
const LETTERS = 'x'.repeat(INNOCENT_OCTETS);

describe('an innocent file', () => {
  const cases: [what: string, name: string, start: string | Buffer, said: string | undefined, is: boolean][] =
    [
      ['a text called by a host', 'example.com', 'Dear Ann,\r\n', 'application/octet-stream', true],
      ['one in UTF-8, cut in a letter', 'a.com', Buffer.from(`${LETTERS}ü`).subarray(0, -1), undefined, true],
      ['nothing', 'a.com', '', undefined, true],
      ['octets', 'a.com', Buffer.from('b409cd21', 'hex'), 'application/octet-stream', false],
      ['octets in an archive', 'a.com', '\0', undefined, false],
      ['octets said to be a picture', 'a.com', 'RIFF\0\0', 'image/webp', true],
      ['a text called otherwise', 'a.bat', 'Dear Ann', 'text/plain', false],
      ['a link', 'a.url', link('URL=https://example.org/?a=b', 'Modified=20CE'), undefined, true],
      ['one with a picture', 'a.url', link('URL=http://a.example/', 'IconFile=C:\\a.ico'), undefined, true],
      ['one to a file', 'a.url', link('URL=file://a.example/b.exe'), 'text/plain', false],
      ['one to a server', 'a.url', link('URL=\\\\a.example\\b'), undefined, false],
      ['one with a second', 'a.url', link('URL=http://a.example/', ' url = search-ms:x'), undefined, false],
      ['one with a picture elsewhere', 'a.url', link('URL=http://a/', 'IconFile=//a/b'), undefined, false],
      ['one with more than is known', 'a.url', link('URL=http://a/', LETTERS), undefined, false],
      ['one without an address', 'a.url', link('X=y'), undefined, false],
    ];
  for (const [what, name, start, said, is] of cases)
    it(`${is ? 'is' : 'is not'} ${what}`, () =>
      assert.equal(innocentTypeOf([name], Buffer.from(start), said)?.name, is ? 'text' : undefined));
});
