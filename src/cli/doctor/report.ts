/** What was found, for people: 100 columns wide, harmless whatever stands in it. */
import { harmless } from '../../adapters/harmless.ts';
import type { Paint } from '../../adapters/paint.ts';
import type { Told } from './told.ts';

const COLUMNS = 100;
const INDENT = 8;
const COLOURS = { well: 'green', note: 'yellow', wrong: 'red' } as const;

export function formatReport(told: readonly Told[], paint: Paint): string {
  const lines: string[] = [];
  for (const [about, ofIt] of Map.groupBy(told, (one) => one.about)) {
    lines.push(paint('bold', cut(harmless(about), COLUMNS)));
    for (const { state, text, remedy } of ofIt) {
      const [first = '', ...more] = wrapped(harmless(text), COLUMNS - INDENT);
      lines.push(`  ${paint(COLOURS[state], state.padEnd(INDENT - 3))} ${first}`);
      for (const line of more) lines.push(' '.repeat(INDENT) + line);
      if (remedy === undefined) continue;
      for (const [i, line] of wrapped(harmless(remedy), COLUMNS - INDENT - 4).entries())
        lines.push(`${' '.repeat(INDENT)}${i === 0 ? 'do: ' : '    '}${line}`);
    }
  }
  return [...lines, '', summaryOf(told)].map((line) => `${line}\n`).join('');
}

function summaryOf(told: readonly Told[]): string {
  const count = (state: Told['state']): number => told.filter((one) => one.state === state).length;
  const wrong = count('wrong');
  const notes = count('note');
  const noted = notes === 0 ? '' : `, ${notes} to note`;
  return `${wrong === 0 ? 'All is well' : `${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong`}${noted}.`;
}

/** Broken at spaces; a word that is longer than a line in the midst. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  return [...lines, line];
}

const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);
