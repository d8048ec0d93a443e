import { z } from 'zod';
import { after } from '../core/after.ts';
import { defineCheck } from '../core/check.ts';
import type { Block, Soon } from '../core/ports.ts';
import { count, duration } from '../core/settings.ts';
import { clientNetwork } from '../core/site.ts';
import { hasDelivered } from '../core/standing.ts';

/** The entry in force, and whether the client has brought good mail in living memory. */
type Evidence = (Block & { readonly delivered: boolean }) | null;

/**
 * C2: who was convicted by a late, dear check pays for it at the cheap end of the ladder for a while. Its settings say how charges
 * turn into blocks; the engine brings them when a session has ended (M8, C3, E9, E10). One message through a provider is enough for a
 * first conviction, and the next message is another customer's: there it defers, and no mail is lost.
 */
export const shortTermBlock = defineCheck({
  name: 'short-term-block',
  summary: 'The client was convicted a while ago, or the operator blocked it for a time.',
  stage: 'connect',
  cost: 'store',
  codes: {
    free: 'no block in force covers the client',
    listed:
      'a block in force covers the client, by the operator or for repeated offences of one that never brought a good message',
    doubtful: 'a block in force covers the client, but it is its first one, or it has brought good messages',
  },
  settings: z
    .strictObject({
      first: duration('1h', '1m', '30d', 'How long the first block of a client lasts.'),
      factor: count(4, 1, 100, 'Each further block of it lasts so many times as long as the last one.'),
      longest: duration('7d', '1m', '365d', 'No block lasts longer.'),
      forgotten: duration(
        '30d',
        '1h',
        '365d',
        'A block that ended this long ago makes the next one no longer.',
      ),
      strikes: count(3, 1, 1000, 'Sessions with a lesser offence that make a block.'),
      strike_window: duration('1d', '1m', '30d', 'How long such sessions are counted together.'),
    })
    .refine(({ first, longest }) => first <= longest, {
      message: 'wants to be at least as long as `first`',
      path: ['longest'],
    }),
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'go-on',
    weight: 5,
    refuse_at: 'rcpt',
    actions: { doubtful: 'defer' },
  },
  lifted: 'by-any',
  // A block holds for whoever has a session open as well.
  anew: true,
  gather({ session }, { blocks, standing }, _settings, _signal, site): Soon<Evidence> {
    const { address } = session.client;
    return after(blocks.covering(address), (block): Soon<Evidence> => {
      if (block === undefined) return null;
      return after(standing.of(clientNetwork(site, address)), (of) => ({
        ...block,
        delivered: hasDelivered(of),
      }));
    });
  },
  judge({ session }, block: Evidence) {
    const { address } = session.client;
    if (block === null) return [{ result: 'pass', code: 'free', text: `${address} is not blocked` }];
    const whom = block.network === address ? address : `${address} (in ${plain(block.network)})`;
    const isOperators = block.evidence === '';
    const by = isOperators ? 'by the operator ' : '';
    const evidence = isOperators ? '' : ` (id ${plain(block.evidence)})`;
    const text = `${whom} is blocked ${by}until ${utc(block.endsMs)}: ${plain(unnamed(block.reason))}${evidence}`;
    const isDoubtful = !isOperators && (block.convictions <= 1 || block.delivered);
    const code = isDoubtful ? 'doubtful' : 'listed';
    // RFC 5321 3.1: at the greeting a refusal is a 554, and this one may be given there.
    return [{ result: 'fail', code, text, enhanced: '5.7.1', replyCode: 554 }];
  },
});

const LAST_DATE_MS = 8.64e15;
const MINUTE_MS = 60_000;

/** `2026-11-21 08:30 UTC`, never earlier than the end itself. */
function utc(endsMs: number): string {
  const minutes = Math.ceil(endsMs / MINUTE_MS) * MINUTE_MS;
  const ms = Number.isFinite(minutes) ? Math.min(Math.max(minutes, 0), LAST_DATE_MS) : LAST_DATE_MS;
  return `${new Date(ms).toISOString().replace('T', ' ').slice(0, -':00.000Z'.length)} UTC`;
}

/** Addresses are in the list and in the evidence. Whoever is blocked is not told which one was the trap, nor whom his neighbour wrote to. */
const unnamed = (reason: string): string => reason.replace(/<[^<>]*>/g, 'an address');

const MAX_TEXT = 150;

/** Reasons quote what clients once sent: they have to fit into a reply line beside the rest. */
function plain(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}...` : clean;
}
