import { harmless } from '../adapters/log.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Longer cells are cut. */
  readonly max?: number;
}

/** Columns as wide as what stands in them; cells come from clients, so they are made harmless here. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => columns.map((column, i) => cut(harmless(row[i] ?? ''), column.max ?? 60)));
  const widths = columns.map(({ title }, i) =>
    cells.reduce((w, row) => Math.max(w, row[i]?.length ?? 0), title.length),
  );
  const line = (row: readonly string[]) =>
    columns
      .map(({ align }, i) =>
        align === 'right' ? (row[i] ?? '').padStart(widths[i] ?? 0) : (row[i] ?? '').padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [columns.map((column) => column.title), ...cells].map((row) => `${line(row)}\n`).join('');
}

const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);
