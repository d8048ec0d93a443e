import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WriteStream } from 'node:tty';
import { LADDER } from '../../checks/ladder.ts';
import type { Decision, Step } from '../../core/decision.ts';
import { LadderTable } from './table.ts';

/** A terminal of which only the size and what is written matter. */
function terminal(rows: number, columns: number) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  return { written, out: { isTTY: true, rows, columns, write } as unknown as WriteStream };
}

function refusedBy(check: string): Decision {
  const step: Pick<Step, 'check' | 'tookMs'> = { check, tookMs: 1 };
  return { outcome: 'refused', check, steps: [step] } as unknown as Decision;
}

// What moves the cursor and what colours.
const plain = (text: string) => text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '');
const lines = (text: string | undefined) =>
  plain(text ?? '')
    .trimEnd()
    .split('\n');

for (const rows of [24, 50]) {
  it(`keeps to a terminal of ${rows} rows and 100 columns, and ends with the whole table`, () => {
    const { written, out } = terminal(rows, 100);
    const table = new LadderTable(LADDER, out);
    table.add(refusedBy('spf'));
    const live = lines(written.at(-1));
    assert.ok(live.length < rows, `${live.length} lines`);
    assert.ok(
      live.some((line) => /^dns-chain +spf +1 +1 +1\.00$/.test(line)),
      live.join('\n'),
    );
    assert.ok(live.every((line) => line.length <= 100));
    table.end();
    const whole = lines(written.at(-1));
    for (const { name } of LADDER)
      assert.ok(
        whole.some((line) => line.includes(` ${name} `)),
        name,
      );
  });
}

it('cuts the status where the terminal ends', () => {
  const { written, out } = terminal(40, 50);
  const table = new LadderTable(LADDER, out);
  table.progress(1, 2, 'a sender of a long name that goes on for longer than the terminal is wide');
  assert.equal(lines(written.at(-1)).at(-1)?.length, 49);
});
