import { after } from '../core/after.ts';
import type { Json } from '../core/check.ts';
import { NO_CLUES, type Clues } from '../core/clues.ts';
import type { Step } from '../core/decision.ts';
import type { Treatment } from '../core/exemption.ts';
import { hearingOf } from '../core/exemption.ts';
import type { Facts } from '../core/facts.ts';
import type { Finding } from '../core/finding.ts';
import type { Judged, Standing } from '../core/ladder.ts';
import { asMeant, standingOf, wouldBe } from '../core/ladder.ts';
import type { ConfiguredCheck, Policy } from '../core/policy.ts';
import type { DnsAnswer, DnsPort, DnsRecords, DnsType, Ports } from '../core/ports.ts';
import type { Signature } from '../core/replies.ts';
import type { Cost, Stage } from '../core/stage.ts';
import { COSTS, stageIndex } from '../core/stage.ts';

/** Code of the finding that the engine itself makes when a check threw or was not answered by the stage's deadline. */
export const UNANSWERED = 'unanswered';

/** Steps already taken, kept by the session for as long as their facts hold. */
export interface StepCache {
  get(configured: ConfiguredCheck): Step | undefined;
  set(configured: ConfiguredCheck, step: Step): void;
}

export interface Climb {
  readonly policy: Policy;
  readonly ports: Ports;
  readonly stage: Stage;
  readonly facts: Facts;
  /** That the recipient judged now will have among those of its decision. */
  readonly place?: number | undefined;
  readonly treatment: Treatment;
  readonly steps: StepCache;
  readonly signature: Signature;
  /** Ends when the client is gone. Read only when something has to be waited for: most sessions never need one. */
  readonly signal: () => AbortSignal;
}

/**
 * Climbs the ladder for one stage: rung by rung, cheapest first, the checks of a rung side by side, until the first
 * verdict (promise P2). What was asked before is not asked again. A promise only where something has to be waited for:
 * most refusals come from the first rung, and a promise costs more than they do.
 */
export function climb(c: Climb): Standing | Promise<Standing> {
  const deadline = new StageDeadline(c, budgetMs(c));
  const judged: Judged[] = [];
  const climbed = climbFrom(c, 0, judged, deadline);
  // A check that answers at once may have asked for the signal all the same, and begun its time.
  const ended = climbed instanceof Promise ? climbed.finally(() => deadline.end()) : climbed;
  if (!(ended instanceof Promise)) deadline.end();
  const { meant } = c.policy;
  if (meant === undefined) return ended;
  return after(ended, (standing) => ({
    ...standing,
    would: wouldBe(judged, meant, c.treatment, c.signature),
  }));
}

/** Whether any check is due at the stage at all. */
export function hasRungs(policy: Policy, stage: Stage): boolean {
  return rungsFor(policy, stage).length > 0;
}

function climbFrom(
  c: Climb,
  from: number,
  judged: Judged[],
  deadline: StageDeadline,
): Standing | Promise<Standing> {
  const rungs = rungsFor(c.policy, c.stage);
  for (let i = from; i < rungs.length; i++) {
    const rung = rungs[i];
    if (rung === undefined) break;
    const asked = rung.checks.filter(({ check }) => hearingOf(c.treatment, check) !== 'none');
    if (asked.length === 0) continue;
    if (rung.cost === 'backend') {
      // What the backend has taken is part of the delivery: all that could refuse has to have spoken before.
      const before = standingOf(judged, c.policy, c.treatment, undefined, c.signature);
      if (before.verdict.kind !== 'go-on') return before;
    }
    const within = rung.cost === 'backend' ? deadline.ofBackend() : deadline;
    const clues = COSTS.indexOf(rung.cost) < DOUBT ? NO_CLUES : cluesOf(judged, c);
    const waiting: Promise<void>[] = [];
    for (const configured of asked) {
      const known = c.steps.get(configured);
      // What needs no asking is judged anew each time, for facts grow: a client may start to pipeline at DATA.
      if (known !== undefined && configured.check.gather !== undefined) continue;
      if (known === undefined && carriedOver(configured, c.stage)) continue;
      const taken = take(configured, c, clues, within);
      if (taken !== undefined) waiting.push(taken);
    }
    const stand = (): Standing => {
      for (const configured of asked) {
        const step = c.steps.get(configured);
        if (step !== undefined) judged.push({ configured, findings: step.findings });
      }
      return standingOf(judged, c.policy, c.treatment, rung.cost, c.signature);
    };
    if (waiting.length > 0) {
      return Promise.all(waiting).then(() => {
        const standing = stand();
        return standing.verdict.kind === 'go-on' ? climbFrom(c, i + 1, judged, deadline) : standing;
      });
    }
    const standing = stand();
    if (standing.verdict.kind !== 'go-on') return standing;
  }
  return standingOf(judged, c.policy, c.treatment, undefined, c.signature);
}

const DOUBT = COSTS.indexOf('doubt');

function cluesOf(judged: readonly Judged[], c: Climb): Clues {
  // What is only watched casts its doubt all the same: else nothing would be seen of what the doubted would have met.
  const policy = c.policy.meant ?? c.policy;
  const all = c.policy.meant === undefined ? judged : asMeant(judged);
  const { suspicion } = standingOf(all, policy, c.treatment, undefined, c.signature);
  const found = (name: string) => judged.find(({ configured }) => configured.check.name === name)?.findings;
  return {
    suspicion,
    found: (name) => found(name) ?? [],
    *all() {
      for (const { configured, findings } of judged) yield [configured.check.name, findings] as const;
    },
  };
}

function take(
  configured: ConfiguredCheck,
  c: Climb,
  clues: Clues,
  deadline: StageDeadline,
): Promise<void> | undefined {
  const { check, settings } = configured;
  // The stage's facts are there by construction: `rungsFor` hands out no check before its stage.
  const facts = c.facts as never;
  const { site } = c.policy;
  let dns: CountedDns | undefined;
  const keep = (evidence: Json | undefined, findings: readonly Finding[], tookMs: number): void => {
    const step: Step = {
      stage: check.stage,
      recipient: check.stage === 'rcpt' ? c.place : undefined,
      check: check.name,
      evidence,
      findings,
      action: 'none',
      tookMs,
      lookups: dns === undefined || dns.questions === 0 ? undefined : dns.questions,
    };
    c.steps.set(configured, step);
  };
  if (check.gather === undefined) {
    keep(undefined, check.judge(facts, null, settings, site), 0);
    return undefined;
  }
  const begunMs = performance.now();
  const tookMs = () => Math.round((performance.now() - begunMs) * 1000) / 1000;
  const fail = (error: unknown) => keep(undefined, [unanswered(check.name, error)], tookMs());
  try {
    // What memory or the embedded store knows is there at once; a timer for it would cost more than the answer.
    const signal = WITHOUT_SIGNAL.has(check.cost) ? NEVER : deadline.signal;
    let { ports } = c;
    if (!WITHOUT_DNS.has(check.cost)) ports = { ...ports, dns: (dns = new CountedDns(ports.dns)) };
    const evidence = check.gather(facts, ports, settings, signal, site, clues);
    if (evidence instanceof Promise) {
      return deadline
        .race(evidence)
        .then((found) => keep(found, check.judge(facts, found, settings, site), tookMs()))
        .catch(fail);
    }
    keep(evidence, check.judge(facts, evidence, settings, site), tookMs());
  } catch (error) {
    fail(error);
  }
  return undefined;
}

// P3: what could not be answered is temporary trouble, whatever the reason.
function unanswered(check: string, error: unknown): Finding {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    result: 'temperror',
    code: UNANSWERED,
    text: `${check} could not be answered: ${reason}`,
    enhanced: '5.4.3',
  };
}

// Made once: an abort without a reason makes a DOMException with a stack trace, for each session anew.
export const CLIENT_GONE = new Error('the client is gone');
const NEVER = new AbortController().signal;
const WITHOUT_SIGNAL: ReadonlySet<Cost> = new Set(['memory', 'store', 'doubt']);
const TOO_LATE = new Error('no answer in time');

// Most sessions end on these rungs: they ask nobody, and nothing is counted for them.
const WITHOUT_DNS: ReadonlySet<Cost> = new Set(['memory', 'store', 'doubt', 'backend', 'parse', 'scanner']);

/** How many questions one check puts, also of those that are answered from memory. */
class CountedDns implements DnsPort {
  readonly #dns: DnsPort;
  questions = 0;

  constructor(dns: DnsPort) {
    this.#dns = dns;
  }

  resolve<T extends DnsType>(name: string, type: T, signal: AbortSignal): Promise<DnsAnswer<DnsRecords[T]>> {
    this.questions++;
    return this.#dns.resolve(name, type, signal);
  }
}

// RFC 5321 4.5.3.2.6: a client waits ten minutes for the reply to its message, and a scanner may need some of them.
const budgetMs = ({ policy, stage }: Pick<Climb, 'policy' | 'stage'>): number =>
  stage === 'endOfMessage'
    ? (policy.messageChecksTimeoutMs ?? policy.checksTimeoutMs)
    : policy.checksTimeoutMs;

/** One deadline for all questions of a stage; its timer exists only once something waits. */
class StageDeadline {
  readonly #climb: Pick<Climb, 'policy' | 'signal'>;
  readonly #timeoutMs: number;
  #backend: StageDeadline | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #onGone: (() => void) | undefined;
  #late: Promise<never> | undefined;

  constructor(climb: Pick<Climb, 'policy' | 'signal'>, timeoutMs: number) {
    this.#climb = climb;
    this.#timeoutMs = timeoutMs;
  }

  /** The backend has its whole time from the moment it is asked, however long DNS took before (E5). */
  ofBackend(): StageDeadline {
    const { recipientTimeoutMs } = this.#climb.policy;
    if (recipientTimeoutMs === undefined) return this;
    this.#backend ??= new StageDeadline(this.#climb, recipientTimeoutMs);
    return this.#backend;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      this.#timer = setTimeout(() => controller.abort(TOO_LATE), this.#timeoutMs);
      this.#onGone = () => controller.abort(CLIENT_GONE);
      const gone = this.#climb.signal();
      if (gone.aborted) this.#onGone();
      else gone.addEventListener('abort', this.#onGone, { once: true });
    }
    return this.#controller.signal;
  }

  /** A check that does not heed the signal must not hold the dialogue up. */
  race<T>(promise: Promise<T>): Promise<T> {
    if (this.#late === undefined) {
      const { signal } = this;
      // One for all: it goes with the stage.
      this.#late = new Promise((_resolve, reject) => {
        const onAbort = () => reject(signal.reason as Error);
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort, { once: true });
      });
      this.#late.catch(() => undefined);
    }
    return Promise.race([promise, this.#late]);
  }

  end(): void {
    this.#backend?.end();
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#onGone !== undefined) this.#climb.signal().removeEventListener('abort', this.#onGone);
  }
}

interface Rung {
  readonly cost: Cost;
  readonly checks: readonly ConfiguredCheck[];
}

const RCPT = stageIndex('rcpt');
const rungsByPolicy = new WeakMap<Policy, Map<Stage, readonly Rung[]>>();

/**
 * Before RCPT only what the operator wants refused at the earliest moment is asked; all else waits for RCPT, where the
 * exemptions are known and one refusal by a cheap check saves every dearer one (H3, P2).
 */
function rungsFor(policy: Policy, stage: Stage): readonly Rung[] {
  let byStage = rungsByPolicy.get(policy);
  if (byStage === undefined) rungsByPolicy.set(policy, (byStage = new Map<Stage, readonly Rung[]>()));
  let rungs = byStage.get(stage);
  if (rungs === undefined) {
    const now = stageIndex(stage);
    const due = policy.checks.filter(({ check, settings }) => {
      const from = stageIndex(check.stage);
      if (from > now) return false;
      if (now < RCPT) return settings.refuse_at === 'earliest';
      // A recipient's own findings are no reason to refuse the message of the others.
      return now === RCPT || from !== RCPT;
    });
    rungs = COSTS.map((cost) => ({ cost, checks: due.filter(({ check }) => check.cost === cost) })).filter(
      (rung) => rung.checks.length > 0,
    );
    byStage.set(stage, rungs);
  }
  return rungs;
}

/** After RCPT earlier stages count with what they found; nothing of theirs is asked for the first time. */
function carriedOver({ check }: ConfiguredCheck, stage: Stage): boolean {
  return stageIndex(stage) > RCPT && check.stage !== stage && check.gather !== undefined;
}
