import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { madeArchive, type MadeArchive } from '../../../test/archives.ts';
import {
  cabinetOf,
  lhaOf,
  mailWith,
  PROGRAM,
  rar5Of,
  rarOf,
  tarOf,
  zip64Of,
  zipOf,
} from '../../../test/attached.ts';
import { unpacked } from '../../../test/unpacked.ts';
import { Signatures } from '../../mail/signatures.ts';

const LETTER = { name: 'letter.txt', octets: 'Dear Ann,\n' };
const HIDDEN = { name: 'photo.jpg', octets: PROGRAM };
// RFC 1951 3.2.4
const EMPTY_BLOCK = Buffer.from([0, 0, 0, 0xff, 0xff]);

function gzipNamed(name: string): Buffer {
  const gzip = gzipSync('x');
  gzip[3] = 8;
  return Buffer.concat([gzip.subarray(0, 10), Buffer.from(`${name}\0`), gzip.subarray(10)]);
}

/** As `zipOf` takes it stored, with the method turned. */
function zipDeflated(packed: Buffer): Buffer {
  const zip = zipOf([{ name: 'photo', octets: packed, method: 0 }]);
  zip.writeUInt16LE(8, 8);
  zip.writeUInt16LE(8, zip.length - 22 - 5 - 46 + 10);
  return zip;
}

const CALLED = { name: 'invoice.pdf.exe', octets: 'x' };

/** Files as Python's own modules pack them, all in one run. */
const BY_PYTHON = `
import io, zipfile, tarfile, gzip, lzma, bz2
program = bytes([77, 90, 144, 0, 3, 0, 0, 0]) + bytes(600)
files = [('letter.txt', b'Dear Ann'), ('photo \\u00e9\\u65e5.jpg', program), ('d/' * 60 + 'e.js', b'x')]

def zipped(to, method=zipfile.ZIP_STORED):
  with zipfile.ZipFile(to, 'w', method) as z:
    for f in files: z.writestr(*f)

def tarred(to, mode, format):
  with tarfile.open(to, mode, format=format) as t:
    for name, octets in files:
      i = tarfile.TarInfo(name); i.size = len(octets); t.addfile(i, io.BytesIO(octets))

class Stream(io.RawIOBase):
  def __init__(self): self.f = open('stream.zip', 'wb')
  def writable(self): return True
  def write(self, octets): return self.f.write(octets)

zipped('deflate.zip', zipfile.ZIP_DEFLATED)
zipped('bzip2.zip', zipfile.ZIP_BZIP2)
zipped('lzma.zip', zipfile.ZIP_LZMA)
zipped(Stream(), zipfile.ZIP_DEFLATED)
behind = io.BytesIO(); zipped(behind)
open('behind.zip', 'wb').write(b'no archive yet' + behind.getvalue())
with zipfile.ZipFile('zip64.zip', 'w') as z:
  for name, octets in files:
    with z.open(name, 'w', force_zip64=True) as f: f.write(octets)
tarred('ustar.tar', 'w', tarfile.USTAR_FORMAT)
tarred('gnu.tar', 'w', tarfile.GNU_FORMAT)
tarred('pax.tar', 'w', tarfile.PAX_FORMAT)
tarred('a.tgz', 'w:gz', tarfile.PAX_FORMAT)
tarred('a.tar.bz2', 'w:bz2', tarfile.PAX_FORMAT)
tarred('a.tar.xz', 'w:xz', tarfile.PAX_FORMAT)
gzip.open('photo.gz', 'wb').write(program)
lzma.open('photo.xz', 'wb').write(program)
bz2.open('photo.bz2', 'wb').write(program)
`;

describe('archives', () => {
  describe('made by Python', () => {
    const dir = mkdtempSync(join(tmpdir(), 'postern-archives-'));
    before(() => execFileSync('python3', ['-c', BY_PYTHON], { cwd: dir }));
    after(() => rmSync(dir, { recursive: true }));

    const packed = (within: string): string[] => [
      `${within} > photo é日.jpg pe`,
      `${within} > ${'d/'.repeat(60)}e.js -`,
    ];
    const made: [name: string, files: string[]][] = [
      ...['deflate.zip', 'bzip2.zip', 'lzma.zip', 'stream.zip', 'behind.zip', 'zip64.zip'].map(inItself),
      ...['ustar.tar', 'gnu.tar', 'pax.tar'].map(inItself),
      ...['a.tgz', 'a.tar.bz2', 'a.tar.xz'].map((name): [string, string[]] => [
        name,
        packed(`${name} > a.tar`),
      ]),
      ...['photo.gz', 'photo.xz', 'photo.bz2'].map((name): [string, string[]] => [
        name,
        [`${name} > photo pe`],
      ]),
    ];
    function inItself(name: string): [string, string[]] {
      return [name, packed(name)];
    }
    for (const [name, files] of made)
      it(name, async () => {
        const found = await unpacked(name, readFileSync(join(dir, name)));
        assert.deepEqual([found.files, found.troubles], [files, []]);
      });
  });

  describe('made by others', () => {
    const made: [which: MadeArchive, name: string, files: string[], troubles?: string[]][] = [
      ['plain7z', 'a.7z', ['a.7z > photo.jpg pe']],
      ['xz', 'photo.xz', ['photo.xz > photo pe']],
      ['bzip2', 'photo.bz2', ['photo.bz2 > photo pe']],
      ['zstd', 'photo.zst', ['photo.zst > photo pe']],
      ['bzip2Zip', 'a.zip', ['a.zip > photo.jpg pe']],
      ['lzmaZip', 'a.zip', ['a.zip > photo.jpg pe']],
      ['ppmdZip', 'a.zip', ['a.zip > photo.jpg pe']],
      ['deflate64Zip', 'a.zip', [], ['unreadable a.zip']],
      ['lockedZip', 'a.zip', [], ['encrypted a.zip']],
      ['aesZip', 'a.zip', [], ['encrypted a.zip']],
      ['locked7z', 'a.7z', [], ['encrypted a.7z']],
      ['hidden7z', 'a.7z', [], ['encrypted a.7z']],
    ];
    for (const [which, name, files, troubles = []] of made)
      it(which, async () => {
        const found = await unpacked(name, madeArchive(which));
        assert.deepEqual([found.files, found.troubles], [files, troubles]);
      });
  });

  const octets = (text: string): Buffer => Buffer.from(text);
  const cases: [what: string, name: string, archive: Buffer, files: string[], troubles?: string[]][] = [
    ['nothing bad in a zip', 'a.zip', zipOf([LETTER]), []],
    ['an empty zip', 'a.zip', zipOf([]), []],
    ['by type in a zip', 'a.zip', zipOf([LETTER, HIDDEN]), ['a.zip > photo.jpg pe']],
    ['by name in a zip', 'a.zip', zipOf([CALLED]), ['a.zip > invoice.pdf.exe -']],
    ['in a zip with another name', 'a.jpg', zipOf([HIDDEN]), ['a.jpg > photo.jpg pe']],
    ['rar', 'a.rar', rarOf([{ name: 'a.txt', octets: octets('x') }, HIDDEN]), ['a.rar > photo.jpg pe']],
    [
      'a locked file in a rar',
      'a.rar',
      rarOf([{ name: 'a.exe', octets: octets('x'), encrypted: true }]),
      ['a.rar > a.exe -'],
      ['encrypted a.rar'],
    ],
    ['rar 5', 'a.rar', rar5Of([{ name: 'a.txt', octets: octets('x') }, HIDDEN]), ['a.rar > photo.jpg pe']],
    [
      'a zip in a zip',
      'a.zip',
      zipOf([{ name: 'b.dat', octets: zipOf([HIDDEN]) }]),
      ['a.zip > b.dat > photo.jpg pe'],
    ],
    [
      'a 7z in a rar in a zip',
      'a.zip',
      zipOf([{ name: 'b.rar', octets: rarOf([{ name: 'c.7z', octets: madeArchive('plain7z') }]) }]),
      ['a.zip > b.rar > c.7z > photo.jpg pe'],
    ],
    [
      'mail in a zip',
      'a.zip',
      zipOf([{ name: 'b.eml', octets: mailWith({ name: 'c.exe', octets: 'x' }, HIDDEN) }]),
      ['a.zip > b.eml > c.exe -', 'a.zip > b.eml > photo.jpg pe'],
    ],
    [
      'a zip in mail in a zip',
      'a.zip',
      zipOf([{ name: 'b.eml', octets: mailWith({ name: 'c.zip', octets: zipOf([HIDDEN]) }) }]),
      ['a.zip > b.eml > c.zip > photo.jpg pe'],
    ],
    ['attached mail', 'a.eml', mailWith(HIDDEN), ['a.eml > photo.jpg pe']],
    // Who opens it is shown the document, and no names.
    ['a script in a document', 'a.docx', zipOf([{ name: 'word/a.js', octets: 'x' }]), []],
    [
      'a program in a document',
      'a.docx',
      zipOf([{ name: 'word/a.bin', octets: PROGRAM }]),
      ['a.docx > word/a.bin pe'],
    ],
    // Each of these shows other programs another file than the directory does.
    [
      'two zips behind each other',
      'a.zip',
      Buffer.concat([zipOf([CALLED]), zipOf([LETTER])]),
      ['a.zip > invoice.pdf.exe -'],
    ],
    [
      'another name in front of a file',
      'a.zip',
      zipOf([{ ...LETTER, localName: 'a.exe' }]),
      ['a.zip > a.exe -'],
    ],
    [
      'a zip without directory',
      'a.zip',
      zipOf([HIDDEN], { directory: false }),
      ['a.zip > photo.jpg pe'],
      ['unreadable a.zip'],
    ],
    [
      'a zip cut off',
      'a.zip',
      zipOf([HIDDEN, { name: 'b', octets: Buffer.alloc(1000) }]).subarray(0, 120),
      ['a.zip > photo.jpg pe'],
      ['unreadable a.zip'],
    ],
    ['no zip at all', 'a.zip', octets('This is no zip'), [], ['unreadable a.zip']],
    ['no tar at all', 'a.tar.gz', gzipSync(Buffer.alloc(600, 'ustar')), [], ['unreadable a.tar.gz > a.tar']],
    [
      'a large zip',
      'a.zip',
      zip64Of(zipOf([HIDDEN, CALLED])),
      ['a.zip > photo.jpg pe', 'a.zip > invoice.pdf.exe -'],
    ],
    [
      'a size in an extra field',
      'a.zip',
      zipOf([{ ...HIDDEN, claimsOctets: 0xffffffff, extra: Buffer.from('01000800ff00000000000000', 'hex') }]),
      ['a.zip > photo.jpg pe'],
    ],
    [
      'a name in an extra field',
      'a.zip',
      zipOf([{ ...LETTER, extra: Buffer.from('\x75\x70\x0a\0\x01\0\0\0\0b.exe', 'latin1') }]),
      ['a.zip > b.exe -'],
    ],
    [
      'an innocent name in an extra field',
      'a.zip',
      zipOf([{ ...CALLED, extra: Buffer.from('\x75\x70\x0a\0\x01\0\0\0\0b.txt', 'latin1') }]),
      ['a.zip > invoice.pdf.exe -'],
    ],
    ['a name of its own in a gzip file', 'report.gz', gzipNamed('evil.js'), ['report.gz > evil.js -']],
    [
      'a type behind empty blocks',
      'a.zip',
      zipDeflated(Buffer.concat([...Array<Buffer>(900).fill(EMPTY_BLOCK), deflateRawSync(PROGRAM)])),
      ['a.zip > photo pe'],
    ],
    [
      'a type behind very many',
      'a.zip',
      zipDeflated(Buffer.concat([...Array<Buffer>(20_000).fill(EMPTY_BLOCK), deflateRawSync(PROGRAM)])),
      [],
      ['bomb a.zip'],
    ],
    [
      'a zip behind a tar',
      'a.tar',
      Buffer.concat([tarOf([LETTER]), zipOf([CALLED])]),
      ['a.tar > invoice.pdf.exe -'],
    ],
    [
      'an extra field cut off',
      'a.zip',
      zipOf([{ ...CALLED, extra: Buffer.from('7570ff', 'hex') }]),
      ['a.zip > invoice.pdf.exe -'],
    ],
    [
      'a name that is not UTF-8',
      'a.zip',
      zipOf([{ name: Buffer.from('\xe9.exe', 'latin1'), octets: 'x' }]),
      ['a.zip > é.exe -'],
    ],
    ['a cabinet', 'a.cab', cabinetOf('photo.jpg', PROGRAM), ['a.cab > photo.jpg pe']],
    [
      'a cabinet cut off',
      'a.cab',
      cabinetOf('photo.jpg', PROGRAM).subarray(0, 100),
      [],
      ['unreadable a.cab'],
    ],
    ['lha', 'a.lzh', lhaOf('photo.jpg', PROGRAM), ['a.lzh > photo.jpg pe']],
    [
      'a tar cut off in a file',
      'a.tar',
      tarOf([HIDDEN]).subarray(0, 600),
      ['a.tar > photo.jpg pe'],
      ['unreadable a.tar'],
    ],
    ['a tar without its end', 'a.tar', tarOf([HIDDEN, CALLED]).subarray(0, 1100), ['a.tar > photo.jpg pe']],
    [
      'a tar with a wrong sum',
      'a.tar',
      Buffer.from(tarOf([HIDDEN])).fill(1, 150, 151),
      [],
      ['unreadable a.tar'],
    ],
    [
      'a tar with a size that is none',
      'a.tar',
      tarOf([HIDDEN], (header) => header.write('nine', 124)),
      [],
      ['unreadable a.tar'],
    ],
    [
      'a tar with a size in binary',
      'a.tar',
      tarOf([HIDDEN], (header) => Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 12]).copy(header, 124)),
      ['a.tar > photo.jpg pe'],
    ],
    [
      'a tar with a size beyond all bounds',
      'a.tar',
      tarOf([HIDDEN], (header) => Buffer.from([0x80, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1, 12]).copy(header, 124)),
      [],
      ['unreadable a.tar'],
    ],
    [
      'a tar with its name in two',
      'a.tar',
      tarOf([CALLED], (header) => header.write('a/b', 345)),
      ['a.tar > a/b/invoice.pdf.exe -'],
    ],
    [
      'folders and links',
      'a.tar',
      tarOf([
        { name: 'a.exe', octets: '', flag: '2' },
        { name: 'b.exe', octets: '', flag: '5' },
      ]),
      [],
    ],
    [
      'a long name as GNU writes it',
      'a.tar',
      tarOf([{ name: '././@LongLink', octets: 'b.exe\0', flag: 'L' }, LETTER]),
      ['a.tar > b.exe -'],
    ],
    [
      'a long name as pax writes it',
      'a.tar',
      tarOf([{ name: 'x', octets: '14 path=b.exe\n', flag: 'x' }, LETTER]),
      ['a.tar > b.exe -'],
    ],
    [
      'pax that makes no sense',
      'a.tar',
      tarOf([{ name: 'x', octets: 'path=b.exe\n', flag: 'x' }, LETTER]),
      [],
    ],
    ['a kind nobody reads', 'a.ace', octets('.......**ACE**......'), [], ['unreadable a.ace']],
    [
      'an unknown compression',
      'a.zip',
      zipOf([{ name: 'a.exe', octets: 'x', method: 6 }]),
      ['a.zip > a.exe -'],
      ['unreadable a.zip'],
    ],
    // Whose sizes are wrong is read as far as it goes.
    ['a size that is too small', 'a.zip', zipOf([{ ...HIDDEN, claimsOctets: 1 }]), ['a.zip > photo.jpg pe']],
    [
      'a size beyond belief',
      'a.zip',
      zipOf([{ ...HIDDEN, claimsOctets: 0x7fffffff }]),
      ['a.zip > photo.jpg pe'],
      ['unreadable a.zip'],
    ],
  ];
  for (const [what, name, archive, files, troubles = []] of cases)
    it(what, async () => {
      const found = await unpacked(name, archive);
      assert.deepEqual([found.files, found.troubles], [files, troubles]);
    });

  it('has its files matched by signatures, and their names', async () => {
    const signatures = new Signatures([
      { name: 'by-octets', place: 'file', pattern: 'Ann,\\n$' },
      { name: 'by-name', place: 'name', pattern: '^letter' },
      { name: 'not-this', place: 'text', pattern: 'Ann' },
    ]);
    const { signatures: found } = await unpacked('a.zip', zipOf([LETTER]), {}, signatures);
    assert.deepEqual(found.sort(), ['by-name', 'by-octets']);
    const inLocked = await unpacked('a.zip', madeArchive('lockedZip'), {}, signatures);
    assert.deepEqual(inLocked.signatures, ['by-name']);
  });
});
