/**
 * A disk that may hang: a network file system whose server is gone, a device that fails. Nobody must wait for it without bound, and no
 * call into the file system can be taken back: what is overdue goes on by itself, in one of the few threads that libuv has for all
 * files of the program. So while `MAX_OVERDUE` pieces of work are, nothing new is begun on that disk.
 */
export class Disk {
  readonly #timeoutMs: number;
  #overdue = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** So much is overdue that nothing new is begun. */
  get hangs(): boolean {
    return this.#overdue >= MAX_OVERDUE;
  }

  /**
   * What comes of the work, or `DiskHangs` at the deadline. `late` is aborted then: the work has to see to it that nothing comes of it
   * any more. `gone` ends the wait as well, with its own reason, and the work goes on.
   */
  within<T>(work: (late: AbortSignal) => Promise<T>, gone?: AbortSignal): Promise<T> {
    if (this.hangs) return Promise.reject(new DiskHangs());
    if (gone?.aborted === true) return Promise.reject(gone.reason as Error);
    const late = new AbortController();
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#overdue++;
        const hangs = new DiskHangs();
        late.abort(hangs);
        reject(hangs);
      }, this.#timeoutMs);
      const onGone = () => reject(gone?.reason as Error);
      gone?.addEventListener('abort', onGone, { once: true });
      const ended = () => {
        clearTimeout(timer);
        gone?.removeEventListener('abort', onGone);
        if (late.signal.aborted) this.#overdue--;
      };
      const begun = async () => work(late.signal);
      begun().finally(ended).then(resolve, reject);
    });
  }
}

/** Of libuv's four threads; the others are left to the rest of the program. */
const MAX_OVERDUE = 2;

export class DiskHangs extends Error {
  constructor() {
    super('the disk did not answer in time');
  }
}
