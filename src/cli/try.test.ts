import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { ZoneServer } from '../adapters/dns/zone-server.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import type { Decision } from '../core/decision.ts';
import { tryCommand, type TryOptions } from './try.ts';

const GOOD: TryOptions = {
  client: '203.0.113.10',
  helo: 'mail.honest.example',
  sender: 'ann@honest.example',
  recipient: 'bea@example.org',
};

/** A gate with a mailbox `bea` and a DNS of one honest host. */
async function world(cleanup: Cleanup, top = '') {
  const dir = await tempDir(cleanup);
  await mkdir(join(dir, 'mail', 'bea'), { recursive: true });
  const dns = await ZoneServer.start({
    '10.113.0.203.in-addr.arpa PTR': 'mail.honest.example',
    'mail.honest.example A': '203.0.113.10',
    'honest.example MX': '10 mail.honest.example',
  });
  onEnd(cleanup, () => dns.stop());
  const file = join(dir, 'postern.toml');
  await writeFile(
    file,
    `${top}\nhost_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail/{user}"\n[dns]\nservers = ["127.0.0.1:${dns.port}"]\n[checks.sender-mx]\nactions = { bogus = "observe" }\n`,
  );
  const loaded = load(file, LADDER);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const tried = async (over: Partial<TryOptions> = {}) => {
    let out = '';
    const exit = await tryCommand(loaded.config, { ...GOOD, ...over }, (text) => void (out += text));
    return { exit, out };
  };
  return { dir, dns, tried };
}

describe('postern try', () => {
  it('tells the story of a client let in, in the words of postern log', async (t) => {
    const { dir, tried } = await world(t);
    const { exit, out } = await tried();
    assert.equal(exit, 0, out);
    assert.match(
      out,
      /^\S{8} {2}accepted {2}a trial: nothing is delivered or remembered, and this id is not in the journal/,
    );
    assert.match(out, /^ {2}to +bea@example\.org: accepted, 250 /m);
    assert.match(out, /^ {2}suspicion +0, refused from 10$/m);
    assert.match(
      out,
      /^ {2}door +let in; under load behind those in good standing: standing unknown \(good 0\.0, bad 0\.0\)$/m,
    );
    assert.match(
      out,
      /^ {2}connect +fcrdns +ok +[\d.]+ ms\n {6}pass ok: 203\.0\.113\.10 is mail\.honest\.example\n {6}came back: \{/m,
    );
    assert.deepEqual(await readdir(join(dir, 'mail', 'bea')), []);
    assert.deepEqual((await readdir(dir)).sort(), ['mail', 'postern.toml']);
  });

  it('goes by what is listed while the gate runs', async (t) => {
    const { dir, tried } = await world(t);
    const store = openStore(join(dir, 'data', 'store.sqlite'));
    onEnd(t, () => store.close());
    const { id } = store.listed.add({ kind: 'block', client: '203.0.113.0/24', reason: 'floods', by: 'ann' });
    const refused = await tried();
    assert.equal(refused.exit, 1);
    assert.match(refused.out, /listed: 203\.0\.113\.10 is on our block list: floods/);
    assert.match(refused.out, /"source":"listed by ann, \d{4}-\d\d-\d\d"/);
    store.listed.remove(id);
    assert.equal((await tried()).exit, 0);
  });

  it('says what the door would do before all that', async (t) => {
    const { tried } = await world(t, 'networks = ["10.0.0.0/8"]\nemergency = { turn_away = 100 }');
    assert.match((await tried({ client: '10.1.2.3' })).out, /^ {2}door +let in before all others: /m);
    assert.match(
      (await tried()).out,
      /^ {2}door +emergency, 100 of 100 are turned away: .* turned away, standing unknown /m,
    );
  });

  it('ends with what would have happened', async (t) => {
    const { dns, tried } = await world(t);
    const refused = await tried({ recipient: 'nobody@example.org' });
    assert.equal(refused.exit, 1);
    assert.match(refused.out, /^\S+ {2}refused/);
    assert.match(refused.out, /^ {2}decided by recipients, unknown$/m);
    const early = await tried({ helo: 'mx.example.org' });
    assert.equal(early.exit, 1);
    assert.match(early.out, /^ {2}not asked, because lifted or decided before: .*recipients$/m);
    dns.troubles.set('honest.example', 'servfail');
    const deferred = await tried();
    assert.equal(deferred.exit, 75);
    assert.match(deferred.out, /^\S+ {2}deferred/);
  });

  it('knows no threshold where suspicion never refuses', async (t) => {
    const { tried } = await world(t, 'profile = "watch"');
    const { exit, out } = await tried({ helo: 'mx.example.org' });
    assert.equal(exit, 0, out);
    assert.doesNotMatch(out, /Infinity|refused from/);
    assert.match(out, /^ {2}helo +helo +observe /m);
  });

  it('prints the decision as JSON, and nothing else', async (t) => {
    const { dir, tried } = await world(t);
    await writeFile(join(dir, 'message'), 'Subject: x\r\n\r\nx\r\n');
    const { exit, out } = await tried({ json: true, message: join(dir, 'message') });
    const decision = JSON.parse(out) as Decision;
    assert.deepEqual([exit, decision.outcome, decision.sizeOctets], [0, 'accepted', 17]);
  });

  it('names what it cannot understand', async (t) => {
    const { dir, tried } = await world(t);
    const cases: [Partial<TryOptions>, RegExp, number][] = [
      [{ client: 'x' }, /^--client "x" cannot be understood; it wants something like 192\.0\.2\.7$/, 64],
      [{ sender: 'a b' }, /^--sender "a b".*<> for a bounce$/, 64],
      [{ recipient: '@' }, /^--recipient "@"/, 64],
      [{ message: join(dir, 'none') }, /^--message: .*no such file/, 66],
    ];
    for (const [over, message, exitCode] of cases) await assert.rejects(tried(over), { message, exitCode });
  });
});
