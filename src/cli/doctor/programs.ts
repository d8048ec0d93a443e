/** What the mail server's own programs say of its configuration. They read, and change nothing. */
import { execFile } from 'node:child_process';
import { readPostfix, type PostfixSettings } from './postconf.ts';
import type { User } from './socket-way.ts';

const TIMEOUT_MS = 20_000;
const MAX_OCTETS = 16 * 1024 * 1024;
// Where postconf lies is not on every user's path.
const SBIN = '/usr/sbin:/usr/local/sbin:/sbin';

/** Or why it cannot be read, in a sentence. */
export async function readPostfixFolder(dir: string): Promise<PostfixSettings | string> {
  try {
    const [main, services, overrides] = await Promise.all([
      run('postconf', ['-c', dir, '-x']),
      run('postconf', ['-c', dir, '-M']),
      run('postconf', ['-c', dir, '-x', '-P']),
    ]);
    return readPostfix(dir, { main, services, overrides });
  } catch (error) {
    return reasonOf(error);
  }
}

/** The user that Postfix's daemons run under; undefined where the system does not know it. */
export async function readUser(name: string): Promise<User | undefined> {
  if (!/^[A-Za-z0-9_][\w.-]*$/.test(name)) return undefined;
  try {
    const [uid, gids] = await Promise.all([run('id', ['-u', name]), run('id', ['-G', name])]);
    return { name, uid: Number(uid), gids: gids.trim().split(/\s+/).map(Number) };
  } catch {
    return undefined;
  }
}

function run(program: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${SBIN}`, LC_ALL: 'C' };
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, timeout: TIMEOUT_MS, maxBuffer: MAX_OCTETS }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else
        reject(
          new Error(
            error.code === 'ENOENT' ? `${program} is not installed here` : stderr.trim() || error.message,
          ),
        );
    });
  });
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
