import { join } from 'node:path';
import { openClassifier } from '../adapters/classifier/sqlite.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import type { Config } from '../config/config.ts';
import { atOnce } from '../core/slices.ts';
import { putInForce, type InForce, type Surroundings } from './in-force.ts';
import { readLists } from './living-lists.ts';

/** A configuration in force for a command that tries it: what is remembered counts, and nothing of it is changed. */
export function openTrial(
  config: Config,
  onZone: Surroundings['onZone'] = () => undefined,
): { readonly inForce: InForce; readonly close: () => Promise<void> } {
  const state = openStore(join(config.dataDir, 'store.sqlite'), { readOnly: true });
  const classifier = openClassifier(join(config.dataDir, 'classifier.sqlite'), { trial: true, cache: false });
  const inForce = putInForce(config, {
    state,
    classifier,
    listed: atOnce(readLists(state.listed)),
    isTrial: true,
    nowMs: Date.now,
    onZone,
    onTrouble: () => undefined,
  });
  return {
    inForce,
    close: async () => {
      inForce.zones.stop();
      await Promise.all(inForce.router.backends.map((backend) => backend.close()));
      inForce.scanners.close();
      inForce.archives?.close();
      classifier.close();
      state.close();
    },
  };
}
