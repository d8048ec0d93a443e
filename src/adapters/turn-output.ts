import type { Output } from './log.ts';

// A burst in one turn does not wait longer than this for its write.
const MAX_WAITING_CHARACTERS = 65_536;

/**
 * Writes what one turn of the event loop says with one call: a write for each line costs a busy gateway more than its
 * verdicts. What waits when the process ends, or falls over its own fault, is written then.
 */
export function byTurn(output: Output): Output {
  let waiting = '';
  const flush = (): void => {
    if (waiting === '') return;
    const text = waiting;
    waiting = '';
    output.write(text);
  };
  process.on('exit', flush);
  return {
    isTTY: output.isTTY === true,
    write: (text) => {
      if (waiting === '') setImmediate(flush);
      waiting += text;
      if (waiting.length > MAX_WAITING_CHARACTERS) flush();
    },
  };
}
