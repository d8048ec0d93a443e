/** `postern log`: finds decisions in the journal (O1). Exit codes: 0 found some, 1 found none. */
import { harmless } from '../adapters/log.ts';
import type { Config } from '../config/config.ts';
import type { Decision, DecisionOutcome, JournalQuery, Step } from '../core/decision.ts';
import { parseNetwork } from '../mail/ip.ts';
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';
import { formatReply } from '../mail/reply.ts';
import { withJournal } from './journal.ts';
import { formatTable } from './table.ts';
import { formatTime, readTime } from './times.ts';

export interface LogOptions {
  readonly id?: string;
  readonly client?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly since?: string;
  readonly until?: string;
  readonly check?: string;
  readonly outcome?: DecisionOutcome;
  readonly limit?: string;
  readonly json?: boolean;
}

type Write = (text: string) => void;
const toStdout: Write = (text) => void process.stdout.write(text);
const MAX_ROWS = 100_000;

export async function logCommand(
  config: Pick<Config, 'dataDir'>,
  options: LogOptions,
  write = toStdout,
): Promise<number> {
  const query = queryOf(options, Date.now());
  const found = await withJournal(config, (journal) => journal.find(query));
  if (options.json === true) for (const decision of found) write(`${JSON.stringify(decision)}\n`);
  else if (found.length === 0) write('Nothing found.\n');
  else if (options.id !== undefined) write(found.map(formatStory).join('\n'));
  else write(formatDecisions(found));
  return found.length === 0 ? 1 : 0;
}

export function queryOf(options: LogOptions, nowMs: number): JournalQuery {
  const { id, client, sender, recipient, check, outcome, since, until } = options;
  const limit = Number(options.limit ?? 50);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ROWS) {
    throw new Error(`--limit "${options.limit ?? ''}" is no count; it wants 1 to ${MAX_ROWS}`);
  }
  const network = client === undefined ? undefined : parseNetwork(client);
  if (network?.kind === 'bad') throw new Error(`--client: ${network.problem}`);
  return {
    limit,
    // Ids are read aloud on the telephone: their case does not matter.
    ...(id === undefined ? {} : { id: id.trim().toUpperCase() }),
    ...(client === undefined ? {} : { client }),
    ...(sender === undefined ? {} : { sender }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(check === undefined ? {} : { check }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(since === undefined ? {} : { sinceMs: readTime('since', since, nowMs) }),
    ...(until === undefined ? {} : { untilMs: readTime('until', until, nowMs) }),
  };
}

export function formatDecisions(decisions: readonly Decision[]): string {
  const rows = decisions.map((d) => {
    const more = d.recipients.length > 1 ? ` +${d.recipients.length - 1}` : '';
    return [
      formatTime(d.atMs),
      d.id,
      d.session.client.address,
      senderOf(d),
      d.recipients[0] === undefined ? '-' : formatMailbox(d.recipients[0].mailbox) + more,
      d.outcome,
      d.check === undefined ? '-' : `${d.check}${d.code === undefined ? '' : `:${d.code}`}`,
      d.reply === undefined ? '-' : `${d.reply.code} ${d.reply.enhanced}`.trim(),
    ];
  });
  const columns = ['time', 'id', 'client', 'from', 'to', 'outcome', 'decided by', 'reply'];
  return formatTable(
    columns.map((title) => ({ title, max: 44 })),
    rows,
  );
}

/** All that is known of one decision: each check, what came back when it asked, and what followed. */
export function formatStory(d: Decision): string {
  const { session } = d;
  const lines = [
    `${d.id}  ${d.outcome}  ${formatTime(d.atMs)}  ${Math.round(d.tookMs)} ms`,
    `  client     ${session.client.address}:${session.client.port}, by the ${session.door}${session.tls === undefined ? '' : `, ${session.tls.protocol}`}`,
    `  helo       ${session.helo === undefined ? '-' : `${session.helo.verb} ${session.helo.name}`}`,
  ];
  if (session.authenticated !== undefined) lines.push(`  user       ${session.authenticated.identity}`);
  if (session.violations.length > 0) lines.push(`  violations ${session.violations.join(', ')}`);
  lines.push(`  from       ${senderOf(d)}`);
  for (const r of d.recipients)
    lines.push(`  to         ${formatMailbox(r.mailbox)}: ${r.outcome}, ${formatReply(r.reply).trim()}`);
  if (d.sizeOctets !== undefined) lines.push(`  size       ${d.sizeOctets} octets`);
  if (d.exemption !== undefined) {
    const { reason, source, lifts } = d.exemption;
    lines.push(`  exempt     ${reason} (${source}) lifts ${lifts === 'all' ? 'all' : lifts.join(', ')}`);
  }
  if (d.suspicion !== 0) lines.push(`  suspicion  ${d.suspicion}`);
  if (d.check !== undefined)
    lines.push(`  decided by ${d.check}${d.code === undefined ? '' : `, ${d.code}`}`);
  if (d.reply !== undefined) lines.push(`  reply      ${formatReply(d.reply).trim()}`);
  lines.push(`  policy     ${d.policy}, session ${d.sessionId}`, '');
  for (const step of d.steps) lines.push(...stepLines(step));
  return lines.map((line) => `${harmless(line)}\n`).join('');
}

const MAX_EVIDENCE = 2000;

function stepLines(step: Step): string[] {
  const recipient = step.recipient === undefined ? '' : ` ${formatMailbox(step.recipient)}`;
  const lines = [
    `  ${step.stage.padEnd(12)} ${step.check.padEnd(18)} ${step.action.padEnd(8)} ${step.tookMs.toFixed(1)} ms${recipient}`,
  ];
  for (const f of step.findings) lines.push(`      ${f.result} ${f.code}: ${f.text}`);
  if (step.evidence !== undefined && step.evidence !== null) {
    const text = JSON.stringify(step.evidence);
    lines.push(
      `      asked: ${text.length > MAX_EVIDENCE ? `${text.slice(0, MAX_EVIDENCE)}… (all of it: --json)` : text}`,
    );
  }
  return lines;
}

function senderOf({ transaction }: Decision): string {
  if (transaction === undefined) return '-';
  return transaction.reversePath === null ? '<>' : formatReversePath(transaction.reversePath);
}
