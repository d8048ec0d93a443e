/** Small things that all pages are made of. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { DecisionOutcome } from '../../../src/core/decision.ts';
import { ago, time } from '../format.ts';
import type { Loaded } from '../load.ts';

export function Card({
  title,
  note,
  children,
  class: name = '',
}: {
  readonly title?: string;
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}) {
  return (
    <section class={`card ${name}`}>
      {title === undefined ? null : (
        <header>
          <h2>{title}</h2>
          {note === undefined ? null : <div class="note">{note}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** What came, or why nothing did; while the next is asked for, the last stays. */
export function Shown<T>({
  of,
  children,
}: {
  readonly of: Loaded<T>;
  readonly children: (data: T) => ComponentChildren;
}) {
  return (
    <>
      {of.error === undefined ? null : (
        <p class="trouble" role="alert">
          {of.error}{' '}
          <button type="button" class="quiet" onClick={of.again}>
            Try again
          </button>
        </p>
      )}
      {of.data === undefined ? (
        of.error === undefined ? (
          <p class="wait">One moment…</p>
        ) : null
      ) : (
        children(of.data)
      )}
    </>
  );
}

export function Trouble({ text }: { readonly text: string | undefined }) {
  if (text === undefined || text === '') return null;
  return (
    <p class="trouble" role="alert">
      {text}
    </p>
  );
}

/** What stands in a field of a form, without blanks around it. */
export function said(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
}

export function When({ ms }: { readonly ms: number }) {
  return (
    <time dateTime={new Date(ms).toISOString()} title={`${new Date(ms).toString()}, ${ago(ms)}`}>
      {time(ms)}
    </time>
  );
}

const SIGNS: Readonly<Record<string, string>> = {
  accepted: '✓',
  relayed: '→',
  refused: '✕',
  deferred: '…',
  abandoned: '–',
};

/** Colour, sign and word: never colour alone. */
export function Outcome({ of, code }: { readonly of: DecisionOutcome; readonly code?: number | undefined }) {
  return (
    <span class={`outcome ${of}`}>
      <span aria-hidden="true">{SIGNS[of]}</span> {of}
      {code === undefined ? '' : ` ${code}`}
    </span>
  );
}

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  readonly right?: boolean;
  /** Of sentences. */
  readonly wide?: boolean;
}

export function Table<Row>({
  columns,
  rows,
  keyOf,
  empty,
  caption,
}: {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string | number;
  readonly empty: string;
  readonly caption: string;
}) {
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const nameOf = ({ right, wide }: Column<Row>) => (right === true ? 'right' : wide === true ? 'wide' : '');
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table class="rows">
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" class={nameOf(column)}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td class={nameOf(column)} data-label={column.title}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Dialog({
  title,
  onClose,
  children,
}: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="dialog-title">
      <header>
        <h2 id="dialog-title">{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => dialog.current?.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

export function Field({
  label,
  hint,
  children,
}: {
  readonly label: string;
  readonly hint?: string;
  readonly children: ComponentChildren;
}) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint === undefined ? null : <small>{hint}</small>}
    </label>
  );
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
export const MONTH_MS = 30 * DAY;

const LASTING: readonly (readonly [string, number | undefined])[] = [
  ['1 hour', HOUR],
  ['1 day', DAY],
  ['1 week', 7 * DAY],
  ['30 days', MONTH_MS],
  ['1 year', 365 * DAY],
  ['for good', undefined],
];

export function LastsField({
  value,
  onChange,
  forGood = true,
}: {
  readonly value: number | undefined;
  readonly onChange: (ms: number | undefined) => void;
  readonly forGood?: boolean;
}) {
  return (
    <Field label="For how long">
      <select
        value={String(value ?? '')}
        onChange={(e) => onChange(e.currentTarget.value === '' ? undefined : Number(e.currentTarget.value))}
      >
        {LASTING.filter(([, ms]) => forGood || ms !== undefined).map(([name, ms]) => (
          <option value={String(ms ?? '')}>{name}</option>
        ))}
      </select>
    </Field>
  );
}

/** Buttons of which one is on. */
export function Choice<V extends string | number>({
  label,
  values,
  value,
  onChange,
}: {
  readonly label: string;
  readonly values: readonly (readonly [string, V])[];
  readonly value: V;
  readonly onChange: (value: V) => void;
}) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {values.map(([name, v]) => (
        <button type="button" aria-pressed={v === value} onClick={() => onChange(v)}>
          {name}
        </button>
      ))}
    </div>
  );
}
