/** The dashboard as it is wired, over real files and real HTTP, without a gate beside it. */
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openJournal } from '../src/adapters/journal/sqlite.ts';
import { openStore, type State } from '../src/adapters/store/sqlite.ts';
import { LADDER } from '../src/checks/ladder.ts';
import { startAdmin, type RunningAdmin } from '../src/cli/admin.ts';
import { setPassword } from '../src/cli/admin-users.ts';
import { load } from '../src/config/load.ts';
import type { Decision, Journal } from '../src/core/decision.ts';
import { onEnd, type Cleanup } from './program.ts';
import { tempDir } from './tempdir.ts';

export const PASSWORD = 'correct horse battery';

const MAX_QUEUED = 1000;

export interface AdminSettings {
  readonly decisions?: readonly Decision[];
  /** TOML of the table `admin`. */
  readonly admin?: string;
  /** TOML of the top level, and of tables of its own. */
  readonly top?: string;
  readonly tables?: string;
  readonly users?: readonly string[];
  readonly nowMs?: () => number;
  /** Built pages. */
  readonly pages?: Readonly<Record<string, string>>;
}

export interface TestAdmin {
  readonly dir: string;
  readonly running: RunningAdmin;
  readonly port: number;
  readonly troubles: readonly string[];
  readonly warnings: readonly string[];
  readonly journal: Journal;
  /** A connection of its own, as the gate has one. */
  readonly store: State;
  ask(method: string, path: string, given?: Given): Promise<Answer>;
  /** Headers of a request of that user. */
  login(user?: string, password?: string): Promise<Session>;
}

export interface Given {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of JSON. */
  readonly json: unknown;
}

export interface Session {
  readonly cookie: string;
  readonly csrf: string;
  /** For all that is not GET. */
  readonly headers: Readonly<Record<string, string>>;
}

export async function openAdmin(cleanup: Cleanup, settings: AdminSettings = {}): Promise<TestAdmin> {
  const dir = await tempDir(cleanup);
  const { nowMs = Date.now, users = ['admin'], decisions = [], pages } = settings;
  await mkdir(join(dir, 'data'));
  const webFolder = join(dir, 'web');
  for (const [name, text] of Object.entries(pages ?? {})) {
    await mkdir(join(webFolder, name, '..'), { recursive: true });
    await writeFile(join(webFolder, name), text);
  }
  const file = join(dir, 'postern.toml');
  await writeFile(file, configText(dir, settings));
  const loaded = load(file, LADDER);
  if ('problems' in loaded) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
  for (const user of users) await setPassword(loaded.config, { user, password: PASSWORD });
  const journal = openJournal(join(dir, 'data', 'journal.sqlite'), { nowMs });
  onEnd(cleanup, () => journal.close());
  for (const [i, decision] of decisions.entries()) {
    journal.record(decision);
    // No faster than it is written: a journal that cannot keep up drops.
    while (i + 1 - journal.counts.recorded >= (i + 1 === decisions.length ? 1 : MAX_QUEUED)) await wait(5);
  }
  const store = openStore(join(dir, 'data', 'store.sqlite'), { nowMs, waitMs: 2000 });
  onEnd(cleanup, () => store.close());
  const troubles: string[] = [];
  const warnings: string[] = [];
  const running = await startAdmin(
    loaded.config,
    {
      listening: () => undefined,
      closed: () => undefined,
      warned: (said) => void warnings.push(...said),
      trouble: (what, error) => void troubles.push(`${what}: ${String(error)}`),
    },
    { nowMs, webFolder },
  );
  onEnd(cleanup, () => running.stop());
  const port = running.dashboard()?.port ?? 0;
  const ask = (method: string, path: string, { headers = {}, body }: Given = {}) =>
    answerOf(port, method, path, headers, body);
  return {
    dir,
    running,
    port,
    troubles,
    warnings,
    journal,
    store,
    ask,
    async login(user = 'admin', password = PASSWORD) {
      const { status, headers, json } = await ask('POST', '/api/login', { body: { user, password } });
      if (status !== 200) throw new Error(`login: ${status} ${JSON.stringify(json)}`);
      const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
      const { csrf } = json as { csrf: string };
      return { cookie, csrf, headers: { cookie, 'x-csrf-token': csrf } };
    },
  };
}

function configText(dir: string, { admin = '', top = '', tables = '' }: AdminSettings): string {
  return `host_name = "mx.example.org"
domains = ["example.org"]
data_dir = ${JSON.stringify(join(dir, 'data'))}
${top}
[[listen]]
address = "127.0.0.1:0"
[backend]
url = "maildir:${join(dir, 'mail')}/{user}"
[dns]
servers = ["127.0.0.1:9"]
[admin]
listen = "127.0.0.1:0"
${admin}
${tables}
`;
}

/** Each with a connection of its own; with any header, the host's included. */
export async function openRequest(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<IncomingMessage> {
  const asked = request({ host: '127.0.0.1', port, method, path, headers, agent: false });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return response;
}

async function answerOf(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: unknown,
): Promise<Answer> {
  const sent = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const all = {
    ...(sent === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(sent)) }),
    ...headers,
  };
  const response = await openRequest(port, method, path, all, sent);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  const isJson = response.headers['content-type']?.startsWith('application/json') === true;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    json: isJson ? (JSON.parse(text) as unknown) : undefined,
  };
}
