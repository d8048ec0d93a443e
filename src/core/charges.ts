import type { NetworkSet } from '../mail/networks.ts';
import type { GuessMarks } from './guesses.ts';
import { clientNetwork, type Site } from './site.ts';

/**
 * What is held against a client when its session is over (C2). `conviction`: it is blocked at once. `strike`: some of them in a
 * while are a conviction. `guess`: a recipient that does not exist; many of them are a dictionary attack (E10).
 */
export type Charge = 'conviction' | 'strike' | 'guess';

/** How charges turn into blocks. Comes from the settings of the checks; without `short-term-block` nobody is convicted. */
export interface ConvictionSettings {
  /** Strikes within `strikeWindowMs` that make a conviction. */
  readonly strikes: number;
  readonly strikeWindowMs: number;
  /** How long guesses are counted together; 0 where nobody asks for them. */
  readonly guessWindowMs: number;
  /** How many of them convict; absent: none do. */
  readonly guessMarks?: GuessMarks | undefined;
  /** How long the first block lasts; each further one `factor` times as long, at most `longestMs`. */
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
  /** A block that ended this long ago no longer makes the next one longer. */
  readonly forgottenMs: number;
  /** Hosts that forward mail to us: the blame for what they bring is not theirs. */
  readonly spared?: Pick<NetworkSet, 'has'>;
}

/** A charge that was brought, as it stands in the decision. */
export interface BroughtCharge {
  readonly charge: Charge;
  /** That found it; `dialogue` for nonsense. */
  readonly check: string;
  /** How many guesses it is, or how many strikes there are now. */
  readonly times?: number | undefined;
  /** What came of it. */
  readonly block?: { readonly network: string; readonly endsMs: number } | undefined;
}

/** Spaces of the rates. Guesses are counted by client network and by what a block would cover, strikes by the latter. */
export const STRIKES = 'strikes';
export const GUESSES = 'guesses';
/** Recipients of the same networks that got their message, since the first guess. */
export const REACHED = 'reached';
/** Of the null sender: an honest server bounces to whatever address of ours was forged. They are counted apart. */
export const BOUNCED_GUESSES = 'bounced-guesses';
/** Whom the front door deferred or sent away: such a client has a reason to try the next MX (C3). */
export const TURNED_AWAY = 'turned-away';
/** The senders' retry schedules: who was turned away once tries the other MXs within minutes, at the latest at the next retry. */
const TURNED_AWAY_MS = 3_600_000;
/** A count ends so long after its first event, so each hour has a count of its own, which outlives the next one. */
export const TURNED_AWAY_KEPT_MS = 2 * TURNED_AWAY_MS;
/** Senders with several addresses come to the next MX from another one. */
const NEIGHBOURS = { v4: 24, v6: 48 } as const;

export function turnedAwayKey(address: string, nowMs: number): string {
  return keyOfHour(address, Math.floor(nowMs / TURNED_AWAY_MS));
}

/** Who came at that time was turned away less than an hour before, or since, if one of these counts. */
export function turnedAwayKeys(address: string, atMs: number): readonly string[] {
  const hour = Math.floor(atMs / TURNED_AWAY_MS);
  return [hour - 1, hour, hour + 1].map((h) => keyOfHour(address, h));
}

const keyOfHour = (address: string, hour: number): string =>
  `${clientNetwork({ clientPrefix: NEIGHBOURS }, address)} ${hour}`;

/** Space and key in the store while the gate itself may be why clients go elsewhere: it has just started, or it is under load. */
export const UNSETTLED = { space: 'gate', key: 'unsettled' } as const;

const NARROWEST_V4 = 32;
const NARROWEST_V6 = 64;

/**
 * What an automatic block covers: one IPv4 address, or one /64, which is one customer's (RFC 6177). However widely the operator
 * counts connections, the neighbours at a provider do not pay for one of its customers.
 */
export function convictedNetwork({ clientPrefix }: Pick<Site, 'clientPrefix'>, address: string): string {
  const v6 = Math.max(clientPrefix.v6, NARROWEST_V6);
  return clientNetwork({ clientPrefix: { v4: NARROWEST_V4, v6 } }, address);
}
