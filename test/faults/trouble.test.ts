/**
 * Each dependency dead, slow or lying, under the whole gate in this process with the default ladder: the sender of good
 * mail hears 4xx or the gate goes on without it, as is written in each row, and never a refusal for good (P3). What one
 * dependency does in all its variety stands beside its adapter; callouts, which leave this machine, in `src/adapters/callout.test.ts`.
 */
import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZoneServer, type ZoneTrouble } from '../../src/adapters/dns/zone-server.ts';
import { createLog } from '../../src/adapters/log.ts';
import { LADDER } from '../../src/checks/ladder.ts';
import { start } from '../../src/cli/run.ts';
import { load } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { startDns } from '../dns.ts';
import {
  die,
  ScriptedBackend,
  silent,
  type Answer as BackendAnswer,
  type Script,
} from '../fakes/scripted-backend.ts';
import { freePort } from '../freeport.ts';
import { configText, UNMOVED, type GateSettings } from '../gate.ts';
import { lacking, need, needRoot } from '../peers/peer.ts';
import { onEnd, runProgram } from '../program.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { selfSigned } from '../tls.ts';

const GO_ON = /^250 2\.0\.0 /;
const DEFER = /^4\d\d 4\.\d\.\d /;
const MESSAGE = `Subject: trouble\r\n\r\n${'x'.repeat(70)}\r\n`;

interface Settings extends Partial<Omit<GateSettings, 'dir'>> {
  readonly dir?: string;
  /** For one question; a stage has three times as long. */
  readonly dnsTimeoutMs?: number;
  /** For each reply of the backend. */
  readonly backendTimeoutMs?: number;
}

async function openGate(t: TestContext, settings: Settings = {}) {
  const dir = settings.dir ?? (await tempDir(t));
  const file = join(dir, 'postern.toml');
  await mkdir(join(dir, 'data'), { recursive: true });
  const text = configText({
    dir,
    backend: `maildir:${join(dir, 'box')}`,
    dns: settings.dns ?? (await startDns(t)),
    ...settings,
    tables: `${UNMOVED}${settings.tables ?? ''}`,
  });
  await writeFile(file, text);
  const loaded = load(file, LADDER);
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const { config } = loaded;
  const said: string[] = [];
  const log = createLog('json', { write: (line) => said.push(line) });
  const { dnsTimeoutMs = 3000, backendTimeoutMs: ms = 5000 } = settings;
  const gate = await start(
    {
      ...config,
      checksTimeoutMs: 3 * dnsTimeoutMs,
      dns: { ...config.dns, timeoutMs: dnsTimeoutMs },
      backend: { ...config.backend!, connectTimeoutMs: ms, commandTimeoutMs: ms, dataTimeoutMs: ms },
    },
    log,
  );
  onEnd(t, () => gate.stop());
  const port = gate.addresses[0]?.port ?? 0;
  let sent = 0;
  return {
    dir,
    port,
    gate,
    said,
    /** One good message from a client of its own; the last line that it heard. */
    async send(message = MESSAGE): Promise<string> {
      sent += 1;
      const peer = await connectSmtp({ port, localAddress: `127.0.1.${sent}`, timeoutMs: 8000 }, t);
      const mail = { from: `sender${sent}@example.net`, to: 'user@example.org', message };
      const { heard } = await sendMail(peer, mail);
      peer.close();
      return heard.lines.at(-1) ?? '';
    },
    async told(what: RegExp): Promise<void> {
      const end = Date.now() + 8000;
      while (!said.some((line) => what.test(line))) {
        assert.ok(Date.now() < end, `never said ${String(what)}:\n${said.join('')}`);
        await sleep(20);
      }
    },
  };
}

describe('DNS server', { concurrency: 4 }, () => {
  type Answer = (query: Buffer, from: RemoteInfo, server: Socket) => void;
  const rcode =
    (code: number): Answer =>
    (query, from, server) => {
      query.writeUInt16BE(0x8180 | code, 2);
      server.send(query, from.port, from.address);
    };
  const rows: [ill: string, answer: Answer | undefined, wanted: RegExp][] = [
    ['dead: nobody listens', undefined, DEFER],
    ['slow: never answers', () => undefined, DEFER],
    ['ill: SERVFAIL', rcode(2), DEFER],
    ['ill: REFUSED', rcode(5), DEFER],
    ['ill: NOTIMP', rcode(4), DEFER],
    [
      'lying: octets that are no DNS',
      (_, from, s) => s.send('HTTP/1.1 400 Bad', from.port, from.address),
      DEFER,
    ],
    ['lying: nothing at all', (_, from, s) => s.send('', from.port, from.address), DEFER],
    ['lying: the question comes back', (query, from, s) => s.send(query, from.port, from.address), DEFER],
    [
      'lying: answers with another id',
      (query, ...rest) => {
        query.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
        rcode(3)(query, ...rest);
      },
      DEFER,
    ],
    [
      'lying: counts records that are not there',
      (query, ...rest) => {
        query.writeUInt16BE(9, 6);
        rcode(0)(query, ...rest);
      },
      DEFER,
    ],
  ];
  for (const [ill, answer, wanted] of rows) {
    it(ill, async (t) => {
      const server = createSocket('udp4');
      server.on('message', (query, from) => answer?.(query, from, server));
      server.bind(0, '127.0.0.1');
      await once(server, 'listening');
      const dns = `127.0.0.1:${server.address().port}`;
      if (answer === undefined) server.close();
      else onEnd(t, () => void server.close());
      assert.match(await (await openGate(t, { dns, dnsTimeoutMs: 300 })).send(), wanted);
    });
  }

  it('slow: answers past the deadline', async (t) => {
    const zone = await ZoneServer.start({});
    onEnd(t, () => zone.stop());
    zone.troubles.set('*', 600);
    const gate = await openGate(t, { dns: `127.0.0.1:${zone.port}`, dnsTimeoutMs: 300 });
    assert.match(await gate.send(), DEFER);
  });
});

describe('DNS lists', { concurrency: 4 }, () => {
  const ZONES = ['bl.test', 'wl.test', 'rhs.test'];
  const tables = `[[checks.dnsbl.zones]]
zone = "bl.test"
[[checks.dnswl.zones]]
zone = "wl.test"
[[checks.rhsbl.zones]]
zone = "rhs.test"
`;
  const rows: [ill: string, trouble: ZoneTrouble | undefined, everything: string | undefined][] = [
    ['dead: SERVFAIL', 'servfail', undefined],
    ['dead: REFUSED', 'refused', undefined],
    ['slow: never answers', 'timeout', undefined],
    ['slow: past the deadline', 1500, '127.0.0.2'],
    ['lying: lists the whole world', undefined, '127.0.0.2'],
    ['lying: its domain is parked', undefined, '203.0.113.9'],
    ['lying: says that we ask too much', undefined, '127.255.255.254'],
  ];
  for (const [ill, trouble, everything] of rows) {
    it(`of clients, good and bad, and of names, ${ill}`, async (t) => {
      const listed = everything === undefined ? [] : ZONES.map((zone) => [`*.${zone} A`, everything]);
      const server = await ZoneServer.start(Object.fromEntries(listed) as Record<string, string>);
      onEnd(t, () => server.stop());
      if (trouble !== undefined) server.troubles.set('*', trouble);
      const dns = await startDns(t, Object.fromEntries(ZONES.map((zone) => [zone, server.port])));
      const gate = await openGate(t, { dns, tables, dnsTimeoutMs: trouble === undefined ? 3000 : 1000 });
      if (trouble === undefined)
        for (const zone of ZONES)
          await gate.told(new RegExp(`${zone}.*suspended|suspended.*${zone}`.replaceAll('.test', '\\.test')));
      assert.match(await gate.send(), GO_ON);
    });
  }
});

describe('what is kept on disk', { concurrency: 4 }, () => {
  /** Greylisting asks the store about each message, and lets each through. */
  const tables = '[checks.greylist]\nmode = "seed-only"\n';
  type Break = (file: string, t: TestContext) => Promise<(() => void) | undefined>;
  const each = async (file: string, what: (name: string) => Promise<unknown>) => {
    for (const name of [file, `${file}-wal`]) if (existsSync(name)) await what(name);
    return undefined;
  };
  const breaks: Record<string, Break> = {
    'slow: another program holds it': async (file, t) => {
      const other = new DatabaseSync(file, { timeout: 5000 });
      onEnd(t, () => other.close());
      other.exec('BEGIN IMMEDIATE');
      return () => other.exec('ROLLBACK');
    },
    'dead: its files are deleted': (file) => each(file, (name) => rm(name, { force: true })),
    'dead: its folder is gone': async (file) => {
      await rename(join(file, '..'), join(file, '../..', 'moved'));
      return undefined;
    },
    'lying: its files are overwritten': (file) =>
      each(file, async (name) => {
        const handle = await open(name, 'r+');
        const { size } = await handle.stat();
        await handle.write(Buffer.alloc(size, 'garbage '), 0, size, 0);
        await handle.close();
      }),
    'lying: its files are cut': (file) => each(file, (name) => truncate(name, 0)),
  };
  for (const name of ['store.sqlite', 'journal.sqlite']) {
    for (const [ill, breakIt] of Object.entries(breaks)) {
      it(`${name}, ${ill}`, async (t) => {
        const gate = await openGate(t, { tables });
        assert.match(await gate.send(), GO_ON);
        await sleep(150); // what is written late is on the disk
        const heal = await breakIt(join(gate.dir, 'data', name), t);
        for (let n = 0; n < 3; n++) assert.match(await gate.send(), GO_ON);
        heal?.();
        assert.match(await gate.send(), GO_ON);
      });
    }
  }

  it('all of it on a full disk', async (t) => {
    if (!needRoot(t)) return;
    const dir = await tempDir(t);
    const data = join(dir, 'data');
    await mkdir(data);
    const mounted = await runProgram(t, '/bin/mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', data]);
    if (mounted.exit !== 0) {
      lacking(t, `cannot mount a tmpfs: ${mounted.output}`);
      return;
    }
    onEnd(t, async () => {
      await runProgram({ after: () => undefined }, '/bin/umount', ['-l', data]);
    });
    const gate = await openGate(t, { dir, tables, limits: 'spool_memory = "0B"\n' });
    assert.match(await gate.send(), GO_ON);
    await runProgram(t, '/bin/dd', ['if=/dev/zero', `of=${join(data, 'ballast')}`, 'bs=4k']);
    for (let n = 0; n < 3; n++) assert.match(await gate.send(), /^452 4\.3\.1 /);
    await rm(join(data, 'ballast'));
    assert.match(await gate.send(), GO_ON);
  });

  it('the spool: a file is where its folder was', async (t) => {
    const gate = await openGate(t, { limits: 'spool_memory = "0B"\n' });
    assert.match(await gate.send(), GO_ON);
    await rm(join(gate.dir, 'data/spool'), { recursive: true });
    await writeFile(join(gate.dir, 'data/spool'), '');
    assert.match(await gate.send(), DEFER);
    await rm(join(gate.dir, 'data/spool'));
    assert.match(await gate.send(), GO_ON);
  });
});

describe('backend', { concurrency: 4 }, () => {
  const GO_AHEAD = '354 Go on\r\n';
  const HALF = '250-Fine\r\n';
  const THRICE = '250 2.0.0 Ok\r\n'.repeat(3);
  const ills: Record<string, BackendAnswer> = {
    'dead: hangs up': die,
    'slow: never answers': silent,
    'lying: speaks another protocol': 'HTTP/1.1 400 Bad Request\r\n',
    'lying: octets': '\0\xff\x1b[2J\r\n',
    'lying: no such code': '999 9.9.9 Fine\r\n',
    'lying: a code of another step': GO_AHEAD,
    'slow: half a reply': HALF,
    'lying: codes that differ': '250-Fine\r\n550 Not fine\r\n',
    'lying: a line without end': '250 '.padEnd(100_000, 'x'),
    'lying: says it three times': THRICE,
  };
  const WELL: Script = {
    GREETING: '220 fake ESMTP\r\n',
    EHLO: '250 fake\r\n',
    LHLO: '250 fake\r\n',
    MAIL: '250 2.1.0 Ok\r\n',
    RCPT: '250 2.1.5 Ok\r\n',
    DATA: '354 Go on\r\n',
    END: '250 2.0.0 Taken\r\n',
  };
  for (const kind of ['smtp', 'lmtp'] as const) {
    it(`${kind}, dead: nobody listens`, async (t) => {
      const gate = await openGate(t, { backend: `${kind}://127.0.0.1:${await freePort()}` });
      assert.match(await gate.send(), DEFER);
    });
    for (const [ill, answer] of Object.entries(ills)) {
      it(`${kind}, ${ill}: at each step, and well again`, async (t) => {
        let illAt: string | undefined;
        const verbs = ['GREETING', { smtp: 'EHLO', lmtp: 'LHLO' }[kind], 'MAIL', 'RCPT', 'DATA', 'END'];
        const script = verbs.map((verb) => [verb, () => (illAt === verb ? answer : (WELL[verb] ?? ''))]);
        const backend = await ScriptedBackend.start(Object.fromEntries(script) as Script);
        onEnd(t, () => backend.stop());
        const gate = await openGate(t, {
          backend: `${kind}://127.0.0.1:${backend.port}`,
          backendTimeoutMs: answer === silent || answer === HALF ? 1000 : 5000,
        });
        for (const verb of verbs) {
          // There it is the right thing to say, and there nobody listens any more.
          const isWell = (answer === GO_AHEAD && verb === 'DATA') || (answer === THRICE && verb === 'END');
          illAt = verb;
          backend.cutAll();
          assert.match(await gate.send(), isWell ? GO_ON : DEFER, verb);
          illAt = undefined;
          backend.cutAll();
          assert.match(await gate.send(), GO_ON, `after ${verb}`);
        }
      });
    }
    for (const [step, said] of [
      ['GREETING', '554 5.7.1 Not you\r\n'],
      ['HELLO', '550 5.7.1 Not you\r\n'],
    ] as const) {
      it(`${kind}, lying: takes us for a stranger: ${step}`, async (t) => {
        const verbs = step === 'HELLO' ? ['EHLO', 'HELO', 'LHLO'] : [step];
        const ill = await ScriptedBackend.start(Object.fromEntries(verbs.map((verb) => [verb, said])));
        onEnd(t, () => ill.stop());
        const gate = await openGate(t, { backend: `${kind}://127.0.0.1:${ill.port}` });
        assert.match(await gate.send(), DEFER);
      });
    }
  }
  it('maildir, lying: a file is where its folder was', async (t) => {
    const gate = await openGate(t);
    assert.match(await gate.send(), GO_ON);
    await rename(join(gate.dir, 'box'), join(gate.dir, 'moved'));
    await writeFile(join(gate.dir, 'box'), '');
    assert.match(await gate.send(), DEFER);
    await rm(join(gate.dir, 'box'));
    await rename(join(gate.dir, 'moved'), join(gate.dir, 'box'));
    assert.match(await gate.send(), GO_ON);
    assert.equal((await readdir(join(gate.dir, 'box/new'))).length, 2);
  });
});

describe('files that the configuration names, at a reload', () => {
  const breaks = {
    gone: (file: string) => rm(file),
    'a folder': (file: string) => rm(file).then(() => mkdir(file)),
    garbage: (file: string) => writeFile(file, '\0\xff garbage\n'),
  };
  for (const name of ['block.txt', 'users', 'mx.pem', 'mx.key']) {
    it(`${name} is ${Object.keys(breaks).join(', ')}`, async (t) => {
      const openssl = need(t, 'openssl');
      if (openssl === undefined) return;
      const dir = await tempDir(t);
      await writeFile(join(dir, 'block.txt'), '192.0.2.0/24\n');
      await writeFile(join(dir, 'users'), '');
      const gate = await openGate(t, {
        dir,
        top: 'block_files = ["block.txt"]\n',
        tables: `${await selfSigned(t, openssl, dir)}[auth]\nusers_file = "users"\n`,
      });
      const file = join(dir, name);
      const good = await readFile(file);
      for (const [ill, breakIt] of Object.entries(breaks)) {
        await breakIt(file);
        assert.match((await gate.gate.reload()).join('\n'), new RegExp(name.slice(0, 3)), ill);
        assert.match(await gate.send(), GO_ON, ill);
        const peer = await connectSmtp({ port: gate.port, timeoutMs: 8000 }, t);
        await peer.reply();
        await peer.say('EHLO client.example.net');
        assert.equal((await peer.say('STARTTLS')).code, 220);
        const secure = await peer.startTls();
        assert.equal((await secure.say('EHLO client.example.net')).code, 250);
        secure.close();
        await rm(file, { recursive: true, force: true });
        await writeFile(file, good);
        assert.deepEqual(await gate.gate.reload(), [], 'well again');
      }
    });
  }
});
