import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byteByByte, cutBySizes, whole } from '../../../test/feed.ts';
import { FieldReader, frame, FrameReader, type FrameOutcome } from './frame.ts';

const LIMIT = 1000;

function readAll(pieces: readonly Buffer[], limit = LIMIT): FrameOutcome[] {
  const reader = new FrameReader();
  const out: FrameOutcome[] = [];
  for (const piece of pieces) {
    reader.add(Buffer.from(piece));
    for (;;) {
      const taken = reader.take(limit);
      if (taken.kind === 'incomplete') break;
      out.push(taken);
      if (taken.kind === 'too-large') return out;
    }
  }
  return out;
}

describe('a frame', () => {
  it('is its length, its command and its fields', () => {
    assert.equal(frame('c').toString('hex'), '0000000163');
    assert.equal(frame('O', 6, 0x11, 0x300).toString('hex'), '0000000d4f000000060000001100000300');
    assert.equal(frame('y', '550 5.7.1 No').toString('latin1'), '\0\0\0\x0ey550 5.7.1 No\0');
    assert.equal(frame('B', Buffer.from('a\0b')).toString('latin1'), '\0\0\0\x04Ba\0b');
  });

  it('has no string with a NUL inside', () => {
    assert.throws(() => frame('h', 'X', 'a\0Bcc'), /NUL/);
  });
});

describe('the frame reader', () => {
  const bytes = Buffer.concat([frame('H', 'c.example.net'), frame('N'), frame('B', Buffer.from('body'))]);
  const expected = [
    ['H', 'c.example.net\0'],
    ['N', ''],
    ['B', 'body'],
  ];
  for (const [name, cut] of [
    ['whole', whole],
    ['octet by octet', byteByByte],
    ['in threes', cutBySizes([3])],
  ] as const) {
    it(`gives the same frames, cut ${name}`, () => {
      const frames = readAll(cut(bytes));
      assert.deepEqual(
        frames.map((f) => (f.kind === 'frame' ? [f.command, f.payload.toString('latin1')] : f.kind)),
        expected,
      );
    });
  }

  for (const [octets, kind] of [
    [LIMIT - 1, 'frame'],
    [LIMIT, 'frame'],
    [LIMIT + 1, 'too-large'],
    [0xffff_ffff, 'too-large'],
  ] as const) {
    it(`${octets} octets: ${kind}`, () => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(octets);
      const rest = kind === 'frame' ? Buffer.alloc(octets, 'x') : Buffer.alloc(0);
      const [taken] = readAll([Buffer.concat([head, rest])]);
      if (kind === 'too-large') assert.deepEqual(taken, { kind, octets });
      else assert.equal(taken?.kind, kind);
    });
  }

  it('says too large as soon as the length is there, and nothing before', () => {
    const head = Buffer.from([0, 0, 0x04, 0]);
    assert.deepEqual(readAll([head.subarray(0, 3)]), []);
    assert.deepEqual(readAll([head]), [{ kind: 'too-large', octets: 1024 }]);
  });

  it('takes a frame without a command for one', () => {
    assert.deepEqual(readAll([Buffer.alloc(4)]), [{ kind: 'frame', command: '', payload: Buffer.alloc(0) }]);
  });

  it('writes over no frame that went out, and knows what it has', () => {
    const reader = new FrameReader();
    const first = frame('B', Buffer.from('first'));
    const second = frame('B', Buffer.from('second'));
    const both = Buffer.concat([first, second]);
    // Cut inside both, so that everything passes through the reader's own memory.
    reader.add(both.subarray(0, 6));
    assert.equal(reader.take(LIMIT).kind, 'incomplete');
    reader.add(both.subarray(6, 12));
    const taken = reader.take(LIMIT);
    assert.equal(reader.bufferedOctets, 2);
    reader.add(both.subarray(12));
    const next = reader.take(LIMIT);
    reader.add(Buffer.alloc(64, 'x'));
    assert.equal(taken.kind === 'frame' && taken.payload.toString(), 'first');
    assert.equal(next.kind === 'frame' && next.payload.toString(), 'second');
    reader.drop();
    assert.equal(reader.bufferedOctets, 0);
    assert.equal(reader.take(LIMIT).kind, 'incomplete');
  });

  it('gives what was framed, however it is cut', () => {
    const some = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(some, sizes, (payloads, pieces) => {
        const framed = Buffer.concat(payloads.map((p) => frame('B', Buffer.from(p))));
        const frames = readAll(cutBySizes(pieces)(framed));
        assert.deepEqual(
          frames.map((f) => f.kind === 'frame' && f.payload.toString('hex')),
          payloads.map((p) => Buffer.from(p).toString('hex')),
        );
      }),
    );
  });
});

describe('the field reader', () => {
  it('takes fields in order, and none that is not whole', () => {
    const fields = new FieldReader(Buffer.from([0, 0, 1, 0, 0, 25, 52, 97, 98, 0, 99]));
    assert.equal(fields.uint32(), 256);
    assert.equal(fields.uint16(), 25);
    assert.equal(fields.octet(), 52);
    assert.equal(fields.string()?.toString(), 'ab');
    assert.equal(fields.left, 1);
    assert.equal(fields.string(), undefined);
    assert.equal(fields.uint16(), undefined);
    assert.equal(fields.uint32(), undefined);
    assert.equal(fields.octet(), 99);
    assert.equal(fields.octet(), undefined);
    assert.equal(fields.left, 0);
  });
});
