import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { ZoneServer } from '../adapters/dns/zone-server.ts';
import { openClassifier } from '../adapters/classifier/sqlite.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import { LADDER } from '../checks/ladder.ts';
import { checkConfigCommand } from './check-config.ts';
import type { Explained } from './explain.ts';

interface Said {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** The command over a file of a gate on loopback; a folder of its own unless given. */
async function say(
  cleanup: Cleanup,
  given: { dir?: string; top?: string; backend?: string; tables?: string; isTTY?: boolean },
  options: { explain?: boolean; json?: boolean } = {},
): Promise<Said> {
  const dir = given.dir ?? (await tempDir(cleanup));
  const file = join(dir, 'postern.toml');
  await writeFile(
    file,
    `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n${given.top ?? ''}\n[[listen]]\naddress = "[::1]:0"\n[backend]\nurl = "${given.backend ?? 'smtp://127.0.0.1:2526'}"\n${given.tables ?? ''}`,
  );
  const said = { out: '', err: '' };
  const exit = await checkConfigCommand(
    { file, checks: LADDER, ...options },
    {
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
      isTTY: given.isTTY ?? false,
    },
  );
  return { exit, ...said };
}

/** TOML that names a resolver which answers, or whose port nobody has. */
async function resolver(cleanup: Cleanup, alive = true): Promise<string> {
  const server = await ZoneServer.start({});
  if (alive) onEnd(cleanup, () => server.stop());
  else await server.stop();
  return `[dns]\nservers = ["127.0.0.1:${server.port}"]\ntimeout = "500ms"\n`;
}

/** Without the line that they blame. */
const notes = ({ out }: Said): string[] =>
  [...out.matchAll(/^ {2}note: (?:postern\.toml:\d+: )?(.*)$/gm)].map(([, note]) => note ?? '');

describe('postern check-config', () => {
  it('says what a good file comes to, and what is idle', async (t) => {
    const said = await say(t, {});
    assert.equal(said.exit, 0);
    assert.match(said.out, /listens on \[::1\]:0\n/);
    assert.match(said.out, /note: dnsbl is on but does nothing: no zones/);
    assert.equal(said.err, '');
  });

  it('counts the checks that run, and those that are on but cannot', async (t) => {
    const given = { tables: await resolver(t) };
    const { out } = await say(t, given);
    const [, running, unable] = / (\d+) checks run, (\d+) more are on but cannot, /.exec(out) ?? [];
    const json = await say(t, given, { explain: true, json: true });
    const { checks } = JSON.parse(json.out) as { checks: { state: string }[] };
    const counted = (state: string) => checks.filter((check) => check.state === state).length;
    assert.deepEqual([Number(running), Number(unable)], [counted('on'), counted('cannot run')]);
    assert.ok(counted('cannot run') > 0);
  });

  it('says all that is wrong, as JSON too', async (t) => {
    const said = await say(t, { tables: 'maximum = 3\n' });
    assert.equal(said.exit, 78);
    assert.match(said.err, /postern\.toml:9: backend\.maximum: unknown key/);
    assert.equal(said.out, '');
    const json = await say(t, { tables: 'maximum = 3\n' }, { json: true });
    assert.equal(json.exit, 78);
    const { problems } = JSON.parse(json.out) as { problems: { key: string; line: number }[] };
    assert.deepEqual([problems.length, problems[0]?.key, problems[0]?.line], [1, 'backend.maximum', 9]);
  });

  it('says that a file is not there', async () => {
    const said: string[] = [];
    const streams = { out: () => undefined, err: (text: string) => void said.push(text) };
    assert.equal(await checkConfigCommand({ file: '/none/postern.toml', checks: LADDER }, streams), 78);
    assert.deepEqual(said, ['/none/postern.toml:1: cannot be read: there is no such file\n']);
  });
});

describe('what check-config warns of', () => {
  const quiet = /no certificate|is on but does nothing|has no \{user\}/;
  const warned = (said: Said) => notes(said).filter((note) => !quiet.test(note));

  const dashboards: [name: string, tables: string, note: RegExp | undefined][] = [
    [
      'beyond loopback',
      '[admin]\nlisten = "0.0.0.0:8025"',
      /^admin\.listen: passwords would go to 0\.0\.0\.0 without TLS/,
    ],
    [
      'beyond loopback by a name',
      '[admin]\nlisten = "0.0.0.0:8025"\nurl = "https://gate.example.org/"',
      undefined,
    ],
    ['on loopback', '[admin]\nlisten = "[::1]:8025"', undefined],
    [
      'below a path',
      '[admin]\nurl = "https://example.org/gate"',
      /^admin\.url: the dashboard cannot be below \/gate/,
    ],
    [
      'a report page alone',
      '[report_page]\nurl = "https://mx.example.org"',
      /^report_page: nobody can answer reports/,
    ],
    ['both', '[admin]\n[report_page]\nurl = "https://mx.example.org/reports"', undefined],
    [
      'alerts for nobody',
      '[queue_watch]\nfrom = "postfix"\n[[queue_watch.alert]]',
      /^queue_watch\.alert: rings for nobody/,
    ],
    [
      'alerts',
      '[notify]\nwebhook = "https://a.example/b"\n[queue_watch]\nfrom = "postfix"\n[[queue_watch.alert]]',
      undefined,
    ],
  ];
  for (const [name, tables, note] of dashboards)
    it(`${note === undefined ? 'has nothing to say' : 'warns'}: of the dashboard, ${name}`, async (t) => {
      const [first, ...others] = warned(await say(t, { tables }));
      if (note === undefined) assert.equal(first, undefined);
      else assert.match(first ?? '', note);
      assert.deepEqual(others, []);
    });

  it('nothing, where all is there', async (t) => {
    const dir = await tempDir(t);
    await mkdir(join(dir, 'mail'));
    for (const backend of ['maildir:mail/{user}', 'maildir:mail/one', 'maildir:new/one'])
      assert.deepEqual(warned(await say(t, { dir, backend })), [], backend);
    assert.deepEqual((await readdir(dir)).sort(), ['mail', 'postern.toml'], 'it made something');
  });

  it('a scanner whose socket is not there', async (t) => {
    const dir = await tempDir(t);
    await writeFile(join(dir, 'there'), '');
    const tables = (socket: string, more = '') =>
      `[checks.clamav]\naddress = "${dir}/${socket}"\n${more}\n[checks.rspamd]\naddress = "127.0.0.1:1"\n`;
    const [note, ...others] = warned(await say(t, { dir, tables: tables('clamd.ctl') }));
    assert.match(
      note ?? '',
      /^checks\.clamav\.address .*\/clamd\.ctl: there is no such socket; .* mail is deferred$/,
    );
    assert.deepEqual(others, []);
    const goesOn = warned(await say(t, { dir, tables: tables('clamd.ctl', 'on_temperror = "go-on"') }));
    assert.match(goesOn.join(), /mail goes on unseen$/);
    assert.deepEqual(warned(await say(t, { dir, tables: tables('there') })), []);
    assert.deepEqual(warned(await say(t, { dir, tables: tables('clamd.ctl', 'on_fail = "off"') })), []);
  });

  it('a classifier that has learnt too little, without making or changing its file', async (t) => {
    const dir = await tempDir(t);
    const told = async (tables = '') =>
      notes(await say(t, { dir, tables })).filter((note) => note.startsWith('classifier'));
    assert.match((await told()).join(), /^classifier is on but does nothing: 0 ham and 0 spam learnt/);
    assert.deepEqual(await told('[checks.classifier]\non_fail = "off"\n'), []);
    assert.deepEqual(await readdir(dir), ['postern.toml']);
    const store = openClassifier(join(dir, 'data', 'classifier.sqlite'));
    const data = () => readdir(join(dir, 'data'));
    store.learn('spam', Buffer.from('a'), ['x']);
    assert.match((await told()).join(), /0 ham and 1 spam learnt, it takes 200 of each/);
    store.close();
    const before = await data();
    assert.match((await told()).join(), /0 ham and 1 spam learnt/);
    assert.deepEqual(await data(), before);
    await writeFile(join(dir, 'data', 'classifier.sqlite'), 'no database'.repeat(200));
    assert.deepEqual(await told(), []);
  });

  it('a route for a domain that is not ours', async (t) => {
    const route = (domain: string) => `[[route]]\ndomains = ["${domain}"]\nurl = "smtp://127.0.0.1:2527"\n`;
    const cases: [ours: string, routed: string, fine: boolean][] = [
      ['example.org', 'example.org', true],
      ['example.org', 'lists.example.org', false],
      ['.example.org', 'lists.example.org', true],
      ['.example.org', 'example.org', false],
      ['.example.org', '.example.org', true],
      ['.example.org', '.lists.example.org', true],
      ['example.org', '.example.org', false],
    ];
    for (const [ours, routed, fine] of cases) {
      const dir = await tempDir(t);
      const file = join(dir, 'postern.toml');
      await writeFile(
        file,
        `host_name = "mx.example.org"\ndomains = ["${ours}"]\ndata_dir = "data"\n[[listen]]\naddress = "[::1]:0"\n[backend]\nurl = "smtp://127.0.0.1:1"\n${route(routed)}`,
      );
      const said = { out: '' };
      await checkConfigCommand(
        { file, checks: LADDER },
        { out: (text) => void (said.out += text), err: (text) => assert.fail(text) },
      );
      const about = notes({ exit: 0, err: '', ...said }).filter((note) => note.startsWith('route'));
      assert.equal(about.length, fine ? 0 : 1, `${routed} in ${ours}: ${about.join()}`);
      if (!fine) {
        assert.match(about[0] ?? '', /^route\[1\]: .*not in domains.*add it there$/);
        assert.match(said.out, /note: postern\.toml:9: route\[1\]: /);
      }
    }
  });

  it('folders that cannot be used', async (t) => {
    const dir = await tempDir(t);
    await writeFile(join(dir, 'file'), '');
    const cases: [top: string, backend: string, RegExp][] = [
      ['', 'maildir:file', /^backend\.url .*\/file: it is no folder$/],
      ['', 'maildir:file/{user}', /^backend\.url .*\/file: it is no folder$/],
      ['', 'maildir:file/below', /\/file\/below: it cannot be made: .*\/file is no folder$/],
      ['', 'maildir:mail/{user}/Maildir', /\/mail: there is no such folder, so no mailbox exists/],
    ];
    for (const [top, backend, note] of cases) {
      const all = warned(await say(t, { dir, top, backend }));
      assert.equal(all.length, 1, all.join());
      assert.match(all[0] ?? '', note);
    }
    await writeFile(join(dir, 'data'), '');
    const [data] = warned(await say(t, { dir }));
    assert.match(data ?? '', /^data_dir .*\/data: it is no folder$/);
  });

  it(
    'folders that this user may not use',
    { skip: process.getuid?.() === 0 && 'root may all' },
    async (t) => {
      const dir = await tempDir(t);
      await mkdir(join(dir, 'closed'));
      await chmod(join(dir, 'closed'), 0o500);
      const [note] = warned(await say(t, { dir, backend: 'maildir:closed/one' }));
      assert.match(note ?? '', /this user may not make it in .*closed$/);
      await chmod(join(dir, 'closed'), 0o000);
      const [root] = warned(await say(t, { dir, backend: 'maildir:closed/{user}' }));
      assert.match(root ?? '', /this user may not read it$/);
      await chmod(join(dir, 'closed'), 0o700);
    },
  );

  it('a list of recipients with nobody in it', async (t) => {
    const dir = await tempDir(t);
    const tables = '[checks.recipient-list]\nknown_only = true\n';
    const [note] = warned(await say(t, { dir, tables }));
    assert.equal(
      note,
      'recipient-list: known_only is on and recipient_files name nobody, so nobody gets mail',
    );
    await writeFile(join(dir, 'known'), 'bea@example.org\n');
    assert.deepEqual(warned(await say(t, { dir, top: 'recipient_files = ["known"]', tables })), []);
  });

  it('AUTH without TLS, and a gate that only watches', async (t) => {
    const dir = await tempDir(t);
    await writeFile(join(dir, 'users'), '');
    const said = await say(t, { dir, top: 'profile = "watch"', tables: '[auth]\nusers_file = "users"\n' });
    assert.deepEqual(warned(said), [
      '[auth] is set, but AUTH is offered over TLS only',
      'the profile "watch" is on: no check refuses anything',
    ]);
  });
});

describe('postern check-config --explain', () => {
  const json = async (t: Cleanup, given: Parameters<typeof say>[1]) => {
    const { out } = await say(t, given, { explain: true, json: true });
    return JSON.parse(out) as { profile: string | null; refuse_at_suspicion: unknown; checks: Explained[] };
  };

  it('tells of each check what it comes to and where that comes from', async (t) => {
    const tables = `${await resolver(t)}[checks.fcrdns]\non_fail = "tag"\n[checks.sender-mx.actions]\ncname = "off"\n[checks.spf]\non_fail = "off"\nactions = { softfail = "off", permerror = "off" }\n`;
    const { checks, profile, refuse_at_suspicion } = await json(t, { top: 'profile = "strict"', tables });
    assert.equal(profile, 'strict');
    assert.deepEqual(refuse_at_suspicion, { value: 10, from: 'default' });
    assert.deepEqual(new Set(checks.map((c) => c.check)), new Set(LADDER.map((c) => c.name)));
    const of = (name: string) => checks.find((c) => c.check === name);
    assert.deepEqual(of('fcrdns'), {
      check: 'fcrdns',
      stage: 'connect',
      cost: 'dns-chain',
      state: 'on',
      on_fail: { value: 'tag', from: 'postern.toml:13' },
      actions: {},
      on_temperror: { value: 'go-on', from: 'default' },
      weight: { value: 2, from: 'default' },
      refuse_at: { value: 'earliest', from: 'profile strict' },
    });
    assert.deepEqual(of('sender-mx')?.actions, {
      cname: { value: 'off', from: 'postern.toml:15' },
    });
    assert.equal(of('spf')?.state, 'off');
  });

  it('knows what is on but cannot run, and why', async (t) => {
    const tables = await resolver(t);
    const why = async (given: string) => {
      const { checks } = await json(t, { tables: tables + given });
      return Object.fromEntries(checks.flatMap((c) => (c.why === undefined ? [] : [[c.check, c.why]])));
    };
    const empty = await why('');
    for (const [name, reason] of [
      ['dnsbl', /no zones/],
      ['client-list', /no block list entry names a client alone/],
      ['client-name-list', /names a host/],
      ['envelope-list', /names a sender or recipient/],
    ] as const)
      assert.match(empty[name] ?? '', reason);
    assert.equal(empty['fcrdns'], undefined);
    const dir = await tempDir(t);
    const store = openStore(join(dir, 'data', 'store.sqlite'));
    store.listed.add({ kind: 'block', client: '192.0.2.7', by: 'ann' });
    store.listed.add({ kind: 'allow', host: 'a.example', by: 'ann' });
    store.listed.add({ kind: 'block', sender: 'b.example', endsMs: Date.now() + 600_000, by: 'ann' });
    store.close();
    const { checks } = await json(t, { dir, tables });
    const idle = checks.flatMap(({ check, why }) => (/block list/.test(why ?? '') ? [check] : []));
    assert.deepEqual(idle, ['client-name-list'], 'what is listed while the gate runs counts');
    const filled = await why(
      '[[block]]\nclient = "192.0.2.7"\n[[block]]\nhost = "a.example"\n[[block]]\nsender = "b.example"\n[[checks.dnsbl.zones]]\nzone = "zen.example"\n',
    );
    for (const name of ['dnsbl', 'client-list', 'client-name-list', 'envelope-list'])
      assert.equal(filled[name], undefined, name);
    const bound = await why(
      '[[block]]\nclient = "192.0.2.7"\nsender = "b.example"\n[[allow]]\nclient = "192.0.2.8"\n',
    );
    assert.match(bound['client-list'] ?? '', /alone/);
    assert.equal(bound['envelope-list'], undefined);
  });

  it('says what has no place at a door that is open', async (t) => {
    const dir = await tempDir(t);
    const services =
      '[[listen]]\ndoor = "milter"\naddress = "unix:milter.sock"\n[[listen]]\ndoor = "policy"\naddress = "127.0.0.1:8892"\n';
    const tables = `${await resolver(t)}${services}`;
    const { checks } = await json(t, { dir, tables });
    const of = (name: string) => checks.find((c) => c.check === name);
    assert.deepEqual(of('relay')?.not_at, ['milter', 'policy']);
    assert.deepEqual(of('recipients')?.not_at, ['policy']);
    assert.deepEqual(of('dkim')?.not_at, ['policy']);
    assert.equal(of('helo')?.not_at, undefined);
    const { out } = await say(t, { dir, tables }, { explain: true });
    assert.match(
      out,
      new RegExp(`listens on .*, unix:${dir}/milter\\.sock \\(milter\\), 127\\.0\\.0\\.1:8892 \\(policy\\)`),
    );
    assert.match(out, /^On, but not at the milter door:\n {2}relay, early-talker, pipelining$/m);
    assert.match(out, /^On, but not at the policy door:\n {2}relay, .*recipients/m);
  });

  it('says what no door that is open can judge', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      'host_name = "mx.example.org"\ndomains = ["example.org"]\n[[listen]]\ndoor = "policy"\naddress = "127.0.0.1:8892"\n',
    );
    let out = '';
    const streams = { out: (text: string) => void (out += text), err: () => assert.fail() };
    await checkConfigCommand({ file, checks: LADDER, explain: true, json: true }, streams);
    const { checks } = JSON.parse(out) as { checks: Explained[] };
    const relay = checks.find((c) => c.check === 'relay');
    assert.deepEqual(
      [relay?.state, relay?.why],
      ['cannot run', 'no door is open at which it has anything to judge'],
    );
  });

  it('knows when nobody answers for DNS', async (t) => {
    const { checks } = await json(t, { tables: await resolver(t, false) });
    for (const { check, cost, state, why } of checks) {
      if (cost !== 'dns' || /zones|list/.test(why ?? '')) continue;
      assert.equal(state, 'cannot run', check);
      assert.match(why ?? '', /^no DNS server answers \(127\.0\.0\.1:\d+\)$/);
    }
    assert.equal(checks.find((c) => c.check === 'helo')?.state, 'on');
  });

  it('is a table that fits 100 columns, however long the file', async (t) => {
    const dir = await tempDir(t);
    const tables = `${await resolver(t, false)}${'\n'.repeat(20_000)}${LADDER.map(
      ({ name }) =>
        `[checks.${name}]\non_fail = "observe"\non_temperror = "defer"\nweight = -999.5\nrefuse_at = "earliest"\n`,
    ).join('')}`;
    for (const profile of ['strict', 'watch']) {
      const { out } = await say(t, { dir, top: `profile = "${profile}"`, tables }, { explain: true });
      for (const line of out.split('\n').slice(1))
        if (!line.startsWith('  note')) assert.ok(line.length <= 100, `${line.length}: ${line}`);
    }
  });

  it('reads like this', async (t) => {
    const tables = `${await resolver(t)}[checks.fcrdns]\nweight = 3\n[checks.early-talker]\non_fail = "off"\n`;
    const { out } = await say(t, { top: 'profile = "strict"', tables }, { explain: true });
    assert.match(out, /^check +rung +stage +on_fail +on_temperror +weight +refuse_at$/m);
    assert.match(out, /^fcrdns +dns-chain +connect +refuse strict +go-on +3 :13 +earliest strict$/m);
    assert.match(out, /^sender-mx +dns-chain +mail +refuse strict +go-on +1 +earliest strict$/m);
    assert.match(out, /:31 is its line in the file, strict the profile, nothing its default\.$/m);
    assert.match(out, /^Suspicion refuses from 10 \(default\)\.$/m);
    assert.match(out, /^On, but cannot run:\n( {2,}.*\n)* {2}.*dnsbl.*: no zones are configured$/m);
    assert.match(out, /^Off:\n {2}.*early-talker/m);
    assert.doesNotMatch(out, /\x1b/);
    assert.doesNotMatch(out, /is on but does nothing/);
    const watch = await say(t, { top: 'profile = "watch"', tables: await resolver(t) }, { explain: true });
    assert.match(watch.out, /^Suspicion refuses never \(profile watch\)\.$/m);
    assert.match(watch.out, /^relay +memory +rcpt +refuse +defer +0 +rcpt$/m);
    assert.match(watch.out, /^helo +memory +helo +observe watch +go-on watch/m);
  });

  it('has colours on a terminal', async (t) => {
    const { out } = await say(t, { tables: await resolver(t), isTTY: true }, { explain: true });
    const isPlain = (process.env['NO_COLOR'] ?? '') !== '';
    assert.equal(out.includes('\x1b['), !isPlain);
  });
});
