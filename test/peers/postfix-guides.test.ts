/** Postfix with the lines of its two guides, as they stand there: the gate behind it, `postern doctor`, and the way back. */
import assert from 'node:assert/strict';
import { chown, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { LADDER } from '../../src/checks/ladder.ts';
import { doctorCommand } from '../../src/cli/doctor.ts';
import type { Told } from '../../src/cli/doctor/told.ts';
import { startDns } from '../dns.ts';
import { freePort } from '../freeport.ts';
import { startGate, type Gate } from '../gate.ts';
import { runProgram } from '../program.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { guideLines } from './guide.ts';
import { findProgram } from './peer.ts';
import { startPostfix, type Postfix } from './postfix.ts';

const MAIL = {
  from: 'a@example.net',
  to: 'user@example.org',
  message: 'From: a@example.net\r\nSubject: hello\r\n\r\nHello\r\n',
};
const CLIENT = '127.31.1.1';
const LISTED = '127.31.7.7';

interface Place {
  readonly postfix: Postfix;
  readonly gate: Gate;
  readonly dir: string;
  send(localAddress?: string): ReturnType<typeof sendMail>;
  /** Changes main.cf, or puts it back, and reloads. */
  reload(settings: readonly string[]): Promise<void>;
}

async function place(t: TestContext, door: 'milter' | 'policy', tables = ''): Promise<Place | undefined> {
  const dir = await tempDir(t);
  const port = await freePort();
  const guide = `postfix-${door}`;
  const own = door === 'milter' ? '127.0.0.1:10035' : '127.0.0.1:10036';
  const listener = (await guideLines(guide, `door    = "${door}"`)).replace(own, `127.0.0.1:${port}`);
  const mark = door === 'milter' ? 'milter_default_action' : 'smtpd_end_of_data_restrictions';
  const lines = (await guideLines(guide, mark)).replaceAll(own, `127.0.0.1:${port}`);
  const gate = await startGate(t, {
    dir,
    backend: `maildir:${dir}/unused`,
    listen: `127.0.0.1:${await freePort()}`,
    dns: await startDns(t),
    tables: `${listener}\n[[block]]\nclient = "${LISTED}"\nreason = "a guide's example"\n${tables}`,
  });
  await gate.process.line(new RegExp(`"msg":"listening".*"door":"${door}"`));
  // Loopback would be permitted before all else.
  const base = ['mynetworks ='];
  const postfix = await startPostfix(t, { settings: [...base, lines] });
  if (postfix === undefined) return undefined;
  const etc = join(postfix.dir, 'etc');
  const mainCf = join(etc, 'main.cf');
  const before = (await readFile(mainCf, 'utf8')).replace(lines, '');
  return {
    postfix,
    gate,
    dir,
    send: async (localAddress = CLIENT) =>
      sendMail(await connectSmtp({ port: postfix.port, localAddress }, t), MAIL),
    reload: async (settings) => {
      await writeFile(mainCf, `${before}\n${settings.join('\n')}\n`);
      for (const name of ['main.cf', 'master.cf']) await utimes(join(etc, name), 0, 0);
      const said = await runProgram(t, findProgram('postfix') ?? '', ['-c', etc, 'reload']);
      assert.equal(said.exit, 0, said.output);
    },
  };
}

async function examined({
  gate,
  postfix,
}: Pick<Place, 'gate' | 'postfix'>): Promise<{ exit: number; told: Told[] }> {
  let out = '';
  const exit = await doctorCommand(
    { file: gate.configFile, checks: LADDER, postfix: join(postfix.dir, 'etc'), json: true },
    { out: (text) => void (out += text), err: () => undefined },
  );
  return { exit, told: (JSON.parse(out) as { told: Told[] }).told };
}

const ofDoor = (told: readonly Told[], door: string): string[] =>
  told.filter(({ about }) => about.startsWith(`${door} `)).map(({ state, code }) => `${state} ${code}`);

const asText = ({ heard }: Awaited<ReturnType<typeof sendMail>>): string => heard.lines.join('\n');

describe('the guide to Postfix with a milter', () => {
  it('works as written, and can be taken out again', async (t) => {
    const at = await place(t, 'milter');
    if (at === undefined) return;
    const passed = await at.send();
    assert.equal(passed.heard.code, 250, asText(passed));
    await at.postfix.logged(/status=sent/);
    const [message] = await at.postfix.messages();
    assert.match(String(message), /^X-Postern: id=\w{8};/m);
    assert.match(String(message), /^Authentication-Results: mx\.example\.org/m);
    const refused = await at.send(LISTED);
    assert.match(
      asText(refused),
      /^554 5\.7\.1 Refused: 127\.31\.7\.7 is on our block list: a guide's example/,
    );
    await at.postfix.logged(/milter-reject: RCPT from .*5\.7\.1 Refused: .* id \w{8}/);

    const { exit, told } = await examined(at);
    assert.equal(exit, 0, JSON.stringify(told, undefined, 1));
    assert.deepEqual(ofDoor(told, 'milter'), [
      'well answers',
      'well postfix-asks',
      'well milter-protocol',
      'well default-action',
    ]);
    const last = told.find(({ about }) => about === 'mail by the milter');
    assert.match(last?.text ?? '', /^The last came .*: (?:accepted|refused) /);

    await at.gate.stop();
    const down = await at.send();
    assert.match(asText(down), /^451 4\.7\.1 /);
    const seen = await examined(at);
    assert.equal(seen.exit, 1);
    assert.equal(ofDoor(seen.told, 'milter')[0], 'wrong nobody-listens');

    await at.reload([]);
    const without = await at.send(LISTED);
    assert.equal(without.heard.code, 250, asText(without));
    await at.postfix.logged(/status=sent/, 2);
    assert.doesNotMatch(String((await at.postfix.messages())[1]), /X-Postern/);
  });

  it('works over a Unix socket in the chroot', async (t) => {
    const port = await freePort();
    const queue = await tempDir(t);
    const postfix = await startPostfix(t, { port, settings: ['mynetworks ='] });
    if (postfix === undefined) return;
    const socket = join(postfix.dir, 'queue/postern/milter.sock');
    await mkdir(join(socket, '..'));
    const user = await runProgram(t, '/usr/bin/id', ['-g', 'postfix']);
    await chown(join(socket, '..'), 0, Number(user.output));
    const gate = await startGate(t, {
      dir: queue,
      backend: `maildir:${queue}/unused`,
      listen: `127.0.0.1:${await freePort()}`,
      dns: await startDns(t),
      tables: `[[listen]]\ndoor = "milter"\naddress = "unix:${socket}"\ngroup = "postfix"\n`,
    });
    await gate.process.line(/"msg":"listening".*"door":"milter"/);
    const etc = join(postfix.dir, 'etc');
    const main = await readFile(join(etc, 'main.cf'), 'utf8');
    await writeFile(join(etc, 'main.cf'), `${main}\nsmtpd_milters = unix:postern/milter.sock\n`);
    const master = await readFile(join(etc, 'master.cf'), 'utf8');
    await writeFile(join(etc, 'master.cf'), master.replace(/inet n - n - - smtpd/, 'inet n - y - - smtpd'));
    for (const name of ['main.cf', 'master.cf']) await utimes(join(etc, name), 0, 0);
    const said = await runProgram(t, findProgram('postfix') ?? '', ['-c', etc, 'reload']);
    assert.equal(said.exit, 0, said.output);
    const passed = await sendMail(await connectSmtp({ port, localAddress: CLIENT }, t), MAIL);
    assert.equal(passed.heard.code, 250, asText(passed));
    await postfix.logged(/status=sent/);
    assert.match(String((await postfix.messages())[0]), /^X-Postern: /m);
    const { exit, told } = await examined({ gate, postfix });
    assert.equal(exit, 0, JSON.stringify(told, undefined, 1));
    assert.ok(ofDoor(told, 'milter').includes('well socket-way'));
  });
});

describe('the guide to Postfix with a policy service', () => {
  it('works as written, and can be taken out again', async (t) => {
    const at = await place(t, 'policy');
    if (at === undefined) return;
    const passed = await at.send();
    assert.equal(passed.heard.code, 250, asText(passed));
    await at.postfix.logged(/status=sent/);
    assert.match(String((await at.postfix.messages())[0]), /^X-Postern: id=\w{8};/m);
    const refused = await at.send(LISTED);
    assert.match(
      asText(refused),
      /^554 5\.7\.1 <user@example\.org>: Recipient address rejected: Refused: 127\.31\.7\.7 is on our block list/,
    );
    await at.postfix.logged(/reject: RCPT from .*Recipient address rejected: Refused: .* id \w{8}/);

    const { exit, told } = await examined(at);
    assert.equal(exit, 0, JSON.stringify(told, undefined, 1));
    assert.deepEqual(ofDoor(told, 'policy'), [
      'well answers',
      'well postfix-asks',
      'well at-end-of-data',
      'well default-action',
    ]);

    await at.gate.stop();
    const down = await at.send();
    assert.match(asText(down), /^451 4\.3\.5 .*Server configuration problem/);
    const lines = await guideLines('postfix-policy', 'smtpd_end_of_data_restrictions');
    await at.reload([
      lines.replaceAll('127.0.0.1:10036', `127.0.0.1:${await freePort()}`),
      'smtpd_policy_service_default_action = DUNNO',
    ]);
    const unseen = await at.send(LISTED);
    assert.equal(unseen.heard.code, 250, asText(unseen));

    await at.reload([]);
    const without = await at.send(LISTED);
    assert.equal(without.heard.code, 250, asText(without));
  });

  it('greylists by DEFER_IF_PERMIT, and learns of deliveries at the end of data', async (t) => {
    const at = await place(t, 'policy', '[checks.greylist]\nmode = "classic"\n');
    if (at === undefined) return;
    const first = await at.send();
    assert.match(asText(first), /^450 4\.7\.1 <user@example\.org>: Recipient address rejected: Not now: /);
  });
});

describe('the guide to a gateway before Postfix', () => {
  it('works as written: Postfix knows the real client', async (t) => {
    const port = await freePort();
    const postfix = await startPostfix(t, {
      port,
      settings: ['mynetworks =', 'smtpd_authorized_xclient_hosts =', 'smtpd_client_restrictions = reject'],
    });
    if (postfix === undefined) return;
    const etc = join(postfix.dir, 'etc');
    const master = await readFile(join(etc, 'master.cf'), 'utf8');
    const lines = (await guideLines('gateway-before-any-mta', 'smtpd_authorized_xclient_hosts')).replace(
      '2526',
      `${port}`,
    );
    await writeFile(join(etc, 'master.cf'), master.replace(/^.* smtpd\n/, lines));
    for (const name of ['main.cf', 'master.cf']) await utimes(join(etc, name), 0, 0);
    const said = await runProgram(t, findProgram('postfix') ?? '', ['-c', etc, 'reload']);
    assert.equal(said.exit, 0, said.output);
    const gate = await startGate(t, {
      dir: await tempDir(t),
      backend: `smtp://127.0.0.1:${port}`,
      backendSettings: 'xclient = true',
      listen: `127.0.0.1:${await freePort()}`,
      dns: await startDns(t),
    });
    const passed = await sendMail(await connectSmtp({ port: gate.port, localAddress: CLIENT }, t), MAIL);
    assert.equal(passed.heard.code, 250, asText(passed));
    await postfix.logged(/client=\S*\[127\.31\.1\.1\]/);
    const { exit, told } = await examined({ gate, postfix });
    assert.equal(exit, 0, JSON.stringify(told, undefined, 1));
    assert.deepEqual(ofDoor(told, 'backend'), ['well backend-answers', 'well xclient']);
  });
});
