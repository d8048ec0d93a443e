/**
 * The backend's side of one client transaction: opened at the first recipient that the ladder lets through, ended by the
 * message or given up. Promise P1 stands or falls here: nothing is delivered unless the backend's final reply is passed on.
 */
import type {
  Backend,
  BackendFailure,
  ClientIdentity,
  Delivery,
  Envelope,
  MessageContent,
} from '../../core/delivery.ts';
import { isFailure } from '../../core/delivery.ts';
import type { BackendAnswer, RecipientsPort } from '../../core/ports.ts';
import type { RcptParameters } from '../../mail/parameters.ts';
import type { Mailbox } from '../../mail/mailbox.ts';

export class BackendTransaction implements RecipientsPort {
  readonly #envelope: Omit<Envelope, 'client'>;
  readonly #client: () => Promise<ClientIdentity>;
  readonly #backendFor: (recipient: Mailbox) => Backend;
  readonly #gone: () => boolean;
  #backend: Backend | undefined;
  #delivery: Delivery | undefined;
  #taken = 0;
  #spoiled = false;
  /** The backend's answer to the recipient asked for last, with the parameters it is asked with. */
  #asked:
    { readonly mailbox: Mailbox; readonly parameters: RcptParameters; answer?: BackendAnswer } | undefined;

  constructor(
    envelope: Omit<Envelope, 'client'>,
    client: () => Promise<ClientIdentity>,
    backendFor: (recipient: Mailbox) => Backend,
    gone: () => boolean,
  ) {
    this.#envelope = envelope;
    this.#client = client;
    this.#backendFor = backendFor;
    this.#gone = gone;
  }

  /** Whether others wait for the backend connection it holds. */
  get awaited(): boolean {
    return this.#delivery?.awaited === true;
  }

  /** Whether the client has left. */
  get gone(): boolean {
    return this.#gone();
  }

  /** Whether this recipient can go the same way as those before it; where not, it needs a transaction of its own (452). */
  fits(mailbox: Mailbox): boolean {
    if (this.#taken === 0) return true;
    const backend = this.#backendFor(mailbox);
    return backend === this.#backend && this.#taken < backend.capabilities().recipientsPerTransaction;
  }

  /** Names the recipient that `ask` will be about, for its parameters go with it. */
  about(mailbox: Mailbox, parameters: RcptParameters): void {
    this.#asked = { mailbox, parameters };
  }

  /** What the backend said of that recipient, if it was asked. */
  answer(): BackendAnswer | undefined {
    return this.#asked?.answer;
  }

  async ask(recipient: Mailbox, signal: AbortSignal): Promise<BackendAnswer> {
    const asked = this.#asked;
    const answer = await this.#rcpt(recipient, asked?.parameters ?? {}, signal);
    if (answer.kind === 'replied' && answer.reply.code < 300) this.#taken++;
    if (asked !== undefined) asked.answer = answer;
    return answer;
  }

  async send(message: MessageContent): Promise<BackendAnswer> {
    const delivery = this.#delivery;
    if (this.#spoiled) {
      this.abort();
      return { kind: 'unreachable', reason: 'it holds a recipient that was not let in' };
    }
    if (delivery === undefined) return { kind: 'unreachable', reason: 'no recipient was taken' };
    this.#delivery = undefined;
    // Once the message is on its way the client's going is no reason to stop: the backend may have it already.
    return delivery.send(message, new AbortController().signal);
  }

  /** The backend took a recipient that is refused all the same: nothing may be delivered together with it. */
  renounce(): void {
    if (this.#taken <= 1) this.abort();
    else this.#spoiled = true;
  }

  /** Nothing of it may be delivered. */
  abort(): void {
    this.#delivery?.abort();
    this.#delivery = undefined;
    this.#taken = 0;
    this.#spoiled = false;
  }

  async #rcpt(recipient: Mailbox, parameters: RcptParameters, signal: AbortSignal): Promise<BackendAnswer> {
    // Those before it were all refused, perhaps by another backend.
    if (this.#taken === 0 && this.#backend !== this.#backendFor(recipient)) this.abort();
    if (this.#delivery === undefined) {
      const begun = await this.#begin(recipient, signal);
      if (isFailure(begun)) return begun.kind === 'replied' ? { ...begun, of: 'transaction' } : begun;
      if (this.#gone()) {
        begun.abort();
        return { kind: 'unreachable', reason: 'the client is gone' };
      }
      this.#delivery = begun;
    }
    const answer = await this.#delivery.rcpt(recipient, parameters, signal);
    // Too late: the client was told 4xx already, and what the backend took may not be delivered.
    if (signal.aborted && answer.kind === 'replied' && answer.reply.code < 300) {
      this.#taken++;
      this.renounce();
      return { kind: 'unreachable', reason: 'the backend answered too late' };
    }
    // A connection that died takes the recipients before with it: the next one begins anew only where there were none.
    if (answer.kind === 'unreachable' && this.#taken === 0) this.abort();
    return answer;
  }

  async #begin(recipient: Mailbox, signal: AbortSignal): Promise<Delivery | BackendFailure> {
    const backend = this.#backendFor(recipient);
    this.#backend = backend;
    return backend.begin({ ...this.#envelope, client: await this.#client() }, signal);
  }
}
