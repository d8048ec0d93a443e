/**
 * A decision as the journal keeps it: one line of JSON, a flat array. What every decision has stands there in a fixed order, without the names
 * that JSON objects repeat, and what is rare comes last, as an object. Lines of earlier journals are objects whole; they are read as well.
 */
import type { Decision, RecipientDecision, Step } from '../../core/decision.ts';
import type { Finding } from '../../core/finding.ts';
import type { Reply } from '../../mail/reply.ts';
import { withPlaces } from './earlier-record.ts';
import {
  ACTION,
  DOOR,
  HEAD,
  HEAD_AT,
  type KnownDecision,
  ONE,
  OUTCOME,
  type RecipientRest,
  type Rest,
  RESULT,
  STAGE,
  STEP,
  STEP_AT,
  VERB,
  VERSION,
} from './record-format.ts';
import { decisionIn } from './record-reader.ts';

/** One line; it begins with `[`. */
export function recordOf(d: KnownDecision): string {
  const { session, transaction, recipients, steps, reply, check, code } = d;
  const { helo, violations } = session;
  const path = transaction?.reversePath;
  const by = reply === undefined ? NOBODY : placeOf(reply, recipients);
  const same = recipients[by];
  const isBySame = same !== undefined && same.check === check && same.code === code;
  const sinceStart = d.atMs - session.startedAtMs;
  const isSoonAfter = (sinceStart | 0) === sinceStart && d.atMs - sinceStart === session.startedAtMs;
  const rest = isBare(d) ? undefined : restOf(d);
  const bits =
    OUTCOME[d.outcome] |
    (DOOR[session.door] << HEAD_AT.door) |
    (helo === undefined ? 0 : VERB[helo.verb] << HEAD_AT.verb) |
    (session.id === d.sessionId ? 0 : HEAD.sessionId) |
    (isSoonAfter ? HEAD.soonAfter : 0) |
    (violations.length === 0 ? 0 : HEAD.violations) |
    (transaction === undefined ? 0 : HEAD.transaction) |
    (path === undefined || path === null ? 0 : HEAD.path) |
    (transaction === undefined || isEmpty(transaction.parameters) ? 0 : HEAD.parameters) |
    (reply === undefined ? 0 : same === undefined ? HEAD.reply : HEAD.replyOf) |
    (isBySame ? HEAD.bySame : 0) |
    (isBySame || check === undefined ? 0 : HEAD.check) |
    (isBySame || code === undefined ? 0 : HEAD.code) |
    (d.atData === undefined ? 0 : HEAD.atData) |
    (d.atMessage === undefined ? 0 : HEAD.atMessage) |
    (d.sizeOctets === undefined ? 0 : HEAD.size) |
    (rest === undefined ? 0 : HEAD.rest);
  const to = WRITER.begun();
  to.put(VERSION);
  to.put(bits);
  to.put(d.id);
  to.put(d.sessionId);
  to.put(d.atMs);
  to.put(d.tookMs);
  to.put(d.suspicion);
  to.put(d.policy);
  to.put(isSoonAfter ? sinceStart : session.startedAtMs);
  to.put(session.client.address);
  to.put(session.client.port);
  to.put(session.server.address);
  to.put(session.server.port);
  if ((bits & HEAD.sessionId) !== 0) to.put(session.id);
  if (helo !== undefined) to.put(helo.name);
  if ((bits & HEAD.violations) !== 0) to.put(violations);
  if (path !== undefined && path !== null) {
    to.put(path.local);
    to.put(path.domain);
  }
  if ((bits & HEAD.parameters) !== 0) to.put(transaction?.parameters);
  to.put(recipients.length);
  let before: Reply | undefined;
  for (const r of recipients) {
    writeRecipient(r, before, to);
    before = r.reply;
  }
  if ((bits & HEAD.replyOf) !== 0) to.put(by);
  else if (reply !== undefined) writeReply(reply, to);
  if ((bits & HEAD.check) !== 0) to.put(check);
  if ((bits & HEAD.code) !== 0) to.put(code);
  if (d.atData !== undefined) to.put(d.atData);
  if (d.atMessage !== undefined) to.put(d.atMessage);
  if (d.sizeOctets !== undefined) to.put(d.sizeOctets);
  to.put(steps.length);
  for (const step of steps) writeStep(step, to);
  if (rest !== undefined) to.put(rest);
  return to.line();
}

/** As `JSON.parse` gives it: what was undefined is absent. */
export function decisionOf(line: string): Decision {
  const parsed: unknown = JSON.parse(line);
  return Array.isArray(parsed) ? decisionIn(parsed) : withPlaces(parsed as Decision);
}

const NOBODY = -1;

/** Of the last one that was told just that. */
function placeOf(reply: Reply, recipients: readonly RecipientDecision[]): number {
  for (let i = recipients.length - 1; i >= 0; i--) if (recipients[i]?.reply === reply) return i;
  return NOBODY;
}

const isBare = (d: Decision): boolean =>
  d.exemption === undefined &&
  d.would === undefined &&
  d.early === undefined &&
  d.tags === undefined &&
  d.charges === undefined &&
  d.unanswered === undefined &&
  d.session.role === undefined &&
  d.session.tls === undefined &&
  d.session.authenticated === undefined &&
  d.session.guesses === undefined &&
  d.session.asked === undefined;

function restOf({ exemption, would, early, tags, charges, unanswered, session }: Decision): Required<Rest> {
  const { role, tls, authenticated, guesses, asked } = session;
  return { exemption, would, early, tags, charges, unanswered, role, tls, authenticated, guesses, asked };
}

const isEmpty = (object: object): boolean => Object.keys(object).length === 0;

function writeRecipient(r: RecipientDecision, before: Reply | undefined, to: Writer): void {
  const { mailbox, reply, check, code, violationsSeen, would, treatment } = r;
  const { tag } = mailbox;
  const bits =
    OUTCOME[r.outcome] |
    (check === undefined ? 0 : ONE.check) |
    (code === undefined ? 0 : ONE.code) |
    (violationsSeen === undefined ? 0 : ONE.violationsSeen) |
    (reply === before ? ONE.sameReply : 0) |
    (would === undefined && treatment === undefined && tag === undefined ? 0 : ONE.rest);
  to.put(bits);
  to.put(mailbox.local);
  to.put(mailbox.domain);
  if (reply !== before) writeReply(reply, to);
  if (check !== undefined) to.put(check);
  if (code !== undefined) to.put(code);
  if (violationsSeen !== undefined) to.put(violationsSeen);
  if ((bits & ONE.rest) !== 0) to.put({ would, treatment, tag } satisfies Required<RecipientRest>);
}

function writeReply({ code, enhanced, lines }: Reply, to: Writer): void {
  // A single line is no list.
  to.put(code);
  to.put(enhanced);
  to.put(lines.length === 1 ? lines[0] : lines);
}

function writeStep(step: Step, to: Writer): void {
  const { recipient, evidence, findings, tookMs, lookups } = step;
  const [finding] = findings;
  const kind = finding === undefined ? 0 : findings.length > 1 ? STEP.findings : kindOf(finding);
  to.put(step.check);
  to.put(
    STAGE[step.stage] |
      (ACTION[step.action] << STEP_AT.action) |
      kind |
      (finding === undefined || kind === STEP.findings ? 0 : RESULT[finding.result] << STEP_AT.result) |
      (recipient === undefined ? 0 : STEP.recipient) |
      (lookups === undefined ? 0 : STEP.lookups) |
      (evidence === undefined ? 0 : STEP.evidence),
  );
  to.put(tookOf(tookMs));
  if (recipient !== undefined) to.put(recipient);
  if (lookups !== undefined) to.put(lookups);
  if (kind === STEP.findings) to.put(findings);
  else if (finding !== undefined) {
    to.put(finding.code);
    to.put(finding.text);
    if (kind === STEP.enhanced) to.put(finding.enhanced);
  }
  if (evidence !== undefined) to.put(evidence);
}

// Result, code and text are never absent, so that the number of fields tells whether there are others.
function kindOf(finding: Finding): number {
  const fields = Object.keys(finding).length;
  if (fields === 3) return STEP.plain;
  return fields === 4 && finding.enhanced !== undefined ? STEP.enhanced : STEP.findings;
}

/** Whole microseconds, as the engine rounds it; in a list, what is no such number of milliseconds. */
function tookOf(ms: number): number | readonly number[] {
  const us = Math.round(ms * 1000);
  return (us | 0) === us && us / 1000 === ms ? us : [ms];
}

/** One array for all lines: to let one grow anew for each costs a fifth of the whole. */
class Writer {
  readonly #values: unknown[] = [];
  #at = 0;

  begun(): this {
    this.#at = 0;
    return this;
  }

  put(value: unknown): void {
    this.#values[this.#at++] = value;
  }

  line(): string {
    this.#values.length = this.#at;
    return JSON.stringify(this.#values);
  }
}

const WRITER = new Writer();
