import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DnsPort } from '../../core/ports.ts';
import { DnsShares } from './shares.ts';

const never = new AbortController().signal;

describe('DnsShares', () => {
  it('bounds the open questions of one network, and leaves the others theirs', async () => {
    const answers: (() => void)[] = [];
    const dns: DnsPort = {
      resolve: (name) =>
        new Promise((resolve) => {
          const answer = () =>
            resolve(name === 'ill.example' ? { kind: 'servfail', reason: 'x' } : { kind: 'no-data' });
          answers.push(answer);
        }),
    };
    const shares = new DnsShares(dns, 2);
    const ask = (network: string, name = 'a.example') => shares.of(network).resolve(name, 'A', never);
    const open = [ask('192.0.2.7'), ask('192.0.2.7', 'ill.example')];
    assert.deepEqual(await ask('192.0.2.7'), { kind: 'timeout' });
    const other = ask('192.0.2.8');
    assert.equal(answers.length, 3, 'the third was not asked');
    for (const answer of answers) answer();
    assert.deepEqual(await Promise.all([...open, other]), [
      { kind: 'no-data' },
      { kind: 'servfail', reason: 'x' },
      { kind: 'no-data' },
    ]);
    const again = ask('192.0.2.7');
    answers.at(-1)?.();
    assert.deepEqual(await again, { kind: 'no-data' });
  });

  it('gives a share back also where a question throws', async () => {
    const shares = new DnsShares({ resolve: () => Promise.reject(new Error('x')) }, 1);
    for (let i = 0; i < 3; i++) await assert.rejects(shares.of('192.0.2.7').resolve('a.example', 'A', never));
  });
});
