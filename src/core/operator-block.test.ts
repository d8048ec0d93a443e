import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Conditions, ListEntry } from './lists.ts';
import { sweepingProblem } from './operator-block.ts';

const SITE = { domains: ['example.org', '.users.example.net'] };

describe('an entry of the lists that is most likely a mistake', () => {
  const cases: [kind: ListEntry['kind'], conditions: Conditions, problem: RegExp | undefined][] = [
    ['block', { client: '0.0.0.0/0' }, /0\.0\.0\.0\/0 is too wide; nothing wider than \/8/],
    ['block', { client: '10.0.0.0/7' }, /too wide/],
    ['block', { client: '10.0.0.0/8' }, undefined],
    ['block', { client: '::/0' }, /nothing wider than \/16/],
    ['block', { client: '2000::/15' }, /too wide/],
    ['block', { client: '2001::/16' }, undefined],
    ['block', { client: '0.0.0.0/0', sender: 'joe@example.net' }, /too wide/],
    ['allow', { client: '0.0.0.0/0' }, /too wide/],
    ['list-host', { client: '::/0' }, /too wide/],
    ['block', { sender: '<>' }, /every bounce/],
    ['block', { sender: '<>', client: '192.0.2.7' }, undefined],
    ['block', { sender: '<>', recipient: 'ann@example.org' }, undefined],
    ['block', { sender: '<>', recipient: 'example.org' }, /a block of example\.org refuses all/],
    ['allow', { sender: '<>' }, undefined],
    ['block', { recipient: 'example.org' }, /a domain of ours/],
    ['block', { recipient: 'EXAMPLE.org.' }, /a domain of ours/],
    ['block', { recipient: '.org' }, /a domain of ours/],
    ['block', { recipient: '.users.example.net' }, /a domain of ours/],
    ['block', { recipient: 'ann.users.example.net' }, /a domain of ours/],
    ['block', { recipient: '.net' }, /a domain of ours/],
    ['block', { recipient: 'example.net' }, undefined],
    ['block', { recipient: 'ann@example.org' }, undefined],
    ['block', { recipient: 'example.org', sender: '.example.com' }, undefined],
    ['block', { recipient: 'example.org', host: '.example.com' }, undefined],
    ['allow', { recipient: 'example.org' }, undefined],
    ['block', { sender: '.example.com' }, undefined],
  ];
  for (const [kind, conditions, problem] of cases)
    it(`${kind} ${JSON.stringify(conditions)}: ${problem === undefined ? 'no' : 'yes'}`, () => {
      const found = sweepingProblem(kind, conditions, SITE);
      if (problem === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', problem);
    });
});
