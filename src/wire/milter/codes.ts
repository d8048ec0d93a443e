/*
 * The milter protocol's own letters and bits, under the names of Sendmail's include/libmilter/mfdef.h and mfapi.h
 * (version 6, Sendmail 8.14 and later). Only what we use or understand stands here: with no letter for SMFIR_DISCARD,
 * SMFIR_QUARANTINE, SMFIR_CONN_FAIL and the changes of body and recipients, none of them can ever be sent.
 */

/** SMFIC_*: what the MTA sends. */
export const COMMANDS = {
  A: 'abort',
  B: 'body',
  C: 'connect',
  D: 'macro',
  E: 'end-of-message',
  H: 'helo',
  K: 'quit-nc',
  L: 'header',
  M: 'mail',
  N: 'end-of-header',
  O: 'optneg',
  Q: 'quit',
  R: 'rcpt',
  T: 'data',
  U: 'unknown',
} as const;

export type CommandLetter = keyof typeof COMMANDS;
export type CommandName = (typeof COMMANDS)[CommandLetter];

/** SMFIR_*: what we answer. */
export const SMFIR = {
  accept: 'a',
  continue: 'c',
  addHeader: 'h',
  insertHeader: 'i',
  changeHeader: 'm',
  /** SMFIR_CHGFROM. */
  changeSender: 'e',
  progress: 'p',
  reject: 'r',
  skip: 's',
  tempfail: 't',
  replyCode: 'y',
} as const;

/** SMFIC_OPTNEG, which is answered with itself. */
export const SMFIC_OPTNEG = 'O';

/** SMFIF_*: what a filter may do. */
export const SMFIF = {
  addHeaders: 0x1,
  changeHeaders: 0x10,
  changeSender: 0x40,
  setSymList: 0x100,
} as const;

/** SMFIP_*: steps that the MTA shall leave out, and what else it can do. */
export const SMFIP = {
  noBody: 0x10,
  noHeaders: 0x20,
  noEndOfHeader: 0x40,
  noUnknown: 0x100,
  noData: 0x200,
  skip: 0x400,
  rejectedRecipients: 0x800,
  headerLeadingSpace: 0x100000,
} as const;

/** What an MTA means that offers nothing: SMFI_V1_ACTS and SMFI_V1_PROT (libmilter's st_optionneg). */
export const V1_ACTIONS = 0xf;
export const V1_PROTOCOL = 0x3f;

/** SMFIM_*: stages for which a list of macros can be asked for. */
export const SYMLIST_STAGES = {
  connect: 0,
  helo: 1,
  mail: 2,
  rcpt: 3,
  data: 4,
  'end-of-message': 5,
  'end-of-header': 6,
} as const;

export type SymlistStage = keyof typeof SYMLIST_STAGES;
