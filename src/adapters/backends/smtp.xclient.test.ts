import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Envelope } from '../../core/delivery.ts';
import { ENVELOPE, begin, deliver, said, startBackend } from '../../../test/delivery.ts';

describe('XCLIENT', () => {
  const EHLO = '250-fake\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n';
  it('introduces each client anew on a reused connection, and greets with its name', async (t) => {
    const { server, backend } = await startBackend(t, { EHLO }, { xclient: true });
    await deliver(backend);
    await deliver(backend);
    const other: Envelope = {
      ...ENVELOPE,
      client: { address: '2001:db8::1', port: 1, hostName: 'h.example' },
    };
    (await begin(backend, other)).abort();
    assert.equal(server.connections, 1);
    assert.deepEqual(
      server.heard.filter((line) => /^(XCLIENT|EHLO)/.test(line)),
      [
        'EHLO mx.example.org',
        'XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=mail.example.net LOGIN=[UNAVAILABLE]',
        'EHLO mail.example.net',
        'XCLIENT NAME=h.example ADDR=IPV6:2001:db8::1 PORT=1 PROTO=ESMTP HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]',
        'EHLO mx.example.org',
      ],
    );
  });

  it('gives way to a fresh connection where the old one may stand for no other client, as with Postfix', async (t) => {
    const NO_MORE = '250 fake\r\n';
    const { server, backend } = await startBackend(
      t,
      { EHLO: (line: string) => (line === 'EHLO mx.example.org' ? EHLO : NO_MORE) },
      { xclient: true },
    );
    const other: Envelope = { ...ENVELOPE, client: { ...ENVELOPE.client, address: '192.0.2.8' } };
    assert.equal(said(await deliver(backend)), said(await deliver(backend)));
    assert.equal(server.connections, 1);
    const delivery = await begin(backend, other);
    delivery.abort();
    assert.equal(server.connections, 2);
    assert.match(server.heard.findLast((line) => line.startsWith('XCLIENT')) ?? '', /ADDR=192\.0\.2\.8/);
  });

  it('is not used where it is not wanted', async (t) => {
    const { server, backend } = await startBackend(t, { EHLO });
    await deliver(backend);
    assert.ok(!server.heard.some((line) => line.startsWith('XCLIENT')));
  });

  for (const [reply, expected] of [
    ['550 5.7.0 insufficient authorization', /^unreachable: refuses XCLIENT: 550/],
    ['554 5.7.1 that client is not welcome', /^554 5.7.1 that client is not welcome$/],
  ] as const) {
    it(`answered with ${reply}`, async (t) => {
      const { backend } = await startBackend(t, { EHLO, XCLIENT: `${reply}\r\n` }, { xclient: true });
      assert.match(said(await deliver(backend)), expected);
    });
  }
});
