import type { Output } from './log.ts';

// A burst does not wait longer than this for its write.
const MAX_WAITING_CHARACTERS = 65_536;
// Nobody who reads along sees it, and a busy gate saves a system call for each session.
const WRITE_AFTER_MS = 20;

/**
 * Writes the lines of a moment with one call: a write for each costs a busy gate more than its verdicts. What waits when the
 * process ends, or falls over its own fault, is written then; only a kill loses the moment's lines, which the journal is there for.
 */
export function gathered(output: Output): Output {
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
      if (waiting === '') setTimeout(flush, WRITE_AFTER_MS);
      waiting += text;
      if (waiting.length > MAX_WAITING_CHARACTERS) flush();
    },
  };
}
