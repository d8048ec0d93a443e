/** The daily summary: what was refused, what is open, what looks wrong. Plain text, for a mail and for the terminal. */
import type { CheckSummary, Summary } from '../../core/decision.ts';
import type { KeptNotice, Notice } from '../../core/notice.ts';
import { dayText, timeOfDay } from '../../core/wall-clock.ts';
import type { WatchWorld } from './watch.ts';
import { suspicious } from './suspicious.ts';

/** Its name among the notices. */
export const SUMMARY = 'daily summary';

export interface SummarySpan {
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface DueSummary extends SummarySpan {
  /** `2026-11-21`, of the wall clock. */
  readonly day: string;
}

/** The last moment at which a summary was due: by the wall clock, whatever the summer time does to the length of the day. */
export function dueSummary(nowMs: number, atMinutes: number): DueSummary {
  const now = new Date(nowMs);
  const momentOf = (daysAgo: number): Date =>
    new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysAgo, 0, atMinutes);
  const late = momentOf(0).getTime() > nowMs ? 1 : 0;
  const until = momentOf(late);
  return {
    day: dayText(until.getTime()),
    sinceMs: momentOf(late + 1).getTime(),
    untilMs: until.getTime(),
  };
}

/**
 * Days in order: a clock set back sends nothing twice. But a day beyond tomorrow was that of a clock gone wrong, and must not keep all
 * summaries until then from being sent: what counts is whether that of the day is among those sent `since` it was due.
 */
export function isSummarySent(
  lastDay: string,
  { day }: DueSummary,
  nowMs: number,
  since: () => readonly KeptNotice[],
): boolean {
  if (lastDay <= dayText(nowMs + DAY_MS)) return lastDay >= day;
  return since().some(({ notice, state }) => notice.about === SUMMARY && state === day);
}
const DAY_MS = 86_400_000;

export async function dailySummary(world: WatchWorld, due: SummarySpan): Promise<Notice> {
  const text = await dailySummaryText(world, due);
  const { hostName } = world.config().site;
  return {
    kind: 'summary',
    about: SUMMARY,
    state: 'sent',
    atMs: world.nowMs(),
    subject: `[${hostName}] Mail of ${dayText(due.sinceMs)}`,
    text,
  };
}

// Longer tables are read by nobody at breakfast; `postern stats` has them all.
const MAX_CHECKS = 15;
const MAX_ALERTS = 20;

export async function dailySummaryText(world: WatchWorld, span: SummarySpan): Promise<string> {
  const { journal } = world;
  const config = world.config();
  const lengthMs = span.untilMs - span.sinceMs;
  const before = { sinceMs: span.sinceMs - lengthMs, untilMs: span.sinceMs };
  const [now, then] = [await journal.summary(span), await journal.summary(before)];
  const wrong = await suspicious(world, span, now);
  // Asked for now: a reload may have put another one in its place meanwhile.
  const { desk } = world;
  const alerts = desk.notices
    .since(span.sinceMs)
    .filter(({ notice }) => notice.kind === 'alert' && notice.atMs < span.untilMs)
    .map(
      ({ notice }) =>
        `${timeOfDay(notice.atMs)}  ${notice.state === 'firing' ? '' : 'over: '}${firstLine(notice.text)}`,
    );
  const open = desk.reports.open();
  const url = config.admin.dashboard?.url;
  const sections = [
    `${config.site.hostName}, ${dayText(span.sinceMs)} ${timeOfDay(span.sinceMs)} to ${dayText(span.untilMs)} ${timeOfDay(span.untilMs)}\n`,
    totals(now, then),
    `What looks wrong\n${wrong.length === 0 ? '  Nothing.\n' : list(wrong)}`,
    `Refused and deferred, by check\n${byCheck(now.byCheck, then.byCheck)}`,
    ...(alerts.length === 0 ? [] : [`Alerts\n${list(cut(alerts, MAX_ALERTS))}`]),
    `Reported mistakes\n  ${open === 0 ? 'None is open.' : `${open} ${open === 1 ? 'waits' : 'wait'} for an answer${url === undefined ? '.' : `: ${url}/`}`}\n`,
  ];
  return sections.join('\n');
}

function totals(now: Summary, then: Summary): string {
  const turnedAway = ({ turnedAway: reasons }: Summary): number =>
    Object.values(reasons).reduce((sum, n) => sum + n, 0);
  const rows: readonly (readonly [string, number, number])[] = [
    ['received', now.received, then.received],
    ['delivered', now.delivered, then.delivered],
    ['  of them with a tag', now.tagged, then.tagged],
    ['relayed', now.relayed, then.relayed],
    ['refused', now.rejected, then.rejected],
    ['deferred', now.deferred, then.deferred],
    ['abandoned by the client', now.abandoned, then.abandoned],
    ['turned away at the door', turnedAway(now), turnedAway(then)],
  ];
  return table(['', 'now', 'day before', 'change'], rows.map(withChange));
}

function byCheck(now: readonly CheckSummary[], then: readonly CheckSummary[]): string {
  const stopped = (checks: readonly CheckSummary[], name: string): number =>
    checks.filter(({ check }) => check === name).reduce((sum, c) => sum + c.refused + c.deferred, 0);
  const names = [...new Set([...now, ...then].map(({ check }) => check))];
  const rows = names
    .map((name) => [name, stopped(now, name), stopped(then, name)] as const)
    .filter(([, a, b]) => a + b > 0)
    .sort((a, b) => b[1] - a[1] || b[2] - a[2]);
  if (rows.length === 0) return '  Nothing.\n';
  const more = rows.length - MAX_CHECKS;
  return `${table(['', 'now', 'day before', 'change'], rows.slice(0, MAX_CHECKS).map(withChange))}${more > 0 ? `  and ${more} more: postern stats\n` : ''}`;
}

function withChange([name, now, then]: readonly [string, number, number]): readonly string[] {
  const per = then === 0 ? undefined : Math.round((100 * (now - then)) / then);
  const change = now === then ? '' : per === undefined ? 'new' : `${per >= 0 ? '+' : ''}${per} %`;
  return [name, thousands(now), thousands(then), change];
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')}`.trimEnd();
  return [titles, ...rows].map((row) => `${line(row)}\n`).join('');
}

const cut = (lines: readonly string[], max: number): readonly string[] =>
  lines.length <= max ? lines : [...lines.slice(0, max), `and ${lines.length - max} more`];

const list = (lines: readonly string[]): string => lines.map((line) => `  - ${line}\n`).join('');
const firstLine = (text: string): string => text.split('\n')[0] ?? '';
const thousands = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ' ');
