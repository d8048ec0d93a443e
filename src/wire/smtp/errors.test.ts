import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorReply, PROTOCOL_ERRORS, type ProtocolErrorEntry } from './errors.ts';
import type { ProtocolError } from './events.ts';
import { COMMAND_STATES, outcomeOf, VERBS } from './transitions.ts';

describe('every mistake', () => {
  for (const [error, entry] of Object.entries<ProtocolErrorEntry>(PROTOCOL_ERRORS)) {
    it(`${error} has a meaning and a refusal whose codes agree`, () => {
      const { code, enhanced, lines } = errorReply(error as ProtocolError);
      assert.ok(code >= 400 && code < 600);
      // RFC 2034 4: the class is the first digit.
      assert.match(enhanced, new RegExp(`^${Math.trunc(code / 100)}\\.\\d{1,3}\\.\\d{1,3}$`));
      assert.equal(lines.length, 1);
      assert.ok(entry.meaning.length > 10);
    });
  }
  it('of sequence is one of 503 or, without recipients, 554', () => {
    for (const state of COMMAND_STATES) {
      for (const verb of VERBS) {
        const outcome = outcomeOf(state, verb);
        if (typeof outcome === 'string') assert.match(String(errorReply(outcome).code), /^(503|554)$/);
      }
    }
  });
});
