import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { setTimeout as turn } from 'node:timers/promises';
import { startGate } from '../../test/gate.ts';
import { Mta } from '../../test/milter.ts';
import { PolicyClient } from '../../test/policy.ts';
import { onEnd } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { openJournal } from '../adapters/journal/sqlite.ts';

describe('postern run', () => {
  it('says when it has stopped, in the form that the last reload asked for', async (t) => {
    const dir = await tempDir(t);
    await mkdir(join(dir, 'mail'));
    const gate = await startGate(t, { dir, backend: `maildir:${join(dir, 'mail')}/{user}`, dns: undefined });
    await appendFile(gate.configFile, '\n[log]\nformat = "text"\n');
    process.kill(gate.pid, 'SIGHUP');
    await gate.process.line(/^\d\d:\d\d:\d\d configuration reloaded$/);
    assert.equal(await gate.stop(), 0);
    const said = gate.process.lines.slice(-2).map((line) => line.slice('00:00:00 '.length));
    assert.deepEqual(said, ['stopping', 'stopped']);
  });

  it('does not count who was connected when it stopped, and finds them all the same', async (t) => {
    const dir = await tempDir(t);
    const gate = await startGate(t, { dir, backend: `maildir:${join(dir, 'mail')}`, dns: undefined });
    const socket = connect(gate.port, gate.host);
    onEnd(t, () => void socket.destroy());
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
    await once(socket, 'data');
    assert.equal(await gate.stop(), 0);
    if (!socket.readableEnded) await once(socket, 'end');
    assert.match(heard, /^220 .*\r\n421 4\.3\.2 /);
    const journal = openJournal(join(dir, 'data', 'journal.sqlite'));
    onEnd(t, () => journal.close());
    const { received, deferred, abandoned, clients } = await journal.summary({});
    assert.deepEqual([received, deferred, abandoned, clients], [0, 0, 0, 0]);
    assert.equal((await journal.find({ client: '127.0.0.1' })).length, 1);
  });

  it('goes on under load while another program keeps the store from being written', async (t) => {
    const dir = await tempDir(t);
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'mail')}`,
      dns: undefined,
      limits: 'connections = 10',
      tables: '[load]\ndefer_at_sessions = 10',
    });
    const other = new DatabaseSync(join(dir, 'data', 'store.sqlite'), { timeout: 5_000 });
    onEnd(t, () => other.close());
    other.exec('BEGIN IMMEDIATE');
    const socket = connect(gate.port, gate.host).resume();
    onEnd(t, () => void socket.destroy());
    // What the honeypot is to know of the load cannot be written.
    await gate.process.line(/"what":"the store".*locked/);
    assert.equal(await gate.stop(), 0);
  });

  it('says at a reload which listeners are new or gone, and what will do harm', async (t) => {
    const dir = await tempDir(t);
    const gate = await startGate(t, { dir, backend: `maildir:${join(dir, 'mail')}/{user}`, dns: undefined });
    const first = await readFile(gate.configFile, 'utf8');
    const said = (msg: string) => gate.log().filter((line) => line['msg'] === msg);
    const reload = async (text: string) => {
      const before = said('reloaded').length;
      await writeFile(gate.configFile, text);
      process.kill(gate.pid, 'SIGHUP');
      while (said('reloaded').length === before)
        await gate.process.line(/"msg":"reloaded"/).then(() => turn(20));
    };
    assert.equal(said('listening').length, 1);
    assert.ok(
      said('configuration').some(({ warning }) => String(warning).includes('there is no such folder')),
    );
    await reload(
      `${first}\n[[listen]]\naddress = "127.0.0.1:0"\ntls = "none"\n[checks.relay]\non_fail = "observe"\n`,
    );
    assert.equal(said('listening').length, 1, 'the same address is the same listener');
    await reload(`${first}\n[[listen]]\naddress = "127.0.0.2:0"\n[checks.relay]\non_fail = "observe"\n`);
    const [, second] = said('listening');
    assert.match(String(second?.['address']), /^127\.0\.0\.2:/);
    assert.ok(
      said('configuration').some(({ warning }) => /checks\.relay\.on_fail.*open relay/.test(String(warning))),
    );
    await reload(first);
    assert.equal(said('listening').length, 2);
    assert.deepEqual(
      said('closed').map(({ address }) => address),
      [second?.['address']],
    );
    assert.equal(await gate.stop(), 0);
  });

  it('opens a milter and a policy service, moves and closes them at a reload, and drains them at a stop', async (t) => {
    const dir = await tempDir(t);
    const socket = join(dir, 'policy.sock');
    const policy = `[[listen]]\ndoor = "policy"\naddress = "unix:${socket}"\n`;
    const gate = await startGate(t, { dir, dns: undefined, door: 'milter', tables: policy });
    await gate.process.line(/"msg":"listening","door":"policy"/);
    const said = (msg: string) => gate.log().filter((line) => line['msg'] === msg);
    assert.deepEqual(
      said('listening').map(({ door, address }) => [door, String(address).replace(/:\d+$/, '')]),
      [
        ['milter', '127.0.0.1'],
        ['policy', `unix:${socket}`],
      ],
    );
    const mta = await Mta.connect({ at: { port: gate.port } }, t);
    assert.equal((await mta.from('192.0.2.7')).kind, 'continue');
    const asks = await PolicyClient.connect({ path: socket }, t);
    assert.equal(
      await asks.ask({ protocol_state: 'CONNECT', client_address: '192.0.2.7', instance: 'a' }),
      'DUNNO',
    );
    const before = await readFile(gate.configFile, 'utf8');
    await writeFile(gate.configFile, `${before.replace(policy, '')}[[block]]\nsender = "bad@example.net"\n`);
    process.kill(gate.pid, 'SIGHUP');
    await gate.process.line(/"msg":"reloaded"/);
    assert.deepEqual(
      said('closed').map(({ door }) => door),
      ['policy'],
    );
    await assert.rejects(PolicyClient.connect({ path: socket }, t));
    // The connection that was there is another client's now.
    mta.send('K');
    await mta.from('192.0.2.7');
    await mta.helo('client.example.net');
    await mta.mail('bad@example.net');
    assert.match((await mta.rcpt('user@example.org')).text, /^550 5\.7\.1 Refused: .*\(envelope-list\)/);
    await writeFile(gate.configFile, before.replace('127.0.0.1:0', '192.0.2.254:8891'));
    process.kill(gate.pid, 'SIGHUP');
    await gate.process.line(/"msg":"not reloaded"/);
    await Mta.connect({ at: { port: gate.port } }, t).catch(() => assert.fail('the old listener is gone'));
    assert.equal(await gate.stop(), 0);
    await mta.closed;
  });
});
