/**
 * `postern stats`: the summary that mail administrators know (O2). What is said of each check goes by the minute: it
 * takes in the whole of the minutes in which the span begins and ends (of days long past, the whole of the hours).
 */
import type { Config } from '../config/config.ts';
import type { Summary } from '../core/decision.ts';
import { formatOctets } from '../core/octets.ts';
import { withJournal } from './journal.ts';
import { REASONS } from '../adapters/log.ts';
import { formatTable } from './table.ts';
import { formatTime } from '../core/wall-clock.ts';
import { readTime } from './times.ts';

export interface StatsOptions {
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

const toStdout = (text: string): void => void process.stdout.write(text);

export async function statsCommand(
  config: Pick<Config, 'dataDir'>,
  options: StatsOptions,
  write = toStdout,
): Promise<number> {
  const nowMs = Date.now();
  const span = {
    ...(options.since === undefined ? {} : { sinceMs: readTime('since', options.since, nowMs) }),
    ...(options.until === undefined ? {} : { untilMs: readTime('until', options.until, nowMs) }),
  };
  const summary = await withJournal(config, (journal) => journal.summary(span));
  if (options.json === true) write(`${JSON.stringify({ ...span, ...summary })}\n`);
  else {
    const since = span.sinceMs === undefined ? 'the beginning' : formatTime(span.sinceMs);
    write(`From ${since} to ${formatTime(span.untilMs ?? nowMs)}\n\n${formatSummary(summary)}`);
  }
  return 0;
}

export function formatSummary(s: Summary): string {
  const share = (n: number): string => (s.received === 0 ? '-' : `${((100 * n) / s.received).toFixed(1)} %`);
  const row = (name: string, n: number, note = share(n)): string[] => [name, String(n), note];
  const totals = formatTable(
    [{ title: 'decisions' }, { title: '', align: 'right' }, { title: '', align: 'right' }],
    [
      row('received', s.received, `${s.clientsEstimated === true ? 'about ' : ''}${s.clients} clients`),
      row('delivered', s.delivered),
      row('relayed', s.relayed),
      row('rejected', s.rejected),
      row('deferred', s.deferred),
      row('abandoned', s.abandoned),
      row('delivered without a tag', s.ham),
      row('delivered with a tag', s.tagged),
      row('delivered to some only', s.partly),
      ['volume', formatOctets(s.deliveredOctets), 'delivered'],
      ...Object.entries(s.turnedAway).map(([reason, n]) => [
        'turned away at the door',
        String(n),
        `${REASONS[reason] ?? reason}; not among those received`,
      ]),
    ],
  );
  const hours =
    s.byWholeHours === true
      ? '\nChecks by whole hours, and so what was turned away: of days long past no minutes are kept.\n'
      : '';
  if (s.byCheck.length === 0) return `${totals}${hours}`;
  const titles = ['asked', 'failed', 'no answer', 'rejected', 'deferred', 'ms each', 's in all'];
  const checks = formatTable(
    [{ title: 'decisions by check' }, ...titles.map((title) => ({ title, align: 'right' as const }))],
    s.byCheck
      .toSorted((a, b) => b.refused - a.refused || b.asked - a.asked)
      .map((c) => [
        c.check,
        ...[c.asked, c.failed, c.temperror, c.refused, c.deferred].map(String),
        c.asked === 0 ? '-' : (c.tookMs / c.asked).toFixed(2),
        (c.tookMs / 1000).toFixed(2),
      ]),
  );
  return `${totals}\n${checks}${hours}`;
}
