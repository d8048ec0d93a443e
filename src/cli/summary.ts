/** `postern admin summary`: the daily summary as it would be now, and by mail to try the way it goes. */
import { openDesk } from '../adapters/desk/sqlite.ts';
import { dailySummary } from '../admin/watch/summary.ts';
import type { Config } from '../config/config.ts';
import { existingDesk } from './existing-desk.ts';
import { CommandError, EX_CONFIG } from './exit.ts';
import { withJournal } from './journal.ts';
import { openTeller } from './watching.ts';

const DAY_MS = 86_400_000;
const LONGEST_SEND_MS = 60_000;

export async function summaryCommand(
  config: Config,
  options: { readonly send?: boolean },
  write = (text: string): void => void process.stdout.write(text),
  complain = (text: string): void => void process.stderr.write(text),
): Promise<number> {
  const { mailTo } = config.admin.notify;
  if (options.send === true && mailTo.length === 0)
    throw new CommandError(`${config.file}: [notify] has no mail_to: nobody to send it to`, EX_CONFIG);
  return withJournal(config, async (journal) => {
    const desk = existingDesk(config) ?? openDesk(':memory:');
    let failed = 0;
    const world = {
      config: () => config,
      nowMs: Date.now,
      journal,
      desk,
      trouble: (what: string, error: unknown) => {
        failed++;
        complain(`${what}: ${error instanceof Error ? error.message : String(error)}\n`);
      },
    };
    // One attempt: somebody waits for it.
    const teller = openTeller(world, { givenUpAfterMs: 0 });
    try {
      const untilMs = Date.now();
      const notice = await dailySummary(world, { sinceMs: untilMs - DAY_MS, untilMs });
      write(notice.text);
      if (options.send !== true) return 0;
      const isDone = await teller.notify(notice, AbortSignal.timeout(LONGEST_SEND_MS));
      if (!isDone) world.trouble('sending it', `no answer within ${LONGEST_SEND_MS / 1000} s`);
      if (failed === 0) write(`\nSent to ${mailTo.join(', ')}.\n`);
      return failed === 0 ? 0 : 1;
    } finally {
      await teller.close();
      desk.close();
    }
  });
}
