import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HELLO, heard, MAIL, RCPT, server, type Given } from '../../../test/fed-server.ts';
import { feed } from '../../../test/feed.ts';

describe('one command', () => {
  const at = (before: readonly string[], given?: Given) => (line: string | Buffer) =>
    heard([...before, line], given).at(-1);
  const greeted = at([]);
  const ready = at([HELLO]);
  const mail = at([HELLO, MAIL]);
  const rcpt = at([HELLO, MAIL, RCPT]);
  const tls = at([HELLO], { tls: true });
  const plain = at([HELLO, MAIL], {
    offer: { starttls: false, auth: [], smtputf8: false, dsn: false, sizeOctets: 0 },
  });
  const lenient = at([HELLO], { lenientPaths: true });

  const CASES: readonly (readonly [
    (line: string | Buffer) => string | undefined,
    string | Buffer,
    string,
  ])[] = [
    [greeted, 'ehlo [192.0.2.1]\r\n', 'hello'],
    [greeted, 'HELO  c  \r\n', 'hello'],
    [greeted, 'EHLO bücher.example\r\n', 'hello'],
    [greeted, 'EHLO\r\n', 'hello-name-missing'],
    [greeted, 'HELO  \r\n', 'hello-name-missing'],
    [greeted, 'XYZZY\r\n', 'unknown-command'],
    [greeted, '\r\n', 'unknown-command'],
    [greeted, ' NOOP\r\n', 'unknown-command'],
    [greeted, 'BDAT 4 LAST\r\n', 'not-implemented'],
    [greeted, 'expn list\r\n', 'not-implemented'],
    [greeted, 'LHLO c\r\n', 'not-implemented'],
    [greeted, 'GET / HTTP/1.1\r\n', 'foreign-protocol'],
    [greeted, Buffer.from('\x16\x03\x01\x02', 'latin1'), 'foreign-protocol'],
    [greeted, 'NOOP \x16\x03\r\n', 'binary-garbage'],
    [greeted, 'NOOP \0\r\n', 'binary-garbage'],
    [greeted, Buffer.from('NOOP \xff\r\n', 'latin1'), 'binary-garbage'],
    [greeted, 'NOOP\n', 'bare-newline'],
    [greeted, '\n', 'bare-newline'],
    [greeted, 'NO\rOP\r\n', 'bare-newline'],
    [greeted, 'NOOP\r\r\n', 'bare-newline'],
    [greeted, 'NOOP with words\r\n', 'noop'],
    [greeted, 'HELP MAIL\r\n', 'help'],
    [greeted, 'VRFY postmaster\r\n', 'vrfy'],
    [greeted, 'VRFY\r\n', 'syntax'],
    [greeted, 'QUIT now\r\n', 'unexpected-argument'],
    [greeted, 'QUIT \t \r\n', 'quit'],
    [ready, 'RSET x\r\n', 'unexpected-argument'],
    [ready, 'STARTTLS x\r\n', 'unexpected-argument'],
    [rcpt, 'DATA x\r\n', 'unexpected-argument'],
    [ready, 'MAIL\r\n', 'syntax'],
    [ready, 'MAIL <a@example.net>\r\n', 'syntax'],
    [ready, 'MAIL  FROM:<a@example.net>\r\n', 'syntax'],
    [lenient, 'MAIL  FROM: a@example.net SIZE=1\r\n', 'mail'],
    [lenient, 'MAIL FROM:\r\n', 'bad-reverse-path'],
    [ready, 'mail from:<a@example.net>  \r\n', 'mail'],
    [ready, 'MAIL FROM:<>\r\n', 'mail'],
    [ready, 'MAIL FROM: <a@example.net>\r\n', 'bad-reverse-path'],
    [ready, 'MAIL FROM:a@example.net\r\n', 'bad-reverse-path'],
    [ready, `MAIL FROM:<${'l'.repeat(129)}@example.net>\r\n`, 'path-too-long'],
    [ready, 'MAIL FROM:<é@example.net>\r\n', 'smtputf8-needed'],
    [ready, 'MAIL FROM:<a@bücher.example> BODY=8BITMIME\r\n', 'smtputf8-needed'],
    [ready, 'MAIL FROM:<é@example.net> SMTPUTF8\r\n', 'mail'],
    [ready, 'MAIL FROM:<a@example.net> SMTPUTF8=1\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> SIZE=1000  body=7bit RET=hdrs ENVID=x+3Dy AUTH=<>\r\n', 'mail'],
    [ready, 'MAIL FROM:<a@example.net> SIZE=1001\r\n', 'size-exceeded'],
    [ready, 'MAIL FROM:<a@example.net> SIZE=99999999999999999999\r\n', 'size-exceeded'],
    [ready, 'MAIL FROM:<a@example.net> SIZE=-1\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> SIZE\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> SIZE=1 size=1\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> BODY=BINARYMIME\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> BODY\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> RET\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> RET=SOME\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> RET=FULL\r\n', 'mail'],
    [ready, 'MAIL FROM:<a@example.net> ENVID\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> ENVID=a+zz\r\n', 'bad-parameter'],
    [ready, `MAIL FROM:<a@example.net> ENVID=${'e'.repeat(101)}\r\n`, 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> AUTH\r\n', 'bad-parameter'],
    [ready, 'MAIL FROM:<a@example.net> HOLDFOR=1\r\n', 'parameter-not-implemented'],
    [ready, 'MAIL FROM:<a@example.net> NOTIFY=NEVER\r\n', 'parameter-not-implemented'],
    [ready, 'MAIL FROM:<a@example.net> =1\r\n', 'syntax'],
    [ready, 'MAIL FROM:<a@example.net> SIZE=1\tx\r\n', 'syntax'],
    [mail, 'RCPT\r\n', 'syntax'],
    [mail, 'RCPT TO:<>\r\n', 'null-recipient'],
    [mail, 'RCPT TO:<Postmaster>\r\n', 'rcpt'],
    [mail, 'RCPT TO:<b>\r\n', 'bad-forward-path'],
    [mail, `RCPT TO:<${'l'.repeat(129)}@example.org>\r\n`, 'path-too-long'],
    [mail, 'RCPT TO:<é@example.org>\r\n', 'smtputf8-needed'],
    [mail, 'RCPT TO:<b@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc@example.org\r\n', 'rcpt'],
    [mail, 'RCPT TO:<b@example.org> ORCPT=utf-8;é@example.org\r\n', 'rcpt'],
    [mail, 'RCPT TO:<b@example.org> NOTIFY\r\n', 'bad-parameter'],
    [mail, 'RCPT TO:<b@example.org> NOTIFY=NEVER,DELAY\r\n', 'bad-parameter'],
    [mail, 'RCPT TO:<b@example.org> ORCPT\r\n', 'bad-parameter'],
    [mail, 'RCPT TO:<b@example.org> ORCPT=b\r\n', 'bad-parameter'],
    [mail, `RCPT TO:<b@example.org> ORCPT=rfc822;${'o'.repeat(494)}\r\n`, 'bad-parameter'],
    [mail, 'RCPT TO:<b@example.org> SIZE=1\r\n', 'parameter-not-implemented'],
    [plain, 'RCPT TO:<b@example.org> NOTIFY=NEVER\r\n', 'parameter-not-implemented'],
    [plain, 'RCPT TO:<b@example.org> ORCPT=rfc822;b\r\n', 'parameter-not-implemented'],
    [at([HELLO], { offer: { dsn: false } }), 'MAIL FROM:<> RET=FULL\r\n', 'parameter-not-implemented'],
    [at([HELLO], { offer: { dsn: false } }), 'MAIL FROM:<> ENVID=1\r\n', 'parameter-not-implemented'],
    [at([HELLO], { offer: { smtputf8: false } }), 'MAIL FROM:<> SMTPUTF8\r\n', 'parameter-not-implemented'],
    [at([HELLO], { offer: { auth: [] } }), 'MAIL FROM:<> AUTH=<>\r\n', 'parameter-not-implemented'],
    [at([HELLO], { offer: { sizeOctets: 0 } }), 'MAIL FROM:<> SIZE=52428800\r\n', 'mail'],
    [at([HELLO], { offer: { sizeOctets: 0 } }), 'MAIL FROM:<> SIZE=52428801\r\n', 'size-exceeded'],
    [at([HELLO], { limits: { messageOctets: 9 } }), 'MAIL FROM:<> SIZE=10\r\n', 'size-exceeded'],
    [at([HELLO], { offer: { auth: [] } }), 'AUTH PLAIN\r\n', 'not-implemented'],
    [at([HELLO], { offer: { starttls: false } }), 'STARTTLS\r\n', 'not-implemented'],
    [tls, 'STARTTLS\r\n', 'already-tls'],
    [ready, 'AUTH PLAIN\r\n', 'auth-needs-tls'],
    [tls, 'AUTH\r\n', 'syntax'],
    [tls, 'AUTH PLAIN a b\r\n', 'syntax'],
    [tls, 'AUTH CRAM-MD5\r\n', 'unknown-mechanism'],
    [tls, 'AUTH login\r\n', 'auth'],
    [tls, 'AUTH PLAIN =\r\n', 'auth'],
    [
      at([HELLO, 'AUTH PLAIN AG1lAHB3\r\n'], { tls: true }),
      'AUTH PLAIN AG1lAHB3\r\n',
      'already-authenticated',
    ],
    [at([HELLO], { requireTls: true }), 'MAIL FROM:<>\r\n', 'tls-required'],
    [at([HELLO], { requireTls: true }), 'NOOP\r\n', 'noop'],
    [at([HELLO], { requireTls: true, tls: true }), 'MAIL FROM:<>\r\n', 'mail'],
  ];
  for (const [given, line, word] of CASES) {
    it(`${JSON.stringify(line.toString('latin1')).slice(0, 70)}: ${word}`, () =>
      assert.equal(given(line), word));
  }

  it('carries its parameters', () => {
    const { events } = feed(server(), [
      HELLO,
      'MAIL FROM:<é@example.net> SIZE=12 BODY=8bitmime SMTPUTF8 RET=full ENVID=Q1 AUTH=x\r\n',
      'RCPT TO:<b@bücher.example> NOTIFY=never ORCPT=rfc822;b@example.org\r\n',
    ]);
    assert.deepEqual(events.slice(1), [
      {
        kind: 'mail',
        reversePath: { local: 'é', domain: 'example.net' },
        parameters: { sizeOctets: 12, body: '8BITMIME', smtputf8: true, ret: 'FULL', envid: 'Q1' },
      },
      {
        kind: 'rcpt',
        forwardPath: { local: 'b', domain: 'xn--bcher-kva.example' },
        parameters: { notify: 'never', orcpt: 'rfc822;b@example.org' },
      },
    ]);
  });

  it('needs SMTPUTF8 anew in each transaction', () => {
    const words = heard([
      HELLO,
      'MAIL FROM:<a@example.net> SMTPUTF8\r\n',
      'RSET\r\n',
      MAIL,
      'RCPT TO:<é@b.example>\r\n',
    ]);
    assert.equal(words.at(-1), 'smtputf8-needed');
  });
});
