import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DANGEROUS_EXTENSIONS } from './dangerous-extensions.ts';
import { fileName, shownName } from './file-name.ts';
import { isArchiveName, isDocumentName, showsNames, suspicionOf } from './file-suspicion.ts';
import type { FileKind } from './file-type.ts';

const REFUSED = new Set(Object.keys(DANGEROUS_EXTENSIONS));

describe('file name', () => {
  const cases: [said: string, base: string, extension: string, disguised?: true][] = [
    ['invoice.pdf', 'invoice.pdf', 'pdf'],
    ['invoice.pdf.exe', 'invoice.pdf.exe', 'exe'],
    ['INVOICE.EXE', 'INVOICE.EXE', 'exe'],
    ['C:\\Users\\a\\b.scr', 'b.scr', 'scr'],
    ['a/b/../c.js', 'c.js', 'js'],
    ['a.exe.', 'a.exe', 'exe'],
    ['a.exe . . ', 'a.exe', 'exe'],
    ['a.exe::$DATA', 'a.exe', 'exe'],
    ['Re: invoice.exe', 'Re: invoice.exe', 'exe'],
    ['invoice.pdf          .exe', 'invoice.pdf          .exe', 'exe', true],
    ['annexe\u202efdp.exe', 'annexefdp.exe', 'exe', true],
    ['photo\u202egpj.scr', 'photogpj.scr', 'scr', true],
    ['a.\uff45\uff58\uff45', 'a.\uff45\uff58\uff45', 'exe'],
    ['a.e\u200bxe', 'a.exe', 'exe'],
    ['a.txt\0.exe', 'a.txt.exe', 'exe', true],
    // Embedding and marks are how such names are set.
    ['\u202bדוח.pdf\u202c', 'דוח.pdf', 'pdf'],
    ['noextension', 'noextension', ''],
    ['', '', ''],
    ['...', '', ''],
    ['.htaccess', '.htaccess', 'htaccess'],
  ];
  for (const [said, base, extension, disguised = false] of cases)
    it(JSON.stringify(said), () => assert.deepEqual(fileName(said), { base, extension, disguised }));

  it('is shown in ASCII, with its end', () => {
    assert.equal(shownName('a"b\r\n\\ü.exe'), '"a?b????.exe"');
    assert.equal(shownName(`${'x'.repeat(100)}.exe`, 20), `"...${'x'.repeat(13)}.exe"`);
    assert.equal(shownName('x'.repeat(60)), `"${'x'.repeat(60)}"`);
    assert.equal(shownName('x'.repeat(61)), `"...${'x'.repeat(57)}"`);
  });

  it('takes any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (said) => {
        fileName(said);
        assert.match(shownName(said), /^"[\x20-\x21\x23-\x5b\x5d-\x7e]*"$/);
      }),
    );
  });

  it('reads a name of spaces in linear time', () => {
    const before = performance.now();
    for (let i = 0; i < 100; i++) fileName(`${' '.repeat(100_000)}.`);
    assert.ok(performance.now() - before < 2_000);
  });
});

describe('suspicion of a file', () => {
  const cases: [what: string, name: string, kind: FileKind | undefined, expected: string | undefined][] = [
    ['a program', 'a.exe', 'program', 'program by type'],
    ['a program with an innocent name', 'a.jpg', 'program', 'program by type'],
    ['a name alone', 'a.vbs', undefined, 'program by name'],
    ['a shell script', 'a.sh', 'script', 'script by type'],
    ['a shell script called otherwise', 'a.bat', 'script', 'program by name'],
    ['a misleading name', 'a\u202etxt.doc', 'document', 'disguised by name'],
    ['a document', 'a.pdf', 'document', undefined],
    ['an archive', 'a.zip', 'archive', undefined],
    ['a document called by a host', 'report of example.com', 'document', undefined],
    ['a picture called a disk', 'photo.img', 'document', undefined],
    ['a disk', 'a.img', undefined, 'program by name'],
    ['unknown octets called so', 'example.com', undefined, 'program by name'],
    ['a text', 'readme', undefined, undefined],
  ];
  for (const [what, name, kind, expected] of cases)
    it(`${expected ?? 'none'}: ${what}`, () => {
      const found = suspicionOf(name, kind === undefined ? undefined : { kind }, REFUSED);
      assert.equal(found === undefined ? undefined : `${found.kind} by ${found.by}`, expected);
    });

  it('leaves names alone where nobody is shown them', () => {
    assert.equal(suspicionOf('word/a.js', undefined, REFUSED, false), undefined);
    assert.deepEqual(suspicionOf('a.bin', { kind: 'program' }, REFUSED, false), {
      kind: 'program',
      by: 'type',
    });
  });

  it('knows documents and archives by their names', () => {
    assert.ok(isDocumentName('Plan.DOCX') && !isDocumentName('Plan.zip'));
    assert.ok(showsNames(['a.docx', 'a.zip']) && !showsNames(['a.docx']) && showsNames([]));
    assert.ok(isArchiveName('Plan.7z') && !isArchiveName('Plan.docx'));
  });

  it('has a reason for each extension, in words that fit a reply', () => {
    for (const [extension, reason] of Object.entries(DANGEROUS_EXTENSIONS)) {
      assert.match(extension, /^[a-z0-9-]+$/);
      assert.match(reason, /^[\x20-\x7e]{6,70}$/);
    }
  });
});
