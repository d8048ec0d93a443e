import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onEnd } from '../../../test/program.ts';
import { ScriptedBackend, type Script } from '../../../test/fakes/scripted-backend.ts';
import type { BackendConfig } from '../../config/config.ts';
import type { BackendUrl } from '../../config/values.ts';
import { tellBackend } from './backends.ts';

const SETTINGS = {
  tls: 'none',
  maxConnections: 20,
  connectTimeoutMs: 2000,
  commandTimeoutMs: 2000,
  dataTimeoutMs: 2000,
  idleTimeoutMs: 2000,
} as const;

const behind = (url: BackendUrl, xclient = false): BackendConfig => ({ ...SETTINGS, url, xclient });

const WITH_XCLIENT: Script = { EHLO: '250-fake\r\n250 XCLIENT NAME ADDR\r\n' };

describe('a backend', () => {
  const cases: [string, Script, boolean, string[], RegExp?][] = [
    ['answers', {}, false, ['well backend-answers']],
    ['offers XCLIENT, and is to have it', WITH_XCLIENT, true, ['well backend-answers', 'well xclient']],
    [
      'offers XCLIENT in vain',
      WITH_XCLIENT,
      false,
      ['well backend-answers', 'note xclient-unused'],
      /xclient = true/,
    ],
    [
      'does not offer XCLIENT, and is to have it',
      {},
      true,
      ['well backend-answers', 'wrong xclient-missing'],
      /smtpd_authorized_xclient_hosts/,
    ],
    ['refuses us', { GREETING: '554 no\r\n' }, false, ['wrong backend-unreachable'], /mend the url/],
    ['does not know EHLO', { EHLO: '502 no\r\n', HELO: '502 no\r\n' }, false, ['wrong backend-unreachable']],
  ];
  for (const [name, script, xclient, expected, remedy] of cases)
    it(name, async (t) => {
      const server = await ScriptedBackend.start(script);
      onEnd(t, () => server.stop());
      const told = await tellBackend(
        behind({ kind: 'smtp', host: '127.0.0.1', port: server.port }, xclient),
        'mx.example.org',
      );
      assert.deepEqual(
        told.map(({ state, code }) => `${state} ${code}`),
        expected,
      );
      if (remedy !== undefined) assert.match(told.at(-1)?.remedy ?? '', remedy);
    });

  it('is a folder, or not there', async () => {
    const [folder] = await tellBackend(
      behind({ kind: 'maildir', path: '/var/mail/{user}' }),
      'mx.example.org',
    );
    assert.equal(folder?.state, 'well');
    const [none] = await tellBackend(
      behind({ kind: 'lmtp+unix', path: '/nonexistent/lmtp' }),
      'mx.example.org',
    );
    assert.deepEqual([none?.about, none?.state], ['backend lmtp+unix:/nonexistent/lmtp', 'wrong']);
    assert.match(none?.text ?? '', /ENOENT/);
  });
});
