import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { feed, accepting } from '../../../test/feed.ts';
import { reply } from '../../mail/reply.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { ServerProtocol } from './server.ts';
import {
  COMMAND_STATES,
  outcomeOf,
  stateDiagram,
  VERBS,
  type CommandState,
  type Verb,
} from './transitions.ts';

const LINES: Readonly<Record<Verb, string>> = {
  EHLO: 'EHLO c.example.net\r\n',
  HELO: 'HELO c.example.net\r\n',
  MAIL: 'MAIL FROM:<a@example.net>\r\n',
  RCPT: 'RCPT TO:<b@example.org>\r\n',
  DATA: 'DATA\r\n',
  RSET: 'RSET\r\n',
  NOOP: 'NOOP\r\n',
  VRFY: 'VRFY b\r\n',
  HELP: 'HELP\r\n',
  QUIT: 'QUIT\r\n',
  STARTTLS: 'STARTTLS\r\n',
  AUTH: 'AUTH PLAIN\r\n',
};

const TO_STATE: Readonly<Record<CommandState, readonly Verb[]>> = {
  refused: [],
  greeted: [],
  ready: ['EHLO'],
  mail: ['EHLO', 'MAIL'],
  rcpt: ['EHLO', 'MAIL', 'RCPT'],
};

function inState(state: CommandState, tls: boolean): ServerProtocol {
  const protocol = new ServerProtocol({
    offer: { hostName: 'mx', sizeOctets: 0, starttls: true, auth: ['PLAIN'], smtputf8: true, dsn: true },
    limits: DEFAULT_LIMITS,
    tls,
  });
  protocol.greet(state === 'refused' ? reply(554, '', 'No') : reply(220, '', 'mx'));
  feed(
    protocol,
    TO_STATE[state].map((verb) => LINES[verb]),
  );
  assert.equal(protocol.state, state);
  return protocol;
}

describe('every verb in every state', () => {
  for (const state of COMMAND_STATES) {
    for (const verb of VERBS) {
      const outcome = outcomeOf(state, verb);
      const tls = verb === 'AUTH';
      if (typeof outcome === 'string') {
        it(`${state}: ${verb} is ${outcome} and changes nothing`, () => {
          const protocol = inState(state, tls);
          const { events } = feed(protocol, [LINES[verb]]);
          assert.deepEqual(
            events.map((e) => (e.kind === 'error' ? [e.error, e.verb] : e.kind)),
            [[outcome, verb]],
          );
          assert.equal(protocol.state, state);
        });
      } else {
        for (const [digit, code, enhanced] of [
          [2, verb === 'AUTH' ? 235 : 250, '2.0.0'],
          [3, verb === 'DATA' ? 354 : 334, ''],
          [4, 451, '4.3.0'],
          [5, 550, '5.7.1'],
        ] as const) {
          it(`${state}: ${verb} answered ${code}`, () => {
            const protocol = inState(state, tls);
            const { events } = feed(protocol, [LINES[verb]], { answer: () => reply(code, enhanced, 'x') });
            assert.equal(events.length, 1);
            assert.notEqual(events[0]?.kind, 'error');
            // QUIT ends the session whatever it is answered.
            assert.equal(protocol.state, verb === 'QUIT' ? 'closed' : (outcome[digit] ?? state));
          });
        }
        it(`${state}: ${verb} answered 421 closes`, () => {
          const protocol = inState(state, tls);
          feed(protocol, [LINES[verb]], { answer: () => reply(421, '4.3.2', 'x') });
          assert.equal(protocol.state, 'closed');
          assert.equal(accepting({ kind: 'noop' }, protocol)?.code, 250);
          assert.equal(protocol.reply(reply(250, '2.0.0', 'late')), '');
        });
      }
    }
  }
});

describe('the state diagram', () => {
  const diagram = stateDiagram();
  it('begins where a session begins and ends where it ends', () => {
    assert.match(diagram, /^stateDiagram-v2\n {2}\[\*\] --> connected\n/);
    assert.match(diagram, /\n {2}closed --> \[\*\]\n$/);
  });
  it('has an edge for each outcome', () => {
    assert.match(diagram, /connected --> refused : greeting 4yz\/5yz\n/);
    assert.match(diagram, /rcpt --> content : DATA 3yz\n/);
    assert.match(diagram, /content --> ready : end-of-message 2yz\/4yz\/5yz\n/);
    assert.match(diagram, /ready --> greeted : STARTTLS 2yz\n/);
    assert.match(diagram, /rcpt --> ready : EHLO 2yz, HELO 2yz, RSET 2yz\n/);
  });
});
