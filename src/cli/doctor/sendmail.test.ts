import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Place } from './place.ts';
import { readSendmail, tellMilterInSendmail } from './sendmail.ts';
import { tellingOf, type Told } from './told.ts';

const LISTENER: Place = { host: '127.0.0.1', port: 8891 };
// As Debian's Sendmail 8.17 has it of INPUT_MAIL_FILTER.
const GOOD = `O InputMailFilters=postern
O Milter.LogLevel=9
Xpostern, S=inet:8891@127.0.0.1, F=T, T=C:1m;S:30s;R:30s;E:10m
`;

function told(text: string, listener = LISTENER): Told[] {
  const all: Told[] = [];
  const tell = tellingOf('milter', all);
  tellMilterInSendmail(listener, 'sendmail.cf', readSendmail(text), { checksTimeoutMs: 20_000 }, tell);
  return all;
}

const shown = (all: readonly Told[]): string[] => all.map(({ state, code }) => `${state} ${code}`);

describe('sendmail.cf', () => {
  it('is well', () => {
    assert.deepEqual(shown(told(GOOD)), ['well sendmail-asks', 'well default-action']);
  });

  const sockets: [string, Place][] = [
    ['inet:8891@localhost', LISTENER],
    ['inet6:8891@[::1]', { host: '::1', port: 8891 }],
    ['unix:/run/postern/milter', { path: '/run/postern/milter' }],
    ['local:/run/postern/milter', { path: '/run/postern/milter' }],
    ['/run/postern/milter', { path: '/run/postern/milter' }],
  ];
  for (const [socket, listener] of sockets)
    it(`knows S=${socket}`, () => {
      const text = GOOD.replace('inet:8891@127.0.0.1', socket);
      assert.deepEqual(shown(told(text, listener)), ['well sendmail-asks', 'well default-action']);
    });

  const wrong: [string, string, string[], RegExp, RegExp][] = [
    [
      'has no filter',
      '',
      ['wrong sendmail-does-not-ask'],
      /^sendmail\.cf has no filter at this address\.$/,
      /INPUT_MAIL_FILTER\(`postern', `S=inet:8891@127\.0\.0\.1, F=T, T=S:30s;R:30s;E:10m'\)/,
    ],
    [
      'has another',
      'O InputMailFilters=other\nXother, S=inet:8892@127.0.0.1, F=T\n',
      ['wrong sendmail-does-not-ask'],
      /only "other \(inet:8892@127\.0\.0\.1\)"/,
      /INPUT_MAIL_FILTER/,
    ],
    [
      'defines it and does not use it',
      GOOD.replace('=postern', '=other'),
      ['wrong sendmail-filter-unused', 'well default-action'],
      /defines the filter "postern", but InputMailFilters is "other"/,
      /confINPUT_MAIL_FILTERS/,
    ],
    [
      'refuses for good while it is down',
      GOOD.replace('F=T', 'F=R'),
      ['well sendmail-asks', 'wrong default-action'],
      /refused for good \(F=R\)/,
      /F=T/,
    ],
    [
      'lets mail pass while it is down',
      GOOD.replace(' F=T,', ''),
      ['well sendmail-asks', 'note default-action'],
      /mail passes unseen/,
      /F=T/,
    ],
    [
      'waits no longer than its own default',
      GOOD.replace(/, T=.*/, ''),
      ['well sendmail-asks', 'well default-action', 'wrong reply-timeout'],
      /waits 10 s .* may take 20 s/,
      /R:30s/,
    ],
    [
      'has a daemon with its own list',
      `${GOOD}O DaemonPortOptions=Name=MSA, Port=587,\n\tInputMailFilters=other;more\n`,
      ['well sendmail-asks', 'note others-do-not-ask', 'well default-action'],
      /The daemon "MSA" has its own InputMailFilters/,
      /^$/,
    ],
  ];
  for (const [name, text, expected, words, remedy] of wrong)
    it(name, () => {
      const all = told(text);
      assert.deepEqual(shown(all), expected);
      const bad = all.find(({ state }) => state !== 'well');
      assert.match(bad?.text ?? '', words);
      assert.match(bad?.remedy ?? '', remedy);
    });
});
