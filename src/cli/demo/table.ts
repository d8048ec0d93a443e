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
    for (const { name } of checks) this.#rungs.set(name, { asked: 0, refused: 0, deferred: 0, tookMs: 0 });
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

  end(): void {
    this.#status = '';
    this.#draw();
  }

  #redraw(): void {
    const nowMs = performance.now();
    if (!this.#out.isTTY || nowMs - this.#drawnAtMs < REDRAW_MS) return;
    this.#drawnAtMs = nowMs;
    this.#draw();
  }

  #draw(): void {
    const lines = [
      paint(
        'bold',
        `${'rung'.padEnd(10)}${'check'.padEnd(18)}${'asked'.padStart(7)}${'refused'.padStart(9)}${'deferred'.padStart(10)}${'ms each'.padStart(9)}`,
      ),
      ...this.#checks.map(({ name, cost }) => {
        const { asked, refused, deferred, tookMs } = this.#rungs.get(name) ?? {
          asked: 0,
          refused: 0,
          deferred: 0,
          tookMs: 0,
        };
        const each = asked === 0 ? '' : (tookMs / asked).toFixed(2);
        const row = `${cost.padEnd(10)}${name.padEnd(18)}${String(asked).padStart(7)}${String(refused || '').padStart(9)}${String(deferred || '').padStart(10)}${each.padStart(9)}`;
        return asked === 0 ? paint('dim', row) : row;
      }),
      `${paint('green', `${this.#delivered} delivered`)} of ${this.#decisions} decisions; refused and deferred count decisions too`,
      ...(this.#status === '' ? [] : [this.#status]),
    ];
    if (this.#out.isTTY && this.#drawnLines > 0) {
      moveCursor(this.#out, 0, -this.#drawnLines);
      cursorTo(this.#out, 0);
      clearScreenDown(this.#out);
    }
    this.#out.write(`${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }
}
