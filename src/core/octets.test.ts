import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatOctets } from './octets.ts';

for (const [octets, text] of [
  [0, '0 B'],
  // What was saved is estimated, and no whole number.
  [12.4, '12 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1_572_864, '1.5 MiB'],
  [2 ** 52, '4096.0 TiB'],
] as const)
  it(`${octets} octets are ${text}`, () => assert.equal(formatOctets(octets), text));
