import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Backend } from '../../core/delivery.ts';
import { createRouter } from './router.ts';
import { openBackend } from './open.ts';

const open = (port: number): Backend => openBackend({ kind: 'smtp', host: '::1', port }, { hostName: 'mx' });

describe('the backend of a recipient', () => {
  const [main, lists, below, deep] = [open(1), open(2), open(3), open(4)] as const;
  const router = createRouter(main, [
    { domains: ['lists.example.org', 'example.com'], backend: lists },
    { domains: ['.example.org', 'example.com'], backend: below },
    { domains: ['.a.example.org'], backend: deep },
  ]);
  const cases: readonly [string, Backend][] = [
    ['example.org', main],
    ['', main],
    ['[192.0.2.1]', main],
    ['lists.example.org', lists],
    ['example.com', lists],
    ['sub.example.com', main],
    ['other.example.org', below],
    ['x.y.example.org', below],
    ['x.a.example.org', deep],
    ['notexample.org', main],
  ];
  for (const [domain, backend] of cases) {
    it(domain === '' ? 'of the bare postmaster' : domain, () => {
      assert.equal(router.backendFor({ local: 'x', domain }), backend);
    });
  }
  it('lists each backend once', () => assert.deepEqual(router.backends, [main, lists, below, deep]));
});

describe('the URL of a backend', () => {
  for (const [address, url] of [
    [{ kind: 'smtp', host: '::1', port: 25 }, 'smtp://[::1]:25'],
    [{ kind: 'lmtp', host: 'mail', port: 24 }, 'lmtp://mail:24'],
    [{ kind: 'lmtp+unix', path: '/run/lmtp' }, 'lmtp+unix:/run/lmtp'],
    [{ kind: 'maildir', path: '/m/{user}' }, 'maildir:/m/{user}'],
  ] as const) {
    it(url, () => assert.equal(openBackend(address, { hostName: 'mx' }).url, url));
  }
});
