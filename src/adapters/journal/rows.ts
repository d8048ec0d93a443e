import type { Decision, Step } from '../../core/decision.ts';
import { replies } from '../../core/replies.ts';
import { parseIp, type Network } from '../../mail/ip.ts';
import type { Mailbox } from '../../mail/mailbox.ts';

/** What is taken out of a decision when it is recorded: the columns it is found and summed up by, and its names. */
export interface DecisionRow {
  readonly at_ms: number;
  readonly client: string;
  readonly outcome: string;
  readonly check_name: string | null;
  readonly size_octets: number;
  readonly tagged: number;
  /** 1: delivered, but not to all of its recipients. */
  readonly partly: number;
  /** 1: our own stop ended the session before there was any mail. It is found, and counts for nothing. */
  readonly left_out: number;
  /** 1: a connection that asked for no transaction. */
  readonly bare: number;
}

/** A key that few decisions share. */
export interface Name {
  readonly kind: NameKind;
  readonly name: string;
}

/** Numbers, because they stand in every row: a decision's or its session's id, its reverse-path, a forward-path. */
export const NAMES = { id: 1, sender: 2, recipient: 3 } as const;
export type NameKind = (typeof NAMES)[keyof typeof NAMES];

/** What one check did in the decisions that began in one minute. */
export interface Counts {
  readonly minute: number;
  readonly check_name: string;
  asked: number;
  failed: number;
  temperror: number;
  refused: number;
  deferred: number;
  took_ms: number;
}

export const MINUTE_MS = 60_000;

export function decisionRow(d: Decision): DecisionRow {
  return {
    at_ms: Math.round(d.atMs),
    client: clientKey(d.session.client.address),
    outcome: d.outcome,
    check_name: d.check ?? null,
    size_octets: d.sizeOctets ?? 0,
    tagged: d.steps.some(isTagged) ? 1 : 0,
    partly: isPartly(d) ? 1 : 0,
    left_out: isOurStop(d) ? 1 : 0,
    bare: d.transaction === undefined ? 1 : 0,
  };
}

// What speaks for a client (DNSWL) adds to the suspicion too, and is no tag.
const isTagged = ({ action, findings }: Step): boolean =>
  action === 'tag' || (action === 'suspect' && findings.some((f) => f.result === 'fail'));

const isPartly = ({ outcome, recipients }: Decision): boolean =>
  (outcome === 'accepted' || outcome === 'relayed') &&
  recipients.some((r) => r.outcome === 'refused' || r.outcome === 'deferred');

const STOPPING = replies.stopping('');

function isOurStop({ transaction, reply }: Decision): boolean {
  return (
    transaction === undefined &&
    reply?.enhanced === STOPPING.enhanced &&
    reply.lines[0]?.endsWith(STOPPING.lines[0] ?? '') === true
  );
}

/** Without repetitions: each is one row. */
export function namesOf(d: Decision): Name[] {
  const names: Name[] = [{ kind: NAMES.id, name: d.id }];
  if (d.sessionId !== d.id) names.push({ kind: NAMES.id, name: d.sessionId });
  if (d.transaction !== undefined) {
    const path = d.transaction.reversePath;
    names.push({ kind: NAMES.sender, name: path === null ? '<>' : pathName(path) });
  }
  const recipients = new Set(d.recipients.map(({ mailbox }) => pathName(mailbox)));
  for (const name of recipients) names.push({ kind: NAMES.recipient, name });
  return names;
}

/** By minute and check: a key of both together would have to be made, and looked for, for every step. */
export type Sums = Map<number, Map<string, Counts>>;

/** Adds what the decision's checks did to the sums of its minute. */
export function count(d: Decision, sums: Sums): void {
  const minute = Math.floor(d.atMs / MINUTE_MS);
  let ofMinute = sums.get(minute);
  if (ofMinute === undefined) sums.set(minute, (ofMinute = new Map<string, Counts>()));
  for (const { check, findings, tookMs } of d.steps) {
    const counts = countsOf(check, minute, ofMinute);
    counts.asked++;
    counts.took_ms += tookMs;
    if (findings.some((f) => f.result === 'fail')) counts.failed++;
    if (findings.some((f) => f.result === 'temperror')) counts.temperror++;
  }
  if (d.check === undefined) return;
  if (d.outcome === 'refused') countsOf(d.check, minute, ofMinute).refused++;
  if (d.outcome === 'deferred') countsOf(d.check, minute, ofMinute).deferred++;
}

// The name of a check has no colon.
const AT_THE_DOOR = 'door:';

/** They stand among the counts of the checks, as those that something deferred. */
export function countTurnedAway(atMs: number, reason: string, connections: number, sums: Sums): void {
  const minute = Math.floor(atMs / MINUTE_MS);
  let ofMinute = sums.get(minute);
  if (ofMinute === undefined) sums.set(minute, (ofMinute = new Map<string, Counts>()));
  countsOf(`${AT_THE_DOOR}${reason}`, minute, ofMinute).deferred += connections;
}

/** For whom the door turned away; undefined for a check. */
export const turnAwayReason = (name: string): string | undefined =>
  name.startsWith(AT_THE_DOOR) ? name.slice(AT_THE_DOOR.length) : undefined;

function countsOf(check: string, minute: number, ofMinute: Map<string, Counts>): Counts {
  let counts = ofMinute.get(check);
  if (counts === undefined) {
    const none = { asked: 0, failed: 0, temperror: 0, refused: 0, deferred: 0, took_ms: 0 };
    ofMinute.set(check, (counts = { minute, check_name: check, ...none }));
  }
  return counts;
}

/** The domain first, so that all mailboxes of a domain are one range of names: `example.net@ann`. */
function pathName({ local, domain }: Mailbox): string {
  return `${domain}@${local.toLowerCase()}`;
}

/** What a postmaster types, a mailbox or a domain, as a range of names with both ends in it. */
export function pathNames(text: string): { readonly first: string; readonly last: string } {
  const typed = text.replace(/^\./, '').toLowerCase();
  const at = typed.lastIndexOf('@');
  if (typed === '<>') return { first: typed, last: typed };
  if (at < 0) return { first: `${typed}@`, last: `${typed}@\u{10ffff}` };
  const name = `${typed.slice(at + 1)}@${typed.slice(0, at)}`;
  return { first: name, last: name };
}

/** Sorts as addresses do, so that a network is a range of keys: `4c0000207`. */
function clientKey(address: string): string {
  const ip = parseIp(address);
  return ip === undefined ? address : `${ip.family}${ip.words.map(hex).join('')}`;
}

export function clientRange({ base, prefix }: Network): { readonly first: string; readonly last: string } {
  const last = base.words.map((word, i) => {
    const fixed = Math.min(32, Math.max(0, prefix - 32 * i));
    return fixed === 32 ? word : (word | (0xffff_ffff >>> fixed)) >>> 0;
  });
  return {
    first: `${base.family}${base.words.map(hex).join('')}`,
    last: `${base.family}${last.map(hex).join('')}`,
  };
}

const hex = (word: number): string => word.toString(16).padStart(8, '0');
