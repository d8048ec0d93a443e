/** How far a long command has come, on one line that is written over; nothing where nobody looks. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const EVERY_MS = 100;
const BAR = 30;

export class Progress {
  readonly #output: ProgressOutput;
  readonly #nowMs: () => number;
  readonly #total: number;
  readonly #beganMs: number;
  #done = 0;
  #shownMs = -Infinity;

  constructor(total: number, output: ProgressOutput = process.stderr, nowMs = () => performance.now()) {
    this.#output = output;
    this.#nowMs = nowMs;
    this.#total = total;
    this.#beganMs = nowMs();
  }

  /** `say` is asked only when a line is due. */
  add(done: number, say: () => string): void {
    this.#done += done;
    const nowMs = this.#nowMs();
    if (this.#output.isTTY !== true || nowMs - this.#shownMs < EVERY_MS) return;
    this.#shownMs = nowMs;
    const part = this.#total === 0 ? 1 : Math.min(1, this.#done / this.#total);
    const filled = Math.floor(part * BAR);
    const line = `[${'#'.repeat(filled)}${' '.repeat(BAR - filled)}] ${Math.floor(part * 100)} %  ${say()}${this.#left(part, nowMs)}`;
    this.#output.write(`\r${line.slice(0, (this.#output.columns ?? 80) - 1)}\x1b[K`);
  }

  end(): void {
    if (this.#output.isTTY === true && this.#shownMs > -Infinity) this.#output.write('\r\x1b[K');
  }

  #left(part: number, nowMs: number): string {
    if (part < 0.01 || part === 1) return '';
    const seconds = Math.ceil(((nowMs - this.#beganMs) * (1 - part)) / part / 1000);
    return seconds < 60 ? `, ${seconds} s left` : `, ${Math.ceil(seconds / 60)} min left`;
  }
}
