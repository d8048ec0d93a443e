/** What a refused sender has heard already, and nothing beyond it: all that the page may show of a decision. */
import type { Decision, Step } from '../../core/decision.ts';
import { formatReply, isTransient, type Reply } from '../../mail/reply.ts';
import { LATER, OF_REPLIES, OTHER, REMEDIES, type Remedy } from './remedies.ts';

export interface Refusal {
  /** Of the decision; the id that was asked for may be its session's. */
  readonly decision: string;
  readonly check?: string | undefined;
  /** That was refused. */
  readonly client: string;
  readonly atMs: number;
  readonly kind: 'refused' | 'deferred';
  /** The replies as they were said, line by line. */
  readonly said: readonly string[];
  readonly remedies: readonly Remedy[];
}

/** Different replies of one transaction, its recipients' among them. */
const MOST_REPLIES = 5;

// As they are made, `engine/id.ts`; with what stands behind one in a sentence or between brackets.
const ID = /^([0-9A-Za-z]{4,32})[.,;:>)\]"']{0,3}$/;

/** Crockford's base 32 knows no I, L and O: who reads one aloud or writes it down may. */
export function idOf(text: string): string | undefined {
  return ID.exec(text)?.[1]?.toUpperCase().replace(/[IL]/g, '1').replace(/O/g, '0');
}

/** Undefined where no refusal named this id: an accepted message looks as one that never was. */
export function refusalOf(decisions: readonly Decision[], id: string): Refusal | undefined {
  for (const decision of decisions) {
    const said = saidIn(decision, id);
    const first = said[0];
    if (first === undefined) continue;
    return {
      decision: decision.id,
      check: (said.find((s) => s.reply.code >= 500) ?? first).check,
      client: decision.session.client.address,
      atMs: decision.atMs,
      kind: said.some((s) => s.reply.code >= 500) ? 'refused' : 'deferred',
      said: [...new Set(said.map((s) => formatReply(s.reply).trimEnd()))].slice(0, MOST_REPLIES),
      remedies: remediesOf(decision, said),
    };
  }
  return undefined;
}

interface Said {
  readonly reply: Reply;
  readonly check?: string | undefined;
  readonly code?: string | undefined;
}

/** Of a message that some recipients got, the refusals of the others that named the id. */
function saidIn(decision: Decision, id: string): readonly Said[] {
  const last: readonly Said[] =
    decision.reply === undefined
      ? []
      : [{ reply: decision.reply, check: decision.check, code: decision.code }];
  const refusals = [...last, ...decision.recipients].filter(({ reply }) => reply.code >= 400);
  const named = refusals.filter(({ reply }) => reply.lines.some((line) => line.includes(id)));
  if (named.length > 0 || decision.id !== id) return named;
  const stopped = decision.outcome === 'refused' || decision.outcome === 'deferred';
  return stopped ? refusals.slice(0, 1) : [];
}

function remediesOf(decision: Decision, said: readonly Said[]): readonly Remedy[] {
  const found = new Set<Remedy>();
  for (const one of said) {
    const names = namesIn(decision.steps, one);
    const other = isTransient(one.reply) ? LATER : OTHER;
    for (const name of names) found.add(REMEDIES[name] ?? other);
    if (names.length === 0) found.add(OF_REPLIES[one.reply.enhanced.slice(1)] ?? other);
  }
  // Where something can be said, the sentences for all cases are of no use.
  const particular = [...found].filter((remedy) => remedy !== OTHER && remedy !== LATER);
  return particular.length > 0 ? particular : [...found];
}

/**
 * The names by which the reply told of its checks, as far as it did: a trap goes by another name, and one that was cut off was not
 * said.
 */
function namesIn(steps: readonly Step[], { reply, check, code }: Said): readonly string[] {
  if (check === undefined) return [];
  const text = reply.lines.join('\n');
  const names = steps.flatMap((step) =>
    step.findings
      .filter((finding) =>
        check === SUSPICION ? step.action === 'suspect' : step.check === check && finding.code === code,
      )
      .map((finding) => finding.shownAs ?? step.check),
  );
  return [...new Set(names)].filter((name) => text.includes(`(${name})`));
}

/** What decides where no check alone did (`core/ladder.ts`). */
const SUSPICION = 'suspicion';
