import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { fakeResolver } from '../../test/fakes/resolver.ts';
import { mailauthResolver, MAX_QUESTIONS, MAX_RSA_BITS, MAX_TXT_OCTETS } from './mailauth-resolver.ts';

const never = new AbortController().signal;
const code = async (asked: Promise<unknown[]>): Promise<unknown> =>
  asked.then(
    (found) => found,
    (error: unknown) => (error as { code: string }).code,
  );

describe('the resolver that mailauth gets', () => {
  it('says what there is not, in the codes of node:dns', async () => {
    const zone = { 'a.example TXT': 'x', 'a.example A': '192.0.2.1', 'c.example CNAME': 'a.example' };
    const dns = fakeResolver(zone, { 's.example': 'servfail', 't.example': 'timeout' });
    const { resolve, isOpen } = mailauthResolver(dns, never);
    assert.deepEqual(await code(resolve('A.example.', 'TXT')), [['x']]);
    assert.deepEqual(await code(resolve('a.example', 'A')), ['192.0.2.1']);
    assert.deepEqual(await code(resolve('c.example', 'CNAME')), ['a.example']);
    assert.equal(await code(resolve('a.example', 'CNAME')), 'ENODATA');
    assert.equal(await code(resolve('n.example', 'TXT')), 'ENOTFOUND');
    assert.equal(await code(resolve('a.example', 'MX')), 'ENOTIMP');
    assert.equal(await code(resolve('s.example', 'TXT')), 'ESERVFAIL');
    assert.equal(await code(resolve('t.example', 'TXT')), 'ETIMEOUT');
    assert.deepEqual(['a.example', 'n.example', 'S.example.', 't.example'].map(isOpen), [
      false,
      false,
      true,
      true,
    ]);
  });

  it('asks once for a name, and no more than so many', async () => {
    const dns = fakeResolver({ 'a.example TXT': 'x' });
    const { resolve, isOpen } = mailauthResolver(dns, never);
    await Promise.all([code(resolve('a.example', 'TXT')), code(resolve('a.example', 'TXT'))]);
    for (let i = 1; i < MAX_QUESTIONS; i++)
      assert.equal(await code(resolve(`n${i}.example`, 'TXT')), 'ENOTFOUND');
    assert.equal(await code(resolve('one-more.example', 'TXT')), 'ESERVFAIL');
    assert.deepEqual(await code(resolve('a.example', 'TXT')), [['x']]);
    assert.ok(isOpen('one-more.example'));
    assert.equal(dns.asked.length, MAX_QUESTIONS);
  });

  it('passes no record on that is too long', async () => {
    const name = 's._domainkey.a.example';
    const answer = async (...texts: string[]) =>
      code(mailauthResolver(fakeResolver({ [`${name} TXT`]: texts }), never).resolve(name, 'TXT'));
    const most = 'p='.padEnd(MAX_TXT_OCTETS, 'A');
    assert.deepEqual(await answer(most), [[most]]);
    assert.equal(await answer(`${most}A`), 'ENODATA');
    assert.deepEqual(await answer(`${most}A`, 'p=B'), [['p=B']]);
  });

  it('passes no key on that is slow to verify with', async () => {
    const name = 's._domainkey.a.example';
    const record = (bits: number, exponent: Buffer, type: 'spki' | 'pkcs1') => {
      const n = Buffer.alloc(bits / 8, 0xa5).toString('base64url');
      const jwk = { kty: 'RSA', n, e: exponent.toString('base64url') };
      const der = createPublicKey({ format: 'jwk', key: jwk }).export({ format: 'der', type });
      return `v=DKIM1; k=rsa; p = ${der.toString('base64').replace(/(.{60})/g, '$1 ')}`;
    };
    const goes = async (...texts: string[]) =>
      code(mailauthResolver(fakeResolver({ [`${name} TXT`]: texts }), never).resolve(name, 'TXT'));
    const usual = Buffer.from([1, 0, 1]);
    for (const type of ['spki', 'pkcs1'] as const) {
      for (const good of [
        record(2048, usual, type),
        record(MAX_RSA_BITS, usual, type),
        record(2048, Buffer.alloc(4, 0xff), type),
      ]) {
        assert.deepEqual(await goes(good), [[good]]);
      }
      for (const slow of [
        record(2048, Buffer.from([1, 0, 0, 0, 1]), type),
        record(2048, Buffer.alloc(255, 0xa5), type),
        record(MAX_RSA_BITS + 8, usual, type),
      ]) {
        assert.equal(await goes(slow), 'ENODATA');
        assert.deepEqual(await goes(slow, 'p=B'), [['p=B']]);
      }
    }
  });

  it('finds the key among other texts, and leaves other names alone', async () => {
    const zone = {
      's._domainkey.a.example TXT': ['hello', 'v=DKIM1; p=A'],
      '_dmarc.a.example TXT': ['hello', 'p=A'],
    };
    const { resolve } = mailauthResolver(fakeResolver(zone), never);
    assert.deepEqual(await resolve('s._domainkey.a.example', 'TXT'), [['v=DKIM1; p=A']]);
    assert.deepEqual(await resolve('_dmarc.a.example', 'TXT'), [['hello'], ['p=A']]);
  });
});
