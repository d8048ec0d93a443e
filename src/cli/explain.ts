/** `postern check-config --explain`: every check with what it comes to, where that comes from, and which cannot run. */
import { jsonText } from '../adapters/harmless.ts';
import type { Paint } from '../adapters/paint.ts';
import { classifier } from '../checks/classifier.ts';
import type { CheckConfig, Config } from '../config/config.ts';
import { isOff } from '../config/off.ts';
import type { Origin } from '../config/profile.ts';
import { hasPlaceAt } from '../core/check.ts';
import type { SessionFacts } from '../core/facts.ts';
import type { ListEntries, ListEntry } from '../core/lists.ts';
import { blockingCheck } from '../core/overruled.ts';
import type { Action } from '../core/settings.ts';
import { COSTS } from '../core/stage.ts';
import { resolverProblem } from './resolver-problem.ts';

export interface Sourced<T> {
  readonly value: T;
  readonly from: Origin;
}

/** A check as `--explain` shows it, and as `--json` prints it. */
export interface Explained {
  readonly check: string;
  readonly stage: string;
  readonly cost: string;
  readonly state: 'on' | 'cannot run' | 'off';
  /** Why it cannot run. */
  readonly why?: string;
  /** Doors that are open, and at which it has nothing to judge. */
  readonly not_at?: readonly Door[];
  readonly on_fail: Sourced<Action>;
  /** Of the findings whose action is not `on_fail`. */
  readonly actions: Readonly<Record<string, Sourced<Action>>>;
  readonly on_temperror: Sourced<string>;
  readonly weight: Sourced<number>;
  readonly refuse_at: Sourced<string>;
}

type Door = SessionFacts['door'];

function doorsOf({ listen, services }: Config): readonly Door[] {
  return [
    ...new Set<Door>([
      ...(listen.length > 0 ? ['gateway' as const] : []),
      ...services.map(({ door }) => door),
    ]),
  ];
}

/** What is known beside the configuration, by the place where it runs. */
export interface Circumstances {
  /** Why DNS cannot be asked, if it cannot. */
  readonly noResolver?: string | undefined;
  /** Why the classifier judges nothing. */
  readonly untrained?: string | undefined;
  /** What people have listed while the gate runs. */
  readonly listed?: readonly ListEntry[];
}

/** In the order of the ladder. */
export function explain(config: Config, known: Circumstances = {}): Explained[] {
  const doors = doorsOf(config);
  const climbed = config.checks.toSorted((a, b) => COSTS.indexOf(a.check.cost) - COSTS.indexOf(b.check.cost));
  return climbed.map((configured) => {
    const { check, settings, origins } = configured;
    const off = isOff(configured);
    const notAt = off ? [] : doors.filter((door) => !hasPlaceAt(check, door));
    const nowhere = notAt.length === doors.length && doors.length > 0 ? NOWHERE : undefined;
    const why = off ? undefined : (nowhere ?? whyNot(configured, config.listEntries, known));
    const differing = Object.entries(settings.actions).filter(([, action]) => action !== settings.on_fail);
    return {
      check: check.name,
      stage: check.stage,
      cost: check.cost,
      state: off ? 'off' : why === undefined ? 'on' : 'cannot run',
      ...(why === undefined ? {} : { why }),
      ...(notAt.length === 0 ? {} : { not_at: notAt }),
      on_fail: { value: settings.on_fail, from: origins.on_fail },
      actions: Object.fromEntries(
        differing.map(([code, value]) => [code, { value, from: origins.actions[code] ?? 'default' }]),
      ),
      on_temperror: { value: settings.on_temperror, from: origins.on_temperror },
      weight: { value: settings.weight, from: origins.weight },
      refuse_at: { value: settings.refuse_at, from: origins.refuse_at },
    };
  });
}

const NOWHERE = 'no door is open at which it has anything to judge';

/** The checks that read the operator's block list, and what the entries name that each of them reads. */
const LISTS: Readonly<Record<string, string>> = {
  'client-list': 'a client alone',
  'client-name-list': 'a host',
  'envelope-list': 'a sender or recipient',
} satisfies Record<ReturnType<typeof blockingCheck>, string>;

function whyNot(
  { check, idle }: CheckConfig,
  entries: ListEntries,
  { noResolver, untrained, listed = [] }: Circumstances,
): string | undefined {
  if (idle !== undefined) return idle;
  if (check.name === classifier.name) return untrained;
  const wanted = LISTS[check.name];
  const isRead = (e: ListEntry) => e.kind === 'block' && blockingCheck(e) === check.name;
  if (wanted !== undefined && !listed.some(isRead) && !entries.some(isRead))
    return `no block list entry names ${wanted}`;
  return check.cost === 'dns' || check.cost === 'dns-chain' ? noResolver : undefined;
}

export async function explainAsJson(
  config: Config,
  warnings: readonly string[],
  known: Omit<Circumstances, 'noResolver'> = {},
): Promise<string> {
  const { file, policy, profile, refuseAtSuspicion, refuseAtSuspicionFrom } = config;
  const explained = {
    file,
    policy,
    profile: profile ?? null,
    refuse_at_suspicion: {
      value: Number.isFinite(refuseAtSuspicion) ? refuseAtSuspicion : null,
      from: refuseAtSuspicionFrom,
    },
    checks: explain(config, { ...known, noResolver: await resolverProblem(config) }),
    warnings,
  };
  return `${jsonText(explained, 2)}\n`;
}

const TITLES = ['check', 'rung', 'stage', 'on_fail', 'on_temperror', 'weight', 'refuse_at'];

/** Fits 100 columns. A value's origin stands behind it: `:31` is the line of the file, nothing is the default. */
export function explainAsTable(config: Config, checks: readonly Explained[], paint: Paint): string {
  const { profile, refuseAtSuspicion, refuseAtSuspicionFrom } = config;
  const rows = checks.flatMap((c) => [
    {
      state: c.state,
      cells: [
        c.check,
        c.cost,
        c.stage === 'endOfMessage' ? 'message' : c.stage,
        marked(c.on_fail),
        marked(c.on_temperror),
        marked(c.weight),
        marked(c.refuse_at),
      ],
    },
    ...Object.entries(c.actions).map(([code, action]) => ({
      state: c.state,
      cells: [`  ${code}`, '', '', marked(action), '', '', ''],
    })),
  ]);
  const widths = TITLES.map((title, i) =>
    Math.max(title.length, ...rows.map((r) => r.cells[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const lines = [
    paint('bold', line(TITLES)),
    ...rows.map(({ state, cells }) => (state === 'on' ? line(cells) : paint('dim', line(cells)))),
    '',
    `Behind a value: :31 is its line in the file, ${profile === undefined ? '' : `${profile} the profile, `}nothing its default.`,
    `Suspicion refuses ${Number.isFinite(refuseAtSuspicion) ? `from ${refuseAtSuspicion}` : 'never'} (${refuseAtSuspicionFrom}).`,
  ];
  const stuck = Map.groupBy(
    checks.filter((c) => c.state === 'cannot run'),
    (c) => c.why ?? '',
  );
  if (stuck.size > 0) lines.push('', paint('yellow', 'On, but cannot run:'));
  for (const [why, which] of stuck) lines.push(...wrapped(`${which.map((c) => c.check).join(', ')}: ${why}`));
  for (const door of ['gateway', 'milter', 'policy'] as const) {
    const left = checks.filter((c) => c.state === 'on' && c.not_at?.includes(door) === true);
    if (left.length === 0) continue;
    lines.push('', `On, but not at the ${door} door:`, ...wrapped(left.map((c) => c.check).join(', ')));
  }
  const off = checks.filter((c) => c.state === 'off');
  lines.push(
    '',
    ...(off.length === 0 ? ['Off: none'] : ['Off:', ...wrapped(off.map((c) => c.check).join(', '))]),
  );
  return lines.map((text) => `${text}\n`).join('');
}

const COLUMNS = 100;

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function marked({ value, from }: Sourced<string | number>): string {
  const mark = from === 'default' ? '' : from.replace('profile ', '').replace(/^.*:/, ':');
  return mark === '' ? String(value) : `${value} ${mark}`;
}
