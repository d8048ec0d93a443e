/**
 * One client's session as the engine sees it: facts as they come, the steps taken so far, and at the end a decision for
 * the journal. A door makes the calls in the dialogue's order and turns each verdict into its own protocol's words.
 * Knows no sockets, reads no clock of its own.
 */
import { after } from '../core/after.ts';
import type { Decision, RecipientDecision, EarlyJudgement } from '../core/decision.ts';
import type { Treatment } from '../core/exemption.ts';
import { hearingOf, isClientExempt, NO_TREATMENT, treatmentKey, treatmentOf } from '../core/exemption.ts';
import type { Facts, MessageFacts, SessionFacts, TransactionFacts, Violation } from '../core/facts.ts';
import type { MailParameters, RcptParameters } from '../mail/parameters.ts';
import type { Standing } from '../core/ladder.ts';
import type { Recipient } from '../core/recipient.ts';
import { isOurDomain } from '../core/site.ts';
import type { Policy } from '../core/policy.ts';
import type { MessagePort, Ports } from '../core/ports.ts';
import type { Stage } from '../core/stage.ts';
import type { Verdict } from '../core/verdict.ts';
import { GO_ON } from '../core/verdict.ts';
import type { AuthenticationResult } from '../mail/authentication-results.ts';
import type { Header } from '../mail/header.ts';
import type { Mailbox, ReversePath } from '../mail/mailbox.ts';
import { isTransient, type Reply } from '../mail/reply.ts';
import { confirmedNames, iprev, isIprevOpen } from '../msgauth/iprev.ts';
import { chargeOf, isSpared } from './charges.ts';
import { Conduct } from './conduct.ts';
import { withEffect } from './effect.ts';
import { isHeard, type Guessed } from './guessers.ts';
import { CLIENT_GONE, climb, hasRungs } from './judge.ts';
import { lastRefusal, outcomeOf, overall, wouldHave } from './outcome.ts';
import { Steps } from './steps.ts';
import type { Transaction } from './transaction.ts';

export interface SessionWorld {
  readonly policy: Policy;
  readonly ports: Ports;
  readonly nowMs: () => number;
  readonly newId: () => string;
  /** What could not be remembered of a client is the operator's trouble, never the client's. */
  readonly trouble: (what: string, error: unknown) => void;
}

export type Opening = Pick<SessionFacts, 'door' | 'client' | 'server' | 'role' | 'tls'>;

/** `other-transaction`: the recipient wants another treatment than those before it (E8): 452. */
export type RecipientVerdict = Verdict | { readonly kind: 'other-transaction' };

export class Session {
  readonly #world: SessionWorld;
  #gone: AbortController | undefined;
  #ended = false;
  #facts: SessionFacts;
  readonly #steps = new Steps();
  #transaction: Transaction | undefined;
  /** Set by the verdict of a stage before MAIL. */
  #refused: (Verdict & { kind: 'refuse' | 'defer' }) | undefined;
  #earlyJudgement: EarlyJudgement | undefined;
  #transactions = 0;
  #asked = 0;
  /** Of the transactions that are over, as far as they may convict. */
  #guesses = 0;
  /** Of the last decision. */
  #lastId = '';
  #names: Promise<readonly string[]> | undefined;
  /** The same, once they are known. */
  #hosts: readonly string[] = [];
  /** DNS did not answer: there may be more of them. */
  #namesOpen = false;
  readonly #conduct: Conduct;

  constructor(world: SessionWorld, opening: Opening) {
    this.#world = world;
    this.#conduct = new Conduct(world);
    // All fields stand in one literal, here and in what is made for every transaction: spreading costs more than judging.
    this.#facts = {
      id: world.newId(),
      door: opening.door,
      startedAtMs: world.nowMs(),
      client: opening.client,
      server: opening.server,
      role: opening.role,
      tls: opening.tls,
      helo: undefined,
      authenticated: undefined,
      violations: [],
    };
  }

  get facts(): SessionFacts {
    return this.#facts;
  }

  /** The id that a reply given now would carry. */
  get id(): string {
    return this.#transaction?.facts.id ?? this.#facts.id;
  }

  /** Aborted when the client is gone. */
  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController();
      if (this.#ended) this.#gone.abort(CLIENT_GONE);
    }
    return this.#gone.signal;
  }

  /** The client's forward-confirmed names, looked up once; none where the ladder does not ask DNS about the client. */
  confirmedNames(): Promise<readonly string[]> {
    const { policy, ports } = this.#world;
    const asks = policy.checks.some(({ check }) => check.cost === 'dns-chain' && check.stage === 'connect');
    if (!asks && !ports.lists.namesHosts) return NO_NAMES;
    this.#names ??= iprev(ports.dns, this.#facts.client.address, this.signal).then((found) => {
      this.#hosts = confirmedNames(found);
      this.#namesOpen = isIprevOpen(found);
      return this.#hosts;
    });
    return this.#names;
  }

  get transactionFacts(): TransactionFacts {
    return this.#open().facts;
  }

  /** Why the present transaction is marked: `check:code`, and the sum of weights; for the header that goes on. */
  get marks(): Pick<Standing, 'tags' | 'suspicion' | 'spam'> {
    return this.#transaction?.standing ?? { tags: [], suspicion: 0 };
  }

  /** What was found out about who sent the present transaction, for the header that goes on (RFC 8601). */
  get authentication(): readonly AuthenticationResult[] {
    const findings = this.#steps.all(true).flatMap((step) => step.findings);
    return findings.flatMap(({ authentication }) => authentication ?? []);
  }

  /** Whether the client is one that no check would be heard against. */
  get exempt(): boolean {
    return isClientExempt(this.#treatment({ session: this.#facts }));
  }

  violated(violation: Violation): void {
    if (this.#facts.violations.includes(violation)) return;
    this.#facts = { ...this.#facts, violations: [...this.#facts.violations, violation] };
  }

  connect(): Verdict | Promise<Verdict> {
    return this.#early('connect');
  }

  helo(verb: 'HELO' | 'EHLO' | 'LHLO', name: string): Verdict | Promise<Verdict> {
    this.#facts = { ...this.#facts, helo: { verb, name } };
    this.#steps.forgetHelo();
    return this.#early('helo');
  }

  /** RFC 3207 4.2: all that was learnt from the client before, its HELO above all, is forgotten. */
  startedTls(tls: NonNullable<SessionFacts['tls']>): void {
    this.#facts = { ...this.#facts, helo: undefined, tls };
    this.#steps.forgetHelo();
  }

  authenticated(authenticated: NonNullable<SessionFacts['authenticated']>): void {
    this.#facts = { ...this.#facts, authenticated };
  }

  mail(reversePath: ReversePath, parameters: MailParameters): Verdict | Promise<Verdict> {
    const { nowMs, newId } = this.#world;
    this.#steps.forgetTransaction();
    this.#transactions++;
    this.#transaction = {
      facts: { id: newId(), startedAtMs: nowMs(), reversePath, parameters, recipients: [] },
      recipients: [],
      rcptSteps: [],
      guesses: 0,
      treatment: undefined,
      standing: undefined,
      atData: undefined,
      atMessage: undefined,
      early: undefined,
      message: undefined,
      refused: undefined,
      judging: undefined,
    };
    return this.#early('mail');
  }

  /** A sender that cannot be read is judged by nobody, so that no transaction begins: this is all that there is to write down. */
  senderNotRead(sender: Mailbox, reply: Reply): Decision {
    const { policy, nowMs, newId } = this.#world;
    this.answeredWithout(reply);
    return {
      id: newId(),
      sessionId: this.#facts.id,
      atMs: nowMs(),
      tookMs: 0,
      session: this.#facts,
      transaction: { reversePath: sender, parameters: {} },
      recipients: [],
      steps: [],
      outcome: outcomeOf(reply),
      reply,
      suspicion: 0,
      policy: policy.hash,
    };
  }

  rcpt(mailbox: Recipient, parameters: RcptParameters): RecipientVerdict | Promise<RecipientVerdict> {
    const transaction = this.#open();
    transaction.judging = undefined;
    const facts = {
      session: this.#facts,
      transaction: transaction.facts,
      recipient: { mailbox, parameters },
    };
    return after(this.#treatmentByName(facts), (treatment): RecipientVerdict | Promise<RecipientVerdict> => {
      if (
        transaction.treatment !== undefined &&
        treatmentKey(transaction.treatment) !== treatmentKey(treatment)
      ) {
        return { kind: 'other-transaction' };
      }
      this.#steps.forgetRecipient();
      return after(this.#climb('rcpt', facts, treatment), (standing) => {
        for (const step of this.#steps.recipient)
          transaction.rcptSteps.push(withEffect(step, this.#world.policy, treatment));
        transaction.standing = standing;
        const violationsSeen = facts.session.violations.length;
        const { verdict, would } = standing;
        transaction.judging = { mailbox, treatment, verdict, would, violationsSeen };
        return standing.verdict;
      });
    });
  }

  /** What the client was told about the recipient judged last; a positive reply lets it into the transaction. */
  recipientAnswered(mailbox: Recipient, reply: Reply): void {
    const transaction = this.#open();
    const { judging } = transaction;
    transaction.judging = undefined;
    const treatment = judging?.treatment ?? NO_TREATMENT;
    const decided = judging !== undefined && judging.verdict.kind !== 'go-on' ? judging.verdict : undefined;
    const accepted = reply.code < 400;
    if (judging !== undefined) this.#asked++;
    const charge =
      decided === undefined ? undefined : chargeOf(decided.check, decided.code, this.#world.policy);
    if (charge === 'guess' && transaction.facts.reversePath !== null) {
      this.#facts = { ...this.#facts, guesses: (this.#facts.guesses ?? 0) + 1, asked: this.#asked };
      if (isHeard(treatment)) transaction.guesses++;
    }
    // Before the client hears it: it may try the next MX at once, with what is left of a split (452) too.
    if (isTransient(reply)) this.#conduct.turnedAway(this.#facts);
    transaction.recipients.push({
      mailbox,
      // Until the message is delivered a recipient let in is only that.
      outcome: accepted ? 'abandoned' : outcomeOf(reply),
      reply,
      check: decided?.check,
      code: decided?.code,
      would: accepted && judging?.would?.kind !== 'go-on' ? judging?.would : undefined,
      violationsSeen: judging?.violationsSeen,
      treatment: treatment === NO_TREATMENT ? undefined : treatment,
    });
    if (!accepted) return;
    transaction.treatment ??= treatment;
    transaction.facts = { ...transaction.facts, recipients: [...transaction.facts.recipients, mailbox] };
  }

  data(): Verdict | Promise<Verdict> {
    const transaction = this.#open();
    transaction.atData = this.#facts.violations.length;
    const facts = { session: this.#facts, transaction: transaction.facts };
    return this.#late('data', facts);
  }

  /** Whether any check wants to see the header before the body is there. */
  get asksAhead(): boolean {
    return this.#world.policy.checks.some(({ check }) => check.ahead !== undefined);
  }

  headerArrived(header: Header): void {
    const { policy, ports } = this.#world;
    const treatment = this.#transaction?.treatment ?? NO_TREATMENT;
    for (const { check } of policy.checks) {
      if (check.ahead !== undefined && hearingOf(treatment, check) !== 'none')
        check.ahead(header, ports, this.signal);
    }
  }

  /** `content`: what the checks may read of it; a trial has none. */
  endOfMessage(message: MessageFacts, content?: MessagePort): Verdict | Promise<Verdict> {
    const transaction = this.#open();
    transaction.message = message;
    transaction.atMessage = this.#facts.violations.length;
    const facts = { session: this.#facts, transaction: transaction.facts, message };
    return this.#late('endOfMessage', facts, content);
  }

  /** The door itself said so, without asking: too many recipients, too busy for mail. */
  answeredWithout(reply: Reply): void {
    if (isTransient(reply)) this.#conduct.turnedAway(this.#facts);
  }

  /** Ends the transaction with the reply that ended it, if one did. Undefined when none was open. */
  transactionEnded(final?: Reply): Decision | undefined {
    const transaction = this.#transaction;
    if (transaction === undefined) return undefined;
    this.#transaction = undefined;
    return this.#decision(transaction, final);
  }

  /** The client is gone: what is still being asked is abandoned, what was open is decided as it stands. */
  ended(final?: Reply): Decision | undefined {
    this.#ended = true;
    this.#gone?.abort(CLIENT_GONE);
    // Also after transactions that went well: what is left of the client's queue goes to the next MX.
    if (final !== undefined) this.answeredWithout(final);
    if (this.#transaction !== undefined) return this.transactionEnded(final);
    if (this.#transactions === 0) return this.#decision(undefined, final);
    this.#conduct.over(this.#facts, this.#lastId, this.#guessed(undefined).inSession, () => this.#isSpared());
    return undefined;
  }

  #early(stage: 'connect' | 'helo' | 'mail'): Verdict | Promise<Verdict> {
    if (!hasRungs(this.#world.policy, stage)) return GO_ON;
    const facts =
      stage === 'mail' ? { session: this.#facts, transaction: this.#open().facts } : { session: this.#facts };
    const violationsSeen = this.#facts.violations.length;
    return after(this.#treatmentByName(facts), (treatment) =>
      after(this.#climb(stage, facts, treatment), ({ verdict }) => {
        if (verdict.kind !== 'go-on') {
          const early = {
            stage,
            violationsSeen,
            treatment: treatment === NO_TREATMENT ? undefined : treatment,
          };
          // RFC 5321 5.1: who is refused before it could name a recipient may try the next MX, and Postfix does.
          this.#conduct.turnedAway(this.#facts);
          if (this.#transaction === undefined) {
            this.#refused = verdict;
            this.#earlyJudgement = early;
          } else {
            this.#transaction.refused = verdict;
            this.#transaction.early = early;
          }
        }
        return verdict;
      }),
    );
  }

  #late(stage: 'data' | 'endOfMessage', facts: Facts, content?: MessagePort): Verdict | Promise<Verdict> {
    const transaction = this.#open();
    const treatment = transaction.treatment ?? NO_TREATMENT;
    return after(this.#climb(stage, facts, treatment, content), (standing) => {
      transaction.standing = standing;
      if (standing.verdict.kind !== 'go-on') transaction.refused = standing.verdict;
      return standing.verdict;
    });
  }

  #climb(
    stage: Stage,
    facts: Facts,
    treatment: Treatment,
    message?: MessagePort,
  ): Standing | Promise<Standing> {
    const { policy, ports } = this.#world;
    return climb({
      policy,
      ports: message === undefined ? ports : { ...ports, message },
      stage,
      facts,
      place: this.#transaction?.recipients.length,
      treatment,
      steps: this.#steps,
      signature: {
        contact: policy.site.contact,
        reportUrl: policy.site.reportUrl,
        id: facts.transaction?.id ?? facts.session.id,
      },
      signal: () => this.signal,
    });
  }

  /** Where list entries name hosts, the client's names are found out first, unless it is exempt without them. */
  #treatmentByName(facts: Facts): Treatment | Promise<Treatment> {
    const treatment = this.#treatment(facts);
    if (!this.#world.ports.lists.namesHosts || isClientExempt(treatment)) return treatment;
    return this.confirmedNames().then((hosts) => {
      const byName = this.#treatment(facts, hosts);
      return this.#namesOpen ? { ...byName, namesOpen: true } : byName;
    });
  }

  #treatment(facts: Facts, hosts: readonly string[] = []): Treatment {
    const { policy, ports } = this.#world;
    const entries = ports.lists.find({
      client: facts.session.client.address,
      hosts,
      sender: facts.transaction === undefined ? undefined : { path: facts.transaction.reversePath },
      recipient: facts.recipient?.mailbox,
    });
    return treatmentOf(facts, policy.site, entries);
  }

  #open(): Transaction {
    if (this.#transaction === undefined) throw new Error('no transaction is open');
    return this.#transaction;
  }

  #decision(transaction: Transaction | undefined, final: Reply | undefined): Decision {
    const { policy, nowMs } = this.#world;
    const startedAtMs = transaction?.facts.startedAtMs ?? this.#facts.startedAtMs;
    const treatment = transaction?.treatment ?? transaction?.recipients.at(-1)?.treatment ?? NO_TREATMENT;
    const delivered = transaction?.message !== undefined && final !== undefined && final.code < 300;
    const relayed = (mailbox: Mailbox) => mailbox.domain !== '' && !isOurDomain(policy.site, mailbox.domain);
    const recipients = (transaction?.recipients ?? []).map((r): RecipientDecision => {
      if (r.reply.code >= 400) return r;
      const outcome = delivered
        ? relayed(r.mailbox)
          ? 'relayed'
          : 'accepted'
        : final === undefined
          ? 'abandoned'
          : outcomeOf(final);
      return { ...r, outcome };
    });
    const deciding = transaction?.refused ?? this.#refused ?? lastRefusal(recipients);
    const outcome = overall(recipients, final, deciding);
    const reply = final ?? (deciding !== undefined ? deciding.reply : undefined);
    const decided = outcome === 'accepted' || outcome === 'relayed' ? undefined : deciding;
    const steps = this.#steps.all(transaction !== undefined);
    for (const [i, step] of steps.entries()) steps[i] = withEffect(step, this.#world.policy, treatment);
    if (transaction !== undefined) steps.push(...transaction.rcptSteps);
    const id = transaction?.facts.id ?? this.#facts.id;
    this.#lastId = id;
    const charges = this.#conduct.ended({
      facts: this.#facts,
      id,
      steps,
      outcome,
      bounce: transaction?.facts.reversePath === null,
      delivered: transaction?.facts.recipients.length ?? 0,
      // A policy service that is not asked at the end of a message does not know whether one came.
      isWhole: transaction?.message !== undefined,
      untouched: isUntouched(transaction?.standing) && treatment.exemptions.length === 0,
      guessed: this.#guessed(transaction),
      isSpared: () => this.#isSpared(),
    });
    return {
      id,
      sessionId: this.#facts.id,
      atMs: startedAtMs,
      tookMs: nowMs() - startedAtMs,
      session: this.#facts,
      transaction:
        transaction === undefined
          ? undefined
          : { reversePath: transaction.facts.reversePath, parameters: transaction.facts.parameters },
      recipients,
      unanswered: transaction?.judging?.mailbox,
      steps,
      exemption: treatment.exemptions[0],
      outcome,
      reply,
      check: decided?.check,
      code: decided?.code,
      suspicion: transaction?.standing?.suspicion ?? 0,
      would: wouldHave(recipients, transaction?.standing?.would),
      early: transaction === undefined ? this.#earlyJudgement : transaction.early,
      atData: transaction?.atData,
      atMessage: transaction?.atMessage,
      tags: delivered ? someOf(transaction.standing?.tags) : undefined,
      sizeOctets: transaction?.message?.sizeOctets,
      charges: charges.length === 0 ? undefined : charges,
      policy: policy.hash,
    };
  }

  #guessed(transaction: Transaction | undefined): Guessed {
    const inTransaction = transaction?.guesses ?? 0;
    this.#guesses += inTransaction;
    return {
      inTransaction,
      inSession: this.#ended ? { guesses: this.#guesses, asked: this.#asked } : undefined,
    };
  }

  /**
   * What an entry about the sender or the recipient lifts says nothing for the client. What was charged was judged, so its names are
   * known if anybody wants to know them; where DNS was silent it may be one that a list spares by its name.
   */
  #isSpared(): boolean {
    if (this.#namesOpen && this.#world.ports.lists.namesHosts === true) return true;
    return isSpared(this.#treatment({ session: this.#facts }, this.#hosts));
  }
}

/** Nothing was found against it; also where what is found is only watched. */
const isUntouched = (standing: Standing | undefined): boolean =>
  standing?.tags.length === 0 &&
  (standing.would === undefined || (standing.would.kind === 'go-on' && standing.would.suspicion <= 0));

const someOf = <T>(list: readonly T[] | undefined): readonly T[] | undefined =>
  list === undefined || list.length === 0 ? undefined : list;

const NO_NAMES: Promise<readonly string[]> = Promise.resolve([]);
