import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messagePort } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeTrouble } from '../../test/fakes/resolver.ts';
import { ED25519, keyOf, rsaSigner, sealed, signed } from '../../test/signing.ts';
import type { MessagePort } from '../core/ports.ts';
import { askAhead, authenticateMessage, MAX_ASKED_AHEAD, MAX_LINE_OCTETS } from './dkim.ts';

const never = new AbortController().signal;
const MESSAGE =
  'From: Joe <joe@a.example>\r\nTo: u@example.org\r\nSubject: x\r\n\r\nbody  of two \r\nlines\r\n';
const ZONE = keyOf('a.example');

interface Options {
  readonly zone?: Record<string, string>;
  readonly troubles?: Record<string, FakeTrouble>;
  readonly atMs?: number;
}

const read = (text: string, { zone = ZONE, troubles = {}, atMs = Date.now() }: Options = {}) =>
  authenticateMessage(messagePort(Buffer.from(text, 'latin1')), fakeResolver(zone, troubles), atMs, never);
const results = async (text: string, options?: Options): Promise<string[]> =>
  (await read(text, options)).dkim.map(({ result, problem }) =>
    problem === undefined ? result : `${result}: ${problem}`,
  );

describe('the signatures of a message', () => {
  it('are told apart', async () => {
    const text = await signed(MESSAGE, 'A.example', { identity: 'joe@sub.a.example' });
    const { dkim, leftOut, from, fromFields, arc } = await read(text);
    assert.deepEqual(
      [leftOut, from, fromFields, arc],
      [0, ['joe@a.example'], 1, { result: 'none', sets: [] }],
    );
    const [{ signature, ...outcome }] = dkim as [(typeof dkim)[0]];
    assert.match(signature, /^[A-Za-z0-9+/]{8}$/);
    assert.deepEqual(outcome, {
      result: 'pass',
      domain: 'a.example',
      selector: 's',
      identity: 'joe@sub.a.example',
      algorithm: 'ed25519-sha256',
    });
  });

  for (const canonicalization of ['simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed']) {
    it(`hold over ${canonicalization}`, async () => {
      const text = await signed(MESSAGE, 'a.example', { canonicalization });
      assert.deepEqual(await results(text), ['pass']);
      const relaxed = canonicalization.endsWith('/relaxed');
      const respaced = await results(text.replace('body  of', 'body of'));
      assert.deepEqual(respaced, [relaxed ? 'pass' : 'fail: body hash did not verify']);
    });
  }

  it('hold of both kinds at once', async () => {
    const relaxed = await signed(MESSAGE, 'a.example', { headerList: 'from' });
    const both = await signed(relaxed, 'a.example', {
      canonicalization: 'simple/simple',
      headerList: 'from',
    });
    assert.deepEqual(await results(both), ['pass', 'pass']);
    assert.deepEqual(await results(both.replace('lines', 'lines  ')), [
      'fail: body hash did not verify',
      'pass',
    ]);
  });

  const weak = rsaSigner(768);
  const changed: [name: string, text: () => Promise<string>, zone: Record<string, string>, result: string][] =
    [
      [
        'another From',
        async () => (await signed(MESSAGE, 'a.example')).replace('Joe', 'Jim'),
        ZONE,
        'fail: bad signature',
      ],
      ['no key', () => signed(MESSAGE, 'a.example'), {}, 'neutral: no key'],
      [
        'a revoked key',
        () => signed(MESSAGE, 'a.example'),
        { 's._domainkey.a.example TXT': 'v=DKIM1; p=' },
        'neutral: invalid public key',
      ],
      [
        'a key too long to read',
        () => signed(MESSAGE, 'a.example'),
        { 's._domainkey.a.example TXT': `${ED25519.record}; n=${'x'.repeat(65_000)}` },
        'neutral: no key',
      ],
      [
        'a key below 1024 bits (RFC 8301)',
        () => signed(MESSAGE, 'a.example', {}, weak),
        keyOf('a.example', weak),
        'policy: weak key',
      ],
      [
        'an expired signature',
        () => signed(MESSAGE, 'a.example', { expires: new Date(2000), signTime: new Date(1000) }),
        ZONE,
        'neutral: expired',
      ],
      [
        'one that leaves From out',
        async () => (await signed(MESSAGE, 'a.example')).replace(/h=[^;]*;/, 'h=To;'),
        ZONE,
        'neutral: From field not signed',
      ],
      [
        'one with a tag twice',
        async () => (await signed(MESSAGE, 'a.example')).replace('v=1;', 'v=1; v=1;'),
        ZONE,
        'neutral: signature syntax error',
      ],
    ];
  for (const [name, text, zone, result] of changed) {
    it(`${result}: ${name}`, async () => assert.deepEqual(await results(await text(), { zone }), [result]));
  }

  for (const trouble of ['servfail', 'timeout'] as const) {
    it(`temperror: ${trouble}`, async () => {
      const text = await signed(MESSAGE, 'a.example');
      const [said] = await results(text, { troubles: { 's._domainkey.a.example': trouble } });
      assert.match(said ?? '', /^temperror: DNS failure/);
    });
  }

  it('expire by the time of the message', async () => {
    const text = await signed(MESSAGE, 'a.example', {
      signTime: new Date(1_000_000),
      expires: new Date(9_000_000),
    });
    assert.deepEqual(await results(text, { atMs: 8_000_000 }), ['pass']);
    assert.deepEqual(await results(text, { atMs: 10_000_000 }), ['neutral: expired']);
  });

  it('do not count where anybody may have written the rest (RFC 6376 8.2)', async () => {
    const whole = Buffer.byteLength('body of two\r\nlines\r\n');
    const text = await signed(MESSAGE, 'a.example', { maxBodyLength: whole });
    assert.deepEqual(await results(text), ['pass']);
    assert.deepEqual(await results(`${text}PS\r\n`), [
      'policy: the signature leaves out 4 octets at the end',
    ]);
  });

  it('hold when the message comes octet by octet', async () => {
    const text = await sealed(await signed(MESSAGE, 'a.example'), 'l.example', 'l.example; none');
    const zone = fakeResolver({ ...ZONE, ...keyOf('l.example') });
    const { dkim, arc } = await authenticateMessage(
      messagePort(Buffer.from(text), 1),
      zone,
      Date.now(),
      never,
    );
    assert.deepEqual([dkim[0]?.result, arc.result], ['pass', 'pass']);
  });
});

describe('a reading of a message', () => {
  const counted = (text: string): { port: MessagePort; readings: () => number } => {
    const port = messagePort(Buffer.from(text));
    let readings = 0;
    const chunks = () => {
      readings++;
      return port.content.chunks();
    };
    return { port: { ...port, content: { ...port.content, chunks } }, readings: () => readings };
  };

  it('is made once for all who ask, and not of a body that nobody signed', async () => {
    const dns = fakeResolver(ZONE);
    const { port, readings } = counted(await signed(MESSAGE, 'a.example'));
    const [a, b] = await Promise.all([1, 2].map(() => authenticateMessage(port, dns, 0, never)));
    assert.equal(a, b);
    assert.equal(readings(), 1);
    assert.deepEqual(dns.asked, ['s._domainkey.a.example TXT']);
    const unsigned = counted(MESSAGE);
    assert.deepEqual((await authenticateMessage(unsigned.port, dns, 0, never)).dkim, []);
    assert.equal(unsigned.readings(), 0);
  });

  it('asks for the keys before it reads the body', async () => {
    const dns = fakeResolver(ZONE);
    const port = messagePort(Buffer.from(await signed(MESSAGE, 'a.example')));
    let asked = 0;
    const content = {
      ...port.content,
      *chunks() {
        asked = dns.asked.length;
        yield* port.content.chunks() as Iterable<Buffer>;
      },
    };
    await authenticateMessage({ ...port, content }, dns, 0, never);
    assert.equal(asked, 1);
  });

  it('asks for what a header names, before there is a body', async () => {
    const dns = fakeResolver(ZONE);
    const { header } = messagePort(Buffer.from(await signed(MESSAGE, 'A.example')));
    await askAhead(header, dns, never);
    assert.deepEqual(dns.asked, ['s._domainkey.a.example TXT', '_dmarc.a.example TXT']);
    for (const text of ['', 'Subject: x\r\n', 'From: nobody\r\n', 'From: a@b c\r\n', 'no field']) {
      await askAhead(messagePort(Buffer.from(text)).header, dns, never);
    }
    assert.equal(dns.asked.length, 2);
    const chain = Array.from(
      { length: 20 },
      (_, i) =>
        `ARC-Seal: i=${i + 1}; d=s${i}.example; s=s\r\nARC-Message-Signature: i=${i + 1}; d=m${i}.example; s=s\r\n`,
    ).join('');
    await askAhead(messagePort(Buffer.from(`${chain}${MESSAGE}`)).header, dns, never);
    assert.equal(dns.asked.length, 2 + MAX_ASKED_AHEAD + 1);
  });

  it('ends with the signal, and with the spool', async () => {
    const port = messagePort(Buffer.from(await signed(MESSAGE, 'a.example')));
    const gone = AbortSignal.abort(new Error('gone'));
    await assert.rejects(authenticateMessage(port, fakeResolver(ZONE), 0, gone), /gone/);
    const broken: MessagePort = {
      ...port,
      content: {
        sizeOctets: 1,
        *chunks() {
          throw new Error('the disk is gone');
        },
      },
    };
    const header = { ...port.header, end: port.header.end };
    await assert.rejects(
      authenticateMessage({ ...broken, header }, fakeResolver(ZONE), 0, never),
      /the disk is gone/,
    );
  });

  it('gives up on a line without end, and still names the author', async () => {
    const at = async (octets: number) => {
      const text = `From: joe@a.example\r\n\r\n${'x'.repeat(octets)}\r\nend\r\n`;
      const found = await read(await signed(text, 'a.example'));
      return [found.dkim.length, found.leftOut, found.from];
    };
    assert.deepEqual(await at(MAX_LINE_OCTETS - 1), [1, 0, ['joe@a.example']]);
    assert.deepEqual(await at(MAX_LINE_OCTETS + 1), [0, 1, ['joe@a.example']]);
  });

  it('keeps what a stranger wrote within bounds', async () => {
    const evil = `DKIM-Signature: v=1; a=rsa-sha256; d=${'\xff'.repeat(4000)}; s=\x01\x02; h=from; bh=A; b=${'B'.repeat(999)}; i=\x7f\r\n`;
    const { dkim } = await read(evil + MESSAGE);
    for (const value of Object.values(dkim[0] ?? {})) assert.match(String(value), /^[\x20-\x7e]{0,255}$/);
    assert.equal(dkim[0]?.result, 'neutral');
  });
});
