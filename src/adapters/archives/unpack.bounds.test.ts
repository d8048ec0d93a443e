import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { madeArchive } from '../../../test/archives.ts';
import { PROGRAM, rar5Of, rarOf, zipOf } from '../../../test/attached.ts';
import { unpacked } from '../../../test/unpacked.ts';

const LETTER = { name: 'letter.txt', octets: 'Dear Ann,\n' };
const HIDDEN = { name: 'photo.jpg', octets: PROGRAM };

describe('archives made to harm', () => {
  it('unpack nothing but the first octets of a file of zeros', async () => {
    const zeros = { name: 'zeros', octets: Buffer.alloc(3_000_000) };
    assert.deepEqual(await unpacked('a.zip', zipOf([zeros])), {
      files: [],
      troubles: [],
      signatures: [],
      entries: 1,
    });
    const found = await unpacked('a.zip', zipOf([{ ...zeros, octets: Buffer.alloc(5_000_000) }]));
    assert.deepEqual(found.troubles, ['bomb a.zip']);
    const gzipped = await unpacked('a.gz', gzipSync(Buffer.alloc(5_000_000)));
    assert.deepEqual(gzipped.troubles, ['bomb a.gz']);
  });

  it('are bombs by what they say, where their method can do so much', async () => {
    for (const [method, troubles] of [
      [12, ['bomb a.zip']],
      [8, ['unreadable a.zip']],
    ] as const) {
      const claims = { name: 'a.txt', octets: 'x', method, claimsOctets: 0x7fffffff };
      const found = await unpacked('a.zip', zipOf([claims]));
      assert.ok(found.troubles.includes(troubles[0]), found.troubles.join());
    }
  });

  it('are left as soon as they are bombs', async () => {
    const zeros = { name: 'zeros', octets: Buffer.alloc(5_000_000) };
    const found = await unpacked('a.zip', zipOf([zeros, LETTER, LETTER]));
    assert.deepEqual([found.troubles, found.entries], [['bomb a.zip'], 1]);
  });

  it('are bombs where they hold each other deeper than may be', async () => {
    let octets: Buffer = PROGRAM;
    for (let i = 0; i < 8; i++) octets = zipOf([{ name: `${i}.zip`, octets }]);
    const deepest = await unpacked('a.zip', octets);
    assert.equal(deepest.files.length, 1);
    assert.deepEqual(deepest.troubles, []);
    const deeper = await unpacked('a.zip', zipOf([{ name: '8.zip', octets }]));
    assert.deepEqual(deeper.files, []);
    assert.match(deeper.troubles.join(), /^bomb a\.zip > 8\.zip > 7\.zip/);
  });

  it('are bombs where each holds many others', async () => {
    let octets: Buffer = zipOf([{ name: '0.txt', octets: Buffer.alloc(500_000) }]);
    for (let i = 0; i < 5; i++)
      octets = zipOf(
        Array.from({ length: 16 }, (_, n) => ({
          name: `${n}.zip`,
          octets: Buffer.concat([octets, Buffer.alloc(0)]),
        })),
      );
    const found = await unpacked('a.zip', octets, { unpackedOctets: 1_048_576, ratio: 20, entries: 2_000 });
    assert.ok(
      found.troubles.some((trouble) => trouble.startsWith('bomb ')),
      found.troubles.join(),
    );
    assert.ok(found.entries <= 2_001);
  });

  it('are bombs where their files share their octets', async () => {
    const zip = zipOf([{ name: 'a', octets: Buffer.alloc(100_000) }]);
    const directory = zip.subarray(-22 - 47, -22);
    const end = Buffer.from(zip.subarray(-22));
    end.writeUInt32LE(directory.length * 100, 12);
    const shared = Buffer.concat([zip.subarray(0, -22 - 47), ...Array<Buffer>(100).fill(directory), end]);
    assert.ok((await unpacked('a.zip', shared)).troubles.includes('bomb a.zip'));
  });

  it('are looked at up to the bounds: one below, at, and one above', async () => {
    const three = zipOf([1, 2, 3].map((n) => ({ name: `${n}`, octets: 'x' })));
    for (const [entries, troubles] of [
      [4, []],
      [3, []],
      [2, ['too-much a.zip']],
    ] as const) {
      const found = await unpacked('a.zip', three, { entries });
      assert.deepEqual(found.troubles, troubles);
    }
    const inner = zipOf([{ name: 'a.exe', octets: Buffer.alloc(1000, 'abc'), method: 0 }]);
    const outer = zipOf([{ name: 'inner.zip', octets: inner, method: 0 }]);
    for (const [more, troubles] of [
      [1, []],
      [0, []],
      [-1, ['too-much a.zip']],
    ] as const) {
      // Its first octets are read before the whole.
      const unpackedOctets = inner.length * 2 + more;
      const found = await unpacked('a.zip', outer, { unpackedOctets });
      assert.deepEqual(found.troubles, troubles, String(more));
    }
  });

  it('are left where they take too long, and what was seen by then counts', async () => {
    let ms = 0;
    const files = Array.from({ length: 50 }, (_, i) => ({ name: `${i}.exe`, octets: 'x' }));
    const found = await unpacked('a.zip', zipOf(files), { timeMs: 100 }, undefined, () => (ms += 10));
    assert.deepEqual(found.troubles, ['too-much a.zip']);
    assert.ok(found.files.length > 5 && found.files.length < 15);
  });

  it('have their share of the time each', async () => {
    let ms = 0;
    const files = Array.from({ length: 50 }, (_, i) => ({ name: `${i}.exe`, octets: 'x' }));
    const found = await unpacked('a.zip', zipOf(files), { timeMs: 300 }, undefined, () => (ms += 10), 3);
    assert.ok(ms > 300 && ms < 400, String(ms));
    assert.equal(found.files.filter((file) => file.includes(' 0.exe ')).length, 3);
  });

  it('are timed where files are unpacked to come to others', async () => {
    let ms = 0;
    const archive = madeArchive('plain7z');
    const calls = async (timeMs: number): Promise<string[]> => {
      ms = 0;
      return (await unpacked('a.7z', archive, { timeMs }, undefined, () => ms++)).troubles;
    };
    assert.deepEqual(await calls(100), []);
    const all = ms;
    // Beyond one for the start and one for each file.
    assert.ok(all > 3, String(all));
    assert.deepEqual(await calls(all - 2), ['too-much a.7z']);
  });

  it('that hold themselves come to an end', async () => {
    // As the known quine does: unpacked, it is an archive again. Forty levels stand for no end.
    let octets: Buffer = Buffer.from('x');
    for (let i = 0; i < 40; i++) octets = gzipSync(octets);
    const found = await unpacked('r.gz', octets);
    assert.equal(found.entries, 8);
    assert.match(found.troubles.join(), /^bomb r\.gz/);
  });

  it('are never more than damaged, whatever octets they have', async () => {
    const seeds = [
      ...(['plain7z', 'locked7z', 'hidden7z', 'xz', 'bzip2', 'lzmaZip', 'ppmdZip', 'aesZip'] as const).map(
        madeArchive,
      ),
      rarOf([HIDDEN]),
      rar5Of([HIDDEN]),
      zipOf([HIDDEN, LETTER]),
      gzipSync(PROGRAM),
      deflateRawSync(PROGRAM),
      Buffer.from('MSCF\0\0\0\0'),
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 12 }),
        fc.option(fc.nat()),
        async (seed, changes, cutAt) => {
          const octets = Buffer.from(cutAt === null ? seed : seed.subarray(0, cutAt % (seed.length + 1)));
          for (const [at, octet] of changes) if (octets.length > 0) octets[at % octets.length] = octet;
          await unpacked('a.zip', octets, { unpackedOctets: 1_048_576 });
        },
      ),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (octets) => {
        await unpacked(
          'a.zip',
          Buffer.concat([
            Buffer.from('PK\x03\x04', 'latin1'),
            octets,
            Buffer.from('PK\x05\x06', 'latin1'),
            octets,
          ]),
        );
      }),
    );
  });
});
