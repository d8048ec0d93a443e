/**
 * What the gate knows of a message beyond its octets, as tokens: who brought it, and what the checks found. When the message is judged
 * this comes from the session; when it is learnt from a mailbox, from the fields that the gate and the delivery put on top of it.
 */
import { fieldValue, type Header } from './header.ts';
import { addAddress, addHost } from './token-words.ts';
import type { Tokens } from './tokens.ts';

/** Findings of one message. */
const MAX_FINDINGS = 100;

export interface Bringer {
  readonly address: string;
  /** As it was said. */
  readonly helo: string;
  /** Absent for the null sender. */
  readonly sender?: { readonly local: string; readonly domain: string };
}

/** The same tokens as the Received field that the gate puts on top, and Return-Path, have once the message is delivered. */
export function addSender(tokens: Tokens, { address, helo, sender }: Bringer): void {
  addHost(tokens, 'received:', address);
  if (helo.includes('.')) addHost(tokens, 'received:', helo);
  if (sender !== undefined) addAddress(tokens, 'return-path:', sender.local, sender.domain);
}

/** Each as `CHECK:CODE`. */
export function addFindings(tokens: Tokens, findings: readonly string[]): void {
  for (const finding of findings.slice(0, MAX_FINDINGS)) tokens.add(`check:${finding}`);
}

/** The findings in the mark that the gate puts on top of what it delivers; the first field of the name is ours. */
export function markedFindings(header: Header): readonly string[] {
  const mark = header.fields.find(({ name }) => name.toLowerCase() === 'x-postern');
  if (mark === undefined) return [];
  const tags =
    /(?:^|;)\s*tags=([\w:.,\s-]*)/.exec(fieldValue(header.bytes, mark).slice(0, MAX_MARK))?.[1] ?? '';
  return tags
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => /^[a-z][a-z-]{0,39}:[a-z0-9-]{1,40}$/.test(tag));
}

/** The id of the decision in that mark: the first field of the name is ours. */
export function markedDecision(header: Header): string | undefined {
  const mark = header.fields.find(({ name }) => name.toLowerCase() === 'x-postern');
  if (mark === undefined) return undefined;
  return /^\s*id=([0-9A-Za-z]{8});/.exec(fieldValue(header.bytes, mark).slice(0, MAX_MARK))?.[1];
}

const MAX_MARK = 4000;
