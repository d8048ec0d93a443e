/**
 * What would have changed a decision, in sentences for a postmaster. None of them is guessed: each has been tried by judging the decision
 * again, without the check, with an allow entry, with another action.
 */
import type { Decision, Step } from '../core/decision.ts';
import { NO_TREATMENT } from '../core/exemption.ts';
import { effectOf } from '../core/ladder.ts';
import type { ListEntry } from '../core/lists.ts';
import type { ConfiguredCheck, Policy } from '../core/policy.ts';
import type { ListsPort } from '../core/ports.ts';
import { dayText, timeOfDay } from '../core/wall-clock.ts';
import { isJudged, whatIf, type WhatIf } from '../engine/what-if.ts';
import { formatReversePath } from '../mail/mailbox.ts';

/** More would not be read. */
const MAX_SENTENCES = 10;
/** Of an accepted message: findings that could have stopped it. */
const MAX_CLOSE = 4;

/** `policy`: in force at the door by which the decision came, with its lists. */
export async function wouldChange(
  decision: Decision,
  policy: Policy,
  lists: ListsPort,
): Promise<readonly string[]> {
  const trial = new Trial(decision, policy, lists);
  if (!isJudged(decision)) return ['No check had a say in it.'];
  const sentences: string[] = [];
  const now = await trial.as(policy);
  if (now !== undefined && now.kind !== 'same')
    sentences.push(`Under the configuration in force now: ${outcomeText(now.after)}.`);
  // What else would let it in is of no interest then.
  if (now?.kind === 'newly-accepted') return sentences;
  const isStopped = decision.outcome === 'refused' || decision.outcome === 'deferred';
  if (isStopped && decision.check === undefined) {
    sentences.push('No check decided it, so no setting of a check would have changed it.');
  } else if (isStopped) {
    sentences.push(...(await trial.ofStopped(decision.check ?? '')));
  } else sentences.push(...(await trial.ofAccepted()));
  return sentences.slice(0, MAX_SENTENCES);
}

const SUSPICION = 'suspicion';

class Trial {
  readonly #decision: Decision;
  readonly #policy: Policy;
  readonly #lists: ListsPort;

  constructor(decision: Decision, policy: Policy, lists: ListsPort) {
    this.#decision = decision;
    this.#policy = policy;
    this.#lists = lists;
  }

  as(policy: Policy, lists = this.#lists): Promise<WhatIf | undefined> {
    return whatIf(this.#decision, { policyFor: () => policy, listsFor: () => lists });
  }

  async ofStopped(check: string): Promise<readonly string[]> {
    if (check === SUSPICION) return [...(await this.#ofSuspicion()), ...(await this.#ofEntries(check))];
    const sentences: string[] = [];
    const waiting = this.#greylistUntil(check);
    if (waiting !== undefined)
      sentences.push(`The greylist lets it pass when it comes again after ${waiting}.`);
    if (this.#configured(check) !== undefined)
      sentences.push(withoutText(`Without the check ${check}`, await this.as(this.#without(check))));
    return [...sentences, ...(await this.#ofEntries(check))];
  }

  async ofAccepted(): Promise<readonly string[]> {
    const { suspicion, steps } = this.#decision;
    const { refuseAtSuspicion } = this.#policy;
    const sentences: string[] = [];
    if (suspicion > 0 && Number.isFinite(refuseAtSuspicion) && suspicion < refuseAtSuspicion)
      sentences.push(
        `Its suspicion was ${suspicion}; refuse_at_suspicion is ${refuseAtSuspicion}, so ${rounded(refuseAtSuspicion - suspicion)} more would have refused it.`,
      );
    let close = 0;
    for (const step of steps) {
      const configured = this.#configured(step.check);
      const failed = step.findings.find(({ result }) => result === 'fail');
      if (configured === undefined || failed === undefined || close >= MAX_CLOSE) continue;
      if (step.action === 'refuse' || step.action === 'defer' || step.action === 'kept') continue;
      const { check, settings } = configured;
      const actions = { ...settings.actions, [failed.code]: 'refuse' as const };
      const stricter = await this.as(
        this.#with('refuse', (c) => (c.check === check ? { ...c, settings: { ...settings, actions } } : c)),
      );
      if (stricter?.kind !== 'newly-refused' || !stricter.after.startsWith('refused')) continue;
      close++;
      sentences.push(
        `${check.name} found "${failed.code}", and it was ${DONE[step.action] ?? 'let pass'}; with actions = { ${failed.code} = "refuse" } it would have been refused.`,
      );
    }
    if (sentences.length === 0) sentences.push('No check that was asked found anything against it.');
    return sentences;
  }

  /** An allow entry for the client, or for the sender: what it lifts, and what it does not. */
  async #ofEntries(check: string): Promise<readonly string[]> {
    const { session, transaction } = this.#decision;
    const path = transaction?.reversePath;
    const sender = path === undefined || path === null ? undefined : formatReversePath(path);
    const entries: [name: string, entry: Partial<ListEntry>][] = [
      [session.client.address, { client: session.client.address }],
    ];
    if (sender !== undefined) entries.push([sender, { sender }]);
    const sentences: string[] = [];
    for (const [name, of] of entries) {
      const letIn = await this.as(this.#with('entry'), this.#allowing(of));
      if (letIn === undefined || isLighter(letIn)) {
        if (letIn !== undefined) sentences.push(withoutText(`With an allow entry for ${name}`, letIn));
        continue;
      }
      const byName = await this.as(this.#with('entry'), this.#allowing({ ...of, lifts: [check] }));
      if (byName !== undefined && isLighter(byName))
        sentences.push(
          `An allow entry for ${name} lifts it only if it names the check: lifts = ["${check}"].`,
        );
      else if (letIn.after !== letIn.before)
        sentences.push(`With an allow entry for ${name} it would have been ${letIn.after} all the same.`);
      else sentences.push(`An allow entry for ${name} would not have let it in.`);
    }
    return sentences;
  }

  /** Who would have had to say less. */
  async #ofSuspicion(): Promise<readonly string[]> {
    const { suspicion, steps } = this.#decision;
    const { refuseAtSuspicion } = this.#policy;
    const sentences = [
      `Its suspicion ${rounded(suspicion)} reached refuse_at_suspicion ${refuseAtSuspicion}.`,
    ];
    const seen = new Set<string>();
    for (const step of steps) {
      const configured = this.#configured(step.check);
      if (step.action !== 'suspect' || configured === undefined || seen.has(step.check)) continue;
      seen.add(step.check);
      const weight = weightOf(step, configured);
      if (weight <= 0) continue;
      const without = await this.as(this.#without(step.check));
      if (without === undefined || !isLighter(without)) continue;
      sentences.push(
        withoutText(`Without ${step.check} (${rounded(weight)}) it would have stayed below, and`, without),
      );
    }
    if (sentences.length === 1) sentences.push('No single check would have had to be silent for it to pass.');
    return sentences;
  }

  #greylistUntil(check: string): string | undefined {
    if (check !== 'greylist' && check !== 'greylist-null') return undefined;
    const { steps, atMs, tookMs } = this.#decision;
    const waits = steps
      .filter((step) => step.check === check)
      .flatMap(
        ({ evidence }) => (evidence as { states?: readonly { waitMs?: number }[] } | null)?.states ?? [],
      )
      .flatMap(({ waitMs }) => (typeof waitMs === 'number' ? [waitMs] : []));
    return waits.length === 0 ? undefined : momentText(atMs + tookMs + Math.max(...waits));
  }

  #configured(name: string): ConfiguredCheck | undefined {
    return this.#policy.checks.find(({ check }) => check.name === name);
  }

  #without(name: string): Policy {
    const policy = this.#with(`without ${name}`);
    return { ...policy, checks: policy.checks.filter(({ check }) => check.name !== name) };
  }

  /** Another policy by another name: else what was asked then would be taken for granted. */
  #with(what: string, change: (configured: ConfiguredCheck) => ConfiguredCheck = (c) => c): Policy {
    return { ...this.#policy, checks: this.#policy.checks.map(change), hash: `${this.#policy.hash} ${what}` };
  }

  #allowing(of: Partial<ListEntry>): ListsPort {
    const entry: ListEntry = { kind: 'allow', source: 'a trial', ...of };
    const lists = this.#lists;
    return {
      ...(lists.namesHosts === undefined ? {} : { namesHosts: lists.namesHosts }),
      find: (question) => [
        ...lists.find(question),
        ...(entry.sender === undefined || question.sender !== undefined ? [entry] : []),
      ],
    };
  }
}

const DONE: Partial<Record<Step['action'], string>> = {
  tag: 'tagged',
  suspect: 'counted as suspicion',
  observe: 'only observed',
  exempt: 'lifted by an exemption',
};

const isLighter = ({ kind }: WhatIf): boolean => kind === 'newly-accepted' || kind === 'unknown';

function withoutText(begin: string, result: WhatIf | undefined): string {
  if (result === undefined) return `${begin} nothing would have changed.`;
  const { kind, after } = result;
  if (kind === 'unknown')
    return `${begin} it would have gone on to ${askedIn(after)}, which nobody asked then.`;
  if (kind === 'newly-accepted')
    return `${begin} it would have been ${after === 'accepted' ? 'accepted, as far as was asked' : after}.`;
  return `${begin} it would have been ${after} all the same.`;
}

const askedIn = (after: string): string => after.replace(/^unknown: would ask /, '');

const outcomeText = (after: string): string =>
  after.startsWith('unknown') ? `nobody knows; it would ask ${askedIn(after)}` : after;

/** What a check's findings add, for a client that nothing lifts. */
function weightOf({ findings }: Step, { check, settings }: ConfiguredCheck): number {
  let sum = 0;
  for (const finding of findings) {
    const effect = effectOf(finding, check, settings, NO_TREATMENT);
    if (effect.kind === 'suspect') sum += effect.weight;
  }
  return sum;
}

const rounded = (n: number): string => String(Math.round(n * 100) / 100);

/** `10:31 on 2026-11-21`: whoever reads it may do so on another day. */
function momentText(ms: number): string {
  const minuteMs = Math.ceil(ms / 60_000) * 60_000;
  return `${timeOfDay(minuteMs)} on ${dayText(minuteMs)}`;
}
