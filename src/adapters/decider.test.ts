import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decision } from '../../test/contracts/journal.ts';
import type { Decision } from '../core/decision.ts';
import { replies } from '../core/replies.ts';
import { reply, type Reply } from '../mail/reply.ts';
import { errorReply, PROTOCOL_ERRORS } from '../wire/smtp/errors.ts';
import { deciderOf } from './decider.ts';

const nobody = { id: 'A', check: undefined, code: undefined };
const by = (said: Reply, over: Partial<Decision> = {}) =>
  deciderOf(
    decision({ ...nobody, reply: said, outcome: said.code >= 500 ? 'refused' : 'deferred', ...over }),
  );

describe('who decided', () => {
  const cases: [string, Reply, string][] = [
    ['a bare line feed', replies.bareNewline('K7Q2MX4D'), 'bare line feed'],
    ['the size', replies.messageTooLarge(1000), 'message too large'],
    ['the load, at MAIL', replies.tooBusyForMail(), 'load'],
    ['a time-out', replies.timedOut(), 'time-out'],
    ['a full disk', replies.storageFull(), 'no room'],
    ['our own stop', replies.stopping('mx.example.org'), 'stopping'],
    ['a backend that is gone', replies.backendUnreachable('K7Q2MX4D'), 'backend unreachable'],
    ['too much before its turn', errorReply('input-overflow'), 'input overflow'],
    ['the backend', reply(550, '5.1.1', 'No such user here'), 'backend'],
    ['a backend that says nearly the same', reply(550, '5.3.4', 'Refused: the message is larger'), 'backend'],
    ['a Maildir', reply(451, '4.3.0', 'The mailbox cannot be used now, try again later'), 'backend'],
  ];
  for (const [what, said, name] of cases) it(what, () => assert.equal(by(said), name));

  it('a check, by its name and its finding', () => {
    assert.equal(deciderOf(decision({ id: 'A' })), 'helo:no-fqdn');
  });

  it('nobody, where it was delivered or the client left', () => {
    assert.equal(by(replies.delivered('A'), { outcome: 'accepted' }), undefined);
    assert.equal(deciderOf(decision({ ...nobody, outcome: 'abandoned', reply: undefined })), undefined);
  });

  it('the protocol, where it cut off a client that speaks another one', () => {
    const { session } = decision({ id: 'A' });
    const cut = (violation: 'foreign-protocol' | 'too-many-errors') =>
      deciderOf(
        decision({
          ...nobody,
          outcome: 'abandoned',
          reply: undefined,
          session: { ...session, violations: [violation] },
        }),
      );
    assert.equal(cut('foreign-protocol'), 'foreign protocol');
    assert.equal(cut('too-many-errors'), 'too many errors');
  });

  it('never the backend, for any reply of our own', () => {
    for (const make of Object.values(replies)) {
      const said = (make as (...given: readonly unknown[]) => Reply)('example', 'example');
      if (said.code >= 400) assert.notEqual(by(said), 'backend', said.lines[0]);
    }
    for (const { reply: said } of Object.values(PROTOCOL_ERRORS)) assert.notEqual(by(said), 'backend');
  });
});
