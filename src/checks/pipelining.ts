import { z } from 'zod';
import { defineCheck } from '../core/check.ts';

/** H4: PIPELINING (RFC 2920) is not offered, so whoever sends the next command before the reply is not listening. */
export const pipelining = defineCheck({
  name: 'pipelining',
  summary: 'The client sent commands, or the message, before it was its turn.',
  stage: 'connect',
  cost: 'memory',
  codes: {
    waited: 'the client waited for each reply',
    unasked: 'the client sent ahead although PIPELINING was not offered',
  },
  settings: z.strictObject({}),
  defaults: { on_fail: 'refuse', on_temperror: 'go-on', weight: 5, refuse_at: 'rcpt' },
  lifted: 'by-any',
  // Elsewhere the mail server holds the dialogue, and does not tell how the client keeps to it.
  doors: ['gateway'],
  charges: { unasked: 'strike' },
  judge({ session }) {
    if (!session.violations.includes('pipelining')) {
      return [{ result: 'pass', code: 'waited', text: `${session.client.address} waited for each reply` }];
    }
    const text = `${session.client.address} sent ahead of the replies although PIPELINING was not offered (RFC 2920 3.1)`;
    return [{ result: 'fail', code: 'unasked', text, enhanced: '5.5.0' }];
  },
});
