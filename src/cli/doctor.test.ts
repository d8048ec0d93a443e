import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort } from '../../test/freeport.ts';
import { configText, startGate } from '../../test/gate.ts';
import { startDns } from '../../test/dns.ts';
import { connectSmtp, sendMail } from '../../test/smtp.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { doctorCommand, type DoctorOptions } from './doctor.ts';
import type { Told } from './doctor/told.ts';

interface Said {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

async function say(file: string, options: Omit<DoctorOptions, 'file' | 'checks'> = {}): Promise<Said> {
  const said = { out: '', err: '' };
  const exit = await doctorCommand(
    { file, checks: LADDER, ...options },
    { out: (text) => void (said.out += text), err: (text) => void (said.err += text), isTTY: false },
  );
  return { exit, ...said };
}

async function toldOf(file: string, options: Omit<DoctorOptions, 'file' | 'checks'> = {}) {
  const { exit, out } = await say(file, { ...options, json: true });
  const { told, well } = JSON.parse(out) as { told: Told[]; well: boolean };
  return { exit, well, told, of: (about: string) => told.filter((t) => t.about.startsWith(about)) };
}

const service = (door: string, address: string): string =>
  `[[listen]]\ndoor = "${door}"\naddress = "${address}"\n`;

describe('postern doctor', () => {
  it('says what is wrong with the file, and ends with 78', async (t) => {
    const file = join(await tempDir(t), 'postern.toml');
    await writeFile(file, 'host_name = "mx.example.org"\n');
    const said = await say(file);
    assert.deepEqual([said.exit, said.out], [78, '']);
    assert.match(said.err, /domains: is missing/);
    const json = await say(file, { json: true });
    assert.equal(json.exit, 78);
    assert.ok((JSON.parse(json.out) as { problems: unknown[] }).problems.length > 0);
  });

  it('finds a gate that does not run, and files that are not there', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    const text = configText({
      dir,
      backend: `smtp://127.0.0.1:${await freePort()}`,
      listen: `127.0.0.1:${await freePort()}`,
      dns: undefined,
      tables: service('milter', `unix:${dir}/milter`) + service('policy', `127.0.0.1:${await freePort()}`),
    });
    await writeFile(file, text);
    const { exit, told } = await toldOf(file, { postfix: `${dir}/none`, sendmail: `${dir}/none`, exim: dir });
    assert.equal(exit, 1);
    const wrong = told.filter(({ state }) => state === 'wrong').map(({ code }) => code);
    assert.deepEqual(wrong, [
      'postfix-unreadable',
      'file-unreadable',
      'file-unreadable',
      'nobody-listens',
      'no-socket',
      'nobody-listens',
      'backend-unreachable',
    ]);
    for (const one of told.filter(({ state }) => state === 'wrong')) assert.ok(one.remedy, one.code);
    assert.deepEqual(
      told.filter(({ code }) => code === 'no-mail').map(({ text: said }) => said),
      ['None yet.', 'None yet.', 'None yet.'],
    );
    const { out } = await say(file);
    for (const line of out.split('\n')) assert.ok(line.length <= 100, line);
    assert.match(out, /things are wrong/);
  });

  it('finds a gate that runs, at all its doors, and the mail that came', async (t) => {
    const dir = await tempDir(t);
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${dir}/mail`,
      listen: `127.0.0.1:${await freePort()}`,
      dns: await startDns(t),
      tables: service('milter', `unix:${dir}/milter`) + service('policy', `127.0.0.1:${await freePort()}`),
    });
    const mail = { from: 'a@example.net', to: 'user@example.org', message: 'Subject: x\r\n\r\nx\r\n' };
    const { step } = await sendMail(await connectSmtp({ port: gate.port }, t), mail);
    assert.equal(step, 'message');
    await gate.process.line(/"outcome":"accepted"/);
    const seen = await toldOf(gate.configFile);
    assert.deepEqual([seen.exit, seen.well], [0, true]);
    for (const door of ['gateway', 'milter', 'policy']) assert.equal(seen.of(door)[0]?.code, 'answers', door);
    // Its own visit to the gateway is no mail.
    const last = async () => (await toldOf(gate.configFile)).of('mail by the gateway')[0]?.text ?? '';
    for (let i = 0; i < 50 && (await last()) === 'None yet.'; i++);
    assert.match(await last(), /^The last came .*: accepted \(postern log --id \w+\)\.$/);
    assert.equal(seen.of('mail by the milter')[0]?.text, 'None yet.');
  });

  it('says that a journal cannot be read', async (t) => {
    const dir = await tempDir(t);
    const file = join(dir, 'postern.toml');
    await writeFile(
      file,
      configText({
        dir,
        backend: `maildir:${dir}/mail`,
        dns: undefined,
        tables: service('milter', '127.0.0.1:0'),
      }),
    );
    await mkdir(join(dir, 'data'));
    await writeFile(join(dir, 'data/journal.sqlite'), 'no database'.repeat(100));
    const { of } = await toldOf(file);
    assert.deepEqual(
      of('journal').map(({ state, code }) => `${state} ${code}`),
      ['note journal-unreadable'],
    );
    assert.equal(of('milter 127.0.0.1:0')[0]?.code, 'any-port');
  });

  it('takes one listener that is asked for enough', async (t) => {
    const dir = await tempDir(t);
    const tables =
      service('policy', '127.0.0.1:10023') +
      service('policy', '127.0.0.1:10024') +
      service('milter', '127.0.0.1:8891');
    const file = join(dir, 'postern.toml');
    await writeFile(file, configText({ dir, backend: `maildir:${dir}/mail`, dns: undefined, tables }));
    const exim = join(dir, 'exim.conf');
    await writeFile(exim, 'warn set acl_m_x = ${readsocket{inet:127.0.0.1:10024}{x}}\n');
    const { of } = await toldOf(file, { exim });
    const lines = (about: string) =>
      of(about)
        .filter(({ code }) => code.startsWith('exim-'))
        .map(({ state }) => state);
    assert.deepEqual(
      [lines('policy 127.0.0.1:10023'), lines('policy 127.0.0.1:10024')],
      [['note'], ['well']],
    );
    await writeFile(exim, '');
    const without = await toldOf(file, { exim });
    const wrong = without.told.filter(({ code }) => code === 'exim-does-not-ask').map(({ state }) => state);
    assert.deepEqual(wrong, ['wrong', 'wrong']);
  });
});
