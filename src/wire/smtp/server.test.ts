import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HELLO, heard, MAIL, RCPT, say, server } from '../../../test/fed-server.ts';
import { accepting, byteByByte, cutAt, feed, whole, type Answer } from '../../../test/feed.ts';
import { reply } from '../../mail/reply.ts';
import { errorReply } from './errors.ts';
import type { ServerEvent } from './events.ts';
import { DEFAULT_LIMITS, tightened } from './limits.ts';
import type { ServerProtocol } from './server.ts';

describe('a session', () => {
  it('goes from greeting to QUIT', () => {
    const { events, replies } = feed(server(), [
      HELLO,
      MAIL,
      RCPT,
      'DATA\r\n',
      'A: b\r\n\r\n..\r\n.\r\n',
      'QUIT\r\n',
    ]);
    assert.deepEqual(events, [
      { kind: 'hello', verb: 'EHLO', name: 'c.example.net' },
      { kind: 'mail', reversePath: { local: 'a', domain: 'example.net' }, parameters: {} },
      { kind: 'rcpt', forwardPath: { local: 'b', domain: 'example.org' }, parameters: {} },
      { kind: 'data' },
      { kind: 'content', bytes: Buffer.from('A: b\r\n\r\n.\r\n') },
      {
        kind: 'end-of-message',
        sizeOctets: 11,
        bareNewline: false,
        tooLarge: false,
        headerTooLarge: false,
        tooManyFields: false,
        lineTooLong: false,
      },
      { kind: 'quit' },
    ]);
    assert.match(replies[0] ?? '', /^250-mx\.example\.org\r\n250-SIZE 1000\r\n/);
    assert.deepEqual(replies.slice(-2), ['250 2.0.0 Yes\r\n', '221 2.0.0 Bye\r\n']);
  });

  it('says by its state and deadline whose turn it is', () => {
    const p = server();
    const seen: unknown[] = [];
    const note = () => seen.push([p.state, p.wantsReply, p.deadlineMs, p.recipients]);
    note();
    assert.equal(p.greet(reply(220, '', 'mx')), '220 mx\r\n');
    note();
    for (const line of [HELLO, MAIL, RCPT, 'DATA\r\n', 'x\r\n.\r\n', 'QUIT\r\n']) {
      p.receive(Buffer.from(line));
      for (let event = p.next(); event !== undefined && !p.wantsReply; event = p.next());
      while (p.next() !== undefined);
      note();
      p.reply(line === 'DATA\r\n' ? reply(354, '', 'x') : reply(250, '2.0.0', 'x'));
      note();
    }
    assert.deepEqual(seen, [
      ['connected', true, undefined, 0],
      ['greeted', false, 300_000, 0],
      ['greeted', true, undefined, 0],
      ['ready', false, 300_000, 0],
      ['ready', true, undefined, 0],
      ['mail', false, 300_000, 0],
      ['mail', true, undefined, 0],
      ['rcpt', false, 300_000, 1],
      ['rcpt', true, undefined, 1],
      ['content', false, 180_000, 1],
      ['content', true, undefined, 1],
      ['ready', false, 300_000, 0],
      ['ready', true, undefined, 0],
      ['closed', false, undefined, 0],
    ]);
    p.receive(Buffer.from('NOOP\r\n'));
    assert.equal(p.next(), undefined);
    assert.equal(p.greet(reply(220, '', 'late')), '');
  });

  it('takes 421 at any time', () => {
    const p = server();
    p.greet(reply(220, '', 'mx'));
    assert.equal(p.reply(reply(421, '4.3.2', 'Closing')), '421 4.3.2 Closing\r\n');
    assert.equal(p.state, 'closed');
  });

  it('is over after a greeting of 521', () => {
    const p = server();
    p.greet(reply(521, '', 'No mail here'));
    assert.equal(p.state, 'closed');
  });

  it('throws on misuse by its door', () => {
    const p = server();
    p.greet(reply(220, '', 'mx'));
    assert.throws(() => p.greet(reply(220, '', 'mx')), /greeting/);
    assert.throws(() => p.reply(reply(250, '', 'x')), /no reply is due/);
    p.receive(Buffer.from(`${HELLO}NOOP\r\n`));
    assert.deepEqual(p.next(), { kind: 'violation', violation: 'pipelining' });
    assert.throws(() => p.reply(reply(250, '', 'x')), /no reply is due/);
  });

  it('uses limits that are exchanged on the way', () => {
    const p = server();
    feed(p, [HELLO]);
    p.limits = tightened(p.limits, { commandMs: 10, commands: 1 });
    assert.equal(p.deadlineMs, 10);
    assert.equal(p.limits.contentMs, DEFAULT_LIMITS.contentMs);
    assert.deepEqual(feed(p, ['NOOP\r\n']).events.map(say), ['too-many-commands']);
  });
});

describe('the answer to hello', () => {
  const lines = (p: ServerProtocol) => p.helloReply().lines;
  it('has the extensions for EHLO, never PIPELINING or CHUNKING', () => {
    const p = server();
    feed(p, [HELLO]);
    assert.deepEqual(lines(p), [
      'mx.example.org',
      'SIZE 1000',
      '8BITMIME',
      'ENHANCEDSTATUSCODES',
      'STARTTLS',
      'SMTPUTF8',
      'DSN',
    ]);
  });
  it('offers AUTH only inside TLS and only once', () => {
    const p = server({ tls: true, offer: { sizeOctets: 0, smtputf8: false, dsn: false } });
    feed(p, [HELLO]);
    assert.deepEqual(lines(p), [
      'mx.example.org',
      'SIZE',
      '8BITMIME',
      'ENHANCEDSTATUSCODES',
      'AUTH PLAIN LOGIN',
    ]);
    feed(p, ['AUTH PLAIN AG1lAHB3\r\n', HELLO]);
    assert.equal(p.authenticated, true);
    assert.deepEqual(lines(p), ['mx.example.org', 'SIZE', '8BITMIME', 'ENHANCEDSTATUSCODES']);
  });
  it('is bare for HELO', () => {
    const p = server();
    feed(p, ['HELO c\r\n']);
    assert.deepEqual(p.helloReply(), reply(250, '', 'mx.example.org'));
  });
});

describe('limits', () => {
  const NOOP = (octets: number) => `NOOP ${'x'.repeat(octets - 7)}\r\n`;
  for (const [name, line, turns, given] of [
    ['a command line', NOOP, [], {}],
    ['a MAIL line', (n: number) => `MAIL FROM:<>${' '.repeat(n - 14)}\r\n`, [HELLO], { envelope: true }],
    ['an AUTH line', (n: number) => `AUTH PLAIN ${'A'.repeat(n - 13)}\r\n`, [HELLO], { auth: true }],
  ] as const) {
    it(`${name} up to its limit, with CR LF`, () => {
      const limit = 'auth' in given ? 12_288 : 'envelope' in given ? 1536 : 512;
      const last = (octets: number) =>
        heard([...turns, line(octets), 'NOOP\r\n'], { tls: true }).slice(turns.length);
      assert.notEqual(last(limit - 1)[0], 'line-too-long');
      assert.notEqual(last(limit)[0], 'line-too-long');
      assert.deepEqual(last(limit + 1), ['line-too-long', 'noop']);
    });
  }

  it('a line without end is thrown away as it comes, and is one mistake', () => {
    const p = server();
    feed(p, []);
    for (let i = 0; i < 100; i++) {
      p.receive(Buffer.alloc(1000, 'x'));
      assert.equal(p.next(), undefined);
      assert.equal(p.bufferedOctets, 0);
    }
    assert.deepEqual(feed(p, ['\r\n', 'NOOP\r\n']).events.map(say), ['line-too-long', 'noop']);
  });

  it('keeps a copy of an unfinished line, not the chunk it came in', () => {
    const p = server();
    feed(p, []);
    const chunk = Buffer.from('NOOP\r\nNO');
    p.receive(chunk);
    while (p.next() !== undefined);
    chunk.fill('#');
    p.reply(reply(250, '', 'x'));
    assert.equal(p.next(), undefined);
    p.receive(Buffer.from('OP\r\n'));
    assert.deepEqual(p.next(), { kind: 'noop' });
  });

  it('recipients, counted as they are accepted', () => {
    const refuseFirst = (): Answer => {
      let refused = false;
      return (event, p) => {
        if (event.kind !== 'rcpt' || refused) return accepting(event, p);
        refused = true;
        return reply(550, '5.1.1', 'Unknown');
      };
    };
    const p = server({ limits: { recipients: 2 } });
    const { events, replies } = feed(p, [HELLO, MAIL, RCPT, RCPT, RCPT, RCPT], { answer: refuseFirst() });
    assert.deepEqual(events.map(say), ['hello', 'mail', 'rcpt', 'rcpt', 'rcpt', 'too-many-recipients']);
    assert.match(replies.at(-1) ?? '', /^452 4\.5\.3 /);
    assert.equal(p.recipients, 2);
  });

  it('mistakes, save those that honest clients make', () => {
    const given = { limits: { errors: 2 } };
    assert.deepEqual(heard(['X\r\n', 'X\r\n', 'X\r\n', 'X\r\n'], given), [
      'unknown-command',
      'unknown-command',
      '!too-many-errors',
      'too-many-errors',
    ]);
    const sizes = Array<string>(5).fill('MAIL FROM:<> SIZE=5000\r\n');
    assert.deepEqual(heard([HELLO, ...sizes], given), ['hello', ...sizes.map(() => 'size-exceeded')]);
    assert.deepEqual(heard(['GET /\r\n'], { limits: { errors: 0 } }), [
      '!foreign-protocol',
      'foreign-protocol',
    ]);
  });

  it('commands without a message taken', () => {
    const given = { limits: { commands: 5 } };
    const message = [MAIL, RCPT, 'DATA\r\n', '.\r\n'];
    assert.deepEqual(heard([HELLO, ...message, 'RSET\r\n', ...message, 'NOOP\r\n'], given).at(-1), 'noop');
    const refusing: Answer = (event, p) =>
      event.kind === 'end-of-message' ? reply(550, '5.7.1', 'No') : accepting(event, p);
    assert.equal(heard([HELLO, ...message, MAIL, RCPT], given, refusing).at(-1), 'too-many-commands');
  });

  it('input before its turn', () => {
    const noop = 'NOOP\r\n';
    for (const [given, limit] of [
      [{ limits: { earlyInputOctets: 10 } }, 10],
      [{ limits: { pipelinedInputOctets: 20 }, allowPipelining: true }, 20],
    ] as const) {
      const within = feed(server(given), [noop + 'x'.repeat(limit)], { answer: () => undefined });
      const past = feed(server(given), [noop + 'x'.repeat(limit + 1)], { answer: () => undefined });
      assert.ok(!within.events.map(say).includes('input-overflow'));
      assert.equal(past.events.map(say).at(-1), 'input-overflow');
    }
  });

  it('input before its turn, when the answer comes before anybody looks', () => {
    const p = server({ limits: { earlyInputOctets: 10 } });
    p.greet(reply(220, '', 'mx'));
    p.receive(Buffer.from('NOOP\r\n'));
    assert.equal(p.next()?.kind, 'noop');
    p.receive(Buffer.from('MAIL FROM:<a'));
    p.receive(Buffer.from(' dropped '));
    p.receive(Buffer.from('@example.net>\r\n'));
    assert.ok(p.bufferedOctets <= 12);
    p.reply(reply(250, '', 'x'));
    assert.deepEqual(p.next(), { kind: 'violation', violation: 'pipelining' });
    const event = p.next();
    assert.ok(event?.kind === 'error');
    assert.equal(event.error, 'input-overflow');
    assert.match(p.reply(event.reply), /^421 /);
    assert.equal(p.next(), undefined);
  });
});

describe('out of turn', () => {
  it('before the greeting', () => {
    const p = server();
    p.receive(Buffer.from('EHLO c\r\n'));
    assert.deepEqual(p.next(), { kind: 'violation', violation: 'early-talker' });
    assert.equal(p.next(), undefined);
    assert.equal(p.wantsReply, true);
    assert.deepEqual(feed(p, ['', ' ']).events.map(say), ['hello']);
  });

  it('commands in one go are taken one after another, and told once', () => {
    const { events } = feed(server(), [`${HELLO}${MAIL}${RCPT}`, `NOOP\r\nNOOP\r\n`]);
    assert.deepEqual(events.map(say), ['!pipelining', 'hello', 'mail', 'rcpt', 'noop', 'noop']);
  });

  it('a piece of the next command is enough', () => {
    assert.deepEqual(feed(server(), ['NOOP\r\nN']).events.map(say), ['!pipelining', 'noop']);
  });

  it('while the reply is awaited', () => {
    const p = server();
    p.greet(reply(220, '', 'mx'));
    p.receive(Buffer.from('NOOP\r\n'));
    assert.equal(p.next()?.kind, 'noop');
    assert.equal(p.next(), undefined);
    p.receive(Buffer.from('QU'));
    assert.deepEqual(p.next(), { kind: 'violation', violation: 'pipelining' });
    p.receive(Buffer.from('IT\r\n'));
    assert.equal(p.next(), undefined);
    p.reply(reply(250, '', 'x'));
    assert.equal(p.next()?.kind, 'quit');
  });

  it('content before 354', () => {
    for (const allowPipelining of [true, false]) {
      const { events } = feed(server({ allowPipelining }), [HELLO, MAIL, RCPT, 'DATA\r\nx\r\n.\r\n']);
      assert.deepEqual(events.map(say).slice(3), ['!pipelining', 'data', '"x\\r\\n"', 'end-of-message']);
    }
  });

  it('a command behind the message', () => {
    const { events } = feed(server(), [HELLO, MAIL, RCPT, 'DATA\r\n', 'x\n\r\n.\r\nNOOP\r\n']);
    assert.deepEqual(events.map(say).slice(4), [
      '"x\\n\\r\\n"',
      '!bare-newline',
      '!pipelining',
      'end-of-message',
      'noop',
    ]);
  });

  const behind: [sent: readonly string[], forgiven: boolean][] = [
    [['QUIT\r\n'], true],
    [['quit\r\n'], true],
    [['Q', 'UI', 'T\r', '\n'], true],
    [['QUIT\r\nM'], false],
    [['QUIT\r\n', 'MAIL FROM:<>\r\n'], false],
    [['QUIT \r\n'], false],
    [['QUIX'], false],
  ];
  for (const [sent, forgiven] of behind) {
    it(`${JSON.stringify(sent)} behind the message: ${forgiven ? 'forgiven' : 'not'}`, () => {
      const p = server();
      const { events } = feed(p, [HELLO, MAIL, RCPT, 'DATA\r\n']);
      assert.equal(say(events.at(-1)!), 'data');
      const [first = '', ...rest] = sent;
      p.receive(Buffer.from(`x\r\n.\r\n${first}`));
      const told: ServerEvent[] = [];
      const take = () => {
        for (let event = p.next(); event !== undefined; event = p.next()) told.push(event);
      };
      take();
      for (const bytes of rest) {
        p.receive(Buffer.from(bytes));
        take();
      }
      assert.equal(told.map(say).includes('!pipelining'), !forgiven);
      p.reply(reply(250, '2.0.0', 'x'));
      take();
      if (forgiven) assert.equal(say(told.at(-1)!), 'quit');
    });
  }

  it('no violation for those who are granted it', () => {
    const { events } = feed(server({ allowPipelining: true }), [
      `${HELLO}${MAIL}${RCPT}DATA\r\n`,
      '.\r\nQUIT\r\n',
    ]);
    assert.deepEqual(events.map(say), ['hello', 'mail', 'rcpt', 'data', 'end-of-message', 'quit']);
  });

  it('a bare newline in a command is told once', () => {
    assert.deepEqual(heard(['NOOP\n', 'NOOP\n']), ['!bare-newline', 'bare-newline', 'bare-newline']);
  });
});

describe('STARTTLS', () => {
  it('forgets the hello and whatever came before TLS (CVE-2011-0411)', () => {
    for (const allowPipelining of [true, false]) {
      const p = server({ allowPipelining });
      const { events } = feed(p, [HELLO, `STARTTLS\r\n${MAIL}RCP`, MAIL, 'NOOP\r\n']);
      assert.deepEqual(events.map(say), ['hello', '!pipelining', 'starttls', 'need-hello', 'noop']);
      assert.equal(p.secured, true);
      assert.equal(p.helloReply().lines.length, 1);
    }
  });
  it('changes nothing when it is refused', () => {
    const p = server();
    feed(p, [HELLO, 'STARTTLS\r\n'], {
      answer: (event, q) =>
        event.kind === 'starttls' ? reply(454, '4.7.0', 'Not now') : accepting(event, q),
    });
    assert.deepEqual([p.secured, p.state], [false, 'ready']);
  });
});

describe('AUTH', () => {
  const challenging: Answer = (event, p) =>
    event.kind === 'auth' ? reply(334, '', '') : accepting(event, p);
  const run = (...turns: string[]) => {
    const p = server({ tls: true });
    const { events } = feed(p, [HELLO, 'AUTH PLAIN\r\n', ...turns], { answer: challenging });
    return { events: events.slice(2), state: p.state, authenticated: p.authenticated };
  };
  it('hands the response on as it came', () => {
    assert.deepEqual(run('AG1lAHB3\r\n'), {
      events: [{ kind: 'auth-response', response: 'AG1lAHB3' }],
      state: 'ready',
      authenticated: true,
    });
  });
  for (const [name, turn, error] of [
    ['is cancelled by *', '*\r\n', 'auth-cancelled'],
    ['ends at a bare newline', 'AG1l\n', 'bare-newline'],
    ['ends at a line too long', `${'A'.repeat(12_287)}\r\n`, 'line-too-long'],
  ] as const) {
    it(name, () => {
      const { events, state, authenticated } = run(turn);
      assert.deepEqual(events.at(-1), { kind: 'error', error, reply: errorReply(error) });
      assert.deepEqual([state, authenticated], ['ready', false]);
    });
  }
  it('waits as long as for a command', () => {
    const p = server({ tls: true });
    feed(p, [HELLO, 'AUTH PLAIN\r\n'], { answer: challenging });
    assert.deepEqual([p.state, p.deadlineMs], ['auth', 300_000]);
  });
});

describe('the size limit in a session', () => {
  it('ends the message by the same rule and lets the session go on', () => {
    for (const cut of [whole, byteByByte]) {
      const p = server({ limits: { messageOctets: 10 } });
      const turns = [HELLO, MAIL, RCPT, 'DATA\r\n', `${'x'.repeat(20)}\n.\r\nMAIL\r\n.\r\n`, 'NOOP\r\n'];
      const { events } = feed(p, turns, { cut });
      const words = events.filter((event) => event.kind !== 'content').map(say);
      assert.deepEqual(words.slice(4), ['!bare-newline', 'end-of-message', 'noop']);
    }
  });
  it('wherever the message is cut', () => {
    const sent = 'a\r\n.b\r\n..\r\n.\r\n';
    const expected = feed(server(), [HELLO, MAIL, RCPT, 'DATA\r\n', sent]).events;
    for (let at = 1; at < sent.length; at++) {
      const p = server();
      feed(p, [HELLO, MAIL, RCPT, 'DATA\r\n']);
      assert.deepEqual(feed(p, [sent], { cut: cutAt(at) }).events, expected.slice(4));
    }
  });
});
