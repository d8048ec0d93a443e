import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { convictedNetwork } from './charges.ts';

describe('what an automatic block covers', () => {
  const cases: [prefix: { v4: number; v6: number }, address: string, network: string][] = [
    [{ v4: 32, v6: 64 }, '192.0.2.7', '192.0.2.7'],
    [{ v4: 24, v6: 64 }, '192.0.2.7', '192.0.2.7'],
    [{ v4: 8, v6: 32 }, '192.0.2.7', '192.0.2.7'],
    [{ v4: 32, v6: 64 }, '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    [{ v4: 32, v6: 32 }, '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    [{ v4: 32, v6: 80 }, '2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3::/80'],
  ];
  for (const [clientPrefix, address, network] of cases)
    it(`${address} under /${clientPrefix.v4} and /${clientPrefix.v6}: ${network}`, () =>
      assert.equal(convictedNetwork({ clientPrefix }, address), network));
});
