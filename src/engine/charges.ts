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
  type BroughtCharge,
  type Charge,
  type ConvictionSettings,
} from '../core/charges.ts';
import type { Step } from '../core/decision.ts';
import { hearingOf, type Treatment } from '../core/exemption.ts';
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
export interface Circumstances {
  readonly client: string;
  /** Of the decision. */
  readonly id: string;
  /** The transaction had the null sender. */
  readonly bounce: boolean;
}

export type Charged<C extends Charge = Charge> = Found<C> & Circumstances;

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
// A message that we delivered, marked as it may be, is no reason to refuse its sender's next one: the operator who tags certain spam wants
// it let in, and so does abuse, whose correspondents quote it.
const STOPPED: ReadonlySet<Step['action']> = new Set(['refuse', 'defer']);

/** Only failures: what could not be answered (`temperror`) is no evidence. */
export function chargesOf(steps: readonly Step[], policy: Pick<Policy, 'checks'>): Charges {
  const guesses: Found<'guess'>[] = [];
  let gravest: Charges['gravest'];
  for (const { check, stage, action, findings } of steps) {
    const weighty = stage === 'endOfMessage' ? STOPPED : ACTED_UPON;
    if (!weighty.has(action)) continue;
    for (const { result, code, text } of findings) {
      const charge = result === 'fail' ? chargeOf(check, code, policy) : undefined;
      if (charge === undefined || !weighty.has(actionOf(check, code, policy))) continue;
      if (charge === 'guess') guesses.push({ charge, check, text });
      else if (gravest === undefined || (gravest.charge === 'strike' && charge === 'conviction'))
        gravest = { charge, check, text };
    }
  }
  return { guesses, gravest };
}

/**
 * What no check judges, for it ends the session: a client that talks nonsense until it is cut off. Commands that a check refused are not
 * among the errors, so recipients that it asked for are no excuse.
 */
export function nonsenseCharge({ violations, client }: SessionFacts): Found<'strike'> | undefined {
  if (!violations.includes('too-many-errors')) return undefined;
  return { charge: 'strike', check: 'dialogue', text: `${client.address} was cut off after too many errors` };
}

/** A step's action is that of its gravest finding; another may have an action of its own. */
function actionOf(check: string, code: string, { checks }: Pick<Policy, 'checks'>): Step['action'] {
  const settings = checks.find((c) => c.check.name === check)?.settings;
  const action = settings?.actions[code] ?? settings?.on_fail ?? 'off';
  return action === 'off' ? 'none' : action;
}

/** Whom the block list would not hold for, and list hosts, which are only tagged, are not put on it. */
export function isSpared(treatment: Treatment): boolean {
  return hearingOf(treatment, { name: 'short-term-block', stage: 'connect', lifted: 'by-any' }) !== 'full';
}

/** Guesses are counted for the client's network, which may be wide, and for what a block would cover: no neighbour is blocked for them. */
export function guessKeys(site: Policy['site'], client: string): readonly string[] {
  const [known, own] = [clientNetwork(site, client), convictedNetwork(site, client)];
  return known === own ? [own] : [known, own];
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
  const keys = guessKeys(site, client);
  return keys.reduce<Soon<unknown>>(
    (before, key) =>
      after(before, () =>
        after(rates.count(GUESSES, key), (guesses) => {
          let noted: Soon<unknown>;
          for (let i = 0; i < recipients && guesses > 0; i++)
            noted = after(noted, () => rates.add(REACHED, key, windowMs));
          return noted;
        }),
      ),
    undefined,
  );
}

export type Remembering = Pick<Ports, 'standing' | 'blocks' | 'rates'>;
type Settings = Pick<Policy, 'site' | 'convictions'>;

/** Undefined where nobody may be convicted, whatever it does. */
export function convictable(client: string, { site, convictions }: Settings): ConvictionSettings | undefined {
  const isOurs = site.networks.has(client) || site.relays.has(client);
  return isOurs || convictions?.spared?.has(client) === true ? undefined : convictions;
}

export function bringGuesses(
  guesses: readonly Found<'guess'>[],
  { client, bounce }: Circumstances,
  policy: Settings,
  { rates }: Remembering,
): Soon<BroughtCharge | undefined> {
  const windowMs = convictable(client, policy)?.guessWindowMs ?? 0;
  const [first] = guesses;
  if (first === undefined || windowMs === 0) return undefined;
  const [space, keys]: readonly [string, readonly string[]] = bounce
    ? [BOUNCED_GUESSES, [clientNetwork(policy.site, client)]]
    : [GUESSES, guessKeys(policy.site, client)];
  const counted = guesses.reduce<Soon<unknown>>(
    (before) =>
      keys.reduce((last, key) => after(last, () => rates.add(space, key, windowMs) as Soon<unknown>), before),
    undefined,
  );
  return after(counted, () => ({ charge: 'guess', check: first.check, times: guesses.length }));
}

/** Undefined where it is not held against the client after all: nobody may be convicted, or a block is in force. */
export function bring(
  charged: Charged<'strike' | 'conviction'>,
  policy: Settings,
  ports: Remembering,
): Soon<BroughtCharge | undefined> {
  const { client, check } = charged;
  const { site } = policy;
  const convictions = convictable(client, policy);
  if (convictions === undefined) return undefined;
  const known = clientNetwork(site, client);
  const network = convictedNetwork(site, client);
  return after(ports.blocks.covering(client), (inForce): Soon<BroughtCharge | undefined> => {
    // Nor does it make its standing worse: what was done before the client could learn of the block is one outbreak.
    if (inForce !== undefined) return undefined;
    // The standing is that of before the charge.
    return after(ports.standing.of(known), (standing) =>
      after(ports.standing.note(known, 'bad'), (): Soon<BroughtCharge> => {
        const isSlip = charged.charge === 'conviction' && standingKind(standing) === 'good';
        if (charged.charge === 'conviction' && !isSlip) return convict(network, charged, convictions, ports);
        return after(
          ports.rates.add(STRIKES, network, convictions.strikeWindowMs),
          (strikes): Soon<BroughtCharge> =>
            // So many more for each block: the strikes of the last one are spent. One slip of the good is none, whatever the setting.
            strikes % Math.max(isSlip ? 2 : 1, convictions.strikes) === 0
              ? convict(network, charged, convictions, ports)
              : { charge: 'strike', check, times: strikes },
        );
      }),
    );
  });
}

function convict(
  network: string,
  { text, id, check }: Charged,
  { firstMs, factor, longestMs, forgottenMs }: ConvictionSettings,
  ports: Remembering,
): Soon<BroughtCharge> {
  const times = { firstMs, factor, longestMs, forgottenMs };
  const convicted = ports.blocks.convict({ network, reason: text, evidence: id, by: check, ...times });
  return after(convicted, (block) => {
    const { endsMs } = block;
    return { charge: 'conviction', check, block: { network: block.network, endsMs } };
  });
}
