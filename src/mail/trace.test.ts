import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fields } from './header.ts';
import { hopsOf, MAX_HOPS, parseReceived, type Hop } from './trace.ts';

const DATE = 'Sat, 21 Nov 2026 09:00:00 +0100';
const dateMs = Date.UTC(2026, 10, 21, 8);

describe('a Received field', () => {
  const cases: Record<string, [value: string, hop: Hop]> = {
    Postfix: [
      `from mail.a.example (mx1.a.example [192.0.2.1]) (using TLSv1.3 with cipher X (256/256 bits)) (No client certificate requested) by mx.example.org (Postfix) with ESMTPS id 4ABC for <joe@example.org>; ${DATE} (CET)`,
      {
        by: 'mx.example.org',
        helo: 'mail.a.example',
        reverseName: 'mx1.a.example',
        address: '192.0.2.1',
        protocol: 'ESMTPS',
        id: '4ABC',
        recipient: 'joe@example.org',
        dateMs,
      },
    ],
    'Postfix, no reverse name': [
      `from x (unknown [IPv6:2001:DB8:0::1]) by mx.example.org (Postfix) with SMTP id 4A; ${DATE}`,
      { by: 'mx.example.org', helo: 'x', address: '2001:db8::1', protocol: 'SMTP', id: '4A', dateMs },
    ],
    'Postfix, its own': [
      `by mx.example.org (Postfix, from userid 0) id 4A; ${DATE}`,
      { by: 'mx.example.org', id: '4A', dateMs },
    ],
    Sendmail: [
      `from a.example (IDENT:joe@mx1.a.example [192.0.2.1] (may be forged)) by mx.example.org (8.17.1/8.17.1) with ESMTP id 4A for <joe@example.org>; ${DATE}`,
      {
        by: 'mx.example.org',
        helo: 'a.example',
        reverseName: 'mx1.a.example',
        address: '192.0.2.1',
        mayBeForged: true,
        protocol: 'ESMTP',
        id: '4A',
        recipient: 'joe@example.org',
        dateMs,
      },
    ],
    'Sendmail, no reverse name': [
      `from a.example ([192.0.2.1]) by mx.example.org (8.11.6/8.11.6) with ESMTP id 4A; ${DATE}`,
      { by: 'mx.example.org', helo: 'a.example', address: '192.0.2.1', protocol: 'ESMTP', id: '4A', dateMs },
    ],
    Exim: [
      `from mx1.a.example ([192.0.2.1]:4711 helo=mail.a.example) by mx.example.org with esmtps (TLS1.3) tls TLS_AES (Exim 4.96) (envelope-from <a@a.example>) id 1abc-0 for joe@example.org; ${DATE}`,
      {
        by: 'mx.example.org',
        helo: 'mail.a.example',
        reverseName: 'mx1.a.example',
        address: '192.0.2.1',
        protocol: 'esmtps tls TLS_AES',
        id: '1abc-0',
        recipient: 'joe@example.org',
        dateMs,
      },
    ],
    'Exim, greeting and reverse name the same': [
      `from mx1.a.example ([192.0.2.1]) by mx.example.org with esmtp (Exim 3.35 #1 (Debian)) id 1abc-0; ${DATE}`,
      {
        by: 'mx.example.org',
        helo: 'mx1.a.example',
        reverseName: 'mx1.a.example',
        address: '192.0.2.1',
        protocol: 'esmtp',
        id: '1abc-0',
        dateMs,
      },
    ],
    'Exim, no reverse name': [
      `from [192.0.2.1] (port=4711 helo=x.example) by mx.example.org with smtp (Exim 4.96) id 1abc-0; ${DATE}`,
      {
        by: 'mx.example.org',
        helo: 'x.example',
        address: '192.0.2.1',
        protocol: 'smtp',
        id: '1abc-0',
        dateMs,
      },
    ],
    Exchange: [
      `from A.prod.example (2603:10a6::21) by B.prod.example (2603:10a6:0:1::22) with Microsoft SMTP Server (version=TLS1_2, cipher=X) id 15.20.1.2 via Frontend Transport; ${DATE}`,
      {
        by: 'b.prod.example',
        helo: 'A.prod.example',
        address: '2603:10a6::21',
        protocol: 'Microsoft SMTP Server',
        id: '15.20.1.2',
        dateMs,
      },
    ],
    'Exchange of old': [
      `from a.example ([192.0.2.1]) by mx.example.org with Microsoft SMTPSVC(5.0.2195.2966); ${DATE}`,
      {
        by: 'mx.example.org',
        helo: 'a.example',
        address: '192.0.2.1',
        protocol: 'Microsoft SMTPSVC',
        dateMs,
      },
    ],
    qmail: [
      `from unknown (HELO a.example) (joe@192.0.2.1) by mx.example.org with SMTP; 21 Nov 2026 08:00:00 -0000`,
      { by: 'mx.example.org', helo: 'a.example', address: '192.0.2.1', protocol: 'SMTP', dateMs },
    ],
    'qmail, the reverse name is the greeting': [
      `from mx1.a.example (192.0.2.1) by mx.example.org with QMQP; 21 Nov 2026 08:00:00 -0000`,
      { by: 'mx.example.org', helo: 'mx1.a.example', address: '192.0.2.1', protocol: 'QMQP', dateMs },
    ],
    Gmail: [
      `from mail-a.google.com (mail-a.google.com. [209.85.220.41]) by mx.google.com with SMTPS id 7-2fe for <joe@example.org> (Google Transport Security); Sat, 21 Nov 2026 00:00:00 -0800 (PST)`,
      {
        by: 'mx.google.com',
        helo: 'mail-a.google.com',
        reverseName: 'mail-a.google.com',
        address: '209.85.220.41',
        protocol: 'SMTPS',
        id: '7-2fe',
        recipient: 'joe@example.org',
        dateMs,
      },
    ],
    'Gmail, inside': [
      `by 2002:a05:6a10:1::1 with SMTP id x1; Sat, 21 Nov 2026 00:00:00 -0800 (PST)`,
      { by: '2002:a05:6a10:1::1', protocol: 'SMTP', id: 'x1', dateMs },
    ],
    CommuniGate: [
      `from [192.0.2.1] (HELO a.example) by mx.example.org (CommuniGate Pro SMTP 4.0.1) with ESMTP id 12; ${DATE}`,
      { by: 'mx.example.org', helo: 'a.example', address: '192.0.2.1', protocol: 'ESMTP', id: '12', dateMs },
    ],
    fetchmail: [
      `from localhost [127.0.0.1] by localhost with IMAP (fetchmail-5.9.0) for zzzz@localhost (single-drop); ${DATE}`,
      {
        by: 'localhost',
        helo: 'localhost',
        address: '127.0.0.1',
        protocol: 'IMAP',
        recipient: 'zzzz@localhost',
        dateMs,
      },
    ],
    'a greeting that is an address': [
      `from [10.0.0.1] (mx1.a.example [192.0.2.1]) by mx.example.org (Postfix) with ESMTP id 4A; ${DATE}`,
      {
        by: 'mx.example.org',
        helo: '[10.0.0.1]',
        reverseName: 'mx1.a.example',
        address: '192.0.2.1',
        protocol: 'ESMTP',
        id: '4A',
        dateMs,
      },
    ],
    'clauses in a comment are none': [
      `from x (by evil.example with SMTP; from y) by mx.example.org; yesterday`,
      { by: 'mx.example.org', helo: 'x' },
    ],
    'nothing closed': [
      'from a (b [192.0.2.1] (c by d',
      { helo: 'a', reverseName: 'b', address: '192.0.2.1' },
    ],
    'a second clause of the same name': ['from a by b by c', { by: 'b', helo: 'a' }],
    'an address that is none': ['from a (b [192.0.2.256]) by c', { by: 'c', helo: 'a' }],
  };
  for (const [name, [value, hop]] of Object.entries(cases))
    it(name, () => assert.deepEqual(parseReceived(value), hop));

  for (const value of [
    '',
    '(qmail 1 invoked from network); 21 Nov 2026 08:00:00 -0000',
    ';;;',
    '((((',
    'with from',
    'id x',
  ])
    it(`is no hop: ${value}`, () => assert.equal(parseReceived(value), undefined));

  it('is read up to a bound, and so are they all', () => {
    const bytes = Buffer.from(
      `received: by a${' (x)'.repeat(5000)} id y\r\n${'Received: by b\r\nX: y\r\n'.repeat(500)}`,
    );
    const hops = hopsOf({ bytes, end: bytes.length, fields: [...fields(bytes, bytes.length)] });
    assert.equal(hops.length, MAX_HOPS);
    assert.deepEqual(hops.slice(0, 2), [{ by: 'a' }, { by: 'b' }]);
  });
});
