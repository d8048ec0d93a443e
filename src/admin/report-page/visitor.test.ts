import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkSet } from '../../mail/networks.ts';
import { isOwnForm, visitorOf } from './visitor.ts';

describe('the visitor', () => {
  const proxies = networkSet(['127.0.0.1', '10.0.0.0/8', '2001:db8::/32']);
  const cases: readonly (readonly [string, string | undefined, string | string[] | undefined, string])[] = [
    ['nobody before it', '192.0.2.7', undefined, '192.0.2.7'],
    ['a stranger who says who he is', '192.0.2.7', '198.51.100.1', '192.0.2.7'],
    ['a stranger who says that he is a proxy', '192.0.2.7', '127.0.0.1', '192.0.2.7'],
    ['a proxy', '127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['a proxy on an IPv6 socket', '::ffff:127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['a proxy, before it what the visitor made up', '127.0.0.1', '203.0.113.9, 198.51.100.1', '198.51.100.1'],
    ['two proxies', '127.0.0.1', '203.0.113.9, 198.51.100.1, 10.1.2.3', '198.51.100.1'],
    ['two headers', '127.0.0.1', ['203.0.113.9', '198.51.100.1'], '198.51.100.1'],
    ['IPv6', '2001:db8::1', '2001:DB9:0:0::7', '2001:db9::7'],
    ['a proxy that says nothing', '127.0.0.1', undefined, '127.0.0.1'],
    ['a proxy that says nonsense', '127.0.0.1', 'unknown', '127.0.0.1'],
    ['nonsense further on', '127.0.0.1', 'x, 10.0.0.1', '10.0.0.1'],
    ['proxies only', '127.0.0.1', '10.0.0.2, 10.0.0.1', '10.0.0.2'],
    ['a connection that is gone', undefined, '198.51.100.1', 'unknown'],
  ];
  for (const [name, peer, said, expected] of cases)
    it(name, () => assert.equal(visitorOf(peer, said, proxies), expected));
});

describe('a form', () => {
  const url = 'https://mx.example.org/mail';
  const cases: readonly (readonly [Record<string, string>, boolean])[] = [
    [{}, true],
    [{ origin: 'https://mx.example.org' }, true],
    [{ origin: 'null' }, true],
    [{ origin: 'https://evil.example' }, false],
    [{ origin: 'http://mx.example.org' }, false],
    [{ 'sec-fetch-site': 'same-origin', origin: 'null' }, true],
    [{ 'sec-fetch-site': 'cross-site', origin: 'https://mx.example.org' }, false],
    [{ 'sec-fetch-site': 'same-site' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
  ];
  for (const [headers, ours] of cases)
    it(`is ${ours ? '' : 'not '}ours with ${JSON.stringify(headers)}`, () =>
      assert.equal(isOwnForm(headers, url), ours));
});
