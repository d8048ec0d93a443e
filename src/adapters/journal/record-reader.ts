import type { Decision, RecipientDecision, Step } from '../../core/decision.ts';
import type { SessionFacts } from '../../core/facts.ts';
import type { Finding } from '../../core/finding.ts';
import type { Recipient } from '../../core/recipient.ts';
import type { Reply } from '../../mail/reply.ts';
import {
  ACTION,
  DOOR,
  FOUR_BITS,
  HEAD,
  HEAD_AT,
  ONE,
  OUTCOME,
  type RecipientRest,
  type Rest,
  RESULT,
  STAGE,
  STEP,
  STEP_AT,
  THREE_BITS,
  TWO_BITS,
  VERB,
  VERSION,
} from './record-format.ts';

/** The decision that the values of a line make. */
export function decisionIn(values: readonly unknown[]): Decision {
  if (values[0] !== VERSION) throw new Error(`a journal record of another version: ${String(values[0])}`);
  const from = new Reader(values);
  from.next();
  const bits = from.next<number>();
  const id = from.next<string>();
  const sessionId = from.next<string>();
  const atMs = from.next<number>();
  const tookMs = from.next<number>();
  const suspicion = from.next<number>();
  const policy = from.next<string>();
  const session = sessionIn(from, bits, sessionId, atMs);
  const d: Partial<Mutable<Decision>> = { id, sessionId, atMs, tookMs, session };
  if ((bits & HEAD.transaction) !== 0) {
    d.transaction = {
      reversePath:
        (bits & HEAD.path) === 0 ? null : { local: from.next<string>(), domain: from.next<string>() },
      parameters:
        (bits & HEAD.parameters) === 0 ? {} : from.next<NonNullable<Decision['transaction']>['parameters']>(),
    };
  }
  const recipients: RecipientDecision[] = [];
  let before: Reply | undefined;
  for (let left = from.next<number>(); left > 0; left--) {
    const recipient = recipientIn(from, before);
    before = recipient.reply;
    recipients.push(recipient);
  }
  d.recipients = recipients;
  d.steps = [];
  d.outcome = wordOf(OUTCOMES, bits & THREE_BITS);
  if ((bits & HEAD.replyOf) !== 0) {
    const same = recipients[from.next<number>()];
    d.reply = same?.reply;
    if ((bits & HEAD.bySame) !== 0) {
      if (same?.check !== undefined) d.check = same.check;
      if (same?.code !== undefined) d.code = same.code;
    }
  } else if ((bits & HEAD.reply) !== 0) d.reply = replyIn(from);
  if ((bits & HEAD.check) !== 0) d.check = from.next<string>();
  if ((bits & HEAD.code) !== 0) d.code = from.next<string>();
  d.suspicion = suspicion;
  if ((bits & HEAD.atData) !== 0) d.atData = from.next<number>();
  if ((bits & HEAD.atMessage) !== 0) d.atMessage = from.next<number>();
  if ((bits & HEAD.size) !== 0) d.sizeOctets = from.next<number>();
  d.policy = policy;
  const steps: Step[] = [];
  for (let left = from.next<number>(); left > 0; left--) steps.push(stepIn(from));
  d.steps = steps;
  if ((bits & HEAD.rest) !== 0) {
    const { role, tls, authenticated, guesses, asked, ...rest } = from.next<Rest>();
    Object.assign(session, present({ role, tls, authenticated, guesses, asked }));
    Object.assign(d, rest);
  }
  return d as Decision;
}

function sessionIn(from: Reader, bits: number, sessionId: string, atMs: number): SessionFacts {
  const started = from.next<number>();
  const client = { address: from.next<string>(), port: from.next<number>() };
  const server = { address: from.next<string>(), port: from.next<number>() };
  const session: Mutable<SessionFacts> = {
    id: (bits & HEAD.sessionId) === 0 ? sessionId : from.next<string>(),
    door: wordOf(DOORS, (bits >> HEAD_AT.door) & THREE_BITS),
    startedAtMs: (bits & HEAD.soonAfter) === 0 ? started : atMs - started,
    client,
    server,
    violations: [],
  };
  const verb = (bits >> HEAD_AT.verb) & THREE_BITS;
  if (verb !== 0) session.helo = { verb: wordOf(VERBS, verb), name: from.next<string>() };
  if ((bits & HEAD.violations) !== 0) session.violations = from.next<SessionFacts['violations']>();
  return session;
}

function recipientIn(from: Reader, before: Reply | undefined): RecipientDecision {
  const bits = from.next<number>();
  const mailbox: Recipient = { local: from.next<string>(), domain: from.next<string>() };
  const reply = (bits & ONE.sameReply) === 0 || before === undefined ? replyIn(from) : before;
  const r: Mutable<RecipientDecision> = { mailbox, outcome: wordOf(OUTCOMES, bits & THREE_BITS), reply };
  if ((bits & ONE.check) !== 0) r.check = from.next<string>();
  if ((bits & ONE.code) !== 0) r.code = from.next<string>();
  if ((bits & ONE.violationsSeen) !== 0) r.violationsSeen = from.next<number>();
  if ((bits & ONE.rest) !== 0) {
    const { tag, ...rest } = from.next<RecipientRest>();
    Object.assign(r, rest);
    if (tag !== undefined) Object.assign(mailbox, { tag });
  }
  return r;
}

function replyIn(from: Reader): Reply {
  const code = from.next<number>();
  const enhanced = from.next<string>();
  const lines = from.next<string | readonly string[]>();
  return { code, enhanced, lines: typeof lines === 'string' ? [lines] : lines };
}

function stepIn(from: Reader): Step {
  const check = from.next<string>();
  const bits = from.next<number>();
  const took = from.next<number | readonly [number]>();
  const step: Partial<Mutable<Step>> = { stage: wordOf(STAGES, bits & THREE_BITS) };
  if ((bits & STEP.recipient) !== 0) step.recipient = from.next<number>();
  step.check = check;
  const lookups = (bits & STEP.lookups) === 0 ? undefined : from.next<number>();
  const findings = findingsIn(from, bits);
  if ((bits & STEP.evidence) !== 0) step.evidence = from.next<NonNullable<Step['evidence']>>();
  step.findings = findings;
  step.action = wordOf(ACTIONS, (bits >> STEP_AT.action) & FOUR_BITS);
  step.tookMs = typeof took === 'number' ? took / 1000 : took[0];
  if (lookups !== undefined) step.lookups = lookups;
  return step as Step;
}

function findingsIn(from: Reader, bits: number): readonly Finding[] {
  if ((bits & STEP.findings) !== 0) return from.next<readonly Finding[]>();
  if ((bits & (STEP.plain | STEP.enhanced)) === 0) return [];
  const result = wordOf(RESULTS, (bits >> STEP_AT.result) & TWO_BITS);
  const plain = { result, code: from.next<string>(), text: from.next<string>() };
  return [(bits & STEP.plain) === 0 ? { ...plain, enhanced: from.next<string>() } : plain];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Takes one after the other. Each has the type that it was written with. */
class Reader {
  readonly #values: readonly unknown[];
  #at = 0;

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a cast that says where it comes from
  next<T>(): T {
    return this.#values[this.#at++] as T;
  }
}

const OUTCOMES = wordsOf(OUTCOME);
const STAGES = wordsOf(STAGE);
const ACTIONS = wordsOf(ACTION);
const RESULTS = wordsOf(RESULT);
const DOORS = wordsOf(DOOR);
const VERBS = wordsOf(VERB);

function wordsOf<W extends string>(numbers: Readonly<Record<W, number>>): readonly W[] {
  const words: W[] = [];
  for (const word in numbers) words[numbers[word]] = word;
  return words;
}

function wordOf<W extends string>(words: readonly W[], number: number): W {
  const word = words[number];
  if (word === undefined) throw new Error(`a journal record with an unknown word: ${number}`);
  return word;
}

const present = (object: object): object =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
