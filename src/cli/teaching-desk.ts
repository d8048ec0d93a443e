/** Teaches the classifier from a decision, by the tokens that the gate remembers of its message: as `postern learn` would, and once. */
import { join } from 'node:path';
import { decisionHash } from '../adapters/classifier/identity.ts';
import { rememberedKeys } from '../adapters/classifier/token-memory.ts';
import type { TeachingDesk } from '../admin/world.ts';
import type { Config } from '../config/config.ts';
import { isOff } from '../config/off.ts';
import { openStore } from './learn.ts';

/** Name in `data_dir`. */
export const SEEN_MESSAGES = 'seen-messages.sqlite';

/** For so long the gate remembers the tokens of each message; 0 where the classifier is off, or is not to remember. */
export function rememberedMs({ checks }: Pick<Config, 'checks'>): number {
  const classifier = checks.find(({ check }) => check.name === 'classifier');
  return classifier === undefined || isOff(classifier) ? 0 : Number(classifier.settings['remember'] ?? 0);
}

/** `config`: the one in force. */
export function createTeachingDesk(
  config: () => Pick<Config, 'dataDir' | 'checks'>,
  nowMs: () => number,
): TeachingDesk {
  const keysOf = (decision: string) => {
    const { dataDir } = config();
    return rememberedKeys(join(dataDir, SEEN_MESSAGES), decision, nowMs() - rememberedMs(config()));
  };
  return {
    knows(decision) {
      try {
        return keysOf(decision) !== undefined;
      } catch {
        // The file is being made, or is damaged: who only looks at a decision is told nothing of it, who teaches is.
        return false;
      }
    },
    teach(decision, kind) {
      const keys = keysOf(decision);
      if (keys === undefined) return 'unknown';
      const store = openStore(config(), 'make', TEACHING_WAIT_MS);
      try {
        return store.learnKeys(kind, decisionHash(decision), keys) === 'known' ? 'already' : 'taught';
      } finally {
        store.close();
      }
    },
  };
}

/** Somebody waits before a browser, and the others with him. */
const TEACHING_WAIT_MS = 2_000;
