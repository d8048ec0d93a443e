/**
 * `postern demo`: a gate on loopback, a small morning of mail, the ladder's table while it happens, the summary, where to look.
 *
 * The gate is the real one with its own times and its own clock. Two waits are longer than anybody watches, so they are over when
 * the morning begins: a small office made its first attempt four minutes ago, as the greylist has noted, and the
 * hour after the gate's start, in which its honeypot convicts nobody, is ended by hand. Both are said in the output.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { hashPassword } from '../../adapters/credentials.ts';
import { openJournal } from '../../adapters/journal/sqlite.ts';
import { silentLog } from '../../adapters/log.ts';
import { openStore, type StoreOptions } from '../../adapters/store/sqlite.ts';
import { ZoneServer } from '../../adapters/dns/zone-server.ts';
import { LADDER } from '../../checks/ladder.ts';
import { load } from '../../config/load.ts';
import { formatProblem } from '../../config/problems.ts';
import { UNSETTLED } from '../../core/charges.ts';
import type { Decision } from '../../core/decision.ts';
import type { Block } from '../../core/ports.ts';
import { inPlainWords } from '../plain-words.ts';
import { start } from '../run.ts';
import { formatSummary } from '../stats.ts';
import { formatTable } from '../table.ts';
import { CAST, OFFICE, TRAP } from './cast.ts';
import { dial, type Speaker } from './dialogue.ts';
import { LadderTable } from './table.ts';
import { zone } from './zone.ts';

// Callers at a time: enough to look alive, few enough to be read.
const AT_A_TIME = 6;
const MAILBOXES = ['bea', 'carl', 'postmaster'];
const OFFICE_TRIED_AGO_MS = 240_000;
// The store's batch of the gate's start is written by then.
const STORE_AT_REST_MS = 200;
const JOURNAL_AT_REST_MS = 500;
// Slow enough to be read.
const CALL_EVERY_MS = 600;
const DASHBOARD_EVERY_MS = 200;
const DASHBOARD_TRIES = 100;

/** `stay`: the gate and its dashboard go on until a signal ends them, and so does the mail, slowly. */
export async function demoCommand({ stay = false }: { readonly stay?: boolean } = {}): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-demo-'));
  for (const user of MAILBOXES) await mkdir(join(folder, 'mail', user), { recursive: true });
  const data = join(folder, 'data');
  await mkdir(data);
  const storeFile = join(data, 'store.sqlite');
  const dns = await ZoneServer.start(zone());
  const file = join(folder, 'postern.toml');
  const desk = stay ? await deskOf(data) : undefined;
  await writeFile(file, configuration(folder, dns.port, await freePort()) + (desk?.tables ?? ''));
  const loaded = load(file, LADDER);
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));

  noteFirstAttempt(storeFile, loaded.config.checks);
  const gate = await start(loaded.config, {
    ...silentLog(),
    trouble: (what, error) => process.stderr.write(`${what}: ${inPlainWords(error)}\n`),
  });
  const [front, honeypot] = gate.addresses;
  if (front === undefined || honeypot === undefined) throw new Error('the gate listens nowhere');
  await wait(STORE_AT_REST_MS);
  inStore(storeFile, { guest: true }, ({ store }) => store.forget(UNSETTLED.space, UNSETTLED.key));
  process.stdout.write(
    [
      `A gate for example.org on ${front.host}:${front.port}, its honeypot on port ${honeypot.port}.`,
      `Maildirs in ${join(folder, 'mail')}`,
      'Over before it begins, for want of time: the small office made its first attempt four minutes ago,',
      'and the honeypot is past the hour after a start in which it convicts nobody.',
      '',
      '',
    ].join('\n'),
  );
  const table = new LadderTable(
    loaded.config.checks
      .filter(({ idle, settings }) => idle === undefined && settings.on_fail !== 'off')
      .map(({ check }) => check),
    process.stdout,
  );
  let last: Decision | undefined;
  gate.onDecision = (decision) => {
    if (decision.outcome === 'refused') last = decision;
    table.add(decision);
  };

  const calls = morning();
  const total = calls.length;
  const call = async ({ atHoneypot, address, play }: Call) => {
    const speaker = await dial(atHoneypot ? honeypot : front, address);
    await play(speaker);
    speaker.hangUp();
  };
  const caller = async () => {
    for (let next = calls.shift(); next !== undefined; next = calls.shift()) {
      table.progress(total - calls.length, total, next.who);
      await call(next);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, caller));
  table.end();
  const sayWhatCame = async () => {
    const journal = openJournal(join(data, 'journal.sqlite'));
    process.stdout.write(`\n${formatSummary(await journal.summary({}))}\n`);
    await journal.close();
    const blocks = inStore(storeFile, { readOnly: true }, (store) => store.blocks.list());
    process.stdout.write(`${formatConvicted(blocks)}\n${whereToLook(folder, file, last, stay)}`);
  };
  if (desk === undefined) {
    await gate.stop();
    await sayWhatCame();
  } else {
    // What is in the journal's queue is written within that time.
    await wait(JOURNAL_AT_REST_MS);
    await sayWhatCame();
    await untilStopped(desk, call);
    await gate.stop();
  }
  await dns.stop();
  return 0;
}

/** Where the dashboard is, and who may look. */
interface DemoDesk {
  readonly url: string;
  readonly password: string;
  readonly tables: string;
}

async function deskOf(data: string): Promise<DemoDesk> {
  const password = randomBytes(9).toString('base64url');
  await writeFile(join(data, 'admin-users'), `admin:${await hashPassword(password)}\n`, { mode: 0o600 });
  const [port, page] = [await freePort(), await freePort()];
  const tables = `
[admin]
listen = "127.0.0.1:${port}"

[report_page]
listen = "127.0.0.1:${page}"
url    = "http://127.0.0.1:${page}"      # refusals name it
`;
  return { url: `http://127.0.0.1:${port}/`, password, tables };
}

async function untilStopped(desk: DemoDesk, call: (one: Call) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  if (await answers(desk.url, stopping.signal))
    process.stdout.write(
      `\nThe dashboard: ${desk.url}\n  user admin, password ${desk.password}\nMail goes on coming until you stop it with Ctrl-C.\n`,
    );
  else process.stdout.write('\nThe dashboard does not answer.\n');
  for (let calls = morning(); !stopping.signal.aborted;) {
    const next = calls.shift();
    if (next === undefined) calls = morning();
    else {
      await call(next);
      await wait(CALL_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
}

/** It is a process of its own, and takes a moment to start. */
async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  for (let tries = 0; tries < DASHBOARD_TRIES && !signal.aborted; tries++) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return true;
    await wait(DASHBOARD_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

/** Through the greylist's own step, on a clock that is four minutes behind. */
function noteFirstAttempt(
  storeFile: string,
  checks: readonly {
    readonly check: { readonly name: string };
    readonly settings: Readonly<Record<string, unknown>>;
  }[],
): void {
  const settings = checks.find(({ check }) => check.name === 'greylist')?.settings ?? {};
  const number = (key: string) => Number(settings[key]);
  inStore(storeFile, { nowMs: () => Date.now() - OFFICE_TRIED_AGO_MS }, ({ greylist }) =>
    greylist.attempt({
      client: OFFICE.domain,
      sender: OFFICE.from,
      recipient: OFFICE.to,
      delayMs: number('delay'),
      retryWindowMs: number('retry_window'),
      keptMs: number('kept'),
      clientPasses: number('client_passes'),
      seedOnly: false,
      sessionSinceMs: Date.now() - OFFICE_TRIED_AGO_MS,
    }),
  );
}

/** As another program would open it, for one step. */
function inStore<T>(file: string, options: StoreOptions, use: (store: ReturnType<typeof openStore>) => T): T {
  const store = openStore(file, options);
  try {
    const used = use(store);
    store.commit();
    return used;
  } finally {
    store.close();
  }
}

function formatConvicted(blocks: readonly Block[]): string {
  return formatTable(
    [{ title: 'blocked for an hour' }, { title: 'by' }, { title: 'id' }, { title: 'reason', max: 50 }],
    blocks.map(({ network, by, evidence, reason }) => [network, by, evidence, reason]),
  );
}

function whereToLook(folder: string, file: string, last: Decision | undefined, stay: boolean): string {
  const postern = (args: string) => `npm run -s postern -- ${args} -c ${file}`;
  const story =
    last === undefined ? [] : [['one of them, with all its evidence', postern(`log --id ${last.id}`)]];
  return [
    ['every decision', postern('log')],
    ...story,
    ['the summary', postern('stats')],
    ['who is blocked, until when and why', postern('block list')],
    ['every check, what it leads to, where that comes from', postern('check-config --explain')],
    ['the mail that came in', `ls ${join(folder, 'mail', 'bea', 'Maildir', 'new')}`],
    ...(stay ? [] : [['the same with its dashboard, in a browser', 'npm run demo -- --stay']]),
    ['when you have seen enough', `rm -r ${folder}`],
  ].reduce((text, [what, command]) => `${text}  # ${what}\n  ${command}\n`, 'Where to look:\n');
}

interface Call {
  readonly who: string;
  readonly address: string;
  readonly atHoneypot: boolean;
  readonly play: (speaker: Speaker) => Promise<void>;
}

/** All calls, the kinds taking turns. */
function morning(): Call[] {
  const kinds = CAST.map((sender) =>
    Array.from({ length: sender.calls }, (_, n): Call & { at: number } => ({
      who: sender.who,
      address: sender.address.endsWith('.') ? `${sender.address}${(sender.first ?? 1) + n}` : sender.address,
      atHoneypot: sender.atHoneypot?.(n + 1) ?? false,
      play: (speaker) => sender.call(speaker, n + 1),
      // Spread over the morning evenly, whatever their number.
      at: (n + 0.5) / sender.calls,
    })),
  );
  return kinds.flat().sort((a, b) => a.at - b.at);
}

/** Two listeners on port 0 of one address would be one. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function configuration(folder: string, dnsPort: number, honeypotPort: number): string {
  return `# The gate of the demonstration.
host_name = "mx.example.org"
domains   = ["example.org"]
data_dir  = "${join(folder, 'data')}"

[[listen]]
address = "127.0.0.1:0"
proxy_protocol_from = ["127.0.0.1/32"]   # the simulated senders bring their addresses along

[[listen]]
address = "127.0.0.1:${honeypotPort}"
role    = "honeypot"                     # the last MX: nobody has business here while the first one takes mail
proxy_protocol_from = ["127.0.0.1/32"]

[backend]
url = "maildir:${join(folder, 'mail')}/{user}/Maildir"

[dns]
servers = ["127.0.0.1:${dnsPort}"]

[greet_pause]
delay = "400ms"

[load]                                   # a laptop that is busy with other things is no gate under a flood
defer_at_load_average      = 0
refuse_at_load_average     = 0
defer_at_event_loop_delay  = "0ms"
refuse_at_event_loop_delay = "0ms"
defer_at_memory            = 0
refuse_at_memory           = 0

[[list_host]]
client = "203.0.113.30"
reason = "the gardeners' list"

[[checks.dnsbl.zones]]
zone   = "bl.demo.example"
weight = 8
codes  = ["127.0.0.2-11"]

[checks.spam-trap]
addresses = ["${TRAP}"]

[checks.sender-mx.actions]
bogus = "observe"                        # all hosts here live in addresses for documentation, which no real host has
`;
}
