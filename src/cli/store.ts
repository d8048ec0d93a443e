import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type State } from '../adapters/store/sqlite.ts';
import type { Config } from '../config/config.ts';
import { asOwnerOf } from './as-owner.ts';
import { CommandError, EX_NOINPUT } from './exit.ts';

// A gate holds the file for milliseconds; an operator can wait for that.
const WAIT_MS = 5000;

/** Lends the store that the gate writes, also while it does. A command does not make it: it would belong to whoever ran the command. */
export function withStore<T>(
  { dataDir }: Pick<Config, 'dataDir'>,
  to: 'read' | 'write',
  use: (store: State) => T,
): T {
  const file = join(dataDir, 'store.sqlite');
  if (!existsSync(file))
    throw new CommandError(
      `${file}: there is no store yet; has the gate run with this data_dir?`,
      EX_NOINPUT,
    );
  return asOwnerOf(dataDir, () => lend(file, to, use));
}

function lend<T>(file: string, to: 'read' | 'write', use: (store: State) => T): T {
  let store: State;
  try {
    store = openStore(file, { waitMs: WAIT_MS, readOnly: to === 'read', guest: true });
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error), EX_NOINPUT);
  }
  try {
    const used = use(store);
    // Throws where it cannot be written: closing would keep that to itself.
    store.commit();
    return used;
  } catch (error) {
    throw new CommandError(`${file}: ${error instanceof Error ? error.message : String(error)}`, EX_NOINPUT);
  } finally {
    store.close();
  }
}
