import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseDate } from '../../mail/date.ts';
import { decodeEncodedWords } from '../../mail/encoded-words.ts';
import { formatMail, type Mail } from './message.ts';

const MAIL: Mail = {
  from: { local: 'postern', domain: 'mx.example.org' },
  to: [{ local: 'postmaster', domain: 'example.org' }],
  hostName: 'mx.example.org',
  subject: '[mx.example.org] Queue: 852 messages in the queue for 12 minutes, above 500; oldest 3 h',
  text: 'One\nTwo',
  atMs: Date.UTC(2026, 10, 21, 8, 0, 0),
  about: 'x',
};
const parts = (mail: Mail) => {
  const whole = formatMail(mail).toString('latin1');
  const end = whole.indexOf('\r\n\r\n');
  return { whole, header: whole.slice(0, end), body: whole.slice(end + 4) };
};
const fieldOf = (header: string, name: string) =>
  new RegExp(`^${name}: ?((?:.*)(?:\r\n[ \t].*)*)`, 'm').exec(header)?.[1]?.replaceAll('\r\n', '');

describe('a mail of ours', () => {
  it('has the fields of RFC 5322 and RFC 3834', () => {
    const { header, body } = parts(MAIL);
    assert.equal(fieldOf(header, 'From'), 'Postern <postern@mx.example.org>');
    assert.equal(fieldOf(header, 'To'), 'postmaster@example.org');
    assert.equal(fieldOf(header, 'Subject'), MAIL.subject);
    assert.equal(fieldOf(header, 'Date'), 'Sat, 21 Nov 2026 08:00:00 +0000');
    assert.equal(parseDate(fieldOf(header, 'Date') ?? ''), MAIL.atMs);
    assert.match(fieldOf(header, 'Message-ID') ?? '', /^<[0-9a-f]{24}@mx\.example\.org>$/);
    assert.equal(fieldOf(header, 'Auto-Submitted'), 'auto-generated');
    assert.equal(fieldOf(header, 'Content-Transfer-Encoding'), '7bit');
    assert.equal(body, 'One\r\nTwo\r\n');
  });
  it('is the same mail each time the same is told', () => {
    const id = (mail: Mail) => fieldOf(parts(mail).header, 'Message-ID');
    assert.equal(id(MAIL), id({ ...MAIL, text: 'other' }));
    assert.notEqual(id(MAIL), id({ ...MAIL, about: 'y' }));
    assert.notEqual(id(MAIL), id({ ...MAIL, atMs: MAIL.atMs + 1 }));
  });
  for (const subject of [
    'Die Schlange wächst 📬 und wächst und wächst und wächst und wächst, Grüße vom Tor',
    '=?utf-8?B?AAAA?= as it stands',
  ]) {
    it(`encodes "${subject}"`, () => {
      const { header } = parts({ ...MAIL, subject });
      assert.match(header, /^[\r\n\x20-\x7e]*$/);
      assert.equal(decodeEncodedWords(fieldOf(header, 'Subject') ?? ''), subject);
    });
  }
  it('lets no subject begin a field, no text begin a line of the wire', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary', maxLength: 3000 }),
        (subject, text) => {
          const { whole, header } = parts({
            ...MAIL,
            subject: `${subject}\r\nBcc: all@example.org\r\n`,
            text,
          });
          assert.match(whole, /^(?:[\t\x20-\x7e]{0,998}\r\n)*$/);
          assert.deepEqual(
            header
              .split('\r\n')
              .filter((line) => !line.startsWith(' '))
              .map((line) => line.split(':')[0]),
            [
              'From',
              'To',
              'Subject',
              'Date',
              'Message-ID',
              'Auto-Submitted',
              'MIME-Version',
              'Content-Type',
              'Content-Transfer-Encoding',
            ],
          );
        },
      ),
    );
  });
  it('encodes a text that is not plain', () => {
    for (const text of ['Größe\n', `${'x'.repeat(2000)}\n`, 'a\0b\n']) {
      const { header, body } = parts({ ...MAIL, text });
      assert.equal(fieldOf(header, 'Content-Transfer-Encoding'), 'base64');
      assert.equal(Buffer.from(body, 'base64').toString(), text.replaceAll('\n', '\r\n'));
    }
  });
});
