import { z } from 'zod';
import { defineCheck } from '../core/check.ts';

/** C4: RFC 5321 3.1 has the server speak first; programs that only pour out mail do not wait for it. */
export const earlyTalker = defineCheck({
  name: 'early-talker',
  summary: 'The client spoke before it had read the banner.',
  stage: 'connect',
  cost: 'memory',
  codes: { waited: 'the client waited for its turn', spoke: 'the client spoke before the banner' },
  settings: z.strictObject({}),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 5, refuse_at: 'rcpt' },
  lifted: 'by-any',
  // Elsewhere the mail server holds the dialogue, and does not tell how the client keeps to it.
  doors: ['gateway'],
  charges: { spoke: 'strike' },
  judge({ session }) {
    if (!session.violations.includes('early-talker')) {
      return [{ result: 'pass', code: 'waited', text: `${session.client.address} waited for the banner` }];
    }
    const text = `${session.client.address} spoke before the banner (RFC 5321 3.1)`;
    return [{ result: 'fail', code: 'spoke', text, enhanced: '5.5.1' }];
  },
});
