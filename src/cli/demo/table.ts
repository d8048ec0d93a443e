import { cursorTo, moveCursor, clearScreenDown } from 'node:readline';
import type { WriteStream } from 'node:tty';
import type { AnyCheck } from '../../core/check.ts';
import type { Decision } from '../../core/decision.ts';
import { painter } from '../../adapters/paint.ts';

const paint = painter(process.stdout);

interface Rung {
  asked: number;
  refused: number;
  deferred: number;
  tookMs: number;
}

// Faster than this nobody reads, and a terminal only flickers.
const REDRAW_MS = 100;
const BAR = 30;
// Of a terminal that does not say.
const COLUMNS = 80;
const ROWS = 24;
// The heading, the sum, the status, and the line that the cursor stands on.
const LINES_BESIDE = 4;
const NOTHING: Rung = { asked: 0, refused: 0, deferred: 0, tookMs: 0 };

/** The ladder as a table that grows while mail comes in: redrawn in place on a terminal, written once elsewhere. */
export class LadderTable {
  readonly #out: WriteStream;
  readonly #checks: readonly AnyCheck[];
  readonly #rungs = new Map<string, Rung>();
  #decisions = 0;
  #delivered = 0;
  #status = '';
  #drawnLines = 0;
  #drawnAtMs = 0;

  constructor(checks: readonly AnyCheck[], out: WriteStream) {
    this.#out = out;
    this.#checks = checks;
    for (const { name } of checks) this.#rungs.set(name, { ...NOTHING });
  }

  add(decision: Decision): void {
    this.#decisions++;
    if (decision.outcome === 'accepted') this.#delivered++;
    for (const step of decision.steps) {
      const rung = this.#rungs.get(step.check);
      if (rung === undefined) continue;
      rung.asked++;
      rung.tookMs += step.tookMs;
    }
    // Decisions, as in the summary: a message is refused once, however many recipients it had.
    const deciding = decision.check === undefined ? undefined : this.#rungs.get(decision.check);
    if (deciding !== undefined && decision.outcome === 'refused') deciding.refused++;
    if (deciding !== undefined && decision.outcome === 'deferred') deciding.deferred++;
    this.#redraw();
  }

  progress(done: number, total: number, who: string): void {
    const filled = Math.round((BAR * done) / total);
    this.#status = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${done}/${total}  ${who}`;
    this.#redraw();
  }

  /** All of it, whatever fits. */
  end(): void {
    this.#status = '';
    this.#draw(this.#checks, []);
  }

  #redraw(): void {
    const nowMs = performance.now();
    if (!this.#out.isTTY || nowMs - this.#drawnAtMs < REDRAW_MS) return;
    this.#drawnAtMs = nowMs;
    const columns = this.#out.columns || COLUMNS;
    const rows = this.#out.rows || ROWS;
    // What is redrawn must not have scrolled away: on a low terminal the checks that have decided nothing stay out.
    const deciding = this.#checks.filter(({ name }) => {
      const rung = this.#rungs.get(name);
      return rung !== undefined && rung.refused + rung.deferred > 0;
    });
    const room = rows - LINES_BESIDE;
    const shown = this.#checks.length <= room ? this.#checks : deciding.slice(0, Math.max(room, 0));
    // The cursor goes up by lines: none may be broken in two.
    const status = this.#status === '' ? [] : [this.#status.slice(0, columns - 1)];
    this.#draw(shown, status);
  }

  #draw(shown: readonly AnyCheck[], status: readonly string[]): void {
    const lines = [
      paint('bold', HEADER),
      ...shown.map((check) => this.#row(check)),
      `${paint('green', `${this.#delivered} delivered`)} of ${this.#decisions} decisions; refused and deferred count decisions too`,
      ...status,
    ];
    if (this.#out.isTTY && this.#drawnLines > 0) {
      moveCursor(this.#out, 0, -this.#drawnLines);
      cursorTo(this.#out, 0);
      clearScreenDown(this.#out);
    }
    this.#out.write(`${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  #row({ name, cost }: AnyCheck): string {
    const { asked, refused, deferred, tookMs } = this.#rungs.get(name) ?? NOTHING;
    const each = asked === 0 ? '' : (tookMs / asked).toFixed(2);
    const row = rowOf(cost, name, String(asked), String(refused || ''), String(deferred || ''), each);
    return asked === 0 ? paint('dim', row) : row;
  }
}

function rowOf(
  rung: string,
  check: string,
  asked: string,
  refused: string,
  deferred: string,
  each: string,
): string {
  return `${rung.padEnd(10)}${check.padEnd(18)}${asked.padStart(7)}${refused.padStart(9)}${deferred.padStart(10)}${each.padStart(9)}`;
}

const HEADER = rowOf('rung', 'check', 'asked', 'refused', 'deferred', 'ms each');
