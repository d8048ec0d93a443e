import type { z } from 'zod';
import type { Charge } from './charges.ts';
import type { Clues } from './clues.ts';
import type { FactsAt, SessionFacts } from './facts.ts';
import type { Header } from '../mail/header.ts';
import type { Finding } from './finding.ts';
import type { Ports } from './ports.ts';
import type { Action, CommonSettings } from './settings.ts';
import type { Site } from './site.ts';
import type { Cost, Stage } from './stage.ts';

/** Evidence is JSON: it is journalled, and judged again by `replay`. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export interface Check<S extends Stage, Settings, Evidence> {
  /** The file's stem. Stable: it stands in logs, configuration and metrics. */
  readonly name: string;
  /** One sentence for the reference and `check-config`. */
  readonly summary: string;
  /** The earliest stage whose facts suffice. */
  readonly stage: S;
  readonly cost: Cost;
  /** Every finding the check can make, with its meaning in a line. */
  readonly codes: Readonly<Record<string, string>>;
  /** Its own settings; what every check has is in `CommonSettings`. */
  readonly settings: z.ZodType<Settings>;
  /** Another check whose table holds for this one too, as far as its own says nothing else: two stages of one thing. */
  readonly follows?: string;
  readonly defaults: {
    readonly on_fail: Action;
    readonly on_temperror: CommonSettings['on_temperror'];
    readonly weight: number;
    readonly refuse_at: CommonSettings['refuse_at'];
    /** Where one finding's action differs from `on_fail` by default. */
    readonly actions?: Readonly<Record<string, Action>>;
  };
  /** `by-name`: no exemption lifts it unless it names the check (the protocol's own rules, viruses, a failed DMARC). */
  readonly lifted: 'by-any' | 'by-name';
  /** With `by-name`: a list host's refusals are tags for this one too, since lists break it by what they do (E12, DMARC). */
  readonly tagsListHosts?: true;
  /** What a finding says against the client beyond this session, by its code; brought only where the finding was acted upon. */
  readonly charges?: Readonly<Record<string, Charge>>;
  /** At `connect`: its answer may change while the session lasts, so it is asked anew for each transaction. */
  readonly anew?: true;
  /** All that it asks is the operator's lists: `replay` asks those of the other configuration. */
  readonly asksLists?: true;
  /** Where it has anything to judge; absent: at all. See `hasPlaceAt`. */
  readonly doors?: readonly SessionFacts['door'][];
  /** Why it cannot run although it is on (no zones, no list), or undefined. It is then left out, and `check-config` says so. */
  idle?(settings: Settings & CommonSettings, site: Site): string | undefined;
  /** Asks, never judges. The signal ends the wait at the stage's deadline. Absent where the facts alone suffice. */
  gather?(
    facts: FactsAt<S>,
    ports: Ports,
    settings: Settings & CommonSettings,
    signal: AbortSignal,
    site: Site,
    clues: Clues,
  ): Evidence | Promise<Evidence>;
  /**
   * For `replay` under another configuration: what was gathered then, as these settings and clues would have gathered it. Absent where what
   * is asked hangs on the facts alone.
   */
  again?(
    evidence: Evidence,
    facts: FactsAt<S>,
    settings: Settings & CommonSettings,
    site: Site,
    clues: Clues,
  ): Again<Evidence>;
  /** At `endOfMessage`: asks ahead for what `gather` will want, once the header is there. The answers are the port's to keep. */
  ahead?(header: Header, ports: Ports, signal: AbortSignal): void;
  /** Judges, never asks: the same arguments give the same findings (promise P5). */
  judge(
    facts: FactsAt<S>,
    evidence: Evidence,
    settings: Settings & CommonSettings,
    site: Site,
  ): readonly Finding[];
}

/** `unasked`: something would be asked that was not asked then. What there is of evidence is judged all the same: it may refuse by itself. */
export type Again<Evidence> =
  | { readonly evidence: Evidence; readonly unasked?: boolean }
  | { readonly evidence?: undefined; readonly unasked: true };

/** A check with its types put away, as the ladder holds it. */
export type AnyCheck = Check<Stage, unknown, Json>;

/** A policy service is never shown a message, so nothing of it can be judged there. */
export function hasPlaceAt({ doors, stage }: AnyCheck, door: SessionFacts['door']): boolean {
  if (door === 'policy' && stage === 'endOfMessage') return false;
  return doors === undefined || doors.includes(door);
}

/**
 * Says that facts, settings and evidence of one check belong together; the engine keeps them together from here on.
 * Settings have been through the check's own schema, evidence came from its own `gather`.
 */
export function defineCheck<S extends Stage, Settings, Evidence>(
  check: Check<S, Settings, Evidence>,
): AnyCheck {
  return check as unknown as AnyCheck;
}
