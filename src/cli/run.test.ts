import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { startGate } from '../../test/gate.ts';
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
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'mail')}`,
      dns: undefined,
      greetPause: '0s',
    });
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
});
