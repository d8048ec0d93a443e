/** Prometheus' own tool reads our metrics and rules, and lets the rules fire. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { wholeMetrics } from '../fakes/whole-metrics.ts';
import { freePort } from '../freeport.ts';
import { startGate } from '../gate.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { need } from './peer.ts';

const RULES = join(import.meta.dirname, '../../deploy/prometheus');

/** Its exit code and all it said; undefined when the test was skipped. */
function promtool(t: TestContext, args: readonly string[], input = '') {
  const program = need(t, 'promtool');
  if (program === undefined) return undefined;
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: RULES, input, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

describe('promtool', () => {
  it('finds nothing to complain of in our metrics', async (t) => {
    const checked = promtool(t, ['check', 'metrics'], await wholeMetrics());
    if (checked !== undefined) assert.deepEqual(checked, { status: 0, said: '' });
  });

  it('finds nothing to complain of in those of a gate that has had mail', async (t) => {
    if (need(t, 'promtool') === undefined) return;
    const dir = await tempDir(t);
    const port = await freePort();
    const gate = await startGate(t, {
      dir,
      backend: `maildir:${join(dir, 'mail')}`,
      dns: undefined,
      tables: `[checks.sender-domain]\non_fail = "off"\n[admin]\nlisten = "127.0.0.1:${port}"\n`,
    });
    for (const to of ['ann@example.org', 'ann@elsewhere.example']) {
      const peer = await connectSmtp({ port: gate.port }, t);
      await sendMail(peer, { from: 'joe@a.example', to, message: 'Subject: x\r\n\r\nx\r\n' });
      peer.close();
    }
    let text = '';
    const accepted = 'postern_decisions_total{door="gateway",outcome="accepted"} 1';
    for (let tries = 0; tries < 200 && !text.includes(accepted); tries++) {
      await sleep(100);
      text = await fetch(`http://127.0.0.1:${port}/metrics`)
        .then((answer) => answer.text())
        .catch(() => '');
    }
    for (const line of [
      accepted,
      'postern_refusals_total{check="relay"} 1',
      'postern_gate_up 1',
      'postern_journal_dropped_total 0',
    ])
      assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`);
    assert.match(text, /^postern_delivered_bytes_total [1-9]/m);
    assert.deepEqual(promtool(t, ['check', 'metrics'], text), { status: 0, said: '' });
  });

  it('would complain of others', (t) => {
    const checked = promtool(t, ['check', 'metrics'], '# TYPE x_total gauge\nx_total 1\n');
    if (checked !== undefined) assert.equal(checked.status, 3, checked.said);
  });

  it('reads our alert rules', (t) => {
    const checked = promtool(t, ['check', 'rules', 'postern.rules.yml']);
    if (checked !== undefined) assert.equal(checked.status, 0, checked.said);
  });

  it('sees each alert come when it should, and not when all is well', (t) => {
    const tested = promtool(t, ['test', 'rules', 'postern.test.yml']);
    if (tested !== undefined) assert.equal(tested.status, 0, tested.said);
  });
});
