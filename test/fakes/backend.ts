/** A backend in memory that takes, refuses, defers, dies or waits, call by call, and keeps what it took. */
import type {
  Backend,
  BackendFailure,
  Capabilities,
  Delivery,
  Envelope,
  MessageContent,
} from '../../src/core/delivery.ts';
import type { BackendAnswer } from '../../src/core/ports.ts';
import type { Mailbox } from '../../src/mail/mailbox.ts';
import { formatMailbox } from '../../src/mail/mailbox.ts';
import type { Reply } from '../../src/mail/reply.ts';
import { reply } from '../../src/mail/reply.ts';

export type Call = 'begin' | 'rcpt' | 'send';

/** `throws` breaks the contract, as a bug of ours would. */
export type Behaviour = 'takes' | 'dies' | 'throws' | Reply;

export interface FakeBackendOptions {
  readonly url?: string;
  readonly capabilities?: Partial<Capabilities>;
}

export interface Taken {
  readonly envelope: Envelope;
  readonly recipients: readonly string[];
  readonly bytes: Buffer;
}

export const REFUSES = reply(550, '5.1.1', 'No such mailbox');
export const DEFERS = reply(451, '4.3.2', 'Not now');

export class FakeBackend implements Backend {
  readonly url: string;
  /** What it does at each call; recipients may have one of their own. */
  readonly at: Record<Call, Behaviour> = { begin: 'takes', rcpt: 'takes', send: 'takes' };
  readonly mailboxes = new Map<string, Behaviour>();
  /** `begin`, `rcpt a@b`, `send`, `abort`, in their order. */
  readonly calls: string[] = [];
  readonly taken: Taken[] = [];
  readonly envelopes: Envelope[] = [];
  /** While set, `send` reads the message and then waits for it. */
  hold: Promise<void> | undefined;
  /** Called when `send` has the whole message. */
  onMessage: () => void = () => undefined;
  readonly #capabilities: Capabilities;

  constructor({ url = 'fake:', capabilities = {} }: FakeBackendOptions = {}) {
    this.url = url;
    this.#capabilities = {
      dsn: false,
      smtputf8: false,
      eightBitMime: true,
      recipientsPerTransaction: Infinity,
      ...capabilities,
    };
  }

  capabilities(): Capabilities {
    return this.#capabilities;
  }

  async begin(envelope: Envelope): Promise<Delivery | BackendFailure> {
    this.calls.push('begin');
    this.envelopes.push(envelope);
    const failed = failureOf(this.at.begin);
    if (failed !== undefined) return failed;
    const recipients: string[] = [];
    let dead = false;
    let over = false;
    return {
      rcpt: async (recipient: Mailbox): Promise<BackendAnswer> => {
        const name = formatMailbox(recipient);
        this.calls.push(`rcpt ${name}`);
        if (dead) return { kind: 'unreachable', reason: 'dead' };
        const answer = answerOf(this.mailboxes.get(name) ?? this.at.rcpt);
        if (answer.kind === 'unreachable') dead = true;
        else if (answer.reply.code < 300) recipients.push(name);
        return answer;
      },
      send: async (message: MessageContent): Promise<BackendAnswer> => {
        this.calls.push('send');
        over = true;
        if (dead) return { kind: 'unreachable', reason: 'dead' };
        const chunks: Buffer[] = [];
        for await (const chunk of message.chunks()) chunks.push(chunk);
        this.onMessage();
        await this.hold;
        const answer = answerOf(this.at.send);
        if (answer.kind === 'replied' && answer.reply.code < 300) {
          this.taken.push({ envelope, recipients, bytes: Buffer.concat(chunks) });
        }
        return answer;
      },
      abort: () => {
        if (!over) this.calls.push('abort');
        over = true;
      },
    };
  }

  async probe(): Promise<BackendFailure | undefined> {
    return failureOf(this.at.begin);
  }

  async close(): Promise<void> {
    this.calls.push('close');
  }
}

function answerOf(behaviour: Behaviour): BackendAnswer {
  return failureOf(behaviour) ?? { kind: 'replied', reply: reply(250, '2.1.5', 'Taken') };
}

function failureOf(behaviour: Behaviour): BackendFailure | undefined {
  if (behaviour === 'takes') return undefined;
  if (behaviour === 'throws') throw new Error('a bug in the backend');
  if (behaviour === 'dies') return { kind: 'unreachable', reason: 'it died' };
  return { kind: 'replied', reply: behaviour };
}
