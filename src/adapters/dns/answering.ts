import type { Dependency } from '../../core/status.ts';

/** Two halves of a minute: what is told is of the last one to two of them. */
const HALF_MS = 30_000;
/** Fewer say nothing. */
const MIN_ASKED = 10;
// Strangers' own servers are dead every day; a resolver that is well answers for most names.
const SLOW_FROM = 0.3;
const ILL_FROM = 0.8;

interface Half {
  readonly beganMs: number;
  asked: number;
  unanswered: number;
}

/** Whether the resolvers answer, noticed from the questions of the last minute. */
export class Answering {
  readonly #nowMs: () => number;
  #half: Half;
  #before: Half | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#half = { beganMs: nowMs(), asked: 0, unanswered: 0 };
  }

  note(isAnswered: boolean): void {
    this.#turn();
    this.#half.asked += 1;
    if (!isAnswered) this.#half.unanswered += 1;
  }

  state(): Pick<Dependency, 'state' | 'detail'> {
    this.#turn();
    const asked = this.#half.asked + (this.#before?.asked ?? 0);
    const unanswered = this.#half.unanswered + (this.#before?.unanswered ?? 0);
    if (asked === 0) return { state: 'unknown', detail: 'nothing was asked lately' };
    const share = unanswered / asked;
    if (asked < MIN_ASKED || share < SLOW_FROM) return { state: 'ok' };
    const detail = `${unanswered} of ${asked} questions lately had no answer`;
    return { state: share < ILL_FROM ? 'slow' : 'ill', detail };
  }

  #turn(): void {
    const now = this.#nowMs();
    const ageMs = now - this.#half.beganMs;
    if (ageMs < HALF_MS) return;
    this.#before = ageMs < 2 * HALF_MS ? this.#half : undefined;
    this.#half = { beganMs: now, asked: 0, unanswered: 0 };
  }
}
