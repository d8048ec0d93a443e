/** What two passes of the corpus come to: which checks stop what, alone and on the ladder, and what the others noticed. Counts only. */
import type { Decision } from '../src/core/decision.ts';
import { NO_TREATMENT } from '../src/core/exemption.ts';
import { effectOf, type Effect } from '../src/core/ladder.ts';
import type { ConfiguredCheck } from '../src/core/policy.ts';
import type { Passage, Run } from './corpus-run.ts';

export interface Kinds {
  spam: number;
  ham: number;
}

/** What stops messages: a check's name, the sum of suspicion, or the dialogue's own rules. */
export interface StopRow {
  readonly by: string;
  /** It alone would stop so many, were there no other check. */
  readonly alone: Kinds;
  /** Nothing else would stop these. */
  readonly only: Kinds;
  /** It was the first on the ladder by default. */
  readonly first: Kinds;
}

export interface FindingRow {
  readonly finding: string;
  readonly leadsTo: string;
  readonly count: Kinds;
}

export interface Effectiveness {
  readonly sent: Kinds;
  readonly withClient: Kinds;
  readonly stopped: Kinds;
  readonly stops: readonly StopRow[];
  /** Deferred at their first attempt by greylisting, and of those taken when they came again. */
  readonly greylisted: Kinds;
  readonly cameBack: Kinds;
  readonly findings: readonly FindingRow[];
  /** What was tagged of what was delivered, the classifier aside. */
  readonly tagged: Kinds;
  /** By the sum of weights, each list from 0 up. */
  readonly suspicion: ReadonlyMap<number, Kinds>;
  readonly stoppedHam: readonly Passage[];
}

/** RFC 5321's own rules are no check: they have no name in a decision. */
export const DIALOGUE = 'the dialogue itself';
const SUSPICION = 'suspicion';
const GREYLISTS: readonly (string | undefined)[] = ['greylist', 'greylist-null'];

export const none = (): Kinds => ({ spam: 0, ham: 0 });
export const count = (kinds: Kinds, { message }: Pick<Passage, 'message'>): void => {
  kinds[message.spam ? 'spam' : 'ham']++;
};

export function isStopped({ outcome }: Pick<Passage, 'outcome'>): boolean {
  return outcome !== 'accepted';
}

/** `watched` saw all of each message; `byDefault` is what happened. */
export function effectivenessOf(byDefault: Run, watched: Run, refuseAtSuspicion: number): Effectiveness {
  const sent = none();
  const withClient = none();
  const stopped = none();
  const greylisted = none();
  const cameBack = none();
  const tagged = none();
  const rows = new Map<string, { alone: Kinds; only: Kinds; first: Kinds }>();
  const row = (by: string) => {
    const found = rows.get(by) ?? { alone: none(), only: none(), first: none() };
    rows.set(by, found);
    return found;
  };
  for (const passage of byDefault.passages) {
    count(sent, passage);
    if (passage.message.client !== undefined) count(withClient, passage);
    if (isStopped(passage)) {
      count(stopped, passage);
      count(row(passage.last.check ?? DIALOGUE).first, passage);
    }
    if (GREYLISTS.includes(passage.first.check)) {
      count(greylisted, passage);
      if (!isStopped(passage)) count(cameBack, passage);
    }
  }

  const suspicion = new Map<number, Kinds>();
  const findings = new Map<string, { leadsTo: string; count: Kinds }>();
  for (const passage of watched.passages) {
    const { last } = passage;
    const by = new Set<string>();
    if (isStopped(passage)) by.add(DIALOGUE);
    if (last.suspicion >= refuseAtSuspicion) by.add(SUSPICION);
    let isTagged = false;
    for (const { finding, effect, check } of effects(last, byDefault.checks)) {
      const found = findings.get(finding) ?? { leadsTo: spelled(effect), count: none() };
      findings.set(finding, found);
      count(found.count, passage);
      if (effect.kind === 'refuse') by.add(check);
      if (effect.kind === 'tag' || effect.kind === 'suspect') isTagged ||= check !== 'classifier';
    }
    for (const one of by) {
      count(row(one).alone, passage);
      if (by.size === 1) count(row(one).only, passage);
    }
    if (by.size === 0 && isTagged) count(tagged, passage);
    const sum = suspicion.get(last.suspicion) ?? none();
    suspicion.set(last.suspicion, sum);
    count(sum, passage);
  }
  return {
    sent,
    withClient,
    stopped,
    stops: [...rows].map(([by, counts]) => ({ by, ...counts })).sort((a, b) => b.first.spam - a.first.spam),
    greylisted,
    cameBack,
    findings: [...findings]
      .map(([finding, { leadsTo, count }]) => ({ finding, leadsTo, count }))
      .sort((a, b) => b.count.spam - a.count.spam),
    tagged,
    suspicion: new Map([...suspicion].sort(([a], [b]) => a - b)),
    stoppedHam: byDefault.passages.filter((passage) => !passage.message.spam && isStopped(passage)),
  };
}

interface Found {
  readonly check: string;
  /** `fcrdns:no-ptr`. */
  readonly finding: string;
  /** What it leads to by default. */
  readonly effect: Effect;
}

/** Each failure once: a check may have the same of several parts. */
function effects({ steps }: Decision, checks: readonly ConfiguredCheck[]): readonly Found[] {
  const found = new Map<string, Found>();
  for (const { check, findings } of steps) {
    const configured = checks.find((c) => c.check.name === check);
    if (configured === undefined) continue;
    for (const finding of findings) {
      if (finding.result !== 'fail' && finding.result !== 'temperror') continue;
      const effect = effectOf(finding, configured.check, configured.settings, NO_TREATMENT);
      const name = `${check}:${finding.code}`;
      found.set(name, { check, finding: name, effect });
    }
  }
  return [...found.values()];
}

const spelled = (effect: Effect): string =>
  effect.kind === 'suspect' ? `suspicion ${effect.weight}` : effect.kind === 'none' ? 'nothing' : effect.kind;
