import type { ScanFailure, ScannerSettings } from '../../core/scanners.ts';

/** Gives the place to the next one. To be called once. */
export type Leave = () => void;

/**
 * Whose turn it is at a scanner: so many at one time, so many that wait, first come first served, none longer than `waitMs`. Who waits
 * holds a message that is spooled already and costs nothing more; who cannot wait is deferred, and its sender comes again.
 */
export class Turns {
  readonly #settings: Pick<ScannerSettings, 'atOnce' | 'maxWaiting' | 'waitMs'>;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(settings: Pick<ScannerSettings, 'atOnce' | 'maxWaiting' | 'waitMs'>) {
    this.#settings = settings;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  async take(signal: AbortSignal): Promise<Leave | ScanFailure> {
    const { atOnce, maxWaiting, waitMs } = this.#settings;
    if (signal.aborted) return { kind: 'failed', reason: reasonOf(signal) };
    if (this.#taken < atOnce) {
      this.#taken++;
      return this.#leave();
    }
    if (this.#waiting.size >= maxWaiting)
      return { kind: 'busy', reason: `${atOnce} messages are scanned and ${maxWaiting} wait already` };
    return new Promise((resolve) => {
      const settle = (outcome: Leave | ScanFailure) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(proceed);
        resolve(outcome);
      };
      const proceed = () => settle(this.#leave());
      const onAbort = () => settle({ kind: 'failed', reason: reasonOf(signal) });
      const onLate = () => settle({ kind: 'busy', reason: `its turn did not come in ${waitMs} ms` });
      const timer = setTimeout(onLate, waitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(proceed);
    });
  }

  /** The place goes straight to the one that waits longest: who comes in between may not slip in. */
  #leave(): Leave {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const [next] = this.#waiting;
      if (next === undefined) this.#taken--;
      else next();
    };
  }
}

export function reasonOf(signal: AbortSignal): string {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name !== 'TimeoutError' && reason.name !== 'AbortError')
    return reason.message;
  return 'no answer in time';
}
