import type { Decision, Step } from '../../core/decision.ts';
import { replies } from '../../core/replies.ts';
import { parseIp, type Network } from '../../mail/ip.ts';
import type { Mailbox } from '../../mail/mailbox.ts';

/** What is taken out of a decision when it is recorded: the columns it is found and summed up by. */
export interface DecisionRow {
  readonly at_ms: number;
  readonly id: string;
  /** Null where it is the same as the id. */
  readonly session: string | null;
  readonly client: string;
  /** Null where there was no transaction. */
  readonly sender: string | null;
  /** The first; null where there was none. */
  readonly recipient: string | null;
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

export function decisionRow(d: Decision): DecisionRow {
  const [first] = d.recipients;
  return {
    at_ms: Math.round(d.atMs),
    id: d.id,
    session: d.sessionId === d.id ? null : d.sessionId,
    client: clientKey(d.session.client.address),
    sender: d.transaction === undefined ? null : senderName(d.transaction.reversePath),
    recipient: first === undefined ? null : pathName(first.mailbox),
    outcome: d.outcome,
    check_name: d.check ?? null,
    size_octets: d.sizeOctets ?? 0,
    tagged: d.steps.some(isTagged) ? 1 : 0,
    partly: isPartly(d) ? 1 : 0,
    left_out: isOurStop(d) ? 1 : 0,
    bare: d.transaction === undefined ? 1 : 0,
  };
}

/** All but the first, without repetitions. */
export function moreRecipients({ recipients }: Decision): readonly string[] {
  if (recipients.length < 2) return NONE;
  const names = new Set(recipients.map(({ mailbox }) => pathName(mailbox)));
  const [, ...more] = names;
  return more;
}

const NONE: readonly string[] = [];

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

const NULL_SENDER = '<>';
const senderName = (path: Mailbox | null): string => (path === null ? NULL_SENDER : pathName(path));

/** `example.net@ann`: the mailboxes of a domain are neighbours. */
const pathName = ({ local, domain }: Mailbox): string =>
  // The database would make two that differ in half a character the same.
  `${domain}@${local.toLowerCase()}`.toWellFormed();

/** Keys of a column, both ends among them. */
export interface Keys {
  readonly first: string;
  readonly last: string;
}

const onlyKey = (key: string): Keys => ({ first: key, last: key });

/** What a postmaster types: `<>`, a mailbox or a domain. */
export function pathKeys(text: string): Keys {
  const typed = text.replace(/^\./, '').toLowerCase();
  const at = typed.lastIndexOf('@');
  if (typed === NULL_SENDER) return onlyKey(typed);
  if (at < 0) return { first: `${typed}@`, last: `${typed}@\u{10ffff}` };
  return onlyKey(`${typed.slice(at + 1)}@${typed.slice(0, at)}`);
}

/** Sorts as addresses do, so that a network is a range of keys: `4c0000207`. */
function clientKey(address: string): string {
  const ip = parseIp(address);
  return ip === undefined ? address : `${ip.family}${ip.words.map(hex).join('')}`;
}

export function clientKeys({ base, prefix }: Network): Keys {
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
