import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  formatForPostfix,
  formatForSendmail,
  formatPlace,
  meets,
  readHostAndPort,
  type Place,
} from './place.ts';

const tcp = (host: string, port = 8891): Place => ({ host, port });

describe('whether who connects meets the listener', () => {
  const cases: [Place, Place, boolean][] = [
    [tcp('127.0.0.1'), tcp('127.0.0.1'), true],
    [tcp('127.0.0.1'), tcp('127.0.0.1', 8892), false],
    [tcp('127.0.0.1'), tcp('127.0.0.2'), false],
    [tcp('127.0.0.1'), tcp('localhost'), true],
    [tcp('::1'), tcp('localhost'), true],
    [tcp('192.0.2.1'), tcp('localhost'), false],
    [tcp('0.0.0.0'), tcp('192.0.2.1'), true],
    [tcp('::'), tcp('::1'), true],
    [tcp('192.0.2.1'), tcp('gate.example.org'), true],
    [{ path: '/run/a' }, { path: '/run/a' }, true],
    [{ path: '/run/a' }, { path: '/run//a' }, true],
    [{ path: '/run/a' }, { path: '/run/b' }, false],
    [{ path: '/run/a' }, tcp('127.0.0.1'), false],
    [tcp('127.0.0.1'), { path: '/run/a' }, false],
  ];
  for (const [listener, named, expected] of cases)
    it(`${formatPlace(listener)} and ${formatPlace(named)}: ${expected}`, () => {
      assert.equal(meets(listener, named), expected);
    });
});

describe('the words of a mail server for a place', () => {
  const cases: [Place, string, string][] = [
    [tcp('127.0.0.1'), 'inet:127.0.0.1:8891', 'inet:8891@127.0.0.1'],
    [tcp('0.0.0.0'), 'inet:127.0.0.1:8891', 'inet:8891@127.0.0.1'],
    [tcp('::'), 'inet:[::1]:8891', 'inet6:8891@::1'],
    [{ path: '/run/a' }, 'unix:/run/a', 'unix:/run/a'],
  ];
  for (const [place, postfix, sendmail] of cases)
    it(postfix, () => {
      assert.deepEqual([formatForPostfix(place), formatForSendmail(place)], [postfix, sendmail]);
    });
});

describe('an address with a port', () => {
  const cases: [string, Place | undefined][] = [
    ['127.0.0.1:8891', tcp('127.0.0.1')],
    ['[::1]:8891', tcp('::1')],
    ['LOCALHOST:8891', tcp('localhost')],
    ['8891', undefined],
    ['::1:8891', undefined],
    ['localhost:milter', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases) it(text, () => assert.deepEqual(readHostAndPort(text), expected));
});
