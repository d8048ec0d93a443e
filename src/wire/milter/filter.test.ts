import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { byteByByte, cutBySizes, whole, type Cut } from '../../../test/feed.ts';
import { reply } from '../../mail/reply.ts';
import type { MilterEvent, MilterLimits, MilterReply } from './events.ts';
import { MilterProtocol } from './filter.ts';
import { frame } from './frame.ts';
import { DEFAULT_MILTER_LIMITS } from './limits.ts';
import type { Needs } from './negotiation.ts';

const NEEDS: Needs = {
  data: true,
  unknown: false,
  header: true,
  endOfHeader: true,
  body: true,
  rejectedRecipients: false,
  addHeaders: true,
  changeHeaders: true,
  changeSender: true,
  macros: {},
};
const OPTNEG = frame('O', 6, 0x1ff, 0x1fffff);
const CONNECT = frame('C', 'c.example.net', Buffer.from('4\0\x19'), '192.0.2.7');
const HELO = frame('H', 'c.example.net');
const MAIL = frame('M', '<a@example.net>', 'SIZE=100');
const RCPT = frame('R', '<b@example.org>');
const BODY = frame('B', Buffer.from('Hello\r\n'));
const END = frame('E');
const ABORT = frame('A');

const milter = (needs: Partial<Needs> = {}, limits: Partial<MilterLimits> = {}) =>
  new MilterProtocol({
    needs: { ...NEEDS, ...needs },
    limits: { ...DEFAULT_MILTER_LIMITS, ...limits },
  });

/** What the door says to each event; `undefined` leaves it open. */
type Answer = (event: MilterEvent, protocol: MilterProtocol) => MilterReply | undefined;
const CONTINUE: Answer = () => ({ kind: 'continue' });

/** An MTA that waits for each answer: a frame is sent once the one before it is answered. */
function feed(
  protocol: MilterProtocol,
  frames: readonly Buffer[],
  { cut = whole, answer = CONTINUE }: { readonly cut?: Cut; readonly answer?: Answer } = {},
) {
  const events: MilterEvent[] = [];
  const said: string[] = [];
  for (const turn of frames) {
    for (const piece of cut(turn)) {
      protocol.receive(Buffer.from(piece));
      for (let event = protocol.next(); event !== undefined; event = protocol.next()) {
        events.push(event);
        if (event.kind === 'negotiated') said.push(event.answer.toString('latin1', 4, 5));
        // An abort comes ahead of the event that wants the answer.
        if (!protocol.wantsReply || event.kind === 'abort') continue;
        const given = answer(event, protocol);
        if (given !== undefined) said.push(protocol.reply(given).toString('latin1', 4));
      }
    }
  }
  return { events, said };
}
const kinds = (events: readonly MilterEvent[]) => events.map((e) => (e.kind === 'error' ? e.error : e.kind));

const SESSION = [
  OPTNEG,
  Buffer.concat([frame('D', Buffer.from('C'), 'j', 'mx.example.org', '{client_addr}', '192.0.2.7'), CONNECT]),
  Buffer.concat([frame('D', Buffer.from('H')), HELO]),
  MAIL,
  Buffer.concat([frame('D', Buffer.from('R'), 'i', 'Q1'), RCPT]),
  frame('T'),
  frame('L', 'From', ' a@example.net'),
  frame('L', 'To', ' b,\n c'),
  frame('N'),
  BODY,
  END,
  ABORT,
  frame('Q'),
];

describe('a session', () => {
  for (const [name, cut] of [
    ['whole', whole],
    ['octet by octet', byteByByte],
    ['in sevens', cutBySizes([7])],
  ] as const) {
    it(`comes out as events, cut ${name}`, () => {
      const protocol = milter();
      const macros: (string | undefined)[] = [];
      const { events, said } = feed(protocol, SESSION, {
        cut,
        answer: (_event, p) => {
          macros.push(p.macro('i'));
          return { kind: 'continue' };
        },
      });
      assert.deepEqual(
        events.map((e) => (e.kind === 'negotiated' ? e.kind : e)),
        [
          'negotiated',
          { kind: 'connect', hostName: 'c.example.net', family: 'inet', address: '192.0.2.7', port: 25 },
          { kind: 'helo', name: 'c.example.net' },
          { kind: 'mail', path: '<a@example.net>', parameters: ['SIZE=100'] },
          { kind: 'rcpt', path: '<b@example.org>', parameters: [] },
          { kind: 'data' },
          { kind: 'header', name: 'From', value: Buffer.from(' a@example.net'), exact: true },
          { kind: 'header', name: 'To', value: Buffer.from(' b,\r\n c'), exact: true },
          { kind: 'end-of-header' },
          { kind: 'body', bytes: Buffer.from('Hello\r\n') },
          { kind: 'end-of-message', bytes: Buffer.alloc(0) },
          { kind: 'quit' },
        ],
      );
      assert.deepEqual(said, ['O', ...Array.from({ length: 10 }, () => 'c')]);
      assert.deepEqual(macros, [undefined, undefined, undefined, ...Array.from({ length: 7 }, () => 'Q1')]);
      assert.equal(protocol.state, 'closed');
    });
  }

  it('has macros that live as long as what they are about', () => {
    const protocol = milter();
    feed(protocol, SESSION.slice(0, 5));
    assert.equal(protocol.macro('i'), 'Q1');
    assert.equal(protocol.macro('{j}'), 'mx.example.org');
    feed(protocol, [ABORT]);
    assert.equal(protocol.macro('i'), undefined);
    assert.equal(protocol.macro('client_addr'), '192.0.2.7');
    feed(protocol, [frame('K')]);
    assert.equal(protocol.macro('j'), undefined);
  });

  it('has macros of a recipient that are not those of the one before', () => {
    const protocol = milter();
    const seen: (string | undefined)[] = [];
    const refused = frame('D', Buffer.from('R'), '{rcpt_mailer}', 'error');
    feed(protocol, [OPTNEG, CONNECT, MAIL, Buffer.concat([refused, RCPT]), RCPT], {
      answer: (_event, p) => {
        seen.push(p.macro('rcpt_mailer'));
        return { kind: 'continue' };
      },
    });
    assert.deepEqual(seen, [undefined, undefined, 'error', undefined]);
  });

  it('forgets the macros of a message when it ends, or was refused', () => {
    for (const refused of [false, true]) {
      const protocol = milter();
      const frames = refused ? [MAIL] : [MAIL, RCPT, END];
      const macros = frame('D', Buffer.from('M'), 'i', 'Q1');
      feed(protocol, [OPTNEG, CONNECT, HELO, macros, ...frames], {
        answer: (event) => ({ kind: refused && event.kind === 'mail' ? 'reject' : 'continue' }),
      });
      assert.equal(protocol.state, 'ready');
      assert.equal(protocol.macro('i'), undefined);
    }
  });

  it('takes one message after the other, with or without an abort between', () => {
    const message = [MAIL, RCPT, frame('T'), frame('N'), BODY, END];
    const { events } = feed(milter(), [OPTNEG, CONNECT, HELO, ...message, ABORT, ...message, ...message]);
    assert.equal(kinds(events).filter((k) => k === 'end-of-message').length, 3);
    assert.ok(!kinds(events).includes('abort'), 'an abort behind the end says nothing');
  });

  it('tells of an abort, also of one that was not said', () => {
    const { events } = feed(milter(), [
      OPTNEG,
      CONNECT,
      HELO,
      MAIL,
      RCPT,
      ABORT,
      ABORT,
      MAIL,
      MAIL,
      RCPT,
      HELO,
      ABORT,
    ]);
    assert.deepEqual(kinds(events), [
      'negotiated',
      'connect',
      'helo',
      'mail',
      'rcpt',
      'abort',
      'mail',
      'abort',
      'mail',
      'rcpt',
      'abort',
      'helo',
    ]);
  });

  it('may be followed by another one on the same connection', () => {
    const protocol = milter();
    const { events } = feed(protocol, [OPTNEG, CONNECT, MAIL, frame('K'), CONNECT, HELO, MAIL]);
    assert.deepEqual(kinds(events), [
      'negotiated',
      'connect',
      'mail',
      'new-connection',
      'connect',
      'helo',
      'mail',
    ]);
    assert.equal(protocol.agreed?.version, 6);
  });

  it('brings the last piece of the body with its end where the MTA does so', () => {
    const { events } = feed(milter(), [OPTNEG, CONNECT, MAIL, RCPT, frame('E', Buffer.from('end\r\n'))]);
    assert.deepEqual(events.at(-1), { kind: 'end-of-message', bytes: Buffer.from('end\r\n') });
  });

  it('guesses the space behind the colon where the MTA keeps it', () => {
    const old = frame('O', 2, 0x3f, 0x7f);
    const { events } = feed(milter(), [old, CONNECT, MAIL, RCPT, frame('L', 'Subject', 'x')]);
    assert.deepEqual(events.at(-1), {
      kind: 'header',
      name: 'Subject',
      value: Buffer.from(' x'),
      exact: false,
    });
  });
});

describe('answers', () => {
  const until = (...frames: Buffer[]) => {
    const protocol = milter();
    feed(protocol, [OPTNEG, CONNECT, HELO]);
    const last = frames.pop() ?? ABORT;
    feed(protocol, frames);
    protocol.receive(last);
    assert.notEqual(protocol.next(), undefined);
    return protocol;
  };

  it('carry our own code and text', () => {
    const refused: MilterReply = { kind: 'reply', reply: reply(550, '5.7.1', '100% no') };
    assert.equal(until(MAIL).reply(refused).toString('latin1', 4), 'y550 5.7.1 100%% no\0');
  });

  it('to a body may ask for no more of it, where the MTA knows how', () => {
    assert.equal(until(MAIL, RCPT, BODY).reply({ kind: 'skip' }).toString('latin1', 4), 's');
    const old = milter();
    const { said } = feed(old, [frame('O', 2, 0x3f, 0x7f), CONNECT, MAIL, RCPT, BODY, BODY, END], {
      answer: (event) => ({ kind: event.kind === 'body' ? 'skip' : 'continue' }),
    });
    assert.deepEqual(said, ['O', 'c', 'c', 'c', 'c', 'c', 'c']);
    assert.throws(() => until(MAIL).reply({ kind: 'skip' }), /only body/);
  });

  it('to the end of a message may be several changes, while the work goes on, and one last word', () => {
    const protocol = until(MAIL, RCPT, END);
    assert.equal(protocol.progress().toString('latin1', 4), 'p');
    const insert = protocol.change({ kind: 'insert', index: 0, name: 'X-A', value: 'b' });
    assert.equal(insert.toString('latin1', 4), 'i\0\0\0\0X-A\0 b\0');
    const deleted = protocol.change({ kind: 'delete', index: 1, name: 'X-A' });
    assert.equal(deleted.toString('latin1', 4), 'm\0\0\0\x01X-A\0\0');
    assert.equal(protocol.changeSender('<b@example.net>').toString('latin1', 4), 'e<b@example.net>\0');
    for (const path of ['b@example.net', '<b\0c@example.net>', '<b\n@example.net>'])
      assert.throws(() => protocol.changeSender(path), /no path/);
    assert.equal(protocol.progress().toString('latin1', 4), 'p');
    assert.equal(protocol.reply({ kind: 'accept' }).toString('latin1', 4), 'a');
    assert.equal(protocol.state, 'ready');
    assert.throws(() => protocol.progress(), /no message/);
    assert.throws(() => protocol.change({ kind: 'delete', index: 1, name: 'X-A' }), /no message/);
  });

  it('change nothing that was not granted', () => {
    const protocol = milter({ changeHeaders: false, changeSender: false });
    feed(protocol, [OPTNEG, CONNECT, MAIL, RCPT]);
    protocol.receive(END);
    protocol.next();
    assert.equal(protocol.change({ kind: 'delete', index: 1, name: 'X-A' }).length, 0);
    assert.equal(protocol.changeSender('<b@example.net>').length, 0);
    assert.notEqual(protocol.change({ kind: 'add', name: 'X-A', value: 'b' }).length, 0);
  });

  it('are given once, to what was asked and taken', () => {
    const protocol = milter();
    assert.throws(() => protocol.reply({ kind: 'continue' }), /no answer is due/);
    assert.throws(() => protocol.progress(), /no message/);
    feed(protocol, [OPTNEG, CONNECT]);
    assert.throws(() => protocol.reply({ kind: 'continue' }), /no answer is due/);
    feed(protocol, [MAIL]);
    protocol.receive(MAIL);
    assert.deepEqual(protocol.next(), { kind: 'abort' });
    assert.throws(() => protocol.reply({ kind: 'continue' }), /no answer is due/);
    assert.equal(protocol.next()?.kind, 'mail');
    assert.equal(protocol.next(), undefined);
    assert.equal(protocol.reply({ kind: 'continue' }).toString('latin1', 4), 'c');
  });

  it('come to nothing once the connection is closed', () => {
    const protocol = until(MAIL, RCPT, END);
    protocol.receive(Buffer.alloc(DEFAULT_MILTER_LIMITS.frameOctets + 5));
    assert.equal(protocol.next()?.kind, 'error');
    assert.equal(protocol.reply({ kind: 'continue' }).length, 0);
    assert.equal(protocol.change({ kind: 'add', name: 'X-A', value: 'b' }).length, 0);
    assert.equal(protocol.progress().length, 0);
    protocol.receive(MAIL);
    assert.equal(protocol.bufferedOctets, 0);
    assert.equal(protocol.next(), undefined);
  });
});

it('a macro that has no name shows before an MTA comes', () => {
  assert.throws(() => milter({ macros: { mail: ['client_addr'] } }), /no name of a macro/);
});

describe('whose turn it is', () => {
  it('shows in the deadline', () => {
    const protocol = milter({}, { commandMs: 5 });
    assert.equal(protocol.deadlineMs, 5);
    feed(protocol, [OPTNEG]);
    assert.equal(protocol.deadlineMs, 5);
    protocol.receive(CONNECT);
    protocol.next();
    assert.equal(protocol.deadlineMs, undefined);
    protocol.reply({ kind: 'continue' });
    assert.equal(protocol.deadlineMs, 5);
    feed(protocol, [frame('Q')]);
    assert.equal(protocol.deadlineMs, undefined);
  });

  it('is waited for: what comes early stays until its turn', () => {
    const protocol = milter();
    feed(protocol, [OPTNEG]);
    protocol.receive(Buffer.concat([CONNECT, HELO, frame('Q')]));
    assert.equal(protocol.next()?.kind, 'connect');
    assert.equal(protocol.next(), undefined);
    assert.equal(protocol.bufferedOctets, HELO.length + 5);
    protocol.reply({ kind: 'continue' });
    assert.equal(protocol.next()?.kind, 'helo');
    protocol.reply({ kind: 'continue' });
    assert.equal(protocol.next()?.kind, 'quit');
    assert.equal(protocol.next(), undefined);
  });

  it('is overrun by more than a frame', () => {
    for (const [early, told] of [
      [103, undefined],
      [104, undefined],
      [105, 'input-overflow'],
    ] as const) {
      const protocol = milter({}, { frameOctets: 100 });
      feed(protocol, [OPTNEG]);
      protocol.receive(CONNECT);
      protocol.next();
      protocol.receive(Buffer.alloc(early - 1));
      protocol.receive(Buffer.alloc(1));
      const event = protocol.next();
      assert.equal(event?.kind === 'error' ? event.error : event, told, String(early));
      assert.equal(protocol.state, told === undefined ? 'agreed' : 'closed');
    }
  });
});

describe('what is no milter protocol ends the connection', () => {
  const cases: [string, readonly Buffer[], string, string | undefined][] = [
    ['a TLS client', [Buffer.from('160301020001', 'hex')], 'frame-too-large', undefined],
    ['an SMTP client', [Buffer.from('EHLO c.example.net\r\n')], 'frame-too-large', undefined],
    ['an empty frame', [Buffer.alloc(4)], 'unknown-command', undefined],
    ['a command of no version', [OPTNEG, frame('Z')], 'unknown-command', undefined],
    ['no negotiation', [CONNECT], 'out-of-order', 'connect'],
    ['two negotiations', [OPTNEG, OPTNEG], 'out-of-order', 'optneg'],
    ['a short negotiation', [frame('O', 6, 1)], 'malformed', 'optneg'],
    ['version 1', [frame('O', 1, 1, 1)], 'version-too-old', 'optneg'],
  ];
  for (const [name, frames, error, command] of cases) {
    it(`${name}: ${error}`, () => {
      const protocol = milter();
      const { events } = feed(protocol, frames);
      const event = { kind: 'error', error, answer: Buffer.alloc(0) };
      assert.deepEqual(events.at(-1), command === undefined ? event : { ...event, command });
      assert.equal(protocol.state, 'closed');
    });
  }

  const answer = Buffer.from('\0\0\0\x01t');
  const deferred: [string, readonly Buffer[], string, string, string][] = [
    ['a short connect', [OPTNEG, frame('C', 'c')], 'malformed', 'connect', 'agreed'],
    ['a short recipient', [OPTNEG, CONNECT, MAIL, frame('R')], 'malformed', 'rcpt', 'mail'],
    ['a recipient without a message', [OPTNEG, CONNECT, RCPT], 'out-of-order', 'rcpt', 'ready'],
    ['a message without a client', [OPTNEG, MAIL], 'out-of-order', 'mail', 'agreed'],
    ['a second client', [OPTNEG, CONNECT, CONNECT], 'out-of-order', 'connect', 'ready'],
    [
      'a header behind the body',
      [OPTNEG, CONNECT, MAIL, RCPT, BODY, frame('L', 'A', 'b')],
      'out-of-order',
      'header',
      'body',
    ],
  ];
  for (const [name, frames, error, command, state] of deferred) {
    it(`save a question, which is deferred: ${name}`, () => {
      const protocol = milter();
      const { events } = feed(protocol, frames);
      assert.deepEqual(events.at(-1), { kind: 'error', error, command, answer });
      assert.equal(protocol.state, state);
      assert.equal(protocol.wantsReply, false);
      assert.deepEqual(kinds(feed(protocol, [ABORT, frame('K'), CONNECT]).events).at(-1), 'connect');
    });
  }

  it('a client that was refused at DATA may go on, as Postfix lets it', () => {
    const refused: Answer = (event) => ({ kind: event.kind === 'data' ? 'reject' : 'continue' });
    const { events, said } = feed(
      milter(),
      [OPTNEG, CONNECT, MAIL, RCPT, frame('T'), RCPT, frame('T'), ABORT],
      {
        answer: refused,
      },
    );
    assert.deepEqual(kinds(events).slice(4), ['data', 'rcpt', 'data', 'abort']);
    assert.deepEqual(said.slice(4), ['r', 'c', 'r']);
  });

  it('frames have their limit', () => {
    for (const [payload, kind] of [
      [99, 'body'],
      [100, 'frame-too-large'],
    ] as const) {
      const protocol = milter({}, { frameOctets: 100 });
      const { events } = feed(protocol, [OPTNEG, CONNECT, MAIL, RCPT, frame('B', Buffer.alloc(payload))]);
      assert.equal(kinds(events).at(-1), kind);
    }
  });

  it('the limits may change on the way', () => {
    const protocol = milter();
    feed(protocol, [OPTNEG, CONNECT]);
    protocol.limits = { ...protocol.limits, arguments: 1 };
    assert.deepEqual(feed(protocol, [MAIL]).events, [
      { kind: 'mail', path: '<a@example.net>', parameters: [] },
    ]);
  });

  it('macros never do', () => {
    const protocol = milter();
    feed(protocol, [OPTNEG, frame('D'), frame('D', Buffer.from('?x')), frame('D', Buffer.from('Cj'))]);
    assert.equal(protocol.state, 'agreed');
  });
});
