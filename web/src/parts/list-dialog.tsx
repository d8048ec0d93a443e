/** Let in or block, from a decision. */
import { useState } from 'preact/hooks';
import type { DecisionLine, ListAnswer, ListRequest, Scope } from '../../../src/admin/api.ts';
import { post, textOf } from '../api.ts';
import { Dialog, Field, LastsField, MONTH_MS, Trouble } from './basics.tsx';
import { Preview, scopesOf, type Entry } from './preview.tsx';

const WORDS = {
  'let-in': {
    title: 'Let in',
    legend: 'From now on let in',
    hint: 'Stands in the list, and in the journal of what it touches.',
    done: 'Let in',
  },
  block: {
    title: 'Block',
    legend: 'From now on refuse',
    hint: 'Those who are refused read it.',
    done: 'Blocked',
  },
} as const;

export function ListDialog({
  what,
  line,
  onClose,
  onDone,
}: {
  readonly what: 'let-in' | 'block';
  readonly line: DecisionLine;
  readonly onClose: () => void;
  readonly onDone: (said: string) => void;
}) {
  const words = WORDS[what];
  const [scope, setScope] = useState<Scope>('client');
  const [recipientOnly, setRecipientOnly] = useState(false);
  const [lastsMs, setLastsMs] = useState<number | undefined>(MONTH_MS);
  const [reason, setReason] = useState('');
  const [error, setError] = useState('');
  const [isWorking, setWorking] = useState(false);
  const entry: Entry = {
    scope,
    recipientOnly: recipientOnly && scope !== 'recipient',
    ...(lastsMs === undefined ? {} : { lastsMs }),
  };
  const submit = (event: Event) => {
    event.preventDefault();
    setWorking(true);
    setError('');
    const request: ListRequest = { ...entry, reason };
    post<ListAnswer>(`/api/decisions/${line.id}/${what}`, request).then(
      (answer) => onDone([`${words.done}: ${answer.entry}`, ...answer.notes].join('. ')),
      (e: unknown) => {
        setWorking(false);
        setError(textOf(e));
      },
    );
  };
  return (
    <Dialog title={words.title} onClose={onClose}>
      <form onSubmit={submit}>
        <fieldset>
          <legend>{words.legend}</legend>
          {scopesOf(line).map(([s, text], i) => (
            <label class="radio">
              <input
                type="radio"
                name="scope"
                autofocus={i === 0}
                checked={scope === s}
                onChange={() => setScope(s)}
              />{' '}
              {text}
            </label>
          ))}
          {scope === 'recipient' || line.recipients.length === 0 ? null : (
            <label class="radio">
              <input
                type="checkbox"
                checked={recipientOnly}
                onChange={(e) => setRecipientOnly(e.currentTarget.checked)}
              />{' '}
              only to {line.recipients[0]}
            </label>
          )}
        </fieldset>
        <LastsField value={lastsMs} onChange={setLastsMs} />
        <Field label="Why" hint={words.hint}>
          <input
            name="reason"
            required
            maxLength={200}
            value={reason}
            onInput={(e) => setReason(e.currentTarget.value)}
          />
        </Field>
        <Preview what={what} id={line.id} entry={entry} />
        <Trouble text={error} />
        <footer>
          <button type="submit" class={what === 'let-in' ? 'primary' : 'danger'} disabled={isWorking}>
            {words.title}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
