import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDesk } from '../adapters/desk/sqlite.ts';
import type { Config } from '../config/config.ts';
import type { Desk } from '../core/desk.ts';

/** Where there is one: a command does not make it, for it would belong to whoever ran the command. */
export function existingDesk({ dataDir }: Pick<Config, 'dataDir'>): Desk | undefined {
  const file = join(dataDir, 'desk.sqlite');
  return existsSync(file) ? openDesk(file) : undefined;
}
