/**
 * One recorded decision under another policy (O4): what would have become of it, against what has. Nothing is asked; where something would
 * have to be, the answer is that nobody knows.
 *
 * A transaction has several verdicts: one for each recipient, and one on the message for all whom RCPT let in. What counts is what each
 * recipient comes to in the end. Of several the gravest difference is told: newly refused (wanted mail may be lost), then newly accepted,
 * then unknown. What others than the checks decided (the protocol, limits of the door, the backend) is as it was, and no difference.
 */
import type { Decision, RecipientDecision } from '../core/decision.ts';
import type { Listed } from '../core/listed.ts';
import { buildLists, joinedLists, type ListEntry, type Lists } from '../core/lists.ts';
import type { ListsPort } from '../core/ports.ts';
import type { ConfiguredCheck, Policy } from '../core/policy.ts';
import { hasPlaceAt } from '../core/check.ts';
import { replay, type Replayed, type ReplayedVerdict } from './replay.ts';

export interface WhatIf {
  /**
   * `newly-refused`: refused or deferred where it was let in, or refused where it was only deferred; `newly-accepted`: the other way round.
   * `unknown`: checks that could stop it would be asked and never were.
   */
  readonly kind: 'same' | 'newly-refused' | 'newly-accepted' | 'unknown';
  /** In words: `refused by dnsbl:listed`, `accepted`. */
  readonly before: string;
  /** Besides: `deferred by greylist:new`, `unknown: would ask callout`. */
  readonly after: string;
}

/** The policy that would be in force, at each door, with its lists. */
export interface Rules {
  readonly policyFor: (door: Decision['session']['door']) => Policy;
  readonly listsFor: (decision: Decision) => ListsPort;
}

/** The rules of a configuration; the policy of each door is made once. */
export function rulesOf(
  policyAt: (door: Decision['session']['door']) => Policy,
  lists: Lists,
  listed: readonly Listed[],
): Rules {
  const policies = new Map<Decision['session']['door'], Policy>();
  return {
    policyFor(door) {
      const policy = policies.get(door) ?? policyAt(door);
      policies.set(door, policy);
      return policy;
    },
    listsFor: listsThen(lists, listed),
  };
}

/** The lists of a configuration, with those that people keep beside it as they were when the decision was made. */
export function listsThen(lists: Lists, listed: readonly Listed[]): Rules['listsFor'] {
  if (listed.length === 0) return () => lists;
  const kept = buildLists(listed);
  const sinceOf = new Map<ListEntry, number>(listed.map((entry) => [entry, entry.sinceMs]));
  return ({ atMs }) => {
    const then: Lists = {
      ...kept,
      find: (question) => kept.find(question).filter((entry) => (sinceOf.get(entry) ?? 0) <= atMs),
    };
    return joinedLists([lists, then]);
  };
}

/** Undefined for what the checks had no say in: our own stop, a 421 of the door, clients that left before anything was judged. */
export async function whatIf(
  decision: Decision,
  { policyFor, listsFor }: Rules,
): Promise<WhatIf | undefined> {
  if (!isJudged(decision)) return undefined;
  const policy = policyFor(decision.session.door);
  const differences = differencesOf(decision, await replay(decision, policy, listsFor(decision)), policy);
  const gravest = GRAVITY.map((kind) => differences.filter((d) => d.kind === kind)).find(
    (some) => some.length > 0,
  );
  const [first] = gravest ?? [];
  if (gravest === undefined || first === undefined) return undefined;
  const some =
    gravest.length === differences.length || differences.length === 1
      ? ''
      : `, ${gravest.length} of ${differences.length} recipients`;
  return { ...first, after: `${first.after}${some}` };
}

const GRAVITY = ['newly-refused', 'newly-accepted', 'unknown', 'same'] as const;

/** Whether a check has had a say, or could have had one. */
export function isJudged({ early, recipients, check, reply }: Decision): boolean {
  if (early !== undefined) return true;
  if (check === undefined && reply?.code === CLOSING) return false;
  return recipients.some((r) => r.violationsSeen !== undefined);
}

// RFC 5321 3.8: the door closes the connection: it stops, is too busy, or has waited too long.
const CLOSING = 421;

/** What somebody came to: `by` is the check and its finding, or who else it was. */
type Fate =
  | { readonly kind: 'accepted'; readonly but?: string }
  | { readonly kind: 'refused' | 'deferred'; readonly by: string }
  | { readonly kind: 'unknown'; readonly checks: readonly string[] };

function differencesOf(decision: Decision, again: Replayed, policy: Policy): readonly WhatIf[] {
  const words = (kind: 'refuse' | 'defer', check: string, code: string): Fate => ({
    kind: kind === 'refuse' ? 'refused' : 'deferred',
    by: `${check}:${code}`,
  });
  const now = (verdict: ReplayedVerdict): Fate => {
    if (verdict.kind === 'go-on') return { kind: 'accepted' };
    if (verdict.kind !== 'unknown') return words(verdict.kind, verdict.check, verdict.code);
    return withoutAnswers(verdict.checks, policy);
  };
  if (decision.early !== undefined) {
    const before = recorded(decision);
    if (before === undefined || again.early === undefined) return [];
    const after = now(again.early);
    // Nobody knows whom it would have written to.
    return [compared(before, after.kind === 'accepted' ? unaskedYet(decision, policy) : after)];
  }
  const ofMessage = messageStopped(decision) ? recorded(decision) : undefined;
  return decision.recipients.flatMap((r, i): readonly WhatIf[] => {
    const atRcpt = again.recipients[i];
    if (r.violationsSeen === undefined || atRcpt === undefined) return [];
    const isLetIn = r.reply.code < 400;
    // The backend, or a rule of the protocol, stopped it behind the checks.
    if (isLetIn && ofMessage === undefined && (r.outcome === 'refused' || r.outcome === 'deferred'))
      return [SAME_ELSEWHERE];
    const before = isLetIn ? (ofMessage ?? { kind: 'accepted' as const }) : recorded(r);
    // Somebody else refused it, and still would.
    if (before === undefined) return [SAME_ELSEWHERE];
    const after = now(atRcpt);
    if (after.kind !== 'accepted') return [compared(before, after)];
    if (isLetIn) return [compared(before, again.message === undefined ? after : now(again.message))];
    const unseen = messageChecks(decision, policy);
    return [
      compared(before, {
        kind: 'accepted',
        but: [after.but, unseen.length === 0 ? undefined : 'its message was never seen']
          .filter((said) => said !== undefined)
          .join('; '),
      }),
    ];
  });
}

const SAME_ELSEWHERE: WhatIf = { kind: 'same', before: 'refused by the mail server', after: 'the same' };

function recorded({
  check,
  code,
  reply,
}: Pick<RecipientDecision, 'check' | 'code'> & Pick<Decision, 'reply'>): Fate | undefined {
  if (check === undefined || reply === undefined) return undefined;
  return {
    kind: reply.code >= 500 ? 'refused' : 'deferred',
    by: code === undefined ? check : `${check}:${code}`,
  };
}

/** A check refused or deferred the message, after RCPT had let somebody in. What decided a recipient stands in the decision likewise. */
function messageStopped({ check, code, reply, recipients, steps, atData, atMessage }: Decision): boolean {
  if (check === undefined || reply === undefined || reply.code < 400) return false;
  if (atData === undefined && atMessage === undefined) return false;
  if (!recipients.some((r) => r.reply.code < 400)) return false;
  const isLate = steps.some((s) => s.check === check && (s.stage === 'data' || s.stage === 'endOfMessage'));
  return (
    isLate ||
    !recipients.some(
      (r) =>
        r.reply.code >= 400 && r.check === check && r.code === code && r.reply.lines[0] === reply.lines[0],
    )
  );
}

/** What is not known hangs only on the checks that could stop it; whether there is the mailbox is nothing that a policy decides. */
function withoutAnswers(names: readonly string[], policy: Policy): Fate {
  const asked = policy.checks.filter(({ check }) => names.includes(check.name));
  const open = asked.filter((c) => !asksForMailbox(c) && couldStop(c, policy));
  if (open.length > 0) return { kind: 'unknown', checks: open.map(({ check }) => check.name) };
  const isOpen = asked.some(asksForMailbox);
  return { kind: 'accepted', ...(isOpen ? { but: 'if the mail server has the mailbox' } : {}) };
}

/** Its refusals count as guesses at recipients that do not exist. Who goes by a list of his own has to look there. */
const asksForMailbox = ({ check: { charges }, settings }: ConfiguredCheck): boolean =>
  settings['known_only'] !== true &&
  charges !== undefined &&
  Object.values(charges).every((charge) => charge === 'guess');

function couldStop({ settings }: ConfiguredCheck, { refuseAtSuspicion }: Policy): boolean {
  const stops = (action: string): boolean =>
    action === 'refuse' || action === 'defer' || (action === 'suspect' && Number.isFinite(refuseAtSuspicion));
  return stops(settings.on_fail) || Object.values(settings.actions).some(stops);
}

function messageChecks({ session }: Decision, policy: Policy): readonly ConfiguredCheck[] {
  return policy.checks.filter(
    (configured) =>
      configured.check.stage === 'endOfMessage' &&
      hasPlaceAt(configured.check, session.door) &&
      couldStop(configured, policy),
  );
}

/** Refused before it had named anybody: all that waits for RCPT has not been asked. */
function unaskedYet(decision: Decision, policy: Policy): Fate {
  const asked = new Set(decision.steps.map(({ check }) => check));
  const open = policy.checks.filter(
    (c) =>
      c.check.gather !== undefined &&
      c.check.stage !== 'endOfMessage' &&
      !asksForMailbox(c) &&
      !asked.has(c.check.name) &&
      couldStop(c, policy),
  );
  if (open.length > 0) return { kind: 'unknown', checks: open.map(({ check }) => check.name) };
  return { kind: 'accepted', but: 'it had named no recipient yet' };
}

const LENIENCY = { refused: 0, deferred: 1, accepted: 2 } as const;

function compared(before: Fate, after: Fate): WhatIf {
  const told = { before: wordsOf(before), after: wordsOf(after) };
  if (before.kind === 'unknown' || after.kind === 'unknown') return { kind: 'unknown', ...told };
  const more = LENIENCY[after.kind] - LENIENCY[before.kind];
  return { kind: more === 0 ? 'same' : more > 0 ? 'newly-accepted' : 'newly-refused', ...told };
}

/** Checks named where it is not known what they would have said. */
const MAX_NAMED = 4;

function wordsOf(fate: Fate): string {
  switch (fate.kind) {
    case 'accepted':
      return fate.but === undefined || fate.but === '' ? 'accepted' : `accepted (${fate.but})`;
    case 'refused':
    case 'deferred':
      return `${fate.kind} by ${fate.by}`;
    case 'unknown': {
      const { checks } = fate;
      const more = checks.length - MAX_NAMED;
      return `unknown: would ask ${checks.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    }
    default:
      return fate satisfies never;
  }
}
