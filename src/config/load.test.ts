import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { onEnd, type Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { selfSigned } from '../../test/tls.ts';
import { LADDER } from '../checks/ladder.ts';
import { defineCheck } from '../core/check.ts';
import { count, duration } from '../core/settings.ts';
import { describeConfig, missingFrom } from './describe.ts';
import { load } from './load.ts';

const tally = defineCheck({
  name: 'tally',
  summary: 'Counts.',
  stage: 'connect',
  cost: 'memory',
  codes: { many: 'too many', few: 'too few' },
  settings: z
    .strictObject({
      low: count(1, 0, 10, 'The least.'),
      high: count(5, 0, 10, 'The most.'),
      wait: duration('1s', '1s', '1m', 'How long.'),
    })
    .refine((s) => s.low <= s.high, { message: 'wants low to be at most high', path: ['low'] }),
  defaults: {
    on_fail: 'suspect',
    on_temperror: 'go-on',
    weight: 3,
    refuse_at: 'rcpt',
    actions: { many: 'tag', few: 'observe' },
  },
  lifted: 'by-any',
  idle: (settings) => (settings.high === 0 ? 'it counts to nothing' : undefined),
  judge: () => [],
});

const MINIMAL = `host_name = "MX.Example.org"
domains = ["Example.org"]
[[listen]]
address = "127.0.0.1:0"
[backend]
url = "maildir:mail/{user}"
`;

async function loaded(cleanup: Cleanup, text: string, files: Readonly<Record<string, string>> = {}) {
  const dir = await tempDir(cleanup);
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content);
  const file = join(dir, 'postern.toml');
  await writeFile(file, text);
  onEnd(cleanup, () => undefined);
  return { dir, file, result: load(file, [tally]) };
}

async function good(cleanup: Cleanup, text: string, files: Readonly<Record<string, string>> = {}) {
  const { dir, result } = await loaded(cleanup, text, files);
  if ('problems' in result) assert.fail(JSON.stringify(result.problems));
  return { dir, config: result.config };
}

describe('the configuration', () => {
  it('has sane values where the file says nothing', async (t) => {
    const { dir, config } = await good(t, MINIMAL);
    assert.equal(config.site.hostName, 'mx.example.org');
    assert.deepEqual(config.site.domains, ['example.org']);
    assert.equal(config.site.contact, 'postmaster@example.org');
    assert.equal(config.site.networks.has('127.0.0.1'), false);
    assert.deepEqual(config.site.addresses, ['127.0.0.1']);
    assert.deepEqual(config.backend?.url, { kind: 'maildir', path: join(dir, 'mail/{user}') });
    assert.equal(config.listen[0]?.tls, 'none');
    assert.equal(config.limits.messageOctets, 50 * 1024 * 1024);
    assert.equal(config.limits.recipients, 100);
    assert.equal(config.limits.commandTimeoutMs, 300_000);
    assert.equal(config.greetPauseMs, 3000);
    assert.equal(config.auth, undefined);
    assert.equal(config.tls, undefined);
    assert.deepEqual(config.checks, [
      {
        check: tally,
        settings: {
          on_fail: 'suspect',
          on_temperror: 'go-on',
          weight: 3,
          refuse_at: 'rcpt',
          actions: { many: 'tag', few: 'observe' },
          low: 1,
          high: 5,
          wait: 1000,
        },
        origins: {
          on_fail: 'default',
          on_temperror: 'default',
          weight: 'default',
          refuse_at: 'default',
          actions: { many: 'default', few: 'default' },
        },
      },
    ]);
  });

  it("lays the operator's settings over a check's own", async (t) => {
    const text = `refuse_at = "earliest"\n${MINIMAL}[checks.tally]\nhigh = 0\nlow = 0\n[checks.tally.actions]\nmany = "refuse"\n`;
    const { config } = await good(t, text);
    const [one] = config.checks;
    assert.ok(one);
    assert.equal(one.settings.refuse_at, 'earliest');
    assert.deepEqual(one.settings.actions, { many: 'refuse', few: 'observe' });
    assert.equal(one.idle, 'it counts to nothing');
    const own = await good(t, text.replace('[checks.tally]', '[checks.tally]\nrefuse_at = "rcpt"'));
    assert.equal(own.config.checks[0]?.settings.refuse_at, 'rcpt');
  });

  it("keeps a check's rules about several settings", async (t) => {
    const { file, result } = await loaded(t, `${MINIMAL}[checks.tally]\nlow = 7\n`);
    assert.deepEqual(result, {
      problems: [
        { file, line: 8, key: 'checks.tally.low', message: 'wants low to be at most high; this is 7' },
      ],
    });
  });

  it('reads backends of every kind', async (t) => {
    const cases: [string, unknown][] = [
      ['smtp://127.0.0.1:2526', { kind: 'smtp', host: '127.0.0.1', port: 2526 }],
      ['smtp://Mail.Example.org', { kind: 'smtp', host: 'mail.example.org', port: 25 }],
      ['lmtp://[::1]:24', { kind: 'lmtp', host: '::1', port: 24 }],
      ['lmtp+unix:/run/lmtp', { kind: 'lmtp+unix', path: '/run/lmtp' }],
      ['maildir:/var/mail/{user}', { kind: 'maildir', path: '/var/mail/{user}' }],
    ];
    for (const [url, expected] of cases) {
      const { config } = await good(t, MINIMAL.replace('maildir:mail/{user}', url));
      assert.deepEqual(config.backend?.url, expected, url);
    }
  });

  it('gathers list entries from the file and its lists, each with its source', async (t) => {
    const text = `block_files = ["block.txt"]\nrecipient_files = ["known.txt"]\n${MINIMAL}[[allow]]\nclient = "192.0.2.7"\nlifts = ["tally"]\n[[list_host]]\nhost = ".Lists.example.net"\n`;
    const { dir, config } = await good(t, text, {
      'block.txt':
        '\ufeff# head\r\n198.51.100.0/24 # noisy\r\n2001:db8::/32\n.Dyn.example.net\n3com.example\n\n',
      'known.txt': 'Ann@Example.org\nexample.com\n',
    });
    const at = (name: string, line: number) => `${join(dir, name)}:${line}`;
    assert.deepEqual(
      [...config.listEntries],
      [
        { kind: 'allow', client: '192.0.2.7', lifts: ['tally'], source: 'postern.toml:9' },
        { kind: 'list-host', host: '.lists.example.net', source: 'postern.toml:12' },
        { kind: 'block', client: '198.51.100.0/24', reason: 'noisy', source: at('block.txt', 2) },
        { kind: 'block', client: '2001:db8::/32', source: at('block.txt', 3) },
        { kind: 'block', host: '.dyn.example.net', source: at('block.txt', 4) },
        { kind: 'block', host: '3com.example', source: at('block.txt', 5) },
        { kind: 'mailbox', recipient: 'Ann@example.org', source: at('known.txt', 1) },
        { kind: 'mailbox', recipient: 'example.com', source: at('known.txt', 2) },
      ],
    );
  });

  it('says a policy is another when the file or a list is', async (t) => {
    const text = `block_files = ["block.txt"]\n${MINIMAL}`;
    const policies: string[] = [];
    for (const [toml, list] of [
      [text, '192.0.2.1\n'],
      [text, '192.0.2.1\n'],
      [text, '192.0.2.2\n'],
      [`${text}\n`, '192.0.2.2\n'],
    ] as const)
      policies.push((await good(t, toml, { 'block.txt': list })).config.policy);
    assert.equal(policies[0], policies[1]);
    assert.equal(new Set(policies).size, 3);
  });

  it('knows its certificates, each with its names, and those that do not fit their keys', async (t) => {
    const dir = await tempDir(t);
    for (const name of ['one', 'two']) {
      await mkdir(join(dir, name));
      await selfSigned(t, 'openssl', join(dir, name));
    }
    const file = join(dir, 'postern.toml');
    const tls = (key: string) =>
      `${MINIMAL}[tls]\ncertificate = "one/mx.pem"\nkey = "${key}/mx.key"\nmin_version = "TLSv1.3"\nsession_tickets = false\n[[tls.sni]]\nnames = ["Mx2.example.org"]\ncertificate = "two/mx.pem"\nkey = "two/mx.key"\n`;
    await writeFile(file, tls('one'));
    const good = load(file, [tally]);
    if ('problems' in good) assert.fail(JSON.stringify(good.problems));
    const at = (name: string) => ({
      certificate: join(dir, name, 'mx.pem'),
      key: join(dir, name, 'mx.key'),
    });
    assert.deepEqual(good.config.tls, {
      ...at('one'),
      sni: [{ names: ['mx2.example.org'], ...at('two') }],
      sessionTickets: false,
      minVersion: 'TLSv1.3',
    });
    assert.equal(good.config.listen[0]?.tls, 'starttls');
    await writeFile(file, tls('two'));
    const bad = load(file, [tally]);
    assert.ok('problems' in bad);
    const message = `${at('one').certificate}: the certificate and the key do not belong together`;
    assert.deepEqual(bad.problems, [{ file, line: 8, key: 'tls.certificate', message }]);
  });

  it('names all checks where none is near the one that an entry lifts', async (t) => {
    const { result } = await loaded(t, `${MINIMAL}[[allow]]\nclient = "192.0.2.7"\nlifts = ["bananas"]\n`);
    assert.ok('problems' in result);
    assert.equal(result.problems[0]?.message, 'no such check "bananas"; there are tally');
  });

  it('says who may not read a file', { skip: process.getuid?.() === 0 && 'root may all' }, async (t) => {
    const { file, dir } = await loaded(t, `block_files = ["closed.txt"]\n${MINIMAL}`, { 'closed.txt': '' });
    await chmod(join(dir, 'closed.txt'), 0o000);
    const closed = load(file, [tally]);
    assert.ok('problems' in closed);
    assert.match(closed.problems[0]?.message ?? '', /closed\.txt: this user may not read it$/);
  });

  it('says what hinders it from reading the file', async (t) => {
    const dir = await tempDir(t);
    const missing = load(join(dir, 'none.toml'), []);
    assert.ok('problems' in missing);
    assert.equal(missing.problems[0]?.message, 'cannot be read: there is no such file');
  });
});

describe('what ships to operators', () => {
  it('has an example that loads', () => {
    const result = load(join(import.meta.dirname, '../../deploy/postern.toml'), LADDER);
    assert.deepEqual('problems' in result ? result.problems : [], []);
  });
});

describe('the reference', () => {
  const text = describeConfig([tally]);
  it('names every setting with its default and bounds', () => {
    const squeezed = text.replaceAll(/ +/g, ' ');
    for (const row of [
      '| `host_name` | a full host name | required |',
      '| `message_size` | a size from 64KiB to 1GiB | `"50MiB"` |',
      '## `[[tls.sni]]`',
      '| `wait` | a time from 1s to 1m | `"1s"` | How long. |',
      '| `weight` | a number from -1000 to 1000 | `3` |',
      '| `many` | too many |',
    ])
      assert.ok(squeezed.includes(row), row);
  });

  it('knows what a page of a check leaves out', () => {
    assert.deepEqual(missingFrom('`many`, `low` and `high`', tally), ['code `few`', 'setting `wait`']);
    assert.deepEqual(missingFrom('`many` `few` `low` `high` `wait`', tally), []);
  });
});
