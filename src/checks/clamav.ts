import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { VirusVerdict } from '../core/scanners.ts';
import {
  idleWithout,
  scan,
  SCANNING_ACTIONS,
  SCANNING_CODES,
  scannerSettings,
  unscanned,
  type Unscanned,
} from './scanning.ts';

/** ClamAV found no known malware, but a sign of it (`Heuristics.`), or what the operator does not want (`PUA.`). */
const ONLY_A_SIGN = /^(?:Heuristics|PUA)\./;

/** M7, M8: no mail with a virus is let in, and who brings one is convicted. */
export const clamav = defineCheck({
  name: 'clamav',
  summary: 'Asks ClamAV (clamd) whether the message carries a virus.',
  stage: 'endOfMessage',
  cost: 'scanner',
  codes: {
    clean: 'ClamAV found nothing.',
    infected: 'ClamAV found a virus.',
    heuristic: 'ClamAV found a sign of one, or an unwanted program (`Heuristics.…`, `PUA.…`).',
    ...SCANNING_CODES,
  },
  settings: z.strictObject(scannerSettings('/run/clamav/clamd.ctl')),
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'defer',
    weight: 10,
    refuse_at: 'rcpt',
    actions: SCANNING_ACTIONS,
  },
  lifted: 'by-name',
  charges: { infected: 'conviction' },
  idle: idleWithout,
  gather: (facts, ports, settings, signal, site, clues): Promise<VirusVerdict | Unscanned> =>
    scan(ports.scanners.clamav, facts, ports, settings, signal, site, clues),
  judge({ message }, answer) {
    switch (answer.kind) {
      case 'clean':
        return [{ result: 'pass', code: 'clean', text: 'ClamAV found nothing' }];
      case 'infected': {
        const code = ONLY_A_SIGN.test(answer.name) ? 'heuristic' : 'infected';
        const text = `the message is infected: ClamAV found ${answer.name}`;
        return [{ result: 'fail', code, text, enhanced: '5.7.1', replyCode: 554 }];
      }
      default:
        return unscanned('the virus scanner', answer, message.sizeOctets);
    }
  },
});
