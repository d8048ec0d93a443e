import type { Output } from './log.ts';

// A burst does not wait longer than this for its write.
const MAX_WAITING_CHARACTERS = 65_536;
// What a reader of the log that has stopped reading can make us hold.
const MAX_UNREAD_OCTETS = 1_048_576;
// Nobody who reads along sees it, and a busy gate saves a system call for each session.
const WRITE_AFTER_MS = 20;

/**
 * Writes the lines of a moment with one call: a write for each costs a busy gate more than its verdicts. What waits when the
 * process ends, or falls over its own fault, is written then; only a kill loses the moment's lines, which the journal is there for.
 */
export function gathered(output: Output): Output {
  let waiting = '';
  let lost = 0;
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
      if ((output.writableLength ?? 0) > MAX_UNREAD_OCTETS) {
        lost++;
        return;
      }
      if (lost > 0) {
        text = `{"level":"error","msg":"log lines lost, for nobody read them","lines":${lost}}\n${text}`;
        lost = 0;
      }
      if (waiting === '') setTimeout(flush, WRITE_AFTER_MS);
      waiting += text;
      if (waiting.length > MAX_WAITING_CHARACTERS) flush();
    },
  };
}
