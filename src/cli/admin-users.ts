/** Who may log in to the dashboard: the users file, read anew when it changes, and written by `postern admin set-password`. */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Credentials, hashPassword } from '../adapters/credentials.ts';
import { openDesk } from '../adapters/desk/sqlite.ts';
import { makeFolder } from '../adapters/folder.ts';
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/problems.ts';
import { readUsersFile } from '../config/users-file.ts';
import { CommandError, EX_CONFIG, EX_NOINPUT } from './exit.ts';
import { inPlainWords } from './plain-words.ts';

/** Whether the file has changed is asked once in this time. */
const LOOK_EVERY_MS = 1_000;

export class AdminUsers {
  readonly #file: () => string | undefined;
  readonly #onTrouble: (error: unknown) => void;
  /** A password is another one now, or the user is gone. */
  readonly #onChanged: (user: string) => void;
  #users: ReadonlyMap<string, string> = new Map();
  #names: ReadonlySet<string> = new Set();
  #credentials = new Credentials(new Map());
  #stamp = 'never read';
  #lookedMs = -Infinity;

  constructor(
    file: () => string | undefined,
    on: { readonly trouble: (error: unknown) => void; readonly changed: (user: string) => void },
  ) {
    this.#file = file;
    this.#onTrouble = on.trouble;
    this.#onChanged = on.changed;
  }

  names(): ReadonlySet<string> {
    this.#look();
    return this.#names;
  }

  async verify(user: string, password: string, network: string): Promise<'ok' | 'wrong' | 'unavailable'> {
    this.#look();
    const outcome = await this.#credentials.verify(user, password, network);
    return outcome === 'too-many' ? 'unavailable' : outcome;
  }

  #look(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS) return;
    this.#lookedMs = nowMs;
    const file = this.#file();
    const stamp = `${file} ${stampOf(file)}`;
    if (stamp === this.#stamp) return;
    const isFirst = this.#stamp === 'never read';
    this.#stamp = stamp;
    try {
      const { users, problems } =
        file !== undefined && existsSync(file)
          ? readUsersFile(file)
          : { users: new Map<string, string>(), problems: [] };
      for (const problem of problems) this.#onTrouble(formatProblem(problem));
      const before = this.#users;
      this.#users = users;
      this.#names = new Set(users.keys());
      this.#credentials = new Credentials(users);
      if (isFirst) return;
      for (const [user, hash] of before) if (users.get(user) !== hash) this.#onChanged(user);
    } catch (error) {
      // Those who were known stay so.
      this.#onTrouble(error);
    }
  }
}

function stampOf(file: string | undefined): string {
  if (file === undefined) return '';
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? 'none' : `${found.ino}:${found.size}:${found.mtimeMs}`;
}

export const SHORTEST_PASSWORD = 10;

export interface SetPassword {
  readonly user: string;
  readonly password: string;
}

/** Writes the line of the user, and ends its sessions. Says in words what it did. */
export async function setPassword(config: Config, { user, password }: SetPassword): Promise<string> {
  const { dashboard } = config.admin;
  if (dashboard === undefined)
    throw new CommandError(
      `${config.file} has no table [admin], so there is no dashboard; add one first`,
      EX_CONFIG,
    );
  if (!/^[^:\s#]{1,100}$/.test(user)) throw new CommandError('a user name has no colon, space or #');
  if (Array.from(password).length < SHORTEST_PASSWORD)
    throw new CommandError(`the password is too short: it wants ${SHORTEST_PASSWORD} characters at least`, 1);
  try {
    makeDataFolder(config.dataDir);
    const isNew = await writeUser(dashboard.usersFile, config.dataDir, user, password);
    endSessions(config.dataDir, user);
    return `${user} ${isNew ? 'can log in now' : 'has a new password, and is logged out everywhere'}; it is in ${dashboard.usersFile}`;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(inPlainWords(error), EX_NOINPUT);
  }
}

/** What root makes belongs to root, and the gate could not write there. */
function makeDataFolder(dataDir: string): void {
  if (existsSync(dataDir)) return;
  if (process.getuid?.() === 0)
    throw new CommandError(
      `${dataDir}: there is no such folder yet; start the gate once, or run this as its user`,
      EX_NOINPUT,
    );
  makeFolder(dataDir, 0o750);
}

async function writeUser(file: string, dataDir: string, user: string, password: string): Promise<boolean> {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  if (lines.at(-1) === '') lines.pop();
  const line = `${user}:${await hashPassword(password)}`;
  const at = lines.findIndex((text) => text.trim().startsWith(`${user}:`));
  if (at < 0) lines.push(line);
  else lines[at] = line;
  // Beside it, so that whoever reads finds the old file or the new one, and never half of it.
  const beside = join(dirname(file), `.admin-users-${process.pid}`);
  const fd = openSync(beside, 'wx', 0o600);
  try {
    writeSync(fd, `${lines.join('\n')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  try {
    chmodSync(beside, 0o600);
    // The gate's user has to read it.
    if (process.getuid?.() === 0) {
      const { uid, gid } = statSync(dataDir);
      chownSync(beside, uid, gid);
    }
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  return at < 0;
}

function endSessions(dataDir: string, user: string): void {
  const file = join(dataDir, 'desk.sqlite');
  if (!existsSync(file)) return;
  const desk = openDesk(file);
  try {
    desk.logins.endAll(user);
  } finally {
    desk.close();
  }
}
