import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { fakeResolver } from '../../test/fakes/resolver.ts';
import { checkSchema } from '../config/checks.ts';
import { watchedZones } from './dns-zones.ts';
import { rhsbl } from './rhsbl.ts';

const said = { client: '192.0.2.7', helo: 'mail.helo.example', from: 'joe@news.sender.example' };
const reverse = {
  '7.2.0.192.in-addr.arpa PTR': ['borrowed.example', 'host.reverse.example'],
  'host.reverse.example A': '192.0.2.7',
};
const entry = (more: object = {}) => ({ zone: 'dbl.example', ...more });
const codes = (findings: readonly { result: string; code: string }[]) =>
  findings.map((f) => `${f.result} ${f.code}`);

describe('rhsbl', () => {
  it('asks about all three names, and a borrowed reverse name is none', async () => {
    const dns = fakeResolver(reverse);
    const { findings } = await ask(rhsbl, said, { dns }, { zones: [entry()] });
    assert.deepEqual(codes(findings), ['pass not-listed']);
    assert.deepEqual(dns.asked.filter((q) => q.includes('dbl')).sort(), [
      'host.reverse.example.dbl.example A',
      'mail.helo.example.dbl.example A',
      'news.sender.example.dbl.example A',
    ]);
  });

  const names: [of: string, name: string, text: string][] = [
    ['sender', 'news.sender.example', 'sender domain news.sender.example'],
    ['helo', 'mail.helo.example', 'HELO name mail.helo.example'],
    ['reverse', 'host.reverse.example', 'reverse name host.reverse.example'],
  ];
  for (const [of, name, text] of names) {
    it(`refuses by ${of} alone where the zone is of it`, async () => {
      const dns = fakeResolver({ ...reverse, [`${name}.dbl.example A`]: '127.0.0.2' });
      const zones = (roles: string[]) => ({ zones: [entry({ weight: 8, of: roles })] });
      const { findings } = await ask(rhsbl, said, { dns }, zones([of]));
      assert.deepEqual(findings, [
        {
          result: 'fail',
          code: 'listed',
          text: `${text} is listed by dbl.example (127.0.0.2)`,
          enhanced: '5.7.1',
          replyCode: 554,
          weight: 8,
        },
      ]);
      const others = names.map(([role]) => role).filter((role) => role !== of);
      assert.deepEqual(codes((await ask(rhsbl, said, { dns }, zones(others))).findings), ['pass not-listed']);
    });
  }

  it('counts a table once however many of its names are listed, and adds tables up', async () => {
    const dns = fakeResolver({
      'news.sender.example.dbl.example A': '127.0.1.2',
      'mail.helo.example.dbl.example A': '127.0.1.2',
      'mail.helo.example.uri.example A': '127.0.0.2',
    });
    const dbl = entry({ codes: ['127.0.1.0/24'], weight: 4 });
    const one = await ask(rhsbl, said, { dns }, { zones: [dbl] });
    assert.deepEqual(codes(one.findings), ['fail suspected']);
    const two = await ask(rhsbl, said, { dns }, { zones: [dbl, { zone: 'uri.example', weight: 4 }] });
    assert.deepEqual(codes(two.findings), ['fail listed', 'fail listed']);
  });

  it('asks about the registered domain where the list wants that, once', async () => {
    const dns = fakeResolver({ 'sender.example.dbl.example A': '127.0.0.2' });
    const same = { ...said, helo: 'mail.sender.example' };
    const zones = [entry({ weight: 8, registered: true, of: ['sender', 'helo'] })];
    const { findings } = await ask(rhsbl, same, { dns }, { zones });
    assert.match(findings[0]?.text ?? '', /^sender domain sender\.example /);
    assert.deepEqual(dns.asked, ['sender.example.dbl.example A']);
  });

  it('believes exact codes only, and suspends a list that answers nonsense', async () => {
    const suspended: string[] = [];
    const zones = {
      suspended: () => undefined,
      suspend: (zone: string) => void suspended.push(zone),
      silent: () => undefined,
      asking: () => () => undefined,
    };
    const answer = async (address: string) => {
      const dns = fakeResolver({ 'news.sender.example.dbl.example A': address });
      return codes((await ask(rhsbl, said, { dns, zones }, { zones: [entry({ of: ['sender'] })] })).findings);
    };
    assert.deepEqual(await answer('127.0.0.3'), ['pass not-listed']);
    assert.deepEqual(suspended, []);
    assert.deepEqual(await answer('127.255.255.254'), ['none suspended']);
    assert.deepEqual(await answer('192.0.2.1'), ['none suspended']);
    assert.deepEqual(suspended, ['dbl.example', 'dbl.example']);
  });

  it('does not ask a suspended list, and says once when one does not answer', async () => {
    const zones = [entry({ of: ['sender', 'helo'] })];
    const dns = fakeResolver(
      {},
      { 'news.sender.example.dbl.example A': 'timeout', 'mail.helo.example.dbl.example A': 'servfail' },
    );
    assert.deepEqual(codes((await ask(rhsbl, said, { dns }, { zones })).findings), ['temperror temperror']);
    const quiet = fakeResolver({});
    const health = {
      suspended: () => 'lists everything',
      suspend: () => undefined,
      silent: () => undefined,
      asking: () => () => undefined,
    };
    const { findings } = await ask(rhsbl, said, { dns: quiet, zones: health }, { zones });
    assert.deepEqual([codes(findings), quiet.asked], [['none suspended'], []]);
  });

  it('asks nothing about what is no name', async () => {
    for (const odd of [
      { from: '<>', helo: '[192.0.2.7]' },
      { from: 'joe@[192.0.2.7]', helo: '192.0.2.7' },
      { from: 'joe@localhost', helo: 'a b.example' },
    ]) {
      const dns = fakeResolver({});
      const { findings } = await ask(rhsbl, odd, { dns }, { zones: [entry({ of: ['sender', 'helo'] })] });
      assert.deepEqual([codes(findings), dns.asked], [['none not-asked'], []]);
    }
  });

  it('quotes the list without its access key', async () => {
    const dns = fakeResolver({
      'news.sender.example.key.dq.example A': '127.0.0.2',
      'news.sender.example.key.dq.example TXT': 'see https://key.dq.example/why.',
    });
    const zone = { zone: 'key.dq.example', shown_as: 'dq.example', ask_text: true, of: ['sender'] };
    const { findings, evidence } = await ask(rhsbl, said, { dns }, { zones: [zone] });
    assert.match(
      findings[0]?.text ?? '',
      /listed by dq\.example \(127\.0\.0\.2\): see https:\/\/dq\.example\/why$/,
    );
    assert.ok(!JSON.stringify(evidence).includes('key'));
  });

  it('is idle without zones, and is watched as a list of names', () => {
    const settings = checkSchema(rhsbl).parse({}) as never;
    assert.equal(rhsbl.idle?.(settings, undefined as never), 'no zones are configured');
    const { zones } = checkSchema(rhsbl).parse({ zones: [entry()] }) as unknown as { zones: never };
    assert.deepEqual(
      watchedZones(zones).map((zone) => [zone.zone, zone.lists]),
      [['dbl.example', 'names']],
    );
  });
});
