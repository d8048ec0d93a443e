import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { askZones, readAnswer, shownName, zoneList, zonesAgain, type ZonesEvidence } from './dns-zones.ts';

// DNSWL answers those who ask too much with what reads as "highest trust" (127.0.10.3), or with 127.0.0.255.
const REFUSALS = ['127.0.10.0/24', '127.0.0.255'];

/** C8: DNS allow lists of client addresses (RFC 5782, RFC 8904). */
export const dnswl = defineCheck({
  name: 'dnswl',
  summary: 'Asks DNS allow lists about the client; a listing speaks against suspicion.',
  stage: 'connect',
  cost: 'dns',
  codes: {
    listed: 'The list vouches for the client.',
    'not-listed': 'No list vouches for the client.',
    suspended: 'The list answers nonsense, is not asked now, and the operator has been told.',
    'not-asked': 'The list was not asked about this client.',
    temperror: 'The list did not answer.',
  },
  settings: z.object({ zones: zoneList({ byDefault: -2, min: -1000, max: 0 }, REFUSALS) }),
  defaults: { on_fail: 'observe', on_temperror: 'go-on', weight: 0, refuse_at: 'rcpt' },
  lifted: 'by-any',
  idle: ({ zones }) => (zones.length === 0 ? 'no zones are configured' : undefined),
  gather: ({ session }, ports, { zones }, signal): Promise<ZonesEvidence> =>
    askZones(zones, session.client.address, ports, signal),
  again: (evidence, { session }, { zones }) => zonesAgain(evidence, zones, session.client.address),
  judge: ({ session }, evidence, { zones }) => {
    const { address } = session.client;
    const v6 = address.includes(':');
    const findings: Finding[] = [];
    const told = new Set<string>();
    for (const zone of zones) {
      const answer = readAnswer(evidence, zone);
      const name = shownName(zone);
      if (answer.said === 'listed') {
        if (v6 && !zone.v6) continue;
        const text = `${name} vouches for ${address} (${answer.answers.join(', ')})`;
        findings.push({ result: 'pass', code: 'listed', text, weight: zone.weight });
        continue;
      }
      // A zone that stands in several tables has one health.
      if (answer.said === 'not-listed' || told.has(name)) continue;
      told.add(name);
      if (answer.said === 'no-answer') {
        const text = `the list ${name} did not answer: ${answer.text ?? ''}`;
        findings.push({ result: 'temperror', code: 'temperror', text, enhanced: '5.4.3' });
      } else if (answer.said === 'suspended') {
        findings.push({
          result: 'none',
          code: 'suspended',
          text: `the list ${name} is not asked: it ${answer.text ?? ''}`,
        });
      } else {
        findings.push({ result: 'none', code: 'not-asked', text: `the list ${name} was not asked` });
      }
    }
    return findings.length > 0
      ? findings
      : [{ result: 'pass', code: 'not-listed', text: `no list vouches for ${address}` }];
  },
});
