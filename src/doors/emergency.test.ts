import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { passes, turnedAwayOfBad } from './emergency.ts';

describe('an emergency (C7)', () => {
  const networks = Array.from({ length: 2000 }, (_, i) => `198.51.${i >> 8}.${i & 255}`);
  for (const share of [1, 10, 50, 90, 97, 99]) {
    const within = Math.ceil(100 / (100 - share));

    it(`turning ${share} % away, every client gets in within ${within} attempts, and no oftener than its share`, () => {
      for (const network of networks) {
        const attempts = Array.from({ length: 300 }, (_, i) => passes(network, i + 1, share));
        let gap = 0;
        for (const passed of attempts) {
          gap = passed ? 0 : gap + 1;
          assert.ok(gap < within, `${network} was turned away ${gap} times in a row`);
        }
        assert.equal(attempts.filter(Boolean).length, 3 * (100 - share));
      }
    });

    it(`turning ${share} % away, about that share of those who come once is turned away`, () => {
      const away = networks.filter((network) => !passes(network, 1, share)).length;
      assert.ok(Math.abs((100 * away) / networks.length - share) < 3, `${away} of ${networks.length}`);
    });
  }

  for (const [unknown, bad] of [
    [0, 50],
    [50, 75],
    [90, 95],
    [97, 99],
    [98, 99],
    [99, 99],
    [100, 100],
  ] as const)
    it(`turning ${unknown} % away turns ${bad} % of those in bad standing away`, () =>
      assert.equal(turnedAwayOfBad(unknown), bad));

  it('0 % turns nobody away, 100 % everybody', () => {
    for (const network of networks.slice(0, 50)) {
      for (let attempt = 1; attempt <= 20; attempt++) {
        assert.equal(passes(network, attempt, 0), true);
        assert.equal(passes(network, attempt, 100), false);
      }
    }
  });
});
