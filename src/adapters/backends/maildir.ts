import { access, constants, stat } from 'node:fs/promises';
import type {
  Backend,
  BackendFailure,
  Capabilities,
  Delivery,
  Envelope,
  MessageContent,
} from '../../core/delivery.ts';
import type { BackendAnswer } from '../../core/ports.ts';
import type { RcptParameters } from '../../mail/parameters.ts';
import { formatMailbox, formatReversePath, type Mailbox } from '../../mail/mailbox.ts';
import { reply, type Reply } from '../../mail/reply.ts';
import { givenUp } from './connection.ts';
import { fixedFolder, hasPlaceholder, maildirPlace } from './maildir-path.ts';
import { makeMaildir, publish, withdraw, writeToTmp, type Written } from './maildir-write.ts';

/*
 * Final delivery into Maildirs. Above the message stand the Return-Path of RFC 5321 4.4 and one Delivered-To for each
 * recipient whose mailbox it is; below, it is what was sent, octet by octet, but for the line ends: a Maildir has LF where
 * the wire has CRLF, as every program that reads one expects.
 */

/** RFC 5321 4.5.3.1.8. */
const RECIPIENTS_PER_TRANSACTION = 100;

const CAPABILITIES: Capabilities = {
  dsn: false,
  smtputf8: true,
  eightBitMime: true,
  recipientsPerTransaction: RECIPIENTS_PER_TRANSACTION,
};

// What a mailbox says here, as any backend speaks for itself.
const answers = {
  recipientOk: reply(250, '2.1.5', 'Recipient ok'),
  delivered: reply(250, '2.0.0', 'Delivered'),
  notThere: reply(451, '4.3.0', 'The folder of all mailboxes is not there now, try again later'),
  noSuchMailbox: reply(550, '5.1.1', 'No such mailbox here'),
  tooManyRecipients: reply(452, '4.5.3', 'Too many recipients, send the rest in another transaction'),
  noRoom: reply(452, '4.3.1', 'No room for the message now, try again later'),
  trouble: (error: unknown) =>
    reply(451, '4.3.0', `The mailbox cannot be used now (${codeOf(error)}), try again later`),
};

export class MaildirBackend implements Backend {
  readonly url: string;
  readonly #template: string;
  readonly #hostName: string;

  constructor(url: string, template: string, hostName: string) {
    this.url = url;
    this.#template = template;
    this.#hostName = hostName;
  }

  capabilities(): Capabilities {
    return CAPABILITIES;
  }

  begin(envelope: Envelope, signal: AbortSignal): Promise<Delivery | BackendFailure> {
    if (signal.aborted) return Promise.resolve({ kind: 'unreachable', reason: givenUp(signal) });
    return Promise.resolve(new MaildirDelivery(this.#template, this.#hostName, envelope));
  }

  async probe(): Promise<BackendFailure | undefined> {
    const fixed = fixedFolder(this.#template);
    try {
      // Without placeholders it is one Maildir, which may be made here and now.
      if (!hasPlaceholder(this.#template)) await makeMaildir(fixed);
      await access(fixed, constants.R_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      return { kind: 'unreachable', reason: describe(error) };
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class MaildirDelivery implements Delivery {
  readonly #template: string;
  readonly #hostName: string;
  readonly #envelope: Envelope;
  /** By folder, so that a mailbox named twice has the message once. */
  readonly #recipients = new Map<string, Mailbox[]>();
  #count = 0;
  #over = false;

  constructor(template: string, hostName: string, envelope: Envelope) {
    this.#template = template;
    this.#hostName = hostName;
    this.#envelope = envelope;
  }

  async rcpt(recipient: Mailbox, _parameters: RcptParameters, signal: AbortSignal): Promise<BackendAnswer> {
    if (this.#over) throw new Error('RCPT after the transaction');
    if (isOver(signal)) return { kind: 'unreachable', reason: givenUp(signal) };
    if (this.#count >= RECIPIENTS_PER_TRANSACTION) return replied(answers.tooManyRecipients);
    const place = maildirPlace(this.#template, recipient);
    if (place === undefined) return replied(answers.noSuchMailbox);
    if (place.mustExist !== undefined) {
      const missing = await missingMailbox(place.mustExist, fixedFolder(this.#template));
      if (missing !== undefined) return replied(missing);
      // The wait may have been too long for whoever asked: then this recipient was answered for already.
      if (isOver(signal)) return { kind: 'unreachable', reason: givenUp(signal) };
    }
    this.#count += 1;
    const mailboxes = this.#recipients.get(place.folder) ?? [];
    if (!mailboxes.some((m) => formatMailbox(m) === formatMailbox(recipient))) mailboxes.push(recipient);
    this.#recipients.set(place.folder, mailboxes);
    return replied(answers.recipientOk);
  }

  async send(message: MessageContent, signal: AbortSignal): Promise<BackendAnswer> {
    if (this.#over || this.#recipients.size === 0) throw new Error('a message without a recipient let in');
    this.#over = true;
    const written: Written[] = [];
    try {
      for (const [folder, mailboxes] of this.#recipients) {
        signal.throwIfAborted();
        written.push(await writeToTmp(folder, this.#header(mailboxes), message, this.#hostName, signal));
      }
      signal.throwIfAborted();
      // From here on it goes through: the signal comes too late to tell anybody "not delivered".
      for (const one of written) await publish(one);
      return replied(answers.delivered);
    } catch (error) {
      // All or none: what is visible already is taken back.
      await Promise.allSettled(written.map(withdraw));
      if (signal.aborted && error === signal.reason) return { kind: 'unreachable', reason: givenUp(signal) };
      return replied(isFull(error) ? answers.noRoom : answers.trouble(error));
    }
  }

  abort(): void {
    this.#over = true;
  }

  #header(mailboxes: readonly Mailbox[]): string {
    const lines = [`Return-Path: <${formatReversePath(this.#envelope.reversePath)}>`];
    for (const mailbox of mailboxes) lines.push(`Delivered-To: ${formatMailbox(mailbox)}`);
    // Quoted local parts may hold anything that SMTP lets through; a line end must not begin a field of the sender's.
    return lines.map((line) => `${line.replace(/[\r\n\0]/g, '?')}\n`).join('');
  }
}

const isOver = (signal: AbortSignal): boolean => signal.aborted;

/** A mailbox is missing only where the folder of all mailboxes is there: an unmounted disk is temporary trouble (P3). */
async function missingMailbox(path: string, root: string): Promise<Reply | undefined> {
  const missing = await notAFolder(path);
  if (missing !== answers.noSuchMailbox) return missing;
  return (await notAFolder(root)) === undefined ? missing : answers.notThere;
}

async function notAFolder(path: string): Promise<Reply | undefined> {
  try {
    return (await stat(path)).isDirectory() ? undefined : answers.noSuchMailbox;
  } catch (error) {
    const code = codeOf(error);
    const none = code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG';
    return none ? answers.noSuchMailbox : answers.trouble(error);
  }
}

function replied(said: Reply): BackendAnswer {
  return { kind: 'replied', reply: said };
}

function isFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'internal trouble';
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
