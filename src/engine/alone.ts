/** What each check by itself makes of a recorded decision (O3): the decision judged again under a policy that has no other. */
import type { Decision } from '../core/decision.ts';
import type { ConfiguredCheck, Policy } from '../core/policy.ts';
import { replay, type Replayed, type ReplayedVerdict } from './replay.ts';

/** Of a message as a whole: it is let in where any recipient gets it. `unknown`: what would have to be asked never was. */
export type Passage = 'let-in' | 'stopped' | 'deferred' | 'unknown';

export class Alone {
  readonly #policy: Policy;
  readonly #byCheck: ReadonlyMap<ConfiguredCheck, Policy>;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#byCheck = new Map(
      policy.checks.map((configured) => [
        configured,
        // By another name: what was asked then hung on the other checks.
        { ...policy, checks: [configured], hash: `${policy.hash} ${configured.check.name} alone` },
      ]),
    );
  }

  async passages(decision: Decision): Promise<ReadonlyMap<string, Passage>> {
    const found = new Map<string, Passage>();
    for (const [configured, policy] of this.#byCheck) {
      const { check } = configured;
      const steps = decision.steps.filter((step) => step.check === check.name);
      const failed = steps.some((s) =>
        s.findings.some((f) => f.result === 'fail' || f.result === 'temperror'),
      );
      // Most checks have nothing against most mail, and then nothing need be judged again.
      if (steps.length > 0 && !failed && decision.policy === this.#policy.hash)
        found.set(check.name, 'let-in');
      else {
        const passage = passageOf(decision, await replay(decision, policy));
        const isUnseen = passage === 'let-in' && steps.length === 0 && wasCutShort(decision, configured);
        found.set(check.name, isUnseen ? 'unknown' : passage);
      }
    }
    return found;
  }

  /** All of them together. */
  async together(decision: Decision): Promise<Passage> {
    return passageOf(decision, await replay(decision, this.#policy));
  }
}

function passageOf(decision: Decision, again: Replayed): Passage {
  if (decision.early !== undefined) return again.early === undefined ? 'unknown' : of(again.early);
  const all = again.recipients.flatMap((verdict) => (verdict === undefined ? [] : [of(verdict)]));
  const atRcpt = ORDER.find((passage) => all.includes(passage)) ?? 'unknown';
  return atRcpt === 'let-in' && again.message !== undefined ? of(again.message) : atRcpt;
}

const ORDER = ['let-in', 'unknown', 'deferred', 'stopped'] as const;

function of(verdict: ReplayedVerdict): Passage {
  switch (verdict.kind) {
    case 'go-on':
      return 'let-in';
    case 'refuse':
      return 'stopped';
    case 'defer':
      return 'deferred';
    case 'unknown':
      return 'unknown';
    default:
      return verdict satisfies never;
  }
}

/** The dialogue ended before the check's turn came. */
function wasCutShort({ early, atData, atMessage }: Decision, { check }: ConfiguredCheck): boolean {
  if (early !== undefined) return true;
  if (check.stage === 'endOfMessage') return atMessage === undefined;
  return check.stage === 'data' && atData === undefined && atMessage === undefined;
}
