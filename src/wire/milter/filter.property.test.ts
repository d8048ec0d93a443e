import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cutBySizes } from '../../../test/feed.ts';
import { reply } from '../../mail/reply.ts';
import { COMMANDS } from './codes.ts';
import type { MilterEvent, MilterReply } from './events.ts';
import { MilterProtocol } from './filter.ts';
import { frame } from './frame.ts';
import { DEFAULT_MILTER_LIMITS } from './limits.ts';

const LIMITS = { ...DEFAULT_MILTER_LIMITS, frameOctets: 4096 };
const milter = () =>
  new MilterProtocol({
    needs: {
      data: true,
      unknown: true,
      header: true,
      endOfHeader: true,
      body: true,
      rejectedRecipients: true,
      addHeaders: true,
      changeHeaders: true,
      changeSender: true,
      macros: { mail: ['i'] },
    },
    limits: LIMITS,
  });

const FRAMES = [
  frame('C', 'c.example.net', Buffer.from('4\0\x19'), '192.0.2.7'),
  frame('H', 'c.example.net'),
  frame('D', Buffer.from('M'), 'i', 'Q1'),
  frame('D', Buffer.from('R'), 'i', 'Q2'),
  frame('M', '<a@example.net>'),
  frame('R', '<b@example.org>'),
  frame('R', '<c@example.org>', 'NOTIFY=NEVER'),
  frame('T'),
  frame('L', 'Subject', ' a\n b'),
  frame('N'),
  frame('B', Buffer.from('body\r\n')),
  frame('E'),
  frame('A'),
  frame('K'),
  frame('U', 'XYZZY'),
];
const OPTNEG = frame('O', 6, 0x1ff, 0x1fffff);

const ANSWERS: readonly MilterReply[] = [
  { kind: 'continue' },
  { kind: 'accept' },
  { kind: 'reject' },
  { kind: 'tempfail' },
  { kind: 'reply', reply: reply(450, '4.7.1', 'Later') },
];
const answers = fc.array(fc.constantFrom(...ANSWERS), { minLength: 1, maxLength: 5 });
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });

/** Events with the macro they were judged by. */
function run(bytes: Buffer, pieces: readonly number[], said: readonly MilterReply[]) {
  const protocol = milter();
  const events: (MilterEvent | string | undefined)[] = [];
  let asked = 0;
  for (const piece of cutBySizes(pieces)(bytes)) {
    protocol.receive(Buffer.from(piece));
    for (let n = 0; ; n++) {
      assert.ok(n < 1000, 'does not come to rest');
      const event = protocol.next();
      if (event === undefined) break;
      events.push(event, protocol.macro('i'));
      if (protocol.wantsReply && event.kind !== 'abort') {
        protocol.reply(said[asked++ % said.length] ?? { kind: 'continue' });
      }
    }
  }
  return { events, state: protocol.state };
}

describe('frames in any order', () => {
  it('are heard the same however their octets are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...FRAMES), { maxLength: 30 }),
        sizes,
        answers,
        (frames, pieces, said) => {
          const bytes = Buffer.concat([OPTNEG, ...frames]);
          assert.deepEqual(run(bytes, pieces, said), run(bytes, [bytes.length], said));
        },
      ),
    );
  });

  it('give a door nothing that has no place in the dialogue', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...FRAMES), { maxLength: 40 }), answers, (frames, said) => {
        const { events } = run(Buffer.concat([OPTNEG, FRAMES[0]!, FRAMES[4]!, ...frames]), [4096], said);
        // What a door may rely on, knowing nothing of the table. Answers decide whether a message is open, so only what holds
        // whatever they were: a step belongs to a MAIL that no end, abort or new connection lies behind.
        let connected = false;
        let open = false;
        for (const event of events) {
          if (typeof event !== 'object') continue;
          switch (event.kind) {
            case 'connect':
              assert.ok(!connected);
              connected = true;
              break;
            case 'helo':
              assert.ok(connected);
              break;
            case 'mail':
              assert.ok(connected);
              open = true;
              break;
            case 'rcpt':
            case 'data':
            case 'header':
            case 'end-of-header':
            case 'body':
              assert.ok(open);
              break;
            case 'end-of-message':
            case 'abort':
              assert.ok(open);
              open = false;
              break;
            case 'new-connection':
              connected = false;
              open = false;
              break;
            default:
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('hostile octets', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets)),
    fc.constantFrom(...FRAMES, OPTNEG),
    // Frames of any command with any contents, so that not all ends at the length.
    fc
      .tuple(fc.constantFrom(...Object.keys(COMMANDS), 'Z'), fc.uint8Array({ maxLength: 40 }))
      .map(([letter, octets]) => frame(letter, Buffer.from(octets))),
    fc.constantFrom(...FRAMES).map((f) => f.subarray(0, f.length - 1)),
    fc.integer({ min: 1, max: 9000 }).map((octets) => Buffer.alloc(octets)),
  );
  it('never make it throw, hang, or keep more than its limits', () => {
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 30 }), fc.boolean(), answers, (chunks, polite, said) => {
        const protocol = milter();
        let asked = 0;
        for (const [i, chunk] of [...(polite ? [OPTNEG] : []), ...chunks].entries()) {
          protocol.receive(Buffer.from(chunk));
          let ended = false;
          for (let n = 0; ; n++) {
            assert.ok(n < 3000, 'does not come to rest');
            const event = protocol.next();
            if (event === undefined) break;
            assert.ok(!ended, 'nothing comes behind the end');
            ended = (event.kind === 'error' && event.answer.length === 0) || event.kind === 'quit';
            assert.equal(protocol.state === 'closed', ended);
            if (!protocol.wantsReply || event.kind === 'abort') continue;
            if (event.kind === 'end-of-message') protocol.progress();
            // Now and then the answer is late, so that octets pile up.
            if (i % 3 !== 0) protocol.reply(said[asked++ % said.length] ?? { kind: 'continue' });
          }
          assert.ok(protocol.bufferedOctets <= Math.max(LIMITS.frameOctets + 4, chunk.length));
          if (protocol.wantsReply && i % 3 === 2) protocol.reply({ kind: 'continue' });
        }
      }),
      { numRuns: 300 },
    );
  });
});
