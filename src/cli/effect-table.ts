/** Wanted and unwanted mail with no checks, with each alone, with all: counted one by one, printed as a table. */
import type { Passage } from '../engine/alone.ts';
import { formatTable } from './table.ts';

export type Kind = 'unwanted' | 'wanted';
type Passages = Record<Passage, number>;

const NO_CHECKS = 'no checks';
const ALL = 'all together';

export interface EffectRow {
  readonly checks: string;
  readonly unwanted: Passages;
  readonly wanted: Passages;
}

export class EffectTable {
  readonly #rows = new Map<string, EffectRow>();
  readonly #all: EffectRow = { checks: ALL, unwanted: none(), wanted: none() };
  readonly #total: EffectRow = { checks: NO_CHECKS, unwanted: none(), wanted: none() };

  constructor(checks: readonly string[]) {
    for (const name of checks) this.#rows.set(name, { checks: name, unwanted: none(), wanted: none() });
  }

  add(kind: Kind, alone: ReadonlyMap<string, Passage>, together: Passage): void {
    this.#total[kind]['let-in']++;
    this.#all[kind][together]++;
    for (const [name, row] of this.#rows) row[kind][alone.get(name) ?? 'unknown']++;
  }

  count(kind: Kind): number {
    return this.#total[kind]['let-in'];
  }

  /** No checks first, then those that stop most, all together at the end. */
  rows(): readonly EffectRow[] {
    const each = [...this.#rows.values()].sort(
      (a, b) =>
        b.unwanted.stopped - a.unwanted.stopped ||
        b.unwanted.deferred - a.unwanted.deferred ||
        a.checks.localeCompare(b.checks),
    );
    return [this.#total, ...each, this.#all];
  }
}

const none = (): Passages => ({ 'let-in': 0, stopped: 0, deferred: 0, unknown: 0 });

/** `hours`: that the mail came in. Checks that had nothing to say of anything are named below the table. */
export function formatEffect(table: EffectTable, hours: number, width: number): string {
  const [shown, silent] = [[] as EffectRow[], [] as string[]];
  for (const row of table.rows()) {
    const isTotal = row.checks === NO_CHECKS || row.checks === ALL;
    const spoke = (['unwanted', 'wanted'] as const).some(
      (kind) => row[kind].stopped + row[kind].deferred + row[kind].unknown > 0,
    );
    if (isTotal || spoke) shown.push(row);
    else silent.push(row.checks);
  }
  const cells = (row: EffectRow, kind: Kind): string[] => {
    const { stopped, deferred, unknown } = row[kind];
    const through = row[kind]['let-in'];
    const dash = (n: number) => (n === 0 ? '-' : String(n));
    return [
      // Of what nobody knows some may have been stopped.
      `${unknown > 0 ? '≤' : ''}${rate((through + unknown) / hours)}`,
      stopped === 0 ? '-' : `${stopped} (${percent(stopped, table.count(kind))})`,
      dash(deferred),
      dash(unknown),
    ];
  };
  const text = formatTable(
    COLUMNS,
    shown.map((row) => [row.checks, ...cells(row, 'unwanted'), ...cells(row, 'wanted')]),
    width,
  );
  return silent.length === 0 ? text : `${text}\nNothing to stop for: ${silent.join(', ')}.\n`;
}

const right = (title: string) => ({ title, align: 'right' as const });
const COLUMNS = [
  { title: 'with' },
  right('unwanted/h'),
  right('stopped'),
  right('deferred'),
  right('not known'),
  right('wanted/h'),
  right('stopped'),
  right('deferred'),
  right('not known'),
];

const percent = (part: number, of: number): string =>
  of === 0 ? '-' : `${((100 * part) / of).toFixed(1)} %`;

/** Some digits that tell, for a small site has a message a day and a large one thousands an hour. */
function rate(n: number): string {
  if (n === 0) return '0';
  if (n >= 100) return n.toFixed(0);
  return n >= 1 ? n.toFixed(1) : n >= 0.01 ? n.toFixed(3) : n.toPrecision(2);
}
