import type { ConvictionSettings } from '../core/charges.ts';
import type { GuessMarks } from '../core/guesses.ts';
import type { ConfiguredCheck } from '../core/policy.ts';
import type { Action } from '../core/settings.ts';
import { formatNetwork, type Network } from '../mail/ip.ts';
import { networkSet, type NetworkSet } from '../mail/networks.ts';

/** How charges turn into blocks, from the checks that run, and whom none is brought against; undefined where `short-term-block` does not: then nobody is convicted. */
export function convictionsOf(
  running: readonly ConfiguredCheck[],
  proxies: readonly NetworkSet[] = [],
): ConvictionSettings | undefined {
  const settingsOf = (name: string) => running.find(({ check }) => check.name === name)?.settings;
  const block = settingsOf('short-term-block');
  if (block === undefined) return undefined;
  const number = (settings: typeof block, key: string) => Number(settings[key] ?? 0);
  const guesses = settingsOf('dictionary-attack');
  const forwarders = settingsOf('spf')?.['forwarders'] as readonly Network[] | undefined;
  // What a proxy says of nobody in particular (LOCAL, UNKNOWN) would be laid at its own door.
  const spared = [networkSet((forwarders ?? []).map(formatNetwork)), ...proxies];
  return {
    strikes: number(block, 'strikes'),
    strikeWindowMs: number(block, 'strike_window'),
    guessWindowMs: guesses === undefined ? 0 : number(guesses, 'guess_window'),
    guessMarks: guesses === undefined ? undefined : guessMarksOf(guesses),
    firstMs: number(block, 'first'),
    factor: number(block, 'factor'),
    longestMs: number(block, 'longest'),
    forgottenMs: number(block, 'forgotten'),
    spared: { has: (address) => spared.some((set) => set.has(address)) },
  };
}

/** Where a mark leads to nothing, because it is only observed or off, it convicts nobody either. */
function guessMarksOf(settings: ConfiguredCheck['settings']): GuessMarks {
  const actsOn = (code: string): boolean => !IDLE.has(settings.actions[code] ?? settings.on_fail);
  const mark = (code: string, key: string) => (actsOn(code) ? Number(settings[key]) : Infinity);
  return { perSession: mark('session', 'per_session'), perNetwork: mark('network', 'per_network') };
}

const IDLE: ReadonlySet<Action> = new Set(['observe', 'off']);
