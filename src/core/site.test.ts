import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { site } from '../../test/fakes/ask.ts';
import { isOurDomain } from './site.ts';

describe('our domains', () => {
  const cases: [domain: string, ours: boolean][] = [
    ['example.org', true],
    ['a.example.org', false],
    ['notexample.org', false],
    ['example.org.example.net', false],
    ['sub.example.org', false],
    ['a.sub.example.org', true],
    ['a.b.sub.example.org', true],
    ['asub.example.org', false],
    ['', false],
  ];
  for (const [domain, ours] of cases)
    it(`${domain} ${ours}`, () => assert.equal(isOurDomain(site, domain), ours));
  it('none where there are none', () => assert.ok(!isOurDomain({ ...site, domains: [] }, 'example.org')));
});
