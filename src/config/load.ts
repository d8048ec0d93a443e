import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import type { AnyCheck } from '../core/check.ts';
import type { ListEntries } from '../core/lists.ts';
import { atOnce, type Slices } from '../core/slices.ts';
import { MAX_RULES, type SignatureRule } from '../mail/signatures.ts';
import { checksSchema, followersSettings } from './checks.ts';
import type { Config } from './config.ts';
import { JoinedEntries, readingList } from './list-file.ts';
import { locate } from './locate.ts';
import type { KeyPath } from './locate.ts';
import { nearest } from './nearest.ts';
import { formatKey, problemsOf } from './problems.ts';
import type { Problem } from './problems.ts';
import { PROFILES, type Stance } from './profile.ts';
import { FILE_SHAPE } from './schema.ts';
import { checkListeners, lacksBackend, LACKS_BACKEND } from './listeners.ts';
import { readSignatures } from './signature-file.ts';
import type { FileSettings } from './schema.ts';
import { listEntriesOf, settle } from './settle.ts';
import { tomlRemedy } from './toml-remedy.ts';
import { readUsersFile } from './users-file.ts';

export type Loaded = { readonly config: Config } | { readonly problems: readonly Problem[] };

/**
 * Reads the file and all that it names, and says everything that is wrong with them at once. A reload that comes back
 * with problems leaves the configuration in force as it is: nothing here changes anything.
 */
export function load(file: string, checks: readonly AnyCheck[]): Loaded {
  return atOnce(loading(file, checks));
}

/** The same in slices of a few milliseconds, for a gate through which mail flows meanwhile. */
export function* loading(file: string, checks: readonly AnyCheck[]): Slices<Loaded> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    // From which folder it was called is what is mistaken then.
    const whole = resolve(file);
    return { problems: [{ file: whole, line: 1, key: '', message: `cannot be read: ${reasonOf(error)}` }] };
  }
  return yield* loadingText(text, file, checks);
}

/** Whether a file that the text names under this key (`tls.key`, `block_files`) may be read. */
export type MayRead = (key: string, file: string) => boolean;

/**
 * As if the text stood in the file, which is not read: names in it are relative to the file's folder. `mayRead` guards the files that it
 * names where the text is not the operator's own, for a problem quotes what it does not understand.
 */
export function* loadingText(
  text: string,
  /** As which it is read. */
  file: string,
  checks: readonly AnyCheck[],
  mayRead: MayRead = () => true,
): Slices<Loaded> {
  const problem = (message: string, line = 1, column?: number): Loaded => ({
    problems: [{ file, line, ...(column === undefined ? {} : { column }), key: '', message }],
  });
  let data: Readonly<Record<string, unknown>>;
  try {
    data = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const said = (error.message.split('\n')[0] ?? '').replace('Invalid TOML document: ', '');
    const line = text.split('\n')[error.line - 1] ?? '';
    const remedy = tomlRemedy(said, line, error.column);
    const message = `not valid TOML: ${said}${remedy === undefined ? '' : `; ${remedy}`}`;
    return problem(message, error.line, error.column);
  }

  yield;
  const locator = locate(text);
  yield;
  const schema = z.strictObject({ ...FILE_SHAPE, checks: checksSchema(checks, stanceOf(data)) });
  const parsed = schema.safeParse(data);
  yield;
  if (!parsed.success) {
    const found = problemsOf(parsed.error, { file, data, schema, locator });
    const lacking = lacksBackend(data) ? [{ file, line: 1, key: 'backend', message: LACKS_BACKEND }] : [];
    return { problems: [...found, ...lacking].sort((a, b) => a.line - b.line) };
  }

  const { checks: given, ...said } = parsed.data;
  const settings = { ...given, ...followersSettings(data['checks'], checks, stanceOf(data)) };
  const problems: Problem[] = [];
  const complain = (path: KeyPath, message: string) =>
    problems.push({ file, line: locator.line(path), key: formatKey(path), message });
  const names = new Reading(file, complain, mayRead);
  checkSense(said, checks, complain);
  const groups = checkListeners(said, complain);
  checkCertificates(said, names);
  const files = yield* readLists(said, names, problems);
  const signatures = readSignatureFiles(said, names, problems, complain);
  const users = said.auth === undefined ? undefined : readUsers(said.auth.users_file, names, problems);
  if (problems.length > 0) return { problems };

  const policy = createHash('sha256').update(text);
  for (const list of files) policy.update(list.text);
  for (const { name, place, pattern } of signatures) policy.update(`${name} ${place} ${pattern}\n`);
  return {
    config: settle(said, {
      file,
      text,
      folder: names.folder,
      policy: policy.digest('hex').slice(0, 12),
      listEntries: new JoinedEntries([
        [...listEntriesOf(said, file, locator)],
        ...files.map(({ entries }) => entries),
      ]),
      signatures,
      users,
      groups,
      checks: checks.map((check) => ({ check, settings: settings[check.name] })),
      locator,
    }),
  };
}

/** Read before all else, because the defaults of the checks depend on it; what it should not say the schema refuses. */
function stanceOf(data: Readonly<Record<string, unknown>>): Stance {
  const { refuse_at: refuseAt, profile } = data;
  return {
    profile: PROFILES.find((known) => known === profile),
    refuseAt: refuseAt === 'earliest' || refuseAt === 'rcpt' ? refuseAt : undefined,
  };
}

/** Files that the file names, relative to its own folder, with the key to blame for them. */
class Reading {
  readonly folder: string;
  readonly #complain: (path: KeyPath, message: string) => void;
  readonly #mayRead: MayRead;

  constructor(file: string, complain: (path: KeyPath, message: string) => void, mayRead: MayRead) {
    this.folder = dirname(resolve(file));
    this.#complain = complain;
    this.#mayRead = mayRead;
  }

  attempt<T>(path: KeyPath, name: string, read: (file: string) => T): T | undefined {
    const file = resolve(this.folder, name);
    const key = keyOfFile(path);
    if (!this.#mayRead(key, file)) {
      this.#complain(path, `${file} is not read here: the file in force does not name it as ${key}`);
      return undefined;
    }
    try {
      return read(file);
    } catch (error) {
      this.#complain(path, `${file}: ${reasonOf(error)}`);
      return undefined;
    }
  }
}

/** `tls.sni.key`: without the place in a list. */
const keyOfFile = (path: KeyPath): string => path.filter((step) => typeof step === 'string').join('.');

/** All files that a text names, by key: those that another text may name as well. Empty where it is no TOML. */
export function filesNamedIn(text: string, asFile: string): MayRead {
  const folder = dirname(resolve(asFile));
  const named = new Set<string>();
  const walk = (value: unknown, path: KeyPath): void => {
    if (typeof value === 'string') named.add(`${keyOfFile(path)}\0${resolve(folder, value)}`);
    else if (typeof value === 'object' && value !== null)
      for (const [key, part] of Object.entries(value))
        walk(part, [...path, Array.isArray(value) ? Number(key) : key]);
  };
  try {
    walk(parse(text), []);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
  }
  return (key, file) => named.has(`${key}\0${file}`);
}

type Complain = (path: KeyPath, message: string) => void;

/** What no single value shows. */
function checkSense(said: FileSettings, checks: readonly AnyCheck[], complain: Complain): void {
  const names = checks.map((check) => check.name);
  for (const kind of ['allow', 'block', 'list_host'] as const) {
    for (const [i, entry] of said[kind].entries()) {
      if (kind !== 'allow' && entry.lifts !== undefined) {
        complain([kind, i, 'lifts'], 'only an [[allow]] entry lifts checks; take this line out');
      }
      for (const [j, name] of (entry.lifts ?? []).entries()) {
        if (names.includes(name)) continue;
        const near = nearest(name, names);
        const remedy = near === undefined ? `there are ${names.join(', ')}` : `did you mean "${near}"?`;
        complain([kind, i, 'lifts', j], `no such check "${name}"; ${remedy}`);
      }
    }
  }
  if (said.contact !== undefined && !said.contact.includes('@')) {
    complain(['contact'], `wants a mail address, such as "postmaster@${said.domains[0] ?? 'example.org'}"`);
  }
  checkWatching(said, complain);
  const routed = new Map<string, number>();
  for (const [i, { domains }] of said.route.entries()) {
    for (const [j, name] of domains.entries()) {
      const first = routed.get(name);
      if (first !== undefined)
        complain(['route', i, 'domains', j], `"${name}" already goes to route[${first + 1}]`);
      routed.set(name, first ?? i);
    }
  }
}

function checkWatching(said: FileSettings, complain: Complain): void {
  const { admin, queue_watch: queue, daily_summary: daily, notify } = said;
  if (admin?.user_header !== undefined && admin.user_header_from.length === 0) {
    complain(
      ['admin', 'user_header'],
      'is believed nobody; name the web server with `user_header_from`, such as ["127.0.0.1"]',
    );
  }
  if (queue?.from === 'command' && queue.command === undefined) {
    complain(
      ['queue_watch', 'from'],
      'wants the program that prints the number, as `command = ["/path/of/it"]`',
    );
  }
  for (const [i, { above, clear_below: below }] of (queue?.alert ?? []).entries()) {
    if (below > above)
      complain(['queue_watch', 'alert', i, 'clear_below'], `wants no more than \`above\`, ${above}`);
  }
  if (daily !== undefined && notify.mail_to.length === 0) {
    const so =
      notify.webhook === undefined ? 'goes to nobody' : 'goes to nobody: a webhook gets alerts alone';
    complain(['daily_summary'], `${so}; name somebody with \`mail_to\` in [notify]`);
  }
}

function checkCertificates({ tls }: FileSettings, names: Reading): void {
  if (tls === undefined) return;
  const pairs: [KeyPath, { certificate: string; key: string }][] = [[['tls'], tls]];
  for (const [i, sni] of tls.sni.entries()) pairs.push([['tls', 'sni', i], sni]);
  for (const [path, pair] of pairs) {
    const cert = names.attempt([...path, 'certificate'], pair.certificate, (file) => readFileSync(file));
    const key = names.attempt([...path, 'key'], pair.key, (file) => readFileSync(file));
    if (cert === undefined || key === undefined) continue;
    // OpenSSL says whether both are PEM and belong together.
    names.attempt([...path, 'certificate'], pair.certificate, () => createSecureContext({ cert, key }));
  }
}

function* readLists(
  said: FileSettings,
  names: Reading,
  problems: Problem[],
): Slices<readonly { readonly entries: ListEntries; readonly text: string }[]> {
  const kinds = {
    block_files: 'block',
    allow_files: 'allow',
    list_host_files: 'list-host',
    recipient_files: 'mailbox',
  } as const;
  const read: { readonly entries: ListEntries; readonly text: string }[] = [];
  for (const key of ['block_files', 'allow_files', 'list_host_files', 'recipient_files'] as const) {
    for (const [i, name] of said[key].entries()) {
      const list = names.attempt([key, i], name, (file) => ({ file, text: readFileSync(file, 'utf8') }));
      if (list === undefined) continue;
      const { entries, problems: found } = yield* readingList(list.text, kinds[key], list.file);
      problems.push(...found);
      read.push({ entries, text: list.text });
    }
  }
  return read;
}

function readSignatureFiles(
  said: FileSettings,
  names: Reading,
  problems: Problem[],
  complain: Complain,
): readonly SignatureRule[] {
  const rules: SignatureRule[] = [];
  for (const [i, name] of said.signature_files.entries()) {
    const read = names.attempt(['signature_files', i], name, (file) =>
      readSignatures(readFileSync(file, 'utf8'), file),
    );
    problems.push(...(read?.problems ?? []));
    rules.push(...(read?.rules ?? []));
  }
  if (rules.length > MAX_RULES)
    complain(
      ['signature_files'],
      `these have ${rules.length} rules, and ${MAX_RULES} are the most; join some with |`,
    );
  return rules;
}

function readUsers(name: string, names: Reading, problems: Problem[]) {
  const read = names.attempt(['auth', 'users_file'], name, readUsersFile);
  problems.push(...(read?.problems ?? []));
  return read?.users;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch ('code' in error ? error.code : undefined) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
      return 'this user may not read it';
    case 'EISDIR':
      return 'it is a folder, not a file';
    case 'ERR_OSSL_PEM_NO_START_LINE':
      return 'it or its key is no PEM file';
    case 'ERR_OSSL_X509_KEY_VALUES_MISMATCH':
      return 'the certificate and the key do not belong together';
    default:
      return error.message;
  }
}
