import { isOff } from '../config/off.ts';
import { MAX_LISTED } from '../core/listed.ts';
import type { Conditions } from '../core/lists.ts';
import { blockNotes } from '../core/overruled.ts';
import { inSlices } from '../engine/in-slices.ts';
import type { AdminWorld } from './world.ts';

/** What a block entry cannot do, in words: whoever makes one is told at once. */
export async function notesOnBlock(
  world: Pick<AdminWorld, 'config' | 'checks' | 'listed'>,
  block: Conditions,
  made: Parameters<typeof blockNotes>[2] = {},
): Promise<string[]> {
  const { site, checks, listEntries } = world.config();
  const allowed = await world.listed.list({ kind: 'allow', limit: MAX_LISTED });
  const hosts = await world.listed.list({ kind: 'list-host', limit: MAX_LISTED });
  const isOffByName = (name: string) => checks.some((c) => c.check.name === name && isOff(c));
  const beside = { site, isOff: isOffByName, checks: world.checks, lists: [allowed, hosts, listEntries] };
  return inSlices(blockNotes(block, beside, made));
}
