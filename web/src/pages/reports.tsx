import type { ReportList } from '../../../src/admin/api.ts';
import { address, get } from '../api.ts';
import { useLoad } from '../load.ts';
import { Card, Choice, Outcome, Shown, When } from '../parts/basics.tsx';
import { ReportAnswerForm } from '../parts/report-answer.tsx';
import { go } from '../route.ts';

const STATES = [
  ['open', 'open'],
  ['let in', 'let-in'],
  ['declined', 'declined'],
  ['all', 'all'],
] as const;

export function Reports({
  query,
  takesReports,
}: {
  readonly query: Readonly<Record<string, string>>;
  readonly takesReports: boolean;
}) {
  const state = STATES.find(([, s]) => s === query['state'])?.[1] ?? 'open';
  const { before } = query;
  const asked = { state: state === 'all' ? undefined : state, before };
  const reports = useLoad(`reports ${state} ${before ?? ''}`, (signal) =>
    get<ReportList>('/api/reports', asked, signal),
  );
  return (
    <>
      <Choice
        label="State"
        values={STATES}
        value={state}
        onChange={(s) => go(address('/reports', { state: s === 'open' ? '' : s }))}
      />
      <Shown of={reports}>
        {(data) => (
          <>
            {data.reports.length > 0 ? null : (
              <p class="empty">
                No reports here.{' '}
                {takesReports ? null : (
                  <>
                    Refused senders have no page to report on: a table <code>[report_page]</code> in the
                    configuration makes one.
                  </>
                )}
              </p>
            )}
            {data.reports.map(({ report, decision, refusal }) => (
              <Card key={report.id} title={`Report ${report.id}`} note={<When ms={report.atMs} />}>
                <div class="two">
                  <ReportAnswerForm report={report} line={decision} onDone={reports.again} />
                  {decision === undefined ? (
                    <p class="empty">
                      The decision <code>{report.decision}</code> is no longer in the journal.
                    </p>
                  ) : (
                    <dl class="facts">
                      <dt>Decision</dt>
                      <dd>
                        <a class="id" href={`/decisions/${decision.id}`}>
                          {decision.id}
                        </a>{' '}
                        <Outcome of={decision.outcome} code={decision.code} />
                      </dd>
                      <dt>When</dt>
                      <dd>
                        <When ms={decision.atMs} />
                      </dd>
                      <dt>Client</dt>
                      <dd>
                        <code>{decision.client}</code> {decision.helo ?? ''}
                      </dd>
                      <dt>From</dt>
                      <dd class="address">{decision.sender ?? '–'}</dd>
                      <dt>To</dt>
                      <dd class="address">{decision.recipients.join(', ')}</dd>
                      <dt>Decided by</dt>
                      <dd>{decision.decidedBy ?? '–'}</dd>
                      {refusal === undefined ? null : (
                        <>
                          <dt>Said</dt>
                          <dd>
                            <code>{refusal}</code>
                          </dd>
                        </>
                      )}
                    </dl>
                  )}
                </div>
              </Card>
            ))}
            {data.before === undefined ? null : (
              <a class="button" href={address('/reports', { state, before: data.before })}>
                Older ones
              </a>
            )}
          </>
        )}
      </Shown>
    </>
  );
}
