/** Lets in or blocks what a decision was about, with a click; or says what that would do. */
import { setImmediate as turn } from 'node:timers/promises';
import { isOff } from '../config/off.ts';
import type { CheckConfig } from '../config/config.ts';
import type { Decision, JournalQuery } from '../core/decision.ts';
import { entryWords } from '../core/entry-words.ts';
import { hearingOf } from '../core/exemption.ts';
import type { NewListed } from '../core/listed.ts';
import { buildLists, conditionKey, type Conditions, type ListEntry, type Lists } from '../core/lists.ts';
import { treatmentBy } from '../core/overruled.ts';
import type { Block } from '../core/ports.ts';
import { contains, parseNetwork } from '../mail/ip.ts';
import { formatMailbox, formatReversePath } from '../mail/mailbox.ts';
import type { ListAnswer, ListRequest } from './api.ts';
import { notesOnBlock } from './block-notes.ts';
import { conditionsOf } from './conditions-of.ts';
import { decisionLines } from './decision-lines.ts';
import { Refused, taken } from './refused.ts';
import type { AdminWorld } from './world.ts';

type Kind = 'allow' | 'block';

/** Recorded decisions that are looked at: the newest, of a week. */
const MAX_LOOKED = 20_000;
const LOOKED_MS = 7 * 86_400_000;
const PAGE = 500;
const EXAMPLES = 10;
/** After so long we say what we have counted by then. */
const MAX_MS = 4_000;

export async function putOnList(
  world: AdminWorld,
  decision: Decision,
  kind: Kind,
  request: ListRequest,
  by: string,
): Promise<ListAnswer> {
  const config = world.config();
  const conditions = conditionsOf(decision, request, config.site);
  if (kind === 'block' && request.scope === 'recipient')
    throw new Refused(422, 'A block of a recipient would stop all mail to it; choose client or sender', {
      field: 'scope',
    });
  const lifts = kind === 'allow' ? liftsFor(decision, world) : undefined;
  const entry: NewListed = {
    kind,
    ...conditions,
    ...(lifts === undefined ? {} : { lifts }),
    reason: request.reason,
    by,
    decision: decision.id,
    ...(request.lastsMs === undefined ? {} : { endsMs: world.nowMs() + request.lastsMs }),
  };
  const trial: ListEntry = { ...entry, source: 'trial' };
  const lists = await taken(() => buildLists([trial]));
  const affected = await countAffected(world, decision, trial, lists);
  const ends = kind === 'allow' ? blocksToEnd(world, decision, request) : [];
  const notes =
    kind === 'allow'
      ? notesOn(world, decision, trial, ends)
      : // What lets this very message in, whatever is blocked.
        await notesOnBlock(world, trial, {
          mail: mailOf(decision, trial),
          address: decision.session.client.address,
        });
  let listed;
  if (request.dryRun !== true) {
    listed = await taken(() => world.listed.add(entry), 'scope');
    for (const { network } of ends) await taken(() => world.blocks.remove(network));
  }
  return {
    entry: entryWords(conditions),
    listed,
    ...affected,
    notLifted: kind === 'allow' ? notLifted(config.checks, trial) : [],
    notes,
  };
}

/**
 * What only its own name lifts stays in force for whom a postmaster lets in, but for one: a forwarder's mail that fails DMARC, or that of a
 * domain whose policy is a mistake, is let in by that name when that is what it was refused for.
 */
function liftsFor(decision: Decision, { checks }: AdminWorld): readonly string[] | undefined {
  const check = checks.find(({ name }) => name === decision.check);
  return check?.lifted === 'by-name' && check.tagsListHosts === true ? [check.name] : undefined;
}

function notLifted(checks: readonly CheckConfig[], entry: ListEntry): string[] {
  if (entry.lifts !== undefined) return [`all but ${entry.lifts.join(', ')}`];
  const treatment = treatmentBy(entry);
  return checks
    .filter((configured) => !isOff(configured) && configured.idle === undefined)
    .filter(({ check }) => hearingOf(treatment, check) === 'full')
    .map(({ check }) => `${check.name}: ${check.summary}`);
}

/** Convictions that cover the client, and what an operator has blocked no wider than what is let in. */
function blocksToEnd(
  world: AdminWorld,
  decision: Decision,
  { scope, recipientOnly }: ListRequest,
): readonly Block[] {
  if ((scope !== 'client' && scope !== 'network') || recipientOnly === true) return [];
  const { address } = decision.session.client;
  const letIn = conditionsOf(decision, { scope, reason: '' }, world.config().site).client ?? address;
  return world.blocks
    .list(address)
    .filter(({ network, evidence }) => evidence !== '' || isWithin(network, letIn));
}

function isWithin(inner: string, outer: string): boolean {
  const [a, b] = [parseNetwork(inner), parseNetwork(outer)];
  return a.kind !== 'bad' && b.kind !== 'bad' && a.prefix >= b.prefix && contains(b, a.base);
}

function notesOn(world: AdminWorld, decision: Decision, entry: ListEntry, ends: readonly Block[]): string[] {
  const notes = ends.map(
    ({ network }) => `The block of ${network} ends, and what was held against it is forgotten`,
  );
  if (entry.lifts !== undefined)
    notes.push(`It lifts ${entry.lifts.join(', ')} alone, which nothing but its name lifts`);
  else if (decision.check !== undefined) {
    const own = world.checks.find(({ name }) => name === decision.check);
    if (own !== undefined && hearingOf(treatmentBy(entry), own) === 'full')
      notes.push(`It would not have let this message in: no entry of this kind lifts ${own.name}`);
  } else if (decision.outcome === 'refused' || decision.outcome === 'deferred')
    notes.push(
      `It would not have let this message in: no check stopped it, but ${world.deciderOf(decision) ?? 'the gate'}`,
    );
  if (entry.client === undefined && entry.sender !== undefined)
    notes.push('A sender is what a client says: whoever writes this one comes in');
  return notes;
}

function mailOf({ session, transaction, recipients }: Decision, block: Conditions): Conditions {
  const path = transaction?.reversePath;
  const [first] = recipients;
  const mail = {
    client: session.client.address,
    ...(path === undefined ? {} : { sender: path === null ? '<>' : formatReversePath(path) }),
    ...(first === undefined ? {} : { recipient: formatMailbox(first.mailbox) }),
    ...(block.recipient === undefined ? {} : { recipient: block.recipient }),
  };
  try {
    conditionKey(mail);
    return mail;
  } catch {
    // What the client said is no address: the entry is about something else of it.
    return block;
  }
}

type Affected = Pick<ListAnswer, 'alsoAffected' | 'looked' | 'examples'>;

async function countAffected(
  world: AdminWorld,
  decision: Decision,
  entry: ListEntry,
  lists: Lists,
): Promise<Affected> {
  const untilMs = world.nowMs();
  const query: JournalQuery = {
    sinceMs: untilMs - LOOKED_MS,
    limit: PAGE,
    // The journal finds these by its indexes; the lists have the last word.
    ...(entry.client === undefined
      ? entry.sender === undefined
        ? entry.recipient === undefined
          ? {}
          : { recipient: entry.recipient }
        : { sender: entry.sender }
      : { client: entry.client }),
  };
  const beganMs = performance.now();
  const found: Decision[] = [];
  let alsoAffected = 0;
  let looked = 0;
  let before: string | undefined;
  do {
    const page = await world.journal.findPage(before === undefined ? query : { ...query, before });
    for (const other of page.decisions) {
      if (other.id === decision.id) continue;
      looked += 1;
      if (!isAffected(world, other, entry, lists)) continue;
      alsoAffected += 1;
      if (found.length < EXAMPLES) found.push(other);
    }
    before = page.before;
    // Others have their turn.
    await turn();
  } while (before !== undefined && looked + PAGE <= MAX_LOOKED && performance.now() - beganMs < MAX_MS);
  return { alsoAffected, looked, examples: decisionLines(world, found) };
}

/** Let in: it was stopped by something that the entry lifts. Blocked: it came in. */
function isAffected(world: AdminWorld, other: Decision, entry: ListEntry, lists: Lists): boolean {
  const { outcome, session, transaction, recipients } = other;
  const wentIn = outcome === 'accepted' || outcome === 'relayed';
  if (entry.kind === 'block' ? !wentIn : outcome !== 'refused' && outcome !== 'deferred') return false;
  if (entry.kind === 'allow' && !isLifted(world, other, entry)) return false;
  const question = {
    client: session.client.address,
    ...(transaction === undefined ? {} : { sender: { path: transaction.reversePath } }),
  };
  if (recipients.length === 0) return lists.find(question).length > 0;
  return recipients.some(({ mailbox }) => lists.find({ ...question, recipient: mailbox }).length > 0);
}

function isLifted({ checks }: AdminWorld, { check: name }: Decision, entry: ListEntry): boolean {
  if (name === undefined) return false;
  if (name === 'suspicion') return entry.lifts === undefined;
  const check = checks.find((known) => known.name === name);
  return check !== undefined && hearingOf(treatmentBy(entry), check) !== 'full';
}
