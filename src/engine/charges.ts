/**
 * What a session leaves behind for its client (C2, E10): charges go into its standing, and enough of them make a block. Damage is
 * limited here: never a network of ours or one that we relay for, never a host that forwards to us, never more than one address (or
 * one /64), never a client in good standing for one slip, and never two blocks for one outbreak: what is done while a block is in
 * force, in sessions that run side by side or by retries of the same mail, makes the next one no longer.
 */
import { after } from '../core/after.ts';
import {
  BOUNCED_GUESSES,
  convictedNetwork,
  GUESSES,
  REACHED,
  STRIKES,
  type Charge,
  type ConvictionSettings,
} from '../core/charges.ts';
import type { Step } from '../core/decision.ts';
import { lifts, type Treatment } from '../core/exemption.ts';
import type { SessionFacts } from '../core/facts.ts';
import type { Policy } from '../core/policy.ts';
import type { Ports, Soon } from '../core/ports.ts';
import { clientNetwork } from '../core/site.ts';
import { standingKind } from '../core/standing.ts';

/** One finding that is held against the client. */
export interface Found<C extends Charge = Charge> {
  readonly charge: C;
  /** The check that found it. */
  readonly check: string;
  /** The finding's sentence. */
  readonly text: string;
}

/** Where it was found. */
interface Circumstances {
  readonly client: string;
  /** Of the decision. */
  readonly id: string;
  /** The transaction had the null sender. */
  readonly bounce: boolean;
}

export type Charged = Found & Circumstances;

export function chargeOf(check: string, code: string, policy: Pick<Policy, 'checks'>): Charge | undefined {
  return policy.checks.find((c) => c.check.name === check)?.check.charges?.[code];
}

export interface Charges {
  readonly guesses: readonly Found<'guess'>[];
  /** Of one transaction one charge is brought: what it found twice is no worse. */
  readonly gravest: Found<'strike' | 'conviction'> | undefined;
}

// What was only observed, or lifted, is held against nobody.
const ACTED_UPON: ReadonlySet<Step['action']> = new Set(['refuse', 'defer', 'tag', 'suspect', 'kept']);

/** Only failures: what could not be answered (`temperror`) is no evidence. */
export function chargesOf(steps: readonly Step[], policy: Pick<Policy, 'checks'>): Charges {
  const guesses: Found<'guess'>[] = [];
  let gravest: Charges['gravest'];
  for (const { check, action, findings } of steps) {
    if (!ACTED_UPON.has(action)) continue;
    for (const { result, code, text } of findings) {
      const charge = result === 'fail' ? chargeOf(check, code, policy) : undefined;
      if (charge === undefined || isOnlySeen(check, code, policy)) continue;
      if (charge === 'guess') guesses.push({ charge, check, text });
      else if (gravest === undefined || (gravest.charge === 'strike' && charge === 'conviction'))
        gravest = { charge, check, text };
    }
  }
  return { guesses, gravest };
}

/**
 * What no check judges, for it ends the session: a client that talks nonsense until it is cut off. One that asked for recipients
 * was cut off over those, and they are counted as guesses.
 */
export function nonsenseCharge({ violations, client, asked = 0 }: SessionFacts): Found<'strike'> | undefined {
  if (!violations.includes('too-many-errors') || asked > 0) return undefined;
  return { charge: 'strike', check: 'dialogue', text: `${client.address} was cut off after too many errors` };
}

/** A step's action is that of its gravest finding; another may have an action of its own. */
function isOnlySeen(check: string, code: string, { checks }: Pick<Policy, 'checks'>): boolean {
  const settings = checks.find((c) => c.check.name === check)?.settings;
  const action = settings === undefined ? 'off' : (settings.actions[code] ?? settings.on_fail);
  return action === 'observe' || action === 'off';
}

/** Whom the block list would not hold for, and list hosts, which are only tagged, are not put on it. */
export function isSpared(treatment: Treatment): boolean {
  return treatment.refusalsAreTags || lifts(treatment, { name: 'short-term-block', lifted: 'by-any' });
}

/** Recipients that got their message: they speak for a network that guesses, and are counted only where one does. */
export function noteDelivered(
  client: string,
  recipients: number,
  { site, convictions }: Pick<Policy, 'site' | 'convictions'>,
  { rates }: Pick<Ports, 'rates'>,
): Soon<unknown> {
  const windowMs = convictions?.guessWindowMs ?? 0;
  if (windowMs === 0) return undefined;
  const known = clientNetwork(site, client);
  return after(rates.count(GUESSES, known), (guesses) => {
    let noted: Soon<unknown>;
    for (let i = 0; i < recipients && guesses > 0; i++)
      noted = after(noted, () => rates.add(REACHED, known, windowMs));
    return noted;
  });
}

type Remembering = Pick<Ports, 'standing' | 'blocks' | 'rates'>;

/** One after the other: each looks at the standing and the blocks that the one before left. */
export function bringAll(
  charges: readonly Found[],
  where: Circumstances,
  policy: Pick<Policy, 'site' | 'convictions'>,
  ports: Remembering,
): Soon<unknown> {
  return charges.reduce<Soon<unknown>>(
    (before, found) => after(before, () => bring({ ...found, ...where }, policy, ports)),
    undefined,
  );
}

export function bring(
  charged: Charged,
  { site, convictions }: Pick<Policy, 'site' | 'convictions'>,
  ports: Remembering,
): Soon<unknown> {
  const { client, charge } = charged;
  if (convictions === undefined || site.networks.has(client) || site.relays.has(client)) return undefined;
  if (convictions.spared?.has(client) === true) return undefined;
  const known = clientNetwork(site, client);
  if (charge === 'guess') {
    if (convictions.guessWindowMs === 0) return undefined;
    return ports.rates.add(charged.bounce ? BOUNCED_GUESSES : GUESSES, known, convictions.guessWindowMs);
  }
  const network = convictedNetwork(site, client);
  // The standing is that of before the charge.
  return after(ports.standing.of(known), (standing) =>
    after(ports.standing.note(known, 'bad'), () =>
      after(ports.blocks.covering(client), (block): Soon<unknown> => {
        if (block !== undefined) return undefined;
        if (charge === 'conviction' && standingKind(standing) !== 'good')
          return convict(network, charged, convictions, ports);
        return after(
          ports.rates.add(STRIKES, network, convictions.strikeWindowMs),
          (strikes): Soon<unknown> =>
            // So many more for each block: the strikes of the last one are spent. One slip of the good is none, whatever the setting.
            strikes % Math.max(charge === 'conviction' ? 2 : 1, convictions.strikes) === 0
              ? convict(network, charged, convictions, ports)
              : undefined,
        );
      }),
    ),
  );
}

function convict(
  network: string,
  { text, id, check }: Charged,
  { firstMs, factor, longestMs, forgottenMs }: ConvictionSettings,
  ports: Remembering,
): Soon<unknown> {
  const times = { firstMs, factor, longestMs, forgottenMs };
  return ports.blocks.convict({ network, reason: text, evidence: id, by: check, ...times });
}
