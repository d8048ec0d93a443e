import { harmless } from '../adapters/harmless.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Longer cells are cut. */
  readonly max?: number;
  /** How narrow it may become where the table is too wide; without it, it stays as it is. */
  readonly min?: number;
}

/**
 * Columns as wide as what stands in them; cells come from clients, so they are made harmless here. Where a line would be longer than
 * `width` the widest columns with a `min` give way.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = Infinity,
): string {
  const cells = rows.map((row) => columns.map((column, i) => cut(harmless(row[i] ?? ''), column.max ?? 60)));
  const natural = columns.map(({ title }, i) =>
    cells.reduce((w, row) => Math.max(w, row[i]?.length ?? 0), title.length),
  );
  const widths = fitted(columns, natural, width);
  const line = (row: readonly string[]) =>
    columns
      .map(({ align }, i) => {
        const cell = cut(row[i] ?? '', widths[i] ?? 0);
        return align === 'right' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
      })
      .join(GAP)
      .trimEnd();
  return [columns.map((column) => column.title), ...cells].map((row) => `${line(row)}\n`).join('');
}

const GAP = '  ';

function fitted(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  let over = widths.reduce((sum, w) => sum + w, GAP.length * (widths.length - 1)) - width;
  for (; over > 0; over--) {
    let widest = -1;
    for (const [i, { min, title }] of columns.entries()) {
      const w = widths[i] ?? 0;
      if (min !== undefined && w > Math.max(min, title.length) && w > (widths[widest] ?? 0)) widest = i;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);
