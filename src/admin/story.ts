/** One decision told for people: the dialogue step by step, what each check asked and found, and what came of it. */
import type { AnyCheck } from '../core/check.ts';
import type { Decision, Step } from '../core/decision.ts';
import { STAGES, type Stage } from '../core/stage.ts';
import { chargeText, fateOf, recipientText, senderOf, wouldText } from '../core/told.ts';
import { formatTime } from '../core/wall-clock.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { formatReply } from '../mail/reply.ts';
import type { StoryLine } from './api.ts';

export function storyOf(decision: Decision): StoryLine[] {
  const lines = STAGES.flatMap((stage) => {
    const steps = decision.steps.filter((step) => step.stage === stage);
    return stage === 'rcpt'
      ? recipientLines(decision, steps)
      : [...dialogueAt(stage, decision), ...steps.map((step) => checkLine(step, decision.recipients))];
  });
  const rest = lines.length - MAX_LINES;
  const left = `${rest} more steps are left out; the whole decision has them`;
  const shown: StoryLine[] =
    rest <= 0
      ? lines
      : [...lines.slice(0, MAX_LINES), { kind: 'dialogue', stage: 'rcpt', tone: 'observe', text: left }];
  return [...shown, ...endOf(decision)];
}

/** A message may have a thousand recipients, and each its own checks. */
export const MAX_LINES = 500;

/** The verdict in one or two sentences. */
export function verdictOf(
  decision: Decision,
  decidedBy: string | undefined,
  checks: readonly Pick<AnyCheck, 'name' | 'codes'>[],
): string {
  const { outcome, reply, recipients, suspicion, tags = [] } = decision;
  const marked = tags.length === 0 ? '' : ` It was marked: ${tags.join(', ')}.`;
  if (outcome === 'accepted' || outcome === 'relayed') {
    const left = recipients.filter((r) => r.outcome === 'refused' || r.outcome === 'deferred').length;
    const to =
      left === 0 ? 'to all recipients' : `to ${recipients.length - left} of ${recipients.length} recipients`;
    const how = outcome === 'accepted' ? 'The mail server took the message' : 'The message was relayed';
    return `${how}, ${to}.${marked}`;
  }
  if (outcome === 'abandoned') {
    const why =
      decidedBy === undefined ? 'The client left before there was a verdict' : `Cut off: ${decidedBy}`;
    return `${why}.`;
  }
  const done = outcome === 'refused' ? 'Refused' : 'Deferred: the client was asked to come again';
  const by = decidedBy === undefined ? '' : ` by ${decidedBy}`;
  const reason = reasonOf(decision, checks);
  const sum = decision.check === 'suspicion' ? ` The signs came to ${suspicion}.` : '';
  const said = reply === undefined ? '' : ` The client was told: ${formatReply(reply).trim()}`;
  return `${done}${by}${reason === '' ? '' : ` – ${reason}`}.${sum}${said}`;
}

/** In the finding's own words; else what its code stands for. */
function reasonOf(
  { steps, check, code }: Decision,
  checks: readonly Pick<AnyCheck, 'name' | 'codes'>[],
): string {
  if (check === undefined || code === undefined) return '';
  const found = steps
    .filter((step) => step.check === check)
    .flatMap(({ findings }) => findings)
    .find((finding) => finding.code === code);
  return found?.text ?? checks.find(({ name }) => name === check)?.codes[code] ?? '';
}

/** Each recipient with its own checks, and what was said to it behind them. */
function recipientLines({ recipients, unanswered }: Decision, steps: readonly Step[]): StoryLine[] {
  const byPlace = Map.groupBy(steps, ({ recipient }) => recipient);
  const linesAt = (place: number | undefined): StoryLine[] =>
    (byPlace.get(place) ?? []).map((step) => checkLine(step, recipients));
  const lines = linesAt(undefined);
  for (const [place, recipient] of recipients.entries()) {
    const tell = (text: string, tone: string) => lines.push({ kind: 'dialogue', stage: 'rcpt', tone, text });
    tell(`It named the recipient ${formatMailbox(recipient.mailbox)}`, 'ok');
    lines.push(...linesAt(place));
    const { code } = recipient.reply;
    tell(recipientText(recipient), code < 400 ? 'ok' : code < 500 ? 'defer' : 'refuse');
  }
  if (unanswered !== undefined) {
    const text = `It named the recipient ${formatMailbox(unanswered)}, and left before it had an answer`;
    lines.push({ kind: 'dialogue', stage: 'rcpt', tone: 'ok', text }, ...linesAt(recipients.length));
  }
  return lines;
}

function dialogueAt(stage: Stage, d: Decision): StoryLine[] {
  const { session, transaction } = d;
  const line = (text: string, tone = 'ok'): StoryLine => ({ kind: 'dialogue', stage, tone, text });
  switch (stage) {
    case 'connect': {
      const tls = session.tls === undefined ? '' : `, over ${session.tls.protocol}`;
      const trap = session.role === 'honeypot' ? ', a honeypot' : '';
      const lines = [line(`${session.client.address} came to the ${session.door}${trap}${tls}`)];
      for (const violation of session.violations)
        lines.push(line(`It broke the rules of the dialogue: ${VIOLATIONS[violation]}`, 'observe'));
      return lines;
    }
    case 'helo': {
      const lines =
        session.helo === undefined ? [] : [line(`It said ${session.helo.verb} ${session.helo.name}`)];
      if (session.authenticated !== undefined)
        lines.push(line(`It logged in as ${session.authenticated.identity}`));
      return lines;
    }
    case 'mail':
      return transaction === undefined ? [] : [line(`It named the sender ${senderOf(d)}`)];
    case 'rcpt':
    case 'data':
      return [];
    case 'endOfMessage':
      return d.sizeOctets === undefined ? [] : [line(`It sent a message of ${d.sizeOctets} octets`)];
    default:
      return stage satisfies never;
  }
}

const VIOLATIONS = {
  'early-talker': 'it spoke before it was greeted',
  pipelining: 'it sent commands ahead without leave',
  'bare-newline': 'lines ended without carriage return',
  'too-many-errors': 'too many errors',
  'foreign-protocol': 'it spoke another protocol',
} as const;

function checkLine(step: Step, recipients: Decision['recipients']): StoryLine {
  const { stage, check, findings, action, tookMs, recipient, evidence } = step;
  const mailbox = recipient === undefined ? undefined : recipients[recipient]?.mailbox;
  const about = mailbox === undefined ? '' : ` (${formatMailbox(mailbox)})`;
  const texts = findings.map(({ text }) => text);
  const found = texts.length === 0 ? 'found nothing' : texts.join('; ');
  return {
    kind: 'check',
    stage,
    tone: action === 'none' ? 'ok' : action,
    check,
    text: `${found}${about}${FOLLOWED[action]}`,
    evidence: evidence === undefined || evidence === null ? undefined : shortened(JSON.stringify(evidence)),
    findings: findings.map(({ result, code, text }) => `${result} ${code}: ${text}`),
    tookMs,
  };
}

const FOLLOWED: Readonly<Record<Step['action'], string>> = {
  none: '',
  refuse: '; refused for it',
  defer: '; deferred for it',
  tag: '; marked for it',
  suspect: '; it counts as suspicion',
  observe: '; only observed',
  exempt: '; lifted by an exemption',
  kept: '; refused for it, which is said at RCPT',
  'go-on': '; it could not be found out, and went on',
};

const MAX_EVIDENCE = 1000;
const shortened = (text: string): string =>
  text.length > MAX_EVIDENCE ? `${text.slice(0, MAX_EVIDENCE)}…` : text;

function endOf(d: Decision): StoryLine[] {
  const stage = 'end';
  const lines: StoryLine[] = [];
  const tell = (text: string, tone: string) => lines.push({ kind: 'verdict', stage, tone, text });
  if (d.exemption !== undefined) {
    const { reason, source, lifts } = d.exemption;
    tell(
      `Exempt: ${reason} (${source}) lifts ${lifts === 'all' ? 'all that can be lifted' : lifts.join(', ')}`,
      'exempt',
    );
  }
  if (d.suspicion !== 0) tell(`Suspicion: ${d.suspicion}`, 'suspect');
  if (d.tags !== undefined) tell(`Marked: ${d.tags.join(', ')}`, 'tag');
  if (d.would !== undefined) tell(`Without the profile "watch" it ${wouldText(d.would)}`, 'observe');
  for (const charge of d.charges ?? [])
    tell(`Held against the client: ${chargeText(charge, formatTime)}`, 'observe');
  if (d.reply !== undefined) tell(fateOf({ outcome: d.outcome, reply: d.reply }), TONES[d.outcome]);
  else tell(d.outcome, TONES[d.outcome]);
  return lines;
}

const TONES = {
  accepted: 'ok',
  relayed: 'ok',
  refused: 'refuse',
  deferred: 'defer',
  abandoned: 'observe',
} as const;
