import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { accepting, cutBySizes, feed, type Answer } from '../../../test/feed.ts';
import { reply } from '../../mail/reply.ts';
import type { EhloOffer, ServerEvent, ServerOptions } from './events.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { ServerProtocol } from './server.ts';
import { VERBS, type Verb } from './transitions.ts';

const OFFER: EhloOffer = {
  hostName: 'mx',
  sizeOctets: 0,
  starttls: true,
  auth: ['PLAIN'],
  smtputf8: true,
  dsn: true,
};
const server = (given: Partial<ServerOptions> = {}) =>
  new ServerProtocol({ offer: OFFER, limits: DEFAULT_LIMITS, ...given });

const LINES: Readonly<Record<Verb, string>> = {
  EHLO: 'EHLO c.example.net',
  HELO: 'HELO c.example.net',
  MAIL: 'MAIL FROM:<a@example.net>',
  RCPT: 'RCPT TO:<b@example.org>',
  DATA: 'DATA',
  RSET: 'RSET',
  NOOP: 'NOOP',
  VRFY: 'VRFY b',
  HELP: 'HELP',
  QUIT: 'QUIT',
  STARTTLS: 'STARTTLS',
  AUTH: 'AUTH PLAIN AG1lAHB3',
};

// A client that waits for replies: whole lines, messages after DATA, some of them wrong.
const lineTurn = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...VERBS.map((verb) => `${LINES[verb]}\r\n`)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('XYZZY\r\n', 'NOOP\n', 'NO\rOP\r\n', '\r\n', `NOOP ${'x'.repeat(600)}\r\n`),
  },
);
const messageTurn = fc
  .array(fc.constantFrom('A: b\r\n', '..\r\n', '\r\n', 'x\n.\n', '\r', 'é', '.x\r\n'), { maxLength: 8 })
  .map((parts) => `${parts.join('')}\r\n.\r\n`);
const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 6 });

describe('a client that waits for its replies', () => {
  it('is heard the same however its bytes are cut', () => {
    const turn = fc.tuple(lineTurn, messageTurn);
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 25 }), sizes, (turns, pieces) => {
        const run = (cut?: ReturnType<typeof cutBySizes>) => {
          const protocol = server();
          const events: ServerEvent[] = [];
          feed(protocol, [LINES.EHLO + '\r\n', LINES.MAIL + '\r\n', LINES.RCPT + '\r\n']);
          for (const [line, message] of turns) {
            // What to send follows from the state, as it does for a client.
            const sent = protocol.state === 'content' ? message : line;
            events.push(...feed(protocol, [sent], cut === undefined ? {} : { cut }).events);
          }
          return { events, state: protocol.state };
        };
        const plain = run();
        assert.deepEqual(run(cutBySizes(pieces)), plain);
        assert.ok(!plain.events.some((e) => e.kind === 'violation' && e.violation === 'pipelining'));
      }),
    );
  });
});

describe('hostile bytes', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((octets) => Buffer.from(octets)),
    fc.constantFrom(...VERBS.map((verb) => Buffer.from(`${LINES[verb]}\r\n`))),
    fc
      .constantFrom('\r\n.\r\n', '\n', '\r', 'MAIL FROM:<', 'AUTH PLAIN ', '\0', '.')
      .map((text) => Buffer.from(text)),
    fc.integer({ min: 500, max: 20_000 }).map((octets) => Buffer.alloc(octets, 'x')),
  );
  it('never make it throw, hang, tell a violation twice, or keep more than its limits', () => {
    fc.assert(
      fc.property(
        fc.array(noise, { maxLength: 40 }),
        fc.boolean(),
        fc.boolean(),
        (chunks, allowPipelining, tls) => {
          const protocol = server({ allowPipelining, tls });
          const told = new Set<string>();
          protocol.greet(reply(220, '', 'mx'));
          const kept = allowPipelining
            ? DEFAULT_LIMITS.pipelinedInputOctets
            : DEFAULT_LIMITS.earlyInputOctets;
          for (const [i, chunk] of chunks.entries()) {
            protocol.receive(chunk);
            for (let n = 0; ; n++) {
              assert.ok(n < 2000, 'does not come to rest');
              const event = protocol.next();
              if (event === undefined) break;
              if (event.kind === 'violation') {
                assert.ok(!told.has(event.violation));
                told.add(event.violation);
              }
              // Now and then the answer is late, so that bytes pile up; a mistake is answered at once.
              if (i % 3 !== 0 || event.kind === 'error') {
                const answer = accepting(event, protocol);
                if (answer !== undefined) protocol.reply(answer);
              }
            }
            assert.ok(protocol.bufferedOctets <= Math.max(kept, DEFAULT_LIMITS.authLineOctets));
            if (protocol.wantsReply && protocol.state !== 'connected' && i % 3 === 2) {
              protocol.reply(reply(250, '', 'late'));
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('any order of commands', () => {
  /** RFC 5321 4.1.4 in a few booleans, knowing nothing of the table. */
  class Model {
    open = true;
    hello = false;
    sender = false;
    recipients = 0;
    tls = false;
    authenticated = false;

    /** Whether the verb is legal now, and what saying yes to it does. */
    say(verb: Verb, yes: boolean): boolean {
      const legal = this.#legal(verb);
      if (!legal) return false;
      if (verb === 'QUIT') {
        this.open = false;
        this.#end();
      }
      if (!yes) return true;
      if (verb === 'EHLO' || verb === 'HELO') this.hello = true;
      if (verb === 'EHLO' || verb === 'HELO' || verb === 'RSET') this.#end();
      if (verb === 'MAIL') this.sender = true;
      if (verb === 'RCPT') this.recipients++;
      // The message follows at once in this test.
      if (verb === 'DATA') this.#end();
      if (verb === 'STARTTLS') [this.tls, this.hello] = [true, false];
      if (verb === 'AUTH') this.authenticated = true;
      return true;
    }

    #legal(verb: Verb): boolean {
      if (verb === 'MAIL') return this.hello && !this.sender;
      if (verb === 'RCPT') return this.sender;
      if (verb === 'DATA') return this.recipients > 0;
      if (verb === 'STARTTLS') return this.hello && !this.sender && !this.tls;
      if (verb === 'AUTH') return this.hello && !this.sender && this.tls && !this.authenticated;
      return true;
    }

    #end(): void {
      this.sender = false;
      this.recipients = 0;
    }
  }

  it('is legal where the model says so', () => {
    const step = fc.tuple(
      fc.constantFrom(...VERBS.filter((verb) => verb !== 'QUIT'), 'MAIL', 'RCPT', 'DATA'),
      fc.boolean(),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Model();
        const protocol = server({ limits: { ...DEFAULT_LIMITS, errors: 1000 } });
        for (const [verb, yes] of [...steps, ['QUIT', true] as const]) {
          const answer: Answer = (event, p) =>
            event.kind === 'error' || yes ? accepting(event, p) : reply(451, '4.3.0', 'Later');
          const { events } = feed(protocol, [`${LINES[verb]}\r\n`], { answer });
          const legal = events.at(-1)?.kind !== 'error';
          assert.equal(legal, model.say(verb, yes), `${verb} in ${JSON.stringify(model)}`);
          if (protocol.state === 'content') feed(protocol, ['x\r\n.\r\n']);
          assert.equal(protocol.recipients, model.recipients);
          assert.equal(protocol.state !== 'closed', model.open);
        }
      }),
      { numRuns: 300 },
    );
  });
});
