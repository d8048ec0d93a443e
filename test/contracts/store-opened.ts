/** A store under test, and its clock. */
import type { BlockQuery, OperatorBlock } from '../../src/adapters/store/blocks.ts';
import type { Block, BlocksPort, Ports, Soon } from '../../src/core/ports.ts';
import type { Cleanup } from '../program.ts';

export const BEGIN_MS = 1_800_000_000_000;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What an operator does to the block list, beside what the gate does. */
export interface OperatorsBlocks extends BlocksPort {
  list(query?: BlockQuery): Soon<readonly Block[]>;
  add(block: OperatorBlock): Soon<Block>;
  remove(network: string): Soon<boolean>;
}

export interface Opened {
  readonly state: Pick<Ports, 'store' | 'greylist' | 'standing' | 'rates'> & {
    readonly blocks: OperatorsBlocks;
  };
  /** So long after `BEGIN_MS` it is now. */
  readonly at: (ms: number) => void;
}

export type Open = (cleanup: Cleanup) => Promise<Opened>;
