import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openJournal } from '../adapters/journal/sqlite.ts';
import type { Config } from '../config/config.ts';
import type { Journal } from '../core/decision.ts';
import { CommandError, EX_NOINPUT } from './exit.ts';

/** Lends the journal that the gate writes, also while it does. A reader neither makes one nor brings one up to date. */
export async function withJournal<T>(
  config: Pick<Config, 'dataDir'>,
  read: (journal: Journal) => Promise<T>,
): Promise<T> {
  const file = join(config.dataDir, 'journal.sqlite');
  if (!existsSync(file))
    throw new CommandError(
      `${file}: there is no journal yet; has the gate run with this data_dir?`,
      EX_NOINPUT,
    );
  let journal: Journal;
  try {
    journal = openJournal(file, { readOnly: true });
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error), EX_NOINPUT);
  }
  try {
    return await read(journal);
  } finally {
    await journal.close();
  }
}
