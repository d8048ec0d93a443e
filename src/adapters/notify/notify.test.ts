import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Backend } from '../../core/delivery.ts';
import type { Notice } from '../../core/notice.ts';
import { startBackend } from '../../../test/delivery.ts';
import { die, type Script } from '../../../test/fakes/scripted-backend.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { notifier, type NotifySettings } from './notify.ts';
import { postWebhook } from './ways.ts';

const NEVER = new AbortController().signal;
const NOTICE: Notice = {
  kind: 'alert',
  about: 'queue above 500',
  state: 'firing',
  atMs: Date.UTC(2026, 10, 21, 8),
  subject: '[mx.example.org] Queue: 852 messages',
  text: '852 messages\n',
};
const SETTINGS: NotifySettings = {
  hostName: 'mx.example.org',
  mailTo: [],
  mailFrom: 'postern@mx.example.org',
  backendFor: () => undefined,
};

function teller(settings: Partial<NotifySettings>, pausesMs = [1], givenUpAfterMs = 60_000) {
  const troubles: string[] = [];
  const notify = notifier({
    settings: () => ({ ...SETTINGS, ...settings }),
    trouble: (what, error) =>
      troubles.push(`${what}: ${error instanceof Error ? error.message : String(error)}`),
    pausesMs,
    givenUpAfterMs,
  });
  return { troubles, notify };
}

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function startHook(t: TestContext, answer: (response: ServerResponse, nth: number) => void) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      answer(response, asked.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { asked, origin, url: `${origin}/hooks/SECRET?key=SECRET` };
}

const status =
  (code: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(code, headers).end();

describe('a webhook', () => {
  it('gets an alert as JSON', async (t) => {
    const hook = await startHook(t, status(204));
    const { notify, troubles } = teller({ webhook: hook.url });
    assert.equal(await notify(NOTICE, NEVER), true);
    assert.equal(hook.asked.length, 1);
    const [asked] = hook.asked;
    assert.ok(asked !== undefined);
    assert.equal(asked.method, 'POST');
    assert.equal(asked.url, '/hooks/SECRET?key=SECRET');
    assert.equal(asked.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(asked.body), {
      alert: 'queue above 500',
      state: 'firing',
      text: '[mx.example.org] Queue: 852 messages',
      at: '2026-11-21T08:00:00.000Z',
      host: 'mx.example.org',
    });
    assert.deepEqual(troubles, []);
  });
  it('gets no summary', async (t) => {
    const hook = await startHook(t, status(204));
    assert.equal(await teller({ webhook: hook.url }).notify({ ...NOTICE, kind: 'summary' }, NEVER), true);
    assert.equal(hook.asked.length, 0);
  });

  const cases: [
    what: string,
    answer: (r: ServerResponse, nth: number) => void,
    asked: number,
    troubles: RegExp[],
  ][] = [
    ['is tried again after 503', (r, n) => status(n < 3 ? 503 : 200)(r), 3, [/tried again.*answers 503/]],
    ['is tried again after 429', (r, n) => status(n < 2 ? 429 : 200)(r), 2, [/tried again.*answers 429/]],
    [
      'is tried again when it hangs up',
      (r, n) => (n < 2 ? void r.destroy() : status(200)(r)),
      2,
      [/tried again.*cannot be asked/],
    ],
    ['is given up after 404', status(404), 1, [/given up.*answers 404/]],
    [
      'is not followed elsewhere',
      status(307, { location: 'http://127.0.0.1:1/elsewhere' }),
      1,
      [/given up.*answers 307.*not followed/],
    ],
  ];
  for (const [what, answer, asked, troubles] of cases) {
    it(what, async (t) => {
      const hook = await startHook(t, answer);
      const told = teller({ webhook: hook.url });
      assert.equal(await told.notify(NOTICE, NEVER), true);
      assert.equal(hook.asked.length, asked);
      assert.equal(told.troubles.length, troubles.length);
      for (const [i, says] of troubles.entries()) assert.match(told.troubles[i] ?? '', says);
      assert.ok(!told.troubles.join().includes('SECRET'));
    });
  }

  it('is given up after its time, with the text in the log', async (t) => {
    const hook = await startHook(t, status(500));
    const told = teller({ webhook: hook.url }, [1, 1, 1000], 500);
    assert.equal(await told.notify(NOTICE, NEVER), true);
    assert.equal(hook.asked.length, 3);
    assert.match(told.troubles[1] ?? '', /given up: \[mx\.example\.org\] Queue: 852 messages/);
  });
  it('is not waited for', async (t) => {
    const hook = await startHook(t, () => undefined);
    const told = await postWebhook(hook.url, NOTICE, 'mx.example.org', NEVER, 100);
    assert.deepEqual(told, { kind: 'again', reason: 'no answer within 0.1 s' });
  });
  it('is gone on with later when we stop', async (t) => {
    const hook = await startHook(t, status(500));
    const stop = new AbortController();
    const told = teller({ webhook: hook.url }, [30_000]).notify(NOTICE, stop.signal);
    while (hook.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    assert.equal(await told, false);
  });
});

describe('a mail', () => {
  const mailTo = ['ann@example.org', 'ops@elsewhere.example'];
  const to = (backend: Backend): Partial<NotifySettings> => ({ mailTo, backendFor: () => backend });

  it('goes through the backend, a transaction for each', async (t) => {
    const { server, backend } = await startBackend(t);
    const { notify, troubles } = teller(to(backend));
    assert.equal(await notify(NOTICE, NEVER), true);
    assert.deepEqual(troubles, []);
    const heard = server.heard.join('\n');
    assert.equal(server.messages.length, 2);
    for (const line of [
      'MAIL FROM:<postern@mx.example.org>',
      'RCPT TO:<ann@example.org>',
      'RCPT TO:<ops@elsewhere.example>',
    ])
      assert.ok(heard.includes(line), heard);
  });

  const cases: [what: string, script: Script, messages: number, troubles: RegExp[]][] = [
    [
      'is tried again after 4xx',
      { RCPT: (_, nth) => (nth < 3 ? '451 4.3.0 Later\r\n' : '250 2.1.5 Ok\r\n') },
      2,
      [/ann.*tried again.*451 4\.3\.0 Later/, /ops.*tried again/],
    ],
    [
      'is tried again when the backend dies',
      { END: (_, nth) => (nth < 2 ? die : '250 2.0.0 Taken\r\n') },
      3,
      [/tried again/],
    ],
    [
      'is given up after 5xx, for that recipient alone',
      { RCPT: (line) => (line.includes('ops') ? '550 5.7.1 No relay\r\n' : '250 2.1.5 Ok\r\n') },
      1,
      [/a mail to ops@elsewhere\.example, given up.*550 5\.7\.1 No relay/],
    ],
  ];
  for (const [what, script, messages, troubles] of cases) {
    it(what, async (t) => {
      const { server, backend } = await startBackend(t, script);
      const told = teller(to(backend), [20]);
      assert.equal(await told.notify(NOTICE, NEVER), true);
      assert.equal(server.messages.length, messages);
      assert.equal(told.troubles.length, troubles.length, told.troubles.join('\n'));
      for (const [i, says] of troubles.entries()) assert.match(told.troubles.toSorted()[i] ?? '', says);
    });
  }
});

describe('a mail without a backend', () => {
  it('goes through sendmail, whatever the addresses look like', async (t) => {
    const dir = await tempDir(t);
    const sendmail = join(dir, 'sendmail');
    await writeFile(
      sendmail,
      `#!/bin/sh\n[ -e ${dir}/args ] || { echo "not yet" >&2; touch ${dir}/args; exit 75; }\nprintf '%s\\n' "$@" > ${dir}/args; cat > ${dir}/mail\n`,
    );
    await chmod(sendmail, 0o755);
    const { notify, troubles } = teller({ mailTo: ['-oQ/tmp@example.org'], sendmail });
    assert.equal(await notify(NOTICE, NEVER), true);
    assert.match(
      troubles.join(),
      /^telling by a mail to -oQ\/tmp@example.org, tried again for some hours: .*sendmail ended with 75: not yet$/,
    );
    assert.equal(
      await readFile(join(dir, 'args'), 'utf8'),
      '-i\n-f\npostern@mx.example.org\n--\n-oQ/tmp@example.org\n',
    );
    const mail = await readFile(join(dir, 'mail'), 'utf8');
    assert.match(mail, /^From: Postern <postern@mx\.example\.org>\nTo: -oQ\/tmp@example\.org\nSubject: /);
    assert.match(mail, /\n\n852 messages\n$/);
  });
});
