import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { openAdmin } from '../../test/admin.ts';
import type { Settings } from '../admin/api.ts';

const HOOK = 'Zq7-the-webhook';
const KEY = 'Zq8-the-key-of-tags';

it('the settings show no secret, neither in the text nor by check', async (t) => {
  const admin = await openAdmin(t, {
    tables: `[notify]\nwebhook = "https://chat.example.org/${HOOK}"\n[checks.fake-bounce]\nbatv_keys = ["1:${KEY}"]\n`,
  });
  const { headers } = await admin.login();
  const { text, json } = await admin.ask('GET', '/api/settings', { headers });
  assert.doesNotMatch(text, new RegExp(`${HOOK}|${KEY}`));
  const settings = json as Settings;
  assert.match(settings.text, /webhook = "\(hidden\)"[^]*batv_keys = \["1:\(hidden\)"\]/);
  const ofCheck = settings.checks.find(({ check }) => check === 'fake-bounce')?.settings;
  assert.equal(ofCheck?.find(({ key }) => key === 'batv_keys')?.value, '(hidden)');
});

it('a check of the lists runs as soon as an entry of its sort is listed', async (t) => {
  const admin = await openAdmin(t);
  const { headers } = await admin.login();
  const running = async () => {
    const { checks } = (await admin.ask('GET', '/api/settings', { headers })).json as Settings;
    return checks.flatMap(({ check, state }) =>
      /^(client|envelope)/.test(check) && state === 'on' ? [check] : [],
    );
  };
  assert.deepEqual(await running(), []);
  const block = async (about: object) => {
    const body = { kind: 'block', reason: 'x', ...about };
    assert.equal((await admin.ask('POST', '/api/lists', { headers, body })).status, 200);
  };
  await block({ client: '192.0.2.7', sender: 'joe@example.net' });
  assert.deepEqual(await running(), ['envelope-list']);
  await block({ client: '192.0.2.7' });
  assert.deepEqual(await running(), ['client-list', 'envelope-list']);
});

it('a reload with other proxies of the same number makes the report page believe those', async (t) => {
  const admin = await openAdmin(t, {
    tables:
      '[report_page]\nlisten = "127.0.0.1:0"\nurl = "https://mx.example.org"\nproxies = ["127.0.0.1"]\n',
  });
  const at = `http://127.0.0.1:${admin.running.reportPage()?.port}/r/NEVER000`;
  // Each costs six of sixty looks, so that one network has ten.
  const asked = async (network: number) =>
    (await fetch(at, { headers: { 'x-forwarded-for': `198.51.${network}.1` } })).status;
  for (let n = 0; n < 11; n++) assert.equal(await asked(n), 404);
  const file = join(admin.dir, 'postern.toml');
  const before = await readFile(file, 'utf8');
  await writeFile(file, before.replace('proxies = ["127.0.0.1"]', 'proxies = ["203.0.113.9"]'));
  assert.deepEqual(await admin.running.reload(), []);
  const statuses: number[] = [];
  for (let n = 0; n < 11; n++) statuses.push(await asked(n));
  assert.equal(statuses.at(-1), 429, statuses.join());
});
