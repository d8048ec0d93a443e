import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gathered } from './gathered-output.ts';

describe('gathered output', () => {
  it('writes the lines of a moment with one call, in their order', async () => {
    const written: string[] = [];
    const output = gathered({ write: (text) => written.push(text) });
    for (const line of ['a\n', 'b\n', 'c\n']) output.write(line);
    assert.deepEqual(written, []);
    while (written.length === 0) await sleep(5);
    assert.deepEqual(written, ['a\nb\nc\n']);
  });

  it('does not let a burst wait', () => {
    const written: string[] = [];
    gathered({ write: (text) => written.push(text) }).write('x'.repeat(65_537));
    assert.equal(written.length, 1);
  });

  it('holds a bounded amount for a reader that has stopped, and tells how many lines that cost', async () => {
    const written: string[] = [];
    const reader = { writableLength: 1_048_577, write: (text: string) => written.push(text) };
    const output = gathered(reader);
    output.write('lost\n');
    output.write('lost\n');
    await sleep(40);
    assert.deepEqual(written, []);
    reader.writableLength = 1_048_576;
    output.write('read\n');
    while (written.length === 0) await sleep(5);
    assert.deepEqual(written, [
      '{"level":"error","msg":"log lines lost, for nobody read them","lines":2}\nread\n',
    ]);
  });
});
