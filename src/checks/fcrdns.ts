import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { confirmedNames, iprev, isIprevOpen, type Iprev } from '../msgauth/iprev.ts';

/** C9: the client has a reverse name that leads back to it. */
export const fcrdns = defineCheck({
  name: 'fcrdns',
  summary: 'Asks whether the client has a reverse DNS name that leads back to its address.',
  stage: 'connect',
  cost: 'dns-chain',
  codes: {
    ok: 'A reverse name leads back to the client.',
    'no-ptr': 'The client has no reverse name.',
    mismatch: 'It has one, but none that leads back to it.',
    temperror: 'DNS did not answer, or gave more names than are looked at.',
  },
  settings: z.object({}),
  defaults: { on_fail: 'suspect', on_temperror: 'go-on', weight: 2, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: ({ session }, ports, _settings, signal): Promise<Iprev> =>
    iprev(ports.dns, session.client.address, signal),
  judge: ({ session }, found): readonly Finding[] => {
    const { address } = session.client;
    // RFC 8601 2.7.3: no PTR record is `permerror`, a name that does not lead back is `fail`.
    const said = (result: string, comment?: string): Pick<Finding, 'authentication'> => ({
      authentication: [
        {
          method: 'iprev',
          result,
          ...(comment === undefined ? {} : { comment }),
          properties: { 'policy.iprev': address },
        },
      ],
    });
    const [name] = confirmedNames(found);
    if (name !== undefined) {
      return [
        { result: 'pass', code: 'ok', text: `${address} is ${name}`, domain: name, ...said('pass', name) },
      ];
    }
    if (isIprevOpen(found)) {
      const text = `the reverse DNS of ${address} could not be looked up`;
      return [{ result: 'temperror', code: 'temperror', text, enhanced: '5.4.3', ...said('temperror') }];
    }
    // RFC 7372 3.3: X.7.25, reverse DNS validation failed.
    if (found.names.length === 0) {
      const text = `${address} has no reverse DNS`;
      return [{ result: 'fail', code: 'no-ptr', text, enhanced: '5.7.25', ...said('permerror') }];
    }
    return [
      {
        result: 'fail',
        code: 'mismatch',
        text: `${address} has no matching reverse DNS`,
        enhanced: '5.7.25',
        ...said('fail'),
      },
    ];
  },
});
