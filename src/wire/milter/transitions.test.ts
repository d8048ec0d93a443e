import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COMMANDS, type CommandName } from './codes.ts';
import type { MilterEvent, MilterReply } from './events.ts';
import { MilterProtocol } from './filter.ts';
import { frame } from './frame.ts';
import { DEFAULT_MILTER_LIMITS } from './limits.ts';
import { reply } from '../../mail/reply.ts';
import { cellOf, outcomeOf, STATES, stateDiagram, type OpenState } from './transitions.ts';

/** A frame of each command as it should be. */
const FRAMES: Readonly<Record<CommandName, Buffer>> = {
  abort: frame('A'),
  body: frame('B', Buffer.from('b\r\n')),
  connect: frame('C', 'c.example.net', Buffer.from('4\0\x19'), '192.0.2.7'),
  macro: frame('D', Buffer.from('M'), 'i', 'Q1'),
  'end-of-message': frame('E'),
  helo: frame('H', 'c.example.net'),
  'quit-nc': frame('K'),
  header: frame('L', 'A', 'b'),
  mail: frame('M', '<a@example.net>'),
  'end-of-header': frame('N'),
  optneg: frame('O', 6, 0x1ff, 0x1fffff),
  quit: frame('Q'),
  rcpt: frame('R', '<b@example.org>'),
  data: frame('T'),
  unknown: frame('U', 'XYZZY'),
};

const TO_STATE: Readonly<Record<OpenState, readonly CommandName[]>> = {
  start: [],
  agreed: ['optneg'],
  ready: ['optneg', 'connect'],
  mail: ['optneg', 'connect', 'mail'],
  rcpt: ['optneg', 'connect', 'mail', 'rcpt'],
  data: ['optneg', 'connect', 'mail', 'rcpt', 'data'],
  header: ['optneg', 'connect', 'mail', 'rcpt', 'data', 'header'],
  'end-of-header': ['optneg', 'connect', 'mail', 'rcpt', 'data', 'end-of-header'],
  body: ['optneg', 'connect', 'mail', 'rcpt', 'data', 'body'],
};

const IN_MESSAGE: readonly OpenState[] = ['mail', 'rcpt', 'data', 'header', 'end-of-header', 'body'];

const ANSWERS: readonly MilterReply[] = [
  { kind: 'continue' },
  { kind: 'accept' },
  { kind: 'reject' },
  { kind: 'tempfail' },
  { kind: 'reply', reply: reply(450, '4.7.1', 'Later') },
];

function inState(state: OpenState): MilterProtocol {
  const protocol = new MilterProtocol({
    needs: {
      data: true,
      unknown: true,
      header: true,
      endOfHeader: true,
      body: true,
      rejectedRecipients: false,
      addHeaders: true,
      changeHeaders: true,
      changeSender: true,
      macros: {},
    },
    limits: DEFAULT_MILTER_LIMITS,
  });
  for (const command of TO_STATE[state]) {
    protocol.receive(FRAMES[command]);
    protocol.next();
    if (protocol.wantsReply) protocol.reply({ kind: 'continue' });
  }
  assert.equal(protocol.state, state);
  return protocol;
}

function eventsOf(protocol: MilterProtocol, command: CommandName): MilterEvent[] {
  const events: MilterEvent[] = [];
  protocol.receive(FRAMES[command]);
  for (let event = protocol.next(); event !== undefined; event = protocol.next()) events.push(event);
  return events;
}

describe('every command in every state', () => {
  for (const state of STATES) {
    for (const command of Object.values(COMMANDS)) {
      const cell = cellOf(state, command);
      if (cell === undefined) {
        const ends = state === 'start' || command === 'optneg';
        it(`${state}: ${command} is out of order and ${ends ? 'ends the connection' : 'deferred'}`, () => {
          const protocol = inState(state);
          const answer = ends ? Buffer.alloc(0) : Buffer.from('\0\0\0\x01t');
          assert.deepEqual(eventsOf(protocol, command), [
            { kind: 'error', error: 'out-of-order', command, answer },
          ]);
          assert.equal(protocol.state, ends ? 'closed' : state);
          assert.equal(protocol.wantsReply, false);
        });
      } else if ('to' in cell) {
        it(`${state}: ${command} leads to ${cell.to}`, () => {
          const protocol = inState(state);
          const told = eventsOf(protocol, command).map((e) => e.kind);
          const expected = {
            abort: IN_MESSAGE.includes(state) ? ['abort'] : [],
            macro: [],
            optneg: ['negotiated'],
            quit: ['quit'],
            'quit-nc': ['new-connection'],
          };
          assert.deepEqual(told, expected[command as keyof typeof expected]);
          assert.equal(protocol.state, cell.to);
          assert.equal(protocol.wantsReply, false);
        });
      } else {
        for (const answer of ANSWERS) {
          it(`${state}: ${command} answered ${answer.kind}`, () => {
            const protocol = inState(state);
            const aborts = IN_MESSAGE.includes(state) && (command === 'helo' || command === 'mail');
            assert.deepEqual(
              eventsOf(protocol, command).map((e) => e.kind),
              aborts ? ['abort', command] : [command],
            );
            assert.equal(protocol.wantsReply, true);
            protocol.reply(answer);
            assert.equal(protocol.state, cell[outcomeOf(answer)]);
          });
        }
      }
    }
  }
});

describe('the outcome of an answer', () => {
  it('is to go on, to be content, or to refuse', () => {
    assert.equal(outcomeOf({ kind: 'skip' }), 'on');
    assert.deepEqual(ANSWERS.map(outcomeOf), ['on', 'accept', 'refuse', 'refuse', 'refuse']);
  });
});

describe('the state diagram', () => {
  const diagram = stateDiagram();
  it('begins where a connection begins and ends where it ends', () => {
    assert.match(diagram, /^stateDiagram-v2\n {2}\[\*\] --> start\n/);
    assert.match(diagram, /\n {2}closed --> \[\*\]\n$/);
  });
  it('has an edge for each outcome', () => {
    assert.match(diagram, /start --> agreed : optneg\n/);
    assert.match(diagram, /agreed --> ready : connect\n/);
    assert.match(diagram, /ready --> mail : mail on\n/);
    assert.match(diagram, /mail --> rcpt : rcpt on\/refuse\n/);
    assert.match(diagram, /body --> agreed : quit-nc\n/);
    assert.doesNotMatch(diagram, /macro/);
  });
});
