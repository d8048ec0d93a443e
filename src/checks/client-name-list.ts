import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { ListEntry } from '../core/lists.ts';
import { confirmedNames, iprev, isIprevOpen, type Iprev } from '../msgauth/iprev.ts';

interface Evidence {
  /** Absent where no entry names a host: then nothing was asked. */
  readonly reverse?: Iprev;
  readonly entries: readonly ListEntry[];
}

/** C1: the operator's block list of host names. */
export const clientNameList = defineCheck({
  name: 'client-name-list',
  summary: 'Refuses clients whose confirmed host name is on your own block list.',
  stage: 'connect',
  cost: 'dns-chain',
  codes: {
    listed: 'A confirmed host name of the client is on the block list.',
    'not-listed': 'No confirmed host name of the client is on the block list.',
    temperror: 'The host name could not be found out.',
  },
  settings: z.object({}),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 8, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: async ({ session }, ports, _settings, signal): Promise<Evidence> => {
    if (ports.lists.namesHosts === false) return { entries: [] };
    const client = session.client.address;
    const reverse = await iprev(ports.dns, client, signal);
    const hosts = confirmedNames(reverse);
    const matching = hosts.length === 0 ? [] : ports.lists.find({ client, hosts });
    return { reverse, entries: matching.filter((e) => e.kind === 'block' && e.host !== undefined) };
  },
  judge: ({ session }, { reverse, entries }) => {
    const { address } = session.client;
    const [entry] = entries;
    if (entry !== undefined) {
      const names = reverse === undefined ? [] : confirmedNames(reverse);
      const reason = entry.reason === undefined ? '' : `: ${entry.reason}`;
      const text = `${address} (${names.join(', ')}) is on our block list of host names${reason}`;
      return [{ result: 'fail', code: 'listed', text, enhanced: '5.7.1', replyCode: 554 }];
    }
    if (reverse !== undefined && isIprevOpen(reverse)) {
      const text = `the host name of ${address} could not be looked up`;
      return [{ result: 'temperror', code: 'temperror', text, enhanced: '5.4.3' }];
    }
    return [{ result: 'pass', code: 'not-listed', text: `no host name of ${address} is on a block list` }];
  },
});
