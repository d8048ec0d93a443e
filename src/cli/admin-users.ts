/** Who may log in to the dashboard: the users file, read anew when it changes, and written by `postern admin set-password`. */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Credentials, hashPassword } from '../adapters/credentials.ts';
import { makeFolder } from '../adapters/folder.ts';
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/problems.ts';
import { readUsersFile } from '../config/users-file.ts';
import { asOwnerOf } from './as-owner.ts';
import { existingDesk } from './existing-desk.ts';
import { CommandError, EX_CONFIG, EX_NOINPUT } from './exit.ts';
import { inPlainWords } from './plain-words.ts';

/** Whether the file has changed is asked once in this time. */
const LOOK_EVERY_MS = 1_000;

export class AdminUsers {
  readonly #file: () => string | undefined;
  readonly #onTrouble: (error: unknown) => void;
  /** A password is another one now, or the user is gone. */
  readonly #onChanged: (user: string) => void;
  readonly #nowMs: () => number;
  #users: ReadonlyMap<string, string> = new Map();
  #fingerprints: ReadonlyMap<string, string> = new Map();
  #credentials = new Credentials(new Map());
  #stamp = 'never read';
  #lookedMs = -Infinity;

  constructor(
    file: () => string | undefined,
    on: { readonly trouble: (error: unknown) => void; readonly changed: (user: string) => void },
    nowMs: () => number = () => performance.now(),
  ) {
    this.#file = file;
    this.#nowMs = nowMs;
    this.#onTrouble = on.trouble;
    this.#onChanged = on.changed;
  }

  /** Each user, and what tells its password from another one. */
  fingerprints(): ReadonlyMap<string, string> {
    this.#look();
    return this.#fingerprints;
  }

  async verify(
    user: string,
    password: string,
    network: string,
  ): Promise<{ readonly fingerprint: string } | 'wrong' | 'unavailable'> {
    this.#look();
    // While this one waits for its turn the file may change: the fingerprint is that of the hash which is looked at.
    const fingerprint = this.#fingerprints.get(user) ?? '';
    const outcome = await this.#credentials.verify(user, password, network);
    if (outcome === 'ok') return { fingerprint };
    return outcome === 'wrong' ? 'wrong' : 'unavailable';
  }

  #look(): void {
    const nowMs = this.#nowMs();
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
      this.#fingerprints = new Map([...users].map(([user, hash]) => [user, fingerprintOf(hash)]));
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

/** Each hash has a salt of its own: the same password, set again, has another fingerprint. */
const fingerprintOf = (hash: string): string =>
  createHash('sha256').update(hash).digest('base64url').slice(0, FINGERPRINT_CHARACTERS);
/** 132 bits. */
const FINGERPRINT_CHARACTERS = 22;

const SHORTEST_PASSWORD = 10;

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
    const { usersFile } = dashboard;
    const { dataDir } = config;
    const line = `${user}:${await hashPassword(password)}`;
    const owner = statSync(dataDir);
    const isNew = asOwnerOf(workedIn(usersFile, dataDir), () => writeUser(usersFile, owner, user, line));
    asOwnerOf(dataDir, () => endSessions(dataDir, user));
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

type Owner = Pick<Stats, 'uid' | 'gid'>;

/** The folder whose owner may exchange what lies there. A folder within `data_dir` may itself be a link. */
function workedIn(usersFile: string, dataDir: string): string {
  if (!relative(dataDir, usersFile).startsWith('..')) return dataDir;
  const folder = dirname(usersFile);
  const { uid } = statSync(folder);
  if (uid !== 0 && uid !== statSync(dataDir).uid)
    throw new CommandError(
      `${folder} belongs neither to root nor to the owner of ${dataDir}; the gate could not trust what is in it`,
      EX_NOINPUT,
    );
  return folder;
}

/** Whether the user is a new one. `owner`: whom the gate runs as. */
function writeUser(file: string, owner: Owner, user: string, line: string): boolean {
  const lines = readOld(file, owner).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const at = lines.findIndex((text) => text.trim().startsWith(`${user}:`));
  if (at < 0) lines.push(line);
  else lines[at] = line;
  // Beside it, so that whoever reads finds the old file or the new one, and never half of it.
  const beside = join(dirname(file), `.admin-users-${randomBytes(6).toString('hex')}`);
  const fd = openSync(beside, NEW_FILE, 0o600);
  try {
    try {
      fchmodSync(fd, 0o600);
      // In a folder of root's: the gate's user has to read it.
      if (process.geteuid?.() === 0) fchownSync(fd, owner.uid, owner.gid);
      writeFileSync(fd, `${lines.join('\n')}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  return at < 0;
}

/** What was there goes into the new file: a link, or a second name of somebody else's file, would bring in what is not ours to show. */
function readOld(file: string, owner: Owner): string {
  let fd: number;
  try {
    fd = openSync(file, OLD_FILE);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return '';
    throw code === 'ELOOP' ? notOurs(file, 'it is a link') : error;
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw notOurs(file, 'it is no plain file');
    if (found.nlink > 1) throw notOurs(file, 'it has a second name elsewhere');
    if (found.uid !== 0 && found.uid !== owner.uid)
      throw notOurs(file, 'it belongs neither to root nor to the owner of data_dir');
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

const notOurs = (file: string, why: string): CommandError =>
  new CommandError(`${file}: ${why}; look how it came there, and take it away`, EX_NOINPUT);

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
/** A pipe is not waited for. */
const OLD_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

function endSessions(dataDir: string, user: string): void {
  const desk = existingDesk({ dataDir });
  if (desk === undefined) return;
  try {
    desk.logins.endAll(user);
  } finally {
    desk.close();
  }
}
