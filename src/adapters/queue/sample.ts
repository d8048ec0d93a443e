/** Asks the mail server behind us how long its queue is (O8). */
import { harmless } from '../harmless.ts';
import { runLines, TIMEOUT_MS } from '../run-lines.ts';
import {
  eximListing,
  numberListing,
  postfixListing,
  sendmailListing,
  type Listing,
  type QueueCount,
} from './listing.ts';

export interface QueueSource {
  readonly from: 'postfix' | 'exim' | 'sendmail' | 'command';
  /** Program and arguments in place of the usual ones. */
  readonly command?: readonly string[];
}

export interface SampleOptions {
  readonly nowMs?: () => number;
  readonly timeoutMs?: number;
}

// Exim lists the oldest first; reading a list of a hundred thousand takes it minutes.
const MAX_EXIM_LINES = 20_000;

/** Rejects with the reason in words. */
export async function sampleQueue(
  { from, command }: QueueSource,
  signal: AbortSignal,
  { nowMs = Date.now, timeoutMs = TIMEOUT_MS }: SampleOptions = {},
): Promise<QueueCount> {
  const read = async (listing: Listing, asked: readonly string[], maxLines = Infinity): Promise<void> => {
    let lines = 0;
    const onLine = (line: string): 'enough' | undefined => {
      listing.take(line);
      return ++lines >= maxLines ? 'enough' : undefined;
    };
    await runLines({ command: asked, onLine, signal, timeoutMs });
  };
  const once = async (listing: Listing, asked: readonly string[]): Promise<QueueCount> => {
    await read(listing, asked);
    return counted(listing, asked);
  };
  switch (from) {
    case 'postfix':
      return once(postfixListing(nowMs()), command ?? ['/usr/sbin/postqueue', '-j']);
    case 'sendmail':
      return once(sendmailListing(nowMs()), command ?? ['/usr/bin/mailq']);
    case 'command':
      return once(numberListing(), command ?? []);
    case 'exim': {
      const listing = eximListing();
      if (command !== undefined) return once(listing, command);
      await read(listing, [EXIM, '-bpc']);
      // The number alone is worth an alert: what else there is may be missing.
      if (counted(listing, [EXIM]).messages > 0) {
        await read(listing, [EXIM, '-bp'], MAX_EXIM_LINES).catch(() => undefined);
      }
      return counted(listing, [EXIM]);
    }
  }
}

const EXIM = '/usr/sbin/exim';

function counted(listing: Listing, [program = '']: readonly string[]): QueueCount {
  try {
    return listing.count();
  } catch (error) {
    throw new Error(harmless(`${program} ${error instanceof Error ? error.message : String(error)}`), {
      cause: error,
    });
  }
}
