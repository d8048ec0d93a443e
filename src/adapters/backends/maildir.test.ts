import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { isFailure, type Delivery, type MessageContent } from '../../core/delivery.ts';
import type { Mailbox, ReversePath } from '../../mail/mailbox.ts';
import { maildirPlace } from './maildir-path.ts';
import { MaildirBackend, type MaildirSettings } from './maildir.ts';
import { publish } from './maildir-write.ts';

const NEVER = new AbortController().signal;
const BOB = { local: 'Bob', domain: 'example.org' };
const EVE = { local: 'eve', domain: 'example.org' };

function message(...chunks: string[]): MessageContent {
  const buffers = chunks.map((chunk) => Buffer.from(chunk, 'latin1'));
  return { sizeOctets: buffers.reduce((sum, b) => sum + b.length, 0), chunks: () => buffers };
}

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-maildir-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function backendOf(template: string, settings: Partial<MaildirSettings> = {}): MaildirBackend {
  return new MaildirBackend(`maildir:${template}`, template, { hostName: 'h/o:st', ...settings });
}

async function begin(
  template: string,
  reversePath: ReversePath = { local: 'a', domain: 'example.net' },
  backend = backendOf(template),
): Promise<Delivery> {
  const begun = await backend.begin(
    { reversePath, parameters: {}, client: { address: '192.0.2.7', port: 1 } },
    NEVER,
  );
  if (isFailure(begun)) assert.fail();
  return begun;
}

async function rcpt(delivery: Delivery, mailbox: Mailbox): Promise<string> {
  const answer = await delivery.rcpt(mailbox, {}, NEVER);
  return answer.kind === 'replied' ? `${answer.reply.code} ${answer.reply.enhanced}` : answer.reason;
}

async function send(delivery: Delivery, content: MessageContent, signal = NEVER): Promise<string> {
  const answer = await delivery.send(content, signal);
  return answer.kind === 'replied' ? `${answer.reply.code} ${answer.reply.enhanced}` : answer.reason;
}

/** The messages in a folder's `new`; its `tmp` must be empty. */
async function read(folder: string): Promise<string[]> {
  assert.deepEqual(await readdir(join(folder, 'tmp')), []);
  const names = await readdir(join(folder, 'new'));
  return Promise.all(names.map((name) => readFile(join(folder, 'new', name), 'latin1')));
}

describe('delivery to a Maildir', () => {
  it('makes the folder, adds Return-Path and Delivered-To, and turns CRLF into LF over chunks', async (t) => {
    const folder = join(await temporary(t), 'deep', 'er', 'Maildir');
    const delivery = await begin(folder);
    assert.equal(await rcpt(delivery, BOB), '250 2.1.5');
    assert.equal(
      await send(delivery, message('Subject: x\r', '\n\r\nhi\r', '\r', '\nalone \r here\r\n', '\xff\0')),
      '250 2.0.0',
    );
    assert.deepEqual(await read(folder), [
      'Return-Path: <a@example.net>\nDelivered-To: Bob@example.org\nSubject: x\n\nhi\r\nalone \r here\n\xff\0',
    ]);
    const [name = ''] = await readdir(join(folder, 'new'));
    assert.match(name, /^\d+\.M\d+P\d+Q\d+R[0-9a-f]{8}\.h\\057o\\072st$/);
    assert.deepEqual((await readdir(folder)).sort(), ['cur', 'new', 'tmp']);
  });

  it('writes any message as it came but for its line ends', async (t) => {
    const folder = await temporary(t);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('\r', '\n', '\r\n', 'x', '.'), { maxLength: 30 }),
        async (pieces) => {
          await rm(folder, { recursive: true, force: true });
          const delivery = await begin(folder, null);
          await rcpt(delivery, BOB);
          assert.equal(await send(delivery, message(...pieces)), '250 2.0.0');
          const expected = pieces.join('').replaceAll('\r\n', '\n');
          assert.deepEqual(await read(folder), [
            `Return-Path: <>\nDelivered-To: Bob@example.org\n${expected}`,
          ]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('defers where the folder of all mailboxes is not there', async (t) => {
    const root = join(await temporary(t), 'not-mounted');
    assert.match(await rcpt(await begin(join(root, '{user}', 'Maildir')), BOB), /^451 4\.3\.0/);
  });

  it('knows a mailbox by its folder, and delivers to each once', async (t) => {
    const root = await temporary(t);
    await mkdir(join(root, 'example.org', 'bob'), { recursive: true });
    await mkdir(join(root, 'example.org', 'eve'));
    await writeFile(join(root, 'example.org', 'file'), '');
    const delivery = await begin(join(root, '{domain}', '{user}', 'Maildir'));
    assert.equal(await rcpt(delivery, { local: 'nobody', domain: 'example.org' }), '550 5.1.1');
    assert.equal(await rcpt(delivery, { local: 'file', domain: 'example.org' }), '550 5.1.1');
    assert.equal(await rcpt(delivery, { local: 'bob', domain: 'example.com' }), '550 5.1.1');
    for (const mailbox of [BOB, EVE, { ...BOB, local: 'bob+list' }, BOB]) {
      assert.equal(await rcpt(delivery, mailbox), '250 2.1.5');
    }
    assert.equal(await send(delivery, message('x\r\n')), '250 2.0.0');
    assert.deepEqual(await read(join(root, 'example.org', 'bob', 'Maildir')), [
      'Return-Path: <a@example.net>\nDelivered-To: Bob@example.org\nDelivered-To: bob+list@example.org\nx\n',
    ]);
    assert.equal((await read(join(root, 'example.org', 'eve', 'Maildir'))).length, 1);
  });

  it('takes as many recipients as RFC 5321 wants and no more', async (t) => {
    const delivery = await begin(await temporary(t));
    for (let i = 0; i < 100; i++)
      assert.equal(await rcpt(delivery, { local: `u${i}`, domain: 'x.example' }), '250 2.1.5');
    assert.equal(await rcpt(delivery, BOB), '452 4.5.3');
  });

  it('leaves nothing behind when the message cannot be read or is given up', async (t) => {
    const folder = await temporary(t);
    const over = new AbortController();
    const broken = await begin(folder);
    await rcpt(broken, BOB);
    const failing: MessageContent = {
      sizeOctets: 2,
      *chunks() {
        yield Buffer.from('a\r\n');
        throw new Error('EIO');
      },
    };
    assert.equal(await send(broken, failing), '451 4.3.0');
    const late = await begin(folder);
    await rcpt(late, BOB);
    const slow: MessageContent = {
      sizeOctets: 2,
      *chunks() {
        yield Buffer.from('a\r\n');
        over.abort(new Error('deadline'));
        yield Buffer.from('b\r\n');
      },
    };
    assert.equal(await send(late, slow, over.signal), 'given up: deadline');
    assert.deepEqual(await read(folder), []);
  });

  it('delivers to none when it cannot deliver to all', async (t) => {
    const root = await temporary(t);
    await mkdir(join(root, 'bob'));
    await mkdir(join(root, 'eve', 'Maildir'), { recursive: true });
    // Publishing fails for the second: its `new` is a file.
    await mkdir(join(root, 'eve', 'Maildir', 'tmp'));
    await writeFile(join(root, 'eve', 'Maildir', 'new'), '');
    const delivery = await begin(join(root, '{user}', 'Maildir'));
    await rcpt(delivery, BOB);
    await rcpt(delivery, EVE);
    assert.equal(await send(delivery, message('x\r\n')), '451 4.3.0');
    assert.deepEqual(await read(join(root, 'bob', 'Maildir')), []);
    assert.deepEqual(await readdir(join(root, 'eve', 'Maildir', 'tmp')), []);
  });

  it('defers with 452 4.3.1 on a full disk, and leaves nothing on it', async (t) => {
    const root = await temporary(t);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', root], { stdio: 'ignore' });
    } catch {
      t.skip('may not mount a tmpfs');
      return;
    }
    try {
      const delivery = await begin(join(root, 'Maildir'));
      await rcpt(delivery, BOB);
      assert.equal(await send(delivery, message('x'.repeat(200_000))), '452 4.3.1');
      assert.deepEqual(await read(join(root, 'Maildir')), []);
      const small = await begin(join(root, 'Maildir'));
      await rcpt(small, BOB);
      assert.equal(await send(small, message('x\r\n')), '250 2.0.0');
    } finally {
      execFileSync('umount', ['-l', root]);
    }
  });

  describe('to a disk that hangs', () => {
    const until = async (is: () => Promise<boolean>) => {
      while (!(await is())) await new Promise(setImmediate);
    };

    it('defers, and publishes nothing once it has said so', async (t) => {
      const folder = await temporary(t);
      const backend = backendOf(folder, { timeoutMs: 30 });
      const delivery = await begin(folder, null, backend);
      await rcpt(delivery, BOB);
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      let read = false;
      const content: MessageContent = {
        sizeOctets: 6,
        async *chunks() {
          yield Buffer.from('a\r\n');
          await ended;
          yield Buffer.from('b\r\n');
          read = true;
        },
      };
      assert.equal(await send(delivery, content), '451 4.3.0');
      end();
      await until(async () => (await readdir(join(folder, 'tmp'))).length === 0);
      assert.deepEqual(await readdir(join(folder, 'new')), []);
      assert.equal(read, false);
    });

    it('takes back what was being published when it said so', async (t) => {
      const root = await temporary(t);
      for (const name of ['bob', 'eve']) await mkdir(join(root, name));
      const template = join(root, '{user}', 'Maildir');
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      let published = 0;
      const backend = backendOf(template, {
        timeoutMs: 400,
        publish: async (written) => {
          await publish(written);
          published++;
          await ended;
        },
      });
      const delivery = await begin(template, null, backend);
      for (const mailbox of [BOB, EVE]) await rcpt(delivery, mailbox);
      assert.equal(await send(delivery, message('x\r\n')), '451 4.3.0');
      assert.equal(published, 1);
      end();
      const bob = join(root, 'bob', 'Maildir');
      await until(async () => (await readdir(join(bob, 'new'))).length === 0);
      await until(async () => (await readdir(join(root, 'eve', 'Maildir', 'tmp'))).length === 0);
      assert.equal(published, 1);
      assert.deepEqual(await readdir(join(root, 'eve', 'Maildir', 'new')), []);
    });

    it('begins nothing while too much is overdue, and goes on when it answers again', async (t) => {
      const folder = await temporary(t);
      let end = (): void => undefined;
      let ended: Promise<void> | undefined = new Promise<void>((resolve) => (end = resolve));
      const backend = backendOf(folder, {
        timeoutMs: 400,
        publish: async (written) => {
          await ended;
          await publish(written);
        },
      });
      for (let i = 0; i < 2; i++) {
        const delivery = await begin(folder, null, backend);
        await rcpt(delivery, BOB);
        assert.equal(await send(delivery, message('x\r\n')), '451 4.3.0');
      }
      const open = () =>
        backend.begin(
          { reversePath: null, parameters: {}, client: { address: '192.0.2.7', port: 1 } },
          NEVER,
        );
      const begun = await open();
      assert.deepEqual(begun, { kind: 'unreachable', reason: 'the disk did not answer in time' });
      assert.equal((await backend.probe())?.kind, 'unreachable');
      ended = undefined;
      end();
      await until(async () => !isFailure(await open()));
      await until(
        async () =>
          (await readdir(join(folder, 'tmp'))).length + (await readdir(join(folder, 'new'))).length === 0,
      );
      const delivery = await begin(folder, null, backend);
      await rcpt(delivery, BOB);
      assert.equal(await send(delivery, message('y\r\n')), '250 2.0.0');
      assert.deepEqual(await read(folder), ['Return-Path: <>\nDelivered-To: Bob@example.org\ny\n']);
    });
  });

  it('tells the operator which folder is in trouble, and the sender but its code', async (t) => {
    const root = await temporary(t);
    for (const name of ['bob', 'eve']) await mkdir(join(root, name, 'Maildir'), { recursive: true });
    await writeFile(join(root, 'eve', 'Maildir', 'tmp'), 'a file in place of the folder');
    const told: string[] = [];
    const backend = (template: string) =>
      backendOf(template, {
        onTrouble: (what, error) =>
          void told.push(`${what}: ${error instanceof Error ? error.message : String(error)}`),
      });
    const template = join(root, '{user}', 'Maildir');
    const delivery = await begin(template, null, backend(template));
    for (const mailbox of [BOB, EVE]) assert.equal(await rcpt(delivery, mailbox), '250 2.1.5');
    const answer = await delivery.send(message('x\r\n'), NEVER);
    assert.ok(answer.kind === 'replied');
    assert.match(answer.reply.lines[0] ?? '', /^The mailbox cannot be used now \(ENOTDIR\)/);
    assert.doesNotMatch(answer.reply.lines.join(), /eve|\//);
    assert.equal(told.length, 1);
    assert.ok(told[0]?.startsWith(`the Maildir ${join(root, 'eve', 'Maildir')}: ENOTDIR: `), told[0]);
    const nowhere = join(root, 'none', '{user}');
    await rcpt(await begin(nowhere, null, backend(nowhere)), BOB);
    assert.equal(told[1], `the folder of all mailboxes ${join(root, 'none')}: there is no such folder`);
    await rcpt(await begin(template, null, backend(template)), { local: 'nobody', domain: 'example.org' });
    assert.equal(told.length, 2, 'a mailbox that is not there is no trouble');
  });

  it('is probed without mail', async (t) => {
    const root = await temporary(t);
    const probe = (template: string) => new MaildirBackend('maildir:x', template, { hostName: 'h' }).probe();
    assert.equal(await probe(join(root, 'one')), undefined);
    assert.deepEqual((await readdir(join(root, 'one'))).sort(), ['cur', 'new', 'tmp']);
    assert.equal(await probe(join(root, '{user}', 'Maildir')), undefined);
    assert.equal((await probe(join(root, 'missing', '{user}')))?.kind, 'unreachable');
    assert.deepEqual(await readdir(root), ['one']);
  });
});

describe('the folder of a recipient', () => {
  const cases: readonly [string, string, string, string | undefined][] = [
    ['/m/{user}/Maildir', 'Bob', 'x.example', '/m/bob/Maildir'],
    ['/m/{user}/Maildir', 'bob+a+b', 'x.example', '/m/bob/Maildir'],
    ['/m/{domain}/{user}', 'o.k_-=', 'x.example', '/m/x.example/o.k_-='],
    ['/m/{user}/Maildir', "$&$'", 'x.example', undefined],
    ['/m/{user}/Maildir', "a$&$'", 'x.example', "/m/a$&$'/Maildir"],
    ['/m/all', '../../etc', 'x.example', '/m/all'],
    ['/m/{user}', '..', 'x.example', undefined],
    ['/m/{user}', '.hidden', 'x.example', undefined],
    ['/m/{user}', 'a/b', 'x.example', undefined],
    ['/m/{user}', 'a\0b', 'x.example', undefined],
    ['/m/{user}', 'a\nb', 'x.example', undefined],
    ['/m/{user}', '+bob', 'x.example', undefined],
    ['/m/{user}', '', 'x.example', undefined],
    ['/m/{user}', 'bób', 'x.example', undefined],
    ['/m/{user}', 'x'.repeat(64), 'x.example', `/m/${'x'.repeat(64)}`],
    ['/m/{user}', 'x'.repeat(65), 'x.example', undefined],
    ['/m/{user}', '{domain}', 'x.example', undefined],
    ['/m/{domain}/x', 'bob', '', undefined],
    ['/m/{domain}/x', 'bob', '[192.0.2.1]', undefined],
    ['/m/{domain}/x', 'bob', '..', undefined],
  ];
  for (const [template, local, domain, folder] of cases) {
    it(`${template} for ${JSON.stringify(local)} at ${JSON.stringify(domain)}`, () => {
      assert.equal(maildirPlace(template, { local, domain })?.folder, folder);
    });
  }

  it('must exist up to the component of the last placeholder', () => {
    assert.equal(maildirPlace('/m/{domain}/x-{user}/a/b', BOB)?.mustExist, '/m/example.org/x-bob');
    assert.equal(maildirPlace('/m/all', BOB)?.mustExist, undefined);
  });

  it('never leaves the template, whatever is asked for', () => {
    const hostile = fc.string({ unit: fc.constantFrom('.', '/', '\\', '\0', '+', 'a', 'B', '%', '$', '~') });
    fc.assert(
      fc.property(hostile, hostile, (local, domain) => {
        const folder = maildirPlace('/m/{domain}/{user}/Maildir', { local, domain })?.folder;
        assert.ok(folder === undefined || /^\/m\/[^/.\0][^/\0]*\/[^/.\0][^/\0]*\/Maildir$/.test(folder));
      }),
    );
  });
});
