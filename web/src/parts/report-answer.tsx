import { useState } from 'preact/hooks';
import type { DecisionLine, ReportAnswer, Scope } from '../../../src/admin/api.ts';
import { MAX_REPORT_TEXT, type Report } from '../../../src/core/desk.ts';
import { post, textOf } from '../api.ts';
import { time } from '../format.ts';
import { Field, LastsField, MONTH_MS, Trouble } from './basics.tsx';
import { Preview, scopesOf } from './preview.tsx';

/** What the sender wrote, and the answer: let in with a click, or declined; the sender reads it on the page of the refusal. */
export function ReportAnswerForm({
  report,
  line,
  onDone,
}: {
  readonly report: Report;
  /** Absent where the journal has forgotten it: then it can only be declined. */
  readonly line: DecisionLine | undefined;
  readonly onDone: (said: string) => void;
}) {
  const [text, setText] = useState('');
  const [scope, setScope] = useState<Scope>('client');
  const [lastsMs, setLastsMs] = useState<number | undefined>(MONTH_MS);
  const [error, setError] = useState('');
  const [isOpen, setOpen] = useState(report.state === 'open');
  const [isWorking, setWorking] = useState(false);
  const answer = (state: ReportAnswer['state']) => {
    setWorking(true);
    setError('');
    const body: ReportAnswer = {
      state,
      text,
      ...(state === 'let-in' ? { scope, ...(lastsMs === undefined ? {} : { lastsMs }) } : {}),
    };
    post(`/api/reports/${report.id}/answer`, body)
      .then(
        () => onDone(state === 'let-in' ? 'Let in, and answered.' : 'Declined, and answered.'),
        (e: unknown) => setError(textOf(e)),
      )
      .finally(() => setWorking(false));
  };
  return (
    <div class="report">
      <blockquote>{report.text}</blockquote>
      <p>
        <small>
          {report.contact === '' ? 'without an address to write to' : `from ${report.contact}`}, by{' '}
          {report.network}
        </small>
      </p>
      {report.answer === undefined ? null : (
        <p class={`answer ${report.state}`}>
          <b>{report.state === 'let-in' ? 'Let in' : 'Declined'}</b> by {report.answer.by},{' '}
          {time(report.answer.atMs)}
          {report.answer.text === '' ? '' : `: ${report.answer.text}`}
        </p>
      )}
      <details open={isOpen} onToggle={(e) => setOpen(e.currentTarget.open)}>
        <summary>{report.state === 'open' ? 'Answer' : 'Answer anew'}</summary>
        <Field label="Answer, which the sender reads">
          <textarea
            name="answer"
            rows={3}
            required
            maxLength={MAX_REPORT_TEXT}
            value={text}
            onInput={(e) => setText(e.currentTarget.value)}
          />
        </Field>
        {line === undefined ? null : (
          <>
            <div class="row">
              <Field label="Let in">
                <select value={scope} onChange={(e) => setScope(e.currentTarget.value as Scope)}>
                  {scopesOf(line).map(([s, name]) => (
                    <option value={s}>{name}</option>
                  ))}
                </select>
              </Field>
              <LastsField value={lastsMs} onChange={setLastsMs} />
            </div>
            {isOpen ? (
              <Preview
                what="let-in"
                id={line.id}
                entry={{ scope, ...(lastsMs === undefined ? {} : { lastsMs }) }}
              />
            ) : null}
          </>
        )}
        <Trouble text={error} />
        <div class="buttons">
          {line === undefined ? null : (
            <button
              type="button"
              class="primary"
              disabled={isWorking || text.trim() === ''}
              onClick={() => answer('let-in')}
            >
              Let in
            </button>
          )}
          <button type="button" disabled={isWorking || text.trim() === ''} onClick={() => answer('declined')}>
            Decline
          </button>
        </div>
      </details>
    </div>
  );
}
