import { keysOfConduct } from '../../core/operator-block.ts';
import type { Site } from '../../core/site.ts';
import { networkName, type Network } from '../../mail/ip.ts';
import type { State } from './sqlite.ts';

export interface LetIn {
  /** There was an entry of the short-term block list for it. */
  readonly removed: boolean;
  /** Something else was held against it. */
  readonly forgiven: boolean;
}

/** Ends a block, and forgets what made it: that would make the next one, or turn the client away without one. */
export function letIn(
  store: Pick<State, 'blocks' | 'forgive'>,
  site: Pick<Site, 'clientPrefix'>,
  of: Network,
): LetIn {
  return {
    removed: store.blocks.remove(networkName(of)),
    forgiven: store.forgive(of, keysOfConduct(site, of)),
  };
}
