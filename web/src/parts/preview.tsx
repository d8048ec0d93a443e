/** What an entry made from a decision would be, and what else it would have touched, before it is made. */
import { useEffect, useState } from 'preact/hooks';
import type { DecisionLine, ListAnswer, ListRequest, Scope } from '../../../src/admin/api.ts';
import { post, textOf } from '../api.ts';
import { count } from '../format.ts';
import { Trouble } from './basics.tsx';
import { DecisionTable } from './decisions.tsx';

const SCOPES: readonly (readonly [Scope, string])[] = [
  ['client', 'this client address'],
  ['network', "the client's network"],
  ['sender', 'this sender address, which anybody can write'],
  ['domain', "the sender's domain, which anybody can write"],
  ['recipient', 'this recipient, from anybody'],
];

/** Those that the decision has something for. */
export const scopesOf = (line: DecisionLine): readonly (readonly [Scope, string])[] =>
  SCOPES.filter(([scope]) => {
    if (scope === 'sender' || scope === 'domain') return line.sender !== undefined && line.sender !== '<>';
    return scope !== 'recipient' || line.recipients.length > 0;
  });

export type Entry = Pick<ListRequest, 'scope' | 'recipientOnly' | 'lastsMs'>;

export function Preview({
  what,
  id,
  entry,
}: {
  readonly what: 'let-in' | 'block';
  readonly id: string;
  readonly entry: Entry;
}) {
  const [preview, setPreview] = useState<ListAnswer | undefined>();
  const [error, setError] = useState('');
  const key = JSON.stringify(entry);
  useEffect(() => {
    let isWanted = true;
    setPreview(undefined);
    setError('');
    const request: ListRequest = { ...entry, reason: 'preview', dryRun: true };
    post<ListAnswer>(`/api/decisions/${id}/${what}`, request).then(
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
  }, [id, what, key]);
  return (
    <div class="preview" aria-live="polite">
      <Trouble text={error} />
      {preview === undefined ? (
        error === '' ? (
          <p class="wait">Looking what else this would touch…</p>
        ) : null
      ) : (
        <>
          <p>
            Entry: <code>{preview.entry}</code>
          </p>
          <p>
            It would also have {what === 'let-in' ? 'let in' : 'stopped'} <b>{count(preview.alsoAffected)}</b>{' '}
            {preview.alsoAffected === 1 ? 'other recorded message' : 'other recorded messages'}.
          </p>
          {preview.examples.length === 0 ? null : (
            <details>
              <summary>Some of those messages</summary>
              <DecisionTable lines={preview.examples} empty="" caption="Touched as well" />
            </details>
          )}
          {preview.notes.map((note) => (
            <p>{note}</p>
          ))}
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
        </>
      )}
    </div>
  );
}
