import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { beginAuth, continueAuth, type AuthExchange } from './auth.ts';

const b64 = (text: string | Buffer) => Buffer.from(text).toString('base64');

describe('PLAIN', () => {
  it('takes credentials with the command', () => {
    assert.deepEqual(beginAuth('PLAIN', b64('act\0me\0sécret')), {
      kind: 'credentials',
      mechanism: 'PLAIN',
      identity: 'me',
      actAs: 'act',
      password: 'sécret',
    });
  });
  it('asks with an empty challenge', () => {
    const step = beginAuth('PLAIN', undefined);
    assert.ok(step.kind === 'challenge');
    assert.deepEqual(step.reply, { code: 334, enhanced: '', lines: [''] });
    assert.equal(continueAuth(step.exchange, b64('\0me\0pw')).kind, 'credentials');
  });
});

describe('LOGIN', () => {
  it('asks for name and password', () => {
    const first = beginAuth('LOGIN', undefined);
    assert.ok(first.kind === 'challenge');
    assert.equal(first.reply.lines[0], b64('Username:'));
    const second = continueAuth(first.exchange, b64('me'));
    assert.ok(second.kind === 'challenge');
    assert.equal(second.reply.lines[0], b64('Password:'));
    assert.deepEqual(continueAuth(second.exchange, b64('pw')), {
      kind: 'credentials',
      mechanism: 'LOGIN',
      identity: 'me',
      actAs: '',
      password: 'pw',
    });
  });
  it('takes the name with the command', () => {
    const step = beginAuth('LOGIN', b64('me'));
    assert.ok(step.kind === 'challenge');
    assert.deepEqual(step.exchange, { kind: 'login-password', identity: 'me' });
  });
});

describe('a response that is none', () => {
  const plain: AuthExchange = { kind: 'plain' };
  const user: AuthExchange = { kind: 'login-user' };
  const password: AuthExchange = { kind: 'login-password', identity: 'me' };
  for (const [name, exchange, response] of [
    ['not base64', plain, 'a-_='],
    ['of a wrong length', plain, 'AG1lAHB3A'],
    ['padded in the middle', plain, 'AG=lAHB3'],
    ['not UTF-8', plain, b64(Buffer.from([0, 0x6d, 0, 0xff]))],
    ['without its NULs', plain, b64('me')],
    ['with one NUL', plain, b64('\0me')],
    ['with a NUL more', plain, b64('\0me\0pw\0x')],
    ['without identity', plain, b64('\0\0pw')],
    ['without password', plain, b64('\0me\0')],
    ['an empty name', user, ''],
    ['a name with NUL', user, b64('a\0b')],
    ['an empty password', password, ''],
    ['a password with NUL', password, b64('a\0b')],
  ] as const) {
    it(name, () => {
      const step = continueAuth(exchange, response);
      assert.ok(step.kind === 'error');
      assert.equal(step.error, 'bad-auth-response');
      assert.equal(step.reply.code, 501);
    });
  }
  it('is also the empty initial one', () => {
    assert.equal(beginAuth('PLAIN', '=').kind, 'error');
  });
});
