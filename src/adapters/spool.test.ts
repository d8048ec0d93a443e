import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, readdir, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { MessageContent } from '../core/delivery.ts';
import { Spools, type Spool } from './spool.ts';

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-spool-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function finish(spool: Spool): Promise<MessageContent> {
  const content = await spool.finish();
  if ('kind' in content) assert.fail(JSON.stringify(content));
  return content;
}

async function read(content: MessageContent): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a spool', () => {
  it('keeps what was appended, in memory or in a file, and gives it back twice', async (t) => {
    const directory = join(await temporary(t), 'data', 'spool');
    const spools = new Spools({ directory, memoryBoundOctets: 10_000, maxMemoryOctets: 1_000_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 30 }),
        fc.boolean(),
        async (sizes, waits) => {
          const spool = spools.create();
          const chunks = sizes.map((size, i) => Buffer.alloc(size, i + 1));
          for (const chunk of chunks) {
            const copy = Buffer.from(chunk);
            const pressure = spool.append(copy);
            copy.fill(0);
            if (waits) await pressure;
          }
          const content = await finish(spool);
          const whole = Buffer.concat(chunks);
          assert.equal(content.sizeOctets, whole.length);
          assert.equal(spool.inMemory, whole.length <= 10_000);
          assert.ok(whole.equals(await read(content)));
          assert.ok(whole.equals(await read(content)));
          spool.dispose();
          assert.equal(spools.usedMemoryOctets, 0);
        },
      ),
      { numRuns: 60 },
    );
    assert.deepEqual(await readdir(directory), []);
  });

  it('stays in memory at the bound and touches the disk one octet above it', async (t) => {
    const directory = join(await temporary(t), 'spool');
    const spools = new Spools({ directory, memoryBoundOctets: 5000, maxMemoryOctets: 1_000_000 });
    const below = spools.create();
    assert.equal(below.append(Buffer.alloc(5000)), undefined);
    await finish(below);
    await assert.rejects(readdir(directory));
    const above = spools.create();
    const pressure = above.append(Buffer.alloc(5001));
    assert.ok(pressure instanceof Promise);
    await pressure;
    await finish(above);
    // Unlinked already: it dies with the process.
    assert.deepEqual(await readdir(directory), []);
    below.dispose();
    above.dispose();
  });

  it('costs little more than the message when that comes octet by octet', async (t) => {
    const spools = new Spools({
      directory: await temporary(t),
      memoryBoundOctets: 100_000,
      maxMemoryOctets: 1_000_000,
    });
    const spool = spools.create();
    for (let i = 0; i < 50_000; i++) assert.equal(spool.append(Buffer.of(i & 255)), undefined);
    assert.ok(spools.usedMemoryOctets < 2 * 50_000 + 4096, String(spools.usedMemoryOctets));
    assert.equal((await read(await finish(spool)))[49_999], 49_999 & 255);
    spool.dispose();
  });

  it('goes to a file at once where all spools together have used up the memory', async (t) => {
    const spools = new Spools({
      directory: await temporary(t),
      memoryBoundOctets: 100_000,
      maxMemoryOctets: 10_000,
    });
    const [first, second] = [spools.create(), spools.create()];
    await first.append(Buffer.alloc(4096));
    await second.append(Buffer.alloc(4096));
    const third = spools.create();
    await third.append(Buffer.alloc(4096, 3));
    assert.deepEqual([first.inMemory, second.inMemory, third.inMemory], [true, true, false]);
    assert.ok(spools.usedMemoryOctets <= 10_000);
    assert.deepEqual(await read(await finish(third)), Buffer.alloc(4096, 3));
    for (const spool of [first, second, third]) spool.dispose();
    assert.equal(spools.usedMemoryOctets, 0);
    assert.ok(spools.create().inMemory);
  });

  it('may be disposed of at any moment', async (t) => {
    const directory = await temporary(t);
    const spools = new Spools({ directory, memoryBoundOctets: 10, maxMemoryOctets: 1_000_000 });
    const spool = spools.create();
    const pressure = spool.append(Buffer.alloc(100_000));
    spool.dispose();
    spool.dispose();
    await pressure;
    assert.equal(spool.append(Buffer.alloc(100_000)), undefined);
    assert.deepEqual(await spool.finish(), { kind: 'failed', reason: 'the spool was disposed of' });
    assert.equal(spools.usedMemoryOctets, 0);
    assert.deepEqual(await readdir(directory), []);
  });

  it('says when it cannot write, and drops the rest of the message', async (t) => {
    const file = join(await temporary(t), 'file');
    await writeFile(file, '');
    const spool = new Spools({ directory: file, memoryBoundOctets: 10, maxMemoryOctets: 1_000_000 }).create();
    await spool.append(Buffer.alloc(100_000));
    assert.equal(spool.failure?.kind, 'failed');
    assert.equal(spool.append(Buffer.alloc(100_000)), undefined);
    assert.equal(((await spool.finish()) as { kind: string }).kind, 'failed');
    spool.dispose();
  });

  describe('on a disk that hangs', () => {
    const limits = { memoryBoundOctets: 10, maxMemoryOctets: 1_000_000, timeoutMs: 30 };

    for (const at of ['open', 'write', 'read'] as const) {
      it(`fails in time: ${at}`, async (t) => {
        const directory = await temporary(t);
        let end = (): void => undefined;
        const ended = new Promise<void>((resolve) => (end = resolve));
        let file: FileHandle | undefined;
        const spools = new Spools({
          ...limits,
          directory,
          open: async () => {
            const path = join(directory, 'spool');
            if (at === 'open') await ended;
            file = await open(path, 'w+');
            if (at === 'open') return file;
            const call = file[at].bind(file) as (...args: unknown[]) => Promise<never>;
            file[at] = async (...args: unknown[]) => {
              await ended;
              return call(...args);
            };
            return file;
          },
        });
        const spool = spools.create();
        await spool.append(Buffer.alloc(100_000));
        const trouble = 'the disk did not answer in time';
        if (at === 'read') {
          const content = await finish(spool);
          await assert.rejects(read(content), { message: trouble });
        } else {
          assert.deepEqual(await spool.finish(), { kind: 'failed', reason: trouble });
          assert.equal(spool.append(Buffer.alloc(100_000)), undefined);
        }
        spool.dispose();
        assert.equal(spools.usedMemoryOctets, 0);
        end();
        // Whatever was late, its file is closed in the end.
        while (file === undefined || file.fd !== -1) await new Promise(setImmediate);
      });
    }
  });

  it('knows a full disk from other trouble', async (t) => {
    const directory = await temporary(t);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' });
    } catch {
      t.skip('may not mount a tmpfs');
      return;
    }
    try {
      const spools = new Spools({ directory, memoryBoundOctets: 1000, maxMemoryOctets: 1_000_000 });
      const spool = spools.create();
      await spool.append(Buffer.alloc(500_000));
      assert.deepEqual(await spool.finish(), { kind: 'disk-full' });
      assert.equal(spools.usedMemoryOctets, 0);
      spool.dispose();
    } finally {
      execFileSync('umount', ['-l', directory]);
    }
  });
});
