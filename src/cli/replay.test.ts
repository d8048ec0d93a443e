import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { refusedByHelo } from '../../test/contracts/journal.ts';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { ZoneServer } from '../adapters/dns/zone-server.ts';
import { openDesk } from '../adapters/desk/sqlite.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import type { Decision } from '../core/decision.ts';
import { reply } from '../mail/reply.ts';
import { CommandError } from './exit.ts';
import { replayCommand, type ReplayOptions } from './replay.ts';

const configText = (dns: number, rest = '') =>
  `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "smtp://127.0.0.1:1"\n[dns]\nservers = ["127.0.0.1:${dns}"]\n${rest}`;
const allOffBut = (...left: readonly string[]) =>
  LADDER.filter(({ name }) => !left.includes(name))
    .map(({ name }) => `[checks.${name}]\non_fail = "off"\n`)
    .join('');
const ONLY_HELO = allOffBut('helo');

const refused = (id: string, over: Partial<Decision> = {}): Decision =>
  refusedByHelo(id, { atMs: Date.now() - 60_000, ...over });

async function world(cleanup: Cleanup, decisions: readonly Decision[], dataDir = 'data') {
  const dir = await tempDir(cleanup);
  await mkdir(join(dir, dataDir), { recursive: true });
  const dns = await ZoneServer.start({});
  onEnd(cleanup, () => dns.stop());
  const journal = openJournal(join(dir, dataDir, 'journal.sqlite'));
  for (const one of decisions) journal.record(one);
  await journal.close();
  const file = async (name: string, rest: string) => {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), configText(dns.port, rest));
    return join(dir, name);
  };
  const run = async (options: Omit<ReplayOptions, 'checks'>) => {
    let [out, err, bar] = ['', '', ''];
    const code = await replayCommand(
      { checks: LADDER, ...options },
      {
        out: (text) => void (out += text),
        err: (text) => void (err += text),
        progress: { isTTY: true, columns: 80, write: (text: string) => void (bar += text) },
        width: 150,
      },
    );
    return { code, out, err, bar };
  };
  return { dir, dns, file, run };
}

describe('postern replay', () => {
  it('says what would be let in, those that people spoke of first', async (t) => {
    const { dir, file, run } = await world(t, [
      refused('AAAA'),
      refused('BBBB', { atMs: Date.now() - 50_000 }),
      refused('CCCC', { atMs: Date.now() - 40_000 }),
      refused('LONGAGO', { atMs: Date.now() - 9 * 86_400_000 }),
    ]);
    const desk = openDesk(join(dir, 'data', 'desk.sqlite'));
    desk.marks.set('AAAA', 'wanted', 'ann');
    desk.close();
    const config = await file('new.toml', ONLY_HELO + '[checks.helo]\non_fail = "off"\n');
    const { code, out, bar } = await run({ config });
    assert.equal(code, 1, out);
    assert.match(out, /^Newly accepted: 3$/m);
    assert.deepEqual(
      [...out.matchAll(/ ([A-C]{4}) /g)].map(([, id]) => id),
      ['AAAA', 'CCCC', 'BBBB'],
    );
    assert.match(out, / AAAA .*\n {4}refused by helo:not-fqdn → accepted {2}\(wanted\)\n/);
    assert.match(out, / CCCC .*\n {4}refused by helo:not-fqdn → accepted\n/);
    assert.match(
      out,
      /^3 judged again: 0 the same, 0 newly refused or deferred, 3 newly accepted, 0 unknown\.$/m,
    );
    assert.match(bar, /looked at, \d+ differ/);
  });

  it('finds nothing where nothing changes, and asks nobody', async (t) => {
    const { dns, file, run } = await world(t, [refused('AAAA')]);
    const { code, out } = await run({ config: await file('new.toml', '') });
    assert.equal(code, 0, out);
    assert.match(out, /^1 judged again: 1 the same/m);
    assert.equal(dns.asked.size, 0);
  });

  it('does not ask DNS for what it would have to know', async (t) => {
    const { dns, file, run } = await world(t, [refused('AAAA')]);
    const rest = `${allOffBut('dnsbl', 'spf')}[[checks.dnsbl.zones]]\nzone = "bl.example"\nweight = 9\n`;
    const { code, out } = await run({ config: await file('new.toml', rest), limit: '1' });
    assert.equal(code, 0, out);
    assert.match(out, /^Unknown: something would be asked that never was: 1$/m);
    assert.match(out, /refused by helo:not-fqdn → unknown: would ask dnsbl, spf$/m);
    assert.equal(dns.asked.size, 0);
  });

  it('takes the journal of the configuration in force', async (t) => {
    const { file, run } = await world(t, [refused('AAAA')]);
    const current = await file('postern.toml', '');
    const config = await file('elsewhere/new.toml', ONLY_HELO + '[checks.helo]\non_fail = "off"\n');
    await assert.rejects(run({ config }), /there is no journal yet/);
    const { code, out } = await run({ config, current, json: true });
    assert.equal(code, 1);
    const said = JSON.parse(out) as { counts: unknown; newlyAccepted: { id: string; after: string }[] };
    assert.deepEqual(said.counts, { same: 0, newlyRefused: 0, newlyAccepted: 1, unknown: 0 });
    assert.deepEqual(
      said.newlyAccepted.map(({ id, after }) => [id, after]),
      [['AAAA', 'accepted']],
    );
  });

  it('bounds what it shows, and counts all', async (t) => {
    const many = Array.from({ length: 450 }, (_, i) => refused(`X${i}`, { atMs: Date.now() - 100_000 + i }));
    const left = refused('LEFT', {
      recipients: [],
      check: undefined,
      reply: reply(421, '4.3.2', 'stopping'),
    });
    const { file, run } = await world(t, [...many, left]);
    const config = await file('new.toml', ONLY_HELO + '[checks.helo]\non_fail = "tag"\n');
    const { out } = await run({ config, limit: '3' });
    assert.match(out, /^Newly accepted: 450, 3 of them shown$/m);
    assert.deepEqual(out.match(/X\d+/g), ['X449', 'X448', 'X447']);
    assert.match(out, /^1 left out/m);
  });

  it('stops at Ctrl-C with what it has', async (t) => {
    const many = Array.from({ length: 300 }, (_, i) => refused(`X${i}`));
    const { file, run } = await world(t, many);
    const going = run({ config: await file('new.toml', '') });
    process.emit('SIGINT');
    const { code, out } = await going;
    assert.equal(code, 130);
    assert.match(out, /Stopped: this is what was found until then/);
  });

  it('says what is wrong with either file', async (t) => {
    const { file, run } = await world(t, []);
    const config = await file('new.toml', '[checks.nonsense]\n');
    const { code, err } = await run({ config });
    assert.equal(code, 78);
    assert.match(err, /new\.toml:\d+: checks\.nonsense: no such check/);
    await assert.rejects(run({ config, limit: '0' }), /--limit/);
    const bad: [since: string | undefined, until: string | undefined, problem: RegExp][] = [
      ['2999-01-01', undefined, /^--since "2999-01-01" is in the future; nothing lies between$/],
      ['2d', '3d', /^--since "2d" is not before --until "3d"; nothing lies between$/],
      [undefined, '8d', /^--since "7d" is not before --until "8d"/],
    ];
    for (const [since, until, problem] of bad) {
      const span = { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) };
      await assert.rejects(run({ config, ...span }), (error) => {
        assert.ok(error instanceof CommandError && error.exitCode === 64);
        assert.match(error.message, problem);
        return true;
      });
    }
  });
});
