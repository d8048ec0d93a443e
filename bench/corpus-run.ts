/**
 * The corpus goes through a gate: the real one, over sockets, message by message in the order in which they came, each client by its own
 * address (PROXY protocol), and the gate's clock is that of the day. What is deferred comes again after a while, as from any server with a
 * queue; the fields cannot tell who would not have come again.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../src/adapters/log.ts';
import { ZoneServer } from '../src/adapters/dns/zone-server.ts';
import { LADDER } from '../src/checks/ladder.ts';
import { load } from '../src/config/load.ts';
import { formatProblem } from '../src/config/problems.ts';
import { start, type Running } from '../src/cli/run.ts';
import type { Decision } from '../src/core/decision.ts';
import type { ConfiguredCheck } from '../src/core/policy.ts';
import { ScriptedBackend } from '../test/fakes/scripted-backend.ts';
import { UNMOVED } from '../test/gate.ts';
import { onEnd, type Cleanup } from '../test/program.ts';
import { connectSmtp, dotStuffed, type Heard } from '../test/smtp.ts';
import { COLLECTORS, type CorpusMessage } from './corpus.ts';
import { STAND_IN, corpusZone } from './corpus-zone.ts';

/** Where everybody in the corpus wrote to. */
export const RECIPIENT = `jm@${COLLECTORS[1] ?? ''}`;
const HOST_NAME = `dogma.${COLLECTORS[0] ?? ''}`;
// Sendmail and qmail come back within so long.
const RETRY_MS = 15 * 60_000;
const MAX_ATTEMPTS = 4;
const MAX_WAITS = 5000;

export interface Passage {
  readonly message: CorpusMessage;
  /** Of the last attempt. */
  readonly outcome: Decision['outcome'];
  readonly attempts: number;
  /** Of the first attempt. */
  readonly first: Decision;
  readonly last: Decision;
  /** What the client heard last. */
  readonly heard: Heard;
}

export interface RunOptions {
  readonly cleanup: Cleanup;
  /** Made; the gate's own files go there, and a `classifier.sqlite` may be there before. */
  readonly folder: string;
  readonly messages: readonly CorpusMessage[];
  /**
   * `default`: what comes with the program. `watched`: nothing refuses or defers and everything is asked, so that each check can be
   * looked at by itself; what only casts suspicion does so as ever.
   */
  readonly stance: 'default' | 'watched';
  readonly onPassage?: (passage: Passage) => void;
}

export interface Run {
  readonly passages: readonly Passage[];
  /** The checks with the settings that were in force. */
  readonly checks: readonly ConfiguredCheck[];
}

export async function runCorpus({ cleanup, folder, messages, stance, onPassage }: RunOptions): Promise<Run> {
  await mkdir(join(folder, 'data'), { recursive: true });
  const zone = await ZoneServer.start(corpusZone(messages));
  onEnd(cleanup, () => zone.stop());
  const backend = await ScriptedBackend.start({
    RCPT: (line) => (line.includes(`<${RECIPIENT}>`) ? '250 2.1.5 Ok\r\n' : '550 5.1.1 No such user\r\n'),
  });
  onEnd(cleanup, () => backend.stop());
  const file = join(folder, 'postern.toml');
  await writeFile(file, configuration(folder, zone.port, backend.port, stance));
  const loaded = load(file, LADDER);
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));

  let nowMs = messages.reduce((least, { atMs }) => (atMs > 0 ? Math.min(least, atMs) : least), Infinity);
  const gate = await start(loaded.config, silentLog(), () => nowMs);
  let isRunning = true;
  const stop = async () => {
    if (isRunning) await gate.stop();
    isRunning = false;
  };
  onEnd(cleanup, stop);

  const queue = messages
    .map((message): Due => ({ message, atMs: message.atMs, attempt: 1, first: undefined }))
    .sort((a, b) => a.atMs - b.atMs);
  const again: Due[] = [];
  const passages: Passage[] = [];
  for (let next = earliest(queue, again); next !== undefined; next = earliest(queue, again)) {
    nowMs = Math.max(nowMs, next.atMs);
    const { decision, heard } = await send(gate, next.message);
    backend.messages.length = 0;
    backend.heard.length = 0;
    const first = next.first ?? decision;
    if (decision.outcome === 'deferred' && next.attempt < MAX_ATTEMPTS) {
      // All wait equally long, so they stay in order.
      again.push({ ...next, atMs: nowMs + RETRY_MS, attempt: next.attempt + 1, first });
      continue;
    }
    const { message, attempt: attempts } = next;
    const passage = { message, outcome: decision.outcome, attempts, first, last: decision, heard };
    passages.push(passage);
    onPassage?.(passage);
  }
  await stop();
  return { passages, checks: loaded.config.checks };
}

interface Due {
  readonly message: CorpusMessage;
  readonly atMs: number;
  readonly attempt: number;
  readonly first: Decision | undefined;
}

function earliest(queue: Due[], again: Due[]): Due | undefined {
  const [a, b] = [queue[0], again[0]];
  if (a === undefined || b === undefined) return queue.shift() ?? again.shift();
  return (b.atMs <= a.atMs ? again : queue).shift();
}

async function send(
  gate: Running,
  { name, client, sender, octets }: CorpusMessage,
): Promise<{ readonly decision: Decision; readonly heard: Heard }> {
  let decision: Decision | undefined;
  gate.onDecision = (made) => (decision ??= made);
  const { address, verb } = client ?? STAND_IN;
  const peer = await connectSmtp({ port: gate.addresses[0]?.port ?? 0 });
  await peer.write(`PROXY TCP4 ${address} 198.51.100.25 40000 25\r\n`);
  let heard = await peer.reply();
  const commands = [`${verb} ${heloOf(client)}`, `MAIL FROM:<${sender}>`, `RCPT TO:<${RECIPIENT}>`, 'DATA'];
  for (const command of commands) if (heard.code < 400) heard = await peer.say(command);
  if (heard.code === 354) {
    await peer.write(dotStuffed(octets));
    await peer.write(octets.subarray(-2).toString('latin1') === '\r\n' ? '.\r\n' : '\r\n.\r\n');
    heard = await peer.reply();
  }
  await peer.write('QUIT\r\n');
  await peer.closed;
  // The books come after the reply.
  for (let waits = 0; decision === undefined; waits++) {
    if (waits === MAX_WAITS) throw new Error(`${name}: no decision after ${heard.lines.join(' ')}`);
    await sleep(1);
  }
  return { decision, heard };
}

// Where only a reverse name was written down, the greeting was the same.
const heloOf = (client: CorpusMessage['client']): string =>
  client === undefined ? STAND_IN.helo : (client.helo ?? client.reverseName ?? `[${client.address}]`);

function configuration(
  folder: string,
  dnsPort: number,
  backendPort: number,
  stance: RunOptions['stance'],
): string {
  return `host_name = "${HOST_NAME}"
domains = ${JSON.stringify(COLLECTORS)}
data_dir = ${JSON.stringify(join(folder, 'data'))}
${stance === 'watched' ? 'refuse_at_suspicion = 10000' : ''}
[[listen]]
address = "127.0.0.1:0"
proxy_protocol_from = ["127.0.0.1/32"]
[backend]
url = "smtp://127.0.0.1:${backendPort}"
[dns]
servers = ["127.0.0.1:${dnsPort}"]
[greet_pause]
delay = "0s"  # nobody here talks early, and all would have to wait
# what else this machine does is not the corpus' business
${UNMOVED}${stance === 'watched' ? LADDER.map(watched).join('') : ''}`;
}

// Without these there would be no transaction.
const KEPT = ['relay', 'recipients', 'recipient-list'];

function watched({ name, defaults }: (typeof LADDER)[number]): string {
  if (KEPT.includes(name)) return '';
  const acts = (action: string) => (action === 'refuse' || action === 'defer' ? 'observe' : action);
  const actions = Object.entries(defaults.actions ?? {}).map(
    ([code, action]) => `${code} = "${acts(action)}"\n`,
  );
  return `[checks.${name}]
on_fail = "${acts(defaults.on_fail)}"
on_temperror = "go-on"
[checks.${name}.actions]
${actions.join('')}`;
}
