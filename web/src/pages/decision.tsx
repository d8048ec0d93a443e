import { useState } from 'preact/hooks';
import type { DecisionStory, StoryLine, Taught } from '../../../src/admin/api.ts';
import type { Judgement } from '../../../src/core/desk.ts';
import { get, post, textOf } from '../api.ts';
import { time, took } from '../format.ts';
import { useLoad } from '../load.ts';
import { Card, Outcome, Shown, When, Trouble } from '../parts/basics.tsx';
import { DecisionTable } from '../parts/decisions.tsx';
import { ListDialog } from '../parts/list-dialog.tsx';
import { ReportAnswerForm } from '../parts/report-answer.tsx';

export function DecisionPage({ id }: { readonly id: string }) {
  const story = useLoad(`decision ${id}`, (signal) =>
    get<DecisionStory>(`/api/decisions/${encodeURIComponent(id)}`, {}, signal),
  );
  return <Shown of={story}>{(data) => <Told story={data} again={story.again} />}</Shown>;
}

function Told({ story, again }: { readonly story: DecisionStory; readonly again: () => void }) {
  const { decision, line } = story;
  const [said, setSaid] = useState('');
  const [error, setError] = useState('');
  const [dialog, setDialog] = useState<'let-in' | 'block' | undefined>();
  const act = (path: string, body: unknown, tell: (answer: unknown) => string) => {
    setError('');
    post(`/api/decisions/${line.id}/${path}`, body).then(
      (answer) => {
        setSaid(tell(answer));
        again();
      },
      (e: unknown) => setError(textOf(e)),
    );
  };
  const mark = (judgement: Judgement) =>
    act('mark', { judgement: story.mark === judgement ? null : judgement }, () =>
      story.mark === judgement ? 'The mark is taken off.' : `Marked as ${judgement}.`,
    );
  const teach = (kind: 'spam' | 'ham') => act('teach', { kind }, (taught) => (taught as Taught).text);
  return (
    <>
      <p>
        <a href="/decisions">← All decisions</a>
      </p>
      <Card class={`verdict ${line.outcome}`}>
        <p class="headline">
          <Outcome of={line.outcome} code={line.code} /> <code class="id">{line.id}</code>{' '}
          <When ms={line.atMs} />
        </p>
        <p class="verdict-words">{story.verdict}</p>
        <dl class="facts">
          <dt>Client</dt>
          <dd>
            <a href={`/decisions?client=${encodeURIComponent(line.client)}`}>
              <code>{line.client}</code>
            </a>{' '}
            {line.helo === undefined ? '' : `as ${line.helo}`}
          </dd>
          <dt>From</dt>
          <dd class="address">{line.sender ?? 'nobody: it did not get that far'}</dd>
          <dt>To</dt>
          <dd class="address">{line.recipients.length === 0 ? 'nobody' : line.recipients.join(', ')}</dd>
          <dt>Took</dt>
          <dd>{took(decision.tookMs)}</dd>
        </dl>
        <div class="buttons">
          <button type="button" class="primary" onClick={() => setDialog('let-in')}>
            Let in…
          </button>
          <button type="button" onClick={() => setDialog('block')}>
            Block…
          </button>
          <button type="button" aria-pressed={story.mark === 'wanted'} onClick={() => mark('wanted')}>
            Was wanted
          </button>
          <button type="button" aria-pressed={story.mark === 'unwanted'} onClick={() => mark('unwanted')}>
            Was unwanted
          </button>
          {story.teachable ? (
            <>
              <button type="button" onClick={() => teach('ham')}>
                Teach: ham
              </button>
              <button type="button" onClick={() => teach('spam')}>
                Teach: spam
              </button>
            </>
          ) : null}
        </div>
        <p aria-live="polite" class="said">
          {said}
        </p>
        <Trouble text={error} />
      </Card>
      {story.report === undefined ? null : (
        <Card title="Reported as a mistake" note={<When ms={story.report.atMs} />}>
          <ReportAnswerForm
            report={story.report}
            line={line}
            onDone={(text) => {
              setSaid(text);
              again();
            }}
          />
        </Card>
      )}
      <Card title="What happened">
        <ol class="story">
          {story.story.map((step) => (
            <Step step={step} />
          ))}
        </ol>
      </Card>
      <Card title="What would have changed it">
        {story.wouldChange.length === 0 ? (
          <p class="empty">Nothing that is known of it.</p>
        ) : (
          <ul>
            {story.wouldChange.map((text) => (
              <li>{text}</li>
            ))}
          </ul>
        )}
      </Card>
      {story.blocks.length === 0 ? null : (
        <Card title="Blocked because of it">
          <ul>
            {story.blocks.map((block) => (
              <li>
                <a href={`/blocks?network=${encodeURIComponent(block.network)}`}>{block.network}</a> until{' '}
                {time(block.endsMs)}: {block.reason}
              </li>
            ))}
          </ul>
        </Card>
      )}
      {story.session.length === 0 ? null : (
        <Card title="In the same session">
          <DecisionTable lines={story.session} empty="" />
        </Card>
      )}
      <Card>
        <details>
          <summary>All of it, as it was recorded</summary>
          <pre>{JSON.stringify(decision, null, 2)}</pre>
        </details>
      </Card>
      {dialog === undefined ? null : (
        <ListDialog
          what={dialog}
          line={line}
          onClose={() => setDialog(undefined)}
          onDone={(text) => {
            setDialog(undefined);
            setSaid(text);
            again();
          }}
        />
      )}
    </>
  );
}

function Step({ step }: { readonly step: StoryLine }) {
  const isOpen = step.evidence !== undefined || (step.findings?.length ?? 0) > 0;
  return (
    <li class={`step ${step.kind} ${step.tone}`}>
      <div class="step-head">
        <span class="stage">{step.stage}</span>
        <span class="step-text">
          {step.check === undefined ? null : <b>{step.check}</b>} {step.text}
        </span>
        {step.kind === 'check' ? <span class="tone">{step.tone}</span> : null}
        {step.tookMs === undefined ? null : <small>{took(step.tookMs)}</small>}
      </div>
      {isOpen ? (
        <details>
          <summary>what came back</summary>
          {step.findings?.map((finding) => (
            <p>{finding}</p>
          ))}
          {step.evidence === undefined ? null : <pre>{step.evidence}</pre>}
        </details>
      ) : null}
    </li>
  );
}
