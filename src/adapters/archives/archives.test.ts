import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { mailWith, PROGRAM, zipOf } from '../../../test/attached.ts';
import { messagePort } from '../../../test/fakes/ask.ts';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import type { ArchiveQuestion, ArchivesSettings } from '../../core/archives.ts';
import type { SignatureRule } from '../../mail/signatures.ts';
import { Archives } from './archives.ts';

const BOUNDS = { depth: 8, entries: 1000, unpackedOctets: 104_857_600, ratio: 500, timeMs: 20_000 };
const HIDDEN = { name: 'photo.jpg', octets: PROGRAM };

function open(t: Cleanup, settings: Partial<ArchivesSettings> = {}, rules: readonly SignatureRule[] = []) {
  const archives = new Archives({ atOnce: 1, maxWaiting: 10, waitMs: 20_000, ...settings }, rules);
  onEnd(t, () => archives.close());
  return archives;
}

function about(message: Buffer, changes: Partial<ArchiveQuestion> = {}): ArchiveQuestion {
  const { content } = messagePort(message, 1000);
  return { client: '192.0.2.0/24', content, parts: ['1.2'], bounds: BOUNDS, extensions: ['exe'], ...changes };
}
const never = new AbortController().signal;

describe('threads that look into archives', () => {
  it('tell of what is in the parts they are asked about', async (t) => {
    const message = mailWith(
      { name: 'a.zip', octets: zipOf([HIDDEN]) },
      { name: 'b.zip', octets: zipOf([HIDDEN]) },
    );
    assert.deepEqual(await open(t).look(about(message), never), {
      kind: 'looked',
      files: [{ within: ['a.zip'], name: 'photo.jpg', type: 'pe' }],
      troubles: [],
      signatures: [],
      entries: 1,
    });
  });

  it('match signatures in every place', async (t) => {
    const rules: SignatureRule[] = [
      { name: 'raw', place: 'raw', pattern: 'boundary=xyz' },
      { name: 'header', place: 'header', pattern: '(?m)^Subject: Files' },
      { name: 'text', place: 'text', pattern: 'See the file' },
      { name: 'file', place: 'file', pattern: 'PE\\x00\\x00' },
      { name: 'name', place: 'name', pattern: '^photo' },
      { name: 'not-header', place: 'header', pattern: 'See the file' },
      { name: 'not-text', place: 'text', pattern: 'PE\\x00' },
    ];
    const archives = open(t, {}, rules);
    assert.equal(archives.rules, 7);
    const attached = await archives.look(about(mailWith(HIDDEN), { parts: [] }), never);
    assert.ok(attached.kind === 'looked');
    assert.deepEqual([...attached.signatures].sort(), ['file', 'header', 'name', 'raw', 'text']);
    const packed = await archives.look(about(mailWith({ name: 'a.zip', octets: zipOf([HIDDEN]) })), never);
    assert.ok(packed.kind === 'looked');
    assert.deepEqual([...packed.signatures].sort(), ['file', 'header', 'name', 'raw', 'text']);
    const none = await archives.look(
      about(Buffer.from('From: a@b.example\r\n\r\nHi\r\n'), { parts: [] }),
      never,
    );
    assert.deepEqual(none.kind === 'looked' && none.signatures, []);
  });

  it('are ended when they are late, and the next message gets a new one', async (t) => {
    const question = about(mailWith({ name: 'a.zip', octets: zipOf([HIDDEN]) }));
    const archives = new Archives({ atOnce: 1, maxWaiting: 0, waitMs: 0 }, [], 0);
    onEnd(t, () => archives.close());
    const bounds = { ...BOUNDS, timeMs: 1 };
    // It has no time even to start.
    assert.deepEqual(await archives.look({ ...question, bounds }, never), {
      kind: 'failed',
      reason: 'its thread did not start in time',
    });
    assert.equal((await archives.look(question, never)).kind, 'looked');
    // Its octets never end.
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const content = {
      sizeOctets: 1,
      async *chunks() {
        yield Buffer.from('From: a@b.example\r\n');
        await promise;
      },
    };
    const late = archives.look({ ...question, bounds, content }, never);
    setTimeout(() => resolve(undefined), 50);
    const answer = await late;
    assert.ok(answer.kind === 'looked');
    assert.deepEqual(answer.troubles, [
      { kind: 'too-much', name: '', within: [], why: 'it takes longer than 1 ms' },
    ]);
    const next = await archives.look(question, never);
    assert.equal(next.kind === 'looked' && next.files.length, 1);
  });

  it('stop by themselves when their time is over', async (t) => {
    const zeros = gzipSync(Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), Buffer.alloc(2_000_000)]));
    const many = zipOf(
      Array.from({ length: 900 }, (_, i) => ({ name: `${i}.gz`, octets: zeros, method: 0 })),
    );
    const archives = open(t);
    await archives.look(about(mailWith()), never);
    const bounds = { ...BOUNDS, timeMs: 20, unpackedOctets: 1_073_741_824 };
    const stopped = await archives.look(about(mailWith({ name: 'a.zip', octets: many }), { bounds }), never);
    assert.ok(stopped.kind === 'looked' && stopped.entries < 900);
    assert.ok(stopped.troubles.some(({ kind }) => kind === 'too-much'));
  });

  it('wait their turn, so many and no more', async (t) => {
    const archives = open(t, { maxWaiting: 1 });
    const question = about(mailWith({ name: 'a.zip', octets: zipOf([HIDDEN]) }));
    const answers = await Promise.all([1, 2, 3].map(() => archives.look(question, never)));
    assert.deepEqual(
      answers.map(({ kind }) => kind),
      ['looked', 'looked', 'busy'],
    );
  });

  it('are left to others by a network that has half of them', async (t) => {
    const archives = open(t, { atOnce: 2, maxWaiting: 1, waitMs: 20_000 });
    const message = mailWith({ name: 'a.zip', octets: zipOf([HIDDEN]) });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const content = {
      sizeOctets: message.length,
      async *chunks() {
        await promise;
        yield message;
      },
    };
    const slow = [1, 2, 3].map(() => archives.look(about(message, { content }), never));
    const other = await archives.look(about(message, { client: '198.51.100.0/24' }), never);
    assert.equal(other.kind, 'looked');
    resolve(undefined);
    assert.deepEqual(
      (await Promise.all(slow)).map(({ kind }) => kind),
      ['looked', 'looked', 'busy'],
    );
  });

  it('that cannot start are no fault of the message', async (t) => {
    const archives = open(t, {}, [{ name: 'x', place: 'file', pattern: '(' }]);
    const message = mailWith({ name: 'a.zip', octets: zipOf([HIDDEN]) });
    assert.equal((await archives.look(about(message), never)).kind, 'failed');
  });

  it('tell of a program behind many scripts', async (t) => {
    const scripts = Array.from({ length: 20 }, (_, i) => ({ name: `${i}`, octets: '#!/bin/sh\n' }));
    const zip = zipOf([...scripts, { name: 'a.exe', octets: 'x' }]);
    const answer = await open(t).look(about(mailWith({ name: 'a.zip', octets: zip })), never);
    assert.ok(answer.kind === 'looked');
    assert.equal(answer.files.length, 13);
    assert.equal(answer.files.at(-1)?.name, 'a.exe');
  });

  it('look at each archive, however much there is in the one before', async (t) => {
    const many = zipOf(Array.from({ length: 11 }, (_, i) => ({ name: `${i}`, octets: '' })));
    const message = mailWith(
      { name: 'a.zip', octets: many },
      { name: 'b.zip', octets: zipOf([{ name: 'a.exe', octets: 'x' }]) },
    );
    const bounds = { ...BOUNDS, entries: 10 };
    const answer = await open(t).look(about(message, { parts: ['1.2', '1.3'], bounds }), never);
    assert.ok(answer.kind === 'looked');
    assert.deepEqual(
      [answer.troubles.map(({ kind }) => kind), answer.files.map(({ name }) => name)],
      [['too-much'], ['a.exe']],
    );
  });

  it('end with the signal, waiting or at work', async (t) => {
    const archives = open(t);
    const controller = new AbortController();
    const question = about(mailWith({ name: 'a.zip', octets: zipOf([HIDDEN]) }));
    const answers = [archives.look(question, controller.signal), archives.look(question, controller.signal)];
    controller.abort();
    for (const answer of await Promise.all(answers)) assert.equal(answer.kind, 'failed');
    assert.equal((await archives.look(question, never)).kind, 'looked');
  });

  it('fail with the spool', async (t) => {
    const archives = open(t);
    const content = {
      sizeOctets: 10,
      async *chunks() {
        yield Buffer.from('From: a@b.example\r\n');
        throw new Error('the disk is gone');
      },
    };
    assert.deepEqual(await archives.look(about(Buffer.alloc(0), { content }), never), {
      kind: 'failed',
      reason: 'the disk is gone',
    });
    assert.equal((await archives.look(about(mailWith()), never)).kind, 'looked');
  });

  it('leave the spool its octets', async (t) => {
    const archives = open(t);
    const message = mailWith({ name: 'a.zip', octets: zipOf([HIDDEN]) });
    const copy = Buffer.from(message);
    await archives.look(about(message), never);
    assert.deepEqual(message, copy);
  });
});
