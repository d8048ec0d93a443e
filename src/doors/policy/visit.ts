/**
 * The requests of one message, as `instance` groups them, made into one session: each request tells all that the MTA knows by then, so
 * the stages that were not judged yet are judged in their order. Sees no header and no body: what only they show stays unseen here.
 */
import { replies } from '../../core/replies.ts';
import { recipientOf } from '../../core/recipient.ts';
import type { RecipientsPort } from '../../core/ports.ts';
import type { Verdict } from '../../core/verdict.ts';
import type { Session } from '../../engine/session.ts';
import type { PolicyAction } from '../../wire/policy/action.ts';
import { takenAddress } from '../../mail/taken-address.ts';
import { DEFAULT_LIMITS } from '../../wire/smtp/limits.ts';
import type { PolicyRequest } from '../../wire/policy/request.ts';
import { openSession, qualified, record, recordEnd, recordUnreadSender, unread } from '../session.ts';
import type { PolicySettings, PolicyWorld } from './world.ts';

const DUNNO: PolicyAction = { kind: 'dunno' };
const NOT_READ = { kind: 'reply', reply: replies.addressNotRead() } as const;
/** It ended while a question was open: who asked has gone, or its place was needed. */
export const GIVEN_UP = new Error('the message was given up while it was judged');
// Postfix's smtpd_recipient_limit: an MTA that takes more has the rest judged as often as it asks.
const MAX_ANSWERS = 1_000;
// The MTA knows whom it has a mailbox for, and refuses the others by itself.
const NOBODY_ASKED: RecipientsPort = {
  ask: () => Promise.resolve({ kind: 'replied', reply: replies.recipientOk() }),
};

export class Visit {
  readonly #world: PolicyWorld;
  readonly #settings: PolicySettings;
  readonly #session: Session;
  #connected = false;
  #helo = '';
  #began = false;
  #unreadSender = false;
  /** Of each recipient: an MTA whose lists name us several times asks as often. */
  readonly #answers = new Map<string, PolicyAction>();
  #dataJudged = false;
  #asked = false;
  #letIn = false;
  #marked = false;
  /** What the whole message was told before its recipients. */
  #refused: (Verdict & { readonly kind: 'refuse' | 'defer' }) | undefined;
  #over = false;
  /** One request after the other, should an MTA ask for one message on several connections. */
  #last: Promise<unknown> = Promise.resolve();
  usedMs: number;

  constructor(
    world: PolicyWorld,
    settings: PolicySettings,
    request: PolicyRequest & { readonly clientAddress: string },
  ) {
    this.#world = world;
    this.#settings = settings;
    this.usedMs = world.nowMs();
    const { clientAddress, clientPort, serverAddress, serverPort } = request;
    this.#session = openSession(
      world,
      settings,
      {
        door: 'policy',
        client: { address: clientAddress, port: clientPort },
        server: { address: serverAddress ?? '', port: serverPort },
        tls: undefined,
      },
      NOBODY_ASKED,
    );
  }

  /** Whether a recipient was let in: then its message may be long on its way. */
  get isExpected(): boolean {
    return this.#letIn;
  }

  answer(request: PolicyRequest): Promise<PolicyAction> {
    this.usedMs = this.#world.nowMs();
    const answered = this.#last.then(() => this.#judge(request));
    this.#last = answered.catch(() => undefined);
    return answered;
  }

  /** No more of it will come. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    const session = this.#session;
    // Whether it was delivered the MTA alone knows: that it was let in is what there is to say.
    if (this.#letIn) record(this.#world, session.transactionEnded(replies.passedOn(session.id)));
    recordEnd(this.#world, session, this.#unreadSender);
  }

  async #judge(request: PolicyRequest): Promise<PolicyAction> {
    if (this.#over) throw GIVEN_UP;
    const session = this.#session;
    // Before all else: an MTA that delays its refusals tells everything at once, and who has authenticated is exempt.
    this.#learn(request);
    if (this.#refused !== undefined) return actionFor(this.#refused);
    if (!this.#connected) {
      this.#connected = true;
      const refused = this.#stop(await this.#within(session.connect()));
      if (refused !== undefined) return refused;
    }
    if (request.heloName !== '' && request.heloName !== this.#helo) {
      this.#helo = request.heloName;
      const verb = request.protocolName === 'SMTP' ? 'HELO' : 'EHLO';
      const refused = this.#stop(await this.#within(session.helo(verb, request.heloName)));
      if (refused !== undefined) return refused;
    }
    return AFTER_MAIL.has(request.state) ? this.#transaction(request) : DUNNO;
  }

  async #transaction(request: PolicyRequest): Promise<PolicyAction> {
    const session = this.#session;
    const { state } = request;
    if (!this.#began) {
      const sender =
        request.sender === '' ? null : takenAddress(request.sender, DEFAULT_LIMITS.localPartOctets);
      if (sender === undefined) return this.#notRead(request);
      this.#began = true;
      const parameters = request.sizeOctets > 0 ? { sizeOctets: request.sizeOctets } : {};
      const path = qualified(sender, this.#settings.policy.site);
      const verdict = await this.#within(session.mail(path, parameters));
      if (verdict.kind !== 'go-on') record(this.#world, session.transactionEnded(verdict.reply));
      const refused = this.#stop(verdict);
      if (refused !== undefined) return refused;
    }
    if (state === 'MAIL') return DUNNO;
    // Where the MTA asks at DATA or later alone, its only recipient is named there.
    const isNew = state === 'RCPT' || (!this.#asked && request.recipient !== '');
    const answer = isNew ? await this.#answerOf(request) : DUNNO;
    if (state === 'RCPT' || (answer.kind !== 'dunno' && answer.kind !== 'prepend')) return answer;
    const refused = await this.#data();
    if (refused !== undefined) return refused;
    return state === 'END-OF-MESSAGE' ? ((await this.#endOfMessage(request)) ?? answer) : answer;
  }

  /** What the MTA learnt meanwhile: TLS and authentication come between HELO and MAIL. */
  #learn({ encryptionProtocol, encryptionCipher, saslUsername, saslMethod }: PolicyRequest): void {
    const session = this.#session;
    if (encryptionProtocol !== '' && session.facts.tls === undefined) {
      session.startedTls({ protocol: encryptionProtocol, cipher: encryptionCipher });
      this.#helo = '';
    }
    if (saslUsername !== '' && session.facts.authenticated === undefined)
      session.authenticated({ identity: saslUsername, mechanism: saslMethod });
  }

  #notRead({ sender }: PolicyRequest): PolicyAction {
    if (!this.#unreadSender) recordUnreadSender(this.#world, this.#session, sender);
    this.#unreadSender = true;
    return NOT_READ;
  }

  async #answerOf(request: PolicyRequest): Promise<PolicyAction> {
    const known = this.#answers.get(request.recipient);
    if (known !== undefined) return known;
    const answer = await this.#recipient(request);
    // A field is put there once.
    if (this.#answers.size < MAX_ANSWERS)
      this.#answers.set(request.recipient, answer.kind === 'prepend' ? DUNNO : answer);
    return answer;
  }

  async #recipient({ recipient }: PolicyRequest): Promise<PolicyAction> {
    const session = this.#session;
    this.#asked = true;
    const forwardPath = takenAddress(recipient, DEFAULT_LIMITS.localPartOctets);
    if (forwardPath === undefined) {
      session.recipientAnswered(unread(recipient), NOT_READ.reply);
      return NOT_READ;
    }
    const { site } = this.#settings.policy;
    const mailbox = recipientOf(forwardPath, site, session.transactionFacts.startedAtMs);
    const verdict = await this.#within(session.rcpt(mailbox, {}));
    if (verdict.kind === 'other-transaction') {
      session.recipientAnswered(mailbox, replies.otherTransaction());
      return { kind: 'reply', reply: replies.otherTransaction() };
    }
    if (verdict.kind !== 'go-on') {
      session.recipientAnswered(mailbox, verdict.reply);
      return actionFor(verdict);
    }
    session.recipientAnswered(mailbox, replies.recipientOk());
    this.#letIn = true;
    if (this.#marked) return DUNNO;
    this.#marked = true;
    const { tags, suspicion } = session.marks;
    const marks = tags.length === 0 ? '' : `; tags=${tags.join(',')}`;
    const value = `id=${session.id}; suspicion=${Math.round(suspicion * 100) / 100}${marks}`;
    return { kind: 'prepend', name: 'X-Postern', value };
  }

  /** Once: an MTA that asks when it has the message (Exim) may not have asked at DATA. */
  async #data(): Promise<PolicyAction | undefined> {
    if (this.#dataJudged) return undefined;
    this.#dataJudged = true;
    const verdict = await this.#within(this.#session.data());
    if (verdict.kind === 'go-on') return undefined;
    record(this.#world, this.#session.transactionEnded(verdict.reply));
    this.#letIn = false;
    return this.#stop(verdict);
  }

  /** The message was not seen, so its checks have no place here; what else there is may have grown since. */
  async #endOfMessage({ sizeOctets }: PolicyRequest): Promise<PolicyAction | undefined> {
    const verdict = await this.#within(this.#session.endOfMessage({ sizeOctets }));
    if (verdict.kind === 'go-on') {
      this.end();
      return undefined;
    }
    record(this.#world, this.#session.transactionEnded(verdict.reply));
    this.#letIn = false;
    return actionFor(verdict);
  }

  async #within<T>(judged: T | Promise<T>): Promise<T> {
    const verdict = await judged;
    if (this.#over) throw GIVEN_UP;
    return verdict;
  }

  #stop(verdict: Verdict): PolicyAction | undefined {
    if (verdict.kind === 'go-on') return undefined;
    this.#refused = verdict;
    return actionFor(verdict);
  }
}

const AFTER_MAIL: ReadonlySet<string> = new Set(['MAIL', 'RCPT', 'DATA', 'END-OF-MESSAGE']);

/** Greylisting holds up only what would be let in otherwise: that a recipient is unknown is heard at the first attempt. */
function actionFor(verdict: Verdict & { readonly kind: 'refuse' | 'defer' }): PolicyAction {
  const { reply, check, kind } = verdict;
  return kind === 'defer' && check.startsWith('greylist')
    ? { kind: 'defer-if-permit', enhanced: reply.enhanced, text: reply.lines.join(' ') }
    : { kind: 'reply', reply };
}
