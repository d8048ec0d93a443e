import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  elementsOf,
  forStrangers,
  readNamed,
  readPostfix,
  readSeconds,
  settingOf,
  whereItLooks,
} from './postconf.ts';

const PRINTED = {
  main: 'compatibility_level = 3.6\nqueue_directory = /var/spool/postfix\nsmtpd_milters =\nmail_owner = postfix\n',
  services: [
    'smtp       inet  n       -       y       -       -       smtpd',
    'submission inet  n       -       -       -       -       smtpd -o syslog_name=postfix/submission',
    'pickup     unix  n       -       y       60      1       pickup',
  ].join('\n'),
  overrides:
    'submission/inet/smtpd_milters = inet:127.0.0.1:1\nsubmission/inet/syslog_name = postfix/submission\n',
};

describe('what postconf prints', () => {
  const postfix = readPostfix('/etc/postfix', PRINTED);
  const [smtp, submission] = postfix.services;

  it('has services with their chroot, program and own settings', () => {
    assert.deepEqual(
      postfix.services.map(({ name, chroot, program }) => [name, chroot, program]),
      [
        ['smtp/inet', true, 'smtpd'],
        ['submission/inet', false, 'smtpd'],
        ['pickup/unix', true, 'pickup'],
      ],
    );
    assert.equal(settingOf(postfix, smtp, 'smtpd_milters'), '');
    assert.equal(settingOf(postfix, submission, 'smtpd_milters'), 'inet:127.0.0.1:1');
    assert.equal(settingOf(postfix, submission, 'mail_owner'), 'postfix');
  });

  it('puts what has no chroot of its own into one below compatibility level 1', () => {
    const old = readPostfix('', { ...PRINTED, main: 'compatibility_level = 0\n' });
    assert.deepEqual(
      old.services.map(({ chroot }) => chroot),
      [true, true, true],
    );
  });

  it('knows the services that strangers reach', () => {
    const named = (...lines: string[]) =>
      forStrangers(
        readPostfix('', {
          main: '',
          overrides: '',
          services: lines.map((l) => `${l} n - n - - smtpd`).join('\n'),
        }),
      ).map(({ name }) => name);
    assert.deepEqual(named('smtp inet', 'submission inet'), ['smtp/inet']);
    assert.deepEqual(named('192.0.2.1:25 inet', 'submissions inet'), ['192.0.2.1:25/inet']);
    assert.deepEqual(named('smtpd pass', '587 inet'), ['smtpd/pass']);
    assert.deepEqual(named('127.0.0.1:2526 inet', '2525 inet'), ['127.0.0.1:2526/inet', '2525/inet']);
  });

  it('looks for a path from the queue folder, and always below it in a chroot', () => {
    const look = (path: string, chroot: boolean) => whereItLooks(postfix, { ...smtp!, chroot }, { path });
    assert.deepEqual(look('/run/a', false), { path: '/run/a' });
    assert.deepEqual(look('/run/a', true), { path: '/var/spool/postfix/run/a' });
    assert.deepEqual(look('postern/a', true), { path: '/var/spool/postfix/postern/a' });
    assert.deepEqual(look('postern/a', false), { path: '/var/spool/postfix/postern/a' });
    assert.deepEqual(whereItLooks(postfix, smtp!, { host: '::1', port: 1 }), { host: '::1', port: 1 });
  });
});

describe('elements of a list', () => {
  const cases: [string, string[]][] = [
    ['', []],
    ['a, b\tc', ['a', 'b', 'c']],
    ['a,{ b, c=d e } f', ['a', '{ b, c=d e }', 'f']],
    ['{ a, { b = c } }', ['{ a, { b = c } }']],
    ['{ a, b', ['{ a, b']],
    ['} a', ['}', 'a']],
  ];
  for (const [value, expected] of cases)
    it(JSON.stringify(value), () => assert.deepEqual(elementsOf(value), expected));
});

describe('a milter or policy service by name', () => {
  const cases: [string, unknown, [string, string][]][] = [
    ['inet:127.0.0.1:8891', { host: '127.0.0.1', port: 8891 }, []],
    ['unix:/run/a', { path: '/run/a' }, []],
    ['local:private/a', { path: 'private/a' }, []],
    [
      '{ inet:[::1]:1, default_action=accept, { timeout = 5s } }',
      { host: '::1', port: 1 },
      [
        ['default_action', 'accept'],
        ['timeout', '5s'],
      ],
    ],
    ['127.0.0.1:8891', undefined, []],
    ['', undefined, []],
  ];
  for (const [element, place, options] of cases)
    it(JSON.stringify(element), () => {
      const named = readNamed(element);
      assert.deepEqual([named.place, [...named.options]], [place, options]);
    });
});

it('a time of Postfix in seconds', () => {
  assert.deepEqual(['30s', '5m', '100', '1h', 'soon', ''].map(readSeconds), [
    30,
    300,
    100,
    3600,
    undefined,
    undefined,
  ]);
});
