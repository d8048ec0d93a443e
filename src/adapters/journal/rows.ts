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

/** Numbers, because they stand in every row: a decision's or its session's id, its reverse-path, a forward-path; the domains of both. */
export const NAMES = { id: 1, sender: 2, recipient: 3, senderDomain: 4, recipientDomain: 5 } as const;
export type NameKind = (typeof NAMES)[keyof typeof NAMES];

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

/** Without repetitions: each is one row. The domains are left to `withDomains`, which the journal's own thread does. */
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

/** And the domains of its paths: of one that many mailboxes share, what is newest could not be said by their names. */
export function withDomains(names: readonly Name[]): readonly Name[] {
  const all = [...names];
  for (const { kind, name } of names) {
    if (kind === NAMES.id) continue;
    const domain = {
      kind: kind === NAMES.sender ? NAMES.senderDomain : NAMES.recipientDomain,
      name: name.slice(0, Math.max(0, name.indexOf('@'))),
    };
    if (domain.name === '') continue;
    if (!all.some((n) => n.kind === domain.kind && n.name === domain.name)) all.push(domain);
  }
  return all;
}

/** `example.net@ann`: neighbours in the index are neighbours in life. */
function pathName({ local, domain }: Mailbox): string {
  return `${domain}@${local.toLowerCase()}`;
}

/** What a postmaster types: `<>`, a mailbox or a domain. */
export function pathKey(whose: 'sender' | 'recipient', text: string): Name {
  const typed = text.replace(/^\./, '').toLowerCase();
  const at = typed.lastIndexOf('@');
  if (typed === '<>') return { kind: NAMES[whose], name: typed };
  if (at < 0) return { kind: NAMES[`${whose}Domain`], name: typed };
  return { kind: NAMES[whose], name: `${typed.slice(at + 1)}@${typed.slice(0, at)}` };
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
