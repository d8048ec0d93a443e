/**
 * The signed messages of RFC 6376 (Appendix A.2) and RFC 8463 (Appendix A.3), as they are printed,
 * through the gate's own check.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dkim } from '../../src/checks/dkim.ts';
import { ask, messagePort } from '../fakes/ask.ts';
import { fakeResolver } from '../fakes/resolver.ts';

const lines = (...all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');

const RFC_6376 = lines(
  'DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;',
  '      c=simple/simple; q=dns/txt; i=joe@football.example.com;',
  '      h=Received : From : To : Subject : Date : Message-ID;',
  '      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  '      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB',
  '      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut',
  '      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV',
  '      4bmp/YzhwvcubU4=;',
  'Received: from client1.football.example.com  [192.0.2.1]',
  '      by submitserver.example.com with SUBMISSION;',
  '      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)',
  'From: Joe SixPack <joe@football.example.com>',
  'To: Suzie Q <suzie@shopping.example.net>',
  'Subject: Is dinner ready?',
  'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
  'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
  '',
  'Hi.',
  '',
  'We lost the game. Are you hungry yet?',
  '',
  'Joe.',
);

const RFC_8463 = lines(
  'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
  ' d=football.example.com; i=@football.example.com;',
  ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
  ' subject : date : message-id : from : subject : date;',
  ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus',
  ' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
  ' d=football.example.com; i=@football.example.com;',
  ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :',
  ' date : message-id : from : subject : date;',
  ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  ' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3',
  ' DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz',
  ' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=',
  'From: Joe SixPack <joe@football.example.com>',
  'To: Suzie Q <suzie@shopping.example.net>',
  'Subject: Is dinner ready?',
  'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
  'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
  '',
  'Hi.',
  '',
  'We lost the game.  Are you hungry yet?',
  '',
  'Joe.',
);

const KEYS = {
  'brisbane._domainkey.example.com TXT':
    'v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB',
  'brisbane._domainkey.football.example.com TXT':
    'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
  'test._domainkey.football.example.com TXT':
    'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
};

const codes = async (text: string, pieceOctets?: number): Promise<string[]> => {
  const message = Buffer.from(text);
  const ports = { dns: fakeResolver(KEYS), message: messagePort(message, pieceOctets) };
  const { findings } = await ask(dkim, { from: 'joe@football.example.com', message }, ports);
  return findings.map(({ code, domain }) => (domain === undefined ? code : `${code} ${domain}`));
};

describe('the signed messages of the RFCs', () => {
  const cases: [name: string, text: string, found: string[]][] = [
    ['RFC 6376', RFC_6376, ['pass example.com']],
    ['RFC 8463', RFC_8463, ['pass football.example.com', 'pass football.example.com']],
  ];
  for (const [name, text, found] of cases) {
    it(`${name} hold`, async () => assert.deepEqual(await codes(text), found));
    it(`${name} hold octet by octet`, async () => assert.deepEqual(await codes(text, 1), found));
    it(`${name} do not hold with another subject`, async () => {
      const changed = await codes(text.replace('Is dinner', 'Is supper'));
      assert.deepEqual(
        changed,
        found.map(() => 'fail'),
      );
    });
    it(`${name} do not hold with another body`, async () => {
      const changed = await codes(`${text}PS\r\n`);
      assert.deepEqual(
        changed,
        found.map(() => 'fail'),
      );
    });
  }
  it('RFC 6376 3.4.4: relaxed bodies bear more empty lines at the end and other white space', async () => {
    const changed = RFC_8463.replace('hungry yet', 'hungry \t yet').replace('Joe.\r\n', 'Joe. \r\n\r\n\r\n');
    assert.deepEqual(await codes(changed), ['pass football.example.com', 'pass football.example.com']);
  });
});
