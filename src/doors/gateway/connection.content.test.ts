import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageContent } from '../../core/delivery.ts';
import { startGateway } from '../../../test/fakes/gateway.ts';
import { sendMail } from '../../../test/smtp.ts';

const MAIL = { from: 'sender@example.net', to: 'user@example.org', message: 'Subject: x\r\n\r\nText\r\n' };

describe('what a message may not be', () => {
  const received = 'Received: from a by b; now\r\n';
  const cases: [name: string, message: string, code: number, enhanced: string][] = [
    ['too large', `Subject: x\r\n\r\n${'y'.repeat(998)}\r\n`.repeat(5), 552, '5.3.4'],
    ['of too large a header', `X: ${'y'.repeat(300)}\r\n`.repeat(4) + '\r\n', 552, '5.3.4'],
    ['of too many fields', 'A:\r\n'.repeat(2001) + '\r\n', 552, '5.3.4'],
    ['of bare newlines', 'Subject: x\r\n\r\na\nb\r\n', 550, '5.6.11'],
    ['of long lines', `Subject: x\r\n\r\n${'y'.repeat(1200)}\r\n`, 552, '5.6.0'],
    ['in a loop', received.repeat(101) + '\r\n', 554, '5.4.6'],
  ];
  for (const [name, message, code, enhanced] of cases) {
    it(`${name}: ${code} ${enhanced}`, async (t) => {
      const roomy = name === 'in a loop' || name === 'of too many fields';
      const world = await startGateway(t, {
        protocolLimits: {
          messageOctets: roomy ? 10_000 : 4_000,
          headerOctets: roomy ? 10_000 : 1_000,
          textLineOctets: 1_000,
        },
      });
      const peer = await world.connect();
      const { heard } = await sendMail(peer, { ...MAIL, message });
      assert.equal(heard.code, code);
      assert.ok(heard.lines[0]!.startsWith(`${code} ${enhanced} `));
      assert.deepEqual(world.backend.taken, []);
      const [decision] = await world.decided(1);
      assert.equal(decision!.outcome, 'refused');
      // The session goes on.
      await peer.say('MAIL FROM:<a@example.net>');
      await peer.say('RCPT TO:<user@example.org>');
      await peer.say('DATA');
      assert.equal((await peer.say('Subject: y\r\n\r\n.')).code, 250);
    });
  }

  it('100 Received fields are borne (RFC 5321 6.3)', async (t) => {
    const world = await startGateway(t);
    const { heard } = await sendMail(await world.connect(), {
      ...MAIL,
      message: received.repeat(100) + '\r\n',
    });
    assert.equal(heard.code, 250);
  });

  for (const [kind, spooled] of [
    ['a full disk', { kind: 'disk-full' }],
    ['a broken spool', { kind: 'failed', reason: 'EIO' }],
  ] as const) {
    it(`${kind} is 452 4.3.1, whatever the backend would say`, async (t) => {
      let disposed = 0;
      const world = await startGateway(t, {
        incoming: () => ({
          append: () => new Promise<void>((resolve) => setImmediate(resolve)),
          finish: async () => spooled,
          dispose: () => {
            disposed++;
          },
        }),
      });
      const { heard } = await sendMail(await world.connect(), MAIL);
      assert.match(heard.lines[0]!, /^452 4\.3\.1 /);
      assert.equal(disposed, 1);
      assert.deepEqual(world.backend.taken, []);
      assert.equal(world.troubles.length, 1);
    });
  }

  it('a spool that asks for time gets the pieces in their order', async (t) => {
    const pieces: Buffer[] = [];
    let writing = 0;
    const world = await startGateway(t, {
      incoming: () => ({
        append: async (bytes) => {
          assert.equal(++writing, 1);
          pieces.push(Buffer.from(bytes));
          await new Promise((resolve) => setImmediate(resolve));
          writing--;
        },
        finish: async (): Promise<MessageContent> => {
          const whole = Buffer.concat(pieces);
          return { sizeOctets: whole.length, chunks: () => [whole] };
        },
        dispose: () => undefined,
      }),
    });
    const message = `Subject: x\r\n\r\n${Array.from({ length: 9_000 }, (_, i) => `line ${i}\r\n`).join('')}`;
    const { heard } = await sendMail(await world.connect(), { ...MAIL, message });
    assert.equal(heard.code, 250);
    assert.ok(world.backend.taken[0]!.bytes.toString('latin1').endsWith(message));
  });
});
