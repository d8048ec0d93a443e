/**
 * SMFIC_OPTNEG: what the MTA can, what we need of it, what both agree on (libmilter's st_optionneg, Postfix's milter8_connect).
 * We ask for nothing that no check needs, and for nothing that the MTA does not offer: it would close the connection
 * ("request mask conflict"). No SMFIP_NR_ flag is ever asked for: every step may be the one that refuses.
 */
import { SMFIC_OPTNEG, SMFIF, SMFIP, SYMLIST_STAGES, V1_ACTIONS, V1_PROTOCOL } from './codes.ts';
import type { MacroLists } from './events.ts';
import { FieldReader, frame } from './frame.ts';

/** Connection, HELO, MAIL, RCPT and end of message are always told: without them nothing could be judged. */
export interface Needs {
  readonly data: boolean;
  /** SMTP commands that the MTA does not know. */
  readonly unknown: boolean;
  readonly header: boolean;
  readonly endOfHeader: boolean;
  readonly body: boolean;
  /** Recipients too that the MTA refuses by itself; `{rcpt_mailer}` is then `error`. */
  readonly rejectedRecipients: boolean;
  readonly addHeaders: boolean;
  /** Change and delete. */
  readonly changeHeaders: boolean;
  readonly changeSender: boolean;
  /**
   * Macros for each stage. Where one stage is asked for, the MTA forgets its own lists for all of them (Postfix:
   * MILTER_MACROS_ALLOC_EMPTY), so every stage that needs any has to stand here; a stage without a list is not sent. The most
   * needed first: Sendmail before 8.14.4 takes five.
   */
  readonly macros: MacroLists;
}

export interface Offer {
  readonly version: number;
  readonly actions: number;
  readonly protocol: number;
}

/** What holds on this connection. */
export interface Agreed {
  readonly version: number;
  readonly addHeaders: boolean;
  readonly changeHeaders: boolean;
  readonly changeSender: boolean;
  readonly macroLists: boolean;
  readonly skip: boolean;
  readonly leadingSpace: boolean;
  readonly rejectedRecipients: boolean;
}

const MIN_VERSION = 2;
const MAX_VERSION = 6;

/** `version-too-old` stands for below 2. */
export function readOffer(payload: Buffer): Offer | 'malformed' | 'version-too-old' {
  const fields = new FieldReader(payload);
  const version = fields.uint32();
  const actions = fields.uint32();
  const protocol = fields.uint32();
  if (version === undefined || actions === undefined || protocol === undefined) return 'malformed';
  if (version < MIN_VERSION) return 'version-too-old';
  return {
    version,
    actions: actions === 0 ? V1_ACTIONS : actions,
    protocol: protocol === 0 ? V1_PROTOCOL : protocol,
  };
}

/** Our side of it: at most what is offered. */
export function negotiate(offer: Offer, needs: Needs): { readonly agreed: Agreed; readonly answer: Buffer } {
  const lists = symlists(needs.macros);
  const actions =
    offer.actions &
    ((needs.addHeaders ? SMFIF.addHeaders : 0) |
      (needs.changeHeaders ? SMFIF.changeHeaders : 0) |
      (needs.changeSender ? SMFIF.changeSender : 0) |
      (lists.length > 0 ? SMFIF.setSymList : 0));
  const protocol =
    offer.protocol &
    ((needs.data ? 0 : SMFIP.noData) |
      (needs.unknown ? 0 : SMFIP.noUnknown) |
      // The white space behind the colon is part of what a signature covers. It also says whether the MTA puts a space
      // before the value of fields we add.
      (needs.header || needs.addHeaders || needs.changeHeaders ? SMFIP.headerLeadingSpace : 0) |
      (needs.header ? 0 : SMFIP.noHeaders) |
      (needs.endOfHeader ? 0 : SMFIP.noEndOfHeader) |
      (needs.body ? SMFIP.skip : SMFIP.noBody) |
      (needs.rejectedRecipients ? SMFIP.rejectedRecipients : 0));
  const version = Math.min(offer.version, MAX_VERSION);
  const agreed: Agreed = {
    version,
    addHeaders: (actions & SMFIF.addHeaders) !== 0,
    changeHeaders: (actions & SMFIF.changeHeaders) !== 0,
    changeSender: (actions & SMFIF.changeSender) !== 0,
    macroLists: (actions & SMFIF.setSymList) !== 0,
    skip: (protocol & SMFIP.skip) !== 0,
    leadingSpace: (protocol & SMFIP.headerLeadingSpace) !== 0,
    rejectedRecipients: (protocol & SMFIP.rejectedRecipients) !== 0,
  };
  const fields = [version, actions, protocol, ...(agreed.macroLists ? lists : [])];
  return { agreed, answer: frame(SMFIC_OPTNEG, ...fields) };
}

const MACRO_NAME = /^(?:[A-Za-z_]|\{[A-Za-z_][A-Za-z0-9_]*\})$/;

/** Records of stage and names. An empty list would take all macros from the stage. Throws at a name that is none (misuse). */
export function symlists(macros: MacroLists): readonly (number | string)[] {
  return (Object.keys(SYMLIST_STAGES) as (keyof typeof SYMLIST_STAGES)[]).flatMap((stage) => {
    const names = macros[stage] ?? [];
    for (const name of names) if (!MACRO_NAME.test(name)) throw new Error(`no name of a macro: ${name}`);
    return names.length === 0 ? [] : [SYMLIST_STAGES[stage], names.join(' ')];
  });
}
