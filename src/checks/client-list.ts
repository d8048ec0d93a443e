import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { ListEntry } from '../core/lists.ts';

/** C1: the operator's block list of client addresses and networks. */
export const clientList = defineCheck({
  name: 'client-list',
  summary: 'Refuses clients whose address or network is on your own block list.',
  stage: 'connect',
  cost: 'memory',
  codes: {
    listed: 'The client is on the block list.',
    'not-listed': 'The client is not on the block list.',
  },
  settings: z.object({}),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 8, refuse_at: 'rcpt' },
  lifted: 'by-any',
  asksLists: true,
  gather: ({ session }, ports): { entries: readonly ListEntry[] } => ({
    // The question names the client alone, so entries with further conditions do not match.
    entries: ports.lists.find({ client: session.client.address }).filter((e) => e.kind === 'block'),
  }),
  judge: ({ session }, { entries }) => {
    const { address } = session.client;
    const [entry] = entries;
    if (entry === undefined)
      return [{ result: 'pass', code: 'not-listed', text: `${address} is on no block list` }];
    const reason = entry.reason === undefined ? '' : `: ${entry.reason}`;
    const text = `${address} is on our block list${reason}`;
    return [{ result: 'fail', code: 'listed', text, enhanced: '5.7.1', replyCode: 554 }];
  },
});
