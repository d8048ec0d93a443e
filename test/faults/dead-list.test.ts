/** A DNS block list whose server has died: mail goes on, nobody waits for it for long, and the operator is told. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startDns } from '../dns.ts';
import { configText, startGate } from '../gate.ts';
import { onEnd } from '../program.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';

const TIMEOUT_MS = 1000;

describe('a DNS block list that has died', () => {
  for (const [onTemperror, code] of [
    ['go-on', 250],
    ['defer', 450],
  ] as const) {
    it(`is not waited for after a while, and stays temporary trouble: ${onTemperror}`, async (t) => {
      const dead = createSocket('udp4').bind(0, '127.0.0.1');
      await once(dead, 'listening');
      onEnd(t, () => void dead.close());
      const dir = await tempDir(t);
      const text = configText({
        dir,
        backend: `maildir:${join(dir, 'box')}`,
        dns: await startDns(t, { 'bl.example': dead.address().port }),
        tables: `[checks.dnsbl]\non_temperror = "${onTemperror}"\n[[checks.dnsbl.zones]]\nzone = "bl.example"\n`,
      });
      const gate = await startGate(t, {
        dir,
        text: text.replace('[dns]\n', `[dns]\ntimeout = "${TIMEOUT_MS}ms"\n`),
      });
      const send = async (n: number) => {
        const peer = await connectSmtp({ port: gate.port, localAddress: `127.33.7.${n}` }, t);
        return sendMail(peer, {
          from: 'sender@example.net',
          to: 'user@example.org',
          message: 'Subject: x\r\n\r\nx\r\n',
        });
      };
      const first = await Promise.all([1, 2, 3, 4, 5].map(send));
      for (const { heard } of first) assert.equal(heard.code, code, heard.lines.join());
      await gate.process.line(/"level":"warn".*"msg":"list silent","zone":"bl\.example"/);
      const { heard } = await send(6);
      assert.equal(heard.code, code, heard.lines.join());
      await gate.stop();
      const decisions = gate.log().filter(({ msg }) => msg === 'decision');
      assert.equal(decisions.length, 6);
      const took = decisions.map(({ ms }) => Number(ms));
      assert.ok(
        took.slice(0, 5).every((ms) => ms >= TIMEOUT_MS * 0.9),
        took.join(),
      );
      assert.ok(Number(took[5]) < TIMEOUT_MS * 0.9, took.join());
    });
  }
});
