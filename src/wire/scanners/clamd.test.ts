import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byteByByte, cutBySizes, whole, type Cut } from '../../../test/feed.ts';
import { CLAMD, ClamdReader, streamed, type ClamdReply } from './clamd.ts';

function read(bytes: Buffer | string, number: number | undefined, cut: Cut = whole): ClamdReply | undefined {
  const reader = new ClamdReader(number);
  for (const piece of cut(Buffer.from(bytes as string, 'latin1'))) reader.receive(Buffer.from(piece));
  return reader.reply;
}

const failed = (reason: string): ClamdReply => ({ kind: 'failed', reason });

describe("clamd's replies", () => {
  const cases: [said: string, number: number | undefined, reply: ClamdReply | undefined][] = [
    ['stream: OK\0', undefined, { kind: 'clean' }],
    ['1: stream: OK\0', 1, { kind: 'clean' }],
    ['7: stream: OK', 7, undefined],
    ['', 1, undefined],
    ['PONG\0', undefined, { kind: 'pong' }],
    ['3: PONG\0', 3, { kind: 'pong' }],
    ['1: stream: Eicar-Test-Signature FOUND\0', 1, { kind: 'infected', name: 'Eicar-Test-Signature' }],
    ['1: stream: Win.Test(44d88612:68) FOUND\0', 1, { kind: 'infected', name: 'Win.Test(44d88612:68)' }],
    ['1: stream: OK FOUND\0', 1, { kind: 'infected', name: 'OK' }],
    ['1: stream: a\r\nb\xff FOUND\0', 1, { kind: 'infected', name: 'a?b?' }],
    ['1: stream:  FOUND\0', 1, failed('it says: stream:  FOUND')],
    ['INSTREAM size limit exceeded. ERROR\0', 1, { kind: 'too-large' }],
    ['2: INSTREAM size limit exceeded. ERROR\0', 2, { kind: 'too-large' }],
    ['COMMAND READ TIMED OUT\0', 1, failed('it answers another question')],
    ['COMMAND READ TIMED OUT\0', undefined, failed('it says: COMMAND READ TIMED OUT')],
    ["1: stream: Can't allocate memory ERROR\0", 1, failed("it says: stream: Can't allocate memory ERROR")],
    // Another message's verdict must never be taken for this one's.
    ['2: stream: OK\0', 1, failed('it answers another question')],
    ['stream: OK\0', 1, failed('it answers another question')],
    ['1: stream: OK\0', undefined, failed('it answers another question')],
    ['01: stream: OK\0', 1, failed('it answers another question')],
    ['1: stream: OK\x001: stream: OK\0', 1, failed('it says more than it was asked')],
    ['1: stream: OK \0', 1, failed('it says: stream: OK')],
    ['1: stream: ok\0', 1, failed('it says: stream: ok')],
    ['\0', 1, failed('it answers another question')],
    ['SSH-2.0-OpenSSH_9.2\r\n\0', undefined, failed('it says: SSH-2.0-OpenSSH_9.2?')],
    ['x'.repeat(4097), 1, failed('its reply is too long')],
    [`1: stream: ${'N'.repeat(4000)} FOUND\0`, 1, { kind: 'infected', name: `${'N'.repeat(117)}...` }],
  ];
  for (const [said, number, reply] of cases) {
    it(JSON.stringify(said.slice(0, 60)), () => {
      assert.deepEqual(read(said, number), reply);
      // More than was asked for shows only where it comes together.
      if (!said.slice(0, -1).includes('\0')) assert.deepEqual(read(said, number, byteByByte), reply);
    });
  }

  it('that end in the middle are no verdict', () => {
    const reader = new ClamdReader(1);
    reader.receive(Buffer.from('1: stream: OK'));
    reader.end();
    assert.deepEqual(reader.reply, failed('it closed the connection without an answer'));
    const done = new ClamdReader(1);
    done.receive(Buffer.from('1: stream: OK\0'));
    done.end();
    assert.deepEqual(done.reply, { kind: 'clean' });
  });

  it('whatever comes, only the one line is clean', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 6000 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (bytes, sizes) => {
          const reply = read(Buffer.from(bytes), 1, cutBySizes(sizes));
          assert.notEqual(reply?.kind, 'clean');
        },
      ),
    );
  });
});

describe('a stream to clamd', () => {
  const framed = (...pieces: string[]) =>
    Buffer.concat(pieces.flatMap((piece) => [...streamed(Buffer.from(piece))])).toString('latin1');

  it('has the length before each piece', () => {
    assert.equal(framed('abc', 'd'), '\0\0\0\x03abc\0\0\0\x01d');
    assert.equal(CLAMD.endOfStream.toString('latin1'), '\0\0\0\0');
  });

  it('is not ended by an empty piece', () => {
    assert.equal(framed('a', '', 'b'), '\0\0\0\x01a\0\0\0\x01b');
  });

  it('cuts large pieces', () => {
    const lengths = [...streamed(Buffer.alloc(0x10_0001))].filter((_, i) => i % 2 === 1).map((p) => p.length);
    assert.deepEqual(lengths, [0x10_0000, 1]);
  });
});
