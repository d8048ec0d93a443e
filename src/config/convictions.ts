import type { ConvictionSettings } from '../core/charges.ts';
import type { ConfiguredCheck } from '../core/policy.ts';
import { formatNetwork, type Network } from '../mail/ip.ts';
import { networkSet } from '../mail/networks.ts';

/** How charges turn into blocks, from the checks that run; undefined where `short-term-block` does not: then nobody is convicted. */
export function convictionsOf(running: readonly ConfiguredCheck[]): ConvictionSettings | undefined {
  const settingsOf = (name: string) => running.find(({ check }) => check.name === name)?.settings;
  const block = settingsOf('short-term-block');
  if (block === undefined) return undefined;
  const number = (settings: typeof block, key: string) => Number(settings[key] ?? 0);
  const guesses = settingsOf('dictionary-attack');
  const forwarders = settingsOf('spf')?.['forwarders'] as readonly Network[] | undefined;
  return {
    strikes: number(block, 'strikes'),
    strikeWindowMs: number(block, 'strike_window'),
    guessWindowMs: guesses === undefined ? 0 : number(guesses, 'guess_window'),
    firstMs: number(block, 'first'),
    factor: number(block, 'factor'),
    longestMs: number(block, 'longest'),
    forgottenMs: number(block, 'forgotten'),
    spared: networkSet((forwarders ?? []).map(formatNetwork)),
  };
}
