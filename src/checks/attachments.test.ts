import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { madeArchive } from '../../test/archives.ts';
import { mailWith, PROGRAM, tarOf, zipOf, type File } from '../../test/attached.ts';
import { corpusSample } from '../../test/corpus.ts';
import { ask } from '../../test/fakes/ask.ts';
import { Archives } from '../adapters/archives/archives.ts';
import { checkSchema } from '../config/checks.ts';
import type { ArchivesPort } from '../core/archives.ts';
import { attachments } from './attachments.ts';

const archives = new Archives({ atOnce: 2, maxWaiting: 10, waitMs: 20_000 }, []);
after(() => archives.close());

async function found(message: Buffer, settings: Record<string, unknown> = {}, port: ArchivesPort = archives) {
  const { findings } = await ask(
    attachments,
    { from: 'a@example.net', message },
    { archives: port },
    settings,
  );
  return findings;
}
const codesOf = async (message: Buffer, settings?: Record<string, unknown>): Promise<string[]> =>
  (await found(message, settings)).map(({ code }) => code);

const unasked: ArchivesPort = { rules: 0, look: () => assert.fail('there is nothing to look into') };
const office = (...others: { name: string; octets: string | Buffer }[]): Buffer =>
  zipOf([
    { name: '[Content_Types].xml', octets: '<Types/>' },
    { name: 'word/document.xml', octets: '<w:document/>' },
    { name: 'word/media/image1.png', octets: '\x89PNG\r\n\x1a\n' },
    ...others,
  ]);
const EVIL_ZIP = zipOf([{ name: 'evil.js', octets: 'x' }]);
const behind = (start: string): Buffer => Buffer.concat([Buffer.from(start, 'latin1'), EVIL_ZIP]);
const scripts = (count: number): File[] =>
  Array.from({ length: count }, (_, i) => ({ name: `${i}`, octets: '#!/bin/sh\n' }));
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';

describe('attachments', () => {
  const cases: [what: string, files: readonly File[], codes: readonly string[]][] = [
    ['a program', [{ name: 'setup.exe', octets: PROGRAM }], ['executable']],
    [
      'a program called a picture',
      [{ name: 'photo.jpg', octets: PROGRAM, type: 'image/jpeg' }],
      ['executable'],
    ],
    ['a program without a name', [{ octets: PROGRAM }], ['executable']],
    ['a script by its name', [{ name: 'invoice.pdf.js', octets: 'var a' }], ['executable']],
    ['a shortcut', [{ name: 'a.pdf.lnk', octets: 'x' }], ['executable']],
    ['a script for Unix', [{ name: 'rotate', octets: '#!/bin/sh\n', type: 'text/plain' }], ['script']],
    ['a name that misleads', [{ name: 'annex\u202efdp.doc', octets: 'x' }], ['disguised-name']],
    [
      'a program in a zip',
      [{ name: 'a.zip', octets: zipOf([{ name: 'b.scr', octets: 'x' }]) }],
      ['executable'],
    ],
    ['a program in a 7z', [{ name: 'a.7z', octets: madeArchive('plain7z') }], ['executable']],
    ['a locked zip', [{ name: 'a.zip', octets: madeArchive('lockedZip') }], ['encrypted-archive']],
    ['a damaged zip', [{ name: 'a.zip', octets: 'PK\x03\x04 and no more' }], ['unreadable-archive']],
    ['a bomb', [{ name: 'a.gz', octets: gzipSync(Buffer.alloc(110_000_000)) }], ['archive-bomb']],
    [
      'two things',
      [
        { name: 'a.exe', octets: PROGRAM },
        { name: 'a.zip', octets: madeArchive('lockedZip') },
      ],
      ['executable', 'encrypted-archive'],
    ],
    ['a Word document', [{ name: 'a.docx', octets: office(), type: DOCX }], ['ok']],
    ['one with a script in it', [{ name: 'a.docx', octets: office({ name: 'a.js', octets: 'x' }) }], ['ok']],
    [
      'one with a program in it',
      [{ name: 'a.docx', octets: office({ name: 'a.bin', octets: PROGRAM }) }],
      ['executable'],
    ],
    [
      'a zip with documents',
      [{ name: 'a.zip', octets: zipOf([{ name: 'a.docx', octets: office() }]) }],
      ['ok'],
    ],
    ['a PDF', [{ name: 'invoice.pdf', octets: '%PDF-1.7\n', type: 'application/pdf' }], ['ok']],
    ['a PDF called by a host', [{ name: 'www.example.com', octets: '%PDF-1.7\n' }], ['ok']],
    ['scripts, and a program', [...scripts(20), { name: 'a.exe', octets: 'x' }], ['executable', 'script']],
    [
      'scripts, and a program in a zip',
      [...scripts(20), { name: 'a.zip', octets: EVIL_ZIP }],
      ['executable', 'script'],
    ],
    ['a zip behind a picture', [{ name: 'a.zip', octets: behind('GIF89a') }], ['executable']],
    ['a zip behind a PDF', [{ name: 'a.zip', octets: behind('%PDF-1.4\n') }], ['executable']],
    [
      'a zip behind a tar',
      [{ name: 'a.zip', octets: behind(tarOf([{ name: 'a', octets: '' }]).toString('latin1')) }],
      ['executable'],
    ],
    ['a picture called a zip', [{ name: 'a.zip', octets: 'GIF89a' }], ['unreadable-archive']],
    // What shows a picture shows no names.
    ['a zip behind a picture, called one', [{ name: 'a.gif', octets: behind('GIF89a') }], ['ok']],
    ['a text called by a host', [{ name: 'notes example.com', octets: 'Hi', type: 'text/plain' }], ['ok']],
    [
      'octets that are a text, called so',
      [{ name: 'Report for example.com', octets: 'gr\u00fc\u00df' }],
      ['ok'],
    ],
    ['a picture called so', [{ name: 'logo@example.com', octets: 'RIFF\0\0\0', type: 'image/webp' }], ['ok']],
    ['octets called so', [{ name: 'a.com', octets: '\xb4\x09\0' }], ['executable']],
    ['a program called so', [{ name: 'a.com', octets: PROGRAM, type: 'image/webp' }], ['executable']],
    [
      'a text called so in a zip',
      [{ name: 'a.zip', octets: zipOf([{ name: 'example.com', octets: 'Hi' }]) }],
      ['ok'],
    ],
    [
      'a picture called a disk',
      [{ name: 'photo.img', octets: Buffer.from('ffd8ffe0', 'hex'), type: 'image/jpeg' }],
      ['ok'],
    ],
    ['a link', [{ name: 'a.url', octets: '[InternetShortcut]\r\nURL=http://a.example/' }], ['ok']],
    ['a link to a file', [{ name: 'a.url', octets: '[InternetShortcut]\r\nURL=file://a/b' }], ['executable']],
    [
      'a link to a file in a zip',
      [{ name: 'a.zip', octets: zipOf([{ name: 'a.url', octets: 'URL=file://a/b' }]) }],
      ['executable'],
    ],
    ['a picture', [{ name: 'a.png', octets: '\x89PNG\r\n\x1a\n', type: 'image/png' }], ['ok']],
    [
      'a signature',
      [{ name: 'smime.p7s', octets: '0\x80\x06', type: 'application/pkcs7-signature' }],
      ['ok'],
    ],
    ['a calendar', [{ name: 'invite.ics', octets: 'BEGIN:VCALENDAR', type: 'text/calendar' }], ['ok']],
    ['nothing', [], ['ok']],
  ];
  for (const [what, files, codes] of cases)
    it(`${codes.join(', ')}: ${what}`, async () =>
      assert.deepEqual(await codesOf(mailWith(...files)), codes));

  it('names the file, where it is, and what to do', async () => {
    const zip = zipOf([{ name: 'docs/Rëport.pdf.scr', octets: 'x' }]);
    const [finding] = await found(mailWith({ name: 'a "b"\r\n.zip', octets: zip }));
    assert.deepEqual(finding, {
      result: 'fail',
      code: 'executable',
      text:
        '"R?port.pdf.scr" in "a ?b???.zip" is a program or works like one ' +
        '(.scr, screen saver, which is a Windows program); share it by a link, or send a document',
      enhanced: '5.7.1',
    });
  });

  it('takes attached mail by what is in it, not by its subject', async () => {
    const mail = (subject: string, inner: Buffer): Buffer =>
      Buffer.concat([
        Buffer.from(
          'From: a@example.net\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
            `--b\r\nContent-Type: message/rfc822; name="${subject}"\r\n\r\n`,
        ),
        inner,
        Buffer.from('--b--\r\n'),
      ]);
    assert.deepEqual(await codesOf(mail('Re: example.com', mailWith())), ['ok']);
    assert.deepEqual(await codesOf(mail('Re: x', mailWith({ name: 'a.exe', octets: 'x' }))), ['executable']);
    const zip = zipOf([{ name: 'a.exe', octets: 'x' }]);
    assert.deepEqual(await codesOf(mail('Re: x', mailWith({ name: 'a.zip', octets: zip }))), ['executable']);
  });

  const mail = (header: string, body: string): Buffer =>
    Buffer.from(`From: a@example.net\r\nMIME-Version: 1.0\r\n${header}\r\n\r\n${body}`);
  const part = (name: string): string => `Content-Type: application/octet-stream; name=${name}\r\n\r\nx\r\n`;
  const structures: [what: string, message: Buffer, codes: readonly string[]][] = [
    [
      'parts beyond the bound',
      mail(
        'Content-Type: multipart/mixed; boundary=b',
        `${'--b\r\n\r\nx\r\n'.repeat(1001)}--b\r\n${part('a.exe')}--b--\r\n`,
      ),
      ['beyond-bounds'],
    ],
    [
      'multiparts inside each other',
      mail(
        'Content-Type: multipart/mixed; boundary=b',
        Array.from({ length: 40 }, (_, i) => i)
          .map(
            (i) =>
              `--${i === 0 ? 'b' : `b${i}`}\r\nContent-Type: multipart/mixed; boundary=b${i + 1}\r\n\r\n`,
          )
          .join('') + `--b40\r\n${part('a.exe')}`,
      ),
      ['beyond-bounds'],
    ],
    [
      'a boundary that is nowhere',
      mail('Content-Type: multipart/mixed; boundary=b', `--c\r\n${part('a.exe')}--c--\r\n`),
      ['broken-multipart'],
    ],
    [
      'a multipart without a part, and without anything else',
      mail('Content-Type: multipart/mixed; boundary=b', '\r\n'),
      ['ok'],
    ],
    [
      'a boundary behind too much',
      mail(
        `Content-Type: multipart/mixed;${'\r\n x=y;'.repeat(64)} boundary=b`,
        `--b\r\n${part('a.exe')}--b--\r\n`,
      ),
      ['beyond-bounds', 'broken-multipart'],
    ],
    [
      'no boundary',
      mail('Content-Type: multipart/mixed', `--b\r\n${part('a.exe')}--b--\r\n`),
      ['broken-multipart'],
    ],
    [
      'a zip said to be a document, and a zip',
      mail(
        'Content-Type: application/zip; name="a.zip"\r\nContent-Disposition: attachment; filename="a.docx"\r\nContent-Transfer-Encoding: base64',
        EVIL_ZIP.toString('base64'),
      ),
      ['executable'],
    ],
  ];
  structures.push(
    [
      'a program in the text, from before MIME',
      mail('Content-Type: text/plain', 'Look:\r\n\r\nbegin 644 evil.exe\r\n#0V%T\r\n`\r\nend\r\n'),
      ['executable'],
    ],
    [
      'a picture in the text, from before MIME',
      mail('Content-Type: text/plain', 'Look:\r\n\r\nbegin 644 cat.png\r\n#0V%T\r\n`\r\nend\r\n'),
      ['ok'],
    ],
  );
  for (const [what, message, codes] of structures)
    it(`${codes.join(', ')}: ${what}`, async () => assert.deepEqual(await codesOf(message), codes));

  it('takes a text that is a script for a text', async () => {
    const message = Buffer.from('From: a@example.net\r\n\r\n#!/bin/sh\r\necho\r\n');
    assert.deepEqual(await codesOf(message), ['ok']);
  });

  it('asks nobody where there is no archive', async () => {
    const message = mailWith({ name: 'a.exe', octets: PROGRAM }, { name: 'a.pdf', octets: '%PDF-' });
    assert.equal((await found(message, {}, unasked))[0]?.code, 'executable');
  });

  it('asks about every message where there are rules', async () => {
    const port: ArchivesPort = {
      rules: 1,
      look: async ({ parts }) => {
        assert.deepEqual(parts, []);
        return { kind: 'looked', files: [], troubles: [], signatures: ['a', 'b'], entries: 0 };
      },
    };
    const [finding] = await found(mailWith(), {}, port);
    assert.deepEqual(
      [finding?.code, finding?.text],
      ['signature', 'the message matches the rule "a" and 1 more'],
    );
  });

  it('refuses MIME types in an emergency, said or found', async () => {
    const png = mailWith({ name: 'a.dat', octets: '\x89PNG\r\n\x1a\n' });
    assert.deepEqual(await codesOf(png, { refuse_types: ['application/pdf'] }), ['ok']);
    const pdf = mailWith({ octets: '%PDF-1.7' });
    assert.deepEqual(await codesOf(pdf, { refuse_types: ['APPLICATION/PDF'] }), ['refused-type']);
    const said = mailWith({ octets: 'x', type: 'image/webp' });
    assert.deepEqual(await codesOf(said, { refuse_types: ['image/*'] }), ['refused-type']);
    assert.deepEqual(await codesOf(said, { refuse_types: ['text/*'] }), ['refused-type']);
    const parsed = (own: object) => checkSchema(attachments).parse(own);
    assert.throws(() => parsed({ refuse_types: ['image'] }), /wants a MIME type/);
    assert.throws(() => parsed({ extensions: ['*.js'] }), /wants the extension of a file/);
  });

  it('takes more extensions and fewer', async () => {
    const url = mailWith({ name: 'a.zip', octets: zipOf([{ name: 'a.one', octets: 'x' }]) });
    assert.deepEqual(await codesOf(url), ['ok']);
    const [finding] = await found(url, { extensions: ['.ONE'] });
    assert.match(
      finding?.text ?? '',
      /^"a\.one" in "a\.zip" has the extension \.one, which is not taken here/,
    );
    const script = mailWith({ name: 'a.js', octets: 'x' });
    assert.deepEqual(await codesOf(script, { allow_extensions: ['js'] }), ['ok']);
    const program = mailWith({ name: 'a.exe', octets: PROGRAM });
    assert.deepEqual(await codesOf(program, { allow_extensions: ['exe'] }), ['executable']);
  });

  it('says of an unwanted extension that it is one', async () => {
    const [finding] = await found(mailWith({ name: 'x.one', octets: 'Hi' }), { extensions: ['one'] });
    assert.equal(
      finding?.text,
      '"x.one" has the extension .one, which is not taken here; share it by a link, or in another form',
    );
  });

  it('names every archive around a file', async () => {
    const inner = zipOf([{ name: 'setup.bin', octets: PROGRAM }]);
    const outer = zipOf([{ name: 'b.zip', octets: inner }]);
    const [finding] = await found(mailWith({ name: 'a.zip', octets: outer }));
    assert.match(finding?.text ?? '', /^"setup\.bin" in "b\.zip" in "a\.zip" is a program /);
  });

  it('says where archives could not be looked into', async () => {
    const zip = mailWith({ name: 'a.zip', octets: zipOf([]) });
    for (const kind of ['busy', 'failed'] as const) {
      const [finding] = await found(zip, {}, { rules: 0, look: async () => ({ kind, reason: 'so many' }) });
      assert.deepEqual(
        [finding?.result, finding?.code, finding?.shownText],
        [
          'temperror',
          kind === 'busy' ? 'busy' : 'temperror',
          // Why is for the operator.
          'the archives could not be looked into',
        ],
      );
    }
    const { findings } = await ask(attachments, { from: 'a@example.net', message: zip });
    assert.equal(findings[0]?.result, 'temperror');
  });

  it('says of which archive, if it knows, and why', async () => {
    const trouble = { kind: 'too-much', within: [], why: 'it takes longer than 5 ms' } as const;
    for (const [name, text] of [
      ['', 'an archive is too much to look through (it takes longer than 5 ms)'],
      ['a.zip', 'the archive "a.zip" is too much to look through (it takes longer than 5 ms)'],
    ] as const) {
      const look: ArchivesPort['look'] = async () => ({
        kind: 'looked',
        files: [],
        troubles: [{ ...trouble, name }],
        signatures: [],
        entries: 0,
      });
      const [finding] = await found(mailWith({ name: 'a.zip', octets: zipOf([]) }), {}, { rules: 0, look });
      assert.deepEqual([finding?.code, finding?.text], ['too-much', text]);
    }
  });

  it('keeps little of a message with a thousand programs', async () => {
    const files = Array.from({ length: 900 }, (_, i) => ({
      name: `${'x'.repeat(300)}${i}.exe`,
      octets: 'x',
    }));
    const packed = { name: 'a.zip', octets: zipOf(files) };
    const { findings, evidence } = await ask(
      attachments,
      { from: 'a@example.net', message: mailWith(...files.slice(0, 200), packed) },
      { archives },
    );
    assert.equal(findings.length, 1);
    assert.ok(JSON.stringify(evidence).length < 20_000);
  });

  it('is not asked in a trial', async () => {
    const { findings } = await ask(attachments, { from: 'a@example.net' }, { archives: unasked });
    assert.equal(findings[0]?.result, 'none');
  });

  it('finds nothing to refuse in real mail', async () => {
    const codes = new Set<string>();
    for (const message of await corpusSample(300))
      for (const { code } of await found(message)) codes.add(code);
    codes.delete('script');
    assert.deepEqual([...codes], ['ok']);
  });
});
