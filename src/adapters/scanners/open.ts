import type { ScannersPort, ScannerSettings } from '../../core/scanners.ts';
import { Clamd } from './clamd.ts';
import { Rspamd } from './rspamd.ts';
import { Spamd } from './spamd.ts';

export interface OpenScanners extends ScannersPort {
  /** Ends the connections that rest; what is under way comes to its own end. */
  close(): void;
}

/** Nothing is connected before the first message. */
export function openScanners(settings: {
  readonly clamav?: ScannerSettings | undefined;
  readonly spamassassin?: ScannerSettings | undefined;
  readonly rspamd?: ScannerSettings | undefined;
}): OpenScanners {
  const clamav = settings.clamav === undefined ? undefined : new Clamd(settings.clamav);
  const spamassassin = settings.spamassassin === undefined ? undefined : new Spamd(settings.spamassassin);
  const rspamd = settings.rspamd === undefined ? undefined : new Rspamd(settings.rspamd);
  return {
    clamav,
    spamassassin,
    rspamd,
    close() {
      clamav?.close();
      rspamd?.close();
    },
  };
}
