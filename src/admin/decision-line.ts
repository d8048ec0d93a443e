import type { Decision } from '../core/decision.ts';
import type { Judgement } from '../core/desk.ts';
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';
import type { DecisionLine } from './api.ts';

/** What people have said of it. `decidedBy`: who decided where it was no check, such as the protocol or the backend. */
export interface Remarks {
  readonly mark?: Judgement | undefined;
  readonly reported?: boolean;
  readonly decidedBy?: string | undefined;
}

/** Recipients shown in a line; there may be hundreds. */
const MAX_RECIPIENTS = 10;

/** A decision as one line of a list. All texts are strangers': pages show them as text, never as HTML. */
export function lineOf(
  decision: Decision,
  { mark, reported = false, decidedBy }: Remarks = {},
): DecisionLine {
  const { id, atMs, session, transaction, recipients, outcome, reply, check, code, tags } = decision;
  const path = transaction?.reversePath;
  return {
    id,
    atMs,
    client: session.client.address,
    helo: session.helo?.name,
    sender: path === undefined ? undefined : path === null ? '<>' : formatReversePath(path),
    recipients: recipients.slice(0, MAX_RECIPIENTS).map(({ mailbox }) => formatMailbox(mailbox)),
    outcome,
    code: reply?.code,
    decidedBy: check === undefined ? decidedBy : code === undefined ? check : `${check}:${code}`,
    tags: tags ?? [],
    mark,
    reported,
  };
}
