import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { headerForm } from './header-form.ts';

const FROM = 'From: a@example.net';
const DATE = 'Date: Sat, 21 Nov 2026 09:00:00 +0100 (CET)';

describe('header-form', () => {
  const cases: [name: string, header: readonly string[], codes: readonly string[]][] = [
    ['a plain one', [FROM, DATE, 'Subject: x', 'To: b@example.org', 'Received: x', 'Received: y'], ['ok']],
    ['none at all', [], ['no-header']],
    ['nothing that is due', ['Subject: x'], ['no-from', 'no-date']],
    ['a From without address', ['From: Ann', DATE], ['bad-from']],
    ['an empty From', ['From:', DATE], ['bad-from']],
    ['an empty group in From (RFC 6854)', ['From: nobody:;', DATE], ['bad-from']],
    ['two authors', ['From: a@example.net, b@example.net', DATE], ['no-sender']],
    [
      'two authors and a sender',
      ['From: a@example.net, b@example.net', 'Sender: a@example.net', DATE],
      ['ok'],
    ],
    ['a date that is none', [FROM, 'Date: soon'], ['bad-date']],
    ['two From fields', [FROM, 'FROM: b@example.net', DATE], ['repeated']],
    [
      'two Subjects and two Tos',
      [FROM, DATE, 'Subject: x', 'To: a@b.example', 'Subject: y', 'To: c@d.example'],
      ['repeated'],
    ],
    [
      'Resent fields of several turns',
      [FROM, DATE, 'Resent-From: a@b.example', 'Resent-From: c@d.example'],
      ['ok'],
    ],
    ['UTF-8', [FROM, DATE, 'Subject: ü'], ['8-bit']],
    ['NUL', [FROM, DATE, 'Subject: \0'], ['control']],
    [
      'all at once',
      ['From: x', 'Date: x', 'Subject: ü\x01', 'Subject:'],
      ['bad-from', 'bad-date', 'repeated', '8-bit', 'control'],
    ],
  ];
  for (const [name, header, codes] of cases) {
    it(`${codes.join(', ')}: ${name}`, async () => {
      const message = `${header.map((line) => `${line}\r\n`).join('')}\r\nHi\r\n`;
      const { findings } = await ask(headerForm, { from: 'a@example.net', message });
      assert.deepEqual(
        findings.map(({ code }) => code),
        codes,
      );
      for (const { result, code } of findings) assert.equal(result, code === 'ok' ? 'pass' : 'fail');
    });
  }

  it('tells octets that are no text from those that the client may send', async () => {
    const latin1 = Buffer.from(`${FROM}\r\n${DATE}\r\nSubject: \xfc\r\n\r\n`, 'latin1');
    const utf8 = Buffer.from(`${FROM}\r\n${DATE}\r\nSubject: ü\r\n\r\n`);
    for (const [message, parameters, code] of [
      [latin1, {}, 'bad-text'],
      [latin1, { smtputf8: true }, 'bad-text'],
      [utf8, {}, '8-bit'],
      [utf8, { smtputf8: true }, 'ok'],
    ] as const) {
      const { findings } = await ask(headerForm, { from: 'a@example.net', message, parameters });
      assert.equal(findings[0]?.code, code);
    }
  });

  it('does not look at the body', async () => {
    const message = Buffer.from(`${FROM}\r\n${DATE}\r\n\r\nFrom: \0\xfc\r\n`, 'latin1');
    const { findings } = await ask(headerForm, { from: '<>', message });
    assert.equal(findings[0]?.code, 'ok');
  });

  it('refuses nothing by itself', () => {
    assert.deepEqual([headerForm.defaults.on_fail, headerForm.defaults.weight], ['suspect', 1]);
  });
});
