import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { count } from '../core/settings.ts';
import {
  askZones,
  readAnswer,
  shownName,
  unasked,
  zoneList,
  zonesAgain,
  type ZonesEvidence,
} from './dns-zones.ts';

/** C8: DNS block lists of client addresses (RFC 5782). */
export const dnsbl = defineCheck({
  name: 'dnsbl',
  summary: 'Asks DNS block lists about the client, each with its own weight.',
  stage: 'connect',
  cost: 'dns',
  codes: {
    listed: 'Listed, and the weights of all lists that name the client reach `refuse_at_weight`.',
    suspected: 'Listed, but the weights do not reach `refuse_at_weight`.',
    'not-listed': 'No list names the client.',
    suspended: 'The list answers nonsense, is not asked now, and the operator has been told.',
    'not-asked': 'The list was not asked about this client.',
    temperror: 'The list did not answer.',
  },
  settings: z.object({
    zones: zoneList({ byDefault: 4, min: 0, max: 1000 }, []),
    refuse_at_weight: count(8, 1, 1000, 'The sum of weights from which a listing is a refusal.'),
  }),
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'go-on',
    weight: 4,
    refuse_at: 'rcpt',
    actions: { suspected: 'suspect' },
  },
  lifted: 'by-any',
  idle: ({ zones }) => (zones.length === 0 ? 'no zones are configured' : undefined),
  gather: ({ session }, ports, { zones }, signal): Promise<ZonesEvidence> =>
    askZones(zones, session.client.address, ports, signal),
  again: (evidence, { session }, { zones }) => zonesAgain(evidence, zones, session.client.address),
  judge: ({ session }, evidence, { zones, refuse_at_weight }) => {
    const { address } = session.client;
    const v6 = address.includes(':');
    const said = zones.map((zone) => ({ zone, answer: readAnswer(evidence, zone) }));
    const listed = said.filter(({ zone, answer }) => answer.said === 'listed' && (zone.v6 || !v6));
    const sum = listed.reduce((total, { zone }) => total + zone.weight, 0);
    const code = sum >= refuse_at_weight ? 'listed' : 'suspected';
    const findings: Finding[] = listed.map(({ zone, answer }) => {
      const reason = answer.text === undefined ? '' : `: ${answer.text}`;
      const text = `${address} is listed by ${shownName(zone)} (${answer.answers.join(', ')})${reason}`;
      return { result: 'fail', code, text, enhanced: '5.7.1', replyCode: 554, weight: zone.weight };
    });
    // A zone that stands in several tables has one health.
    for (const { zone, answer } of new Map(said.map((s) => [shownName(s.zone), s])).values()) {
      if (answer.said === 'no-answer' || answer.said === 'suspended' || answer.said === 'not-asked') {
        findings.push(unasked(zone, answer.said, answer.text));
      }
    }
    if (findings.length > 0) return findings;
    return [{ result: 'pass', code: 'not-listed', text: `no list names ${address}` }];
  },
});
