import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mailWith, PROGRAM } from '../../test/attached.ts';
import { attachedFiles, type AttachedFile } from './attached-files.ts';
import { TYPE_OCTETS } from './file-type.ts';
import { MimeReader } from './mime.ts';

/** With the message in pieces of so many octets. */
function filesOf(message: Buffer, wanted: number, pieceOctets: number): AttachedFile[] {
  const files: AttachedFile[] = [];
  const reader = new MimeReader(
    attachedFiles(
      () => wanted,
      (file) => files.push(file),
    ),
  );
  for (let at = 0; at < message.length; at += pieceOctets)
    reader.write(message.subarray(at, at + pieceOctets));
  reader.end();
  return files;
}

/** An installation package whose directory is far behind. */
function installer(): Buffer {
  const file = Buffer.alloc(60_000);
  file.write('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'latin1');
  file.writeUInt16LE(9, 30);
  file.writeUInt32LE(99, 48);
  Buffer.from([0x84, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46]).copy(file, 100 * 512 + 80);
  return file;
}

describe('attached files', () => {
  const long = Buffer.alloc(100_000, 'abc');
  for (const pieceOctets of [1, 7, 1000, 1_000_000]) {
    it(`are told of with type and name, read in pieces of ${pieceOctets}`, () => {
      const files = filesOf(
        mailWith({ name: 'é.pdf', octets: PROGRAM }, { octets: '%PDF-1.4' }),
        0,
        pieceOctets,
      );
      assert.deepEqual(
        files.map(({ part, type, octets }) => [part.names, type?.name, octets.length]),
        [
          [[], undefined, 0],
          [['é.pdf'], 'pe', 0],
          [[], 'pdf', 0],
        ],
      );
    });

    it(`are kept up to what is wanted, read in pieces of ${pieceOctets}`, () => {
      for (const wanted of [0, 1, TYPE_OCTETS - 1, TYPE_OCTETS, TYPE_OCTETS + 1, 99_999, 100_000, 100_001]) {
        const file = filesOf(mailWith({ name: 'a', octets: long }), wanted, pieceOctets)[1];
        assert.deepEqual(file?.octets, long.subarray(0, wanted));
        // Whoever wants nothing is not told that there is more.
        if (wanted >= TYPE_OCTETS) assert.equal(file.cut, wanted < long.length, String(wanted));
      }
    });

    it(`are known for installation packages, read in pieces of ${pieceOctets}`, () => {
      for (const wanted of [0, 1_000_000]) {
        const file = filesOf(mailWith({ name: 'a.doc', octets: installer() }), wanted, pieceOctets)[1];
        assert.equal(file?.type?.name, 'msi');
        assert.equal(file.octets.length, Math.min(wanted, 60_000));
      }
    });
  }
});
