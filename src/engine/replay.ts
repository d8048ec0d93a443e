/** Recorded decisions judged again, without a network: the same policy comes to the same verdict (P5), another one to its own (O4). */
import type { AnyCheck, Json } from '../core/check.ts';
import type { Decision, Step } from '../core/decision.ts';
import type { Treatment } from '../core/exemption.ts';
import { NO_TREATMENT, treatmentOf } from '../core/exemption.ts';
import type { Facts, SessionFacts, TransactionFacts } from '../core/facts.ts';
import type { Standing } from '../core/ladder.ts';
import { LISTED_BY } from '../core/listed.ts';
import type { ConfiguredCheck, Policy } from '../core/policy.ts';
import type { ListsPort, Ports } from '../core/ports.ts';
import type { Stage } from '../core/stage.ts';
import type { Verdict } from '../core/verdict.ts';
import { confirmedNames, type Iprev } from '../msgauth/iprev.ts';
import { climb } from './judge.ts';

/** `unknown`: these checks would have been asked and never were, and nothing else refused. */
export type ReplayedVerdict = Verdict | { readonly kind: 'unknown'; readonly checks: readonly string[] };

export interface Replayed {
  /** Of the stage before any recipient that refused or deferred; undefined where none did. */
  readonly early: ReplayedVerdict | undefined;
  /** In the order of the decision's recipients; undefined for those that were not judged then (splits by 452). */
  readonly recipients: readonly (ReplayedVerdict | undefined)[];
  /** Of DATA, or of the message; undefined where neither was judged. */
  readonly message: ReplayedVerdict | undefined;
}

/** `lists`: those of `policy`; needed where it is not the policy that the decision was made under. */
export async function replay(decision: Decision, policy: Policy, lists?: ListsPort): Promise<Replayed> {
  const recipients: (ReplayedVerdict | undefined)[] = [];
  for (const [index, r] of decision.recipients.entries()) {
    recipients.push(
      r.violationsSeen === undefined
        ? undefined
        : await judgeAgain({ decision, policy, lists, index }, 'rcpt'),
    );
  }
  const index = decision.recipients.findIndex((r) => r.reply.code < 400);
  const judged = decision.atData !== undefined || decision.atMessage !== undefined;
  const early =
    decision.early === undefined
      ? undefined
      : await judgeAgain({ decision, policy, lists, index: NOBODY }, 'early');
  const message =
    index < 0 || !judged ? undefined : await judgeAgain({ decision, policy, lists, index }, 'message');
  return { early, recipients, message };
}

const NOBODY = -1;

interface Case {
  readonly decision: Decision;
  readonly policy: Policy;
  readonly lists: ListsPort | undefined;
  /** Of the recipient; `NOBODY` before there is one. */
  readonly index: number;
}

async function judgeAgain(c: Case, what: 'early' | 'rcpt' | 'message'): Promise<ReplayedVerdict> {
  const { decision, policy } = c;
  const neverAsked: string[] = [];
  const checks = policy.checks.map((configured) => recorded(configured, c, neverAsked));
  const steps = new Map<string, Step>();
  const again: Policy = { ...policy, checks };
  const climbTo = (to: Stage): Standing | Promise<Standing> => {
    const facts = factsThen(c, to);
    return climb({
      policy: again,
      ports: {} as Ports, // no recorded check reaches for one
      stage: to,
      facts,
      treatment: treatmentThen(c, facts),
      steps: {
        get: ({ check }) => steps.get(check.name),
        set: ({ check }, step) => void steps.set(check.name, step),
      },
      signature: { contact: policy.site.contact, reportUrl: policy.site.reportUrl, id: decision.id },
      signal: () => new AbortController().signal,
    });
  };
  // The message is judged over what its recipient's climb had found.
  let { verdict } = await climbTo(what === 'early' ? (decision.early?.stage ?? 'connect') : 'rcpt');
  if (what === 'message') {
    if (decision.atData !== undefined) ({ verdict } = await climbTo('data'));
    if (verdict.kind === 'go-on' && decision.atMessage !== undefined)
      ({ verdict } = await climbTo('endOfMessage'));
  }
  if (verdict.kind === 'refuse' || neverAsked.length === 0) return verdict;
  return { kind: 'unknown', checks: neverAsked };
}

// Not null, which is evidence of its own.
const NOTHING: Json = {};

/** The check with what it was told then in place of what it would ask now. */
function recorded(configured: ConfiguredCheck, c: Case, neverAsked: string[]): ConfiguredCheck {
  const { check } = configured;
  if (check.gather === undefined) return configured;
  const { decision, lists } = c;
  if (check.asksLists === true && lists !== undefined && decision.policy !== c.policy.hash) {
    const then = stepThen(check, c)?.evidence;
    const asked: AnyCheck = {
      ...check,
      gather: async (facts, _ports, settings, signal, site, clues) => {
        const evidence = await check.gather?.(facts, { lists } as Ports, settings, signal, site, clues);
        return withListedThen(evidence ?? null, then);
      },
    };
    return { ...configured, check: asked };
  }
  const step = stepThen(check, c);
  const replayed: AnyCheck = {
    ...check,
    gather(facts, _ports, settings, _signal, site, clues) {
      const evidence = step?.evidence;
      // Under the same policy nothing else would have been asked, whatever came of another recipient since.
      const isSame = evidence === undefined || decision.policy === c.policy.hash;
      const again = isSame ? undefined : check.again?.(evidence, facts, settings, site, clues);
      if (step === undefined || again?.unasked === true) neverAsked.push(check.name);
      if (again === undefined) return evidence ?? null;
      return again.evidence === undefined ? NOTHING : again.evidence;
    },
    judge(facts, evidence, settings, site) {
      if (step === undefined) return [];
      // What was not answered then is not answered now.
      if (step.evidence === undefined) return step.findings;
      return evidence === NOTHING ? [] : check.judge(facts, evidence, settings, site);
    },
  };
  return { ...configured, check: replayed };
}

/** What the check did, for the recipient where it looks at each. */
function stepThen(check: AnyCheck, { decision: { steps }, index }: Case): Step | undefined {
  const { name, stage } = check;
  return steps.find((step) => step.check === name && (stage !== 'rcpt' || step.recipient === index));
}

/**
 * The entries of the configuration as they are now, those that people listed while the gate ran as the check found them: they are none of
 * the configuration, and may have been ended, removed or written anew since.
 */
function withListedThen(now: Json, then: Json | undefined): Json {
  if (!hasEntries(now) || !hasEntries(then)) return now;
  return {
    ...now,
    entries: [...now.entries.filter((e) => !isListed(e)), ...then.entries.filter(isListed)],
  };
}

const hasEntries = (evidence: Json | undefined): evidence is { readonly entries: readonly Json[] } =>
  isTable(evidence) && Array.isArray(evidence['entries']);
const isListed = (entry: Json): boolean => {
  const source = isTable(entry) ? entry['source'] : undefined;
  return typeof source === 'string' && source.startsWith(LISTED_BY);
};
const isTable = (json: Json | undefined): json is { readonly [key: string]: Json | undefined } =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

function factsThen({ decision, index }: Case, stage: Stage): Facts {
  const recipient = decision.recipients[index];
  const before = stage === 'rcpt' ? decision.recipients.slice(0, index) : decision.recipients;
  const transaction: TransactionFacts = {
    id: decision.id,
    startedAtMs: decision.atMs,
    reversePath: decision.transaction?.reversePath ?? null,
    parameters: decision.transaction?.parameters ?? {},
    recipients: before.filter((r) => r.reply.code < 400).map((r) => r.mailbox),
  };
  // Those of later moments were not known then.
  const upTo = (violationsSeen = 0): SessionFacts => ({
    ...decision.session,
    violations: decision.session.violations.slice(0, violationsSeen),
  });
  switch (stage) {
    case 'connect':
    case 'helo':
      return { session: upTo(decision.early?.violationsSeen) };
    case 'mail':
      return { session: upTo(decision.early?.violationsSeen), transaction };
    case 'rcpt': {
      const session = upTo(recipient?.violationsSeen);
      if (recipient === undefined) return { session, transaction };
      return { session, transaction, recipient: { mailbox: recipient.mailbox, parameters: {} } };
    }
    case 'data':
      return { session: upTo(decision.atData), transaction };
    case 'endOfMessage': {
      const message = { sizeOctets: decision.sizeOctets ?? 0 };
      return { session: upTo(decision.atMessage), transaction, message };
    }
    default:
      return stage satisfies never;
  }
}

function treatmentThen({ decision, policy, lists, index }: Case, facts: Facts): Treatment {
  const recipient = decision.recipients[index];
  const then = (index === NOBODY ? decision.early : recipient)?.treatment;
  if (policy.hash === decision.policy || lists === undefined) return then ?? NO_TREATMENT;
  const hosts = lists.namesHosts === false ? [] : hostsThen(decision);
  const named: Facts =
    recipient === undefined ? facts : { ...facts, recipient: { mailbox: recipient.mailbox, parameters: {} } };
  const entries = lists.find({
    client: facts.session.client.address,
    ...(hosts === undefined ? {} : { hosts }),
    sender: facts.transaction === undefined ? undefined : { path: facts.transaction.reversePath },
    recipient: recipient?.mailbox,
  });
  const now = treatmentOf(named, policy.site, entries);
  // It may have been let in by its name, and then nobody wrote the name down: it is taken to be let in still.
  if (hosts === undefined && entries.length === 0 && then !== undefined) return then;
  // What people had listed while the gate ran is none of the configuration, and may have ended since.
  const ended = (then?.exemptions ?? []).filter(
    ({ source }) => source.startsWith(LISTED_BY) && !now.exemptions.some((e) => e.source === source),
  );
  return ended.length === 0 ? now : { ...now, exemptions: [...now.exemptions, ...ended] };
}

/** The client's confirmed names, where a check had asked for them. */
function hostsThen({ steps }: Decision): readonly string[] | undefined {
  const evidence = steps.find(({ check }) => check === 'fcrdns')?.evidence as Iprev | undefined;
  return evidence === undefined ? undefined : confirmedNames(evidence);
}
