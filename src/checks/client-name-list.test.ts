import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { buildLists, type ListEntry } from '../core/lists.ts';
import { clientNameList } from './client-name-list.ts';

const PTR = '7.2.0.192.in-addr.arpa PTR';
const GOOD = { [PTR]: 'a.dyn.example', 'a.dyn.example A': '192.0.2.7' };
const FORGED = { [PTR]: 'a.dyn.example', 'a.dyn.example A': '192.0.2.8' };
const entry = (fields: Partial<ListEntry>): ListEntry => ({
  kind: 'block',
  source: 'postern.toml:1',
  ...fields,
});
const block = entry({ host: '.dyn.example', reason: 'dial-up' });

describe('client-name-list', () => {
  const cases: [
    string,
    ListEntry,
    Record<string, string>,
    Record<string, FakeTrouble>,
    result: string,
    code: string,
  ][] = [
    ['a confirmed name', block, GOOD, {}, 'fail', 'listed'],
    [
      'with its network',
      entry({ host: 'a.dyn.example', client: '192.0.2.0/24' }),
      GOOD,
      {},
      'fail',
      'listed',
    ],
    [
      'in another network',
      entry({ host: 'a.dyn.example', client: '192.0.3.0/24' }),
      GOOD,
      {},
      'pass',
      'not-listed',
    ],
    ['a forged name', block, FORGED, {}, 'pass', 'not-listed'],
    ['no name', block, {}, {}, 'pass', 'not-listed'],
    ['an allow entry', entry({ kind: 'allow', host: '.dyn.example' }), GOOD, {}, 'pass', 'not-listed'],
    ['no PTR answer', block, GOOD, { [PTR]: 'timeout' }, 'temperror', 'temperror'],
    ['no address answer', block, GOOD, { 'a.dyn.example': 'servfail' }, 'temperror', 'temperror'],
  ];
  for (const [what, listed, zone, troubles, result, code] of cases) {
    it(`${code}: ${what}`, async () => {
      const ports = { lists: buildLists([listed]), dns: fakeResolver(zone, troubles) };
      const { findings } = await ask(clientNameList, {}, ports);
      assert.deepEqual(
        findings.map((f) => [f.result, f.code]),
        [[result, code]],
      );
    });
  }

  it('says which name and why', async () => {
    const ports = { lists: buildLists([block]), dns: fakeResolver(GOOD) };
    const { findings } = await ask(clientNameList, {}, ports);
    assert.equal(findings[0]?.text, '192.0.2.7 (a.dyn.example) is on our block list of host names: dial-up');
  });

  it('asks nothing where no entry names a host, and does not repeat what client-list finds', async () => {
    const dns = fakeResolver(GOOD);
    const lists = buildLists([entry({ client: '192.0.2.7' })]);
    assert.equal((await ask(clientNameList, {}, { dns, lists })).findings[0]?.code, 'not-listed');
    assert.deepEqual(dns.asked, []);
    const both = buildLists([entry({ client: '192.0.2.7' }), entry({ host: 'other.example' })]);
    assert.equal((await ask(clientNameList, {}, { dns, lists: both })).findings[0]?.code, 'not-listed');
  });
});
