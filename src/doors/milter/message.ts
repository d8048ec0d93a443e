/** A message as the MTA tells it, field by field and piece by piece, put together again; judged when it is whole. */
import { signedSender } from '../../core/outgoing.ts';
import { replies } from '../../core/replies.ts';
import type { Session } from '../../engine/session.ts';
import { fields, foldedValue } from '../../mail/header.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { Reply } from '../../mail/reply.ts';
import type { HeaderChange, HeaderField } from '../../wire/milter/events.ts';
import { MAX_HEADER_FIELDS } from '../../wire/smtp/content.ts';
import { peeked } from '../arriving-header.ts';
import { authenticationResults, forgedFields, markFields, readHeader } from '../fields.ts';
import type { DoorWorld, IncomingContent } from '../session.ts';
import type { MilterSettings } from './world.ts';

const COLON = Buffer.from(':');
const CRLF = Buffer.from('\r\n');

export interface Judged {
  readonly reply: Reply;
  /** Of a message that is let in: forged fields out, ours on top. */
  readonly changes: readonly HeaderChange[];
  /** The sender that it goes on with, where that is another one (BATV). */
  readonly sender?: Mailbox | undefined;
}

export class ArrivingMessage {
  readonly #content: IncomingContent;
  readonly #settings: Pick<MilterSettings, 'limits' | 'policy'>;
  readonly #inside: boolean;
  /** How many fields of each name there were: by that the MTA knows which one to delete. */
  readonly #counts = new Map<string, number>();
  readonly #forged: { readonly name: string; readonly index: number }[] = [];
  #octets = 0;
  #fields = 0;
  #headerTooLarge = false;

  constructor(
    content: IncomingContent,
    session: Session,
    settings: Pick<MilterSettings, 'limits' | 'policy'>,
  ) {
    this.#content = session.asksAhead ? peeked(content, (header) => session.headerArrived(header)) : content;
    this.#settings = settings;
    this.#inside = settings.policy.site.networks.has(session.facts.client.address);
  }

  get tooLarge(): boolean {
    return (
      this.#octets > this.#settings.limits.messageOctets ||
      this.#headerTooLarge ||
      this.#fields > MAX_HEADER_FIELDS
    );
  }

  field({ name, value }: HeaderField): Promise<void> | undefined {
    const bytes = Buffer.concat([Buffer.from(name, 'latin1'), COLON, value, CRLF]);
    this.#fields++;
    const wait = this.#append(bytes);
    if (this.#octets > this.#settings.limits.headerOctets) this.#headerTooLarge = true;
    if (!this.tooLarge) this.#count(name.trimEnd(), bytes);
    return wait;
  }

  /** Field by field, as the MTA sees them: a name that ends the header for us need not end it for the MTA. */
  #count(name: string, bytes: Buffer): void {
    const key = name.toLowerCase();
    const index = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, index);
    const alone = { bytes, end: bytes.length, fields: [{ name, start: 0, end: bytes.length }] };
    if (forgedFields(alone, this.#settings.policy.site.hostName, this.#inside).length > 0)
      this.#forged.push({ name, index });
  }

  endOfHeader(): Promise<void> | undefined {
    return this.#append(CRLF);
  }

  body(bytes: Buffer): Promise<void> | undefined {
    return this.#append(bytes);
  }

  /** What is past the limit is counted, and not kept: the reply says so. */
  #append(bytes: Buffer): Promise<void> | undefined {
    this.#octets += bytes.length;
    return this.tooLarge ? undefined : this.#content.append(bytes);
  }

  async judge(session: Session, world: Pick<DoorWorld, 'trouble'>): Promise<Judged> {
    const { id } = session;
    const { policy, limits } = this.#settings;
    if (this.#headerTooLarge) return refused(replies.headerTooLarge(limits.headerOctets));
    if (this.#fields > MAX_HEADER_FIELDS) return refused(replies.tooManyFields(MAX_HEADER_FIELDS));
    if (this.tooLarge) return refused(replies.messageTooLarge(limits.messageOctets));
    const content = await this.#content.finish();
    if ('kind' in content) {
      world.trouble('the spool failed', content.kind === 'failed' ? content.reason : 'disk full', id);
      return refused(replies.storageFull());
    }
    const header = await readHeader(content, limits.headerOctets);
    const verdict = await session.endOfMessage({ sizeOctets: this.#octets }, { header, content });
    if (verdict.kind !== 'go-on') return refused(verdict.reply);
    return {
      reply: replies.passedOn(id),
      changes: [...this.#deletions(), ...insertions(session, policy.site.hostName)],
      sender: signedSender(session.facts, session.transactionFacts, policy.site),
    };
  }

  /** The last of a name first: the others would have other numbers by then. */
  #deletions(): readonly HeaderChange[] {
    return this.#forged.toReversed().map(({ name, index }) => ({ kind: 'delete', name, index }));
  }

  dispose(): void {
    this.#content.dispose();
  }
}

const refused = (reply: Reply): Judged => ({ reply, changes: [] });

/** The fields of every door, without Received: that is the MTA's. Each goes on top of the last. */
function insertions(session: Session, hostName: string): readonly HeaderChange[] {
  const marks = {
    session: session.facts,
    id: session.id,
    by: hostName,
    ...session.marks,
    authentication: session.authentication,
  };
  const bytes = Buffer.from(authenticationResults(marks) + markFields(marks));
  const own = [...fields(bytes, bytes.length)].map((field): HeaderChange => ({
    kind: 'insert',
    index: 0,
    name: field.name,
    value: foldedValue(bytes, field),
  }));
  return own.reverse();
}
