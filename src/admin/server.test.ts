import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { openAdmin, PASSWORD } from '../../test/admin.ts';
import { decision } from '../../test/contracts/journal.ts';
import { onEnd } from '../../test/program.ts';
import { startAdmin } from '../cli/admin.ts';
import { setPassword } from '../cli/admin-users.ts';
import { load } from '../config/load.ts';
import { LADDER } from '../checks/ladder.ts';
import { join } from 'node:path';

const HOUR_MS = 3_600_000;

describe('logging in', () => {
  it('wants a login for everything but the login, however the path is written', async (t) => {
    const admin = await openAdmin(t);
    const paths = [
      '/api/now',
      '/%61pi/now',
      '/api/decisions',
      '/api/live',
      '/api/settings',
      '/api/openapi.json',
    ];
    for (const path of paths) {
      const { status, json } = await admin.ask('GET', path);
      assert.equal(status, 401, path);
      assert.deepEqual(json, { error: 'Nobody is logged in' });
    }
    for (const path of ['/api/lists', '/api/logout', '/api/decisions/A/let-in'])
      assert.equal((await admin.ask('POST', path, { body: {} })).status, 401, path);
  });

  it('gives a cookie that scripts, other sites and other paths do not get', async (t) => {
    const admin = await openAdmin(t);
    const { status, headers, json } = await admin.ask('POST', '/api/login', {
      body: { user: 'admin', password: PASSWORD },
    });
    assert.equal(status, 200);
    const [cookie = ''] = headers['set-cookie'] ?? [];
    assert.match(cookie, /^postern=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    const { user, hostName } = json as { user: string; hostName: string };
    assert.deepEqual([user, hostName], ['admin', 'mx.example.org']);
  });

  it('over TLS gives a cookie that never goes without', async (t) => {
    const admin = await openAdmin(t, { admin: 'url = "https://gate.example.org"' });
    const given = { headers: { host: 'gate.example.org' }, body: { user: 'admin', password: PASSWORD } };
    const [cookie = ''] = (await admin.ask('POST', '/api/login', given)).headers['set-cookie'] ?? [];
    assert.match(cookie, /^__Host-postern=.*; Secure/);
  });

  it('tells a wrong user from a wrong password in nothing', async (t) => {
    const admin = await openAdmin(t);
    const [user, password] = await Promise.all([
      admin.ask('POST', '/api/login', { body: { user: 'nobody', password: PASSWORD } }),
      admin.ask('POST', '/api/login', { body: { user: 'admin', password: 'not this one' } }),
    ]);
    assert.equal(user.status, 401);
    assert.equal(user.text, password.text);
    assert.equal(user.headers['set-cookie'], undefined);
    assert.ok(admin.troubles.every((line) => !line.includes('nobody') && !line.includes('not this one')));
  });

  it('lets nobody guess fast, and says when to come again', async (t) => {
    const admin = await openAdmin(t);
    const tries = await Promise.all(
      Array.from({ length: 12 }, () =>
        admin.ask('POST', '/api/login', { body: { user: 'admin', password: 'not this one' } }),
      ),
    );
    const late = tries.filter(({ status }) => status === 429);
    assert.equal(late.length, 12 - 5);
    assert.match(late[0]?.headers['retry-after'] ?? '', /^\d+$/);
    // The right one has to wait too: else its turn would tell that it is right.
    const { status } = await admin.ask('POST', '/api/login', { body: { user: 'admin', password: PASSWORD } });
    assert.equal(status, 429);
  });

  it('ends with its time, with the logout, and with another password', async (t) => {
    const clock = { ms: Date.UTC(2026, 0, 1) };
    const admin = await openAdmin(t, { nowMs: () => clock.ms });
    const me = async (headers: Readonly<Record<string, string>>) =>
      (await admin.ask('GET', '/api/me', { headers })).status;
    const first = await admin.login();
    clock.ms += 12 * HOUR_MS - 1;
    assert.equal(await me(first.headers), 200);
    clock.ms += 1;
    assert.equal(await me(first.headers), 401);
    const [second, third] = [await admin.login(), await admin.login()];
    assert.equal((await admin.ask('POST', '/api/logout', { headers: second.headers })).status, 200);
    assert.equal(await me(second.headers), 401);
    assert.equal(await me(third.headers), 200);
    const loaded = load(join(admin.dir, 'postern.toml'), LADDER);
    assert.ok('config' in loaded);
    await setPassword(loaded.config, { user: 'admin', password: 'another password' });
    assert.equal(await me(third.headers), 401);
  });

  it('ends with a password that was changed while the dashboard was down', async (t) => {
    const admin = await openAdmin(t, { users: ['admin', 'ann'] });
    const [mine, hers] = [await admin.login(), await admin.login('ann')];
    const file = join(admin.dir, 'data', 'admin-users');
    const lines = (await readFile(file, 'utf8')).split('\n');
    // By hand, as a program would that sets up machines: nobody ends the sessions.
    const changed = lines.map((line) =>
      line.startsWith('admin:') ? (lines[1] ?? '').replace('ann', 'admin') : line,
    );
    await writeFile(file, changed.join('\n'));
    const loaded = load(join(admin.dir, 'postern.toml'), LADDER);
    assert.ok('config' in loaded);
    const say = () => undefined;
    // The first one is asked nothing any more, and so sees nothing; the next has never seen the old line.
    const again = await startAdmin(loaded.config, { listening: say, closed: say, warned: say, trouble: say });
    onEnd(t, () => again.stop());
    const me = async ({ headers }: Pick<typeof mine, 'headers'>) =>
      (await fetch(`http://127.0.0.1:${again.dashboard()?.port}/api/me`, { headers })).status;
    assert.equal(await me(mine), 401);
    assert.equal(await me(hers), 200);
  });

  it('says what to do where nobody has a password', async (t) => {
    const admin = await openAdmin(t, { users: [] });
    assert.match(admin.warnings.join(), /set-password/);
    const { status, json } = await admin.ask('POST', '/api/login', {
      body: { user: 'admin', password: 'x' },
    });
    assert.equal(status, 503);
    assert.match((json as { error: string }).error, /postern admin set-password/);
  });

  it('takes no cookie of another maker', async (t) => {
    const admin = await openAdmin(t);
    const { cookie } = await admin.login();
    for (const forged of [
      `${cookie}x`,
      'postern=',
      `postern=${'a'.repeat(5000)}`,
      cookie.replace('postern', '__Host-postern'),
    ])
      assert.equal((await admin.ask('GET', '/api/me', { headers: { cookie: forged } })).status, 401);
  });
});

describe('a form of a stranger', () => {
  it('changes nothing without the token of the session', async (t) => {
    const admin = await openAdmin(t);
    const [mine, other] = [await admin.login(), await admin.login()];
    const body = { kind: 'allow', client: '192.0.2.7', reason: 'x' };
    const post = async (headers: Readonly<Record<string, string>>) =>
      (await admin.ask('POST', '/api/lists', { headers, body })).status;
    assert.equal(await post({ cookie: mine.cookie }), 403);
    assert.equal(await post({ cookie: mine.cookie, 'x-csrf-token': other.csrf }), 403);
    assert.equal(await post({ cookie: mine.cookie, 'x-csrf-token': '' }), 403);
    assert.equal(admin.store.listed.list().length, 0);
    assert.equal(await post(mine.headers), 200);
    assert.equal(admin.store.listed.list().length, 1);
  });

  it('is known by where it comes from, the login too', async (t) => {
    const admin = await openAdmin(t);
    const mine = await admin.login();
    const own = `http://127.0.0.1:${admin.port}`;
    const cases: readonly [Readonly<Record<string, string>>, boolean][] = [
      [{}, true],
      [{ origin: own }, true],
      [{ origin: 'https://evil.example' }, false],
      [{ origin: 'null' }, false],
      [{ origin: `http://127.0.0.1:${admin.port + 1}` }, false],
      [{ origin: own, 'sec-fetch-site': 'same-origin' }, true],
      [{ origin: own, 'sec-fetch-site': 'same-site' }, false],
      [{ origin: own, 'sec-fetch-site': 'cross-site' }, false],
      [{ 'sec-fetch-site': 'none' }, true],
    ];
    for (const [headers, isTaken] of cases) {
      const mark = await admin.ask('POST', '/api/decisions/A/mark', {
        headers: { ...mine.headers, ...headers },
        body: { judgement: null },
      });
      assert.equal(mark.status, isTaken ? 404 : 403, JSON.stringify(headers));
      const login = await admin.ask('POST', '/api/login', {
        headers,
        body: { user: 'admin', password: PASSWORD },
      });
      assert.equal(login.status, isTaken ? 200 : 403, JSON.stringify(headers));
    }
  });

  it('has to be JSON', async (t) => {
    const admin = await openAdmin(t);
    const { headers } = await admin.login();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
      assert.equal(
        (await admin.ask('POST', '/api/lists', { headers: { ...headers, 'content-type': type }, body: '{}' }))
          .status,
        415,
      );
    const bad = await admin.ask('POST', '/api/lists', { headers, body: '{"kind":' });
    assert.equal(bad.status, 400);
    const large = await admin.ask('POST', '/api/lists', { headers, body: `"${'x'.repeat(300_000)}"` });
    assert.equal(large.status, 413);
    assert.equal(typeof (large.json as { error: unknown }).error, 'string');
  });
});

describe('the name by which it is called', () => {
  const status = async (admin: Awaited<ReturnType<typeof openAdmin>>, host: string) =>
    (await admin.ask('GET', '/api/me', { headers: { host } })).status;

  it('is loopback, or that of the configuration: rebinding a name gets nobody in', async (t) => {
    const admin = await openAdmin(t, { admin: 'url = "https://gate.example.org/"' });
    for (const host of [
      'localhost:8025',
      'LOCALHOST',
      '127.0.0.1',
      '127.3.2.1:1',
      '[::1]:8025',
      'gate.example.org',
    ])
      assert.equal(await status(admin, host), 401, host);
    for (const host of [
      'evil.example',
      'evil.example:8025',
      '192.0.2.1',
      'localhost.evil.example',
      'a b',
      '[::1',
    ])
      assert.equal(await status(admin, host), 421, host);
  });

  it('holds for pages and the login too', async (t) => {
    const admin = await openAdmin(t, { pages: { 'index.html': 'the page' } });
    const headers = { host: 'evil.example' };
    assert.equal((await admin.ask('GET', '/', { headers })).status, 421);
    const body = { user: 'admin', password: PASSWORD };
    assert.equal((await admin.ask('POST', '/api/login', { headers, body })).status, 421);
  });
});

describe('a web server before it', () => {
  const HEADER = 'user_header = "X-Remote-User"';

  it('is believed who has logged in, where it is named', async (t) => {
    const admin = await openAdmin(t, { admin: `${HEADER}\nuser_header_from = ["127.0.0.1"]`, users: [] });
    const headers = { 'x-remote-user': 'ann' };
    const { status, json } = await admin.ask('GET', '/api/me', { headers });
    assert.equal(status, 200);
    const { user, csrf } = json as { user: string; csrf: string };
    assert.equal(user, 'ann');
    const body = { kind: 'block', client: '192.0.2.7', reason: 'x' };
    assert.equal((await admin.ask('POST', '/api/lists', { headers, body })).status, 403);
    const taken = await admin.ask('POST', '/api/lists', {
      headers: { ...headers, 'x-csrf-token': csrf },
      body,
    });
    assert.equal((taken.json as { by: string }).by, 'ann');
    // The token is of that user alone.
    const other = { 'x-remote-user': 'bob', 'x-csrf-token': csrf };
    assert.equal((await admin.ask('POST', '/api/lists', { headers: other, body })).status, 403);
    for (const name of ['', 'a\u0080b', 'x'.repeat(101)])
      assert.equal((await admin.ask('GET', '/api/me', { headers: { 'x-remote-user': name } })).status, 401);
  });

  it('is not believed from elsewhere', async (t) => {
    const admin = await openAdmin(t, { admin: `${HEADER}\nuser_header_from = ["192.0.2.1"]` });
    const headers = {
      'x-remote-user': 'admin',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-proto': 'https',
    };
    assert.equal((await admin.ask('GET', '/api/me', { headers })).status, 401);
    const login = await admin.ask('POST', '/api/login', {
      headers,
      body: { user: 'admin', password: PASSWORD },
    });
    assert.match(login.headers['set-cookie']?.[0] ?? '', /^postern=/);
  });

  it('that is not named is told of, once', async (t) => {
    const admin = await openAdmin(t);
    const told = () => admin.troubles.filter((line) => line.includes('`user_header_from` in [admin]'));
    await admin.ask('GET', '/api/me');
    assert.deepEqual(told(), []);
    for (let i = 0; i < 2; i++)
      await admin.ask('GET', '/api/me', { headers: { 'x-forwarded-for': '192.0.2.1' } });
    assert.match(told().join(), /^the dashboard: 127\.0\.0\.1 sends X-Forwarded-For[^,]*one network$/);
    const named = await openAdmin(t, { admin: 'user_header_from = ["127.0.0.1"]' });
    await named.ask('GET', '/api/me', { headers: { 'x-forwarded-for': '192.0.2.1' } });
    assert.deepEqual(named.troubles, []);
  });

  it('that is not named lets no stranger lock out who has come in before', async (t) => {
    const admin = await openAdmin(t);
    await admin.login();
    const login = async (from: string, user: string, password: string) => {
      const headers = { 'x-forwarded-for': from };
      return (await admin.ask('POST', '/api/login', { headers, body: { user, password } })).status;
    };
    for (let i = 0; i < 5; i++) await login('203.0.113.66', 'zzz', 'wrong');
    assert.equal(await login('203.0.113.66', 'zzz', 'wrong'), 429);
    assert.equal(await login('192.0.2.1', 'admin', PASSWORD), 200);
  });

  it('is believed that TLS was spoken, and from where the client came', async (t) => {
    const admin = await openAdmin(t, { admin: 'user_header_from = ["127.0.0.1"]' });
    const login = (from: string, password: string) =>
      admin.ask('POST', '/api/login', {
        headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': `198.51.100.9, ${from}` },
        body: { user: 'admin', password },
      });
    assert.match(
      (await login('192.0.2.7', PASSWORD)).headers['set-cookie']?.[0] ?? '',
      /^__Host-postern=.*Secure/,
    );
    for (let i = 0; i < 5; i++) assert.equal((await login('192.0.2.7', 'wrong')).status, 401);
    assert.equal((await login('192.0.2.7', PASSWORD)).status, 429);
    assert.equal((await login('203.0.113.7', PASSWORD)).status, 200);
  });
});

describe('/metrics', () => {
  it('is not for what a web server passes on without a word of it', async (t) => {
    const status = async (settings: string, host?: string) => {
      const admin = await openAdmin(t, { admin: settings });
      return (await admin.ask('GET', '/metrics', host === undefined ? {} : { headers: { host } })).status;
    };
    const url = 'url = "https://gate.example.org"';
    assert.equal(await status(url, 'gate.example.org'), 403);
    assert.equal(await status(url, 'GATE.example.org:443'), 403);
    assert.equal(await status(url, 'localhost:8025'), 200);
    assert.equal(await status('url = "http://localhost:8025"', 'localhost:8025'), 200);
    assert.equal(await status('user_header_from = ["127.0.0.1"]'), 403);
    assert.equal(await status('user_header_from = ["127.0.0.2"]'), 200);
  });

  it('is for listed addresses without a login, and not for what a web server passes on', async (t) => {
    const admin = await openAdmin(t);
    const open = await admin.ask('GET', '/metrics');
    assert.equal(open.status, 200);
    assert.match(open.headers['content-type'] ?? '', /^text\/plain/);
    assert.match(open.text, /^postern_gate_up 0$/m);
    for (const header of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'])
      assert.equal((await admin.ask('GET', '/metrics', { headers: { [header]: '127.0.0.1' } })).status, 403);
  });

  it('is for others with a login', async (t) => {
    const admin = await openAdmin(t, { admin: 'metrics_from = ["192.0.2.1"]' });
    assert.equal((await admin.ask('GET', '/metrics')).status, 403);
    assert.equal(
      (await admin.ask('GET', '/metrics', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status,
      403,
    );
    const { cookie } = await admin.login();
    assert.equal((await admin.ask('GET', '/metrics', { headers: { cookie } })).status, 200);
  });
});

describe('pages', () => {
  const PAGES = {
    'index.html': '<!doctype html>the page',
    'assets/index-abc123.js': 'code',
    '.secret': 'no',
  };

  it('are the built files, for every address of theirs, with a strict policy', async (t) => {
    const admin = await openAdmin(t, { pages: PAGES });
    for (const path of ['/', '/decisions/K7Q2MX4D', '/lists?kind=allow']) {
      const { status, text, headers } = await admin.ask('GET', path);
      assert.deepEqual([status, text], [200, PAGES['index.html']]);
      assert.equal(headers['cache-control'], 'no-cache');
      assert.match(String(headers['content-security-policy']), /^default-src 'none'; script-src 'self';/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['referrer-policy'], 'no-referrer');
    }
    const asset = await admin.ask('GET', '/assets/index-abc123.js');
    assert.deepEqual([asset.status, asset.text], [200, 'code']);
    assert.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable');
  });

  it('are no way to other files', async (t) => {
    const admin = await openAdmin(t, { pages: PAGES });
    for (const path of [
      '/assets/none.js',
      '/.secret',
      '/../postern.toml',
      '/..%2fpostern.toml',
      '/%2e%2e/data/admin-users',
      '/data/desk.sqlite',
    ]) {
      const { status, text } = await admin.ask('GET', path);
      assert.ok(status >= 400 || text === PAGES['index.html'], path);
    }
    const unread = await admin.ask('GET', '/api/%ff');
    assert.equal(unread.status, 400);
    assert.equal(unread.headers['x-content-type-options'], 'nosniff');
    assert.equal((await admin.ask('GET', '/api/none')).status, 404);
    assert.equal((await admin.ask('POST', '/decisions')).status, 404);
  });

  it('say how to build them where they are not', async (t) => {
    const admin = await openAdmin(t);
    const { status, text } = await admin.ask('GET', '/decisions');
    assert.equal(status, 503);
    assert.match(text, /npm run build:web/);
  });
});

describe('what strangers wrote', () => {
  it('is JSON without a tag in it, whatever a browser takes it for', async (t) => {
    const script = '<script>alert(1)</script>\u2028&amp;';
    const hostile = decision({ id: 'HOSTILE1', atMs: Date.now() - 1000 });
    const session = { ...hostile.session, helo: { verb: 'EHLO' as const, name: script } };
    const steps = hostile.steps.map((step) => ({ ...step, evidence: { subject: script } }));
    const admin = await openAdmin(t, { decisions: [{ ...hostile, session, steps }] });
    const { headers } = await admin.login();
    for (const path of ['/api/decisions', '/api/decisions/HOSTILE1']) {
      const answer = await admin.ask('GET', path, { headers });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.doesNotMatch(answer.text, /[<>&\u2028]/);
      assert.ok(JSON.stringify(answer.json).includes('<script>alert(1)</script>'));
    }
  });
});
