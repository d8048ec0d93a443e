/** Let in or block, from a decision: what the entry would be, and what else it would have changed, before it is made. */
import { useEffect, useState } from 'preact/hooks';
import type { DecisionLine, ListAnswer, ListRequest, Scope } from '../../../src/admin/api.ts';
import { post, textOf } from '../api.ts';
import { count } from '../format.ts';
import { Dialog, Field, LastsField, Trouble } from './basics.tsx';
import { DecisionTable } from './decisions.tsx';

const SCOPES: readonly (readonly [Scope, string])[] = [
  ['client', 'this client address'],
  ['network', "the client's network"],
  ['sender', 'this sender address'],
  ['domain', "the sender's domain"],
  ['recipient', 'this recipient, from anybody'],
];

const MONTH = 30 * 86_400_000;

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
  const [scope, setScope] = useState<Scope>('client');
  const [recipientOnly, setRecipientOnly] = useState(false);
  const [lastsMs, setLastsMs] = useState<number | undefined>(MONTH);
  const [reason, setReason] = useState('');
  const [preview, setPreview] = useState<ListAnswer | undefined>();
  const [error, setError] = useState<string | undefined>();
  const [isWorking, setWorking] = useState(false);
  const possible = SCOPES.filter(
    ([s]) => (s !== 'sender' && s !== 'domain') || (line.sender !== undefined && line.sender !== '<>'),
  ).filter(([s]) => s !== 'recipient' || line.recipients.length > 0);
  const request = (dryRun: boolean): ListRequest => ({
    scope,
    recipientOnly: recipientOnly && scope !== 'recipient',
    ...(lastsMs === undefined ? {} : { lastsMs }),
    reason,
    dryRun,
  });
  const path = `/api/decisions/${line.id}/${what}`;

  useEffect(() => {
    let isWanted = true;
    setPreview(undefined);
    setError(undefined);
    post<ListAnswer>(path, { ...request(true), reason: reason === '' ? 'preview' : reason }).then(
      (answer) => {
        if (isWanted) setPreview(answer);
      },
      (e: unknown) => {
        if (isWanted) setError(textOf(e));
      },
    );
    return () => {
      isWanted = false;
    };
  }, [scope, recipientOnly, lastsMs]);

  const submit = (event: Event) => {
    event.preventDefault();
    setWorking(true);
    setError(undefined);
    post<ListAnswer>(path, request(false)).then(
      ({ entry }) => onDone(what === 'let-in' ? `Let in: ${entry}` : `Blocked: ${entry}`),
      (e: unknown) => {
        setWorking(false);
        setError(textOf(e));
      },
    );
  };

  return (
    <Dialog title={what === 'let-in' ? 'Let in' : 'Block'} onClose={onClose}>
      <form onSubmit={submit}>
        <fieldset>
          <legend>{what === 'let-in' ? 'From now on let in' : 'From now on refuse'}</legend>
          {possible.map(([s, text]) => (
            <label class="radio">
              <input type="radio" name="scope" checked={scope === s} onChange={() => setScope(s)} /> {text}
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
        <Field label="Why" hint="Stands in the list, and in the journal of what it touches.">
          <input
            name="reason"
            required
            maxLength={200}
            value={reason}
            onInput={(e) => setReason(e.currentTarget.value)}
          />
        </Field>
        <div class="preview" aria-live="polite">
          {preview === undefined ? (
            error === undefined ? (
              <p class="wait">Looking what else this would touch…</p>
            ) : null
          ) : (
            <>
              <p>
                Entry: <code>{preview.entry}</code>
              </p>
              <p>
                It would also have {what === 'let-in' ? 'let in' : 'stopped'}{' '}
                <b>{count(preview.alsoAffected)}</b>{' '}
                {preview.alsoAffected === 1 ? 'other recorded message' : 'other recorded messages'}.
              </p>
              {preview.notLifted.length === 0 ? null : (
                <details>
                  <summary>What it does not lift</summary>
                  <ul>
                    {preview.notLifted.map((text) => (
                      <li>{text}</li>
                    ))}
                  </ul>
                </details>
              )}
              {preview.examples.length === 0 ? null : (
                <details>
                  <summary>Some of them</summary>
                  <DecisionTable lines={preview.examples} empty="" caption="Touched as well" />
                </details>
              )}
            </>
          )}
        </div>
        <Trouble text={error} />
        <footer>
          <button type="submit" class={what === 'let-in' ? 'primary' : 'danger'} disabled={isWorking}>
            {what === 'let-in' ? 'Let in' : 'Block'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
