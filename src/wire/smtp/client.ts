import { formatMailbox, formatReversePath, type Mailbox, type ReversePath } from '../../mail/mailbox.ts';
import type { Reply } from '../../mail/reply.ts';
import type { Offered } from './offered.ts';
import { ReplyReader } from './reply-reader.ts';

/*
 * The client's side of SMTP (RFC 5321) and LMTP (RFC 2033) without sockets and clock: commands in, bytes out; bytes in,
 * events out. One command is under way at a time, so that each reply belongs to one command for sure. What the server
 * says unasked is an event of its own: a 421 on an idle connection, a refusal in the midst of the message, or nonsense.
 */

export type ClientEvent =
  | { readonly kind: 'replied'; readonly reply: Reply }
  /** Nothing was asked. */
  | { readonly kind: 'unsolicited'; readonly reply: Reply }
  | { readonly kind: 'nonsense'; readonly reason: string };

export class ClientDialogue {
  readonly #reader = new ReplyReader();
  #awaiting: boolean;

  /** The server speaks first (RFC 5321 3.1), but does not greet again once TLS is up (RFC 3207 4.2). */
  constructor(begins: 'with-greeting' | 'after-starttls' = 'with-greeting') {
    this.#awaiting = begins === 'with-greeting';
  }

  receive(bytes: Buffer): readonly ClientEvent[] {
    const events: ClientEvent[] = [];
    for (const heard of this.#reader.receive(bytes)) {
      if (heard.kind === 'nonsense') {
        events.push(heard);
      } else {
        events.push({ kind: this.#awaiting ? 'replied' : 'unsolicited', reply: heard.reply });
        this.#awaiting = false;
      }
    }
    return events;
  }

  /** The command's bytes. A line end within would be a second command: that is a fault of ours, never sent. */
  command(line: string): string {
    if (/[\r\n\0]/.test(line)) throw new Error(`a command with a line end in it: ${JSON.stringify(line)}`);
    this.#expectReply();
    return `${line}\r\n`;
  }

  /** To be called when the final dot is written, not before: no earlier reply can be about the whole message. */
  endOfMessage(): void {
    this.#expectReply();
  }

  /**
   * To be called when STARTTLS was answered with 220, before the handshake. False when more came in plain text behind
   * the reply: someone in between put it there, to have it read as if it came over TLS.
   */
  startTls(): boolean {
    return !this.#awaiting && !this.#reader.unfinished;
  }

  #expectReply(): void {
    if (this.#awaiting) throw new Error('a command while another is under way');
    this.#awaiting = true;
  }
}

/** Names are what MailParameters of the core has; this floor does not know the core. */
export interface MailCommandParameters {
  readonly sizeOctets?: number;
  readonly body?: '7BIT' | '8BITMIME';
  readonly smtputf8?: true;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
}

export interface RcptCommandParameters {
  readonly notify?: string;
  readonly orcpt?: string;
}

/** RFC 5321 4.1.1.2, with those parameters only whose extension the server offers. */
export function mailCommand(path: ReversePath, parameters: MailCommandParameters, offered: Offered): string {
  let line = `MAIL FROM:<${formatReversePath(path)}>`;
  if (offered.size && parameters.sizeOctets !== undefined) line += ` SIZE=${parameters.sizeOctets}`;
  if (offered.eightBitMime && parameters.body !== undefined) line += ` BODY=${parameters.body}`;
  if (offered.smtputf8 && parameters.smtputf8 === true) line += ' SMTPUTF8';
  if (offered.dsn && parameters.ret !== undefined) line += ` RET=${parameters.ret}`;
  if (offered.dsn && parameters.envid !== undefined) line += ` ENVID=${parameters.envid}`;
  return line;
}

/** RFC 5321 4.1.1.3. */
export function rcptCommand(recipient: Mailbox, parameters: RcptCommandParameters, offered: Offered): string {
  let line = `RCPT TO:<${formatMailbox(recipient)}>`;
  if (offered.dsn && parameters.notify !== undefined) line += ` NOTIFY=${parameters.notify}`;
  if (offered.dsn && parameters.orcpt !== undefined) line += ` ORCPT=${parameters.orcpt}`;
  return line;
}
