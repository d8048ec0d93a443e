import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PROGRAM, rar5Of, rarOf, zipOf } from '../../test/attached.ts';
import { madeArchive } from '../../test/archives.ts';
import { fileTypeNamed, fileTypeOf, INSTALLER, typeOfWhole } from './file-type.ts';

const octets = (latin1: string): Buffer => Buffer.from(latin1, 'latin1');
const FILE = { name: 'a', octets: octets('x') };

/** A compound file whose first sector is its directory. */
function compoundFile(rootClass: readonly number[], directoryAt = 0): Buffer {
  const file = Buffer.alloc(512 * (3 + directoryAt));
  file.write('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'latin1');
  file.writeUInt16LE(9, 30);
  file.writeUInt32LE(directoryAt, 48);
  Buffer.from(rootClass).copy(file, 512 * (1 + directoryAt) + 80);
  return file;
}
const INSTALLER_CLASS = [0x84, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
// Word.Document.8
const WORD_CLASS = [0x06, 0x09, 0x02, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];

describe('file type', () => {
  const cases: [what: string, start: Buffer, name: string | undefined][] = [
    ['a Windows program', PROGRAM, 'pe'],
    ['the first octets of one', PROGRAM.subarray(0, 32), 'pe'],
    ['a text that begins with MZ', octets('MZ is what programs begin with'), undefined],
    ['a long text that begins with MZ', octets(`MZ ${'and so on '.repeat(500)}`), undefined],
    ['ELF', octets('\x7fELF\x02\x01\x01'), 'elf'],
    ['Mach-O', octets('\xcf\xfa\xed\xfe\x07\0\0\x01'), 'mach-o'],
    ['Java', octets('\xca\xfe\xba\xbe\0\0\0\x34'), 'java-class'],
    ['a shortcut', octets('L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F'), 'lnk'],
    ['a script', octets('#!/bin/sh\nrm -rf /\n'), 'shebang'],
    ['a script with a space', octets('#! /usr/bin/env python3\n'), 'shebang'],
    ['a heading', octets('#! Important\n'), undefined],
    ['a help file', octets('ITSF\x03\0\0\0'), 'chm'],
    ['zip', zipOf([FILE]), 'zip'],
    ['an empty zip', zipOf([]), 'zip'],
    ['gzip', octets('\x1f\x8b\x08\0'), 'gzip'],
    ['bzip2', madeArchive('bzip2'), 'bzip2'],
    ['a text that begins with BZh', octets('BZh9 is a file'), undefined],
    ['xz', madeArchive('xz'), 'xz'],
    ['zstd', madeArchive('zstd'), 'zstd'],
    ['7z', madeArchive('plain7z'), '7z'],
    ['rar', rarOf([FILE]), 'rar'],
    ['rar 5', rar5Of([FILE]), 'rar5'],
    ['a cabinet', octets('MSCF\0\0\0\0\x2c'), 'cab'],
    ['tar', Buffer.concat([Buffer.alloc(257), octets('ustar\x0000')]), 'tar'],
    ['lha', octets('\x1e\x3d-lh5-'), 'lha'],
    ['ace', Buffer.concat([Buffer.alloc(7), octets('**ACE**')]), 'ace'],
    ['arj', octets('\x60\xea\x2a\0\x22\x0b\x01\x0b\x10\0\x02'), 'arj'],
    ['a Word document', compoundFile(WORD_CLASS), 'ole'],
    ['PDF', octets('%PDF-1.7\n'), 'pdf'],
    ['PNG', octets('\x89PNG\r\n\x1a\n'), 'png'],
    ['a text', octets('Dear Ann'), undefined],
    ['nothing', Buffer.alloc(0), undefined],
  ];
  for (const [what, start, name] of cases)
    it(`${name ?? 'unknown'}: ${what}`, () => {
      const found = fileTypeOf(start);
      assert.equal(found?.name, name);
      if (found !== undefined) assert.deepEqual(fileTypeNamed(found.name), found);
    });

  it('knows an installation package by what its root says, and no document for one', () => {
    for (const at of [0, 40]) {
      assert.deepEqual(typeOfWhole(compoundFile(INSTALLER_CLASS, at)), INSTALLER);
      assert.equal(typeOfWhole(compoundFile(WORD_CLASS, at))?.name, 'ole');
    }
    assert.equal(typeOfWhole(compoundFile(INSTALLER_CLASS, 0x7fffff).subarray(0, 512))?.name, 'ole');
    assert.deepEqual(fileTypeNamed('msi'), INSTALLER);
  });

  it('takes any octets', () => {
    const starts = cases.map(([, start]) => start).filter((start) => start.length > 8);
    fc.assert(
      fc.property(
        fc.constantFrom(...starts),
        fc.nat(64),
        fc.uint8Array({ maxLength: 80 }),
        (start, at, others) => {
          typeOfWhole(Buffer.concat([start.subarray(0, at), others]));
        },
      ),
    );
  });
});
