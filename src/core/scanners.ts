import type { MessageContent } from './delivery.ts';
import type { SessionFacts, TransactionFacts } from './facts.ts';

/** The scanners at the end of DATA (M7); those that are configured. */
export interface ScannersPort {
  readonly clamav?: Scanner<VirusVerdict> | undefined;
  readonly spamassassin?: Scanner<SpamVerdict> | undefined;
  readonly rspamd?: Scanner<RspamdVerdict> | undefined;
}

export interface Scanner<Verdict> {
  /** Never rejects. The end of the signal is `failed`. */
  scan(question: ScanQuestion, signal: AbortSignal): Promise<Verdict | ScanFailure>;
  /** Whether it is there and answers, for `doctor`; undefined when it does. */
  probe(signal: AbortSignal): Promise<ScanFailure | undefined>;
}

export interface ScanQuestion {
  readonly content: MessageContent;
  readonly session: SessionFacts;
  readonly transaction: TransactionFacts;
  /** The client's forward-confirmed name, where one is known. */
  readonly hostName?: string | undefined;
  /** Our own name. */
  readonly by: string;
}

/** Verdicts and failures are plain JSON: they are evidence. */
export type VirusVerdict = { readonly kind: 'clean' } | { readonly kind: 'infected'; readonly name: string };

export interface SpamVerdict {
  readonly kind: 'scored';
  /** Whether it takes the message for spam. */
  readonly spam: boolean;
  readonly score: number;
  readonly required: number;
  readonly tests: readonly string[];
}

export interface RspamdVerdict {
  readonly kind: 'scored';
  /** As rspamd names it; `other` is one that it was taught. */
  readonly action:
    | 'no action'
    | 'greylist'
    | 'add header'
    | 'rewrite subject'
    | 'soft reject'
    | 'reject'
    | 'discard'
    | 'quarantine'
    | 'other';
  readonly skipped: boolean;
  readonly score: number;
  readonly required: number;
  readonly symbols: readonly string[];
  readonly message?: string;
}

export type ScanFailure =
  /** Beyond the scanner's own bound. */
  | { readonly kind: 'too-large' }
  /** Its turn did not come: as many messages as may be are scanned or wait. */
  | { readonly kind: 'busy'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export type ScannerAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** How one scanner is talked to. Comes from the settings of its check. */
export interface ScannerSettings {
  readonly address: ScannerAddress;
  /** Messages that it is given at one time. */
  readonly atOnce: number;
  /** Messages that wait for their turn; what comes beyond is deferred at once. */
  readonly maxWaiting: number;
  readonly waitMs: number;
  /** For one message, from its turn to the verdict. */
  readonly timeoutMs: number;
}
