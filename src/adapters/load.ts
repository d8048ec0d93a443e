import { availableParallelism, loadavg, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

// How finely the event loop is watched; it comes on top of every delay measured.
const RESOLUTION_MS = 20;

/** What the machine and this process say of their load (C6). */
export class MachineLoad {
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #cores = availableParallelism();
  #count = 0;
  #sumMs = 0;

  constructor() {
    this.#delays.enable();
  }

  /** Delays are those since the last call. `memoryLimitOctets` 0: what the control group or the machine has. */
  read(memoryLimitOctets: number): { loadAverage: number; eventLoopDelayMs: number; memoryPercent: number } {
    return {
      loadAverage: (loadavg()[0] ?? 0) / this.#cores,
      eventLoopDelayMs: this.#delayMs(),
      memoryPercent: memoryPercent(memoryLimitOctets),
    };
  }

  /**
   * On average. What the histogram has gathered in all is compared with the last time: a reset would make it drop the delay that
   * is under way, and with a loop so slow that every turn of it brings a reset it would never see one.
   */
  #delayMs(): number {
    const { count } = this.#delays;
    const sumMs = count === 0 ? 0 : (this.#delays.mean * count) / 1e6; // the mean of nothing is NaN
    const measured = count - this.#count;
    const meanMs = measured === 0 ? 0 : (sumMs - this.#sumMs) / measured;
    this.#count = count;
    this.#sumMs = sumMs;
    return Math.max(0, meanMs - RESOLUTION_MS);
  }

  close(): void {
    this.#delays.disable();
  }
}

/** Of the process's memory or of V8's own heap, whichever is fuller: at the end of either the process ends. */
function memoryPercent(limitOctets: number): number {
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  // What the heap has taken and does not use is ours to use again: counted, the mark would be met long after the rush.
  const used = rss - (heapTotal - heapUsed);
  const heap = heapUsed / getHeapStatistics().heap_size_limit;
  return 100 * Math.max(used / (limitOctets === 0 ? machineOctets() : limitOctets), heap);
}

/** The control group's limit, as systemd's `MemoryMax` and containers set it, where it is less than the machine has. */
function machineOctets(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
