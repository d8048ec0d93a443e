/** `postern demo`: a gate on loopback, a small morning of mail, the ladder's table while it happens, the summary, where to look. */
import { mkdtemp, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../adapters/journal/sqlite.ts';
import { silentLog } from '../../adapters/log.ts';
import { ZoneServer } from '../../adapters/dns/zone-server.ts';
import { LADDER } from '../../checks/ladder.ts';
import { load } from '../../config/load.ts';
import { formatProblem } from '../../config/problems.ts';
import type { Decision } from '../../core/decision.ts';
import { start } from '../run.ts';
import { formatSummary } from '../stats.ts';
import { CAST, zone } from './cast.ts';
import { dial } from './dialogue.ts';
import { LadderTable } from './table.ts';

// Callers at a time: enough to look alive, few enough to be read.
const AT_A_TIME = 6;
const MAILBOXES = ['bea', 'carl', 'postmaster'];

export async function demoCommand(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-demo-'));
  for (const user of MAILBOXES) await mkdir(join(folder, 'mail', user), { recursive: true });
  const dns = await ZoneServer.start(zone());
  const file = join(folder, 'postern.toml');
  await writeFile(file, configuration(folder, dns.port));
  const loaded = load(file, LADDER);
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));

  const gate = await start(loaded.config, silentLog());
  const [at] = gate.addresses;
  if (at === undefined) throw new Error('the gate listens nowhere');
  process.stdout.write(
    `A gate for example.org on ${at.host}:${at.port}, Maildirs in ${join(folder, 'mail')}\n\n`,
  );
  const table = new LadderTable(
    loaded.config.checks.filter(({ idle }) => idle === undefined).map(({ check }) => check),
    process.stdout,
  );
  let last: Decision | undefined;
  gate.onDecision = (decision) => {
    if (decision.outcome === 'refused') last = decision;
    table.add(decision);
  };

  const calls = morning();
  const total = calls.length;
  const caller = async () => {
    for (let next = calls.shift(); next !== undefined; next = calls.shift()) {
      table.progress(total - calls.length, total, next.who);
      const speaker = await dial(at, next.address);
      await next.play(speaker);
      speaker.hangUp();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, caller));
  table.end();
  await gate.stop();
  await dns.stop();

  const journal = openJournal(join(folder, 'data', 'journal.sqlite'));
  process.stdout.write(`\n${formatSummary(await journal.summary({}))}\n`);
  await journal.close();
  const postern = 'npm run -s postern --';
  process.stdout.write(
    [
      'Where to look:',
      `  ${postern} log -c ${file}                       every decision`,
      ...(last === undefined
        ? []
        : [`  ${postern} log -c ${file} --id ${last.id}        one of them, with all its evidence`]),
      `  ls ${join(folder, 'mail', 'bea', 'Maildir', 'new')}        the mail that came in`,
      `  rm -r ${folder}        when you have seen enough`,
      '',
    ].join('\n'),
  );
  return 0;
}

interface Call {
  readonly who: string;
  readonly address: string;
  readonly play: (speaker: Awaited<ReturnType<typeof dial>>) => Promise<void>;
}

/** All calls, the kinds taking turns. */
function morning(): Call[] {
  const kinds = CAST.map((sender) =>
    Array.from({ length: sender.calls }, (_, n): Call & { at: number } => ({
      who: sender.who,
      address: sender.address.endsWith('.') ? `${sender.address}${n + 1}` : sender.address,
      play: (speaker) => sender.call(speaker, n + 1),
      // Spread over the morning evenly, whatever their number.
      at: (n + 0.5) / sender.calls,
    })),
  );
  return kinds.flat().sort((a, b) => a.at - b.at);
}

function configuration(folder: string, dnsPort: number): string {
  return `# The gate of the demonstration.
host_name = "mx.example.org"
domains   = ["example.org"]
data_dir  = "${join(folder, 'data')}"

[[listen]]
address = "127.0.0.1:0"
proxy_protocol_from = ["127.0.0.1/32"]   # the simulated senders bring their addresses along

[backend]
url = "maildir:${join(folder, 'mail')}/{user}/Maildir"

[dns]
servers = ["127.0.0.1:${dnsPort}"]

[greet_pause]
delay = "400ms"

[[list_host]]
client = "203.0.113.30"
reason = "the gardeners' list"

[[checks.dnsbl.zones]]
zone   = "bl.demo.example"
weight = 8
codes  = ["127.0.0.2-11"]

[checks.sender-mx.actions]
bogus = "observe"                        # all hosts here live in addresses for documentation, which no real host has
`;
}
