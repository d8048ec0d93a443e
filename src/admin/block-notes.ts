/** What a block entry cannot do, in words: whoever makes one is told at once. */
import { isOff } from '../config/off.ts';
import { MAX_LISTED } from '../core/listed.ts';
import type { Conditions } from '../core/lists.ts';
import { blockingCheck, findingWinners } from '../core/overruled.ts';
import { inSlices } from '../engine/in-slices.ts';
import type { AdminWorld } from './world.ts';

/** `mail`: the one message that it was made for, where it was; `address`: a client that it is about. */
export async function blockNotes(
  world: Pick<AdminWorld, 'config' | 'checks' | 'listed'>,
  block: Conditions,
  { mail = block, address = block.client?.split('/')[0] ?? '' }: { mail?: Conditions; address?: string } = {},
): Promise<string[]> {
  const { site, checks, listEntries } = world.config();
  const notes: string[] = [];
  const name = blockingCheck(block);
  const configured = checks.find(({ check }) => check.name === name);
  if (configured !== undefined && isOff(configured))
    notes.push(`The check ${name} is off, so this stops nothing`);
  if (block.client !== undefined && (site.networks.has(address) || site.relays.has(address)))
    notes.push('It is one of our own networks or relays, which are never refused');
  const allowed = await world.listed.list({ kind: 'allow', limit: MAX_LISTED });
  const hosts = await world.listed.list({ kind: 'list-host', limit: MAX_LISTED });
  notes.push(...(await inSlices(findingWinners(block, world.checks, [allowed, hosts, listEntries], mail))));
  return notes;
}
