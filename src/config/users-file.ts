import { readFileSync } from 'node:fs';
import { isPasswordHash } from '../core/password-hash.ts';
import type { Problem } from './problems.ts';

/** Lines of `user:$scrypt$…`; what stands behind the colon is never shown, not even in a complaint. */
export function readUsersFile(file: string): {
  users: ReadonlyMap<string, string>;
  problems: readonly Problem[];
} {
  const users = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const colon = text.indexOf(':');
    const user = text.slice(0, colon);
    const complain = (message: string) => problems.push({ file, line: i + 1, key: '', message });
    if (colon < 1 || !isPasswordHash(text.slice(colon + 1))) {
      complain('wants user:$scrypt$N$r$p$SALT$HASH; `postern hash-password USER` makes such a line');
    } else if (users.has(user)) complain(`the user ${JSON.stringify(user)} stands here twice`);
    else users.set(user, text.slice(colon + 1));
  }
  return { users, problems };
}
