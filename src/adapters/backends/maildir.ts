import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
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
import { Disk, DiskHangs } from '../disk.ts';
import { givenUp } from './connection.ts';
import { fixedFolder, hasPlaceholder, maildirPlace } from './maildir-path.ts';
import { makeMaildir, publish, withdraw, writeToTmp, type Written } from './maildir-write.ts';

/*
 * Final delivery into Maildirs. Above the message stand the Return-Path of RFC 5321 4.4 and one Delivered-To for each
 * recipient whose mailbox it is; below, it is what was sent, octet by octet, but for the line ends: a Maildir has LF where
 * the wire has CRLF, as every program that reads one expects.
 *
 * A disk that hangs is temporary trouble: at the deadline the client hears 4xx and keeps the message. Nothing is published from then
 * on, and what was being published at that moment is taken back when the disk answers again. A mail program that was faster has
 * it then, and will have it again from the retry: twice, never not at all.
 */

/** RFC 5321 4.5.3.1.8. */
const RECIPIENTS_PER_TRANSACTION = 100;

/** After the checks and this long the client still listens (RFC 5321 4.5.3.2.6: ten minutes). */
const LONGEST_WRITE_MS = 300_000;

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

export interface MaildirSettings {
  readonly hostName: string;
  readonly timeoutMs?: number;
  /** What is wrong with which folder: strangers read the code of it alone. */
  readonly onTrouble?: (what: string, error: unknown) => void;
  /** For tests: a disk that hangs. */
  readonly publish?: typeof publish;
}

type World = Required<Omit<MaildirSettings, 'timeoutMs'>> & { readonly disk: Disk };

export class MaildirBackend implements Backend {
  readonly url: string;
  readonly #template: string;
  readonly #world: World;

  /** `timeoutMs`: for one mailbox to be looked up, or one message to be written. */
  constructor(
    url: string,
    template: string,
    { hostName, timeoutMs = LONGEST_WRITE_MS, ...files }: MaildirSettings,
  ) {
    this.url = url;
    this.#template = template;
    const disk = new Disk(Math.min(timeoutMs, LONGEST_WRITE_MS));
    this.#world = { hostName, disk, publish, onTrouble: () => undefined, ...files };
  }

  capabilities(): Capabilities {
    return CAPABILITIES;
  }

  begin(envelope: Envelope, signal: AbortSignal): Promise<Delivery | BackendFailure> {
    if (signal.aborted) return Promise.resolve({ kind: 'unreachable', reason: givenUp(signal) });
    if (this.#world.disk.hangs)
      return Promise.resolve({ kind: 'unreachable', reason: new DiskHangs().message });
    return Promise.resolve(new MaildirDelivery(this.#template, this.#world, envelope));
  }

  async probe(signal?: AbortSignal): Promise<BackendFailure | undefined> {
    const fixed = fixedFolder(this.#template);
    try {
      await this.#world.disk.within(async () => {
        // Without placeholders it is one Maildir, which may be made here and now.
        if (!hasPlaceholder(this.#template)) await makeMaildir(fixed);
        await access(fixed, constants.R_OK | constants.X_OK);
      }, signal);
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
  readonly #world: World;
  readonly #envelope: Envelope;
  /** By folder, so that a mailbox named twice has the message once. */
  readonly #recipients = new Map<string, Mailbox[]>();
  #count = 0;
  #over = false;
  /** The folder that is being written to. */
  #at = '';

  constructor(template: string, world: World, envelope: Envelope) {
    this.#template = template;
    this.#world = world;
    this.#envelope = envelope;
  }

  async rcpt(recipient: Mailbox, _parameters: RcptParameters, signal: AbortSignal): Promise<BackendAnswer> {
    if (this.#over) throw new Error('RCPT after the transaction');
    if (isOver(signal)) return { kind: 'unreachable', reason: givenUp(signal) };
    if (this.#count >= RECIPIENTS_PER_TRANSACTION) return replied(answers.tooManyRecipients);
    const place = maildirPlace(this.#template, recipient);
    if (place === undefined) return replied(answers.noSuchMailbox);
    if (place.mustExist !== undefined) {
      const missing = await this.#missing(place.mustExist, signal);
      // The wait may have been too long for whoever asked: then this recipient was answered for already.
      if (isOver(signal)) return { kind: 'unreachable', reason: givenUp(signal) };
      if (missing !== undefined) return replied(missing);
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
    try {
      await this.#world.disk.within((late) => this.#deliver(message, signal, late));
      return replied(answers.delivered);
    } catch (error) {
      if (signal.aborted && error === signal.reason) return { kind: 'unreachable', reason: givenUp(signal) };
      this.#world.onTrouble(`the Maildir ${this.#at}`, error);
      return replied(isFull(error) ? answers.noRoom : answers.trouble(error));
    }
  }

  async #deliver(message: MessageContent, signal: AbortSignal, late: AbortSignal): Promise<void> {
    const { hostName, publish: publishOne } = this.#world;
    const over = AbortSignal.any([signal, late]);
    const written: Written[] = [];
    try {
      for (const [folder, mailboxes] of this.#recipients) {
        over.throwIfAborted();
        this.#at = folder;
        written.push(await writeToTmp(folder, this.#header(mailboxes), message, hostName, over));
      }
      over.throwIfAborted();
      // From here on it goes through: the signal comes too late to tell anybody "not delivered". Only the deadline has told so.
      for (const one of written) {
        late.throwIfAborted();
        this.#at = dirname(dirname(one.final));
        await publishOne(one);
      }
      late.throwIfAborted();
    } catch (error) {
      // All or none: what is visible already is taken back.
      await Promise.allSettled(written.map(withdraw));
      throw error;
    }
  }

  async #missing(path: string, signal: AbortSignal): Promise<Reply | undefined> {
    const root = fixedFolder(this.#template);
    try {
      const missing = await this.#world.disk.within(() => missingMailbox(path, root), signal);
      if (missing === answers.notThere)
        this.#world.onTrouble(`the folder of all mailboxes ${root}`, 'there is no such folder');
      return missing;
    } catch (error) {
      // Over is over, whatever is said here.
      if (!isOver(signal)) this.#world.onTrouble(`the mailbox ${path}`, error);
      return answers.trouble(error);
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
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return answers.noSuchMailbox;
    throw error;
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
  if (error instanceof DiskHangs) return error.message;
  return error instanceof Error && 'code' in error ? String(error.code) : 'internal trouble';
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
