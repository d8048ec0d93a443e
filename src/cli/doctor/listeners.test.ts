import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort } from '../../../test/freeport.ts';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { networkSet } from '../../mail/networks.ts';
import { askGateway, askMilter, askPolicy } from './listeners.ts';
import type { Place } from './place.ts';
import { tellingOf, type Told } from './told.ts';

const NOBODY = networkSet([]);
const QUICK_MS = 300;

async function server(cleanup: Cleanup, serve: (socket: Socket) => void): Promise<Place> {
  const open = new Set<Socket>();
  const listening = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  onEnd(cleanup, () => {
    for (const socket of open) socket.destroy();
    listening.close();
  });
  return { host: '127.0.0.1', port: (listening.address() as AddressInfo).port };
}

type Ask = (place: Place, told: Told[]) => Promise<void>;
const ASK: Readonly<Record<'gateway' | 'milter' | 'policy', Ask>> = {
  gateway: (place, told) =>
    askGateway(
      place,
      { tls: 'none', proxyProtocolFrom: NOBODY, greetPauseMs: 0 },
      tellingOf('gateway', told),
      QUICK_MS,
    ),
  milter: (place, told) => askMilter(place, tellingOf('milter', told), QUICK_MS),
  policy: (place, told) => askPolicy(place, tellingOf('policy', told), QUICK_MS),
};

async function asked(door: keyof typeof ASK, place: Place): Promise<Told> {
  const told: Told[] = [];
  await ASK[door](place, told);
  assert.equal(told.length, 1);
  return told[0]!;
}

const OPTIONS = Buffer.from('0000000d4f000000060000011100100800', 'hex');

describe('what a listener answers', () => {
  const cases: [string, keyof typeof ASK, (socket: Socket) => void, string, RegExp][] = [
    [
      'a banner',
      'gateway',
      (s) => s.write('220 mx.example.org\r\n'),
      'well answers',
      /"220 mx\.example\.org"/,
    ],
    [
      'a banner in parts',
      'gateway',
      (s) => void (s.write('220-mx\r\n22'), setTimeout(() => s.write('0 hi\r\n'), 20)),
      'well answers',
      /220/,
    ],
    ['421', 'gateway', (s) => s.end('421 4.3.2 Busy\r\n'), 'note turns-away', /"421 4\.3\.2 Busy"/],
    [
      'another protocol',
      'gateway',
      (s) => s.write('111 hello\r\n'),
      'wrong stranger',
      /not with an SMTP banner: "111 hello"/,
    ],
    ['no banner', 'gateway', () => undefined, 'wrong silent', /an SMTP banner does not come/],
    ['the end', 'gateway', (s) => s.end(), 'wrong ended', /without a word, where an SMTP banner/],
    ['options', 'milter', (s) => s.write(OPTIONS), 'well answers', /version 6/],
    [
      'options of version 1',
      'milter',
      (s) => s.write(Buffer.from('0000000d4f000000010000000000000000', 'hex')),
      'wrong stranger',
      /not with a milter's options/,
    ],
    [
      'another frame',
      'milter',
      (s) => s.write(Buffer.from('0000000163', 'hex')),
      'wrong stranger',
      /not with a milter's options/,
    ],
    [
      'a huge frame',
      'milter',
      (s) => s.write(Buffer.from('7fffffff4f', 'hex')),
      'wrong stranger',
      /not with a milter's options/,
    ],
    [
      'a banner',
      'milter',
      (s) => s.write('220 mx.example.org ESMTP\r\n'),
      'wrong stranger',
      /220 mx\.example\.org/,
    ],
    ['nothing', 'milter', () => undefined, 'wrong silent', /options does not come/],
    ['DUNNO', 'policy', (s) => s.write('action=DUNNO\n\n'), 'well answers', /policy request/],
    [
      'something else',
      'policy',
      (s) => s.write('action=REJECT no\n\n'),
      'wrong stranger',
      /"action=REJECT no"/,
    ],
    ['the end', 'policy', (s) => s.end('action='), 'wrong ended', /after "action="/],
  ];
  for (const [name, door, serve, expected, text] of cases)
    it(`${door}: ${name}`, async (t) => {
      const one = await asked(door, await server(t, serve));
      assert.equal(`${one.state} ${one.code}`, expected);
      assert.match(one.text, text);
      assert.equal(one.remedy === undefined, one.state === 'well');
    });

  it('asks what an MTA would ask', async (t) => {
    const heard: Buffer[] = [];
    const hear = (socket: Socket) => socket.on('data', (bytes: Buffer) => void heard.push(bytes));
    await asked('milter', await server(t, hear));
    await asked('policy', await server(t, hear));
    assert.equal(heard[0]?.toString('hex'), '0000000d4f00000006000001ff001fffff');
    assert.equal(heard[1]?.toString(), 'request=smtpd_access_policy\nprotocol_state=VRFY\n\n');
  });

  it('gives a listener behind a proxy its header', async (t) => {
    const heard: string[] = [];
    const place = await server(t, (socket) => {
      socket.once('data', (bytes: Buffer) => {
        heard.push(bytes.toString());
        socket.write('220 mx.example.org\r\n');
      });
    });
    const told: Told[] = [];
    const gateway = {
      tls: 'none',
      proxyProtocolFrom: networkSet(['127.0.0.0/8']),
      greetPauseMs: 0,
    } as const;
    await askGateway(place, gateway, tellingOf('gateway', told), QUICK_MS);
    assert.deepEqual([heard[0], told[0]?.state], ['PROXY UNKNOWN\r\n', 'well']);
  });
});

describe('a listener that cannot be reached', () => {
  it('has nobody at its address', async () => {
    const one = await asked('milter', { host: '127.0.0.1', port: await freePort() });
    assert.deepEqual([one.code, one.state], ['nobody-listens', 'wrong']);
    assert.match(one.remedy ?? '', /start the gate/);
  });

  it('has no socket', async (t) => {
    const one = await asked('policy', { path: join(await tempDir(t), 'policy') });
    assert.deepEqual([one.code, one.state], ['no-socket', 'wrong']);
  });
});
