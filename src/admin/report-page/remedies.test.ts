import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LADDER } from '../../checks/ladder.ts';
import { LATER, OF_REPLIES, OTHER, REMEDIES } from './remedies.ts';

/** They say `shownAs` whenever they refuse: a remedy of their own would give the trap away. */
const TRAPS = ['spam-trap', 'honeypot'];
/** A listing speaks for the client. */
const NEVER_REFUSE = ['dnswl'];

describe('remedies', () => {
  for (const { name } of LADDER.filter((check) => !NEVER_REFUSE.includes(check.name)))
    it(`${TRAPS.includes(name) ? 'give no trap away' : 'know'}: ${name}`, () =>
      assert.equal(Object.hasOwn(REMEDIES, name), !TRAPS.includes(name)));

  it('are of checks that there are, and of the name that the trap for spammers goes by', () => {
    const names = new Set([...LADDER.map((check) => check.name), 'mx-order']);
    assert.deepEqual(
      Object.keys(REMEDIES).filter((name) => !names.has(name)),
      [],
    );
  });

  it('are whole sentences', () => {
    for (const { happened, mend } of [...Object.values(REMEDIES), ...Object.values(OF_REPLIES), OTHER, LATER])
      for (const sentence of [happened, mend]) assert.match(sentence, /^[A-Z].{20,}\.$/);
  });
});
