/** One decision told whole: the same words for what has happened (`log --id`) and for what would (`try`). */
import { harmless } from '../adapters/harmless.ts';
import { deciderOf } from '../adapters/decider.ts';
import { OUTCOME_COLOURS } from '../adapters/log.ts';
import type { Paint } from '../adapters/paint.ts';
import type { Decision, Step } from '../core/decision.ts';
import type { Block } from '../core/ports.ts';
import { chargeText, recipientText, senderOf, wouldText } from '../core/told.ts';
import { formatMailbox } from '../mail/mailbox.ts';
import { formatReply } from '../mail/reply.ts';
import { formatTime } from '../core/wall-clock.ts';

/** A decision that was only tried: what is known beyond it. */
export interface Trial {
  /** All checks that could have been asked, by name. */
  readonly checks: readonly string[];
  readonly refuseAtSuspicion: number;
  /** What happens to it before all that. */
  readonly door: string;
}

/** All that is known of one decision: each check, what came back when it asked, and what followed. */
export function formatStory(
  d: Decision,
  paint: Paint,
  trial?: Trial,
  /** What the decision brought, as the store remembers it. */
  blocks: readonly Block[] = [],
): string {
  const { session } = d;
  const when =
    trial === undefined
      ? formatTime(d.atMs)
      : 'a trial: nothing is delivered or remembered, and this id is not in the journal';
  const facts = [
    `client     ${session.client.address}:${session.client.port}, by the ${session.door}${session.tls === undefined ? '' : `, ${session.tls.protocol}`}`,
    `helo       ${session.helo === undefined ? '-' : `${session.helo.verb} ${session.helo.name}`}`,
  ];
  if (trial !== undefined) facts.push(`door       ${trial.door}`);
  if (session.authenticated !== undefined) facts.push(`user       ${session.authenticated.identity}`);
  if (session.violations.length > 0) facts.push(`violations ${session.violations.join(', ')}`);
  facts.push(`from       ${senderOf(d)}`);
  for (const r of d.recipients)
    facts.push(`to         ${recipientText(r)}${r.would === undefined ? '' : ` (${wouldText(r.would)})`}`);
  if (d.sizeOctets !== undefined) facts.push(`size       ${d.sizeOctets} octets`);
  if (d.exemption !== undefined) {
    const { reason, source, lifts } = d.exemption;
    facts.push(`exempt     ${reason} (${source}) lifts ${lifts === 'all' ? 'all' : lifts.join(', ')}`);
  }
  if (trial !== undefined && Number.isFinite(trial.refuseAtSuspicion))
    facts.push(`suspicion  ${d.suspicion}, refused from ${trial.refuseAtSuspicion}`);
  else if (d.suspicion !== 0) facts.push(`suspicion  ${d.suspicion}`);
  if (d.would !== undefined) facts.push(`watched    ${wouldText(d.would)}`);
  const decider = d.check ?? deciderOf(d);
  if (decider !== undefined) facts.push(`decided by ${decider}${d.code === undefined ? '' : `, ${d.code}`}`);
  if (d.tags !== undefined) facts.push(`tagged     ${d.tags.join(', ')}`);
  if (d.reply !== undefined) facts.push(`reply      ${formatReply(d.reply).trim()}`);
  for (const charge of d.charges ?? []) facts.push(`charged    ${chargeText(charge, formatTime)}`);
  // Brought when the session was over, after the decision had been written down.
  const told = new Set(d.charges?.map(({ block }) => block?.network));
  for (const { network, by, endsMs } of blocks) {
    const block = { network, endsMs };
    if (!told.has(network))
      facts.push(`charged    ${chargeText({ charge: 'conviction', check: by, block }, formatTime)}`);
  }
  facts.push(`policy     ${d.policy}, session ${d.sessionId}`);
  const lines = [
    `${d.id}  ${paint(OUTCOME_COLOURS[d.outcome], d.outcome)}  ${when}  ${Math.round(d.tookMs)} ms`,
    ...facts.map((fact) => `  ${harmless(fact)}`),
    '',
    ...d.steps.flatMap((step) => stepLines(step, d, paint)),
  ];
  const unasked = trial?.checks.filter((name) => !d.steps.some((step) => step.check === name)) ?? [];
  if (unasked.length > 0)
    lines.push('', `  not asked, because lifted or decided before: ${unasked.join(', ')}`);
  return lines.map((line) => `${line}\n`).join('');
}

const ACTION_COLOURS: Partial<Record<Step['action'], 'red' | 'yellow'>> = {
  refuse: 'red',
  kept: 'red',
  defer: 'yellow',
  suspect: 'yellow',
  tag: 'yellow',
};
const MAX_EVIDENCE = 2000;

function stepLines(step: Step, { recipients, unanswered }: Decision, paint: Paint): string[] {
  const mailbox =
    step.recipient === undefined ? undefined : (recipients[step.recipient]?.mailbox ?? unanswered);
  const recipient = mailbox === undefined ? '' : ` ${formatMailbox(mailbox)}`;
  const action = (step.action === 'none' ? 'ok' : step.action).padEnd(8);
  const lines = [
    `  ${step.stage.padEnd(12)} ${step.check.padEnd(18)} ${paint(ACTION_COLOURS[step.action] ?? 'green', action)} ${step.tookMs.toFixed(1)} ms${harmless(recipient)}`,
  ];
  for (const f of step.findings) lines.push(harmless(`      ${f.result} ${f.code}: ${f.text}`));
  if (step.evidence !== undefined && step.evidence !== null) {
    const text = JSON.stringify(step.evidence);
    const shown = text.length > MAX_EVIDENCE ? `${text.slice(0, MAX_EVIDENCE)}… (all of it: --json)` : text;
    lines.push(paint('dim', harmless(`      came back: ${shown}`)));
  }
  return lines;
}
