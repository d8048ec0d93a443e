import type { Reply } from '../mail/reply.ts';
import type { AnyCheck } from './check.ts';
import type { Treatment } from './exemption.ts';
import { hearingOf } from './exemption.ts';
import type { Finding, SpamScore } from './finding.ts';
import type { CheckSettings, ConfiguredCheck, Policy } from './policy.ts';
import { refusal, type Signature } from './replies.ts';
import type { Cost } from './stage.ts';
import { COSTS } from './stage.ts';
import type { Verdict } from './verdict.ts';
import { GO_ON } from './verdict.ts';

/** What one finding leads to under the settings in force and the client's treatment. */
export type Effect =
  | { readonly kind: 'none' | 'observe' | 'tag' | 'refuse' | 'defer' }
  | { readonly kind: 'suspect'; readonly weight: number };

const NONE: Effect = { kind: 'none' };

export function effectOf(
  finding: Finding,
  check: Pick<AnyCheck, 'name' | 'stage' | 'lifted' | 'tagsListHosts'>,
  settings: CheckSettings,
  treatment: Treatment,
): Effect {
  switch (finding.result) {
    case 'none':
      return NONE;
    case 'pass':
      // A pass that carries a weight speaks for the client (DNSWL).
      return finding.weight === undefined ? NONE : { kind: 'suspect', weight: finding.weight };
    case 'temperror':
      // Nobody waits for an answer that could bring a tag at most.
      return { kind: settings.on_temperror === 'defer' && !onlyTags(treatment, check) ? 'defer' : 'observe' };
    case 'fail': {
      const action = settings.actions[finding.code] ?? settings.on_fail;
      switch (action) {
        case 'off':
          return NONE;
        case 'suspect':
          return { kind: 'suspect', weight: finding.weight ?? settings.weight };
        case 'refuse':
        case 'defer':
          if (onlyTags(treatment, check)) return { kind: 'tag' };
          // P3: with DNS well again the client may turn out to be one that an entry lets in.
          return { kind: treatment.namesOpen === true && check.lifted === 'by-any' ? 'defer' : action };
        case 'tag':
        case 'observe':
          return { kind: action };
        default:
          return action satisfies never;
      }
    }
    default:
      return finding.result satisfies never;
  }
}

const onlyTags = (treatment: Treatment, check: Parameters<typeof hearingOf>[1]): boolean =>
  hearingOf(treatment, check) === 'tags';

/** A check's findings, as far as the climb has come. */
export interface Judged {
  readonly configured: ConfiguredCheck;
  readonly findings: readonly Finding[];
}

export interface Standing {
  readonly verdict: Verdict;
  readonly suspicion: number;
  /** `check:code` of all that is tagged or suspected, for the header. */
  readonly tags: readonly string[];
  /** What mail filters behind us are told of the content; absent where nobody has scored it. */
  readonly spam?: SpamScore;
  /** Under `profile = "watch"` alone. */
  readonly would?: Would;
}

/** What would have come of it without `profile = "watch"`. */
export interface Would {
  readonly kind: Verdict['kind'];
  readonly check?: string;
  readonly code?: string;
  readonly suspicion: number;
}

// DNSWL stands on the DNS rung: a sum that was looked at before it would convict clients that the list vouches for.
const SUSPICION_COUNTS_FROM = COSTS.indexOf('dns');

/**
 * What the findings so far come to. Within a rung a refusal goes before a deferral, so that a sender with a lasting
 * fault is not told to come again. `upTo` is the rung just climbed; undefined at the top of the ladder.
 */
export function standingOf(
  judged: readonly Judged[],
  policy: Pick<Policy, 'refuseAtSuspicion'>,
  treatment: Treatment,
  upTo: Cost | undefined,
  signature: Signature,
): Standing {
  let suspicion = 0;
  /** As much of it as may refuse. */
  let held = 0;
  let refused: Verdict = GO_ON;
  let deferred: Verdict = GO_ON;
  const tags: string[] = [];
  const signs: string[] = [];
  let spam: SpamScore | undefined;
  for (const { configured, findings } of judged) {
    const { check, settings } = configured;
    const hearing = hearingOf(treatment, check);
    if (hearing === 'none') continue;
    for (const finding of findings) {
      const effect = effectOf(finding, check, settings, treatment);
      if (finding.spam !== undefined && isHeard(finding.result, effect.kind))
        spam = graver(spam, finding.spam);
      switch (effect.kind) {
        case 'none':
        case 'observe':
          break;
        case 'tag':
          tags.push(`${check.name}:${finding.code}`);
          break;
        case 'suspect':
          suspicion += effect.weight;
          if (hearing === 'full') held += effect.weight;
          if (effect.weight > 0) {
            tags.push(`${check.name}:${finding.code}`);
            if (hearing === 'full') signs.push(sign(finding, check));
          }
          break;
        case 'refuse':
        case 'defer': {
          const found = effect.kind === 'refuse' ? refused : deferred;
          if (found.kind !== 'go-on') break;
          const verdict = verdictOf(effect.kind, check.name, finding, signature);
          if (effect.kind === 'refuse') refused = verdict;
          else deferred = verdict;
          break;
        }
        default:
          effect satisfies never;
      }
    }
  }
  const counts = upTo === undefined || COSTS.indexOf(upTo) >= SUSPICION_COUNTS_FROM;
  if (refused.kind === 'go-on' && counts && held >= policy.refuseAtSuspicion && signs.length > 0) {
    const text = `too many signs of an unwanted sender: ${signs.join(', ')}`;
    refused = verdictOf(
      treatment.namesOpen === true ? 'defer' : 'refuse',
      'suspicion',
      { result: 'fail', code: 'suspicion', text, enhanced: '5.7.1' },
      signature,
    );
  }
  return {
    verdict: refused.kind === 'go-on' ? deferred : refused,
    suspicion,
    tags,
    ...(spam === undefined ? {} : { spam }),
  };
}

/** The findings with the settings that are meant, for `profile = "watch"`. */
export const asMeant = (judged: readonly Judged[]): readonly Judged[] =>
  judged.map(({ configured, findings }) => ({
    configured: { ...configured, settings: configured.meant ?? configured.settings },
    findings,
  }));

/** Rung by rung, as the climb would have gone: it went on where it would have ended. */
export function wouldBe(
  judged: readonly Judged[],
  meant: Pick<Policy, 'refuseAtSuspicion'>,
  treatment: Treatment,
  signature: Signature,
): Would {
  const all = asMeant(judged);
  for (const [i, { configured }] of all.entries()) {
    const { cost } = configured.check;
    if (all[i + 1]?.configured.check.cost === cost) continue;
    const { verdict, suspicion } = standingOf(all.slice(0, i + 1), meant, treatment, cost, signature);
    if (verdict.kind !== 'go-on') {
      const { kind, check, code } = verdict;
      return { kind, check, code, suspicion };
    }
  }
  const { verdict, suspicion } = standingOf(all, meant, treatment, undefined, signature);
  if (verdict.kind === 'go-on') return { kind: 'go-on', suspicion };
  return { kind: verdict.kind, check: verdict.check, code: verdict.code, suspicion };
}

const sign = ({ text, shownText, shownAs }: Finding, { name }: Pick<AnyCheck, 'name'>): string =>
  `${shownText ?? text} (${shownAs ?? name})`;

/** What is only observed, or switched off, is not told to mail filters either. */
const isHeard = (result: Finding['result'], effect: Effect['kind']): boolean =>
  result === 'pass' || (effect !== 'none' && effect !== 'observe');

/** Of two judges the one that thinks worse of it, each by its own scale. */
function graver(a: SpamScore | undefined, b: SpamScore): SpamScore {
  if (a === undefined) return b;
  if (a.isSpam !== b.isSpam) return a.isSpam ? a : b;
  return b.score - b.required > a.score - a.required ? b : a;
}

function verdictOf(kind: 'refuse' | 'defer', check: string, finding: Finding, signature: Signature): Verdict {
  const told = { ...finding, text: finding.shownText ?? finding.text };
  const reply: Reply = refusal(kind, finding.shownAs ?? check, told, signature);
  return { kind, check, code: finding.code, reply };
}
