import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startGateway, upToRcpt, type FakeWorldOptions } from '../../../test/fakes/gateway.ts';
import { ScriptedBackend, silent } from '../../../test/fakes/scripted-backend.ts';
import { openBackend } from '../../adapters/backends/open.ts';
import { recipients } from '../../checks/recipients.ts';

describe('a backend that is slow to answer a recipient', () => {
  const cases: [name: string, options: FakeWorldOptions, late: string][] = [
    ['asked by the ladder', { checks: [[recipients]] }, '450 4.4.3'],
    ['asked without it', { checks: [] }, '451 4.4.1'],
  ];
  for (const [name, { checks }, late] of cases) {
    it(`has its own time, and not that of the checks: ${name}`, async (t) => {
      const server = await ScriptedBackend.start({ RCPT: silent });
      t.after(() => server.stop());
      const backend = openBackend(
        { kind: 'smtp', host: '127.0.0.1', port: server.port },
        { hostName: 'mx.example.org', tls: 'none' },
      );
      const world = await startGateway(t, {
        checks: checks ?? [],
        backendFor: () => backend,
        times: { checksTimeoutMs: 30, recipientTimeoutMs: 600 },
      });
      const patient = await world.connect();
      const answered = upToRcpt(patient);
      while (!server.heard.some((line) => line.startsWith('RCPT'))) await new Promise(setImmediate);
      setTimeout(() => server.sayToAll('250 2.1.5 Ok\r\n'), 150);
      assert.equal((await answered).code, 250);
      // This time it does not answer at all.
      const { code, lines } = await upToRcpt(await world.connect());
      assert.equal(`${code} ${lines[0]!.slice(4, 9)}`, late);
    });
  }
});
