/** The lists, the short-term block list and the greylist as the dashboard works on them: the same rules as at the command line. */
import type { State } from '../adapters/store/sqlite.ts';
import { letIn } from '../adapters/store/let-in.ts';
import type { BlocksDesk, GreylistDesk } from '../admin/world.ts';
import { isLasting, MAX_DAYS, reasonProblem, sweepingProblem, widthProblem } from '../core/operator-block.ts';
import type { ListedPort } from '../core/listed.ts';
import type { Site } from '../core/site.ts';
import { networkName, parseNetwork, type Network } from '../mail/ip.ts';

/** So many at once; who looks for one gives its network. */
const SHOWN = 1000;

export function blocksDesk(
  store: Pick<State, 'blocks' | 'forgive' | 'commit'>,
  /** In force; a reload makes another. */
  site: () => Pick<Site, 'clientPrefix'>,
  nowMs: () => number,
): BlocksDesk {
  return {
    list: (network) =>
      store.blocks.list({
        ...(network === undefined ? {} : { network: networkName(networkOf(network)) }),
        limit: SHOWN,
      }),
    add({ network, reason, lastsMs, by }) {
      const of = networkOf(network);
      const problem = widthProblem(of) ?? reasonProblem(reason, 'the reason');
      if (problem !== undefined) throw new Error(problem);
      if (!isLasting(lastsMs)) throw new Error(`it wants a time of at most ${MAX_DAYS} days`);
      const added = store.blocks.add({
        network: networkName(of),
        reason: reason.trim(),
        endsMs: nowMs() + lastsMs,
        by: `operator ${by.slice(0, 60)}`,
      });
      // Throws where it cannot be written; the gate sees it from now on.
      store.commit();
      return added;
    },
    remove(network) {
      const { removed, forgiven } = letIn(store, site(), networkOf(network));
      store.commit();
      return removed || forgiven;
    },
  };
}

/** What the command line wants to be asked for twice a click does not do. */
export function listedDesk(listed: ListedPort, site: () => Pick<Site, 'domains'>): ListedPort {
  return {
    list: (query) => listed.list(query),
    add(entry) {
      const problem = sweepingProblem(entry.kind, entry, site());
      if (problem !== undefined) throw new Error(problem);
      return listed.add(entry);
    },
    remove: (id) => listed.remove(id),
    version: () => listed.version(),
  };
}

/** `clientPasses`: that setting of the greylist, without which nobody is known for all. */
export function greylistDesk(
  store: Pick<State, 'greylist' | 'commit'>,
  clientPasses: () => number,
): GreylistDesk {
  return {
    search: (text, limit) => ({
      rows: store.greylist.search(text, limit, clientPasses()),
      inAll: store.greylist.inAll(),
    }),
    remove(row) {
      const removed = store.greylist.remove(row);
      store.commit();
      return removed;
    },
  };
}

function networkOf(text: string): Network {
  const network = parseNetwork(text);
  if (network.kind === 'network') return network;
  throw new Error(`${network.problem}; it wants an address, or a network such as 192.0.2.0/24`);
}
