import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BEGIN_MS, HOUR } from '../../../test/contracts/store-opened.ts';
import { onEnd } from '../../../test/program.ts';
import { BOUNCED_GUESSES, GUESSES, REACHED, STRIKES } from '../../core/charges.ts';
import { parseNetwork } from '../../mail/ip.ts';
import { openStore } from './sqlite.ts';

describe('forgiving', () => {
  const SPACES = [GUESSES, STRIKES, BOUNCED_GUESSES, REACHED];
  const networkOf = (text: string) => {
    const network = parseNetwork(text);
    return network.kind === 'network' ? network : assert.fail(text);
  };
  const cases: [network: string, also: string[], held: string[], kept: string[]][] = [
    ['192.0.2.7', [], ['192.0.2.7'], ['192.0.2.70', '192.0.2.77', '192.0.2.0/24', '192.0.2.6']],
    ['192.0.2.7', ['192.0.2.0/24'], ['192.0.2.7', '192.0.2.0/24'], ['192.0.2.8']],
    ['192.0.2.128/25', [], ['192.0.2.128', '192.0.2.255'], ['192.0.2.127', '192.0.2.0/24']],
    ['192.0.0.0/16', [], ['192.0.2.7', '192.0.255.0/24', '192.0.0.0/16'], ['192.1.0.0', '19.2.0.0']],
    ['10.0.0.0/7', [], ['10.1.2.3', '11.255.0.0'], ['12.0.0.0', '100.0.0.0', '1.0.0.0']],
    ['2001:db8:1:2::/64', [], ['2001:db8:1:2::/64'], ['2001:db8:1:20::/64', '2001:db8:1::/64']],
    ['2001:db8::/48', [], ['2001:db8::/64', '2001:db8:0:1::/64'], ['2001:db8:1::/64', '2001:db80::/64']],
    ['2001::/16', [], ['2001:db8::/64', '2001::/64'], ['2002::/64', '192.0.2.7']],
    ['::/0', [], ['2001:db8::/64', '::/64'], ['192.0.2.7']],
    ['2001:db8:1:2:3:4:5:6', [], ['2001:db8:1:2:3:4:5:6'], ['2001:db8:1:2::/64']],
  ];
  for (const [network, also, held, kept] of cases)
    it(`${network} forgets ${held.join(', ')}${also.length === 0 ? '' : ', asked for by name'}`, (t) => {
      const state = openStore(':memory:', { nowMs: () => BEGIN_MS });
      onEnd(t, () => state.close());
      for (const key of [...held, ...kept]) {
        state.standing.note(key, 'good');
        state.standing.note(key, 'bad');
        for (const space of SPACES) state.rates.add(space, key, HOUR);
      }
      const left = (key: string) => [
        state.standing.of(key).bad,
        ...SPACES.map((space) => state.rates.count(space, key)),
      ];
      assert.equal(state.forgive(networkOf(network), also), true);
      for (const key of held) {
        assert.deepEqual(left(key), [0, 0, 0, 0, 0], key);
        assert.equal(state.standing.of(key).good, 1);
      }
      for (const key of kept) assert.deepEqual(left(key), [1, 1, 1, 1, 1], key);
      assert.equal(state.forgive(networkOf(network), also), false);
      assert.equal(state.rates.windows, SPACES.length * kept.length);
    });

  it('leaves no row of a client that has nothing good', (t) => {
    const state = openStore(':memory:', { nowMs: () => BEGIN_MS });
    onEnd(t, () => state.close());
    state.standing.note('192.0.2.7', 'bad');
    assert.ok(state.forgive(networkOf('192.0.2.7')));
    assert.equal(state.standing.rows.n, 0);
    // And the next charge counts, although the last one is not an hour ago.
    state.standing.note('192.0.2.7', 'bad');
    assert.equal(state.standing.of('192.0.2.7').bad, 1);
  });
});
